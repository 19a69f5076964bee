"""Split an answer into the statements that are verified one by one.

A statement is a sentence, a list item, a table row or a fenced block of code. It keeps the citation marks that follow it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from kgrag.text import normalize_name, sentence_spans
from kgrag.text.citation_marks import CITATION_MARK, strip_citation_marks
from kgrag.text.code_fences import fenced_code_spans
from kgrag.text.polarity import EXPLICIT_ANSWERS

_YES_NO = EXPLICIT_ANSWERS | {"可 以", "不 可 以", "会", "不 会", "能", "不 能", "需 要", "不 需 要", "不 用"}
"""Answers that stand before their reason."""

_LETTER = re.compile(r"\w")
_FENCE_LINE = re.compile(r"^[ \t]*(?:```|~~~)[^\n]*$", re.MULTILINE)
_CODE_SPAN = re.compile(r"`[^`\n]+`")
_LIST_ITEM = re.compile(r"[ \t]*(?:[-*+•·]|\(?\d{1,2}[.)、．]|[（(]?[一二三四五六七八九十]{1,2}[)）、])[ \t]*")
_TABLE_RULE = re.compile(r"[\s|:+-]+")
_LEAD_IN_END = re.compile(r"[:：][*_\s]*$")
_MARKS = re.compile(rf"(?:\s*{CITATION_MARK.pattern})+")
_MARKS_AFTER_STOP = re.compile(rf"(?<![.!?。！？；])(?P<stop>[.!?。！？；]+)(?P<marks>(?:\s*{CITATION_MARK.pattern})+)")
_SPACE_BEFORE_STOP = re.compile(r"(?<!\s)\s+(?=[.!?。！？]*$)")


@dataclass(frozen=True)
class Statement:
    """A statement of an answer with the line above its list.

    ``text`` is as written, with its citation marks. ``lead_in`` is the line that introduces a list or a block of code.
    ``is_lead_in`` marks this line itself, and ``is_code`` a fenced block.
    """

    text: str
    start: int
    end: int
    lead_in: str = ""
    is_lead_in: bool = False
    is_code: bool = False

    @property
    def lead_in_text(self) -> str:
        """The statement as the ``lead_in`` of the items below it."""
        return strip_citation_marks(self.text)

    @property
    def claim_text(self) -> str:
        """The statement without citation marks, list marker and the fences of code."""
        text = strip_citation_marks(self.text)
        if self.is_code:
            return _FENCE_LINE.sub("", text).strip()
        marker = _LIST_ITEM.match(text)
        if marker and marker.end() < len(text) and (self.lead_in or marker.group()[-1].isspace()):
            text = text[marker.end() :]
        return _SPACE_BEFORE_STOP.sub("", text).strip()


def split_statements(answer: str) -> list[str]:
    """Split an answer into statements, each with the citation marks that follow it."""
    return [statement.text for statement in find_statements(move_marks(answer))]


def move_marks(answer: str) -> str:
    """Move citation marks before the full stop, so that the next sentence does not begin with them."""
    return _MARKS_AFTER_STOP.sub(lambda m: f" {m['marks'].strip()}{m['stop']}", answer.strip())


def find_statements(answer: str) -> list[Statement]:
    """Return the statements of an answer whose marks stand before the full stops (`move_marks`), in order.

    A yes or no and its reason are one statement: the reason is what the sources can support.
    """
    statements: list[Statement] = []
    lead_in = ""
    for start, end, is_code in _blocks(answer):
        if is_code:
            statements.append(Statement(answer[start:end], start, end, lead_in, is_code=True))
            continue
        for line_start, line_end in _lines(answer, start, end):
            is_item = _LIST_ITEM.match(answer, line_start, line_end) is not None
            if not is_item and answer[line_start] != "|":
                lead_in = ""
            for left, right in _sentences(answer, line_start, line_end):
                text = answer[left:right]
                ends_line = right == line_end
                introduces = ends_line and bool(_LEAD_IN_END.search(strip_citation_marks(text))) and not is_item
                statements.append(Statement(text, left, right, lead_in, introduces))
                if introduces:
                    lead_in = strip_citation_marks(text)
    # a lead-in at the end introduces nothing
    if statements and statements[-1].is_lead_in:
        last = statements[-1]
        statements[-1] = Statement(last.text, last.start, last.end, last.lead_in)
    return statements


def _blocks(answer: str) -> list[tuple[int, int, bool]]:
    """Return (start, end, is code) of the text between the fenced blocks and of these, marks after a fence included."""
    blocks: list[tuple[int, int, bool]] = []
    position = 0
    for code_start, code_end in fenced_code_spans(answer):
        marks = _MARKS.match(answer, code_end)
        end = marks.end() if marks else code_end
        blocks += [(position, code_start, False), (code_start, end, True)]
        position = end
    blocks.append((position, len(answer), False))
    return [block for block in blocks if _LETTER.search(answer, block[0], block[1])]


def _lines(answer: str, start: int, end: int) -> list[tuple[int, int]]:
    """Return the spans of the paragraphs, list items and table rows between two offsets, without table rules."""
    lines: list[tuple[int, int]] = []
    for match in re.compile(r"[^\n]+").finditer(answer, start, end):
        if not match.group().strip() or _TABLE_RULE.fullmatch(match.group()):
            continue
        marks = _MARKS.fullmatch(match.group().rstrip())
        if marks and lines:
            lines[-1] = (lines[-1][0], match.start() + marks.end())
            continue
        left = match.start() + len(match.group()) - len(match.group().lstrip())
        lines.append((left, match.end() - (len(match.group()) - len(match.group().rstrip()))))
    return lines


def _sentences(answer: str, start: int, end: int) -> list[tuple[int, int]]:
    """Return the spans of the sentences of a line; a table row is one sentence."""
    line = answer[start:end]
    if line.startswith("|"):
        return [(start, end)]
    # the sentence splitter does not accept marks at the end of a sentence, so mask them as words, and code likewise
    masked = CITATION_MARK.sub(lambda m: "x" * len(m.group()), line)
    masked = _CODE_SPAN.sub(lambda m: "x" * len(m.group()), masked)
    spans: list[tuple[int, int]] = []
    joins_next = False
    for left, right in sentence_spans(masked):
        text = strip_citation_marks(line[left:right])
        if not _LETTER.search(text):
            continue
        if spans and (joins_next or _LIST_ITEM.fullmatch(line[spans[-1][0] : spans[-1][1]])):
            spans[-1] = (spans[-1][0], right)
        else:
            spans.append((left, right))
        joins_next = normalize_name(text) in _YES_NO
    return [(start + left, start + right) for left, right in spans]
