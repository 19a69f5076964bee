"""Load the indices of a store, or rebuild them if they are out of date.

`generation.json` is removed first and written last, and has a checksum of every other file: files of two generations,
of another store, or with damage are never loaded together. Indices are memory-mapped. A process that has built an
index also maps it from disk, and releases the built one before it builds the next.
"""

from __future__ import annotations

import json
import shutil
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from graphs.facts.builder import build_fact_index
from graphs.facts.fact_index import FactIndex
from graphs.gazetteer import NameMatch
from graphs.merging.merge_sets import Merges
from graphs.merging.merged_view import with_merges
from graphs.merging.rules import AliasOverride, find_entity_merges
from graphs.walk.adjacency import Adjacency, build_adjacency
from graphs.walk.pagerank import PersonalizedPageRank
from indices.bm25_index import BM25Index, IndexedText
from indices.copy_groups import CopyFinder
from indices.document_index import DocumentIndex
from indices.row_map import RowMap
from indices.sentence_index import SentenceBuilder, SentenceIndex
from indices.vector_index import VectorIndex, to_device
from kgrag.errors import StoreError
from kgrag.protocols import GraphStore
from kgrag.retrieve.candidates import IndexSet
from kgrag.storage.atomic import atomic_write
from kgrag.types import Passage

INDEX_FORMAT = 7
"""Increased when the files change their meaning, so that the indices of older versions are rebuilt."""
INDEX_FOLDERS = ("documents", "rows", "words", "names", "sentences", "walk", "vectors", "facts", "merges")
MAX_REBUILDS = 5
"""Number of attempts while other processes write to the store."""
MIN_REPORTED_PASSAGES = 2000
"""Number of passages from which a build reports its progress."""
MAX_FULL_CHECKSUM_BYTES = 64 << 20
"""Files up to this size are checksummed as a whole; of larger ones the size and both ends are."""
CHECKSUM_END_BYTES = 64 << 10
Notice = Callable[[str], None]
Progress = Callable[[str, float], None]
AnyIndex = TypeVar(
    "AnyIndex",
    BM25Index,
    Adjacency,
    SentenceIndex,
    PersonalizedPageRank,
    VectorIndex,
    FactIndex,
    RowMap,
    Merges,
    DocumentIndex,
)


def open_index_set(
    graph: GraphStore,
    folder: Path,
    notice: Notice,
    *,
    persist: bool,
    progress: Progress = lambda _, __: None,
    alias_overrides: Sequence[AliasOverride] = (),
) -> IndexSet:
    """Return the indices of the store's current generation; build them if needed.

    Args:
        graph: the store.
        folder: folder of the index files.
        notice: called with a sentence if the indices must be built, or cannot be written.
        persist: write the built indices (only one process at a time may).
        progress: called with the current task and the completed share of it.
        alias_overrides: entities that the user declared to be the same, or different.

    Raises:
        StoreError: other processes keep writing to the store.
    """
    loaded_set = _load_index_set(folder, _index_fingerprint(graph, alias_overrides), notice)
    if loaded_set:
        return loaded_set
    for _ in range(MAX_REBUILDS):
        with graph.snapshot():
            stamp = _index_fingerprint(graph, alias_overrides)
            try:
                files, index_set = _build_index_set(graph, folder, notice, persist, progress, alias_overrides)
                is_current = graph.generation == stamp["generation"]
            except Exception:
                # another process may have written between two reads; otherwise it is a bug of ours
                if graph.generation == stamp["generation"]:
                    raise
                is_current = False
        if is_current:
            files.write_stamp(stamp)
            return index_set
        notice("Another process wrote to the store while its indices were built: building them again …")
    raise StoreError("Other processes keep writing to the store, so its indices cannot be built: try again later.")


def _build_index_set(
    graph: GraphStore,
    folder: Path,
    notice: Notice,
    persist: bool,
    progress: Progress,
    alias_overrides: Sequence[AliasOverride],
) -> tuple[_IndexFiles, IndexSet]:
    """Build all indices of the store's current content, and return them with their files, which have no stamp yet."""
    total = graph.passage_count()
    if total > MIN_REPORTED_PASSAGES:
        notice(f"Building the indices of {total:,} passages …")
    names = graph.document_names()
    files = _IndexFiles(folder, notice, persist=persist)
    copies = CopyFinder()

    def texts() -> Iterator[IndexedText]:
        for number, passage in enumerate(graph.passages()):
            if number % MIN_REPORTED_PASSAGES == 0 and total > MIN_REPORTED_PASSAGES:
                progress("indexing the words", number / total)
            title = names[passage.document_id][0]
            copies.add(passage.text, title)
            yield IndexedText(title, passage.text_below_headings())

    def transfer(index: Any) -> Any:
        return to_device(index, notice)

    def report_names(done: int) -> None:
        if total > MIN_REPORTED_PASSAGES:
            progress("looking for the names", done / total)

    words = files.save_and_reload("words", BM25Index.build(texts()), BM25Index.load)
    rows = files.save_and_reload("rows", RowMap.of(graph.passage_keys(), copies.groups()), RowMap.load)
    number_of = {document_id: number for number, document_id in enumerate(rows.document_ids())}
    documents = files.save_and_reload(
        "documents", DocumentIndex.build(graph.document_properties(), number_of), DocumentIndex.load
    )
    builder = SentenceBuilder()

    def add_sentences(passage: Passage, found: Sequence[NameMatch]) -> None:
        builder.add(names[passage.document_id][0], passage.text, found)

    merges = files.save_and_reload("merges", find_entity_merges(graph, alias_overrides), Merges.load)
    built_adjacency = build_adjacency(
        _StoredPassages(graph), graph.mentions(), names, report_names, add_sentences, merges.canonical_ids
    )
    adjacency = files.save_and_reload("names", built_adjacency, Adjacency.load)
    del built_adjacency
    sentences = files.save_and_reload("sentences", builder.build(), SentenceIndex.load)
    walker = files.save_and_reload("walk", PersonalizedPageRank.from_adjacency(adjacency), PersonalizedPageRank.load)
    if total > MIN_REPORTED_PASSAGES:
        progress("indexing the vectors", 0.0)
    vectors = files.save_and_reload(
        "vectors",
        VectorIndex.build(graph.embeddings(), transfer=transfer),
        lambda folder: VectorIndex.load(folder, transfer=transfer),
    )
    if total > MIN_REPORTED_PASSAGES:
        progress("indexing the vectors", 1.0)
    facts = files.save_and_reload("facts", build_fact_index(with_merges(graph, merges)), FactIndex.load)
    return files, IndexSet(rows, words, sentences, vectors, adjacency, walker, facts, merges, documents)


