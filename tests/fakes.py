"""Honest fakes and small builders that the tests of stores, indices and ingesting share."""

from __future__ import annotations

import hashlib
import multiprocessing
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from graphs.sqlite import SQLiteGraph
from ingest.names import Name
from ingest.rows import make_document
from ingest.states import WIDTH, States, _Part
from kgrag.protocols import Graph, Matrix
from kgrag.text import key, sentences
from kgrag.types import CLASSIFIER, Document, Extraction, Mention, Passage, Triple


class FakeEmbedder:
    """An `Embedder`: unit vectors of 16 dimensions that depend on the text alone."""

    name = "fake"
    dimensions = 16
    languages = frozenset({"en", "zh"})

    def embed(self, texts: Sequence[str]) -> Matrix:
        """(texts, 16)."""
        return np.stack([self.embed_query(text) for text in texts]) if texts else np.zeros((0, 16), np.float32)

    def embed_query(self, text: str) -> Matrix:
        """(16,)."""
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
        vector = np.random.default_rng(seed).standard_normal(self.dimensions)
        return np.asarray(vector / np.linalg.norm(vector), np.float32)


def document(id: str, text: str, title: str = "", source: str = "") -> Document:
    """A document; its title and its source are its id unless they are given."""
    return make_document(id, title or id, text, source or id)


def extraction(
    document: Document,
    mentions: Mapping[str, str] | None = None,
    facts: Iterable[tuple[str, str, str]] = (),
    names: Iterable[tuple[str, str, str]] = (),
) -> Extraction:
    """What a reader would have found: a passage for each sentence.

    Args:
        document: not empty.
        mentions: spelling -> type; mentioned wherever the text has that spelling.
        facts: (subject, predicate, object) in the spelling of the text; stated by the passages that have both.
        names: further names that the document goes by, as (entity id, name, type).
    """
    passages = tuple(
        Passage(f"{document.id}#{number:04}", document.id, document.text[start:end], start, end)
        for number, (start, end) in enumerate(sentences(document.text), 1)
    )
    found = [
        Mention(key(spelling), p.id, p.start + m.start(), p.start + m.end(), kind, spelling)
        for p in passages
        for spelling, kind in (mentions or {}).items()
        for m in re.finditer(re.escape(spelling), p.text)
    ]
    triples = [
        Triple(key(subject), predicate, key(object_), p.id, p.start, p.end, 0.9, CLASSIFIER)
        for p in passages
        for subject, predicate, object_ in facts
        if subject in p.text and object_ in p.text
    ]
    title = (key(document.title), document.title, "MISC")
    return Extraction(document, passages, (title, *names), tuple(found), tuple(triples))


def vectors(extraction: Extraction) -> Matrix:
    """The embeddings that the fake embedder gives the passages."""
    return FakeEmbedder().embed([passage.text for passage in extraction.passages])


def light_names(texts: Sequence[str], lang: str) -> Iterator[list[Name]]:
    """`ingest.names.find_names` without models: runs of capitalised words, and pairs of Chinese characters."""
    pattern = re.compile("[\u4e00-\u9fff]{2}" if lang == "zh" else r"[A-Z][a-z]+(?: [A-Z][a-z]+)*")
    for text in texts:
        yield [Name(m.group(), m.start(), m.end(), "MISC") for m in pattern.finditer(text)]


def light_states(passages: Iterable[tuple[str, str]]) -> Iterator[tuple[Matrix, States]]:
    """`ingest.states.read_states` without a model: no word of any passage was read."""
    nothing = _Part(0, np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros((1, WIDTH)))
    for _ in passages:
        yield np.zeros(WIDTH, np.float32), States([nothing])


def ingest_aloud(files: Path, path: Path, workers: int) -> None:
    """Ingest a folder, and print ``begin``, ids as soon as they are acknowledged, process ids of workers, ``end``.

    Names are found by `light_names`, and words read by `light_states`, unless there are workers.
    """
    from ingest import extract
    from ingest.find import find_sources
    from ingest.pipeline import Ingest

    class Aloud(SQLiteGraph):
        def put_all(self, documents: Iterable[tuple[Extraction, Matrix]]) -> None:
            given = list(documents)
            super().put_all(given)
            children = "".join(f" {child.pid}" for child in multiprocessing.active_children())
            for extraction, _ in given:
                print(f"{extraction.document.id}{children}", flush=True)

    if not workers:
        extract.find_names = light_names  # type: ignore[assignment]
        extract.read_states = light_states
    print("begin", flush=True)
    graph = Aloud(path)
    run = Ingest(graph, FakeEmbedder(), size=200, workers=workers, progress=lambda *_: None)
    run.run(find_sources([str(files)], files.parent))
    print("end", flush=True)


def rows(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table of a store, sorted; without how many commits it took, and when it was made."""
    connection = sqlite3.connect(path)
    try:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found = {table: sorted(connection.execute(f"SELECT * FROM {table}"), key=repr) for table in tables}
    finally:
        connection.close()
    found["meta"] = [row for row in found["meta"] if row[0] not in ("generation", "made")]
    return found


def damage(path: Path) -> list[str]:
    """What is wrong with the file of a store, whatever wrote it: nothing, if all is well."""
    connection = sqlite3.connect(path)
    try:
        wrong = [str(row[0]) for row in connection.execute("PRAGMA integrity_check") if row[0] != "ok"]
        wrong += [f"foreign key: {row}" for row in connection.execute("PRAGMA foreign_key_check")]
        lonely = "SELECT id FROM documents WHERE id NOT IN (SELECT document_id FROM passages)"
        wrong += [f"document without passages: {row[0]}" for row in connection.execute(lonely)]
        unplaced = "SELECT passage_id FROM {} WHERE passage_id NOT IN (SELECT id FROM passages)"
        for table in ("mentions", "triples"):
            wrong += [f"{table} without a passage: {row[0]}" for row in connection.execute(unplaced.format(table))]
        orphans = "SELECT id FROM passages WHERE document_id NOT IN (SELECT id FROM documents)"
        wrong += [f"passage without a document: {row[0]}" for row in connection.execute(orphans)]
    finally:
        connection.close()
    return wrong


def ada(text: str = "Ada Lovelace met Babbage. Babbage built engines.", id: str = "ada") -> Extraction:
    """A document of two passages, two entities and a fact."""
    return extraction(
        document(id, text, "Ada Lovelace", "people.jsonl"),
        {"Ada Lovelace": "PERSON", "Babbage": "PERSON"},
        [("Ada Lovelace", "knew", "Babbage")],
    )


def wu() -> Extraction:
    """A document in Chinese, of two passages."""
    return extraction(document("吴", "吴文俊生于上海。他敬佩陈省身。", "吴文俊"), {"上海": "PLACE", "陈省身": "PERSON"})


def put(graph: Graph, *extractions: Extraction) -> None:
    """Put documents with the fake embedder's vectors."""
    for one in extractions:
        graph.put(one, vectors(one))
