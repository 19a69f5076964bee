"""Precision and recall of the abstention detector on its own list of examples; every report has them."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.resources import files
from typing import NamedTuple

from kgrag.factuality.figures import DetectorFigures, interval_json
from kgrag.metrics.intervals import wilson
from kgrag.text.abstention import is_abstention


class AbstentionExample(NamedTuple):
    """An answer, and whether it abstains.

    ``part`` is ``seen`` if the detector was written with the example at hand, ``held`` if it was held out.
    """

    text: str
    lang: str
    abstains: bool
    part: str


def load_abstention_examples() -> list[AbstentionExample]:
    """Load the examples of ``kgrag/data/abstentions.jsonl``."""
    lines = files("kgrag").joinpath("data/abstentions.jsonl").read_text("utf-8").splitlines()
    return [AbstentionExample(**json.loads(line)) for line in lines]


def measure_detector(detector: Callable[[str], bool] = is_abstention) -> dict[str, DetectorFigures]:
    """Return the detector's precision and recall on the held-out examples, by language."""
    report: dict[str, DetectorFigures] = {}
    held_out = [e for e in load_abstention_examples() if e.part == "held"]
    for lang in sorted({e.lang for e in held_out}):
        rows = [(detector(e.text), e.abstains) for e in held_out if e.lang == lang]
        true_positives = sum(detected and abstains for detected, abstains in rows)
        report[lang] = {
            "precision": interval_json(wilson(true_positives, sum(detected for detected, _ in rows))),
            "recall": interval_json(wilson(true_positives, sum(abstains for _, abstains in rows))),
            "examples": len(rows),
        }
    return report
