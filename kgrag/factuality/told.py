"""What a run found, in sentences that a terminal shows and `report.json` keeps: arm against arm, and each by itself."""

from __future__ import annotations

import math
from typing import Any

from kgrag.factuality.differences import pairs_of
from kgrag.factuality.statistics import ALPHA


def sentences(report: dict[str, Any]) -> list[str]:
    """What a run found, in words; `report.json` has them as ``sentences``."""
    said = []
    arms = report["rates"].get("answerable", {})
    pairs = {(arm, against) for arm, against, primary in pairs_of(list(arms)) if primary} if arms else set()
    for row in report["differences"]:
        if (row["condition"], row["measure"]) != ("answerable", "hallucination") or (
            row["arm"],
            row["against"],
        ) not in pairs:
            continue
        ours, theirs = (of(arms[row[side]], "wrong") for side in ("arm", "against"))
        words = (
            "as many wrong answers as"
            if not row["value"]
            else f"{'fewer' if row['value'] < 0 else 'more'} wrong answers than"
        )
        p = row["p_holm"] if not math.isnan(row["p_holm"]) else row["p"]
        # what the page draws in blue: both the interval, which keeps questions of one document together, and p
        apart_from_none = row["low"] > 0 or row["high"] < 0
        sure = "more than chance explains" if p < ALPHA and apart_from_none else "no more than chance explains"
        apart = f"{100 * row['value']:+.1f} points [{100 * row['low']:+.1f}, {100 * row['high']:+.1f}], p {shown_p(p)}"
        said.append(f"{row['arm']} gives {words} {row['against']}: {ours} against {theirs} ({apart}: {sure}).")
    for arm, figures in report["rates"].get("unanswerable", {}).items():
        said.append(f"Where the documents do not say, {arm} says so in {of(figures, 'abstained')}.")
    for arm, figures in report["rates"].get("counterfactual", {}).items():
        said.append(f"Where the documents were edited, {arm} follows them in {of(figures, 'correct')}.")
    return said


def of(figures: dict[str, Any], outcome: str) -> str:
    """``19 of 100`` questions; as many as there are where they are fewer."""
    number, n = figures["counts"][outcome], figures["questions"]
    return f"{100 * number / n:.0f} of 100" if n >= 100 else f"{number} of {n}"


def shown_p(p: float) -> str:
    """A p with three digits, or below which it is."""
    return "–" if math.isnan(p) else "below 0.001" if p < 0.001 else f"{p:.3f}"
