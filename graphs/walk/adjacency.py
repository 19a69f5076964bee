"""Build two sparse matrices, passages × names, for random walks.

A passage has an edge to every name that the extractor found in it, and to every known name of other documents that its
text contains. An edge to a name of the document's own title weighs three times as much. The weight of an edge is the
inverse document frequency of its name. Names in more than `MAX_NAME_PASSAGE_SHARE` of the passages get no edges.
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

from graphs.gazetteer import Gazetteer, NameMatch, PrefixTable, short_forms
from kgrag.storage.arrays import load_arrays, pack_strings, save_arrays, unpack_strings
from kgrag.storage.string_table import StringTable
from kgrag.text import normalize_name
from kgrag.types import VALUE_TYPES, Mention, Passage

TITLE_WEIGHT = 3.0
MAX_NAME_PASSAGE_SHARE = 0.2
"""A name in more than this share of the passages (and in more than 50 of them) has no edges."""
PASSAGES_PER_BATCH = 1000
"""Number of passages whose names are searched together."""
Cells = NDArray[np.int64]


@dataclass(frozen=True)
class Neighbourhood:
    """A submatrix of the graph for some passages.

    ``names`` are the columns of the whole graph that any of the passages has, ascending; ``edges`` and ``titles`` are
    (passages, len(names)).
    """

    names: NDArray[np.int64]
    edges: sparse.csr_array
    titles: sparse.csr_array

    def has_names(self, matrix: sparse.csr_array, columns: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return (passages, len(columns)): whether a passage has an entry in each column of the graph.

        ``matrix`` is ``edges`` or ``titles``.
        """
        has_name = np.zeros((matrix.shape[0], len(columns)), bool)
        is_known = np.isin(columns, self.names)
        has_name[:, is_known] = matrix[:, np.searchsorted(self.names, columns[is_known])].toarray() > 0
        return has_name


@dataclass(frozen=True)
class Adjacency:
    """The edges between passages and names.

    Attributes:
        names: sorted.
        edges: (passages, names) weights.
        titles: (passages, names), above 0 where a name is one of the names of the passage's document.
        idf: (names,), inverse document frequency, natural logarithm, at least 0.
        table: the prefix table of the names, if it was built before.
    """

    names: Sequence[str]
    edges: sparse.csr_array
    titles: sparse.csr_array
    idf: NDArray[np.float32]
    table: PrefixTable | None = None

    @cached_property
    def gazetteer(self) -> Gazetteer:
        """The gazetteer of this graph's names; it also finds titles of documents inside longer names."""
        return Gazetteer(self.names, self.table, _mask(self.titles.indices, len(self.names)))

    def neighbourhood(self, rows: NDArray[np.int64]) -> Neighbourhood:
        """Return the submatrix of the passages ``rows`` and their names."""
        edges, titles = self.edges[rows], self.titles[rows]
        names = np.union1d(edges.indices, titles.indices).astype(np.int64)
        shape = (len(rows), len(names))
        narrow = (
            sparse.csr_array(
                (matrix.data, np.searchsorted(names, matrix.indices).astype(np.int32), matrix.indptr), shape=shape
            )
            for matrix in (edges, titles)
        )
        return Neighbourhood(names, *narrow)

    def save(self, folder: Path) -> None:
        """Write the matrices to ``folder``, atomically."""
        arrays = pack_strings(
            "names", self.names if isinstance(self.names, StringTable) else StringTable.from_strings(self.names)
        )
        arrays |= {"idf": self.idf, "shape": np.array(self.edges.shape)}
        arrays |= {f"table_{part}": values for part, values in vars(self.gazetteer.table).items()}
        for label, matrix in (("ties", self.edges), ("titles", self.titles)):
            arrays |= {f"{label}_{part}": getattr(matrix, part) for part in ("data", "indices", "indptr")}
        save_arrays(folder, arrays)

    @staticmethod
    def load(folder: Path) -> Adjacency:
        """Load saved matrices; the arrays are read from disk on demand."""
        arrays = load_arrays(folder)
        edges, titles = (
            sparse.csr_array(
                (arrays[f"{label}_data"], arrays[f"{label}_indices"], arrays[f"{label}_indptr"]),
                shape=tuple(arrays["shape"]),
            )
            for label in ("ties", "titles")
        )
        table = PrefixTable(arrays["table_beginnings"], arrays["table_numbers"])
        return Adjacency(unpack_strings("names", arrays), edges, titles, arrays["idf"], table)


