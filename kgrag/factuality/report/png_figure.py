"""Figure of the main results for a README or a slide: outcomes by arm, and differences with their intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any

from kgrag.factuality.figures import ArmFigures, DifferenceRow, RunReport
from kgrag.factuality.report.labels import CONDITION_TITLES, OUTCOMES, format_difference, to_float
from kgrag.factuality.report.svg_charts import axis_limit, is_significant
from kgrag.storage.atomic import atomic_write

FIGURE_STEM = "report"
OUTCOME_COLOURS = {"correct": "#1b7f5c", "wrong": "#c8432b", "abstained": "#8d95a1", "empty": "#d9b44a"}
_SIGNIFICANT_COLOUR, _NEUTRAL_COLOUR = "#0b57a4", "#6b7280"
_ROW_INCHES = 0.36
"""Height of an arm's row in inches."""
_MIN_LABEL_SHARE = 0.03
"""Minimum share of a bar that has room for its number."""
_MAX_LINE_CHARS = 96
"""Maximum characters of a line of the title."""


def write_figure(folder: Path, report: RunReport, headlines: Sequence[str] = ()) -> list[Path]:
    """Draw ``report.svg`` and ``report.png`` and return their paths; none without answerable questions.

    Args:
        folder: folder of the run; created if missing.
        report: figures of the run; only primary differences are drawn.
        headlines: sentences of the title, wrapped.

    Raises:
        ImportError: matplotlib, of the extra ``bench``, is not installed.
    """
    import matplotlib

    arms = report["rates"].get("answerable", {})
    if not arms:
        return []
    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "kgrag"  # equal figures give equal files
    from matplotlib import pyplot

    rows = [row for row in report["differences"] if row["primary"]]
    heights = [len(arms) + 1, len(rows) + 1] if rows else [len(arms) + 1]
    figure, axes_grid = pyplot.subplots(
        len(heights), 1, figsize=(9, 2 + _ROW_INCHES * sum(heights)), height_ratios=heights, squeeze=False, layout="constrained"
    )  # fmt: skip
    if headlines:
        figure.suptitle(
            "\n".join(line for sentence in headlines for line in wrap(sentence, _MAX_LINE_CHARS)),
            x=0.01,
            ha="left",
            fontsize=11,
            fontweight="bold",
        )
    _draw_bars(axes_grid[0][0], arms)
    if rows:
        _draw_forest(axes_grid[1][0], rows)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{FIGURE_STEM}.svg", folder / f"{FIGURE_STEM}.png"]
    for path in paths:
        with atomic_write(path) as temporary:
            metadata = {"Date": None} if path.suffix == ".svg" else {}
            figure.savefig(temporary, dpi=160, metadata=metadata, facecolor="white")
    pyplot.close(figure)
    return paths


def _draw_bars(axes: Any, arms: Mapping[str, ArmFigures]) -> None:
    """Draw one bar of outcome shares per arm; a part shows its number of questions if there is room."""
    left = [0.0] * len(arms)
    for kind in OUTCOMES:
        counts = [f["counts"][kind] for f in arms.values()]
        widths = [100 * n / f["questions"] for n, f in zip(counts, arms.values(), strict=True)]
        if any(counts):
            bars = axes.barh(range(len(arms)), widths, left=left, color=OUTCOME_COLOURS[kind], label=kind, height=0.7)
            bar_labels = [
                str(n) if width >= 100 * _MIN_LABEL_SHARE else "" for n, width in zip(counts, widths, strict=True)
            ]
            axes.bar_label(
                bars,
                bar_labels,
                label_type="center",
                color="white" if kind in ("correct", "wrong") else "black",
                fontsize=9,
            )
        left = [a + b for a, b in zip(left, widths, strict=True)]
    axes.set_yticks(range(len(arms)), [f"{arm} ({f['questions']})" for arm, f in arms.items()])
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.set_xlabel("of 100 questions; numbers in the bars: questions")
    axes.set_title(f"{CONDITION_TITLES['answerable']}: outcomes", loc="left", fontsize=10)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_forest(axes: Any, rows: Sequence[DifferenceRow]) -> None:
    """Draw a point with its interval for each comparison, and a line at 0."""
    axes.axvline(0, color=_NEUTRAL_COLOUR, linewidth=0.8, linestyle=(0, (4, 3)))
    for row_index, row in enumerate(rows):
        value, low, high = (100 * to_float(end) for end in (row["value"], row["low"], row["high"]))
        if math.isnan(value):
            continue
        colour = _SIGNIFICANT_COLOUR if is_significant(row) else _NEUTRAL_COLOUR
        axes.plot([low, high], [row_index, row_index], color=colour, linewidth=2)
        axes.plot([value], [row_index], "s", color=colour, markersize=5)
        axes.annotate(
            format_difference(row), (1.01, row_index), xycoords=("axes fraction", "data"), va="center", fontsize=9, annotation_clip=False
        )  # fmt: skip
    axes.set_yticks(range(len(rows)), [f"{row['arm']} minus {row['against']}" for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    limit = 100 * axis_limit(rows)
    axes.set_xlim(-limit, limit)
    axes.set_xlabel("difference in wrong answers, points with 95 % interval; left of 0: fewer")
    axes.set_title("Differences in wrong answers on the same questions", loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
