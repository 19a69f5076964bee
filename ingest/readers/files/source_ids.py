"""Convert between paths and the ids of sources, and match paths against glob patterns."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from glob import has_magic
from pathlib import Path


def source_id(path: str, base: Path) -> str:
    """Return the posix path relative to ``base``, or the absolute path of a file outside it.

    Bytes that are not UTF-8 become ``\\xNN``, since stores and their messages hold Unicode.
    """
    folder, name = os.path.split(path)
    if os.path.islink(path) or name in ("", ".", ".."):
        return _to_unicode(_relative_name(path, str(base)))
    return regular_file_id(folder, name, base)


def regular_file_id(folder: str, name: str, base: Path) -> str:
    """Return the id of the file ``name`` in ``folder``, which is not a symbolic link."""
    prefix = _relative_name(folder or ".", str(base))
    return _to_unicode(name if prefix == "." else f"{prefix.rstrip('/')}/{name}")


@lru_cache(maxsize=4096)
def _relative_name(path: str, base: str) -> str:
    for full_path, root in (
        (os.path.abspath(path), os.path.abspath(base)),
        (os.path.realpath(path), os.path.realpath(base)),
    ):
        if Path(full_path).is_relative_to(root):
            return Path(full_path).relative_to(root).as_posix()
    return Path(os.path.abspath(path)).as_posix()


def _to_unicode(name: str) -> str:
    return name if name.isascii() else os.fsencode(name).decode("utf-8", "backslashreplace")


def candidate_paths(source: str, base: Path) -> list[str]:
    """Return the paths that a source id may stand for: its literal one, and one with bytes that are not UTF-8."""
    paths = [os.path.normpath(os.path.join(base, source))]
    if "\\x" in source:
        raw = re.sub(rb"\\x([0-9a-f]{2})", lambda m: bytes([int(m[1], 16)]), os.fsencode(paths[0]))
        paths.append(os.fsdecode(raw))
    return paths


def existing_path(source: str, base: Path) -> Path | None:
    """Return the path of a source, or None if its file is gone.

    A file in a folder that cannot be opened may still be there, so it counts as existing.
    """
    for path in candidate_paths(source, base):
        try:
            os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (OSError, ValueError):
            pass
        return Path(path)
    return None


def split_pattern(pattern: str) -> tuple[str, list[str]]:
    """Return the folder that a glob pattern starts in, and the parts of the pattern below it."""
    parts = Path(pattern).parts
    first_magic = next((n for n, part in enumerate(parts) if has_magic(part)), len(parts))
    return os.path.join(*parts[:first_magic]) if first_magic else ".", list(parts[first_magic:])


def matches_pattern(names: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether a path, or a folder above it, matches a pattern; both are given by their parts.

    ``**`` stands for any number of folders. As in a shell, no wildcard matches a leading dot.
    """
    states = {0}
    for name in names:
        states = _skip_double_stars(states, pattern)
        if len(pattern) in states:
            return True
        states = {
            state if pattern[state] == "**" else state + 1 for state in states if _matches_name(name, pattern[state])
        }
    return len(pattern) in _skip_double_stars(states, pattern)


def _skip_double_stars(states: set[int], pattern: Sequence[str]) -> set[int]:
    for position, part in enumerate(pattern):
        if part == "**" and position in states:
            states = states | {position + 1}
    return states


def _matches_name(name: str, part: str) -> bool:
    if name.startswith(".") and not part.startswith("."):
        return False
    return part == "**" or fnmatchcase(name, part)
