"""Report the pages of a document that could not be read in full: scans, lost glyphs, uncertain lines."""

from __future__ import annotations

from collections.abc import Sequence

from ingest.readers.images.ocr import MIN_CONFIDENCE, OCR_ADVICE, find_recognizer
from ingest.readers.pdf.pages import Page

MAX_LOST_SHARE = 0.05
"""Characters of a page without a mapping to Unicode, as a share of all, above which the page is reported."""


class PageProblems:
    """Collector of the problems with pages.

    Attributes:
        recognized: Numbers of the pages whose text was recognised in their images.
    """

    def __init__(self) -> None:
        self.recognized: list[int] = []
        self._images: list[int] = []
        self._lost: list[int] = []
        self._lost_count = 0
        self._uncertain: list[int] = []
        self._uncertain_count = 0

    def add(self, page: Page) -> None:
        """Record the problems with a page."""
        if page.is_image:
            self._images.append(page.number)
        if page.is_recognized and page.pieces:
            self.recognized.append(page.number)
        if page.dropped_count:
            self._uncertain.append(page.number)
            self._uncertain_count += page.dropped_count
        char_count = sum(len(piece.text) for piece in page.pieces)
        if page.lost_count > MAX_LOST_SHARE * (char_count + page.lost_count):
            self._lost.append(page.number)
            self._lost_count += page.lost_count

    def sentences(self) -> list[str]:
        """Return the problems, one sentence each."""
        sentences = []
        if self._images:
            place = f"expected text, found only pictures on {page_ranges(self._images)}"
            if find_recognizer():
                sentences.append(f"{place}, and no text in them: scan text at 150 dpi or more")
            else:
                sentences.append(f"{place}, which may be scans: text recognition (OCR) reads them, {OCR_ADVICE}")
        if self._lost:
            advice = "" if find_recognizer() else f", or recognise its text (OCR): {OCR_ADVICE}"
            sentences.append(
                f"expected characters, found {self._lost_count} glyph numbers without a character on "
                f"{page_ranges(self._lost)}, left out: print it to a new pdf{advice}"
            )
        if self._uncertain:
            lines = "1 line" if self._uncertain_count == 1 else f"{self._uncertain_count} lines"
            sentences.append(
                f"expected text that can be recognised, found {lines} below a confidence of {MIN_CONFIDENCE} on "
                f"{page_ranges(self._uncertain)}, left out: scan again at a higher resolution"
            )
        return sentences


def page_ranges(numbers: Sequence[int]) -> str:
    """Return page numbers as text: ``page 3`` or ``pages 1, 3 to 5``."""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    parts = [str(a) if a == b else f"{a} to {b}" if b > a + 1 else f"{a}, {b}" for a, b in ranges]
    return ("page " if len(numbers) == 1 else "pages ") + ", ".join(parts)
