"""Read the cells of a table row, as the readers write it: ``Header: cell; Header: cell``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from ingest.structure.terms import parse_term
from kgrag.text import has_cjk, normalize_name

MAX_HEADER_WORDS, MAX_HEADER_CHARS_ZH = 4, 8
MAX_SUBJECT_CHARS, MAX_VALUE_CHARS = 60, 120
"""Longest cell that names the row's subject, and longest that is a value of it."""
_HEADER_SEPARATOR = " | "
_NO_VALUES = frozenset(["n/a", "na", "-", "–", "—", "none", "无", "略", "tbd"])
_DEFAULT_HEADERS = frozenset(["default", "default value", "default setting", "默认", "默认值", "缺省值", "默认设置"])


class Cell(NamedTuple):
    """A cell: its header as a predicate ("" if the header names none), its text, and its offset in the row."""

    predicate: str
    text: str
    start: int

    @property
    def names_subject(self) -> bool:
        """Whether the cell can name what its row is about: short, with letters, and no common word."""
        is_short = len(self.text) <= MAX_SUBJECT_CHARS and len(normalize_name(self.text)) > 1
        return is_short and not self.is_number and parse_term(self.text) is not None

    @property
    def is_number(self) -> bool:
        """Whether the cell has no letter, as a row's running number."""
        return not re.search(r"[^\W\d_]", self.text)

    @property
    def is_value(self) -> bool:
        """Whether the cell is short enough to be a value."""
        is_short = 0 < len(self.text) <= MAX_VALUE_CHARS and "\n" not in self.text
        return is_short and self.text.casefold() not in _NO_VALUES


def row_cells(row: str, header: str) -> list[Cell]:
    """Return the cells of a row, in order; empty cells are left out.

    Args:
        row: the text of the row.
        header: its header cells, joined by `` | ``.
    """
    marks = _find_headers(row, header)
    ends = [start - 2 for start, _, _ in marks[1:]] + [len(row)] * bool(marks)
    cells = []
    for (_, start, label), end in zip(marks, ends, strict=True):
        text = row[start:end].rstrip("; \n")
        offset = len(text) - len(text.lstrip())
        if text.strip():
            cells.append(Cell(header_predicate(label), text.strip(), start + offset))
    return cells


def subject_column(cells: Sequence[Cell]) -> int | None:
    """Return the index of the cell that names what a row is about: the first, or the one after a running number."""
    is_counted = bool(cells) and cells[0].text.isdecimal()
    return int(is_counted) if len(cells) > is_counted else None


def header_spans(row: str, header: str) -> list[tuple[int, int]]:
    """Return the spans of the header labels in a row."""
    return [(start, end) for start, end, _ in _find_headers(row, header)]


def _find_headers(row: str, header: str) -> list[tuple[int, int, str]]:
    """Return the start of each header label in a row, the start of its cell, and the label."""
    marks: list[tuple[int, int, str]] = []
    position = 0
    for label in (label.strip() for label in header.split(_HEADER_SEPARATOR)):
        marker = f"{label}: "
        if not marks and row.startswith(marker):
            start = 0
        else:
            found = row.find(f"; {marker}", position)
            start = found + 2 if found >= 0 else -1
        if label and start >= 0:
            position = start + len(marker)
            marks.append((start, position, label))
    return marks


def header_predicate(label: str) -> str:
    """Return the name of the predicate that a header stands for; "" for numbers, sentences and marks."""
    if label.strip().casefold() in _DEFAULT_HEADERS:
        return "default"
    words = normalize_name(re.sub(r"\([^()]*\)", " ", label)).split()
    if not words or not re.search(r"[^\W\d_]", "".join(words)):
        return ""
    if has_cjk(label):
        name = "".join(words)
        return name if len(name) <= MAX_HEADER_CHARS_ZH else ""
    return "_".join(words) if len(words) <= MAX_HEADER_WORDS else ""
