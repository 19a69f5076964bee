"""Read PowerPoint presentations (.pptx, .pptm): each slide is a heading and a page.

Hidden slides are read and marked as such.
"""

from __future__ import annotations

from ingest.readers.content import Content
from ingest.readers.content_join import join_contents
from ingest.readers.office.docx_text import first_alternative, useful_alt_text
from ingest.readers.office.drawing_parts import add_drawing_part
from ingest.readers.office.inline_text import InlineText
from ingest.readers.office.office_math import linear_math
from ingest.readers.office.ooxml_package import OOXMLPackage, Relationship
from ingest.readers.office.pptx_shapes import TITLE_TYPES, PlaceholderFrames, Shape, order_shapes
from ingest.readers.office.table_grid import Cell, add_grid, expand_cells
from ingest.readers.office.xml_elements import Element, attribute, child, children, descendants, tag_of
from ingest.readers.office.zip_package import refuse_damage
from ingest.readers.read_log import ReadLog
from ingest.readers.tree_builder import TreeBuilder

KIND = "a PowerPoint presentation (.pptx)"
SLIDE_LEVEL = 3
"""Level of the headings of slides: below the levels that give a document its title."""
_SKIPPED_PLACEHOLDERS = ("sldNum", "dt", "sldImg", "hdr")


@refuse_damage(KIND)
def read_pptx(data: bytes, log: ReadLog) -> Content:
    """Read a PowerPoint presentation.

    Raises:
        ReadError: the file is damaged, protected by a password, or no presentation.
    """
    package = OOXMLPackage(data, KIND, "ppt/presentation.xml")
    relationships = package.relationships(package.main)
    slides, first_title = [], ""
    seen_footers: set[str] = set()
    for number, entry in enumerate(children(child(package.read_xml(package.main), "sldIdLst"), "sldId"), 1):
        relationship = relationships.get(_relationship_id(entry))
        if relationship is None:
            slides.append(Content(""))
            continue
        slide = _SlideReader(package, relationship.target, seen_footers)
        slides.append(slide.read(number))
        first_title = first_title or slide.title
        log.cleaned_count += slide.builder.cleaned_count
    title, metadata = package.properties()
    text, tree = join_contents(slides, are_pages=True)
    return Content(text, tree, title or first_title, metadata)


def _relationship_id(entry: Element | None) -> str:
    """Return the id in the namespace of relationships; the element can have another ``id`` of its own."""
    items = entry.items() if entry is not None else ()
    return next((str(value) for key, value in items if key.endswith("}id")), "")


