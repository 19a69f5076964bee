"""Gates on a report: ``--fail-if "hallucination.grounded > 0.2"`` fails a CI job."""

from __future__ import annotations

import math
import operator
import re
from typing import NamedTuple

from kgrag.errors import UsageError
from kgrag.factuality.figures import ArmFigures, RunReport
from kgrag.factuality.report.labels import rate_figures, to_float
from kgrag.factuality.scoring.claim_verification import CLAIM_METRICS
from kgrag.factuality.scoring.outcomes import RATES

_OPERATORS = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}
_GATE_PATTERN = re.compile(r"\s*(?P<measure>[a-z0-9_]+)\.(?P<arm>[a-z+-]+)(?:\.(?P<condition>[a-z]+))?\s*(?P<sign>>=|<=|>|<)\s*(?P<limit>-?\d+(?:\.\d+)?)\s*")  # fmt: skip
GATE_MEASURES = (*RATES, *CLAIM_METRICS)


class Gate(NamedTuple):
    """A condition that fails a run: ``measure`` of ``arm`` under ``condition`` compares to ``limit``."""

    measure: str
    arm: str
    condition: str
    operator_sign: str
    limit: float

    def __str__(self) -> str:
        return f"{self.measure}.{self.arm}.{self.condition} {self.operator_sign} {self.limit:g}"


def parse_gate(text: str) -> Gate:
    """Parse ``measure.arm[.condition] > number``, with ``>``, ``>=``, ``<`` or ``<=``.

    The default condition is answerable; for ``correct_abstention`` it is unanswerable.

    Raises:
        UsageError: the form is wrong, or there is no such measure or condition.
    """
    match = _GATE_PATTERN.fullmatch(text)
    if not match:
        raise UsageError(
            f'Expected --fail-if "MEASURE.ARM > NUMBER", such as "hallucination.grounded > 0.2", found {text!r}.'
        )
    measure = match["measure"]
    if measure not in GATE_MEASURES:
        raise UsageError(f"Expected --fail-if to name one of {', '.join(GATE_MEASURES)}, found {measure!r}.")
    default_condition = "unanswerable" if measure == "correct_abstention" else "answerable"
    condition = match["condition"] or default_condition
    if condition not in ("answerable", "unanswerable", "counterfactual"):
        raise UsageError(f"Expected --fail-if to name answerable, unanswerable or counterfactual, found {condition!r}.")
    return Gate(measure, match["arm"], condition, match["sign"], float(match["limit"]))


def check_gates(gates: list[Gate], arms: list[str], conditions: list[str]) -> None:
    """Raise UsageError if a gate names an arm or a condition that does not run: it could never fail."""
    for gate in gates:
        for part, allowed in ((gate.arm, arms), (gate.condition, conditions)):
            if part not in allowed:
                raise UsageError(
                    f"--fail-if {gate}: {part} is not part of this run ({', '.join(allowed)}): add it, or choose another."
                )


def gate_failure(gate: Gate, report: RunReport) -> str:
    """Return why a gate fails, as a sentence; "" if it does not. A gate on an unmeasured value fails."""
    figures = report["rates"].get(gate.condition, {}).get(gate.arm)
    value, low, high = _measured_interval(figures, gate.measure) if figures else (math.nan, math.nan, math.nan)
    if math.isnan(value):
        return f"--fail-if {gate}: the value was not measured, so the gate fails."
    if _OPERATORS[gate.operator_sign](value, gate.limit):
        return f"--fail-if {gate}: the value is {value:.3f} [{low:.3f}, {high:.3f}]."
    return ""


def _measured_interval(figures: ArmFigures, measure: str) -> tuple[float, float, float]:
    interval = figures["measures"][measure] if measure in CLAIM_METRICS else rate_figures(figures, measure)
    return to_float(interval["value"]), to_float(interval["low"]), to_float(interval["high"])
