"""Charts of the report as inline SVG; the page's style sheet sets their colours for light, dark and print.

A chart in a table row has no text, because the row has the same figures. Every chart has a label for screen readers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from kgrag.factuality.figures import DifferenceRow
from kgrag.factuality.report.labels import as_percent_points, to_float
from kgrag.metrics.calibration import ReliabilityBin
from kgrag.metrics.intervals import ALPHA

ROW_WIDTH, ROW_HEIGHT = 200, 14
"""Width and height of a chart in a table row, in SVG units."""
SQUARE_SIDE, SQUARE_EDGE = 220, 34
"""Side of a square chart, and the width of its edge for the axis labels, in SVG units."""


def stacked_bar(counts: Mapping[str, int]) -> Markup:
    """Draw a stacked bar in the order of ``counts``; the class of each part is its name."""
    total = sum(counts.values())
    label = ", ".join(f"{name} {number}" for name, number in counts.items())
    parts, x_offset = Markup(), 0.0
    for name, number in counts.items():
        if number:
            width = ROW_WIDTH * number / total
            parts += Markup('<rect class="{}" x="{:.2f}" y="0" width="{:.2f}" height="{}"/>').format(
                name.replace(" ", "-"), x_offset, max(width - 0.6, 0.3), ROW_HEIGHT
            )
            x_offset += width
    return _row_svg(parts, label)


def axis_limit(rows: Sequence[DifferenceRow]) -> float:
    """Return the limit of a symmetric axis that covers all intervals: a multiple of 0.1, at least 0.1."""
    ends = [abs(to_float(end)) for row in rows for end in (row["value"], row["low"], row["high"])]
    furthest = max((e for e in ends if not math.isnan(e)), default=0.0)
    return max(math.ceil(round(furthest * 10, 6)) / 10, 0.1)


def forest_row(row: DifferenceRow, limit: float) -> Markup:
    """Draw a point with its interval on an axis from -``limit`` to ``limit``; its class is ``sure`` if significant."""
    value, low, high = to_float(row["value"]), to_float(row["low"]), to_float(row["high"])

    def x(at: float) -> float:
        return ROW_WIDTH / 2 * (1 + max(min(at / limit, 1.0), -1.0))

    parts = Markup('<line class="zero" x1="{0}" x2="{0}" y1="0" y2="{1}"/>').format(ROW_WIDTH / 2, ROW_HEIGHT)
    if math.isnan(value):
        return _row_svg(parts, "not defined")
    kind = "sure" if is_significant(row) else "open"
    if not math.isnan(low + high):
        parts += Markup('<line class="reach {}" x1="{:.2f}" x2="{:.2f}" y1="{}" y2="{}"/>').format(
            kind, x(low), x(high), ROW_HEIGHT / 2, ROW_HEIGHT / 2
        )
    parts += Markup('<rect class="point {}" x="{:.2f}" y="{}" width="4" height="8"/>').format(
        kind, x(value) - 2, ROW_HEIGHT / 2 - 4
    )
    return _row_svg(
        parts, f"{as_percent_points(value)} points, from {as_percent_points(low)} to {as_percent_points(high)}"
    )


def is_significant(row: DifferenceRow) -> bool:
    """Whether a difference is significant: its interval excludes 0, and its (adjusted) p is below `ALPHA`."""
    p = to_float(row["p"] if math.isnan(to_float(row["p_holm"])) else row["p_holm"])
    return p < ALPHA and to_float(row["low"]) * to_float(row["high"]) > 0


def _row_svg(parts: Markup, label: str) -> Markup:
    return Markup(
        '<svg class="row" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" aria-label="{}">{}</svg>'
    ).format(ROW_WIDTH, ROW_HEIGHT, label, parts)


def reliability_chart(before: Sequence[ReliabilityBin], after: Sequence[ReliabilityBin]) -> Markup:
    """Draw stated probability against the share of correct answers; the point size grows with the number of answers."""
    max_answers = max((row["answers"] for row in [*before, *after]), default=1)
    parts = Markup('<line class="zero" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(
        _x_at(0), _y_at(0), _x_at(1), _y_at(1)
    )
    for kind, bins in (("before", before), ("after", after)):
        coordinates = [(_x_at(row["said"]), _y_at(row["right"])) for row in bins]
        parts += _polyline(coordinates, kind)
        for (x, y), row in zip(coordinates, bins, strict=True):
            size = 2 + 4 * math.sqrt(row["answers"] / max_answers)
            parts += Markup(
                '<circle class="{}" cx="{:.1f}" cy="{:.1f}" r="{:.1f}"><title>{}: stated {}, correct {} of 100, {} answers</title></circle>'
            ).format(
                kind, x, y, size, kind, as_percent_points(row["said"]), as_percent_points(row["right"]), row["answers"]
            )
    return _square_svg(parts, "stated probability, of 100", "correct, of 100", "Reliability curve")


def rejection_chart(curves: Mapping[str, Sequence[Sequence[float]]]) -> Markup:
    """Draw the accuracy after refusing the least certain answers, one line per measure of uncertainty."""
    parts = Markup()
    for number, points in enumerate(curves.values()):
        parts += _polyline([(_x_at(kept), _y_at(right)) for kept, right in points], f"line{number}")
    return _square_svg(parts, "answers kept, of 100", "correct of those, of 100", "Rejection curve")


def _x_at(share: float) -> float:
    return SQUARE_EDGE + share * SQUARE_SIDE


def _y_at(share: float) -> float:
    return 8 + (1 - share) * SQUARE_SIDE


def _polyline(coordinates: Sequence[tuple[float, float]], kind: str) -> Markup:
    return Markup('<polyline class="{}" points="{}"/>').format(
        kind, " ".join(f"{x:.1f},{y:.1f}" for x, y in coordinates)
    )


def _square_svg(parts: Markup, x_label: str, y_label: str, label: str) -> Markup:
    """Draw axes from 0 to 100 around marks."""
    axes = Markup('<rect class="frame" x="{}" y="8" width="{}" height="{}"/>').format(
        SQUARE_EDGE, SQUARE_SIDE, SQUARE_SIDE
    )
    for share in (0.0, 0.5, 1.0):
        tick_label = f"{100 * share:.0f}"
        axes += Markup('<text x="{:.0f}" y="{}" text-anchor="middle">{}</text>').format(
            _x_at(share), SQUARE_SIDE + 22, tick_label
        )
        axes += Markup('<text x="{}" y="{:.0f}" text-anchor="end">{}</text>').format(
            SQUARE_EDGE - 4, _y_at(share) + 4, tick_label
        )
    axes += Markup('<text x="{}" y="{}" text-anchor="middle">{}</text>').format(
        SQUARE_EDGE + SQUARE_SIDE / 2, SQUARE_SIDE + 38, x_label
    )
    axes += Markup('<text transform="translate(10 {}) rotate(-90)" text-anchor="middle">{}</text>').format(
        8 + SQUARE_SIDE / 2, y_label
    )
    return Markup('<svg class="square" viewBox="0 0 {} {}" role="img" aria-label="{}">{}{}</svg>').format(
        SQUARE_EDGE + SQUARE_SIDE + 14, SQUARE_SIDE + 46, label, axes, parts
    )
