"""Read a page of a PDF: its text and lines, or the text in its image if it is a scan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ingest.readers.images.page_recognition import recognize_page
from ingest.readers.images.recognized_page import Recognizer
from ingest.readers.pdf.characters import read_pieces
from ingest.readers.pdf.geometry import PageFrame
from ingest.readers.pdf.pages import Page, Piece
from ingest.readers.pdf.paths import read_links, read_rules
from ingest.readers.pdf.scans import is_scan

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument


def read_page(document: PdfDocument, number: int, recognizer: Recognizer | None = None) -> Page:
    """Read a page.

    Args:
        document: the open document.
        number: page number, from 1.
        recognizer: called with the image of a scanned page; if it finds less text than the page has, that text stays.
    """
    import pypdfium2.raw as pdfium

    page = document[number - 1]
    try:
        raw = page.raw
        left, bottom, right, top = page.get_cropbox(fallback_ok=True)
        rotation = pdfium.FPDFPage_GetRotation(raw) % 4
        text_page = page.get_textpage()
        pieces, lost_count = read_pieces(text_page.raw, (left, bottom, right, top))
        text_page.close()
        turn = _main_turn(pieces, rotation)
        result = Page(number, PageFrame(right - left, top - bottom, rotation, turn), lost_count=lost_count)
        result.pieces = [piece for piece in pieces if piece.turn == turn]
        result.turned = [piece for piece in pieces if piece.turn != turn]
        char_count = sum(len(piece.text) for piece in pieces)
        if is_scan(raw, result.frame.width * result.frame.height, char_count, lost_count):
            result.is_image = lost_count <= char_count
            if recognizer:
                recognize_page(page, recognizer, result, char_count)
        if pieces and not result.is_recognized:
            result.rules = read_rules(raw, result.frame, (left, bottom))
            result.links = read_links(document.raw, raw, result.frame, (left, bottom))
        return result
    finally:
        page.close()


def _main_turn(pieces: Sequence[Piece], rotation: int) -> int:
    """Return the direction of most characters; that of the page as displayed if there are none."""
    counts = {rotation: 0}
    for piece in pieces:
        if piece.turn >= 0:
            counts[piece.turn] = counts.get(piece.turn, 0) + len(piece.text)
    return max(counts, key=lambda turn: counts[turn])
