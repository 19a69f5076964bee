"""Read the cells of a sheet of an Excel workbook as a stream of rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ingest.readers.office.inline_text import InlineText
from ingest.readers.office.table_grid import MAX_SPAN, Cell
from ingest.readers.office.table_stream import TableStream
from ingest.readers.office.xlsx_formats import BUILT_IN_FORMATS, format_number
from ingest.readers.office.xml_elements import Element, attribute, child, children, is_on

MAX_CELL_CHARS = 1 << 20
"""Maximum length of a cell; Excel's own limit is 32,767."""
MAX_ACTIVE_RANGES = 1000
"""Maximum number of merged ranges that can cover a row."""
_ESCAPED_CHAR = re.compile(r"_x([0-9A-Fa-f]{4})_")


@dataclass(frozen=True, slots=True)
class CellFormat:
    """A format of cells: the code of its numbers, and whether its font is bold."""

    code: str
    is_bold: bool


def read_cell_formats(styles: Element) -> list[CellFormat]:
    """Return the cell formats of a workbook by their numbers."""
    codes = dict(BUILT_IN_FORMATS)
    for entry in children(child(styles, "numFmts"), "numFmt"):
        if attribute(entry, "numFmtId").isdecimal():
            codes[int(attribute(entry, "numFmtId"))] = attribute(entry, "formatCode")
    bold = [is_on(font, "b") for font in children(child(styles, "fonts"), "font")]
    formats = []
    for entry in children(child(styles, "cellXfs"), "xf"):
        number, font = attribute(entry, "numFmtId", "0"), attribute(entry, "fontId", "0")
        code = codes.get(int(number), "General") if number.isdecimal() else "General"
        formats.append(CellFormat(code, font.isdecimal() and int(font) < len(bold) and bold[int(font)]))
    return formats


class StringsParser:
    """Handler of the shared strings of a workbook.

    Attributes:
        texts: The strings in their order.
    """

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._text = _RichText()

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        """Begin an element."""
        if name == "si":
            self._text = _RichText()
        else:
            self._text.start(name, attributes)

    def end(self, name: str) -> None:
        """End an element."""
        if name == "si":
            self.texts.append(self._text.text())
        else:
            self._text.end(name)

    def data(self, text: str) -> None:
        """Receive a piece of text."""
        self._text.data(text)


class _RichText:
    """Text of a string item: its runs without phonetic readings, with superscripts marked."""

    def __init__(self) -> None:
        self._runs: list[tuple[str, bool]] = []
        self._length = 0
        self._is_text = self._is_phonetic = self._is_superscript = False

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "t":
            self._is_text = not self._is_phonetic
        elif name == "rPh":
            self._is_phonetic = True
        elif name == "r":
            self._is_superscript = False
        elif name == "vertAlign":
            self._is_superscript = attributes.get("val") == "superscript"

    def end(self, name: str) -> None:
        if name == "t":
            self._is_text = False
        elif name == "rPh":
            self._is_phonetic = False

    def data(self, text: str) -> None:
        if self._is_text and self._length < MAX_CELL_CHARS:
            self._runs.append((text, self._is_superscript))
            self._length += len(text)

    def text(self) -> str:
        if any(is_superscript for _, is_superscript in self._runs):
            inline = InlineText()
            for run, is_superscript in self._runs:
                inline.add(run, is_superscript=is_superscript)
            text = inline.text()
        else:
            text = "".join(run for run, _ in self._runs)
        return _ESCAPED_CHAR.sub(lambda match: chr(int(match[1], 16)), text) if "_x" in text else text


