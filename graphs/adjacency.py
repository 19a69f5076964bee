"""The graph as two sparse matrices: passages and the names in them, ready to be walked.

A passage is tied to every name its document's reader found, and to every name known from any other document that
its text contains; three times as strongly to the names its own title goes by. A tie weighs its name's inverse
document frequency. Names in more than `HUB` of the passages join nothing.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from graphs.gazetteer import Found, Gazetteer, Table, spoken_forms
from kgrag.arrays import load_arrays, packed, save_arrays, unpacked
from kgrag.strings import Strings
from kgrag.text import key
from kgrag.types import VALUES, Mention, Passage

TITLE_WEIGHT = 3.0
HUB = 0.2
"""A name in more than this share of the passages (and in more than 50 of them) is no tie."""
AT_ONCE = 1000
"""Passages whose names are looked for together."""
Cells = NDArray[np.int64]


@dataclass(frozen=True)
class Neighbourhood:
    """Some passages: ``names`` are the columns of the whole graph that any of them has, ascending; ``ties`` and
    ``titles`` are (passages, len(names))."""

    names: NDArray[np.int64]
    ties: sparse.csr_array
    titles: sparse.csr_array

    def having(self, matrix: sparse.csr_array, columns: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(passages, len(columns)): whether ``matrix``, one of the two, ties a passage to a column of the graph."""
        found = np.zeros((matrix.shape[0], len(columns)), bool)
        known = np.isin(columns, self.names)
        found[:, known] = matrix[:, np.searchsorted(self.names, columns[known])].toarray() > 0
        return found


@dataclass(frozen=True)
class Adjacency:
    """``ties``: (passages, names) weights. ``titles[i, j] > 0``: passage i's document goes by name j.

    ``names``: sorted. ``idf``: (names,) inverse document frequency, natural logarithm, at least 0.
    """

    names: Sequence[str]
    ties: sparse.csr_array
    titles: sparse.csr_array
    idf: NDArray[np.float32]
    table: Table | None = None

    @cached_property
    def gazetteer(self) -> Gazetteer:
        """Finds this graph's names in a text, and documents' titles within them."""
        return Gazetteer(self.names, self.table, _marked(self.titles.indices, len(self.names)))

    def among(self, rows: NDArray[np.int64]) -> Neighbourhood:
        """What some passages and their names have to do with each other, without the width of the whole graph."""
        ties, titles = self.ties[rows], self.titles[rows]
        names = np.union1d(ties.indices, titles.indices).astype(np.int64)
        shape = (len(rows), len(names))
        narrow = (
            sparse.csr_array(
                (each.data, np.searchsorted(names, each.indices).astype(np.int32), each.indptr), shape=shape
            )
            for each in (ties, titles)
        )
        return Neighbourhood(names, *narrow)

    def save(self, folder: Path) -> None:
        """Write to ``folder``, whole or not at all."""
        arrays = packed("names", self.names if isinstance(self.names, Strings) else Strings.of(self.names))
        arrays |= {"idf": self.idf, "shape": np.array(self.ties.shape)}
        arrays |= {f"table_{part}": values for part, values in vars(self.gazetteer.table).items()}
        for label, matrix in (("ties", self.ties), ("titles", self.titles)):
            arrays |= {f"{label}_{part}": getattr(matrix, part) for part in ("data", "indices", "indptr")}
        save_arrays(folder, arrays)

    @staticmethod
    def load(folder: Path) -> Adjacency:
        """Read what `save` wrote, from the disk as it is used."""
        arrays = load_arrays(folder)
        ties, titles = (
            sparse.csr_array(
                (arrays[f"{label}_data"], arrays[f"{label}_indices"], arrays[f"{label}_indptr"]),
                shape=tuple(arrays["shape"]),
            )
            for label in ("ties", "titles")
        )
        table = Table(arrays["table_beginnings"], arrays["table_numbers"])
        return Adjacency(unpacked("names", arrays), ties, titles, arrays["idf"], table)


