"""Documents read again, from the store itself, since a user has changed how they are read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import replace

from ingest.extract import extract
from ingest.llm_reader import SURE, combined
from ingest.pipeline import BATCH
from ingest.rules import Rules
from kgrag.protocols import Embedder, Graph
from kgrag.text import key
from kgrag.types import BOTH, LLM, RULES, Extraction

APART, PREDICATES = "apart", "predicates"
"""Facts about a store: the pairs that its documents were read with, and the digest of the predicates."""
Pairs = Collection[frozenset[str]]


def rules_changed(graph: Graph, rules: Rules) -> bool:
    """Whether documents of the store were read with other predicates."""
    return (graph.meta(PREDICATES) or "") != _digest(rules) and graph.passage_count() > 0


def note_rules(graph: Graph, rules: Rules) -> None:
    """Keep what the documents were read with."""
    if (graph.meta(PREDICATES) or "") != _digest(rules):
        graph.set_meta(PREDICATES, _digest(rules))


def _digest(rules: Rules) -> str:
    return hashlib.sha256(rules.predicates.encode()).hexdigest() if rules.predicates.strip() else ""


def read_again(graph: Graph, embedder: Embedder, size: int, rules: Rules) -> list[str]:
    """Read the documents again that pairs kept apart, or no longer kept apart, are about; gives their ids.

    What was done is kept when it is stopped: it is noted at the end, and begun anew the next time.

    Args:
        graph: the store, held for writing.
        embedder: the one the store was made with.
        size: longest passage, in characters.
    """
    before = {frozenset(pair) for pair in json.loads(graph.meta(APART) or "[]")}
    changed = before ^ rules.apart
    ids = touched(graph, changed) if changed else []
    for start in range(0, len(ids), BATCH):
        documents = [document for i in ids[start : start + BATCH] if (document := graph.document(i))]
        for read in extract(documents, size, rules):
            extraction = _with_model(graph, read)
            texts = [f"{extraction.document.title}. {p.text}" for p in extraction.passages]
            graph.put(extraction, embedder.embed(texts))
    if changed:
        graph.set_meta(APART, json.dumps(sorted(map(sorted, rules.apart))))
    return ids


def _with_model(graph: Graph, read: Extraction) -> Extraction:
    """What a language model found before stays: it is not asked again."""
    how = graph.read_by().get(read.document.id, RULES)
    if how == RULES:
        return read
    before = [t for t in graph.triples_in(p.id for p in read.passages) if LLM in t.found_by.split("+")]
    alone = [replace(t, confidence=SURE, found_by=LLM) for t in before]
    return replace(read, triples=tuple(combined(read.triples if how == BOTH else (), alone)), read_by=how)


def touched(graph: Graph, pairs: Pairs) -> list[str]:
    """The documents in which both names of a pair stand, as entities or as they are spelt; ordered."""
    owner = dict(graph.rows())
    here: dict[str, set[str]] = {}
    wanted = {name for pair in pairs for name in pair}
    for document, (entity, title) in graph.titles().items():
        here[document] = {entity, key(title)} & wanted
    for document, entity, name, _ in graph.names():
        here[document] |= {entity, key(name)} & wanted
    for mention in graph.mentions():
        if found := {mention.entity_id, key(mention.surface)} & wanted:
            here[owner[mention.passage_id]] |= found
    return sorted(document for document, found in here.items() if any(pair <= found for pair in pairs))