class SheetParser:
    """Handler of the cells of a sheet.

    Args:
        table: receiver of the rows.
        strings: shared strings of the workbook.
        formats: cell formats of the workbook.
        merged_ranges: first row -> first column, last row, last column of each merged range.
        headers: first row of a declared table -> its number of header rows.
        is_1904: whether dates count from 1904.

    Attributes:
        formula_count: Number of formulas without a stored value.
        has_rows: Whether a row with text was found.
        on_first_row: Called before the first row with text.
    """

    def __init__(
        self,
        table: TableStream,
        strings: Sequence[str],
        formats: Sequence[CellFormat],
        merged_ranges: Mapping[int, list[tuple[int, int, int]]],
        headers: Mapping[int, int],
        is_1904: bool,
    ) -> None:
        self.table = table
        self.formula_count = 0
        self.has_rows = False
        self.on_first_row: Callable[[], None] = lambda: None
        self._strings, self._formats, self._is_1904 = strings, formats, is_1904
        self._merged_ranges, self._headers = merged_ranges, headers
        self._active: list[tuple[int, int, int, Cell]] = []
        self._row_number, self._column = 0, -1
        self._cells: dict[int, Cell] = {}
        self._attributes: Mapping[str, str] = {}
        self._value: list[str] = []
        self._formula: list[str] = []
        self._inline = _RichText()
        self._target: list[str] | None = None

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        """Begin an element."""
        if name == "c":
            self._attributes = attributes
            self._value, self._formula, self._inline = [], [], _RichText()
            self._column = _column_number(attributes.get("r", ""), self._column + 1)
        elif name == "v":
            self._target = self._value
        elif name == "f":
            self._target = self._formula
        elif name == "row":
            self._begin_row(attributes.get("r", ""))
        else:
            self._inline.start(name, attributes)

    def data(self, text: str) -> None:
        """Receive a piece of text."""
        if self._target is None:
            self._inline.data(text)
        elif len(self._target) < 1000:  # a piece has up to a few thousand characters
            self._target.append(text)

    def end(self, name: str) -> None:
        """End an element."""
        if name == "c":
            format_number_ = self._attributes.get("s", "")
            place = int(format_number_) if format_number_.isdecimal() else -1
            form = self._formats[place] if 0 <= place < len(self._formats) else _GENERAL
            text = " ".join(self._show(form).split())
            if text:
                self._cells[self._column] = Cell(text, is_bold=form.is_bold)
        elif name in ("v", "f"):
            self._target = None
        elif name == "row":
            self._end_row()
        else:
            self._inline.end(name)

    def _begin_row(self, number: str) -> None:
        row_number = int(number) if number.isdecimal() else self._row_number + 1
        if row_number > self._row_number + 1:
            self.table.end_table()
        self._row_number, self._column, self._cells = row_number, -1, {}
        if row_number in self._headers:
            self.table.start_table(self._headers[row_number])

    def _end_row(self) -> None:
        """Give the row to the table, with merged cells repeated."""
        if self._active or self._row_number in self._merged_ranges:
            self._active = [entry for entry in self._active if entry[1] >= self._row_number][:MAX_ACTIVE_RANGES]
            for left, bottom, right in self._merged_ranges.get(self._row_number, ()):
                if left in self._cells:
                    self._active.append((left, bottom, right, self._cells[left]))
            if self._cells:
                for left, _, right, cell in self._active:
                    self._cells |= dict.fromkeys(range(left, min(right + 1, left + MAX_SPAN)), cell)
        if self._cells and not self.has_rows:
            self.has_rows = True
            self.on_first_row()
        self.table.add_row(self._cells)

    def _show(self, form: CellFormat) -> str:
        kind, value = self._attributes.get("t", "n"), "".join(self._value)
        if kind == "inlineStr":
            return self._inline.text()
        if not value:
            formula = "".join(self._formula).strip() if kind != "str" else ""  # a text formula can result in ""
            self.formula_count += bool(formula)
            return f"={formula}" if formula else ""
        if kind == "s":
            return self._strings[int(value)] if value.isdecimal() and int(value) < len(self._strings) else ""
        if kind == "b":
            return "TRUE" if value.strip() == "1" else "FALSE"
        if kind in ("str", "e", "d"):
            return value
        try:
            return format_number(float(value), form.code, is_1904=self._is_1904)
        except (ValueError, OverflowError):
            return value


_GENERAL = CellFormat("General", False)


def _column_number(reference: str, default: int) -> int:
    """Return the column of a reference such as ``B3``, from 0; ``default`` without one."""
    number = 0
    for character in reference:
        if not "A" <= character <= "Z":
            break
        number = number * 26 + ord(character) - 64
    return number - 1 if number else default
