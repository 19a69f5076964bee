"""Indices beside a store: loaded if they are of its generation, built again if they are behind.

`generation.json` is removed first and written last, so files of two generations are never taken for one set.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from graphs.adjacency import Adjacency, build
from graphs.sqlite import SQLiteGraph
from graphs.walk import Walker
from indices.bm25 import WordIndex
from indices.vectors import VectorIndex
from kgrag.files import replaced
from kgrag.retrieve.candidates import Indices

FORMAT = 1
"""Raised when the files change their meaning, so that those of an older program are built again."""


def open_indices(graph: SQLiteGraph, folder: Path, notice: Callable[[str], None], *, keep: bool) -> Indices:
    """The indices of ``graph``'s present generation.

    Args:
        graph: the store.
        folder: where the files are.
        notice: told in a sentence when something has to be built.
        keep: write what was built (only one process at a time may).
    """
    stamp = {"generation": graph.generation, "format": FORMAT}
    loaded = _load(folder, stamp)
    if loaded:
        return loaded
    with graph.snapshot():
        stamp["generation"] = graph.generation
        passages = list(graph.passages())
        if len(passages) > 2000:
            notice(f"Building the indices of {len(passages):,} passages …")
        titles = graph.titles()
        forms: dict[str, list[str]] = {document_id: [title] for document_id, (_, title) in titles.items()}
        for document_id, _, name, _ in graph.names():
            if name not in forms[document_id]:
                forms[document_id].append(name)
        words = WordIndex.build(f"{titles[p.document_id][1]}. {p.text}" for p in passages)
        vectors = VectorIndex.build(graph.embeddings())
        adjacency = build(passages, graph.mentions(), forms)
    if keep:
        (folder / "generation.json").unlink(missing_ok=True)
        words.save(folder / "bm25")
        vectors.save(folder / "vectors.faiss")
        adjacency.save(folder / "adjacency.npz")
        with replaced(folder / "generation.json") as beside:
            beside.write_text(json.dumps(stamp))
    return Indices(words, vectors, adjacency, Walker(adjacency))


def _load(folder: Path, stamp: dict[str, int]) -> Indices | None:
    """None if the files are of another generation, or missing, or damaged: they can always be built again."""
    try:
        if json.loads((folder / "generation.json").read_text()) != stamp:
            return None
        adjacency = Adjacency.load(folder / "adjacency.npz")
        words, vectors = WordIndex.load(folder / "bm25"), VectorIndex.load(folder / "vectors.faiss")
    except (OSError, ValueError, KeyError, RuntimeError, EOFError):
        return None
    if not len(words) == len(vectors) == adjacency.ties.shape[0]:
        return None
    return Indices(words, vectors, adjacency, Walker(adjacency))