class _StoredPassages:
    """The passages of a store as a repeatable iterable."""

    def __init__(self, graph: GraphStore) -> None:
        self._graph = graph

    def __iter__(self) -> Iterator[Passage]:
        return self._graph.passages()


class _IndexFiles:
    """Writes built indices and reloads them from disk; keeps them in memory once a write has failed."""

    def __init__(self, folder: Path, notice: Notice, *, persist: bool) -> None:
        self._folder, self._notice, self._persist = folder, notice, persist
        if persist:
            self._try_write(self._invalidate)

    def _invalidate(self) -> None:
        """Remove the stamp, and files that an interrupted process or an older version left behind."""
        (self._folder / "generation.json").unlink(missing_ok=True)
        # left by a killed process (only one process writes at a time), or by an older version
        for path in self._folder.iterdir() if self._folder.exists() else ():
            if path.name not in INDEX_FOLDERS:
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)

    def save_and_reload(self, name: str, index: AnyIndex, load: Callable[[Path], AnyIndex]) -> AnyIndex:
        """Write an index and return it as loaded from disk; if it cannot be written, return it unchanged."""
        reloaded: list[AnyIndex] = []

        def write() -> None:
            index.save(self._folder / name)
            reloaded.append(load(self._folder / name))

        if self._persist:
            self._try_write(write)
        return reloaded[0] if reloaded else index

    def write_stamp(self, stamp: dict[str, object]) -> None:
        """Write the generation and the checksums of all files."""

        def write_stamp_file() -> None:
            with atomic_write(self._folder / "generation.json") as temporary:
                temporary.write_text(json.dumps({**stamp, "files": _checksums(self._folder)}))

        if self._persist:
            self._try_write(write_stamp_file)

    def _try_write(self, write: Callable[[], None]) -> None:
        """Call ``write``; on failure report it once and keep all further indices in memory."""
        try:
            write()
        except (OSError, RuntimeError) as error:  # FAISS raises RuntimeError if it cannot write
            self._persist = False
            reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
            self._notice(f"Cannot write the indices to {self._folder} ({reason}): they will be built again next time.")


def _index_fingerprint(graph: GraphStore, alias_overrides: Sequence[AliasOverride]) -> dict[str, object]:
    """Return the values that identify the store's content and the format of its indices."""
    override_rows = [[override.same, *sorted(override.pair)] for override in alias_overrides]
    return {"store": graph.meta("made"), "generation": graph.generation, "format": INDEX_FORMAT, "said": override_rows}


def _checksums(folder: Path) -> dict[str, list[int]]:
    """Return the size and checksum of every file, except those of unfinished writes."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    names = {path: path.relative_to(folder).as_posix() for path in files if path != folder / "generation.json"}
    return {name: _file_checksum(path) for path, name in names.items() if not name.startswith(".")}


def _file_checksum(path: Path) -> list[int]:
    """Return the size and CRC-32 of a file, of its ends alone if it is large."""
    size, value = path.stat().st_size, 0
    with path.open("rb") as file:
        if size > MAX_FULL_CHECKSUM_BYTES:
            value = zlib.crc32(file.read(CHECKSUM_END_BYTES))
            file.seek(-CHECKSUM_END_BYTES, 2)
        while block := file.read(1 << 20):
            value = zlib.crc32(block, value)
    return [size, value]


def _load_index_set(folder: Path, stamp: dict[str, object], notice: Notice) -> IndexSet | None:
    """Load the indices; None if the files are missing, damaged or of another generation."""
    try:
        stored_stamp = json.loads((folder / "generation.json").read_text())
        # compare the stamp first: it is cheap
        if {**stored_stamp, "files": None} != {**stamp, "files": None} or stored_stamp["files"] != _checksums(folder):
            return None
        rows, words, vectors = (
            RowMap.load(folder / "rows"),
            BM25Index.load(folder / "words"),
            VectorIndex.load(folder / "vectors", transfer=lambda index: to_device(index, notice)),
        )
        sentence_index = SentenceIndex.load(folder / "sentences")
        adjacency, walker = Adjacency.load(folder / "names"), PersonalizedPageRank.load(folder / "walk")
        facts, merges = FactIndex.load(folder / "facts"), Merges.load(folder / "merges")
        documents = DocumentIndex.load(folder / "documents")
        if json.loads((folder / "generation.json").read_text()) != stored_stamp:
            return None  # another process began to write while this one read
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, EOFError):
        return None
    if not len(rows) == len(words) == len(sentence_index) == len(vectors) == adjacency.edges.shape[0]:
        return None
    return IndexSet(rows, words, sentence_index, vectors, adjacency, walker, facts, merges, documents)
