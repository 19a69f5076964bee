"""Parse delimited text into records, with quoted cells of several lines; a lone quote swallows no rows."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from ingest.readers.content import ReadProblem

Line = tuple[int, str]
MAX_CELL_CHARS = 4 << 20
"""Maximum length of a quoted cell of several lines; a quote that is not closed within it is a plain character."""
_MIN_LOOKAHEAD_CHARS = 1 << 16
_MIN_COLUMNS_OF_ROWS = 3
_MANY_COLUMNS = 5


@dataclass(frozen=True, slots=True)
class Record:
    """The cells of a table row, and the number of its first line from 1."""

    line: int
    cells: list[str]


class LineBuffer:
    """Lines that can be put back; problems with lines are collected apart.

    Attributes:
        problems: problems met so far, for the caller to take.
    """

    def __init__(self, lines: Iterable[tuple[int, str | ReadProblem]]) -> None:
        self._lines = iter(lines)
        self._waiting: deque[Line] = deque()
        self.problems: list[ReadProblem] = []

    def next(self) -> Line | None:
        """Return the next line and its number; None at the end."""
        if self._waiting:
            return self._waiting.popleft()
        for number, line in self._lines:
            if isinstance(line, ReadProblem):
                self.problems.append(line)
            else:
                return number, line
        return None

    def put_back(self, lines: Iterable[Line]) -> None:
        """Put back lines, in their order, to be returned next."""
        self._waiting.extendleft(reversed(list(lines)))


class RecordParser:
    """Parser of the records of a table.

    A cell is quoted if its first character is a quote and a quote ends it: ``"6"" pipe, steel"``. Other quotes are
    plain characters. So is one that opens a cell and is never closed, or is closed within another cell: the lines after
    it are rows of their own.

    Args:
        lines: the lines of the table.
        delimiter: column separator, a character.
        width: number of columns, if known; used to tell rows from lines of a cell.
        on_lone_quote: called with the line number of each quote that was not closed.
    """

    def __init__(
        self,
        lines: LineBuffer,
        delimiter: str,
        width: int = 0,
        on_lone_quote: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._lines, self._delimiter, self._width = lines, delimiter, width
        self._on_lone_quote = on_lone_quote
        self._lookahead_chars = MAX_CELL_CHARS

    def __iter__(self) -> Iterator[Record]:
        while (line := self._lines.next()) is not None:
            number, text = line
            yield Record(number, text.split(self._delimiter) if '"' not in text else self._cells(number, text))

    def _cells(self, number: int, text: str) -> list[str]:
        cells: list[str] = []
        position = 0
        while True:
            opening = position
            while text[opening : opening + 1] == " " and self._delimiter != " ":
                opening += 1
            end = -1
            if text[opening : opening + 1] == '"':
                closing = self._closing_quote(text, opening + 1)
                if closing < 0 and (longer := self._extend(text)) is not None:
                    text, closing = longer
                elif closing < 0:
                    self._on_lone_quote(number)
                if closing >= 0:
                    end = self._end_of_quoted(text, closing)
                    if end >= 0:
                        cells.append(_unquote(text[opening + 1 : closing]))
            if end < 0:
                end = text.find(self._delimiter, position)
                end = len(text) if end < 0 else end
                cells.append(text[position:end])
            if end >= len(text):
                return cells
            position = end + 1

    def _closing_quote(self, text: str, start: int) -> int:
        """Return the position of the quote that ends a cell, or -1; doubled and escaped quotes belong to it."""
        position = text.find('"', start)
        while position >= 0:
            following = text[position + 1 : position + 2]
            if following == '"':
                position = text.find('"', position + 2)
            elif following not in ("", self._delimiter) and position > start and text[position - 1] == "\\":
                position = text.find('"', position + 1)
            else:
                return position
        return -1

    def _end_of_quoted(self, text: str, closing: int) -> int:
        """Return the position of the delimiter or end after a closing quote; -1 if other text follows it."""
        end = closing + 1
        while text[end : end + 1] == " " and self._delimiter != " ":
            end += 1
        return end if end == len(text) or text[end] == self._delimiter else -1

    def _extend(self, text: str) -> tuple[str, int] | None:
        """Return ``text`` with the lines up to the closing quote, and its position; None if the quote is a lone one."""
        taken: list[Line] = []
        parts, size = [text], len(text)
        while size <= self._lookahead_chars and (line := self._lines.next()) is not None:
            taken.append(line)
            closing = self._closing_quote(line[1], 0)
            if closing >= 0:
                if self._end_of_quoted(line[1], closing) < 0 or self._are_rows([part for _, part in taken]):
                    break
                self._lookahead_chars = MAX_CELL_CHARS
                return "\n".join([*parts, line[1]]), size + 1 + closing
            parts.append(line[1])
            size += len(line[1]) + 1
        else:  # bounds the time for tables with many lone quotes
            self._lookahead_chars = max(_MIN_LOOKAHEAD_CHARS, self._lookahead_chars // 2)
        self._lines.put_back(taken)
        return None

    def _are_rows(self, texts: list[str]) -> bool:
        """Whether the lines of what looks like one cell all have the columns of the table, written as in a table."""
        width = self._width
        return (
            width >= _MIN_COLUMNS_OF_ROWS
            and (len(texts) > 1 or width >= _MANY_COLUMNS)
            and all(text.count(self._delimiter) == width - 1 for text in texts)
            and not any(f"{self._delimiter} " in text for text in texts)
        )


def _unquote(text: str) -> str:
    return text.replace('""', '"').replace('\\"', '"') if '"' in text else text
