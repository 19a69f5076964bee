"""Pages of a PDF as they are read: pieces of text with their places and styles, rules, and links."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

from ingest.readers.pdf.geometry import PageFrame, Rule, Table
from kgrag.tree import Box

MAX_PIECE_GAP = 1.0
"""Widest gap inside a piece, in font sizes; columns of a table are wider apart, words of justified text are not."""
MIN_WORD_GAP = 0.2
"""Narrowest gap between words where the PDF has no space, in font sizes."""


class Style(NamedTuple):
    """Style of a piece of text; the size is in points."""

    size: float
    is_bold: bool = False
    is_mono: bool = False


@dataclass(slots=True)
class Piece:
    """A run of text on one baseline, without wide gaps, in layout coordinates.

    Attributes:
        text: The text, with single spaces except in monospaced text.
        lefts: Left edge of each character.
        left, right, baseline: Places in points.
        style: Most frequent style of its characters.
        turn: Quarter turns of the text, counter-clockwise on the unturned page; -1 for a slanted text.
        mark: Footnote mark at its start, raised; "" if there is none.
        confidence: Confidence of optical character recognition; None for text of the text layer.
        table: Table with a grid of rules that stands in the place of this piece.
    """

    text: str
    lefts: list[float]
    left: float
    right: float
    baseline: float
    style: Style
    turn: int = 0
    mark: str = ""
    confidence: float | None = None
    table: Table | None = None

    @property
    def top(self) -> float:
        return self.baseline - 0.8 * self.style.size

    @property
    def bottom(self) -> float:
        return self.baseline + 0.2 * self.style.size

    def cut(self, start: int, end: int) -> Piece:
        """Return a part of the piece, without surrounding spaces."""
        start += len(self.text[start:end]) - len(self.text[start:end].lstrip())
        end = start + len(self.text[start:end].rstrip())
        right = self.right if end >= len(self.text) else self.lefts[end]
        return replace(
            self, text=self.text[start:end], lefts=self.lefts[start:end], left=self.lefts[start], right=right, mark=""
        )


@dataclass(slots=True)
class Page:
    """A page as it was read.

    Attributes:
        number: Page number, from 1.
        frame: Size and turn of the page, and the mapping from layout coordinates to the page as displayed.
        pieces: Pieces of upright text.
        turned: Pieces in other directions than most of the text.
        rules: Horizontal and vertical lines.
        links: Boxes in layout coordinates and targets.
        lost_count: Characters without a mapping to Unicode, left out.
        is_image: Whether it is a scan that was not recognised: it has pictures or outlines, and little text or none.
        is_recognized: Whether its text was recognised in its image.
        dropped_count: Lines left out because they were recognised with a low confidence.
    """

    number: int
    frame: PageFrame
    pieces: list[Piece] = field(default_factory=list)
    turned: list[Piece] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    links: list[tuple[Box, str]] = field(default_factory=list)
    lost_count: int = 0
    is_image: bool = False
    is_recognized: bool = False
    dropped_count: int = 0

    def confidence_in(self, box: Box) -> float | None:
        """Return the least confidence of the pieces inside a box in layout coordinates; None without recognised ones."""
        left, top, right, bottom = box
        found = [
            piece.confidence
            for piece in self.pieces
            if piece.confidence is not None
            and left <= (piece.left + piece.right) / 2 <= right
            and top <= (piece.top + piece.bottom) / 2 <= bottom
        ]
        return min(found, default=None)
