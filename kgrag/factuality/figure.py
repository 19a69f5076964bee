"""The first screen as a picture, for a README or a slide: the arms side by side, and the differences with their intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any

from kgrag.factuality.charts import reach, sure
from kgrag.factuality.words import CONDITIONS, OUTCOMES, defined, points
from kgrag.files import replaced

STEM = "report"
COLOURS = {"correct": "#1b7f5c", "wrong": "#c8432b", "abstained": "#8d95a1", "empty": "#d9b44a"}
_SURE, _OPEN = "#0b57a4", "#6b7280"
_ROW = 0.36
"""Inches that an arm takes."""
_ROOM = 0.03
"""The least share of a bar whose number has room in it."""
_LINE = 96
"""Signs that a line above the picture has room for."""


def write_figure(folder: Path, report: dict[str, Any], said: Sequence[str] = ()) -> list[Path]:
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
    figure, places = pyplot.subplots(
        len(heights), 1, figsize=(9, 2 + _ROW * sum(heights)), height_ratios=heights, squeeze=False, layout="constrained"
    )  # fmt: skip
    if said:
        figure.suptitle(
            "\n".join(line for sentence in said for line in wrap(sentence, _LINE)),
            x=0.01,
            ha="left",
            fontsize=11,
            fontweight="bold",
        )
    _bars(places[0][0], arms)
    if rows:
        _forest(places[1][0], rows)
    folder.mkdir(parents=True, exist_ok=True)
    drawn = [folder / f"{STEM}.svg", folder / f"{STEM}.png"]
    for path in drawn:
        with replaced(path) as beside:
            metadata = {"Date": None} if path.suffix == ".svg" else {}
            figure.savefig(beside, dpi=160, metadata=metadata, facecolor="white")
    pyplot.close(figure)
    return drawn


def _bars(axes: Any, arms: dict[str, Any]) -> None:
    """A bar an arm, of shares; a part says how many questions it is, where there is room."""
    left = [0.0] * len(arms)
    for kind in OUTCOMES:
        counts = [f["counts"][kind] for f in arms.values()]
        widths = [100 * n / f["questions"] for n, f in zip(counts, arms.values(), strict=True)]
        if any(counts):
            bars = axes.barh(range(len(arms)), widths, left=left, color=COLOURS[kind], label=kind, height=0.7)
            shown = [str(n) if width >= 100 * _ROOM else "" for n, width in zip(counts, widths, strict=True)]
            axes.bar_label(
                bars, shown, label_type="center", color="white" if kind in ("correct", "wrong") else "black", fontsize=9
            )
        left = [a + b for a, b in zip(left, widths, strict=True)]
    axes.set_yticks(range(len(arms)), [f"{arm} ({f['questions']})" for arm, f in arms.items()])
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.set_xlabel("of 100 questions; in the bars: how many questions")
    axes.set_title(f"{CONDITIONS['answerable']}: what became of them", loc="left", fontsize=10)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)


def _forest(axes: Any, rows: list[dict[str, Any]]) -> None:
    """A point with its interval for each comparison, about a line at 0."""
    axes.axvline(0, color=_OPEN, linewidth=0.8, linestyle=(0, (4, 3)))
    for place, row in enumerate(rows):
        value, low, high = (100 * defined(row[name]) for name in ("value", "low", "high"))
        if math.isnan(value):
            continue
        colour = _SURE if sure(row) else _OPEN
        axes.plot([low, high], [place, place], color=colour, linewidth=2)
        axes.plot([value], [place], "s", color=colour, markersize=5)
        axes.annotate(
            points(row), (1.01, place), xycoords=("axes fraction", "data"), va="center", fontsize=9, annotation_clip=False
        )  # fmt: skip
    axes.set_yticks(range(len(rows)), [f"{row['arm']} less {row['against']}" for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    limit = 100 * reach(rows)
    axes.set_xlim(-limit, limit)
    axes.set_xlabel("wrong answers, difference in points with its 95 % interval; left of 0: fewer")
    axes.set_title("Wrong answers, compared on the same questions", loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
