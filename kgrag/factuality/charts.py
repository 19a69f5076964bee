"""The report's charts, as inline SVG whose colours the page's style sheet sets: they follow light, dark and print.

Those that stand in a row of a table have no words of their own, as the row says the same in figures; each has a label
for who does not see it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from kgrag.factuality.statistics import ALPHA
from kgrag.factuality.words import defined, hundred

WIDTH, HEIGHT = 200, 14
"""Of a chart in a row, in its own units."""
SIDE, EDGE = 220, 34
"""Of a square chart, and its edge for the axes' words."""


def stacked(counts: Mapping[str, int]) -> Markup:
    """A bar of parts that make up the whole, in the order of ``counts``; each part's class is its name."""
    total = sum(counts.values())
    label = ", ".join(f"{name} {number}" for name, number in counts.items())
    parts, left = Markup(), 0.0
    for name, number in counts.items():
        if number:
            width = WIDTH * number / total
            parts += Markup('<rect class="{}" x="{:.2f}" y="0" width="{:.2f}" height="{}"/>').format(
                name.replace(" ", "-"), left, max(width - 0.6, 0.3), HEIGHT
            )
            left += width
    return _row(parts, label)


def reach(rows: Sequence[Mapping[str, Any]]) -> float:
    """How far an axis about 0 must go for some intervals: by tenths, 0.1 at least."""
    ends = [abs(defined(row[name])) for row in rows for name in ("value", "low", "high")]
    furthest = max((e for e in ends if not math.isnan(e)), default=0.0)
    return max(math.ceil(round(furthest * 10, 6)) / 10, 0.1)


def forest(row: Mapping[str, Any], limit: float) -> Markup:
    """A point with its interval, on an axis from -``limit`` to ``limit`` with a line at 0; blue where it is `sure`."""
    value, low, high = (defined(row[name]) for name in ("value", "low", "high"))

    def x(at: float) -> float:
        return WIDTH / 2 * (1 + max(min(at / limit, 1.0), -1.0))

    parts = Markup('<line class="zero" x1="{0}" x2="{0}" y1="0" y2="{1}"/>').format(WIDTH / 2, HEIGHT)
    if math.isnan(value):
        return _row(parts, "not defined")
    kind = "sure" if sure(row) else "open"
    if not math.isnan(low + high):
        parts += Markup('<line class="reach {}" x1="{:.2f}" x2="{:.2f}" y1="{}" y2="{}"/>').format(
            kind, x(low), x(high), HEIGHT / 2, HEIGHT / 2
        )
    parts += Markup('<rect class="point {}" x="{:.2f}" y="{}" width="4" height="8"/>').format(
        kind, x(value) - 2, HEIGHT / 2 - 4
    )
    return _row(parts, f"{hundred(value)} points, from {hundred(low)} to {hundred(high)}")


def sure(row: Mapping[str, Any]) -> bool:
    """Whether chance hardly explains a difference: the interval leaves out 0, and p is below the level, adjusted if it is."""
    p = defined(row["p"] if math.isnan(defined(row["p_holm"])) else row["p_holm"])
    return p < ALPHA and defined(row["low"]) * defined(row["high"]) > 0


def _row(parts: Markup, label: str) -> Markup:
    return Markup(
        '<svg class="row" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" aria-label="{}">{}</svg>'
    ).format(WIDTH, HEIGHT, label, parts)


def reliability(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> Markup:
    """Stated chance against how often it was right: on the diagonal they agree. Points grow with the number of answers."""
    most = max((row["answers"] for row in [*before, *after]), default=1)
    parts = Markup('<line class="zero" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(_x(0), _y(0), _x(1), _y(1))
    for kind, bins in (("before", before), ("after", after)):
        places = [(_x(row["said"]), _y(row["right"])) for row in bins]
        parts += _line(places, kind)
        for (x, y), row in zip(places, bins, strict=True):
            size = 2 + 4 * math.sqrt(row["answers"] / most)
            parts += Markup(
                '<circle class="{}" cx="{:.1f}" cy="{:.1f}" r="{:.1f}"><title>{}: said {}, right {} of 100, {} answers</title></circle>'
            ).format(kind, x, y, size, kind, hundred(row["said"]), hundred(row["right"]), row["answers"])
    return _square(parts, "chance that the model gives", "right, of 100", "Reliability curve")


def rejection(curves: Mapping[str, Sequence[Sequence[float]]]) -> Markup:
    """The accuracy of what is kept where the most doubtful answers are refused, a line for each measure of doubt."""
    parts = Markup()
    for number, points in enumerate(curves.values()):
        parts += _line([(_x(kept), _y(right)) for kept, right in points], f"line{number}")
    return _square(parts, "answers kept, of 100", "right of those, of 100", "Rejection curve")


def _x(share: float) -> float:
    return EDGE + share * SIDE


def _y(share: float) -> float:
    return 8 + (1 - share) * SIDE


def _line(places: Sequence[tuple[float, float]], kind: str) -> Markup:
    return Markup('<polyline class="{}" points="{}"/>').format(kind, " ".join(f"{x:.1f},{y:.1f}" for x, y in places))


def _square(parts: Markup, across: str, up: str, label: str) -> Markup:
    """Axes from 0 to 100 about some marks."""
    axes = Markup('<rect class="frame" x="{}" y="8" width="{}" height="{}"/>').format(EDGE, SIDE, SIDE)
    for share in (0.0, 0.5, 1.0):
        said = f"{100 * share:.0f}"
        axes += Markup('<text x="{:.0f}" y="{}" text-anchor="middle">{}</text>').format(_x(share), SIDE + 22, said)
        axes += Markup('<text x="{}" y="{:.0f}" text-anchor="end">{}</text>').format(EDGE - 4, _y(share) + 4, said)
    axes += Markup('<text x="{}" y="{}" text-anchor="middle">{}</text>').format(EDGE + SIDE / 2, SIDE + 38, across)
    axes += Markup('<text transform="translate(10 {}) rotate(-90)" text-anchor="middle">{}</text>').format(
        8 + SIDE / 2, up
    )
    return Markup('<svg class="square" viewBox="0 0 {} {}" role="img" aria-label="{}">{}{}</svg>').format(
        EDGE + SIDE + 14, SIDE + 46, label, axes, parts
    )
