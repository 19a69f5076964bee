"""Fakes and builders shared by the tests of stores, indices and ingestion."""

from __future__ import annotations

import hashlib
import multiprocessing
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from graphs.sqlite.store import SQLiteGraph
from ingest.entities.recognition import RecognizedEntity
from ingest.readers.content import make_document
from ingest.relations.placeholders import Placeholder
from ingest.relations.token_states import STATE_SIZE, PassageStates
from kgrag.embedders import TokenStates
from kgrag.protocols import GraphStore, Matrix
from kgrag.text import normalize_name, sentence_spans
from kgrag.types import CLASSIFIER, Document, Extraction, Mention, Passage, Triple


class FakeEmbedder:
    """An `Embedder` of 16-dimensional unit vectors that depend on the text alone."""

    name = "fake"
    dimensions = 16
    languages = frozenset({"en", "zh"})

    def embed(self, texts: Sequence[str]) -> Matrix:
        """Return (texts, 16)."""
        return np.stack([self.embed_query(text) for text in texts]) if texts else np.zeros((0, 16), np.float32)

    def embed_query(self, text: str) -> Matrix:
        """Return (16,)."""
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
        vector = np.random.default_rng(seed).standard_normal(self.dimensions)
        return np.asarray(vector / np.linalg.norm(vector), np.float32)


def build_document(id: str, text: str, title: str = "", source: str = "") -> Document:
    """Return a document; title and source default to its id."""
    return make_document(id, title or id, text, source or id)


def build_extraction(
    document: Document,
    mentions: Mapping[str, str] | None = None,
    facts: Iterable[tuple[str, str, str]] = (),
    names: Iterable[tuple[str, str, str]] = (),
) -> Extraction:
    """Return the extraction of a document, with one passage per sentence.

    Args:
        document: not empty.
        mentions: spelling -> type; mentioned at each occurrence of the spelling in the text.
        facts: (subject, predicate, object) as spelt in the text; stated by the passages that contain both.
        names: further names of the document's subject, as (entity id, name, type).
    """
    passages = tuple(
        Passage(f"{document.id}#{number:04}", document.id, document.text[start:end], start, end)
        for number, (start, end) in enumerate(sentence_spans(document.text), 1)
    )
    found_mentions = [
        Mention(normalize_name(spelling), p.id, p.start + m.start(), p.start + m.end(), kind, spelling)
        for p in passages
        for spelling, kind in (mentions or {}).items()
        for m in re.finditer(re.escape(spelling), p.text)
    ]
    triples = [
        Triple(normalize_name(subject), predicate, normalize_name(object_), p.id, p.start, p.end, 0.9, CLASSIFIER)
        for p in passages
        for subject, predicate, object_ in facts
        if subject in p.text and object_ in p.text
    ]
    title = (normalize_name(document.title), document.title, "MISC")
    return Extraction(document, passages, (title, *names), tuple(found_mentions), tuple(triples))


def embed_passages(extraction: Extraction) -> Matrix:
    """Return the fake embedder's vectors of the passages."""
    return FakeEmbedder().embed([passage.text for passage in extraction.passages])


def find_capitalized_names(texts: Sequence[str], lang: str, *_: object) -> Iterator[list[RecognizedEntity]]:
    """Find names without models, like `recognize_entities`: capitalised words, and pairs of Chinese characters."""
    pattern = re.compile("[\u4e00-\u9fff]{2}" if lang == "zh" else r"[A-Z][a-z]+(?: [A-Z][a-z]+)*")
    for text in texts:
        yield [RecognizedEntity(m.group(), m.start(), m.end(), "MISC") for m in pattern.finditer(text)]


def relate_neighbouring_names(
    sentence: str, placeholders: Sequence[Placeholder], title_id: str, states: object
) -> Iterator[tuple[str, str, str, float]]:
    """Relate each name of a sentence to the next without a model, like `classify_relations`."""
    for left, right in pairwise(placeholders):
        if left.entity != right.entity:
            yield left.entity, "related", right.entity, 0.5


