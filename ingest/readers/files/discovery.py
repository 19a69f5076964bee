"""Resolve command-line arguments (files, folders, globs) to sources, each file once under one id."""

from __future__ import annotations

import difflib
import glob
import os
from collections import Counter
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ingest.readers.content import ReadProblem
from ingest.readers.files.ignore_files import IgnoreTree
from ingest.readers.files.sidecar import is_sidecar
from ingest.readers.files.source_ids import matches_pattern, regular_file_id, source_id, split_pattern
from ingest.readers.formats import file_extension, format_of
from kgrag.errors import UsageError


@dataclass(frozen=True, slots=True)
class Source:
    """A file to read and its id in the store; ``-`` is standard input."""

    path: Path
    id: str


@dataclass(slots=True)
class _FoundFile:
    """A file that an argument names; ``real_path`` tells two names of one file from two files."""

    path: str
    id: str
    real_path: str
    is_link: bool = False


@dataclass(slots=True)
class _Search:
    """State of a discovery: what ids are relative to, and what was left out."""

    base: Path
    skipped: Counter[str]
    problems: list[ReadProblem]
    is_known: Callable[[str], bool]

    def report(self, path: str, message: str) -> None:
        """Add a problem with a file or folder."""
        self.problems.append(ReadProblem(source_id(path, self.base), None, message))


def discover_sources(
    arguments: Sequence[str],
    base: Path,
    skipped: Counter[str] | None = None,
    problems: list[ReadProblem] | None = None,
    is_known: Callable[[str], bool] = lambda _: False,
) -> list[Source]:
    """Return the files that ``arguments`` name, each once, sorted by id.

    An id is the posix path relative to ``base``, or the absolute path of a file outside it.

    Args:
        arguments: files, folders, globs, or ``-`` for standard input. A file named explicitly is accepted with any
            extension; in folders and globs, hidden files, unknown kinds and what ignore files leave out are skipped.
        base: folder that ids are relative to.
        skipped: counter of skipped files, by reason.
        problems: gets a sentence about each folder and ignore file that cannot be opened.
        is_known: whether an argument that names nothing is accepted, since it named files in an earlier run.

    Raises:
        UsageError: a path does not exist, or a glob matches nothing.
    """
    search = _Search(base, Counter() if skipped is None else skipped, [] if problems is None else problems, is_known)
    found_by_real_path: dict[str, _FoundFile] = {}
    for argument in arguments:
        for found in _expand_argument(argument, search):
            existing = found_by_real_path.get(found.real_path)
            if existing is None or (found.is_link, found.id) < (existing.is_link, existing.id):
                found_by_real_path[found.real_path] = found
    sources = [Source(Path(found.path), found.id) for found in found_by_real_path.values()]
    return sorted(sources, key=lambda source: source.id)


def _expand_argument(argument: str, search: _Search) -> Iterator[_FoundFile]:
    if argument == "-":
        yield _FoundFile("-", "-", "-")
    elif not argument.strip():
        raise UsageError("Expected a file, a folder or a glob, found an empty argument: name what to read.")
    elif os.path.isdir(argument):
        yield from _walk_folder(argument, search)
    elif os.path.lexists(argument):
        yield _named_file(argument, search.base)
    elif glob.has_magic(argument):
        matches = list(_expand_glob(argument, search))
        if not matches and not search.is_known(argument):
            raise UsageError(f"Expected files, found nothing that matches {argument!r}{_spelling_hint(argument)}")
        yield from (found for found in matches if found is not None)
    elif not search.is_known(argument):
        raise UsageError(f"Expected a file or a folder, found nothing called {argument!r}{_spelling_hint(argument)}")


def _named_file(path: str, base: Path) -> _FoundFile:
    return _FoundFile(path, source_id(path, base), os.path.realpath(path), os.path.islink(path))


def _expand_glob(argument: str, search: _Search) -> Iterator[_FoundFile | None]:
    """Yield the files that a glob matches, and those in folders that it matches; None for a match that is skipped."""
    folder, pattern = split_pattern(argument)
    if "**" in pattern and not any(part.startswith(".") for part in pattern):
        # glob follows links without end, which takes forever in a loop of folders
        yield from _walk_folder(folder, search, pattern)
        return
    ignored = IgnoreTree(os.path.abspath(folder), os.path.abspath(search.base), search.report)
    for match in sorted(glob.glob(argument, recursive=True)):
        ignore_file = ignored.excluding_file(os.path.abspath(match))
        if ignore_file:
            search.skipped[f"left out by {ignore_file}"] += 1
        elif os.path.isdir(match):
            yield None
            yield from _walk_folder(match, search)
        elif reason := _reason_to_skip(match, os.path.basename(match), os.path.isfile(match)):
            search.skipped[reason] += 1
        else:
            yield _named_file(match, search.base)
            continue
        yield None


