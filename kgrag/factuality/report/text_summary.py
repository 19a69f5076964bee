"""What a run found, in sentences that a terminal shows and `report.json` keeps: arm against arm, and each by itself."""

from __future__ import annotations

import math
from typing import Any

from kgrag.factuality.report.paired_differences import arm_pairs
from kgrag.metrics.significance import ALPHA


def summary_sentences(report: dict[str, Any]) -> list[str]:
    """What a run found, in words; `report.json` has them as ``sentences``."""
    lines = []
    arms = report["rates"].get("answerable", {})
    pairs = {(arm, against) for arm, against, primary in arm_pairs(list(arms)) if primary} if arms else set()
    for row in report["differences"]:
        if (row["condition"], row["measure"]) != ("answerable", "hallucination") or (
            row["arm"],
            row["against"],
        ) not in pairs:
            continue
        ours, theirs = (outcome_share(arms[row[side]], "wrong") for side in ("arm", "against"))
        comparison = (
            "as many wrong answers as"
            if not row["value"]
            else f"{'fewer' if row['value'] < 0 else 'more'} wrong answers than"
        )
        p = row["p_holm"] if not math.isnan(row["p_holm"]) else row["p"]
        # what the page draws in blue: both the interval, which keeps questions of one document together, and p
        excludes_zero = row["low"] > 0 or row["high"] < 0
        significance = "more than chance explains" if p < ALPHA and excludes_zero else "no more than chance explains"
        difference_text = (
            f"{100 * row['value']:+.1f} points [{100 * row['low']:+.1f}, {100 * row['high']:+.1f}], p {format_p(p)}"
        )
        lines.append(
            f"{row['arm']} gives {comparison} {row['against']}: {ours} against {theirs} ({difference_text}: {significance})."
        )
    for arm, figures in report["rates"].get("unanswerable", {}).items():
        lines.append(f"Where the documents do not say, {arm} says so in {outcome_share(figures, 'abstained')}.")
    for arm, figures in report["rates"].get("counterfactual", {}).items():
        lines.append(f"Where the documents were edited, {arm} follows them in {outcome_share(figures, 'correct')}.")
    return lines


def outcome_share(figures: dict[str, Any], outcome: str) -> str:
    """``19 of 100`` questions; as many as there are where they are fewer."""
    number, n = figures["counts"][outcome], figures["questions"]
    return f"{100 * number / n:.0f} of 100" if n >= 100 else f"{number} of {n}"


def format_p(p: float) -> str:
    """A p with three digits, or below which it is."""
    return "–" if math.isnan(p) else "below 0.001" if p < 0.001 else f"{p:.3f}"
