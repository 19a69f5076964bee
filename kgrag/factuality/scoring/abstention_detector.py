"""How well silence is told from answers, on a list of its own: its precision and recall stand in every report."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from importlib.resources import files
from typing import Any, NamedTuple

from kgrag.metrics.significance import wilson
from kgrag.text.abstention import is_abstention


class AbstentionExample(NamedTuple):
    """An answer, and whether it says that it has none; ``part`` is ``seen`` where the detector was written with it at
    hand, ``held`` where it was not."""

    text: str
    lang: str
    abstains: bool
    part: str


def load_abstention_examples() -> list[AbstentionExample]:
    """The list: ``kgrag/data/abstentions.jsonl``."""
    lines = files("kgrag").joinpath("data/abstentions.jsonl").read_text("utf-8").splitlines()
    return [AbstentionExample(**json.loads(line)) for line in lines]


def measure_detector(detector: Callable[[str], bool] = is_abstention) -> dict[str, Any]:
    """Language -> the detector's ``precision`` and ``recall`` on the held examples, each {"value", "low", "high"}, and
    how many ``examples`` there are; JSON-ready."""
    report = {}
    held_out = [e for e in load_abstention_examples() if e.part == "held"]
    for lang in sorted({e.lang for e in held_out}):
        rows = [(detector(e.text), e.abstains) for e in held_out if e.lang == lang]
        true_positives = sum(said and true for said, true in rows)
        report[lang] = {
            "precision": asdict(wilson(true_positives, sum(said for said, _ in rows))),
            "recall": asdict(wilson(true_positives, sum(true for _, true in rows))),
            "examples": len(rows),
        }
    return report
