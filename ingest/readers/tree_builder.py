"""Compose the text of a document block by block, and record the spans of its blocks, links and page lines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from ingest.readers.encodings.decoding import remove_control_chars
from kgrag.tree import Block, BlockKind, DocumentTree, Link, PageLine

Span = TypeVar("Span", Link, PageLine)


class TreeBuilder:
    """Builder of the text and the tree of a document; every reader of a structured format uses it.

    The text is Markdown: ``## Heading``, ``- item``, fenced code. A table row is a line that can be read by itself:
    ``Name: work_mem; Default: 4MB``. Texts are given without markup; ``links`` and ``lines`` are spans of the text given
    to the same call. Empty texts add nothing.

    Attributes:
        cleaned_count: control characters and lone surrogates that were cleaned.
    """

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0
        self._last_kind: BlockKind | None = None
        self._blocks: list[Block] = []
        self._links: list[Link] = []
        self._lines: list[PageLine] = []
        self.cleaned_count = 0

    def add_heading(self, text: str, level: int, *, links: Iterable[Link] = (), lines: Iterable[PageLine] = ()) -> None:
        """Add a heading of a level from 1; deeper than 6 is written like 6."""
        text, links, lines = _join_lines(text), list(links), list(lines)
        self._add(
            BlockKind.HEADING, "#" * min(max(level, 1), 6) + " ", text, links, lines, level=max(level, 1), label=text
        )

    def add_paragraph(self, text: str, *, links: Iterable[Link] = (), lines: Iterable[PageLine] = ()) -> None:
        """Add a paragraph; its line ends are kept."""
        self._add(BlockKind.PARAGRAPH, "", text, links, lines)

    def add_item(
        self,
        text: str,
        depth: int = 1,
        marker: str = "-",
        *,
        links: Iterable[Link] = (),
        lines: Iterable[PageLine] = (),
    ) -> None:
        """Add a list item of a depth from 1, with its marker (``-`` or ``3.``)."""
        prefix = "  " * (depth - 1) + f"{marker} "
        self._add(BlockKind.ITEM, prefix, text, links, lines, level=depth)

    def add_row(
        self,
        cells: Sequence[str],
        header: Sequence[str] = (),
        *,
        lines: Iterable[PageLine] = (),
    ) -> None:
        """Add a table row; ``header`` has the names of the columns, if the table has them.

        ``lines`` are spans of `row_text` of the same cells and header.
        """
        self._add(BlockKind.ROW, "", row_text(cells, header), (), lines, label=" | ".join(map(_join_lines, header)))

    def add_table(self, rows: Iterable[Sequence[str]], header: Sequence[str] = ()) -> None:
        """Add the rows of a table."""
        for cells in rows:
            self.add_row(cells, header)

    def add_code(self, text: str, language: str = "", *, lines: Iterable[PageLine] = ()) -> None:
        """Add code with its language, if known; its white space is kept."""
        text, fence = text.strip("\n"), "````" if "```" in text else "```"
        self._add(BlockKind.CODE, f"{fence}{language}\n", text, (), lines, suffix=f"\n{fence}", label=language)

    def add_caption(self, text: str, *, lines: Iterable[PageLine] = ()) -> None:
        """Add the caption of a table or a figure."""
        self._add(BlockKind.CAPTION, "", _join_lines(text), (), lines)

    def add_footnote(self, mark: str, text: str, *, lines: Iterable[PageLine] = ()) -> None:
        """Add a footnote with its mark."""
        prefix = f"[{mark}] " if mark else ""
        self._add(BlockKind.FOOTNOTE, prefix, text, (), lines, label=mark)

    def build(self) -> tuple[str, DocumentTree]:
        """Return the text and the tree."""
        tree = DocumentTree(tuple(self._blocks), tuple(self._links), tuple(self._lines))
        return "".join(self._parts), tree

    def _add(
        self,
        kind: BlockKind,
        prefix: str,
        text: str,
        links: Iterable[Link],
        lines: Iterable[PageLine],
        *,
        suffix: str = "",
        level: int = 0,
        label: str = "",
    ) -> None:
        cleaned, count = remove_control_chars(text)
        self.cleaned_count += count
        if not cleaned.strip():
            return
        if cleaned != text:
            links = [_move(span, text) for span in links]
            lines = [_move(span, text) for span in lines]
        is_list_continued = kind is self._last_kind and kind in (BlockKind.ITEM, BlockKind.ROW)
        separator = "" if not self._parts else "\n" if is_list_continued else "\n\n"
        start = self._length + len(separator)
        base = start + len(prefix)
        self._parts += [separator, prefix, cleaned, suffix]
        self._length = base + len(cleaned) + len(suffix)
        self._blocks.append(Block(kind, start, self._length, level, remove_control_chars(label)[0]))
        self._links += [replace(link, start=link.start + base, end=link.end + base) for link in links]
        self._lines += [replace(line, start=line.start + base, end=line.end + base) for line in lines]
        self._last_kind = kind


def row_text(cells: Sequence[str], header: Sequence[str] = ()) -> str:
    """Return a table row as one line: ``Name: work_mem; Default: 4MB``, or ``work_mem | 4MB`` without a header."""
    cells = [_join_lines(cell) for cell in cells]
    if not any(header):
        return " | ".join(cell for cell in cells if cell)
    columns = [_join_lines(column).rstrip(":：") for column in header]
    columns += [""] * (len(cells) - len(columns))
    return "; ".join(
        f"{column}: {cell}" if column else cell for column, cell in zip(columns, cells, strict=False) if cell
    )


def _join_lines(text: str) -> str:
    return " ".join(text.split())


def _move(span: Span, text: str) -> Span:
    """Return a span of ``text`` as a span of the cleaned text."""
    start, end = (len(remove_control_chars(text[:offset])[0]) for offset in (span.start, span.end))
    return replace(span, start=start, end=end)
