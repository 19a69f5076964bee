"""The first screen as a picture, for a README or a slide: the arms side by side, and the differences with their intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any

from kgrag.factuality.report.labels import CONDITION_TITLES, OUTCOMES, format_difference, to_float
from kgrag.factuality.report.svg_charts import axis_limit, is_significant
from kgrag.storage.atomic import atomic_write

FIGURE_STEM = "report"
OUTCOME_COLOURS = {"correct": "#1b7f5c", "wrong": "#c8432b", "abstained": "#8d95a1", "empty": "#d9b44a"}
_SIGNIFICANT_COLOUR, _NEUTRAL_COLOUR = "#0b57a4", "#6b7280"
_ROW_INCHES = 0.36
"""Inches that an arm takes."""
_MIN_LABEL_SHARE = 0.03
"""The least share of a bar whose number has room in it."""
_MAX_LINE_CHARS = 96
"""Signs that a line above the picture has room for."""


def write_figure(folder: Path, report: dict[str, Any], headlines: Sequence[str] = ()) -> list[Path]:
    """Draw ``report.svg`` and ``report.png`` into ``folder``, and give their paths; none where no question was answerable.

    Args:
        folder: of the run; made if there is none.
        report: every figure of it, as ``report.json`` has them; of the differences the primary ones are drawn.
        said: sentences that stand above, wrapped.

    Raises:
        ImportError: matplotlib, of the extra ``bench``, is not installed.
    """
    import matplotlib

    arms = report["rates"].get("answerable", {})
    if not arms:
        return []
    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "kgrag"  # the same figures give the same file
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


def _draw_bars(axes: Any, arms: dict[str, Any]) -> None:
    """A bar an arm, of shares; a part says how many questions it is, where there is room."""
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
    axes.set_xlabel("of 100 questions; in the bars: how many questions")
    axes.set_title(f"{CONDITION_TITLES['answerable']}: what became of them", loc="left", fontsize=10)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_forest(axes: Any, rows: list[dict[str, Any]]) -> None:
    """A point with its interval for each comparison, about a line at 0."""
    axes.axvline(0, color=_NEUTRAL_COLOUR, linewidth=0.8, linestyle=(0, (4, 3)))
    for row_index, row in enumerate(rows):
        value, low, high = (100 * to_float(row[name]) for name in ("value", "low", "high"))
        if math.isnan(value):
            continue
        colour = _SIGNIFICANT_COLOUR if is_significant(row) else _NEUTRAL_COLOUR
        axes.plot([low, high], [row_index, row_index], color=colour, linewidth=2)
        axes.plot([value], [row_index], "s", color=colour, markersize=5)
        axes.annotate(
            format_difference(row), (1.01, row_index), xycoords=("axes fraction", "data"), va="center", fontsize=9, annotation_clip=False
        )  # fmt: skip
    axes.set_yticks(range(len(rows)), [f"{row['arm']} less {row['against']}" for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    limit = 100 * axis_limit(rows)
    axes.set_xlim(-limit, limit)
    axes.set_xlabel("wrong answers, difference in points with its 95 % interval; left of 0: fewer")
    axes.set_title("Wrong answers, compared on the same questions", loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
