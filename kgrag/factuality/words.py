"""How the report says things: arms, outcomes and figures in words that need no statistics; what is not defined is a dash."""

from __future__ import annotations

import math
from typing import Any

from kgrag.factuality.arms import ADAPTED

OUTCOMES = ("correct", "wrong", "abstained", "empty")
VERDICTS = ("supported", "contradicted", "unverifiable")
NONE = "–"
"""Shown for what is not defined."""
_WHO = {
    "closed-book": "the model alone",
    "grounded": "the model with the documents",
    "vector": "the model with what vectors alone find",
    "graph": "the model with what the graph alone finds",
    "gold": "the model with the very passages that hold the answer",
    "placebo": "the model with another question's passages",
    "system": "kgrag ask, with all its checks",
}
CONDITIONS = {
    "answerable": "Questions that the documents answer",
    "unanswerable": "Questions that the documents do not answer",
    "counterfactual": "Questions whose evidence was edited",
}
"""Headings of the conditions."""
RIGHT = {
    "answerable": "Right is an accepted answer of the file of questions.",
    "unanswerable": "Right is to say that the documents do not say; any answer is wrong, unless what was shown says it all the same.",
    "counterfactual": "Right is what the edited evidence says, so these show whether the model follows the documents or its memory. Cases whose edit reached nothing that was retrieved are left out.",
}
BLAMES = {
    "evidence missing": "what was shown was not enough to answer",
    "evidence ignored": "the answer was there, and the model said something else",
    "noise": "the model said what another passage says",
    "over-abstention": "the answer was there, and the model was silent",
}
MEASURES = {
    "factual_precision": "claims borne out by the reference",
    "contradicted": "claims that it contradicts",
    "faithfulness": "claims borne out by what was shown",
    "noise_sensitivity": "claims borne out by what was shown alone",
    "context_use": "answers right where the evidence was enough",
    "citation_precision": "citations that bear out a claim",
    "citation_recall": "claims that the citations bear out",
}
DOUBTS = {
    "entropy": "semantic entropy",
    "weighted_entropy": "semantic entropy, weighted",
    "clusters": "meanings among the samples",
    "surprise": "log-probability of the tokens",
    "disagreement": "samples that disagree",
}


def who(arm: str) -> str:
    """Who answers in an arm, in words: ``the model with the documents``; an arm not known here is called by its name."""
    plain = arm.removesuffix(ADAPTED)
    said = _WHO.get(plain, plain)
    return f"{said}, with the adapter" if arm != plain else said


def defined(value: Any) -> float:
    """A figure as a float: None, and what is no number, are NaN."""
    if isinstance(value, int | float):
        return float(value) if math.isfinite(value) else math.nan
    return math.nan


def known(value: Any) -> bool:
    """Whether a figure, or a measure with its ``value``, is defined."""
    return not math.isnan(defined(value["value"] if isinstance(value, dict) else value))


def minus(text: str) -> str:
    """With the sign that reads as one, and no minus before a nought."""
    return text.replace("-", "−") if text.strip("-0.") else text.replace("-", "")


def hundred(value: Any, digits: int = 1) -> str:
    """A share as so many of 100: ``12.5``."""
    x = defined(value)
    return NONE if math.isnan(x) else minus(f"{100 * x:.{digits}f}")


def percent(value: float) -> str:
    """A share for a sentence: ``71 %``."""
    return f"{hundred(value, 0)} %"


def rate(measure: dict[str, Any] | None) -> str:
    """A share with its interval, of 100: ``12.5 [8.1, 18.9]``."""
    if measure is None or not known(measure):
        return NONE
    low, high = hundred(measure["low"]), hundred(measure["high"])
    return hundred(measure["value"]) + ("" if NONE in (low, high) else f" [{low}, {high}]")


def points(row: dict[str, Any]) -> str:
    """A difference with its interval and its sign, in points: ``−14.5 [−20.0, −9.0]``."""
    signed = [signed_hundred(row[name]) for name in ("value", "low", "high")]
    return NONE if signed[0] == NONE else signed[0] + ("" if NONE in signed[1:] else f" [{signed[1]}, {signed[2]}]")


def signed_hundred(value: Any) -> str:
    """A difference of shares, of 100, with its sign: ``+3.0``, ``0.0``."""
    text = hundred(value)
    return text if text == NONE or text.startswith("−") or not text.strip("0.") else f"+{text}"


def plain(value: Any, digits: int = 3) -> str:
    """A figure that is no share: ``0.125``."""
    x = defined(value)
    return NONE if math.isnan(x) else minus(f"{x:.{digits}f}")


def p_value(p: Any) -> str:
    """``0.012``, or ``< 0.001``."""
    x = defined(p)
    return NONE if math.isnan(x) else "< 0.001" if x < 0.001 else f"{x:.3f}"


def count(number: int) -> str:
    """``12,000``."""
    return f"{number:,}"
