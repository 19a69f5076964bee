"""Turn the recognised lines of page images, of scanned PDFs and of image files, into pages."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from statistics import median
from typing import TYPE_CHECKING
from unicodedata import east_asian_width

from ingest.readers.images.recognized_page import GrayImage, Recognizer, SkewedFrame
from ingest.readers.pdf.geometry import PageFrame
from ingest.readers.pdf.pages import Page, Piece, Style

if TYPE_CHECKING:
    from pypdfium2 import PdfPage

RECOGNITION_DPI = 200
"""Resolution of page images for optical character recognition, in dots per inch."""
MAX_IMAGE_PIXELS = 40_000_000
SAME_SIZE = 0.25
"""Greatest difference of the heights of recognised lines in one size of type, as a share; heights vary with letters."""


def render_page(page: PdfPage, dpi: int = RECOGNITION_DPI) -> tuple[GrayImage, float]:
    """Return the image of a page as displayed, and its scale in pixels per point.

    The scale is lowered for pages that would have more than `MAX_IMAGE_PIXELS`.
    """
    width, height = page.get_size()
    scale = min(dpi / 72, (MAX_IMAGE_PIXELS / max(width * height, 1)) ** 0.5)
    image = page.render(scale=scale, grayscale=True).to_numpy()
    return image.reshape(image.shape[0], image.shape[1], -1)[:, :, 0], scale


def recognize_page(page: PdfPage, recognizer: Recognizer, result: Page, char_count: int) -> None:
    """Put the recognised lines of a page in the place of its text, if they have more than ``char_count`` characters."""
    image, scale = render_page(page)
    found = recognize_image(image, scale, recognizer, result.number, result.frame)
    if sum(len(piece.text) for piece in found.pieces) > char_count:
        result.frame, result.pieces, result.turned = found.frame, found.pieces, []
        result.dropped_count, result.lost_count = found.dropped_count, 0
        result.is_image, result.is_recognized = False, True


def recognize_image(
    image: GrayImage, scale: float, recognizer: Recognizer, number: int, frame: PageFrame | None = None
) -> Page:
    """Return the text of a page image as a page.

    Args:
        image: the page as displayed.
        scale: pixels per point.
        recognizer: called with the image.
        number: page number, from 1.
        frame: size and rotation of the page; default: those of the image.
    """
    lines, skew, turn, dropped_count = recognizer(image)
    height, width = image.shape
    frame = frame or PageFrame(width / scale, height / scale)
    turn = (frame.rotation + turn) % 4
    skewed = SkewedFrame(frame.page_width, frame.page_height, frame.rotation, turn, skew)
    sizes = _type_sizes([(line.box[3] - line.box[1]) / scale for line in lines])
    pieces = []
    for (text, box, confidence), size in zip(lines, sizes, strict=True):
        text = " ".join(text.split())
        if any(map(str.isalnum, text)):  # shapes of a picture are recognised as symbols
            left, top, right, bottom = (value / scale for value in box)
            baseline = bottom - 0.22 * (bottom - top)
            lefts = _char_lefts(text, left, right)
            pieces.append(Piece(text, lefts, left, right, baseline, Style(size), turn=turn, confidence=confidence))
    return Page(number, skewed, pieces, is_recognized=True, dropped_count=dropped_count)


def _type_sizes(heights: Sequence[float]) -> list[float]:
    """Return sizes of type for heights of lines in points: one size for all lines that are about as high as most."""
    usual = median(heights) if heights else 0.0
    return [
        max(1.0, round(0.9 * (usual if abs(height - usual) <= SAME_SIZE * usual else height))) for height in heights
    ]


def _char_lefts(text: str, left: float, right: float) -> list[float]:
    """Return the left edges of characters in a line; full-width ones count twice."""
    widths = [2 if east_asian_width(char) in "WF" else 1 for char in text]
    step = (right - left) / sum(widths)
    return [left + step * place for place in accumulate(widths[:-1], initial=0)]