def build(
    passages: Iterable[Passage],
    mentions: Iterable[Mention],
    titles: Mapping[str, Sequence[str]],
    done: Callable[[int], None] = lambda _: None,
    found_in: Callable[[Passage, Sequence[Found]], None] = lambda _, __: None,
    merges: Mapping[str, str] = MappingProxyType({}),
) -> Adjacency:
    """Tie passages to names. What is kept meanwhile is a number for each tie and each name once, but no passage.

    Args:
        passages: in row order; gone through twice.
        mentions: what each document's reader found; values (dates) are left out.
        titles: document id -> the names it goes by, its title first.
        done: told, now and then, how many passages names were looked for in.
        found_in: told, in row order, which names a passage's text has and where.
        merges: names that are others: a passage that has one of them is tied to all.
    """
    row_of = {passage.id: row for row, passage in enumerate(passages)}
    column_of: dict[str, int] = {}
    mentioned = array("q"), array("q")
    for mention in mentions:
        name = key(mention.surface)
        if name and mention.type not in VALUES:
            mentioned[0].append(row_of[mention.passage_id])
            mentioned[1].append(column_of.setdefault(name, len(column_of)))
    rows = len(row_of)
    del row_of
    own: dict[str, tuple[int, ...]] = {}
    for document_id, forms in titles.items():
        keys = {key(form) for title in forms for form in spoken_forms(title)} - {""}
        own[document_id] = tuple(column_of.setdefault(name, len(column_of)) for name in sorted(keys))
    # sorted, so that the same store gives the same matrices whatever the order it was filled in
    names = sorted(column_of)
    place = np.empty(len(names), np.int64)
    place[np.fromiter(map(column_of.__getitem__, names), np.int64, len(names))] = np.arange(len(names))
    del column_of
    titled_names = place[np.fromiter({column for columns in own.values() for column in columns}, np.int64)]
    gazetteer = Gazetteer(names, titles=_marked(titled_names, len(names)))
    cells = [_cells(np.array(mentioned[0]), place[np.array(mentioned[1], np.int64)], len(names))]
    titled = []
    rest = enumerate(passages)
    while batch := list(islice(rest, AT_ONCE)):
        every = gazetteer.find_all([passage.text for _, passage in batch])
        for (_, passage), each in zip(batch, every, strict=True):
            found_in(passage, each)
        found = [(row, name.name) for (row, _), each in zip(batch, every, strict=True) for name in each]
        cells.append(_cells(*_columns(found), len(names)))
        goes_by = _columns([(row, name) for row, passage in batch for name in own.get(passage.document_id, ())])
        titled.append(_cells(goes_by[0], place[goes_by[1]], len(names)))
        done(batch[-1][0] + 1)
    one = _groups(names, merges)
    return _assemble(Strings.of(names), gazetteer.table, rows, *(_shared(_distinct(c), one) for c in (cells, titled)))


def _groups(names: Sequence[str], merges: Mapping[str, str]) -> NDArray[np.int64]:
    """(names,): the same number for names that are one, -1 for the others."""
    column = {name: place for place, name in enumerate(names)} if merges else {}
    group = np.full(len(names), -1, np.int64)
    number: dict[str, int] = {}
    for alias, into in merges.items():
        for name in (alias, into):
            if name in column:
                group[column[name]] = number.setdefault(into, len(number))
    return group


def _shared(cells: Cells, group: NDArray[np.int64]) -> Cells:
    """Cells, and for each in a column of a group those of the group's other columns."""
    width = max(1, len(group))
    of = group[cells % width] if len(cells) else cells
    rows, groups = cells[of >= 0] // width, of[of >= 0]
    members = np.flatnonzero(group >= 0)
    members = members[np.argsort(group[members], kind="stable")]
    first = np.searchsorted(group[members], groups)
    count = np.searchsorted(group[members], groups, side="right") - first
    place = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count) + np.repeat(first, count)
    return np.union1d(cells, np.repeat(rows, count) * width + members[place])


def _marked(columns: NDArray[Any], width: int) -> NDArray[np.bool_]:
    marks = np.zeros(width, bool)
    marks[columns] = True
    return marks


def _columns(pairs: Sequence[tuple[int, int]]) -> tuple[Cells, Cells]:
    both = np.array(pairs, np.int64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def _cells(rows: Cells, columns: Cells, width: int) -> Cells:
    """Each (row, column) once, as one number: their order is that of rows, then of columns."""
    return np.unique(rows * width + columns)


def _distinct(cells: Sequence[Cells]) -> Cells:
    return np.unique(np.concatenate([np.zeros(0, np.int64), *cells]))


def _assemble(names: Strings, table: Table, rows: int, cells: Cells, title_cells: Cells) -> Adjacency:
    width = max(1, len(names))

    def matrix(which: Cells) -> sparse.csr_array:
        begin = np.searchsorted(which, np.arange(rows + 1) * width)
        parts = np.ones(len(which), np.float32), (which % width).astype(np.int32), begin.astype(np.int32)
        return sparse.csr_array(parts, shape=(rows, len(names)))

    cells = np.union1d(cells, title_cells)
    ties, titled = matrix(cells), matrix(title_cells)
    frequency = np.bincount(ties.indices, minlength=len(names)).astype(np.float32)
    idf = np.log((rows + 1) / (frequency + 1)).clip(0).astype(np.float32)
    idf[(frequency > HUB * rows) & (frequency > 50)] = 0
    weights = idf[ties.indices]
    weights[np.searchsorted(cells, title_cells)] *= np.float32(TITLE_WEIGHT)
    ties.data = weights
    ties.eliminate_zeros()
    return Adjacency(names, ties, titled, idf, table)
