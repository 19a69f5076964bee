"""Resolve command-line arguments (files, folders, globs) to sources, each file once under one id."""

from __future__ import annotations

import difflib
import glob
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kgrag.errors import UsageError

FILE_EXTENSIONS: tuple[str, ...] = (
    ".txt",
    ".text",
    ".md",
    ".markdown",
    ".rst",
    ".html",
    ".htm",
    ".pdf",
    ".docx",
    ".csv",
    ".tsv",
    ".jsonl",
    ".jsonl.gz",
    ".json",
)
"""Extensions of supported files; a file without an extension is read if it is text."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file to read and its id in the store; ``-`` is standard input."""

    path: Path
    id: str


def file_kind(path: Path) -> str:
    """Return the extension of `FILE_EXTENSIONS` that a file name ends with, or ""."""
    name = path.name.lower()
    return next((kind for kind in sorted(FILE_EXTENSIONS, key=len, reverse=True) if name.endswith(kind)), "")


def discover_sources(arguments: Sequence[str], base: Path, skipped: Counter[str] | None = None) -> list[Source]:
    """Return the files that ``arguments`` name, each once, sorted by id.

    An id is the posix path relative to ``base``, or the absolute path of a file outside it.

    Args:
        arguments: files, folders, globs, or ``-`` for standard input. A file named explicitly is accepted with any
            extension; in folders and globs, hidden files and unknown kinds are skipped.
        base: folder that ids are relative to.
        skipped: counter of skipped files, by reason.

    Raises:
        UsageError: a path does not exist, or a glob matches nothing.
    """
    skipped = Counter() if skipped is None else skipped
    source_by_real_path: dict[str, Source] = {}
    for argument in arguments:
        for path in _expand_argument(argument, skipped):
            source = Source(path, "-" if path == Path("-") and argument == "-" else _source_id(path, base))
            real_path = "-" if source.id == "-" else os.path.realpath(path)
            existing_source = source_by_real_path.get(real_path)
            if existing_source is None or (path.is_symlink(), source.id) < (
                existing_source.path.is_symlink(),
                existing_source.id,
            ):
                source_by_real_path[real_path] = source
    return sorted(source_by_real_path.values(), key=lambda source: source.id)


def _expand_argument(argument: str, skipped: Counter[str]) -> Iterator[Path]:
    path = Path(argument)
    if argument == "-":
        yield path
    elif not argument.strip():
        raise UsageError("Expected a file, a folder or a glob, found an empty argument: name what to read.")
    elif path.is_dir():
        yield from _walk_folder(path, skipped)
    elif os.path.lexists(path):
        yield path
    elif glob.has_magic(argument):
        matches = sorted(glob.glob(argument, recursive=True))
        if not matches:
            raise UsageError(f"Expected files, found nothing that matches {argument!r}{_spelling_hint(path)}")
        for match in map(Path, matches):
            if match.is_dir():
                if path.name != "**":  # which matches the files, too
                    yield from _walk_folder(match, skipped)
            elif _is_accepted_file(match, skipped):
                yield match
    else:
        raise UsageError(f"Expected a file or a folder, found nothing called {argument!r}{_spelling_hint(path)}")


def _spelling_hint(path: Path) -> str:
    """Suggest the existing name closest to the first missing part of ``path``."""
    missing = path
    while not missing.parent.is_dir() and missing.parent != missing:
        missing = missing.parent
    try:
        close_matches = difflib.get_close_matches(missing.name, os.listdir(missing.parent), 1, 0.6)
    except OSError:
        close_matches = []
    return f": did you mean {str(missing.parent / close_matches[0])!r}?" if close_matches else ": check the spelling."


def _walk_folder(folder: Path, skipped: Counter[str]) -> Iterator[Path]:
    """Yield the files below ``folder``; links are followed, and no folder is visited twice."""

    def count_error(error: OSError) -> None:
        skipped["folder that cannot be opened"] += 1

    visited: set[str] = set()
    for current_folder, folders, files in os.walk(folder, onerror=count_error, followlinks=True):
        real_path = os.path.realpath(current_folder)
        if real_path in visited:
            folders.clear()
            continue
        visited.add(real_path)
        skipped["hidden"] += sum(name.startswith(".") for name in folders)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(current_folder, name)
            if _is_accepted_file(path, skipped):
                yield path


def _is_accepted_file(path: Path, skipped: Counter[str]) -> bool:
    if path.name.startswith("."):
        reason = "hidden"
    elif not path.is_file():
        reason = "not a file"
    elif file_kind(path) or (not path.suffix and _looks_like_text(path)):
        return True
    else:
        reason = f"unknown kind {path.suffix.lower()}" if path.suffix else "no ending, and not text"
    skipped[reason] += 1
    return False


def _looks_like_text(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError:
        return True  # so that reading the file reports the reason
    return b"\0" not in head or head[:2] in (b"\xff\xfe", b"\xfe\xff")


def _source_id(path: Path, base: Path) -> str:
    for full_path, root in (
        (os.path.abspath(path), os.path.abspath(base)),
        (os.path.realpath(path), os.path.realpath(base)),
    ):
        if Path(full_path).is_relative_to(root):
            name = Path(full_path).relative_to(root).as_posix()
            break
    else:
        name = Path(os.path.abspath(path)).as_posix()
    return os.fsencode(name).decode("utf-8", "backslashreplace")