class _SlideReader:
    """Reader of a slide.

    Attributes:
        builder: The text of the slide.
        title: Title of the slide, or "".
    """

    def __init__(self, package: OOXMLPackage, part: str, seen_footers: set[str]) -> None:
        self.builder = TreeBuilder()
        self.title = ""
        self._package, self._part, self._seen_footers = package, part, seen_footers
        self._relationships: dict[str, Relationship] = package.relationships(part)

    def read(self, number: int) -> Content:
        """Return the content of the slide."""
        slide = self._package.read_xml(self._part)
        layouts = list(self._package.parts_of_kind(self._part, "slideLayout"))
        masters = [root for name, _ in layouts for _, root in self._package.parts_of_kind(name, "slideMaster")]
        frames = PlaceholderFrames([*(root for _, root in layouts), *masters])
        shapes = order_shapes(child(slide, "cSld", "spTree"), frames)
        titles = [_shape_text(shape.element) for shape in shapes if shape.placeholder in TITLE_TYPES]
        self.title = next(filter(None, titles), "")
        is_hidden = attribute(slide, "show") in ("0", "false")
        heading = self.title or f"Slide {number}"
        self.builder.add_heading(heading + (" (hidden slide)" if is_hidden else ""), SLIDE_LEVEL)
        start = next((place for place, text in enumerate(titles, 1) if text), 0)
        for shape in shapes[: start - 1] + shapes[start:] if start else shapes:
            self._add_shape(shape, frames)
        self._add_notes()
        text, tree = self.builder.build()
        if len(tree.blocks) == 1 and not self.title:
            return Content("")
        return Content(text, tree)

    def _add_shape(self, shape: Shape, frames: PlaceholderFrames) -> None:
        tag, element = tag_of(shape.element), shape.element
        if shape.placeholder in _SKIPPED_PLACEHOLDERS:
            return
        if shape.placeholder == "ftr":
            text = _shape_text(element)
            if text not in self._seen_footers:
                self._seen_footers.add(text)
                self.builder.add_paragraph(text)
        elif tag == "grpSp":
            for inner in order_shapes(element, frames):
                self._add_shape(inner, frames)
        elif tag == "graphicFrame":
            self._add_graphic(element)
        else:
            self._add_text(child(element, "txBody"), is_body=shape.placeholder in ("body", "obj"))
        properties = next((entry for entry in element if tag_of(entry).startswith("nv")), None)
        description = child(properties, "cNvPr")
        if tag in ("pic", "graphicFrame") or child(element, "txBody") is None:
            self.builder.add_caption(
                useful_alt_text(attribute(description, "descr") or attribute(description, "title"))
            )

    def _add_text(self, body: Element | None, *, is_body: bool) -> None:
        """Add the paragraphs of a shape; those with bullets are items."""
        paragraphs = [entry for entry in children(body, "p")]
        filled = [entry for entry in paragraphs if _read_paragraph(entry, self._relationships).text().strip()]
        numbers: dict[int, int] = {}
        for paragraph in filled:
            text, links = _read_paragraph(paragraph, self._relationships).trimmed()
            properties = child(paragraph, "pPr")
            level = attribute(properties, "lvl", "0")
            depth = int(level) + 1 if level.isdecimal() else 1
            is_plain = child(properties, "buNone") is not None
            is_numbered = child(properties, "buAutoNum") is not None
            has_bullet = (
                is_numbered or child(properties, "buChar") is not None or child(properties, "buBlip") is not None
            )
            numbers = {other: count for other, count in numbers.items() if other <= depth}
            if has_bullet or (is_body and not is_plain and (len(filled) > 1 or depth > 1)):
                numbers[depth] = numbers.get(depth, 0) + 1 if is_numbered else 0
                self.builder.add_item(text, depth, f"{numbers[depth]}." if is_numbered else "-", links=links)
            else:
                self.builder.add_paragraph(text, links=links)

    def _add_graphic(self, frame: Element) -> None:
        table = next(descendants(frame, "tbl"), None)
        if table is not None:
            has_header = attribute(child(table, "tblPr"), "firstRow") in ("1", "true")
            grid = expand_cells([_read_row(row) for row in children(table, "tr")])
            add_grid(self.builder, grid, 1 if has_header else None)
        for reference in [*descendants(frame, "chart"), *descendants(frame, "relIds")]:
            part = attribute(reference, "dm") or _relationship_id(reference)
            relationship = self._relationships.get(part)
            if relationship and not relationship.is_external:
                add_drawing_part(self.builder, self._package, relationship.target)

    def _add_notes(self) -> None:
        """Add the notes of the speaker and the comments."""
        for _, notes in self._package.parts_of_kind(self._part, "notesSlide"):
            for shape in order_shapes(child(notes, "cSld", "spTree"), PlaceholderFrames([])):
                if shape.placeholder == "body" and (text := _shape_text(shape.element, "\n")):
                    self.builder.add_paragraph(f"Notes: {text}")
        for _, comments in self._package.parts_of_kind(self._part, "comments"):
            for comment in descendants(comments, "cm"):
                texts = [
                    "".join(entry.itertext()) for entry in (*children(comment, "text"), *descendants(comment, "t"))
                ]
                self.builder.add_footnote("comment", " ".join(" ".join(texts).split()))


def _shape_text(shape: Element, separator: str = " ") -> str:
    lines = (" ".join(_read_paragraph(entry, {}).text().split()) for entry in children(child(shape, "txBody"), "p"))
    return separator.join(filter(None, lines))


def _read_paragraph(paragraph: Element, relationships: dict[str, Relationship]) -> InlineText:
    inline = InlineText()
    for element in paragraph:
        tag = tag_of(element)
        if tag == "br":
            inline.add("\n")
        elif tag == "r" or (tag == "fld" and attribute(element, "type") != "slidenum"):
            text, properties = child(element, "t"), child(element, "rPr")
            start = inline.length()
            baseline = attribute(properties, "baseline", "0").rstrip("%")
            is_raised = baseline.lstrip("-").isdecimal() and int(baseline) > 0
            inline.add("" if text is None else text.text or "", is_superscript=is_raised)
            relationship = relationships.get(_relationship_id(child(properties, "hlinkClick")))
            if relationship and relationship.is_external:
                inline.add_link(start, relationship.target)
        elif tag == "AlternateContent":
            inline.add(linear_math(first_alternative(element)))
        elif tag == "m":
            inline.add(linear_math(element))
    return inline


def _read_row(row: Element) -> list[Cell]:
    """Return the cells of a row without those that a merged cell covers."""
    cells = []
    for cell in children(row, "tc"):
        if attribute(cell, "hMerge") in ("1", "true") or attribute(cell, "vMerge") in ("1", "true"):
            continue
        spans = (attribute(cell, name, "1") for name in ("gridSpan", "rowSpan"))
        columns, rows = (int(span) if span.isdecimal() else 1 for span in spans)
        lines = (" ".join(_read_paragraph(entry, {}).text().split()) for entry in children(child(cell, "txBody"), "p"))
        cells.append(Cell(" ".join(filter(None, lines)), columns, rows))
    return cells
