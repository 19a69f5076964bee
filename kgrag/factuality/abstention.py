"""How well silence is told from answers, on a list of its own: its precision and recall stand in every report."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from importlib.resources import files
from typing import Any, NamedTuple

from kgrag.factuality.statistics import wilson
from kgrag.silence import abstains


class Example(NamedTuple):
    """An answer, and whether it says that it has none; ``part`` is ``seen`` where the detector was written with it at
    hand, ``held`` where it was not."""

    text: str
    lang: str
    abstains: bool
    part: str


def examples() -> list[Example]:
    """The list: ``kgrag/data/abstentions.jsonl``."""
    lines = files("kgrag").joinpath("data/abstentions.jsonl").read_text("utf-8").splitlines()
    return [Example(**json.loads(line)) for line in lines]


def measured(detector: Callable[[str], bool] = abstains) -> dict[str, Any]:
    """Language -> the detector's ``precision`` and ``recall`` on the held examples, each {"value", "low", "high"}, and
    how many ``examples`` there are; JSON-ready."""
    report = {}
    held = [e for e in examples() if e.part == "held"]
    for lang in sorted({e.lang for e in held}):
        rows = [(detector(e.text), e.abstains) for e in held if e.lang == lang]
        both = sum(said and true for said, true in rows)
        report[lang] = {
            "precision": asdict(wilson(both, sum(said for said, _ in rows))),
            "recall": asdict(wilson(both, sum(true for _, true in rows))),
            "examples": len(rows),
        }
    return report
