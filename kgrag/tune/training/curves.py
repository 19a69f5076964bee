"""Training curves: JSON, a plot, and a warning if factuality fell."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kgrag.storage.atomic import atomic_write

CURVES_FILENAME, PLOT_FILENAME = "curves.json", "curves.png"
CurveRows = Sequence[Mapping[str, float]]
_COLOURS = {"loss": "#9aa7b5", "held loss": "#0b57a4", "factuality": "#1b7f5c", "margin": "#c8432b"}
_SMOOTHING = 0.9
"""Weight of the previous value in the running mean of the step loss, which fluctuates."""


def write_curves(folder: Path, phases: Mapping[str, CurveRows]) -> list[Path]:
    """Write ``curves.json`` and, if matplotlib is installed, ``curves.png``; return their paths.

    ``phases``: ``answers`` and ``preferences`` -> a row for each step, with ``step``, ``loss``, ``lr`` and ``seconds``.
    Rows with an evaluation also have ``held loss``, ``factuality``, ``margin`` and the number of questions.
    """
    curves = {
        name: {"warning": overfitting_warning(rows), "rows": [dict(row) for row in rows]}
        for name, rows in phases.items()
    }
    with atomic_write(folder / CURVES_FILENAME) as temporary:
        temporary.write_text(json.dumps(curves, indent=1, allow_nan=False) + "\n", "utf-8")
    try:
        plot_curves(folder / PLOT_FILENAME, phases)
    except ImportError:
        return [folder / CURVES_FILENAME]
    return [folder / CURVES_FILENAME, folder / PLOT_FILENAME]


def overfitting_warning(rows: CurveRows) -> str:
    """Return a warning if the model learned to separate pairs at the cost of right answers, else "".

    It is given if from the first evaluation to the last the reward margin rose and factuality fell, by more than one
    question and more than its standard error.
    """
    evaluations = [row for row in rows if "margin" in row and "factuality" in row]
    if (
        len(evaluations) < 2
        or evaluations[-1]["margin"] <= evaluations[0]["margin"]
        or not factuality_fell(evaluations[0], evaluations[-1])
    ):
        return ""
    first, last = evaluations[0], evaluations[-1]
    return (
        f"The reward margin rose from {first['margin']:.2f} to {last['margin']:.2f} while held-out factuality fell from "
        f"{100 * first['factuality']:.0f} to {100 * last['factuality']:.0f} of 100 ({last['questions']:.0f} questions): the "
        "pairs are learned at the cost of right answers. Raise --anchor or --beta, train fewer steps, or add --examples."
    )


def factuality_fell(first: Mapping[str, float], row: Mapping[str, float]) -> bool:
    """Whether held-out factuality fell by more than its standard error and more than one question."""
    if "factuality" not in first or "factuality" not in row:
        return False
    question_count, share = row["questions"], row["factuality"]
    return first["factuality"] - share > max(math.sqrt(share * (1 - share) / question_count), 1 / question_count)


def plot_curves(path: Path, phases: Mapping[str, CurveRows]) -> None:
    """Draw the losses and, beside them, factuality with the reward margin; a row of panels for each phase.

    Raises:
        ImportError: matplotlib, of the extra ``bench``, is not installed.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    nonempty_phases = {name: rows for name, rows in phases.items() if rows}
    if not nonempty_phases:
        return
    figure, axes_grid = pyplot.subplots(
        len(nonempty_phases), 2, figsize=(10, 3.4 * len(nonempty_phases)), squeeze=False, layout="constrained"
    )
    for (name, rows), (left, right) in zip(nonempty_phases.items(), axes_grid, strict=True):
        _plot_losses(left, rows, name)
        _plot_factuality(right, rows)
    with atomic_write(path) as temporary:
        figure.savefig(temporary, dpi=130, facecolor="white", metadata={"Software": None})
    pyplot.close(figure)


def _plot_losses(axes: Any, rows: CurveRows, name: str) -> None:
    steps, running_means, running_mean = [], [], None
    for row in rows:
        if "loss" in row:
            running_mean = (
                row["loss"] if running_mean is None else _SMOOTHING * running_mean + (1 - _SMOOTHING) * row["loss"]
            )
            steps.append(row["step"])
            running_means.append(running_mean)
    axes.plot(steps, running_means, color=_COLOURS["loss"], label="training, running mean")
    _plot_series(axes, rows, "held loss", "held out")
    axes.set_xlabel("step")
    axes.set_ylabel("loss" if name == "preferences" else "loss, nats per token")
    axes.set_title(name, loc="left", fontsize=10)
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)


def _plot_factuality(axes: Any, rows: CurveRows) -> None:
    _plot_series(axes, rows, "factuality", "right answer is the likeliest")
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("step")
    axes.set_ylabel("share of held-out questions")
    axes.spines[["top"]].set_visible(False)
    if any("margin" in row for row in rows):
        margin_axes = axes.twinx()
        _plot_series(margin_axes, rows, "margin", "reward margin")
        margin_axes.set_ylabel("reward margin", color=_COLOURS["margin"])
        margin_axes.spines[["top"]].set_visible(False)
    warning_text = overfitting_warning(rows)
    axes.set_title("margin rises, factuality falls" if warning_text else "held out", loc="left", fontsize=10, color="#c8432b" if warning_text else "black")  # fmt: skip


def _plot_series(axes: Any, rows: CurveRows, key: str, label: str) -> None:
    evaluations = [row for row in rows if key in row]
    axes.plot(
        [row["step"] for row in evaluations],
        [row[key] for row in evaluations],
        color=_COLOURS[key],
        marker="o",
        markersize=3,
        label=label,
    )