def read_empty_states(passages: Iterable[tuple[str, str]]) -> Iterator[tuple[Matrix, PassageStates]]:
    """Return empty token states without a model, like `ingest.relations.token_states.encode_token_states`."""
    no_tokens = np.zeros((0, 2), np.int32)
    for _ in passages:
        vector = np.zeros(STATE_SIZE, np.float32)
        yield vector, PassageStates("", "", TokenStates(vector, no_tokens, np.zeros((0, STATE_SIZE), np.float32)))


def ingest_and_report(files: Path, path: Path, workers: int) -> None:
    """Ingest a folder; print ``begin``, each acknowledged document id with the workers' process ids, and ``end``.

    Without workers, `find_capitalized_names`, `read_empty_states` and `relate_neighbouring_names` replace the models.
    """
    from ingest import extraction as extract
    from ingest.pipeline import IngestPipeline
    from ingest.readers.files.discovery import discover_sources
    from ingest.relations import pattern_extractor

    class ReportingGraph(SQLiteGraph):
        def put_many(self, documents: Iterable[tuple[Extraction, Matrix]]) -> None:
            batch = list(documents)
            super().put_many(batch)
            children = "".join(f" {child.pid}" for child in multiprocessing.active_children())
            for extraction, _ in batch:
                print(f"{extraction.document.id}{children}", flush=True)

    if not workers:
        extract.recognize_entities = find_capitalized_names  # type: ignore[assignment]
        extract.encode_token_states = read_empty_states
        pattern_extractor.classify_relations = relate_neighbouring_names
    print("begin", flush=True)
    graph = ReportingGraph(path)
    run = IngestPipeline(graph, FakeEmbedder(), passage_size=200, workers=workers, progress=lambda *_: None)
    run.run(discover_sources([str(files)], files.parent))
    print("end", flush=True)


def read_all_rows(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Return the sorted rows of every table of a store, without its generation and identity."""
    connection = sqlite3.connect(path)
    try:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows_by_table = {table: sorted(connection.execute(f"SELECT * FROM {table}"), key=repr) for table in tables}
    finally:
        connection.close()
    rows_by_table["meta"] = [row for row in rows_by_table["meta"] if row[0] not in ("generation", "made")]
    return rows_by_table


def find_store_damage(path: Path) -> list[str]:
    """Return the inconsistencies in the file of a store; empty if it is intact."""
    connection = sqlite3.connect(path)
    try:
        problems = [str(row[0]) for row in connection.execute("PRAGMA integrity_check") if row[0] != "ok"]
        problems += [f"foreign key: {row}" for row in connection.execute("PRAGMA foreign_key_check")]
        empty_documents_query = "SELECT id FROM documents WHERE id NOT IN (SELECT document_id FROM passages)"
        problems += [f"document without passages: {row[0]}" for row in connection.execute(empty_documents_query)]
        unplaced_query = "SELECT passage_id FROM {} WHERE passage_id NOT IN (SELECT id FROM passages)"
        for table in ("mentions", "triples"):
            problems += [
                f"{table} without a passage: {row[0]}" for row in connection.execute(unplaced_query.format(table))
            ]
        orphan_passages_query = "SELECT id FROM passages WHERE document_id NOT IN (SELECT id FROM documents)"
        problems += [f"passage without a document: {row[0]}" for row in connection.execute(orphan_passages_query)]
    finally:
        connection.close()
    return problems


def ada_extraction(text: str = "Ada Lovelace met Babbage. Babbage built engines.", id: str = "ada") -> Extraction:
    """Return a document with two passages, two entities and a fact."""
    return build_extraction(
        build_document(id, text, "Ada Lovelace", "people.jsonl"),
        {"Ada Lovelace": "PERSON", "Babbage": "PERSON"},
        [("Ada Lovelace", "knew", "Babbage")],
    )


def wu_extraction() -> Extraction:
    """Return a Chinese document with two passages."""
    return build_extraction(
        build_document("吴", "吴文俊生于上海。他敬佩陈省身。", "吴文俊"), {"上海": "PLACE", "陈省身": "PERSON"}
    )


def put_extractions(graph: GraphStore, *extractions: Extraction) -> None:
    """Put documents with the fake embedder's vectors."""
    for extraction in extractions:
        graph.put(extraction, embed_passages(extraction))
