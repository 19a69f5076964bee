"""Order the shapes of a PowerPoint slide: the title first, then from top to bottom and left to right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ingest.readers.office.docx_text import first_alternative
from ingest.readers.office.xml_elements import Element, attribute, child, tag_of

SHAPE_TAGS = frozenset(("sp", "pic", "graphicFrame", "cxnSp", "grpSp"))
TITLE_TYPES = ("title", "ctrTitle")
Frame = tuple[float, float, float, float]
"""Left, top, right, bottom of a shape, in EMU."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A shape of a slide.

    Attributes:
        element: Its element.
        placeholder: Type of its placeholder (``title``, ``body``, ``sldNum``); "" if it is none.
        frame: Its place on the slide; None if unknown.
    """

    element: Element
    placeholder: str
    frame: Frame | None


class PlaceholderFrames:
    """Places of the placeholders of a layout and its master, which the shapes of a slide inherit.

    Args:
        roots: the layout and its master.
    """

    def __init__(self, roots: Sequence[Element]) -> None:
        self._by_index: dict[str, Frame] = {}
        self._by_type: dict[str, Frame] = {}
        for root in roots:
            for element in iter_shapes(child(root, "cSld", "spTree")):
                place, frame = _placeholder(element), _own_frame(element)
                if place is not None and frame:
                    self._by_index.setdefault(attribute(place, "idx"), frame)
                    self._by_type.setdefault(attribute(place, "type", "body"), frame)

    def frame(self, element: Element) -> Frame | None:
        """Return the place of a shape: its own, or that of its placeholder."""
        place = _placeholder(element)
        own = _own_frame(element)
        if own or place is None:
            return own
        index, kind = attribute(place, "idx"), attribute(place, "type", "body")
        return (self._by_index.get(index) if index else None) or self._by_type.get(kind)


def iter_shapes(tree: Element | None) -> Iterator[Element]:
    """Yield the shapes of a slide or a group in the order of the file."""
    for element in tree if tree is not None else ():
        tag = tag_of(element)
        if tag in SHAPE_TAGS:
            if attribute(child(element, f"nv{tag[0].upper()}{tag[1:]}Pr", "cNvPr"), "hidden") not in ("1", "true"):
                yield element
        elif tag == "AlternateContent":
            yield from iter_shapes(first_alternative(element))


def order_shapes(tree: Element | None, frames: PlaceholderFrames) -> list[Shape]:
    """Return the shapes of a slide or a group in reading order."""
    shapes = []
    for element in iter_shapes(tree):
        place = _placeholder(element)
        kind = "" if place is None else attribute(place, "type", "body")
        shapes.append(Shape(element, kind, frames.frame(element)))
    titles = [shape for shape in shapes if shape.placeholder in TITLE_TYPES]
    others = [shape for shape in shapes if shape.placeholder not in TITLE_TYPES]
    if all(shape.frame for shape in others):
        others = _by_lines(others)
    return titles + others


def _by_lines(shapes: Sequence[Shape]) -> list[Shape]:
    """Sort shapes from top to bottom; those that share most of their height are a line, from left to right."""
    lines: list[list[Shape]] = []
    for shape in sorted(shapes, key=lambda s: s.frame[1] if s.frame else 0):
        frame, last = shape.frame, lines[-1][0].frame if lines else None
        if frame and last:
            shared = min(frame[3], last[3]) - max(frame[1], last[1])
            if shared > min(frame[3] - frame[1], last[3] - last[1]) / 2 and abs(frame[1] - last[1]) < shared:
                lines[-1].append(shape)
                continue
        lines.append([shape])
    return [shape for line in lines for shape in sorted(line, key=lambda s: s.frame[0] if s.frame else 0)]


def _placeholder(element: Element) -> Element | None:
    properties = next((entry for entry in element if tag_of(entry).startswith("nv")), None)
    return child(properties, "nvPr", "ph")


def _own_frame(element: Element) -> Frame | None:
    transform = child(element, "spPr", "xfrm")
    transform = child(element, "xfrm") if transform is None else transform
    transform = child(element, "grpSpPr", "xfrm") if transform is None else transform
    offset, size = child(transform, "off"), child(transform, "ext")
    try:
        left, top = float(attribute(offset, "x")), float(attribute(offset, "y"))
        return left, top, left + float(attribute(size, "cx", "0")), top + float(attribute(size, "cy", "0"))
    except ValueError:
        return None
