"""Recall of 2WikiMultihopQA's evidence by the extraction from its gold documents.

A question's evidence is triples such as (film, director, person). Each is stated in one of its gold documents, most
often in the first sentences. The rest of the corpus is not read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from graphs.facts.builder import fact_index_from
from graphs.predicates import PredicateSchema, load_predicate_schema
from ingest.readers.content import make_document
from kgrag.dev.benchmarks.extraction.datasets import read_text
from kgrag.dev.benchmarks.extraction.name_matching import (
    NormalizedTriple,
    comparison_form,
    country_forms,
    entity_name_forms,
    normalize_triples,
)
from kgrag.dev.benchmarks.extraction.relation_mapping import is_same_relation, relation_predicates
from kgrag.dev.benchmarks.extraction.scorer import Figures, extract_in_batches
from kgrag.errors import ReadError
from kgrag.metrics.precision_recall import micro_share
from kgrag.types import Document, Extraction


@dataclass(frozen=True, slots=True)
class GoldEvidence:
    """A question's gold documents, and the triples (subject, relation, object) that answer it."""

    id: str
    gold: tuple[str, ...]
    triples: tuple[tuple[str, str, str], ...]


def load_evidence(path: Path, limit: int | None = None) -> list[GoldEvidence]:
    """Load the first ``limit`` questions, from JSON lines with ``gold`` and ``triples``.

    Raises:
        UsageError: there is no such file.
        ReadError: a line has another format; the message contains its number.
    """
    evidence: list[GoldEvidence] = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if limit is not None and len(evidence) >= limit:
            break
        if line.strip():
            try:
                row = json.loads(line)
                triples = tuple((str(s), str(r), str(o)) for s, r, o in row["triples"])
                evidence.append(GoldEvidence(str(row.get("_id", number)), tuple(map(str, row["gold"])), triples))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise ReadError(
                    f'{path}, line {number}: expected a JSON object with "gold" and "triples": [[subject, relation, '
                    f"object], …], found another ({type(error).__name__}: {error}): pass a question file of 2wiki."
                ) from error
    if not evidence:
        raise ReadError(
            f"Expected JSON lines with gold and triples in {path}, found none: pass a question file of 2wiki."
        )
    return evidence


def load_documents(path: Path, wanted_ids: set[str]) -> dict[str, Document]:
    """Load the documents of a corpus whose ids are in ``wanted_ids``.

    The corpus is JSON lines with ``_id``, ``title`` and ``text``.

    Raises:
        UsageError: there is no such file.
        ReadError: a line has another format; the message contains its number.
    """
    documents: dict[str, Document] = {}
    for number, line in enumerate(read_text(path).splitlines(), 1):
        try:
            if line.strip() and (id := str((row := json.loads(line))["_id"])) in wanted_ids:
                documents[id] = make_document(id, str(row["title"]), str(row["text"]), path.name)
        except (ValueError, KeyError, TypeError) as error:
            raise ReadError(
                f'{path}, line {number}: expected a JSON object with "_id", "title" and "text" '
                f"({type(error).__name__}: {error}): pass a corpus such as corpus.jsonl.gz."
            ) from error
    return documents


class PredictedEdges:
    """The triples extracted from a question's documents, with each entity known by its names in all of them."""

    def __init__(self, extractions: Sequence[Extraction], schema: PredicateSchema) -> None:
        self._schema = schema
        self._extractions = extractions
        self.triples: list[NormalizedTriple] = [t for e in extractions for t in normalize_triples(e, schema)]
        titles = {e.names[0][0]: e.document.title for e in extractions}
        aliases = [(entity, name) for e in extractions for entity, name, _ in e.names if name]
        self._facts = fact_index_from([normalized.triple for normalized in self.triples], titles, {}, aliases)

    def edge_direction(self, triple: NormalizedTriple, subject: str, object: str) -> int:
        """Return 1 if ``triple`` leads from ``subject`` to ``object``, -1 if back, 0 if it links others."""
        if self._is_same(triple.triple.subject, triple.subject, subject) and self._is_same(
            triple.triple.object, triple.object, object
        ):
            return 1
        is_reversed = self._is_same(triple.triple.subject, triple.subject, object) and self._is_same(
            triple.triple.object, triple.object, subject
        )
        return -1 if is_reversed else 0

    def is_mentioned(self, subject: str, object: str) -> bool:
        """Whether a document about the subject mentions the object.

        The nationality counts as a mention if the object is a country.
        """
        for extraction in self._extractions:
            names = entity_name_forms(extraction)
            title = extraction.names[0][0]
            if self._is_same(title, names.get(title, frozenset()), subject):
                for mention in extraction.mentions:
                    mention_names = names[mention.entity_id]
                    if self._is_same(
                        mention.entity_id, mention_names | country_forms(mention_names, self._schema), object
                    ):
                        return True
        return False

    def _is_same(self, entity: str, names: frozenset[str], wanted: str) -> bool:
        if comparison_form(wanted) in names:
            return True
        resolved_ids = {entity, *self._facts.resolve(entity)}
        return not resolved_ids.isdisjoint(self._facts.resolve(wanted))


def edge_recall(
    evidence: Sequence[GoldEvidence],
    documents: Mapping[str, Document],
    size: int,
    tick: Callable[[], None] = lambda: None,
) -> tuple[Figures, int]:
    """Return the recall of the evidence by edges, predicates and mentions; and the number of missing documents.

    - ``edge_recall``: an extracted triple links subject and object, in either direction;
    - ``predicate_recall``: and its predicate, or its inverse the other way round, is the right one;
    - ``mention_recall``: a document about the subject mentions the object at all;
    - ``edge_or_mention_recall``: either.

    Intervals are bootstrapped over questions. Evidence whose documents are missing counts as missed.
    """
    schema, predicate_table = load_predicate_schema(), relation_predicates("2wiki")
    extractions = {e.document.id: e for e in extract_in_batches(documents.values(), size, tick)}
    rows_by_question: list[list[tuple[bool, bool, bool]]] = []
    for question in evidence:
        predicted = PredictedEdges([extractions[id] for id in question.gold if id in extractions], schema)
        rows = []
        for subject, relation, object in dict.fromkeys(question.triples):
            directed = [
                (triple, direction)
                for triple in predicted.triples
                if (direction := predicted.edge_direction(triple, subject, object))
            ]
            has_right_predicate = any(
                is_same_relation(relation, triple.predicate, predicate_table, schema, is_reversed=direction < 0)
                for triple, direction in directed
            )
            rows.append((bool(directed), has_right_predicate, predicted.is_mentioned(subject, object)))
        rows_by_question.append(rows)

    def recall_figure(name: str, is_found: Callable[[tuple[bool, bool, bool]], bool]) -> Figures:
        return micro_share(name, [(sum(map(is_found, rows)), len(rows)) for rows in rows_by_question])

    figures = {
        **recall_figure("edge_recall", lambda row: row[0]),
        **recall_figure("predicate_recall", lambda row: row[1]),
        **recall_figure("mention_recall", lambda row: row[2]),
        **recall_figure("edge_or_mention_recall", lambda row: row[0] or row[2]),
    }
    return figures, len({id for q in evidence for id in q.gold} - documents.keys())
