"""Labels of the report: arms, outcomes and figures in plain words; an undefined figure is a dash."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import cast

from kgrag.factuality.experiment.arms import ADAPTER_SUFFIX
from kgrag.factuality.figures import IntervalFigures

OUTCOMES = ("correct", "wrong", "abstained", "empty")
VERDICTS = ("supported", "contradicted", "unverifiable")
UNDEFINED = "–"
"""Shown for an undefined figure."""
_ARM_LABELS = {
    "closed-book": "the model alone",
    "grounded": "the model with the documents",
    "vector": "the model with passages found by vectors only",
    "graph": "the model with passages found by the graph only",
    "gold": "the model with the passages that hold the answer",
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
    "answerable": "An accepted answer of the question file is correct.",
    "unanswerable": "Abstention is correct. Any answer is wrong, unless the shown evidence states it after all.",
    "counterfactual": "The answer of the edited evidence is correct, so these questions show whether the model follows the documents or its memory. Questions whose edit changed no retrieved passage are left out.",
}
ERROR_CAUSE_NOTES = {
    "evidence missing": "the shown evidence was not enough to answer",
    "evidence ignored": "the evidence held the answer, and the model gave another one",
    "noise": "the model gave an answer that another passage states",
    "over-abstention": "the evidence held the answer, and the model abstained",
}
CLAIM_METRIC_LABELS = {
    "factual_precision": "claims supported by the reference",
    "contradicted": "claims contradicted by the reference",
    "faithfulness": "claims supported by the shown evidence",
    "noise_sensitivity": "claims supported by the shown evidence only",
    "context_use": "correct answers if the evidence was enough",
    "citation_precision": "citations that support a claim",
    "citation_recall": "claims supported by the citations",
}
UNCERTAINTY_LABELS = {
    "entropy": "semantic entropy",
    "weighted_entropy": "semantic entropy, weighted",
    "clusters": "meanings among the samples",
    "surprise": "log-probability of the tokens",
    "disagreement": "samples that disagree",
}


def arm_label(arm: str) -> str:
    """Return the label of an arm, such as ``the model with the documents``; an unknown arm keeps its name."""
    base_arm = arm.removesuffix(ADAPTER_SUFFIX)
    label = _ARM_LABELS.get(base_arm, base_arm)
    return f"{label}, with the adapter" if arm != base_arm else label


def rate_figures(figures: Mapping[str, object], name: str) -> IntervalFigures:
    """Return the figure of an arm or a slice that has an interval, by its name."""
    return cast(IntervalFigures, figures[name])


def to_float(value: object) -> float:
    """Return a figure as a float; None, infinity and other types become NaN."""
    if isinstance(value, int | float):
        return float(value) if math.isfinite(value) else math.nan
    return math.nan


def is_defined(value: object) -> bool:
    """Whether a figure, or the ``value`` of an interval, is defined."""
    return not math.isnan(to_float(value["value"] if isinstance(value, dict) else value))


def with_minus_sign(text: str) -> str:
    """Use the typographic minus sign, and none before zero."""
    return text.replace("-", "−") if text.strip("-0.") else text.replace("-", "")


def as_percent_points(value: object, digits: int = 1) -> str:
    """Format a share as a number out of 100: ``12.5``."""
    x = to_float(value)
    return UNDEFINED if math.isnan(x) else with_minus_sign(f"{100 * x:.{digits}f}")


def format_percent(value: float) -> str:
    """Format a share for a sentence: ``71 %``."""
    return f"{as_percent_points(value, 0)} %"


def format_rate(measure: IntervalFigures | None) -> str:
    """Format a share with its interval, out of 100: ``12.5 [8.1, 18.9]``."""
    if measure is None or not is_defined(measure):
        return UNDEFINED
    low, high = as_percent_points(measure["low"]), as_percent_points(measure["high"])
    return as_percent_points(measure["value"]) + ("" if UNDEFINED in (low, high) else f" [{low}, {high}]")


def format_difference(row: IntervalFigures) -> str:
    """Format a difference with its interval and its sign, in points: ``−14.5 [−20.0, −9.0]``."""
    signed = [as_signed_percent_points(x) for x in (row["value"], row["low"], row["high"])]
    return (
        UNDEFINED
        if signed[0] == UNDEFINED
        else signed[0] + ("" if UNDEFINED in signed[1:] else f" [{signed[1]}, {signed[2]}]")
    )


def as_signed_percent_points(value: object) -> str:
    """Format a difference of shares in points, with its sign: ``+3.0``, ``0.0``."""
    text = as_percent_points(value)
    return text if text == UNDEFINED or text.startswith("−") or not text.strip("0.") else f"+{text}"


def format_number(value: object, digits: int = 3) -> str:
    """Format a figure that is not a share: ``0.125``."""
    x = to_float(value)
    return UNDEFINED if math.isnan(x) else with_minus_sign(f"{x:.{digits}f}")


def format_p_value(p: object) -> str:
    """Format a p value: ``0.012``, or ``< 0.001``."""
    x = to_float(p)
    return UNDEFINED if math.isnan(x) else "< 0.001" if x < 0.001 else f"{x:.3f}"


def format_count(number: int) -> str:
    """Format a count with thousands separators: ``12,000``."""
    return f"{number:,}"
