"""Records of an invented run with known numbers, for tests of the report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from kgrag.factuality.records import ClaimRecord, EvidenceRecord, PathRecord, RunRecord, UncertaintyRecord
from kgrag.factuality.scoring.claim_verification import CLAIM_METRICS

OUTCOME_BY_LETTER = {"c": "correct", "w": "wrong", "a": "abstained", "e": "empty"}
HTML_PAYLOAD = """<script>alert("x")</script> & 'quotes' <img src=x onerror=alert(1)>"""


def make_record(number: int, arm: str, outcome: str, condition: str = "answerable", **fields: Any) -> RunRecord:
    """Return a record without claims and evidence; ``fields`` replace the defaults."""
    defaults: dict[str, Any] = {
        "id": f"id{number}",
        "condition": condition,
        "made": condition != "answerable",
        "arm": arm,
        "question": f"Where was person {number} born?",
        "answers": [f"Place {number}"],
        "accepted": [f"Place {number}"],
        "gold": [f"doc{number}"],
        "lang": "en",
        "hops": 1,
        "type": "birth",
        "cluster": f"doc{number}",
        "hidden": [f"doc{number}"] if condition == "unanswerable" else [],
        "edit": {"old": [f"Place {number}"], "new": "Elsewhere"} if condition == "counterfactual" else None,
        "altered": condition == "counterfactual",
        "donor": "",
        "answer": {"correct": f"Place {number}", "wrong": "Atlantis", "abstained": "I do not know.", "empty": ""}[
            outcome
        ],
        "steps": [],
        "outcome": outcome,
        "from_memory": False,
        "f1": float(outcome == "correct"),
        "claims": [],
        "evidence": [],
        "facts": [],
        "citations": [],
        "paths": [],
        "graph": None,
        "standing": None,
        "retrieval": None,
        "measures": dict.fromkeys(CLAIM_METRICS),
        "uncertainty": None,
        "blame": "",
        "dropped": [],
        "model": "tiny",
        "reader": "llm",
        "seconds": 1.0,
    }
    assert defaults.keys() == RunRecord.__annotations__.keys(), "update the keys of this record"
    return cast(RunRecord, defaults | fields)


def make_run_records(outcomes_by_arm: dict[str, str], condition: str = "answerable", **fields: Any) -> list[RunRecord]:
    """Return records by outcomes: ``{"closed-book": "wwc", "grounded": "cca"}``; see `OUTCOME_BY_LETTER`."""
    length = max(map(len, outcomes_by_arm.values()))
    return [
        make_record(n, arm, OUTCOME_BY_LETTER[letters[n]], condition, **fields)
        for n in range(length)
        for arm, letters in outcomes_by_arm.items()
        if n < len(letters)
    ]


PASSAGE_TEXT = "Ada Bell was born in Paris. She grew up in Rome. Rome is old."


def make_evidence(**fields: Any) -> EvidenceRecord:
    """Return a passage that starts at 100 in its document and whose first two sentences were shown."""
    defaults = {
        "rank": 1,
        "passage_id": "doc#0001",
        "document": "doc",
        "title": "Ada Bell",
        "heading": "Ada Bell",
        "source": "ada.md",
        "text": PASSAGE_TEXT,
        "start": 100,
        "end": 100 + len(PASSAGE_TEXT),
        "score": 1.0,
        "gold": True,
        "number": 1,
        "spans": [[100, 127], [128, 148]],
        "cited": True,
        "paths": [],
    }
    return cast(EvidenceRecord, defaults | fields)


def make_claim(verdict: str = "supported", text: str = "Ada Bell was born in Paris.", **fields: Any) -> ClaimRecord:
    """Return a claim judged by the gold passages and the shown ones."""
    defaults = {
        "statement": "Paris",
        "text": text,
        "verdict": verdict,
        "support": 0.93,
        "source": "gold" if verdict != "unverifiable" else "",
        "checks": {
            "gold": {"verdict": verdict, "support": 0.93, "parts": {}},
            "shown": {"verdict": "supported", "support": None, "parts": {}},
        },
        "cited": [0],
        "cited_together": True,
        "found": [
            {
                "passage_id": "doc#0001",
                "document": "doc",
                "title": "Ada Bell",
                "text": PASSAGE_TEXT,
                "start": 100,
                "end": 161,
            }
        ],
    }
    return cast(ClaimRecord, defaults | fields)


SAMPLE_PATH: PathRecord = {
    "names": ["Ada Bell", "Paris", "France"],
    "nodes": ["ada bell", "paris", "france"],
    "triples": [
        {"subject": "ada bell", "predicate": "place_of_birth", "object": "paris", "passage_id": "doc#0001", "start": 100, "end": 127, "confidence": 0.9, "found_by": "pattern"},
        {"subject": "france", "predicate": "capital", "object": "paris", "passage_id": "other#0001", "start": 0, "end": 9, "confidence": 0.9, "found_by": "pattern"},
    ],
}  # fmt: skip


def make_full_record(number: int, arm: str = "grounded", **fields: Any) -> RunRecord:
    """Return a record with claims, evidence, citations, paths, and the graph's verdict."""
    parts: dict[str, Any] = {
        "claims": [make_claim(), make_claim("contradicted", "She grew up in Oslo."), make_claim("unverifiable", "She was tall.")],
        "evidence": [make_evidence(), make_evidence(passage_id="far#0001", title="Far away", gold=False, number=None, spans=[], cited=False, text="This passage was not shown.", rank=2)],
        "citations": [{"passage_id": "doc#0001", "document": "doc", "title": "Ada Bell", "start": 100, "end": 127, "quote": "Ada Bell was born in Paris."}],
        "facts": ["Ada Bell —place of birth→ Paris"],
        "paths": [SAMPLE_PATH],
        "graph": {"verdict": "supported", "support": 0.9, "parts": {}, "expected": "Paris", "paths": [SAMPLE_PATH]},
        "standing": {"names": ["Paris", "Oslo"], "names_missing": ["Oslo"], "numbers": [], "numbers_missing": []},
        "retrieval": {"gold_retrieved": 1.0, "gold_shown": 1.0, "answer_shown": True, "passages": 2, "shown": 1, "sufficient": True},
        "measures": dict.fromkeys(CLAIM_METRICS, 0.5),
        "dropped": ["a citation was dropped"],
    }  # fmt: skip
    outcome = fields.pop("outcome", "correct")
    return make_record(number, arm, outcome, **(parts | fields))


def make_uncertainty(chance: float, samples: Sequence[str] = ("Paris", "Paris", "Rome")) -> UncertaintyRecord:
    """Return the uncertainty of an answer with three samples; the first two mean the same."""
    return {
        "logprob": -0.5,
        "chance": chance,
        "surprise": 1 - chance,
        "samples": list(samples),
        "cluster_of": [0, 0, 1],
        "clusters": 2,
        "entropy": 0.6365,
        "weighted_entropy": 1 - chance,
        "disagreement": 1 / 3,
    }
