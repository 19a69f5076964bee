"""What a training did, step by step: as JSON, as a picture, and in words where it went wrong."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kgrag.files import replaced

NAME, PICTURE = "curves.json", "curves.png"
Rows = Sequence[Mapping[str, float]]
_COLOURS = {"loss": "#9aa7b5", "held loss": "#0b57a4", "factuality": "#1b7f5c", "margin": "#c8432b"}
_SMOOTH = 0.9
"""Of a step's loss, which jumps, the running mean is drawn with this weight on what was."""


def write(folder: Path, phases: Mapping[str, Rows]) -> list[Path]:
    """Write ``curves.json`` and, where matplotlib is installed, ``curves.png``; their paths.

    ``phases``: ``answers`` and ``preferences`` -> a row for each step, with ``step``, ``loss``, ``lr``, ``seconds`` and,
    where the held-out examples were looked at, ``held loss``, ``factuality``, ``margin`` and how many those are of.
    """
    value = {name: {"warning": warning(rows), "rows": [dict(row) for row in rows]} for name, rows in phases.items()}
    with replaced(folder / NAME) as beside:
        beside.write_text(json.dumps(value, indent=1, allow_nan=False) + "\n", "utf-8")
    try:
        picture(folder / PICTURE, phases)
    except ImportError:
        return [folder / NAME]
    return [folder / NAME, folder / PICTURE]


def warning(rows: Rows) -> str:
    """A sentence, if the model learned to tell pairs apart at the cost of what is right; else "".

    From the first look at the held-out examples to the last, the reward margin rose and factuality fell, by more than
    one question and more than its standard error.
    """
    looks = [row for row in rows if "margin" in row and "factuality" in row]
    if len(looks) < 2 or looks[-1]["margin"] <= looks[0]["margin"] or not fell(looks[0], looks[-1]):
        return ""
    first, last = looks[0], looks[-1]
    return (
        f"The reward margin rose from {first['margin']:.2f} to {last['margin']:.2f} while held-out factuality fell from "
        f"{100 * first['factuality']:.0f} to {100 * last['factuality']:.0f} of 100 ({last['questions']:.0f} questions): the pairs are "
        "being learned at the cost of what is right. Raise --anchor or --beta, train fewer steps, or add --examples."
    )


def fell(first: Mapping[str, float], row: Mapping[str, float]) -> bool:
    """Whether held-out factuality fell from one look to another, by more than its standard error and more than one question."""
    if "factuality" not in first or "factuality" not in row:
        return False
    asked, share = row["questions"], row["factuality"]
    return first["factuality"] - share > max(math.sqrt(share * (1 - share) / asked), 1 / asked)


def picture(path: Path, phases: Mapping[str, Rows]) -> None:
    """Draw losses and, beside them, factuality with the reward margin; a row of panels for each phase.

    Raises:
        ImportError: matplotlib, of the extra ``bench``, is not installed.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    shown = {name: rows for name, rows in phases.items() if rows}
    if not shown:
        return
    figure, places = pyplot.subplots(len(shown), 2, figsize=(10, 3.4 * len(shown)), squeeze=False, layout="constrained")
    for (name, rows), (left, right) in zip(shown.items(), places, strict=True):
        _losses(left, rows, name)
        _facts(right, rows)
    with replaced(path) as beside:
        figure.savefig(beside, dpi=130, facecolor="white", metadata={"Software": None})
    pyplot.close(figure)


def _losses(axes: Any, rows: Rows, name: str) -> None:
    steps, smooth, mean = [], [], None
    for row in rows:
        if "loss" in row:
            mean = row["loss"] if mean is None else _SMOOTH * mean + (1 - _SMOOTH) * row["loss"]
            steps.append(row["step"])
            smooth.append(mean)
    axes.plot(steps, smooth, color=_COLOURS["loss"], label="trained on, running mean")
    _line(axes, rows, "held loss", "held out")
    axes.set_xlabel("step")
    axes.set_ylabel("loss" if name == "preferences" else "loss, nats a token")
    axes.set_title(name, loc="left", fontsize=10)
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)


def _facts(axes: Any, rows: Rows) -> None:
    _line(axes, rows, "factuality", "right answer is the likeliest")
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("step")
    axes.set_ylabel("share of held-out questions")
    axes.spines[["top"]].set_visible(False)
    if any("margin" in row for row in rows):
        beside = axes.twinx()
        _line(beside, rows, "margin", "reward margin")
        beside.set_ylabel("reward margin", color=_COLOURS["margin"])
        beside.spines[["top"]].set_visible(False)
    said = warning(rows)
    axes.set_title("margin rises, factuality falls" if said else "held out", loc="left", fontsize=10, color="#c8432b" if said else "black")  # fmt: skip


def _line(axes: Any, rows: Rows, key: str, label: str) -> None:
    looks = [row for row in rows if key in row]
    axes.plot(
        [row["step"] for row in looks],
        [row[key] for row in looks],
        color=_COLOURS[key],
        marker="o",
        markersize=3,
        label=label,
    )
