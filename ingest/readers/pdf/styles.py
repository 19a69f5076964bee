"""Learn the styles of a PDF: the size of its text, its headings by outline, size and weight, and its words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ingest.readers.pdf.columns import Line, group_rows
from ingest.readers.pdf.pages import Page
from ingest.readers.pdf.text import clean_line, find_words

MIN_HEADING_RATIO = 1.08
"""Least size of a heading, in sizes of the text."""
MAX_HEADING_CHARS = 160
MAX_HEADING_SHARE = 0.2
"""Most text in the style of a heading; more is emphasised text."""
MIN_OUTLINE = 3
"""Fewest bookmarks that are taken for the headings of the document."""
_NUMBER = re.compile(
    r"(?:(?:chapter|appendix|section|part)\s+)?((?:\d+|[A-Z])(?:\.\d+)*)\.?(?=[\s:：]|$)", re.IGNORECASE
)
_END = re.compile(r"[.,;；，。:：]$")


class Bookmark(NamedTuple):
    """An entry of a PDF's outline: page from 1, level from 1."""

    title: str
    page: int
    level: int


class Styles:
    """Styles of a document, learned from some of its pages.

    Attributes:
        body_size: Size of most text, in points.
        is_mono: Whether most text is monospaced, so that it is no code.
        words: Words of the pages read so far.
    """

    def __init__(self, pages: Iterable[Page], outline: Sequence[Bookmark] = ()) -> None:
        sizes: Counter[float] = Counter()
        heads: Counter[tuple[float, bool]] = Counter()
        mono = total = 0
        self.words: set[str] = set()
        self._outline: dict[int, list[tuple[str, int]]] = {}
        self._levels: dict[tuple[float, bool], int] = {}
        self._depths: dict[tuple[float, bool], int] = {}
        if len(outline) >= MIN_OUTLINE:
            for mark in outline:
                self._outline.setdefault(mark.page, []).append((_fold(mark.title), mark.level))
        self._deepest = max((mark.level for mark in outline), default=0) if self._outline else 0
        pages = list(pages)
        for page in pages:
            for piece in page.pieces:
                length = len(piece.text)
                total += length
                mono += length * piece.style.is_mono
                if not piece.style.is_mono:
                    sizes[piece.style.size] += length
        self.is_mono = mono * 2 > total
        self.body_size = sizes.most_common(1)[0][0] if sizes else 10.0
        for page in pages:
            self.learn_words(page)
            for row in group_rows(page.pieces):
                line = Line(row, page.number)
                key = (line.style.size, line.style.is_bold)
                heads[key] += len(line.text)
                if number := _NUMBER.match(line.text):
                    depth = number.group(1).count(".")
                    self._depths[key] = min(depth, self._depths.get(key, depth))
                level = self._outline_level(line.text, page.number)
                if level:
                    self._levels[key] = min(level, self._levels.get(key, level))
        chars = max(sum(heads.values()), 1)
        self._heads = sorted(
            (key for key, count in heads.items() if self._is_head_style(key) and count <= MAX_HEADING_SHARE * chars),
            reverse=True,
        )

    def learn_words(self, page: Page) -> None:
        """Add the words of a page."""
        self.words |= find_words(clean_line(piece.text) for piece in page.pieces)

    def outline_level(self, lines: Sequence[Line]) -> int:
        """Return the level of the bookmark that names the lines together; 0 without one."""
        return self._outline_level(" ".join(line.text for line in lines), lines[0].page)

    def heading_level(self, line: Line) -> int:
        """Return the level of a heading by its bookmark or its style; 0 for other text."""
        text = line.text
        level = self.outline_level([line])
        key = (line.style.size, line.style.is_bold)
        if level:
            return level
        if (
            key not in self._heads
            or len(text) > MAX_HEADING_CHARS
            or not any(char.isalpha() for char in text)
            or line.style.is_mono
            or (key[0] < self.body_size * MIN_HEADING_RATIO and (_END.search(text) or len(text) > 100))
        ):
            return 0
        if key in self._levels:
            return self._levels[key]
        if self._outline:
            larger = [level for (size, _), level in self._levels.items() if size < key[0]]
            return min(larger) if larger else self._deepest + 1
        rank = self._heads.index(key) + 1
        number = _NUMBER.match(text)
        # headings of several depths may share a style: their numbers tell them apart
        return min(6, rank + (number.group(1).count(".") - self._depths.get(key, 0) if number else 0))

    def _is_head_style(self, key: tuple[float, bool]) -> bool:
        size, is_bold = key
        return size >= self.body_size * MIN_HEADING_RATIO or (is_bold and size >= self.body_size * 0.98)

    def _outline_level(self, text: str, page: int) -> int:
        folded = _fold(text)
        if not folded or len(text) > 2 * MAX_HEADING_CHARS:
            return 0
        for title, level in self._outline.get(page, ()):
            if title and (folded == title or (_without_number(folded) == _without_number(title) != "")):
                return level
        return 0


def _fold(text: str) -> str:
    text = re.sub(r"^\s*(?:chapter|appendix|section|part|第)\s+(?=[\dA-Z])", "", text, flags=re.IGNORECASE)
    return "".join(char for char in text.casefold() if char.isalnum() or char == ".").strip(".")


def _without_number(folded: str) -> str:
    return re.sub(r"^(?:[a-z]?\.?\d+(?:\.\d+)*\.?|第[\d一二三四五六七八九十]+[章节])", "", folded) or folded