def build_adjacency(
    passages: Iterable[Passage],
    mentions: Iterable[Mention],
    titles: Mapping[str, Sequence[str]],
    on_progress: Callable[[int], None] = lambda _: None,
    on_names_found: Callable[[Passage, Sequence[NameMatch]], None] = lambda _, __: None,
    merges: Mapping[str, str] = MappingProxyType({}),
) -> Adjacency:
    """Connect passages to names, storing one number per edge and each name once, but no passage.

    Args:
        passages: in row order; iterated twice.
        mentions: the mentions that the extractor found; values (dates) are left out.
        titles: document id -> the names of its subject, the title first.
        on_progress: called after each batch with the number of passages searched for names.
        on_names_found: called in row order with each passage and the names in its text.
        merges: merged name -> canonical name; a passage with one of them gets edges to all.
    """
    row_of = {passage.id: row for row, passage in enumerate(passages)}
    column_of: dict[str, int] = {}
    mention_cells = array("q"), array("q")
    for mention in mentions:
        name = normalize_name(mention.surface)
        if name and mention.type not in VALUE_TYPES:
            mention_cells[0].append(row_of[mention.passage_id])
            mention_cells[1].append(column_of.setdefault(name, len(column_of)))
    rows = len(row_of)
    del row_of
    title_columns: dict[str, tuple[int, ...]] = {}
    for document_id, forms in titles.items():
        keys = {normalize_name(form) for title in forms for form in short_forms(title)} - {""}
        title_columns[document_id] = tuple(column_of.setdefault(name, len(column_of)) for name in sorted(keys))
    # sorted, so that the matrices do not depend on the order in which the store was filled
    names = sorted(column_of)
    sorted_column = np.empty(len(names), np.int64)
    sorted_column[np.fromiter(map(column_of.__getitem__, names), np.int64, len(names))] = np.arange(len(names))
    del column_of
    titled_names = sorted_column[
        np.fromiter({column for columns in title_columns.values() for column in columns}, np.int64)
    ]
    gazetteer = Gazetteer(names, titles=_mask(titled_names, len(names)))
    cells = [_cell_numbers(np.array(mention_cells[0]), sorted_column[np.array(mention_cells[1], np.int64)], len(names))]
    title_cells = []
    remaining = enumerate(passages)
    while batch := list(islice(remaining, PASSAGES_PER_BATCH)):
        batch_matches = gazetteer.find_all([passage.text for _, passage in batch])
        for (_, passage), matches in zip(batch, batch_matches, strict=True):
            on_names_found(passage, matches)
        row_name_pairs = [
            (row, match.name) for (row, _), matches in zip(batch, batch_matches, strict=True) for match in matches
        ]
        cells.append(_cell_numbers(*_split_pairs(row_name_pairs), len(names)))
        row_title_pairs = _split_pairs(
            [(row, name) for row, passage in batch for name in title_columns.get(passage.document_id, ())]
        )
        title_cells.append(_cell_numbers(row_title_pairs[0], sorted_column[row_title_pairs[1]], len(names)))
        on_progress(batch[-1][0] + 1)
    merge_groups = _merge_groups(names, merges)
    return _assemble(
        StringTable.from_strings(names),
        gazetteer.table,
        rows,
        *(_spread_over_groups(_unique_cells(c), merge_groups) for c in (cells, title_cells)),
    )


def _merge_groups(names: Sequence[str], merges: Mapping[str, str]) -> NDArray[np.int64]:
    """Return (names,): the same number for names that are merged, -1 for the others."""
    column_of = {name: column for column, name in enumerate(names)} if merges else {}
    group = np.full(len(names), -1, np.int64)
    number: dict[str, int] = {}
    for alias, canonical in merges.items():
        for name in (alias, canonical):
            if name in column_of:
                group[column_of[name]] = number.setdefault(canonical, len(number))
    return group


def _spread_over_groups(cells: Cells, group: NDArray[np.int64]) -> Cells:
    """Return the cells, and for each cell in a group's column the cells of the group's other columns."""
    width = max(1, len(group))
    cell_groups = group[cells % width] if len(cells) else cells
    rows, groups = cells[cell_groups >= 0] // width, cell_groups[cell_groups >= 0]
    members = np.flatnonzero(group >= 0)
    members = members[np.argsort(group[members], kind="stable")]
    first = np.searchsorted(group[members], groups)
    count = np.searchsorted(group[members], groups, side="right") - first
    member_positions = (
        np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count) + np.repeat(first, count)
    )
    return np.union1d(cells, np.repeat(rows, count) * width + members[member_positions])


def _mask(columns: NDArray[Any], width: int) -> NDArray[np.bool_]:
    mask = np.zeros(width, bool)
    mask[columns] = True
    return mask


def _split_pairs(pairs: Sequence[tuple[int, int]]) -> tuple[Cells, Cells]:
    pair_array = np.array(pairs, np.int64).reshape(-1, 2)
    return pair_array[:, 0], pair_array[:, 1]


def _cell_numbers(rows: Cells, columns: Cells, width: int) -> Cells:
    """Return each distinct (row, column) as one number, ordered by row, then column."""
    return np.unique(rows * width + columns)


def _unique_cells(cells: Sequence[Cells]) -> Cells:
    return np.unique(np.concatenate([np.zeros(0, np.int64), *cells]))


def _assemble(names: StringTable, table: PrefixTable, rows: int, cells: Cells, title_cells: Cells) -> Adjacency:
    width = max(1, len(names))

    def matrix(matrix_cells: Cells) -> sparse.csr_array:
        begin = np.searchsorted(matrix_cells, np.arange(rows + 1) * width)
        parts = np.ones(len(matrix_cells), np.float32), (matrix_cells % width).astype(np.int32), begin.astype(np.int32)
        return sparse.csr_array(parts, shape=(rows, len(names)))

    cells = np.union1d(cells, title_cells)
    edges, title_edges = matrix(cells), matrix(title_cells)
    frequency = np.bincount(edges.indices, minlength=len(names)).astype(np.float32)
    idf = np.log((rows + 1) / (frequency + 1)).clip(0).astype(np.float32)
    idf[(frequency > MAX_NAME_PASSAGE_SHARE * rows) & (frequency > 50)] = 0
    weights = idf[edges.indices]
    weights[np.searchsorted(cells, title_cells)] *= np.float32(TITLE_WEIGHT)
    edges.data = weights
    edges.eliminate_zeros()
    return Adjacency(names, edges, title_edges, idf, table)
