"""Extract stored documents again after the user has changed how they are read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import replace

from ingest.extraction import extract_documents
from ingest.extraction_config import ExtractionConfig
from ingest.pipeline import DOCUMENTS_PER_BATCH
from ingest.relations.llm_extractor import LLM_TRIPLE_CONFIDENCE, merge_triples
from kgrag.protocols import Embedder, GraphStore
from kgrag.text import normalize_name
from kgrag.types import BOTH, LLM, RULES, Extraction

NEVER_MERGE_META_KEY, PREDICATES_META_KEY = "apart", "predicates"
"""Keys of the store's metadata: the pairs its documents were read with, and the digest of the predicates."""
NamePairs = Collection[frozenset[str]]


def config_changed(graph: GraphStore, config: ExtractionConfig) -> bool:
    """Whether the documents of the store were extracted with other predicates."""
    return (graph.meta(PREDICATES_META_KEY) or "") != _predicates_digest(config) and graph.passage_count() > 0


def record_config(graph: GraphStore, config: ExtractionConfig) -> None:
    """Record the predicates that the documents were extracted with."""
    if (graph.meta(PREDICATES_META_KEY) or "") != _predicates_digest(config):
        graph.set_meta(PREDICATES_META_KEY, _predicates_digest(config))


def _predicates_digest(config: ExtractionConfig) -> str:
    return hashlib.sha256(config.predicates_toml.encode()).hexdigest() if config.predicates_toml.strip() else ""


def reextract_affected(graph: GraphStore, embedder: Embedder, passage_size: int, config: ExtractionConfig) -> list[str]:
    """Extract the documents again that a changed ``never_merge`` pair affects; return their ids.

    The pairs are recorded at the end. If the run is stopped, its commits are kept and the next run starts over.

    Args:
        graph: the store, open for writing.
        embedder: the embedder that the store was created with.
        passage_size: maximum passage length in characters.
        config: the new settings.
    """
    previous_pairs = {frozenset(pair) for pair in json.loads(graph.meta(NEVER_MERGE_META_KEY) or "[]")}
    changed_pairs = previous_pairs ^ config.never_merge
    document_ids = affected_documents(graph, changed_pairs) if changed_pairs else []
    for start in range(0, len(document_ids), DOCUMENTS_PER_BATCH):
        documents = [
            document for i in document_ids[start : start + DOCUMENTS_PER_BATCH] if (document := graph.document(i))
        ]
        for rule_extraction in extract_documents(documents, passage_size, config):
            extraction = _keep_llm_triples(graph, rule_extraction)
            texts = [p.indexed_text(extraction.document.title) for p in extraction.passages]
            graph.put(extraction, embedder.embed(texts))
    if changed_pairs:
        graph.set_meta(NEVER_MERGE_META_KEY, json.dumps(sorted(map(sorted, config.never_merge))))
    return document_ids


def _keep_llm_triples(graph: GraphStore, rule_extraction: Extraction) -> Extraction:
    """Add the stored facts of a language model to an extraction, so that the model does not run again."""
    extractor = graph.extractors().get(rule_extraction.document.id, RULES)
    if extractor == RULES:
        return rule_extraction
    llm_triples = [t for t in graph.triples_in(p.id for p in rule_extraction.passages) if LLM in t.found_by.split("+")]
    rescored_triples = [replace(t, confidence=LLM_TRIPLE_CONFIDENCE, found_by=LLM) for t in llm_triples]
    return replace(
        rule_extraction,
        triples=tuple(merge_triples(rule_extraction.triples if extractor == BOTH else (), rescored_triples)),
        extractor=extractor,
    )


def affected_documents(graph: GraphStore, pairs: NamePairs) -> list[str]:
    """Return the sorted ids of documents that contain both names of a pair, as entities or as spelled."""
    document_by_passage = dict(graph.passage_keys())
    names_by_document: dict[str, set[str]] = {}
    pair_names = {name for pair in pairs for name in pair}
    for document, (entity, title) in graph.titles().items():
        names_by_document[document] = {entity, normalize_name(title)} & pair_names
    for document, entity, name, _ in graph.names():
        names_by_document[document] |= {entity, normalize_name(name)} & pair_names
    for mention in graph.mentions():
        if matched_names := {mention.entity_id, normalize_name(mention.surface)} & pair_names:
            names_by_document[document_by_passage[mention.passage_id]] |= matched_names
    return sorted(document for document, names in names_by_document.items() if any(pair <= names for pair in pairs))
