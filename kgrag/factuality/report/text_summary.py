"""Results of a run as sentences, for the terminal and ``report.json``."""

from __future__ import annotations

import math

from kgrag.factuality.figures import OutcomeRates, RunReport
from kgrag.factuality.report.labels import to_float
from kgrag.factuality.report.paired_differences import arm_pairs
from kgrag.metrics.intervals import ALPHA


def summary_sentences(report: RunReport) -> list[str]:
    """Return the results of a run as sentences; ``report.json`` holds them as ``sentences``."""
    lines = []
    arms = report["rates"].get("answerable", {})
    pairs = {(arm, against) for arm, against, primary in arm_pairs(list(arms)) if primary} if arms else set()
    for row in report["differences"]:
        if (row["condition"], row["measure"]) != ("answerable", "hallucination") or (
            row["arm"],
            row["against"],
        ) not in pairs:
            continue
        ours, theirs = outcome_share(arms[row["arm"]], "wrong"), outcome_share(arms[row["against"]], "wrong")
        value, low, high = to_float(row["value"]), to_float(row["low"]), to_float(row["high"])
        comparison = (
            "as many wrong answers as" if not value else f"{'fewer' if value < 0 else 'more'} wrong answers than"
        )
        p_holm = to_float(row["p_holm"])
        p = p_holm if not math.isnan(p_holm) else to_float(row["p"])
        # as on the page: the interval, which keeps questions of one document together, and p must both agree
        excludes_zero = low > 0 or high < 0
        significance = "more than chance explains" if p < ALPHA and excludes_zero else "no more than chance explains"
        difference_text = f"{100 * value:+.1f} points [{100 * low:+.1f}, {100 * high:+.1f}], p {format_p(p)}"
        lines.append(
            f"{row['arm']} gives {comparison} {row['against']}: {ours} against {theirs} ({difference_text}: {significance})."
        )
    for arm, figures in report["rates"].get("unanswerable", {}).items():
        lines.append(f"Where the documents do not say, {arm} says so in {outcome_share(figures, 'abstained')}.")
    for arm, figures in report["rates"].get("counterfactual", {}).items():
        lines.append(f"Where the documents were edited, {arm} follows them in {outcome_share(figures, 'correct')}.")
    return lines


def outcome_share(figures: OutcomeRates, outcome: str) -> str:
    """Format the share of an outcome: ``19 of 100`` questions, or of all questions if there are fewer than 100."""
    number, n = figures["counts"][outcome], figures["questions"]
    return f"{100 * number / n:.0f} of 100" if n >= 100 else f"{number} of {n}"


def format_p(p: float) -> str:
    """Format a p value with three digits, or as ``below 0.001``."""
    return "–" if math.isnan(p) else "below 0.001" if p < 0.001 else f"{p:.3f}"