def _spelling_hint(argument: str) -> str:
    """Suggest the existing name closest to the first missing part of a path."""
    missing = Path(argument)
    while not missing.parent.is_dir() and missing.parent != missing:
        missing = missing.parent
    try:
        close_matches = difflib.get_close_matches(missing.name, os.listdir(missing.parent), 1, 0.6)
    except OSError:
        close_matches = []
    return f": did you mean {str(missing.parent / close_matches[0])!r}?" if close_matches else ": check the spelling."


def _walk_folder(folder: str, search: _Search, pattern: Sequence[str] = ()) -> Iterator[_FoundFile]:
    """Yield the files below ``folder``, only those that match ``pattern`` if one is given.

    Links are followed, and no folder is visited twice.
    """
    absolute_folder = os.path.abspath(folder)
    ignored = IgnoreTree(absolute_folder, os.path.abspath(search.base), search.report)
    visited: set[str] = set()
    pending = [""]
    while pending:
        below = pending.pop()
        current = os.path.join(folder, below) if below else folder
        real_folder = os.path.realpath(current)
        if real_folder in visited:
            continue
        visited.add(real_folder)
        try:
            with os.scandir(current) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            search.skipped["folder that cannot be opened"] += 1
            reason = (error.strerror or type(error).__name__).lower()
            search.report(current, f"expected a folder that can be opened, found: {reason}; check its permissions")
            continue
        if _is_store(current, [entry.name for entry in entries]):
            search.skipped["folder of a store"] += 1
            continue
        rules = ignored.rules_in(os.path.join(absolute_folder, below) if below else absolute_folder)
        subfolders = []
        for entry in entries:
            name = os.path.join(below, entry.name)
            is_folder = _is_folder(entry)
            if not is_folder and pattern and not matches_pattern(name.split(os.sep), pattern):
                continue
            is_hidden = entry.name.startswith(".")
            if rules and not is_hidden:
                path = os.path.join(absolute_folder, name)
                if ignore_file := rules.excluding_file(path, is_folder=is_folder):
                    search.skipped[f"left out by {ignore_file}"] += 1
                    continue
            if is_hidden and is_folder:
                search.skipped["hidden"] += 1
            elif is_folder:
                subfolders.append(name)
            elif reason := _reason_to_skip(entry.path, entry.name, _is_file(entry)):
                search.skipped[reason] += 1
            elif entry.is_symlink():
                yield _named_file(entry.path, search.base)
            else:
                identifier = regular_file_id(current, entry.name, search.base)
                yield _FoundFile(entry.path, identifier, os.path.join(real_folder, entry.name))
        pending += reversed(subfolders)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link in a loop
        return False


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False


def _reason_to_skip(path: str, name: str, is_file: bool) -> str:
    """Return the reason to leave a file of a folder out, or ""."""
    if name.startswith("."):
        return "hidden"
    if not is_file:
        return "not a file"
    if is_sidecar(name):
        return "sidecar"
    if extension := file_extension(name):
        form = format_of(name)
        return "" if form.is_installed else f"{extension} needs `pip install 'kgrag[{form.extra}]'`"
    suffix = Path(name).suffix
    if suffix:
        return f"unknown kind {suffix.lower()}"
    return "" if _looks_like_text(path) else "no ending, and not text"


def _looks_like_text(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            head = file.read(4096)
    except OSError:
        return True  # so that reading the file reports the reason
    return b"\0" not in head or head[:2] in (b"\xff\xfe", b"\xfe\xff")


def _is_store(folder: str, names: Container[str]) -> bool:
    """Whether a folder is a store, whose files change with every ingest."""
    if "graph.db" not in names:
        return False
    if "lock" in names:  # a database in use may not have its id in the file yet
        return True
    try:
        with open(os.path.join(folder, "graph.db"), "rb") as file:
            return file.read(72)[68:] == b"kgra"
    except OSError:
        return False
