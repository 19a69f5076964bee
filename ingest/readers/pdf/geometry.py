"""Coordinates of PDF pages: user space, layout (text upright), and the page as displayed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from kgrag.tree import Box


class Rule(NamedTuple):
    """A straight horizontal or vertical line: ``place`` is its y or x, in layout coordinates."""

    is_horizontal: bool
    place: float
    start: float
    end: float


@dataclass(slots=True)
class Table:
    """A table of one page: rows of cells from left to right, and their boxes in layout coordinates.

    Attributes:
        header: Names of the columns; empty if the table has none.
        rows: Cells of the other rows.
        boxes: Box of each row.
        column_lefts: Left edges of the columns, which tell whether a table continues on the next page.
    """

    header: list[str]
    rows: list[list[str]]
    boxes: list[Box]
    column_lefts: list[float]


@dataclass(slots=True)
class PageFrame:
    """Size and directions of a page.

    Layout and displayed coordinates are in points from the upper left corner. In the layout, most text is upright; on
    the displayed page, the rotation that the page asks for is applied.

    Attributes:
        page_width, page_height: Size in user space, before any rotation.
        rotation: Quarter turns of the display, clockwise.
        turn: Quarter turns of most text in user space, counter-clockwise.
    """

    page_width: float
    page_height: float
    rotation: int = 0
    turn: int = 0

    @property
    def width(self) -> float:
        return self.page_height if self.turn % 2 else self.page_width

    @property
    def height(self) -> float:
        return self.page_width if self.turn % 2 else self.page_height

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Return the layout coordinates of a point of user space, relative to the page's lower left corner."""
        return turn_point(x, y, self.page_width, self.page_height, self.turn)

    def displayed_box(self, box: Box, turn: int | None = None) -> Box:
        """Return the box on the displayed page of a box in the layout of a turn (default: that of the page)."""
        turn = self.turn if turn is None else max(turn, 0)
        corners = [
            turn_point(
                *_unturn_point(x, y, self.page_width, self.page_height, turn),
                self.page_width,
                self.page_height,
                self.rotation,
            )
            for x, y in (box[:2], box[2:])
        ]
        (left, right), (top, bottom) = (sorted(values) for values in zip(*corners, strict=True))
        return round(left, 1), round(top, 1), round(right, 1), round(bottom, 1)


def turn_point(x: float, y: float, width: float, height: float, turn: int) -> tuple[float, float]:
    """Return a point of user space in the layout in which text turned by ``turn`` is upright."""
    if turn == 1:
        return y, x
    if turn == 2:
        return width - x, y
    if turn == 3:
        return height - y, width - x
    return x, height - y


def _unturn_point(x: float, y: float, width: float, height: float, turn: int) -> tuple[float, float]:
    if turn == 1:
        return y, x
    if turn == 2:
        return width - x, y
    if turn == 3:
        return width - y, height - x
    return x, height - y


def union_box(boxes: Iterable[Box]) -> Box:
    """Return the box around boxes."""
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)
