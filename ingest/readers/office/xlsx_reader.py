"""Read Excel workbooks (.xlsx, .xlsm): each sheet is a heading, with its tables as rows as they are shown.

Rows and columns that a filter or an outline hides are read. Hidden sheets are read and marked as such.
"""

from __future__ import annotations

import re
import zlib
from typing import Any
from zipfile import BadZipFile

from ingest.readers.content import Content
from ingest.readers.office.ooxml_package import OOXMLPackage
from ingest.readers.office.table_stream import TableStream
from ingest.readers.office.xlsx_cells import CellFormat, SheetParser, StringsParser, read_cell_formats
from ingest.readers.office.xml_elements import attribute, child, children, descendants, text_of
from ingest.readers.office.xml_stream import parse_stream
from ingest.readers.office.zip_package import refuse_damage
from ingest.readers.read_log import ReadLog
from ingest.readers.tree_builder import TreeBuilder

KIND = "an Excel workbook (.xlsx)"
SHEET_LEVEL = 3
"""Level of the headings of sheets: below the levels that give a document its title."""
MAX_MERGED_RANGES = 20_000
"""Maximum number of merged ranges of a sheet that are repeated; more only occur in generated forms."""
_MERGED_RANGE = re.compile(rb'<(?:\w+:)?mergeCell\s[^>]{0,200}?ref="([A-Z]{1,3})(\d{1,7}):([A-Z]{1,3})(\d{1,7})"')
_CHUNK_BYTES = 1 << 20


@refuse_damage(KIND)
def read_xlsx(data: bytes, log: ReadLog) -> Content:
    """Read an Excel workbook.

    Raises:
        ReadError: the file is damaged, protected by a password, or no workbook.
    """
    package = OOXMLPackage(data, KIND, "xl/workbook.xml")
    workbook = package.read_xml(package.main)
    relationships = package.relationships(package.main)
    parts = {relationship.kind: relationship.target for relationship in relationships.values()}
    strings = StringsParser()
    if parts.get("sharedStrings", "") in package:
        _parse(package, parts["sharedStrings"], strings)
    formats = read_cell_formats(package.read_xml(parts["styles"])) if parts.get("styles", "") in package else []
    is_1904 = attribute(child(workbook, "workbookPr"), "date1904") in ("1", "true")
    builder, formula_count = TreeBuilder(), 0
    for sheet in children(child(workbook, "sheets"), "sheet"):
        relationship = relationships.get(attribute(sheet, "id"))
        if relationship is None or relationship.kind != "worksheet":
            continue
        name = attribute(sheet, "name") + (
            " (hidden sheet)" if attribute(sheet, "state", "visible") != "visible" else ""
        )
        formula_count += _add_sheet(builder, package, relationship.target, name, strings.texts, formats, is_1904)
    title, metadata = package.properties()
    text, tree = builder.build()
    log.cleaned_count += builder.cleaned_count
    problems: tuple[str, ...] = ()
    if formula_count:
        problems = (
            f"expected stored values, found {formula_count} formulas without one, shown as formulas: "
            "open the file in a spreadsheet program and save it",
        )
    return Content(text, tree, title, metadata, problems)


def _add_sheet(
    builder: TreeBuilder,
    package: OOXMLPackage,
    part: str,
    name: str,
    strings: list[str],
    formats: list[CellFormat],
    is_1904: bool,
) -> int:
    """Add a sheet below its heading, and return its number of formulas without a stored value."""
    headers, notes = _read_related(package, part)
    sheet = SheetParser(TableStream(builder), strings, formats, _merged_ranges(package, part), headers, is_1904)
    sheet.on_first_row = lambda: builder.add_heading(name, SHEET_LEVEL)
    _parse(package, part, sheet)
    sheet.table.end_table()
    for mark, text in notes:
        if text and not sheet.has_rows:
            sheet.has_rows = True
            builder.add_heading(name, SHEET_LEVEL)
        builder.add_footnote(mark, text)
    return sheet.formula_count


def _parse(package: OOXMLPackage, part: str, handler: Any) -> None:
    """Parse a part as a stream.

    Raises:
        ReadError: it is damaged, or has entities.
    """
    try:
        with package.open(part) as stream:
            parse_stream(stream, handler)
    except (BadZipFile, zlib.error, EOFError) as error:
        raise package.damaged() from error


def _merged_ranges(package: OOXMLPackage, part: str) -> dict[int, list[tuple[int, int, int]]]:
    """Return the merged ranges by their first row, each as first column, last row, last column.

    They follow the cells in the file, so it is searched once before it is parsed.
    """
    ranges: dict[int, list[tuple[int, int, int]]] = {}
    count, rest = 0, b""
    try:
        with package.open(part) as stream:
            while count < MAX_MERGED_RANGES and (chunk := stream.read(_CHUNK_BYTES)):
                chunk = rest + chunk
                last = 0
                for match in _MERGED_RANGE.finditer(chunk):
                    left, top, right, bottom = match.groups()
                    ranges.setdefault(int(top), []).append((_column(left), int(bottom), _column(right)))
                    count, last = count + 1, match.end()
                rest = chunk[max(last, len(chunk) - 400) :]
    except (BadZipFile, zlib.error, EOFError) as error:
        raise package.damaged() from error
    return ranges


def _column(letters: bytes) -> int:
    """Return the number of a column, from 0 for A."""
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number - 1


def _read_related(package: OOXMLPackage, part: str) -> tuple[dict[int, int], list[tuple[str, str]]]:
    """Return the header rows of the sheet's tables (row: number of rows), and its comments and text boxes."""
    headers: dict[int, int] = {}
    notes: list[tuple[str, str]] = []
    for _, table in package.parts_of_kind(part, "table"):
        first_row = re.search(r"\d+", attribute(table, "ref"))
        count = attribute(table, "headerRowCount", "1")
        if first_row and count.isdecimal():
            headers[int(first_row.group())] = int(count)
    for _, root in package.parts_of_kind(part, "comments"):
        authors = [text_of(author) for author in children(child(root, "authors"), "author")]
        for comment in descendants(root, "comment"):
            text, place = text_of(child(comment, "text")), attribute(comment, "authorId")
            author = authors[int(place)] if place.isdecimal() and int(place) < len(authors) else ""
            is_named = not author or text.startswith(author)
            notes.append((attribute(comment, "ref"), text if is_named else f"{author}: {text}"))
    for _, root in package.parts_of_kind(part, "drawing"):
        notes += [("", " ".join(map(text_of, descendants(body, "p")))) for body in descendants(root, "txBody")]
    return headers, notes
