"""``--fail-if "hallucination.grounded > 0.2"``: a condition on a report that a CI fails on."""

from __future__ import annotations

import math
import operator
import re
from typing import Any, NamedTuple

from kgrag.errors import UsageError
from kgrag.factuality.scoring.claim_verification import CLAIM_METRICS
from kgrag.factuality.scoring.outcomes import RATES

_OPERATORS = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}
_GATE_PATTERN = re.compile(r"\s*(?P<measure>[a-z0-9_]+)\.(?P<arm>[a-z+-]+)(?:\.(?P<condition>[a-z]+))?\s*(?P<sign>>=|<=|>|<)\s*(?P<limit>-?\d+(?:\.\d+)?)\s*")  # fmt: skip
GATE_MEASURES = (*RATES, *CLAIM_METRICS)


class Gate(NamedTuple):
    """A run has failed if ``measure`` of ``arm`` under ``condition`` is ``sign`` ``limit``."""

    measure: str
    arm: str
    condition: str
    operator_sign: str
    limit: float

    def __str__(self) -> str:
        return f"{self.measure}.{self.arm}.{self.condition} {self.operator_sign} {self.limit:g}"


def parse_gate(text: str) -> Gate:
    """``measure.arm[.condition] > number``, with ``>``, ``>=``, ``<`` or ``<=``.

    Without a condition it is the answerable one; of ``correct_abstention`` the unanswerable.

    Raises:
        UsageError: it is not of this form, or there is no such measure or condition.
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
    """Raises UsageError if a gate is on an arm or a condition that is not run: it could never fail."""
    for gate in gates:
        for part, allowed in ((gate.arm, arms), (gate.condition, conditions)):
            if part not in allowed:
                raise UsageError(
                    f"--fail-if {gate}: {part} is not run here (only {', '.join(allowed)}): add it, or name another."
                )


def gate_failure(gate: Gate, report: dict[str, Any]) -> str:
    """What failed, in a sentence; "" where nothing did. What could not be measured has failed: it shows nothing."""
    figures = report["rates"].get(gate.condition, {}).get(gate.arm, {})
    measure = figures.get(gate.measure) or figures.get("measures", {}).get(gate.measure) or {"value": math.nan}
    if math.isnan(measure["value"]):
        return f"--fail-if {gate}: nothing was measured there, so nothing can be told."
    if _OPERATORS[gate.operator_sign](measure["value"], gate.limit):
        interval = f"[{measure['low']:.3f}, {measure['high']:.3f}]"
        return f"--fail-if {gate}: it is {measure['value']:.3f} {interval}."
    return ""
