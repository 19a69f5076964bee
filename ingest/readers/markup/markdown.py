"""Find the blocks of lightly marked-up text: Markdown, reStructuredText, or plain text with lists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from ingest.readers.tree_builder import row_text
from kgrag.tree import Block, BlockKind, DocumentTree

_FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})[ \t]*([\w+#.-]*)")
_HEADING = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))?[ \t]*#*[ \t]*")
_UNDERLINE = re.compile(r"([=\-^~\"*+#])\1{2,}[ \t]*")
_BOLD_LINE = re.compile(r"[ \t]*\*\*([^*\n]+)\*\*[:：]?[ \t]*")
_ITEM = re.compile(r"([ \t]*)(?:[-*+•]|\(?\d{1,3}[.)])[ \t]+\S")
_DELIMITER_ROW = re.compile(r"[ \t]*\|?(?:[ \t]*:?-+:?[ \t]*\|)+(?:[ \t]*:?-+:?[ \t]*)?")
_MARKUP = re.compile(
    r"^[ \t]*(?:#{1,6}\s|```|~~~|\||[-*+•][ \t]|\(?\d{1,3}[.)][ \t]|([=\-^~\"*+#])\1\1|\*\*)", re.MULTILINE
)
_LINK = re.compile(r"!?\[([^\[\]\n]{0,500})\]\([^()\n]{0,1000}\)")
_EMPHASIS = re.compile(r"[*`]+|\b__|__\b")
_BOLD_LEVEL = 6


class _Line(NamedTuple):
    text: str
    start: int
    end: int  # without the line end

    @property
    def is_blank(self) -> bool:
        return not self.text.strip()


def parse_markup(text: str) -> tuple[str, DocumentTree]:
    """Return the text with its tables rewritten as rows, and its tree.

    A pipe table becomes one line for each row, as in `ingest.readers.tree_builder.row_text`. All other text stays as it
    is. Text without markup has an empty tree.
    """
    if not _MARKUP.search(text):
        return text, DocumentTree()
    text, rows = _rewrite_tables(text)
    return text, DocumentTree(tuple(sorted([*rows, *_iter_blocks(text, rows)], key=lambda block: block.start)))


def find_blocks(text: str) -> list[Block]:
    """Return the blocks of a text, without those of pipe tables; none if it has no markup."""
    return list(_iter_blocks(text, [])) if _MARKUP.search(text) else []


def find_code_spans(text: str) -> list[tuple[int, int]]:
    """Return the spans of fenced code, in order."""
    spans, lines, number = [], _lines(text), 0
    while number < len(lines):
        last = _code_end(lines, number) if _FENCE.match(lines[number].text) else number
        if last > number:
            spans.append((lines[number].start, lines[last].end))
        number = last + 1
    return spans


def strip_inline_markup(text: str) -> str:
    """Return a heading or a title without emphasis, code marks and link targets."""
    return _EMPHASIS.sub("", _LINK.sub(r"\1", text) if "](" in text else text).strip()


def _lines(text: str) -> list[_Line]:
    lines, start = [], 0
    for line in text.split("\n"):
        lines.append(_Line(line, start, start + len(line)))
        start += len(line) + 1
    return lines


def _code_end(lines: list[_Line], first: int) -> int:
    """Return the number of the line that ends the fenced code beginning at line ``first``; the last if none does."""
    fence = _FENCE.match(lines[first].text)
    assert fence
    marks = fence.group(1)
    for number in range(first + 1, len(lines)):
        line = lines[number].text.strip()
        if line.startswith(marks) and not line.strip(marks[0]):
            return number
    return len(lines) - 1


def _rewrite_tables(text: str) -> tuple[str, list[Block]]:
    """Replace pipe tables outside code by row lines, and return the blocks of the rows."""
    if "|" not in text:
        return text, []
    lines, parts, rows = _lines(text), [], []
    length = number = 0

    def append(part: str) -> None:
        nonlocal length
        parts.append(part)
        length += len(part) + 1

    while number < len(lines):
        line = lines[number]
        if _FENCE.match(line.text):
            last = _code_end(lines, number)
            for code_line in lines[number : last + 1]:
                append(code_line.text)
            number = last + 1
        elif "|" in line.text and number + 1 < len(lines) and _DELIMITER_ROW.fullmatch(lines[number + 1].text.rstrip()):
            header = _cells(line.text)
            label = " | ".join(header)
            number += 2
            while number < len(lines) and "|" in lines[number].text and not lines[number].is_blank:
                row = row_text(_cells(lines[number].text), header)
                if row:
                    rows.append(Block(BlockKind.ROW, length, length + len(row), 0, label))
                    append(row)
                number += 1
        else:
            append(line.text)
            number += 1
    return "\n".join(parts), rows


def _cells(line: str) -> list[str]:
    line = line.strip().removeprefix("|")
    line = line[:-1] if line.endswith("|") and not line.endswith("\\|") else line
    return [strip_inline_markup(cell.replace("\\|", "|")) for cell in re.split(r"(?<!\\)\|", line)]


def _iter_blocks(text: str, rows: list[Block]) -> Iterator[Block]:
    lines, row_starts = _lines(text), {row.start for row in rows}
    underline_order: list[str] = []  # in reStructuredText the order of first use decides the level
    number = 0
    while number < len(lines):
        line = lines[number]
        next_text = lines[number + 1].text if number + 1 < len(lines) else ""
        if line.is_blank or line.start in row_starts:
            number += 1
        elif match := _FENCE.match(line.text):
            last = _code_end(lines, number)
            yield Block(BlockKind.CODE, line.start, lines[last].end, 0, match.group(2))
            number = last + 1
        elif match := _HEADING.fullmatch(line.text):
            heading = strip_inline_markup(match.group(2) or "")
            yield Block(BlockKind.HEADING, line.start, line.end, len(match.group(1)), heading)
            number += 1
        elif _is_underlined(line, next_text, lines[number - 1].is_blank or not number or _is_rule(lines[number - 1])):
            mark = next_text.strip()[0]
            if mark not in underline_order:
                underline_order.append(mark)
            level = underline_order.index(mark) + 1
            yield Block(BlockKind.HEADING, line.start, lines[number + 1].end, level, strip_inline_markup(line.text))
            number += 2
        elif match := _BOLD_LINE.fullmatch(line.text):
            yield Block(BlockKind.HEADING, line.start, line.end, _BOLD_LEVEL, match.group(1).strip())
            number += 1
        else:
            last = _block_end(lines, number, row_starts)
            item = _ITEM.match(line.text)
            kind, depth = BlockKind.PARAGRAPH, 0
            if item:
                kind, depth = BlockKind.ITEM, len(item.group(1).expandtabs(4)) // 2 + 1
            yield Block(kind, line.start, lines[last].end, depth)
            number = last + 1


def _is_rule(line: _Line) -> bool:
    return bool(_UNDERLINE.fullmatch(line.text))


def _is_underlined(line: _Line, next_text: str, is_first: bool) -> bool:
    """Whether a line is a heading: the first of its paragraph, with a line of marks about as long below it."""
    title = line.text.strip()
    width = sum(2 if ord(c) > 0x2E7F else 1 for c in title)
    return (
        is_first
        and bool(_UNDERLINE.fullmatch(next_text))
        and not _UNDERLINE.fullmatch(line.text)
        and not _ITEM.match(line.text)
        and len(next_text.strip()) * 2 >= min(width, 40)
    )


def _block_end(lines: list[_Line], first: int, row_starts: set[int]) -> int:
    """Return the last line of the paragraph or item that begins at line ``first``."""
    number = first
    while number + 1 < len(lines):
        following = lines[number + 1]
        if following.text[:1].isalpha():  # the usual line of a paragraph begins no other block
            number += following.start not in row_starts
            if following.start in row_starts:
                break
            continue
        if (
            following.is_blank
            or following.start in row_starts
            or _ITEM.match(following.text)
            or _FENCE.match(following.text)
            or _HEADING.fullmatch(following.text)
        ):
            break
        number += 1
    return number
