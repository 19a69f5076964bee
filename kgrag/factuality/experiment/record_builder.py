"""Build the parts of a record from an arm's response and its verified claims."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

from kgrag.answering.selected_passage import SelectedPassage, passage_heading
from kgrag.factuality.records import (
    CitationRecord,
    ClaimRecord,
    EvidenceRecord,
    GraphRecord,
    PathRecord,
    RetrievedRecord,
)
from kgrag.factuality.scoring.claim_verification import VerifiedClaim, judgement_json
from kgrag.factuality.scoring.graph_check import GraphVerdict
from kgrag.serialize import path_json
from kgrag.types import Citation, Hit, Path


def paths_json(paths: Iterable[Path]) -> list[PathRecord]:
    """Return paths as records."""
    return [cast(PathRecord, path_json(path)) for path in paths]


def claim_json(verified: VerifiedClaim) -> ClaimRecord:
    """Return a verified claim as a record."""
    return {
        "statement": verified.claim.statement,
        "text": verified.claim.text,
        "verdict": verified.verdict,
        "support": judgement_json(verified.reference_judgement)["support"],
        "source": verified.source,
        "checks": {name: judgement_json(judgement) for name, judgement in verified.checks.items()},
        "cited": list(verified.supporting_citations),
        "cited_together": verified.is_cited_together,
        "found": [_retrieved_json(hit) for hit in verified.retrieved],
    }


def _retrieved_json(hit: Hit) -> RetrievedRecord:
    passage = hit.passage
    return {
        "passage_id": passage.id,
        "document": passage.document_id,
        "title": hit.title,
        "text": passage.text,
        "start": passage.start,
        "end": passage.end,
    }


def evidence_json(
    hits: Sequence[Hit], shown: Sequence[SelectedPassage], citations: Sequence[Citation], gold: Sequence[str]
) -> list[EvidenceRecord]:
    """Return the retrieved passages as records, with the spans that were shown of each."""
    shown_by_id = {s.hit.passage.id: s for s in shown}
    cited_ids = {citation.passage_id for citation in citations}
    rows: list[EvidenceRecord] = []
    for hit in hits:
        passage = hit.passage
        selected = shown_by_id.get(passage.id)
        row: EvidenceRecord = {
            "rank": hit.rank,
            "passage_id": passage.id,
            "document": passage.document_id,
            "title": hit.title,
            "heading": passage_heading(hit),
            "source": hit.source,
            "text": passage.text,
            "start": passage.start,
            "end": passage.end,
            "score": round(hit.score, 6),
            "gold": passage.document_id in gold,
            "number": selected.number if selected else None,
            "spans": [list(span) for span in selected.spans] if selected else [],
            "cited": passage.id in cited_ids,
            "paths": paths_json(hit.paths),
        }
        rows.append(row)
    return rows


def citations_json(citations: Sequence[Citation], hits: Sequence[Hit]) -> list[CitationRecord]:
    """Return citations as records, each with the document and the title of its passage."""
    titles = {hit.passage.id: (hit.passage.document_id, hit.title) for hit in hits}
    rows: list[CitationRecord] = []
    for citation in citations:
        document, title = titles.get(citation.passage_id, ("", ""))
        rows.append(
            {
                "passage_id": citation.passage_id,
                "document": document,
                "title": title,
                "start": citation.start,
                "end": citation.end,
                "quote": citation.quote,
            }
        )
    return rows


def graph_json(verdict: GraphVerdict) -> GraphRecord:
    """Return the judgement of typed facts as a record."""
    return {
        **judgement_json(verdict.judgement),
        "expected": verdict.expected_answer,
        "paths": paths_json(verdict.paths),
    }
