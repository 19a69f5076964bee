"""Tell scanned pages of a PDF from pages of text."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Handle = ctypes._Pointer[ctypes.Structure]

MAX_STAMP_CHARS = 200
"""Most characters of a stamp, a header or a page number that a program wrote on a scanned page."""
MIN_SCAN_SHARE = 0.6
"""Least share of a page that the pictures of a scan cover, if the page has text."""
MAX_OUTLINE_PATHS = 50
"""A page without text and with more objects than this shows text as outlines; it counts as a scan."""
MIN_PICTURE_SHARE = 0.03
"""Least size of a picture on a page without text, as a share of the page; a smaller one is an ornament."""
MAX_OBJECTS = 10_000
MAX_DEPTH = 4


def is_scan(page: Handle, area: float, char_count: int, lost_count: int) -> bool:
    """Whether the text of a page is in its image.

    Args:
        page: the page.
        area: its area in square points.
        char_count: characters of its text.
        lost_count: its glyphs without a character, which are not in ``char_count``.
    """
    if lost_count > char_count:
        return True
    if char_count > MAX_STAMP_CHARS:
        return False
    if char_count:
        return _picture_area(page) > MIN_SCAN_SHARE * area
    return _shows_something(page, area)


def _shows_something(page: Handle, area: float) -> bool:
    """Whether a page without text shows a picture, a large shape, or many shapes."""
    import pypdfium2.raw as pdfium

    count = pdfium.FPDFPage_CountObjects(page)
    objects = (pdfium.FPDFPage_GetObject(page, place) for place in range(min(count, MAX_OUTLINE_PATHS)))
    return count > MAX_OUTLINE_PATHS or any(_area(item) > MIN_PICTURE_SHARE * area for item in objects)


def _picture_area(page: Handle) -> float:
    """Return the area of the pictures of a page, those in strips added up, in square points."""
    import pypdfium2.raw as pdfium

    count = min(pdfium.FPDFPage_CountObjects(page), MAX_OBJECTS)
    area = 0.0
    for item in (pdfium.FPDFPage_GetObject(page, place) for place in range(count)):
        if any(pdfium.FPDFPageObj_GetType(inner) == pdfium.FPDF_PAGEOBJ_IMAGE for inner in _with_inner(item)):
            area += _area(item)
    return area


def _with_inner(item: Handle, depth: int = 0) -> Iterator[Handle]:
    """Yield an object and, for a form, the objects in it."""
    import pypdfium2.raw as pdfium

    yield item
    if pdfium.FPDFPageObj_GetType(item) == pdfium.FPDF_PAGEOBJ_FORM and depth < MAX_DEPTH:
        for place in range(min(pdfium.FPDFFormObj_CountObjects(item), MAX_OUTLINE_PATHS)):
            yield from _with_inner(pdfium.FPDFFormObj_GetObject(item, place), depth + 1)


def _area(item: Handle) -> float:
    import pypdfium2.raw as pdfium

    edges = [ctypes.c_float() for _ in range(4)]
    if not pdfium.FPDFPageObj_GetBounds(item, *edges):
        return 0.0
    left, bottom, right, top = (edge.value for edge in edges)
    return (right - left) * (top - bottom)
