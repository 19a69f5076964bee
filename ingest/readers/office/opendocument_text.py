"""Read the paragraphs, lists, tables and frames of OpenDocument files."""

from __future__ import annotations

from collections.abc import Iterator

from ingest.readers.office.docx_text import useful_alt_text
from ingest.readers.office.inline_text import InlineText
from ingest.readers.office.opendocument_package import OpenDocumentPackage
from ingest.readers.office.table_grid import Cell, add_grid, expand_cells
from ingest.readers.office.xml_elements import Element, attribute, child, children, descendants, tag_of, text_of
from ingest.readers.tree_builder import TreeBuilder

_SKIPPED = frozenset(
    ("tracked-changes", "table-of-content", "alphabetical-index", "sequence-decls", "forms", "variable-decls",
     "user-field-decls", "soft-page-break", "notes", "illustration-index", "table-index", "bibliography-configuration")
)  # fmt: skip
_SHAPES = frozenset(("frame", "custom-shape", "rect", "ellipse", "polygon", "path", "line", "connector", "g"))
MAX_REPEATED_CELLS = 256
"""Maximum number of times that a repeated cell or row is read; more only fill the page."""


class OpenDocumentText:
    """Reader of the blocks of an OpenDocument file.

    Attributes:
        builder: The document.
        title: Text of the first paragraph in the style of titles, or "".
    """

    def __init__(self, package: OpenDocumentPackage, builder: TreeBuilder | None = None) -> None:
        self.builder = builder or TreeBuilder()
        self.title = ""
        self._package, self._styles = package, package.styles
        self._code: list[str] = []
        self._waiting: list[tuple[str, str | Element]] = []
        self._note_count = 0

    def add_blocks(self, container: Element | None) -> None:
        """Add the blocks of the body, a section, a cell or a text box."""
        for element in container if container is not None else ():
            self._add_block(element)
        self.flush_code()

    def _add_block(self, element: Element) -> None:
        tag = tag_of(element)
        if tag in _SKIPPED:
            return
        if tag not in ("p", "h"):
            self.flush_code()
        if tag in ("p", "h"):
            self._add_paragraph(element)
        elif tag == "list":
            self._add_list(element, 1, "")
        elif tag == "table":
            self.add_table(element)
        elif tag in _SHAPES:
            self._waiting.append(("frame", element))
            self._add_waiting()
        elif (tag == "section" and attribute(element, "display", "true") == "true") or tag in (
            "text-box",
            "index-body",
            "numbered-paragraph",
        ):
            self.add_blocks(element)

    def _add_paragraph(self, element: Element) -> None:
        style = self._styles.style(attribute(element, "style-name"))
        inline = self.read_inline(element)
        text, links = inline.trimmed()
        is_heading = tag_of(element) == "h"
        if not is_heading and (style.role == "code" or inline.is_code) and (text or self._code):
            self._code.append(inline.text().rstrip())
        elif text:
            self.flush_code()
            if style.role == "title":
                self.title = self.title or " ".join(text.split())
                self.builder.add_heading(text, 1)
            elif is_heading:
                level = attribute(element, "outline-level", "1")
                self.builder.add_heading(text, int(level) if level.isdecimal() else 1)
            elif style.role == "caption":
                self.builder.add_caption(text)
            else:
                self.builder.add_paragraph(text, links=links)
        self._add_waiting()

    def flush_code(self) -> None:
        """Add the lines of code that were collected."""
        if any(self._code):
            self.builder.add_code("\n".join(self._code))
        self._code = []

    def _add_list(self, element: Element, depth: int, style_name: str) -> None:
        style_name = attribute(element, "style-name") or style_name
        is_numbered = self._styles.is_numbered(style_name, depth)
        number = 0
        for item in element:
            if tag_of(item) not in ("list-item", "list-header"):
                continue
            start = attribute(item, "start-value")
            number = int(start) if start.isdecimal() else number + 1
            is_first = True
            for block in item:
                tag = tag_of(block)
                if tag == "list":
                    self._add_list(block, depth + 1, style_name)
                elif tag == "h":
                    self._add_paragraph(block)
                elif tag == "p":
                    text, links = self.read_inline(block).trimmed()
                    if is_first:
                        self.builder.add_item(text, depth, f"{number}." if is_numbered else "-", links=links)
                    else:
                        self.builder.add_paragraph(text, links=links)
                    is_first = is_first and not text
                    self._add_waiting()
                else:
                    self._add_block(block)

    def add_table(self, table: Element) -> None:
        """Add a table; one of a single column lays out text and is read cell by cell."""
        rows = list(_iter_rows(table))
        header_rows = sum(1 for _, is_header in rows if is_header)
        if all(len(list(_iter_cells(row))) <= 1 for row, _ in rows):
            for row, _ in rows:
                for cell in _iter_cells(row):
                    self.add_blocks(cell)
            return
        nested: list[Element] = []
        grid = expand_cells([self._read_row(row, nested) for row, _ in rows])
        add_grid(self.builder, grid, header_rows or None)
        self._add_waiting()
        for inner in nested:
            self.add_table(inner)

    def _read_row(self, row: Element, nested: list[Element]) -> list[Cell]:
        cells = []
        for element in _iter_cells(row):
            text, is_bold = self.cell_text(element, nested)
            columns, rows, repeated = (
                max(int(value), 1) if (value := attribute(element, name, "1")).isdecimal() else 1
                for name in ("number-columns-spanned", "number-rows-spanned", "number-columns-repeated")
            )
            cells += [Cell(text, columns, rows, is_bold=is_bold) for _ in range(min(repeated, MAX_REPEATED_CELLS))]
        return cells

    def cell_text(self, cell: Element, nested: list[Element]) -> tuple[str, bool]:
        """Return the text of a cell on one line, and whether it is bold; collect the tables in it."""
        lines, is_bold = [], True
        for block in _iter_paragraphs(cell, nested):
            inline = self.read_inline(block)
            text = " ".join(inline.text().split())
            if text:
                lines.append(text)
                is_bold = is_bold and inline.is_bold
        return " ".join(lines), is_bold and bool(lines)

    def read_inline(self, paragraph: Element) -> InlineText:
        """Return the text of a paragraph; notes, comments and frames in it wait until after it."""
        inline = InlineText()
        self._read(paragraph, inline, attribute(paragraph, "style-name"), "")
        return inline

    def _read(self, element: Element, inline: InlineText, paragraph_style: str, span_style: str) -> None:
        outer, own = self._styles.style(paragraph_style), self._styles.style(span_style)
        if outer.is_hidden or own.is_hidden:
            return

        def add(text: str | None) -> None:
            if text:
                inline.add(
                    " ".join(text.replace("\n", " ").split(" ")),
                    is_superscript=own.is_superscript,
                    is_code=own.is_monospaced or outer.is_monospaced,
                    is_bold=own.is_bold or outer.is_bold,
                )

        add(element.text)
        for entry in element:
            tag = tag_of(entry)
            if tag == "s":
                count = attribute(entry, "c", "1")
                add(" " * (min(int(count), 1000) if count.isdecimal() else 1))
            elif tag in ("tab", "line-break"):
                inline.add("\t" if tag == "tab" else "\n")
            elif tag == "a":
                start = inline.length()
                self._read(entry, inline, paragraph_style, span_style)
                inline.add_link(start, attribute(entry, "href"))
            elif tag == "span":
                self._read(entry, inline, paragraph_style, attribute(entry, "style-name"))
            elif tag == "note":
                self._note_count += 1
                mark = text_of(child(entry, "note-citation")) or str(self._note_count)
                inline.add(f"[{mark}]")
                self._waiting.append((f"note {mark}", child(entry, "note-body")))
            elif tag == "annotation":
                self._waiting.append(("comment", entry))
            elif tag in _SHAPES:
                self._waiting.append(("frame", entry))
            elif tag == "ruby":
                self._read(child(entry, "ruby-base"), inline, paragraph_style, span_style)
            elif tag in ("hidden-text", "hidden-paragraph", "page-number", "page-count"):
                pass
            elif tag:
                self._read(entry, inline, paragraph_style, span_style)
            add(entry.tail)

    def _add_waiting(self) -> None:
        """Add the notes, comments and frames of the last block."""
        waiting, self._waiting = self._waiting, []
        for kind, value in waiting:
            if kind == "frame":
                self._add_frame(value)
                continue
            lines = [" ".join(self.read_inline(block).text().split()) for block in _iter_paragraphs(value, [])]
            text = " ".join(filter(None, lines))
            if kind == "comment":
                author = text_of(child(value, "creator"))
                self.builder.add_footnote("comment", f"{author}: {text}" if author else text)
            else:
                self.builder.add_footnote(kind.removeprefix("note "), text)

    def _add_frame(self, frame: Element) -> None:
        """Add the text, table, equation or description of a frame."""
        self.builder.add_caption(useful_alt_text(text_of(child(frame, "desc")) or text_of(child(frame, "title"))))
        for element in frame:
            tag = tag_of(element)
            if tag in ("text-box", "table"):
                self._add_block(element)
            elif tag == "object":
                self.builder.add_paragraph(self._equation(attribute(element, "href")))
            elif tag in ("p", "list"):
                self._add_block(element)
            elif tag in _SHAPES:
                self._add_frame(element)

    def _equation(self, target: str) -> str:
        """Return the source of an embedded equation, or ""."""
        name = f"{target.removeprefix('./').strip('/')}/content.xml"
        if name not in self._package:
            return ""
        return text_of(next(descendants(self._package.read_xml(name), "annotation"), None))


def _iter_rows(table: Element) -> Iterator[tuple[Element, bool]]:
    """Yield the rows of a table, and whether each is a header row."""
    for element in table:
        tag = tag_of(element)
        if tag == "table-row":
            yield element, False
        elif tag == "table-header-rows":
            yield from ((row, True) for row in children(element, "table-row"))
        elif tag in ("table-rows", "table-row-group"):
            yield from _iter_rows(element)


def _iter_cells(row: Element) -> Iterator[Element]:
    return children(row, "table-cell")


def _iter_paragraphs(container: Element | None, nested: list[Element]) -> Iterator[Element]:
    """Yield the paragraphs of a cell or a note, those of lists included, and collect its tables."""
    for element in container if container is not None else ():
        tag = tag_of(element)
        if tag in ("p", "h"):
            yield element
        elif tag == "table":
            nested.append(element)
        elif tag in ("list", "list-item", "list-header", "section", "text-box", "frame"):
            yield from _iter_paragraphs(element, nested)
