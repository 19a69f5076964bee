"""How the report says things: arms, outcomes and figures in words that need no statistics; what is not defined is a dash."""

from __future__ import annotations

import math
from typing import Any

from kgrag.factuality.experiment.arms import ADAPTER_SUFFIX

OUTCOMES = ("correct", "wrong", "abstained", "empty")
VERDICTS = ("supported", "contradicted", "unverifiable")
UNDEFINED = "–"
"""Shown for what is not defined."""
_ARM_LABELS = {
    "closed-book": "the model alone",
    "grounded": "the model with the documents",
    "vector": "the model with what vectors alone find",
    "graph": "the model with what the graph alone finds",
    "gold": "the model with the very passages that hold the answer",
    "placebo": "the model with another question's passages",
    "system": "kgrag ask, with all its checks",
}
CONDITION_TITLES = {
    "answerable": "Questions that the documents answer",
    "unanswerable": "Questions that the documents do not answer",
    "counterfactual": "Questions whose evidence was edited",
}
"""Headings of the conditions."""
CORRECTNESS_NOTES = {
    "answerable": "Right is an accepted answer of the file of questions.",
    "unanswerable": "Right is to say that the documents do not say; any answer is wrong, unless what was shown says it all the same.",
    "counterfactual": "Right is what the edited evidence says, so these show whether the model follows the documents or its memory. Cases whose edit reached nothing that was retrieved are left out.",
}
ERROR_CAUSE_NOTES = {
    "evidence missing": "what was shown was not enough to answer",
    "evidence ignored": "the answer was there, and the model said something else",
    "noise": "the model said what another passage says",
    "over-abstention": "the answer was there, and the model was silent",
}
CLAIM_METRIC_LABELS = {
    "factual_precision": "claims borne out by the reference",
    "contradicted": "claims that it contradicts",
    "faithfulness": "claims borne out by what was shown",
    "noise_sensitivity": "claims borne out by what was shown alone",
    "context_use": "answers right where the evidence was enough",
    "citation_precision": "citations that bear out a claim",
    "citation_recall": "claims that the citations bear out",
}
UNCERTAINTY_LABELS = {
    "entropy": "semantic entropy",
    "weighted_entropy": "semantic entropy, weighted",
    "clusters": "meanings among the samples",
    "surprise": "log-probability of the tokens",
    "disagreement": "samples that disagree",
}


def arm_label(arm: str) -> str:
    """Who answers in an arm, in words: ``the model with the documents``; an arm not known here is called by its name."""
    base_arm = arm.removesuffix(ADAPTER_SUFFIX)
    label = _ARM_LABELS.get(base_arm, base_arm)
    return f"{label}, with the adapter" if arm != base_arm else label


def to_float(value: Any) -> float:
    """A figure as a float: None, and what is no number, are NaN."""
    if isinstance(value, int | float):
        return float(value) if math.isfinite(value) else math.nan
    return math.nan


def is_defined(value: Any) -> bool:
    """Whether a figure, or a measure with its ``value``, is defined."""
    return not math.isnan(to_float(value["value"] if isinstance(value, dict) else value))


def with_minus_sign(text: str) -> str:
    """With the sign that reads as one, and no minus before a nought."""
    return text.replace("-", "−") if text.strip("-0.") else text.replace("-", "")


def as_percent_points(value: Any, digits: int = 1) -> str:
    """A share as so many of 100: ``12.5``."""
    x = to_float(value)
    return UNDEFINED if math.isnan(x) else with_minus_sign(f"{100 * x:.{digits}f}")


def format_percent(value: float) -> str:
    """A share for a sentence: ``71 %``."""
    return f"{as_percent_points(value, 0)} %"


def format_rate(measure: dict[str, Any] | None) -> str:
    """A share with its interval, of 100: ``12.5 [8.1, 18.9]``."""
    if measure is None or not is_defined(measure):
        return UNDEFINED
    low, high = as_percent_points(measure["low"]), as_percent_points(measure["high"])
    return as_percent_points(measure["value"]) + ("" if UNDEFINED in (low, high) else f" [{low}, {high}]")


def format_difference(row: dict[str, Any]) -> str:
    """A difference with its interval and its sign, in points: ``−14.5 [−20.0, −9.0]``."""
    signed = [as_signed_percent_points(row[name]) for name in ("value", "low", "high")]
    return (
        UNDEFINED
        if signed[0] == UNDEFINED
        else signed[0] + ("" if UNDEFINED in signed[1:] else f" [{signed[1]}, {signed[2]}]")
    )


def as_signed_percent_points(value: Any) -> str:
    """A difference of shares, of 100, with its sign: ``+3.0``, ``0.0``."""
    text = as_percent_points(value)
    return text if text == UNDEFINED or text.startswith("−") or not text.strip("0.") else f"+{text}"


def format_number(value: Any, digits: int = 3) -> str:
    """A figure that is no share: ``0.125``."""
    x = to_float(value)
    return UNDEFINED if math.isnan(x) else with_minus_sign(f"{x:.{digits}f}")


def format_p_value(p: Any) -> str:
    """``0.012``, or ``< 0.001``."""
    x = to_float(p)
    return UNDEFINED if math.isnan(x) else "< 0.001" if x < 0.001 else f"{x:.3f}"


def format_count(number: int) -> str:
    """``12,000``."""
    return f"{number:,}"
