"""Convert answers, hits and paths to JSON values."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from kgrag.types import Answer, Hit, MetadataValue, Path

JsonObject = dict[str, Any]
"""A JSON object, as parsed or to be printed."""


def nan_to_none(value: Any) -> Any:
    """Return a JSON value in which None stands for NaN and infinity, which JSON cannot write; tuples become lists."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: nan_to_none(part) for name, part in value.items()}
    return [nan_to_none(part) for part in value] if isinstance(value, list | tuple) else value


def pack_metadata(metadata: Mapping[str, MetadataValue]) -> str:
    """Return the metadata of a document as JSON text; values of several strings become lists."""
    return json.dumps(dict(metadata), ensure_ascii=False, sort_keys=True)


def unpack_metadata(text: str | None) -> dict[str, MetadataValue]:
    """Return the metadata that `pack_metadata` packed."""
    return {
        name: tuple(value) if isinstance(value, list) else value for name, value in json.loads(text or "{}").items()
    }


def hit_json(hit: Hit) -> JsonObject:
    """Return a hit as the JSON of `kgrag retrieve`."""
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
        "headings": list(hit.passage.headings),
        "page": hit.passage.page,
        "paths": [path_json(path) for path in hit.paths],
        "parts": dict(hit.component_scores),
        "copies": list(hit.copies),
    }


def path_json(path: Path) -> JsonObject:
    """Return a path as JSON: its names, node ids, and the triple of each step with the span that states it."""
    return {"names": list(path.names), "nodes": list(path.nodes), "triples": [asdict(t) for t in path.triples]}


def answer_json(answer: Answer) -> JsonObject:
    """Return an answer as the JSON of `kgrag ask`."""
    return {
        "question": answer.question,
        "text": answer.text,
        "grounded": answer.grounded,
        "abstained": answer.abstained,
        "evidence": [hit_json(hit) for hit in answer.evidence],
        "citations": [asdict(citation) for citation in answer.citations],
        "paths": [path_json(path) for path in answer.non_empty_paths],
        "dropped": [diagnostic.message for diagnostic in answer.diagnostics],
        "diagnostics": [asdict(diagnostic) for diagnostic in answer.diagnostics],
        "model": answer.model,
        "reader": answer.reader,
        "steps": list(answer.steps),
        "trace": [asdict(result) for result in answer.trace],
        "seconds": round(answer.seconds, 3),
    }
