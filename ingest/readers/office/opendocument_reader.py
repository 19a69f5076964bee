"""Read OpenDocument texts (.odt), spreadsheets (.ods) and presentations (.odp)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ingest.readers.content import Content
from ingest.readers.content_join import join_contents
from ingest.readers.office.opendocument_package import OpenDocumentPackage
from ingest.readers.office.opendocument_text import MAX_REPEATED_CELLS, OpenDocumentText
from ingest.readers.office.table_grid import MAX_SPAN, Cell
from ingest.readers.office.table_stream import TableStream
from ingest.readers.office.xml_elements import Element, attribute, child, children, descendants, tag_of, text_of
from ingest.readers.office.zip_package import refuse_damage
from ingest.readers.read_log import ReadLog
from ingest.readers.tree_builder import TreeBuilder

TEXT = "an OpenDocument text (.odt)"
SPREADSHEET = "an OpenDocument spreadsheet (.ods)"
PRESENTATION = "an OpenDocument presentation (.odp)"
PART_LEVEL = 3
"""Level of the headings of sheets and slides: below the levels that give a document its title."""


@refuse_damage(TEXT)
def read_odt(data: bytes, log: ReadLog) -> Content:
    """Read an OpenDocument text, with tracked changes accepted.

    Raises:
        ReadError: the file is damaged, protected by a password, or no OpenDocument text.
    """
    package = OpenDocumentPackage(data, TEXT, "text")
    reader = OpenDocumentText(package)
    _add_headers(package, reader)
    reader.add_blocks(package.body)
    return _content(package, reader.builder, reader.title, log)


@refuse_damage(SPREADSHEET)
def read_ods(data: bytes, log: ReadLog) -> Content:
    """Read an OpenDocument spreadsheet; each sheet is a heading, and hidden ones are marked.

    Raises:
        ReadError: the file is damaged, protected by a password, or no OpenDocument spreadsheet.
    """
    package = OpenDocumentPackage(data, SPREADSHEET, "spreadsheet")
    builder = TreeBuilder()
    for sheet in children(package.body, "table"):
        if not any(text_of(paragraph) for paragraph in descendants(sheet, "p")):
            continue
        style = attribute(sheet, "style-name")
        is_hidden = package.styles.property(style, "table-properties", "display") == "false"
        builder.add_heading(attribute(sheet, "name") + (" (hidden sheet)" if is_hidden else ""), PART_LEVEL)
        _add_sheet(builder, package, sheet)
    return _content(package, builder, "", log)


@refuse_damage(PRESENTATION)
def read_odp(data: bytes, log: ReadLog) -> Content:
    """Read an OpenDocument presentation; each slide is a heading and a page, and hidden ones are marked.

    Raises:
        ReadError: the file is damaged, protected by a password, or no OpenDocument presentation.
    """
    package = OpenDocumentPackage(data, PRESENTATION, "presentation")
    slides, first_title = [], ""
    for number, page in enumerate(children(package.body, "page"), 1):
        builder = TreeBuilder()
        frames = sorted((entry for entry in page if tag_of(entry) != "notes"), key=_reading_order)
        title = next((text for f in frames if _is_title(f) and (text := text_of(f))), "")
        first_title = first_title or title
        style = attribute(page, "style-name")
        is_hidden = package.styles.property(style, "drawing-page-properties", "visibility") == "hidden"
        builder.add_heading((title or f"Slide {number}") + (" (hidden slide)" if is_hidden else ""), PART_LEVEL)
        reader = OpenDocumentText(package, builder)
        reader.add_blocks([frame for frame in frames if not _is_title(frame)])
        notes = (text_of(p) for box in descendants(child(page, "notes"), "text-box") for p in descendants(box, "p"))
        if text := "\n".join(filter(None, notes)):
            builder.add_paragraph(f"Notes: {text}")
        text, tree = builder.build()
        log.cleaned_count += builder.cleaned_count
        slides.append(Content(text if title or len(tree.blocks) > 1 else "", tree))
    text, tree = join_contents(slides, are_pages=True)
    title, metadata = package.properties()
    return Content(text, tree, title or first_title, metadata)


def _content(package: OpenDocumentPackage, builder: TreeBuilder, own_title: str, log: ReadLog) -> Content:
    text, tree = builder.build()
    title, metadata = package.properties()
    log.cleaned_count += builder.cleaned_count
    return Content(text, tree, own_title or title, metadata)


def _add_headers(package: OpenDocumentPackage, reader: OpenDocumentText) -> None:
    """Add each text of page headers and footers once; page numbers alone are left out."""
    seen: set[str] = set()
    master = child(package.master, "master-styles")
    for page in children(master, "master-page"):
        for element in page:
            if tag_of(element).startswith(("header", "footer")):
                lines = (" ".join(reader.read_inline(p).text().split()) for p in descendants(element, "p"))
                text = "\n".join(filter(None, lines))
                if re.sub(r"\b(?:page|of|seite|von)\b|[\W\d_]", "", text, flags=re.IGNORECASE) and text not in seen:
                    seen.add(text)
                    reader.builder.add_paragraph(text)


def _add_sheet(builder: TreeBuilder, package: OpenDocumentPackage, sheet: Element) -> None:
    """Add the rows of a sheet, with merged and repeated cells."""
    table, reader = TableStream(builder), OpenDocumentText(package, builder)
    pending: dict[int, tuple[Cell, int]] = {}
    comments: list[str] = []
    for row in _iter_rows(sheet):
        cells = {column: cell for column, (cell, _) in pending.items()}
        pending = {column: (cell, left - 1) for column, (cell, left) in pending.items() if left > 1}
        column, has_own = 0, False
        for element in row:
            if tag_of(element) not in ("table-cell", "covered-table-cell"):
                continue
            repeated = _number(element, "number-columns-repeated")
            text, is_bold = reader.cell_text(element, []) if tag_of(element) == "table-cell" else ("", False)
            if text:
                has_own = True
                spanned = min(_number(element, "number-columns-spanned"), MAX_SPAN)
                cell = Cell(text, is_bold=is_bold)
                for place in range(column, column + min(max(repeated, spanned), MAX_REPEATED_CELLS)):
                    if place > column and spanned == 1:  # repeated, not merged
                        cell = Cell(text, is_bold=is_bold)
                    cells[place] = cell
                    if (rows := _number(element, "number-rows-spanned")) > 1:
                        pending[place] = (cell, rows - 1)
            comments += [_comment(note) for note in children(element, "annotation")]
            column += repeated
        for _ in range(min(_number(row, "number-rows-repeated"), MAX_REPEATED_CELLS if has_own else 1)):
            table.add_row(cells if has_own else {})
    table.end_table()
    for comment in comments:
        builder.add_footnote("comment", comment)


def _iter_rows(element: Element) -> Iterator[Element]:
    for entry in element:
        if tag_of(entry) == "table-row":
            yield entry
        elif tag_of(entry) in ("table-rows", "table-row-group", "table-header-rows"):
            yield from _iter_rows(entry)


def _number(element: Element, name: str) -> int:
    value = attribute(element, name, "1")
    return max(int(value), 1) if value.isdecimal() else 1


def _comment(annotation: Element) -> str:
    author, lines = text_of(child(annotation, "creator")), map(text_of, descendants(annotation, "p"))
    text = " ".join(filter(None, lines))
    return f"{author}: {text}" if author and text else text


def _is_title(frame: Element) -> bool:
    return attribute(frame, "class") == "title"


def _reading_order(frame: Element) -> tuple[float, float]:
    """Return the place of a frame from the top and the left, in rows of a centimetre; unknown places come first."""
    return round(_centimetres(attribute(frame, "y"))), _centimetres(attribute(frame, "x"))


def _centimetres(length: str) -> float:
    match = re.fullmatch(r"(-?[\d.]+)(cm|mm|in|pt|px)?", length)
    factor = {"cm": 1.0, "mm": 0.1, "in": 2.54, "pt": 2.54 / 72, "px": 2.54 / 96}
    try:
        return float(match.group(1)) * factor[match.group(2) or "cm"] if match else 0.0
    except ValueError:
        return 0.0
