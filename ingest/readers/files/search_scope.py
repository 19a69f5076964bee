"""Decide which recorded sources the arguments of an ingest cover, and which of them should be there and are not."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ingest.readers.files.ignore_files import IgnoreTree
from ingest.readers.files.source_ids import candidate_paths, existing_path, matches_pattern, split_pattern


@dataclass(slots=True)
class _Place:
    """A folder with a pattern for the paths below it, or a file; absolute."""

    root: str
    pattern: list[str]
    ignored: IgnoreTree

    def covers(self, path: str) -> bool:
        if path == self.root:
            return not self.pattern
        if not path.startswith(self.root.rstrip(os.sep) + os.sep):
            return False
        names = path[len(self.root.rstrip(os.sep)) + 1 :].split(os.sep)
        return not self.pattern or matches_pattern(names, self.pattern)


class SearchScope:
    """The places that the arguments of an ingest name, whether or not they exist.

    Args:
        arguments: files, folders and globs.
        base: folder that ids are relative to.
    """

    def __init__(self, arguments: Sequence[str], base: Path) -> None:
        self._base = base
        self._places: list[_Place] = []
        for argument in arguments:
            if argument == "-" or not argument.strip():
                continue
            root, pattern = argument, list[str]()
            if glob.has_magic(argument) and not os.path.lexists(argument):
                root, pattern = split_pattern(argument)
            for path in dict.fromkeys((os.path.abspath(root), os.path.realpath(root))):
                self._places.append(_Place(path, pattern, IgnoreTree(path, os.path.abspath(base))))

    def covers(self, source: str) -> bool:
        """Whether an argument names a source, or a folder above it."""
        return bool(self._covering_places(source))

    def lacks(self, source: str) -> bool:
        """Whether the arguments cover a source whose file is gone, or left out by an ignore file."""
        places = self._covering_places(source)
        if not places:
            return False
        path = existing_path(source, self._base)
        return path is None or all(
            str(path) != place.root and place.ignored.excluding_file(str(path)) for place in places
        )

    def _covering_places(self, source: str) -> list[_Place]:
        paths = [] if source == "-" else candidate_paths(source, self._base)
        return [place for place in self._places if any(place.covers(os.path.abspath(path)) for path in paths)]
