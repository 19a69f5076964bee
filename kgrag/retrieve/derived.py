"""Indices beside a store: loaded if they are of its generation, built again if they are behind.

`generation.json` is removed first and written last, and has the checksum of every other file: files of two
generations, or of another store, or with damage are never taken for one set.
"""

from __future__ import annotations

import json
import shutil
import zipfile
import zlib
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
    loaded = _load(folder, _stamp(graph))
    if loaded:
        return loaded
    with graph.snapshot():
        stamp = _stamp(graph)
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
    indices = Indices(words, vectors, adjacency, Walker(adjacency))
    if keep:
        try:
            _save(folder, stamp, indices)
        except (OSError, RuntimeError) as error:  # the latter is how FAISS says that it cannot write
            reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
            notice(f"The indices could not be written to {folder} ({reason}): they will be built again next time.")
    return indices


def _stamp(graph: SQLiteGraph) -> dict[str, object]:
    return {"store": graph.meta("made"), "generation": graph.generation, "format": FORMAT}


def _save(folder: Path, stamp: dict[str, object], indices: Indices) -> None:
    (folder / "generation.json").unlink(missing_ok=True)
    for half_written in folder.glob(".*"):  # by a process that was killed: only one at a time writes
        if half_written.is_dir():
            shutil.rmtree(half_written, ignore_errors=True)
        else:
            half_written.unlink(missing_ok=True)
    indices.words.save(folder / "bm25")
    indices.vectors.save(folder / "vectors.faiss")
    indices.graph.save(folder / "adjacency.npz")
    with replaced(folder / "generation.json") as beside:
        beside.write_text(json.dumps({**stamp, "files": _checksums(folder)}))


def _checksums(folder: Path) -> dict[str, int]:
    """Of every file that is no part of another write."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    names = {path: path.relative_to(folder).as_posix() for path in files if path != folder / "generation.json"}
    return {name: _checksum(path) for path, name in names.items() if not name.startswith(".")}


def _checksum(path: Path) -> int:
    value = 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            value = zlib.crc32(block, value)
    return value


def _load(folder: Path, stamp: dict[str, object]) -> Indices | None:
    """None if the files are of another generation, or missing, or damaged: they can always be built again."""
    try:
        written = json.loads((folder / "generation.json").read_text())
        if written != {**stamp, "files": _checksums(folder)}:
            return None
        adjacency = Adjacency.load(folder / "adjacency.npz")
        words, vectors = WordIndex.load(folder / "bm25"), VectorIndex.load(folder / "vectors.faiss")
        if json.loads((folder / "generation.json").read_text()) != written:
            return None  # another process began to write while this one read
    except (OSError, ValueError, KeyError, RuntimeError, EOFError, zipfile.BadZipFile):
        return None
    if not len(words) == len(vectors) == adjacency.ties.shape[0]:
        return None
    return Indices(words, vectors, adjacency, Walker(adjacency))
