"""Results of optical character recognition: lines with their places, the turn and the slant of the page."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from ingest.readers.pdf.geometry import PageFrame
from kgrag.tree import Box

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

GrayImage: TypeAlias = "NDArray[np.uint8]"
"""(height, width), 0 is black."""
Quad: TypeAlias = "NDArray[np.float32]"
"""(4, 2): x and y of the corners of a line in pixels, clockwise from the upper left one."""
MIN_SKEW_SHAPE = 5
"""Width, in heights, of the lines that tell the slant of a page."""


class RecognizedLine(NamedTuple):
    """A line of text found in a page image: its box in pixels of the upright image, and its confidence."""

    text: str
    box: Box
    confidence: float


class RecognizedPage(NamedTuple):
    """Text recognised in a page image.

    Attributes:
        lines: The lines from the top down.
        skew: Angle in radians by which lines fall to the right, taken out of their boxes about the page's middle.
        turn: Quarter turns of the text, counter-clockwise on the image; boxes refer to the image with upright text.
        dropped_count: Lines left out because of their low confidence.
    """

    lines: Sequence[RecognizedLine]
    skew: float = 0.0
    turn: int = 0
    dropped_count: int = 0


Recognizer: TypeAlias = Callable[[GrayImage], RecognizedPage]


@dataclass(slots=True)
class SkewedFrame(PageFrame):
    """The frame of a page whose lines were levelled; boxes on the displayed page are where the lines are seen.

    Attributes:
        skew: Angle in radians by which lines fall to the right.
    """

    skew: float = 0.0

    def displayed_box(self, box: Box, turn: int | None = None) -> Box:
        """Return the box on the displayed page of a box in the layout: moved with its middle, as large as it was."""
        left, top, right, bottom = box
        x, y = turn_about((left + right) / 2, (top + bottom) / 2, self.width, self.height, self.skew)
        half_width, half_height = (right - left) / 2, (bottom - top) / 2
        moved = (x - half_width, y - half_height, x + half_width, y + half_height)
        return PageFrame.displayed_box(self, moved, turn)


def estimate_skew(boxes: Sequence[Quad]) -> float:
    """Return the angle in radians by which the lines of a page fall to the right: the median of long lines."""
    from statistics import median

    angles = []
    for box in boxes:
        (x, y), height = box[1] - box[0], math.dist(box[3], box[0])
        if math.hypot(x, y) > MIN_SKEW_SHAPE * height:
            angles.append(math.atan2(y, x))
    return float(median(angles)) if angles else 0.0


def turn_about(x: float, y: float, width: float, height: float, angle: float) -> tuple[float, float]:
    """Return a point after a turn about the middle of a page, clockwise on the page, by an angle in radians."""
    x, y = x - width / 2, y - height / 2
    cos, sin = math.cos(angle), math.sin(angle)
    return cos * x - sin * y + width / 2, sin * x + cos * y + height / 2


def line_boxes(boxes: Sequence[Quad], skew: float, width: int, height: int) -> list[Box]:
    """Return level boxes of lines, in pixels of the page after its slant was taken out."""
    levelled = []
    for box in boxes:
        points = [turn_about(float(x), float(y), width, height, -skew) for x, y in box]
        # means of two corners each: the corners of a line that is still slanted a little lie above and below it
        left, right = (points[0][0] + points[3][0]) / 2, (points[1][0] + points[2][0]) / 2
        top, bottom = (points[0][1] + points[1][1]) / 2, (points[2][1] + points[3][1]) / 2
        levelled.append((min(left, right), min(top, bottom), max(left, right), max(top, bottom)))
    return levelled
