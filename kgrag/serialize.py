"""Answers, hits and paths as JSON values."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from kgrag.types import Answer, Hit, Path


def hit_json(hit: Hit) -> dict[str, Any]:
    """A hit as the JSON of `kgrag retrieve`."""
    return {
        "rank": hit.rank,
        "score": round(hit.score, 6),
        "passage_id": hit.passage.id,
        "document_id": hit.passage.document_id,
        "source": hit.source,
        "title": hit.title,
        "text": hit.passage.text,
        "start": hit.passage.start,
        "end": hit.passage.end,
        "paths": [path_json(path) for path in hit.paths],
        "parts": dict(hit.component_scores),
    }


def path_json(path: Path) -> dict[str, Any]:
    """A path as JSON: its names, and each step's triple by entity ids with the span that states it."""
    return {"names": list(path.names), "nodes": list(path.nodes), "triples": [asdict(t) for t in path.triples]}


def answer_json(answer: Answer) -> dict[str, Any]:
    """An answer as the JSON of `kgrag ask`."""
    return {
        "question": answer.question,
        "text": answer.text,
        "grounded": answer.grounded,
        "abstained": answer.abstained,
        "evidence": [hit_json(hit) for hit in answer.evidence],
        "citations": [asdict(citation) for citation in answer.citations],
        "paths": [path_json(path) for path in answer.non_empty_paths],
        "dropped": list(answer.diagnostics),
        "model": answer.model,
        "reader": answer.reader,
        "steps": list(answer.steps),
        "seconds": round(answer.seconds, 3),
    }
