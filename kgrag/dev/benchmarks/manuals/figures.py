"""Figures of a question set with their intervals: of all questions, and by corpus, kind and language."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kgrag.dev.benchmarks.manuals.questions import ManualQuestion
from kgrag.metrics.intervals import IntervalJson, bootstrap_interval, interval_json, wilson
from kgrag.types import Interval

GROUPINGS: dict[str, Callable[[ManualQuestion], str]] = {
    "by_corpus": lambda question: question.corpus,
    "by_kind": lambda question: question.kind,
    "by_language": lambda question: question.lang,
}
"""Key of a report -> the property that its groups share."""
Figures = dict[str, Any]
"""Measure -> `IntervalJson`; "questions", their number; and, of all questions, each of `GROUPINGS` -> group -> figures."""
MeasureValues = Mapping[str, Sequence[float]]
"""Measure -> its value for each question, NaN where it is undefined."""


def grouped_figures(questions: Sequence[ManualQuestion], values: MeasureValues) -> Figures:
    """Return the mean of every measure with its interval, of all questions and of each group; JSON-ready."""
    figures = _figures(values, range(len(questions)))
    for grouping, group_of in GROUPINGS.items():
        numbers_by_group: dict[str, list[int]] = {}
        for number, question in enumerate(questions):
            numbers_by_group.setdefault(group_of(question), []).append(number)
        figures[grouping] = {group: _figures(values, numbers) for group, numbers in sorted(numbers_by_group.items())}
    return figures


def _figures(values: MeasureValues, numbers: Sequence[int]) -> Figures:
    means = {measure: mean_interval([each[number] for number in numbers]) for measure, each in values.items()}
    return {"questions": len(numbers), **means}


def mean_interval(values: Sequence[float]) -> IntervalJson:
    """Return the mean of the defined values with its interval.

    A share of questions has Wilson's interval, which has a width even at 0 and 1; other means have a bootstrap interval.
    """
    defined = [value for value in values if not math.isnan(value)]
    is_share = set(defined) <= {0.0, 1.0}
    interval: Interval = wilson(int(sum(defined)), len(defined)) if is_share else bootstrap_interval(defined)
    return interval_json(interval)
