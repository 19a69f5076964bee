"""Types of the report: the figures of a run, as ``report.json`` has them.

A figure that is not defined is NaN in memory and null in the file; `kgrag.factuality.report.labels.to_float` reads both.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

from kgrag.metrics.calibration import ReliabilityBin
from kgrag.types import Interval

Figure = float | None
RateName = Literal[
    "hallucination",
    "hallucination_answered",
    "correct",
    "truthfulness",
    "false_abstention",
    "correct_abstention",
    "empty",
]
Manifest = dict[str, Any]
"""Settings that decide a run, as ``manifest.json`` has them; JSON whose keys depend on the model and the store."""


class IntervalFigures(TypedDict):
    """A value with its 95 % confidence interval."""

    value: Figure
    low: Figure
    high: Figure


def interval_json(interval: Interval) -> IntervalFigures:
    """Return an interval as JSON."""
    return {"value": interval.value, "low": interval.low, "high": interval.high}


class OutcomeRates(TypedDict):
    """Rates of the outcomes of some questions."""

    counts: dict[str, int]
    """questions by outcome"""
    questions: int
    hallucination: IntervalFigures
    hallucination_answered: IntervalFigures
    correct: IntervalFigures
    truthfulness: IntervalFigures
    false_abstention: IntervalFigures
    correct_abstention: IntervalFigures
    empty: IntervalFigures


class ClaimMetricFigures(IntervalFigures):
    """The mean of a claim metric over the answers for which it is defined."""

    scored: int
    """answers for which it is defined"""
    unscored: int


class ArmFigures(OutcomeRates):
    """All figures of one arm under one condition."""

    f1: IntervalFigures
    claims: dict[str, int]
    """claims by verdict, and ``all``"""
    measures: dict[str, ClaimMetricFigures]
    """claim metrics by name"""
    graph: dict[str, int]
    """answers by the verdict of typed facts, or ``not covered``"""
    names_grounded: IntervalFigures
    numbers_grounded: IntervalFigures
    from_memory: int
    leaked: int
    """unanswerable questions whose shown evidence states an accepted answer"""
    gold_retrieved: IntervalFigures
    gold_shown: IntervalFigures
    answer_shown: IntervalFigures
    seconds: IntervalFigures


class PairedDifference(IntervalFigures):
    """The difference of a measure between two arms on the same questions, with its tests."""

    questions: int
    clusters: int
    only_ours: int | None
    """questions that count for the first arm only; null for truthfulness"""
    only_theirs: int | None
    p: Figure
    p_permutation: Figure
    smallest_effect: Figure
    """smallest difference that four of five such runs would detect; null for truthfulness"""


class DifferenceRow(PairedDifference):
    """A difference between two arms of a run."""

    condition: str
    measure: str
    arm: str
    against: str
    primary: bool
    p_holm: Figure
    """``p`` adjusted for the primary family; not defined outside it"""


class RunDifferenceRow(PairedDifference):
    """A difference of an arm between two runs."""

    condition: str
    measure: str
    arm: str
    primary: bool
    p_holm: NotRequired[Figure]


class OutcomeTransitions(TypedDict):
    """Outcomes of the same questions in two arms."""

    table: dict[str, dict[str, int]]
    """``table[before][after]`` counts questions"""
    questions: dict[str, list[str]]
    """``questions["wrong to correct"]`` lists question ids"""


FlipRow = TypedDict(
    "FlipRow",
    {"condition": str, "from": str, "to": str, "table": dict[str, dict[str, int]], "questions": dict[str, list[str]]},
)
"""`OutcomeTransitions` from one arm to another under a condition."""


class RunFlipRow(OutcomeTransitions):
    """`OutcomeTransitions` of an arm from one run to another."""

    condition: str
    arm: str


class SliceFigures(TypedDict):
    """Rates of an arm on a slice of the answerable questions."""

    questions: int
    hallucination: IntervalFigures
    correct: IntervalFigures
    abstained: IntervalFigures


class JudgeFigures(TypedDict):
    """Accuracy of the judge on claims that the known answers decide."""

    claims: int
    right: int
    """claims that are right"""
    sensitivity: IntervalFigures
    specificity: IntervalFigures


class CalibrationFigures(TypedDict):
    """Calibration of the stated probabilities."""

    brier: Figure
    ece: Figure
    bins: list[ReliabilityBin]


class UncertaintyFigures(TypedDict):
    """Separation of wrong and correct answers by an arm's uncertainty, and its calibration."""

    answers: int
    wrong: int
    auroc: dict[str, float]
    """by measure of uncertainty"""
    rejection: dict[str, list[list[float]]]
    """by measure of uncertainty: [share kept, accuracy]"""
    before: CalibrationFigures
    after: CalibrationFigures


class DetectorFigures(TypedDict):
    """Accuracy of the abstention detector in one language."""

    precision: IntervalFigures
    recall: IntervalFigures
    examples: int


class CorrectedRate(TypedDict):
    """The share of supported claims as the judge counts it, and corrected for the judge's errors."""

    claims: int
    counted: IntervalFigures
    corrected: IntervalFigures


class JudgeAgreement(TypedDict):
    """Agreement of the judge with human labels."""

    labels: int
    agreement: IntervalFigures
    kappa: Figure
    table: dict[str, dict[str, int]]
    """``table[judge][person]`` counts claims"""
    sensitivity: Figure
    specificity: Figure
    factual_precision: dict[str, dict[str, CorrectedRate]]
    """by condition and arm"""


class PreferenceCounts(TypedDict):
    """Blind preferences between two arms."""

    arms: dict[str, int]
    neither: int
    p: Figure
    """p of a sign test"""


class HumanResults(TypedDict):
    """Results of human labels and preferences; null without any."""

    claims: JudgeAgreement | None
    preferences: PreferenceCounts | None


class SkippedRow(TypedDict):
    """Questions that an arm was not asked under a condition."""

    arm: str
    condition: str
    why: str
    questions: int


class RunReport(TypedDict):
    """All figures of a run."""

    questions: int
    records: int
    arms: list[str]
    conditions: list[str]
    rates: dict[str, dict[str, ArmFigures]]
    """by condition and arm"""
    differences: list[DifferenceRow]
    flips: list[FlipRow]
    slices: dict[str, dict[str, dict[str, SliceFigures]]]
    """by field of the records, value and arm"""
    blame: dict[str, dict[str, dict[str, int]]]
    """error causes by condition and arm"""
    judge: JudgeFigures | None
    uncertainty: dict[str, UncertaintyFigures]
    """by arm"""
    unedited: dict[str, int]
    """counterfactual records per arm that count in no rate"""
    abstention_detector: NotRequired[dict[str, DetectorFigures]]
    """by language"""
    people: NotRequired[HumanResults]
    sentences: NotRequired[list[str]]
    unasked: NotRequired[list[SkippedRow]]
    manifest: NotRequired[Manifest]


class RunComparison(TypedDict):
    """Differences between two runs."""

    differences: list[RunDifferenceRow]
    flips: list[RunFlipRow]
    only_a: int
    only_b: int
    settings: dict[str, list[object]]
    """settings that differ between the manifests: [first, second]"""
