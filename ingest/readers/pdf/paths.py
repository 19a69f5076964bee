"""Read the lines drawn on a PDF page, which rule its tables, and the links on it."""

from __future__ import annotations

import ctypes
from typing import Any

from ingest.readers.pdf.geometry import PageFrame, Rule
from kgrag.tree import Box

MAX_OBJECTS = 5000
"""Objects of a page that are searched for rules; drawings have more, tables do not."""
MAX_SEGMENTS = 400
MAX_RULE_WIDTH = 3.0
MIN_RULE_LENGTH = 8.0
MAX_LINKS = 2000


def read_rules(page: Any, frame: PageFrame, origin: tuple[float, float]) -> list[Rule]:
    """Return the horizontal and vertical lines of a page, in layout coordinates."""
    import pypdfium2.raw as pdfium

    rules: list[Rule] = []
    edges = [ctypes.c_float() for _ in range(4)]
    for place in range(min(pdfium.FPDFPage_CountObjects(page), MAX_OBJECTS)):
        item = pdfium.FPDFPage_GetObject(page, place)
        if pdfium.FPDFPageObj_GetType(item) != pdfium.FPDF_PAGEOBJ_PATH:
            continue
        if not pdfium.FPDFPageObj_GetBounds(item, *edges):
            continue
        left, bottom, right, top = (edge.value for edge in edges)
        fill, stroke = ctypes.c_int(), ctypes.c_int()
        pdfium.FPDFPath_GetDrawMode(item, fill, stroke)
        corners = [(left, bottom, right, top)]
        if min(right - left, top - bottom) > MAX_RULE_WIDTH:
            corners = _segments(pdfium, item) if stroke.value else []
        for x0, y0, x1, y1 in corners:
            rule = _rule(*frame.place(x0 - origin[0], y0 - origin[1]), *frame.place(x1 - origin[0], y1 - origin[1]))
            if rule:
                rules.append(rule)
    return rules


def _segments(pdfium: Any, item: Any) -> list[Box]:
    """Return the straight segments of a path, in user space."""
    count = pdfium.FPDFPath_CountSegments(item)
    if not 1 < count <= MAX_SEGMENTS:
        return []
    matrix = pdfium.FS_MATRIX()
    pdfium.FPDFPageObj_GetMatrix(item, matrix)
    segments: list[Box] = []
    x, y = ctypes.c_float(), ctypes.c_float()
    last = start = (0.0, 0.0)
    for place in range(count):
        segment = pdfium.FPDFPath_GetPathSegment(item, place)
        pdfium.FPDFPathSegment_GetPoint(segment, x, y)
        point = (
            matrix.a * x.value + matrix.c * y.value + matrix.e,
            matrix.b * x.value + matrix.d * y.value + matrix.f,
        )
        kind = pdfium.FPDFPathSegment_GetType(segment)
        if kind == pdfium.FPDF_SEGMENT_MOVETO:
            start = point
        elif kind == pdfium.FPDF_SEGMENT_LINETO:
            segments.append((*last, *point))
        if pdfium.FPDFPathSegment_GetClose(segment):
            segments.append((*point, *start))
        last = point
    return segments


def _rule(x0: float, y0: float, x1: float, y1: float) -> Rule | None:
    width, height = abs(x1 - x0), abs(y1 - y0)
    if height <= MAX_RULE_WIDTH and width >= MIN_RULE_LENGTH:
        return Rule(True, (y0 + y1) / 2, min(x0, x1), max(x0, x1))
    if width <= MAX_RULE_WIDTH and height >= MIN_RULE_LENGTH:
        return Rule(False, (x0 + x1) / 2, min(y0, y1), max(y0, y1))
    return None


def read_links(document: Any, page: Any, frame: PageFrame, origin: tuple[float, float]) -> list[tuple[Box, str]]:
    """Return the boxes and targets of the links of a page to addresses."""
    import pypdfium2.raw as pdfium

    links: list[tuple[Box, str]] = []
    position, link, rect = ctypes.c_int(0), pdfium.FPDF_LINK(), pdfium.FS_RECTF()
    for _ in range(MAX_LINKS):
        if not pdfium.FPDFLink_Enumerate(page, position, link):
            break
        action = pdfium.FPDFLink_GetAction(link)
        size = pdfium.FPDFAction_GetURIPath(document, action, None, 0) if action else 0
        if size < 2 or size > 4096 or not pdfium.FPDFLink_GetAnnotRect(link, rect):
            continue
        buffer = ctypes.create_string_buffer(size)
        pdfium.FPDFAction_GetURIPath(document, action, buffer, size)
        x0, y0 = frame.place(rect.left - origin[0], rect.bottom - origin[1])
        x1, y1 = frame.place(rect.right - origin[0], rect.top - origin[1])
        box = (min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))
        links.append((box, buffer.value.decode("utf-8", "replace")))
    return links
