"""The graph as two sparse matrices: passages and the names in them, ready to be walked.

A passage is tied to every name its document's reader found, and to every name known from any other document that
its text contains; three times as strongly to the names its own title goes by. A tie weighs its name's inverse
document frequency. Names in more than `HUB` of the passages join nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from graphs.gazetteer import Gazetteer, spoken_forms
from kgrag.files import replaced
from kgrag.text import key
from kgrag.types import Mention, Passage

TITLE_WEIGHT = 3.0
HUB = 0.2
"""A name in more than this share of the passages (and in more than 50 of them) is no tie."""


@dataclass(frozen=True)
class Adjacency:
    """``ties``: (passages, names) weights. ``titles[i, j] > 0``: passage i's document goes by name j.

    ``idf``: (names,) inverse document frequency, natural logarithm, at least 0.
    """

    names: tuple[str, ...]
    ties: sparse.csr_array
    titles: sparse.csr_array
    idf: NDArray[np.float32]

    @cached_property
    def gazetteer(self) -> Gazetteer:
        """Finds this graph's names in a text."""
        return Gazetteer(self.names)

    def save(self, path: Path) -> None:
        """Write to ``path`` (npz), whole or not at all."""
        with replaced(path) as beside:
            parts = {
                f"{label}_{part}": getattr(matrix, part)
                for label, matrix in (("ties", self.ties), ("titles", self.titles))
                for part in ("data", "indices", "indptr", "shape")
            }
            text = np.frombuffer("\n".join(self.names).encode(), np.uint8)
            with beside.open("wb") as file:
                np.savez(file, names=text, idf=self.idf, **parts)

    @staticmethod
    def load(path: Path) -> Adjacency:
        """Read what `save` wrote."""
        with np.load(path) as file:
            ties, titles = (
                sparse.csr_array(
                    (file[f"{label}_data"], file[f"{label}_indices"], file[f"{label}_indptr"]),
                    shape=tuple(file[f"{label}_shape"]),
                )
                for label in ("ties", "titles")
            )
            text = file["names"].tobytes().decode()
            return Adjacency(tuple(text.split("\n")) if text else (), ties, titles, file["idf"])


def row_normalised(matrix: sparse.csr_array) -> sparse.csr_array:
    """Rows scaled to add up to 1; empty rows stay empty."""
    sums = np.asarray(matrix.sum(axis=1)).ravel()
    scale = np.divide(1.0, sums, out=np.zeros_like(sums), where=sums > 0)
    return sparse.csr_array(sparse.diags_array(scale) @ matrix)


def build(
    passages: Iterable[Passage],
    mentions: Iterable[Mention],
    titles: dict[str, list[str]],
) -> Adjacency:
    """Tie passages to names.

    Args:
        passages: in row order.
        mentions: what each document's reader found; values (dates) are left out.
        titles: document id -> the names it goes by, its title first.
    """
    passages = list(passages)
    row_of = {p.id: row for row, p in enumerate(passages)}
    column_of: dict[str, int] = {}
    spans: list[list[tuple[int, int, int]]] = [[] for _ in passages]
    for mention in mentions:
        name = key(mention.surface)
        if name and mention.type != "DATE":
            column = column_of.setdefault(name, len(column_of))
            row = row_of[mention.passage_id]
            spans[row].append((mention.start - passages[row].start, mention.end - passages[row].start, column))
    own: dict[str, list[int]] = {}
    for document_id, forms in titles.items():
        keys = {key(form) for title in forms for form in spoken_forms(title)} - {""}
        own[document_id] = sorted(column_of.setdefault(name, len(column_of)) for name in sorted(keys))
    gazetteer = Gazetteer(tuple(column_of))
    cells: set[tuple[int, int]] = set()
    for row, passage in enumerate(passages):
        found = {(start, end): number for number, start, end in gazetteer.find(passage.text)}
        cells.update((row, number) for number in found.values())
        cells.update((row, column) for start, end, column in spans[row])
    title_cells = {(row, column) for row, p in enumerate(passages) for column in own.get(p.document_id, ())}
    return _assemble(tuple(column_of), len(passages), cells | title_cells, title_cells)


def _assemble(
    names: tuple[str, ...], rows: int, cells: set[tuple[int, int]], title_cells: set[tuple[int, int]]
) -> Adjacency:
    """Names sorted, so that the same store gives the same matrices whatever the order it was filled in."""
    order = sorted(range(len(names)), key=names.__getitem__)
    place = np.empty(len(names), np.int32)
    place[order] = np.arange(len(names), dtype=np.int32)
    shape = (rows, len(names))

    def matrix(which: set[tuple[int, int]]) -> sparse.csr_array:
        pairs = np.array(sorted(which), np.int32).reshape(-1, 2)
        ones = np.ones(len(pairs), np.float32)
        made = sparse.csr_array((ones, (pairs[:, 0], place[pairs[:, 1]])), shape=shape)
        made.sort_indices()
        return made

    present, titled = matrix(cells), matrix(title_cells)
    frequency = np.asarray(present.sum(axis=0)).ravel()
    idf = np.log((rows + 1) / (frequency + 1)).clip(0).astype(np.float32)
    idf[(frequency > HUB * rows) & (frequency > 50)] = 0
    weighted = (present + (TITLE_WEIGHT - 1) * titled) @ sparse.diags_array(idf)
    weighted = sparse.csr_array(weighted.astype(np.float32))
    weighted.eliminate_zeros()
    return Adjacency(tuple(names[i] for i in order), weighted, titled, idf)
