"""Find the themes of many documents: groups of passages with near vectors, each with its most telling sentence."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from kgrag.protocols import Matrix
from kgrag.retrieve.candidates import IndexSet

MAX_THEMES = 6
"""Themes of a collection, at most."""
PASSAGES_PER_THEME = 4
"""A collection has at most one theme for this many passages."""
MAX_SAMPLE = 20_000
"""Passages from which the centres are computed; of more, an even sample. All passages belong to a theme."""
BLOCK_ROWS = 65_536
"""Vectors that are read at once."""
ROUNDS = 20
"""Rounds of k-means."""
MAX_TITLES = 3
"""Titles that name a theme, at most."""
MAX_CENTRAL_ROWS = 20
"""Rows of a theme that are kept, the most central ones."""


@dataclass(frozen=True)
class Theme:
    """Passages about one subject: the index rows of the most central ones, and the documents they are of.

    Attributes:
        rows: the rows nearest to the centre, nearest first, at most `MAX_CENTRAL_ROWS`.
        document_ids: the documents with most of its passages, at most `MAX_TITLES`.
        passages: number of its passages.
        documents: number of the documents they are of.
    """

    rows: tuple[int, ...]
    document_ids: tuple[str, ...]
    passages: int
    documents: int


def find_themes(indices: IndexSet) -> list[Theme]:
    """Return the themes of a store's passages, the largest first; a filter on metadata counts.

    Spherical k-means on the vectors of the passages (Dhillon and Modha 2001); the same store gives the same themes. A store
    without vectors has none.
    """
    count = len(indices.rows)
    rows = np.arange(count) if indices.allowed_rows is None else np.flatnonzero(indices.allowed_rows)
    if not len(rows) or not len(indices.vectors):
        return []
    sample = rows[np.unique(np.linspace(0, len(rows) - 1, MAX_SAMPLE).astype(np.int64))]
    theme_count = min(MAX_THEMES, max(1, len(rows) // PASSAGES_PER_THEME))
    centres = _find_centres(np.asarray(indices.vectors.vectors(sample), np.float32), theme_count)
    cosines = np.concatenate(
        [
            indices.vectors.vectors(rows[start : start + BLOCK_ROWS]) @ centres.T
            for start in range(0, len(rows), BLOCK_ROWS)
        ]
    )
    labels = np.argmax(cosines, 1)
    themes = []
    for number in range(theme_count):
        members = np.flatnonzero(labels == number)
        if not len(members):
            continue
        nearest = members[np.argsort(-cosines[members, number], kind="stable")]
        owners = Counter(indices.rows[int(rows[member])].document_id for member in members)
        main_documents = sorted(owners, key=lambda document: (-owners[document], document))[:MAX_TITLES]
        central_rows = tuple(int(row) for row in rows[nearest[:MAX_CENTRAL_ROWS]])
        themes.append(Theme(central_rows, tuple(main_documents), len(members), len(owners)))
    return sorted(themes, key=lambda theme: -theme.passages)


def _find_centres(vectors: Matrix, count: int) -> Matrix:
    """Return (count, dimensions) centres of length 1."""
    import faiss

    clustering = faiss.Kmeans(vectors.shape[1], count, niter=ROUNDS, seed=1, spherical=True, min_points_per_centroid=1)
    clustering.train(np.ascontiguousarray(vectors))
    return np.asarray(clustering.centroids, np.float32)
