"""Read Word documents (.docx, .docm)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ingest.readers.content import Content
from ingest.readers.office.docx_blocks import iter_blocks, iter_rows
from ingest.readers.office.docx_styles import Numbering, Style, StyleSheet
from ingest.readers.office.docx_tables import read_grid
from ingest.readers.office.docx_text import Attachment, RunReader
from ingest.readers.office.drawing_parts import add_drawing_part
from ingest.readers.office.inline_text import InlineText
from ingest.readers.office.ooxml_package import OOXMLPackage
from ingest.readers.office.table_grid import add_grid
from ingest.readers.office.xml_elements import Element, attribute, child, children, descendants, tag_of, value_of
from ingest.readers.office.zip_package import refuse_damage
from ingest.readers.read_log import ReadLog
from ingest.readers.tree_builder import TreeBuilder
from kgrag.tree import DocumentTree, Link

KIND = "a Word document (.docx)"
MAX_HEADING_CHARS = 120
"""Maximum length of a bold line that is taken for a heading, and of a first line that is taken for the title."""
_SENTENCE_END = re.compile(r"[.!?;,。！？；，…]\W*$")
_PAGE_WORDS = re.compile(r"\b(?:page|of|seite|von|sur|página|de|p)\b|[第页共頁\W\d_]", re.IGNORECASE)


@refuse_damage(KIND)
def read_docx(data: bytes, log: ReadLog) -> Content:
    """Read a Word document as its readers see it, with tracked changes accepted.

    Raises:
        ReadError: the file is damaged, protected by a password, or no Word document.
    """
    package = OOXMLPackage(data, KIND, "word/document.xml")
    reader = _DocumentReader(package)
    title, metadata = package.properties()
    text, tree = reader.read()
    log.cleaned_count += reader.builder.cleaned_count
    return Content(text, tree, reader.title or title or reader.first_line, metadata, tuple(reader.problems))


@dataclass(slots=True)
class _Pending:
    """Code lines that wait for the next paragraph, and the text of a paragraph whose end was deleted."""

    code: list[str]
    joined: InlineText | None = None


class _DocumentReader:
    """Reader of the blocks of a document.

    Attributes:
        builder: The document.
        title: Text of the paragraph in the style of titles, or "".
        first_line: Text of the first paragraph if it reads like a title, or "".
        problems: Sentences about content that was left out.
    """

    def __init__(self, package: OOXMLPackage) -> None:
        self.builder = TreeBuilder()
        self.title = self.first_line = ""
        self.problems: list[str] = []
        self._package = package
        self._styles = StyleSheet(next((root for _, root in package.parts_of_kind(package.main, "styles")), None))
        self._numbering = Numbering(next((root for _, root in package.parts_of_kind(package.main, "numbering")), None))
        self._notes: dict[str, dict[str, Element]] = {}
        for kind, tag in (("footnotes", "footnote"), ("endnotes", "endnote"), ("comments", "comment")):
            roots = (root for _, root in package.parts_of_kind(package.main, kind))
            self._notes[tag] = {attribute(note, "id"): note for root in roots for note in children(root, tag)}
        self._marks: dict[tuple[str, str], str] = {}
        self._read_notes: set[tuple[str, str]] = set()
        self._part = package.main
        self._runs = self._make_run_reader(package.main)
        self._pending = _Pending([])
        self._has_block = False

    def read(self) -> tuple[str, DocumentTree]:
        """Return the text and the tree."""
        body = child(self._package.read_xml(self._package.main), "body")
        if body is not None:
            self._add_headers(body)
            self._add_blocks(body)
        self._flush_code()
        return self.builder.build()

    def _make_run_reader(self, part: str, *, drops_page_numbers: bool = False) -> RunReader:
        return RunReader(self._styles, self._package.relationships(part), self._mark, drops_page_numbers)

    def _mark(self, kind: str, note_id: str) -> str:
        """Return the mark of a note: footnotes are numbered 1, 2, 3, endnotes i, ii, iii as numbers with an e."""
        count = sum(1 for other, _ in self._marks if other == kind) + 1
        return self._marks.setdefault((kind, note_id), f"{count}" if kind == "footnote" else f"e{count}")

    def _add_headers(self, body: Element) -> None:
        """Add each text of page headers and footers once; page numbers alone are left out."""
        seen: set[str] = set()
        relationships = self._package.relationships(self._package.main)
        for reference in body.iter("{*}headerReference", "{*}footerReference"):
            relationship = relationships.get(attribute(reference, "id"))
            if relationship is None or relationship.target not in self._package:
                continue
            runs = self._make_run_reader(relationship.target, drops_page_numbers=True)
            lines = self._all_lines(self._package.read_xml(relationship.target), runs)
            text = "\n".join(dict.fromkeys(lines))
            if _PAGE_WORDS.sub("", text) and text not in seen:
                seen.add(text)
                self.builder.add_paragraph(text)

    def _all_lines(self, root: Element, runs: RunReader) -> Iterator[str]:
        """Yield the texts of all paragraphs of a part, those in tables and text boxes included."""
        pending = list(iter_blocks(root))
        while pending:
            element = pending.pop(0)
            if tag_of(element) == "tbl":
                cells = (cell for row in iter_rows(element) for cell in children(row, "tc"))
                pending[:0] = [block for cell in cells for block in iter_blocks(cell)]
                continue
            line, _ = self._inline(element, runs).trimmed()
            if line:
                yield " ".join(line.split())
            boxes = [entry.element for entry in runs.attachments if entry.kind == "box"]
            runs.attachments.clear()
            pending[:0] = [block for box in boxes for block in iter_blocks(box)]

    def _inline(self, paragraph: Element, runs: RunReader, inline: InlineText | None = None) -> InlineText:
        style = self._styles.style(value_of(paragraph, "pPr", "pStyle"))
        inline = inline or InlineText()
        runs.begin_paragraph()
        runs.read(paragraph, inline, style)
        return inline

    def _add_blocks(self, container: Element) -> None:
        for element in iter_blocks(container):
            tag = tag_of(element)
            if tag == "p":
                self._add_paragraph(element)
            elif tag == "tbl":
                self._flush_code()
                self._flush_joined()
                self._add_table(element)
            elif tag == "altChunk":
                self.problems.append(
                    "expected the whole text in the document, found an embedded file, which is left out: "
                    "open it in Word and save it again"
                )
        self._flush_joined()

    def _flush_joined(self) -> None:
        """Add a text whose paragraph end was deleted, but which no paragraph follows."""
        inline, self._pending.joined = self._pending.joined, None
        if inline is not None:
            text, links = inline.trimmed()
            self.builder.add_paragraph(text, links=links)
            self._add_attachments()

    def _add_paragraph(self, paragraph: Element) -> None:
        if not len(paragraph) and not self._pending.code and self._pending.joined is None:
            return
        properties = child(paragraph, "pPr")
        inline = self._inline(paragraph, self._runs, self._pending.joined)
        is_end_deleted = child(properties, "rPr", "del") is not None or child(properties, "rPr", "moveFrom") is not None
        self._pending.joined = inline if is_end_deleted else None
        if is_end_deleted:
            return
        text, links = inline.trimmed()
        style = self._styles.style(value_of(properties, "pStyle"))
        if text or not self._pending.code:
            self._add_text(properties, style, inline, text, links)
        elif style.role == "code" or style.is_monospaced:
            self._pending.code.append("")
        self._add_attachments()

    def _add_text(
        self, properties: Element | None, style: Style, inline: InlineText, text: str, links: list[Link]
    ) -> None:
        outline = value_of(properties, "outlineLvl")
        level = style.level if style.role == "heading" else 0
        level = (int(outline) + 1 if int(outline) < 9 else 0) if outline.isdecimal() else level
        num_id = value_of(properties, "numPr", "numId") or style.num_id
        indent = value_of(properties, "numPr", "ilvl")
        depth = int(indent) if indent.isdecimal() else style.indent
        if not text or style.role == "contents":
            return
        if style.role == "code" or (inline.is_code and not level):
            self._pending.code.append(inline.text().rstrip())
            return
        self._flush_code()
        marker = self._numbering.next_marker(num_id, depth)
        if level:
            prefix = f"{marker} " if marker not in ("", "-") else ""
            moved = [Link(link.start + len(prefix), link.end + len(prefix), link.target) for link in links]
            self.builder.add_heading(prefix + " ".join(text.split()), level, links=moved if "\n" not in text else ())
        elif style.role == "title":
            self.title = self.title or " ".join(text.split())
            self.builder.add_heading(text, 1)
        elif style.role == "caption":
            self.builder.add_caption(text)
        elif marker or style.role == "list":
            self.builder.add_item(
                text, max(depth + 1, style.level if style.role == "list" else 1), marker or "-", links=links
            )
        elif inline.is_bold and len(text) <= MAX_HEADING_CHARS and not _SENTENCE_END.search(text) and "\n" not in text:
            self.builder.add_heading(text, 6, links=links)
        else:
            self.builder.add_paragraph(text.replace("\t", " "), links=links)
        is_title_like = not marker and len(text) <= MAX_HEADING_CHARS and not _SENTENCE_END.search(text)
        if not self._has_block and is_title_like and style.role not in ("caption", "list") and "\n" not in text:
            self.first_line = text
        self._has_block = True

    def _flush_code(self) -> None:
        if any(self._pending.code):
            self.builder.add_code("\n".join(self._pending.code))
            self._has_block = True
        self._pending.code = []

    def _add_table(self, table: Element) -> None:
        """Add a table; one of a single column, or with headings in it, lays out text and is read cell by cell."""
        self._has_block = True
        rows = list(iter_rows(table))
        cells = [cell for row in rows for cell in children(row, "tc")]
        if all(len(list(children(row, "tc"))) <= 1 for row in rows) or any(map(self._has_heading, cells)):
            for cell in cells:
                if value_of(cell, "tcPr", "vMerge") == "restart" or child(cell, "tcPr", "vMerge") is None:
                    self._add_blocks(cell)
                    self._flush_code()
            return
        nested: list[Element] = []
        grid, header_rows = read_grid(table, rows, lambda cell: self._cell_text(cell, nested))
        add_grid(self.builder, grid, header_rows)
        self._add_attachments()
        for inner in nested:
            self._add_table(inner)

    def _has_heading(self, cell: Element) -> bool:
        return any(
            self._styles.style(value_of(paragraph, "pPr", "pStyle")).role in ("heading", "title")
            for paragraph in descendants(cell, "p")
        )

    def _cell_text(self, cell: Element, nested: list[Element]) -> tuple[str, bool]:
        """Return the text of a cell on one line, and whether it is bold; collect the tables in it."""
        lines, is_bold = [], True
        for element in iter_blocks(cell):
            if tag_of(element) == "tbl":
                nested.append(element)
                continue
            inline = self._inline(element, self._runs)
            text = " ".join(inline.trimmed()[0].split())
            marker = self._numbering.next_marker(
                value_of(element, "pPr", "numPr", "numId"), int(value_of(element, "pPr", "numPr", "ilvl") or 0)
            )
            if text:
                lines.append(f"{marker} {text}" if marker not in ("", "-") else text)
                is_bold = is_bold and inline.is_bold
        return " ".join(lines), is_bold and bool(lines)

    def _add_attachments(self) -> None:
        """Add what was anchored in the last block: notes, comments, text boxes, descriptions of pictures."""
        attachments, self._runs.attachments = self._runs.attachments, []
        for attachment in attachments:
            if attachment.kind == "box":
                self._flush_code()
                self._add_blocks(attachment.element)
            elif attachment.kind == "caption":
                self.builder.add_caption(attachment.value)
            elif attachment.kind == "part":
                relationship = self._runs.relationships.get(attachment.value)
                if relationship and not relationship.is_external:
                    add_drawing_part(self.builder, self._package, relationship.target)
            else:
                self._add_note(attachment)

    def _add_note(self, attachment: Attachment) -> None:
        key = (attachment.kind, attachment.value)
        note = self._notes[attachment.kind].get(attachment.value)
        if note is None or key in self._read_notes:
            return
        self._read_notes.add(key)
        runs = self._make_run_reader(self._package.main)
        text = " ".join(self._all_lines(note, runs))
        if text and attachment.kind == "comment":
            author = attribute(note, "author")
            self.builder.add_footnote("comment", f"{author}: {text}" if author else text)
        elif text:
            self.builder.add_footnote(self._mark(*key), text)
