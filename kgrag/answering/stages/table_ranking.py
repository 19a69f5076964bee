"""Answer which row of a table has the highest or the lowest value, by comparing the values themselves.

A language model of a few billion parameters compares 9.90 with 12.50 wrongly. The rows of a table are lines that name
their columns (``Name: work_mem; Default: 4MB``), so the comparison needs no model.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from indices.bm25_index import index_tokens
from kgrag.text.quantities import Quantity, parse_quantity
from kgrag.types import Hit, Passage

HIGHEST, LOWEST = 1, -1
MAX_EXAMINED_HITS = 3
"""Best passages in which a table is looked for."""
MIN_COMPARABLE_SHARE = 0.8
"""Share of a table's rows whose value must be comparable; below it, the comparison would ignore too much."""
_CELL = re.compile(r"(?P<column>[^:;\n]{1,80}): (?P<value>.*)")
_COLUMN_WORDS = {
    "price": ("price", "cost", "fee", "价格", "单价", "售价", "费用", "价钱"),
    "weight": ("weight", "mass", "重量", "质量"),
    "length": ("length", "长度"),
    "height": ("height", "高度", "海拔", "elevation"),
    "age": ("age", "年龄"),
    "speed": ("speed", "速度"),
    "size": ("size", "大小", "面积", "area"),
}
_SUPERLATIVES = (
    (r"cheapest|least expensive|最便宜", LOWEST, "price"),
    (r"most expensive|dearest|最贵", HIGHEST, "price"),
    (r"heaviest|最重", HIGHEST, "weight"),
    (r"lightest|最轻", LOWEST, "weight"),
    (r"longest|最长", HIGHEST, "length"),
    (r"shortest|最短", LOWEST, "length"),
    (r"tallest", HIGHEST, "height"),
    (r"oldest|年龄最大", HIGHEST, "age"),
    (r"youngest|年龄最小", LOWEST, "age"),
    (r"fastest|最快", HIGHEST, "speed"),
    (r"slowest|最慢", LOWEST, "speed"),
    (r"highest|largest|biggest|greatest|maximum|(?:has|have|with) the most|最[高大多]", HIGHEST, ""),
    (r"lowest|smallest|minimum|(?:has|have|with) the (?:least|fewest)|最[低小少]", LOWEST, ""),
)
_BYTE_UNITS = {unit: 1024**power for power, unit in enumerate(("b", "kb", "mb", "gb", "tb", "pb"))}
_BYTES = re.compile(r"(\d+(?:\.\d+)?) ?([kmgtp]?i?b)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class RankedRow:
    """The row of a table with an extreme value.

    Attributes:
        text: Its name, with the value: ``shared_buffers (128MB)``; several names if they share the value.
        hit: A hit whose passage is the row's.
        spans: The rows as (passage, start, end) in the document's text.
    """

    text: str
    hit: Hit
    spans: tuple[tuple[Passage, int, int], ...]


@dataclass(frozen=True, slots=True)
class _Row:
    cells: tuple[tuple[str, str], ...]
    table: int  # number of its table in the document
    passage: Passage
    start: int
    end: int

    @property
    def name(self) -> str:
        return self.cells[0][1]

    def value(self, column: str) -> str:
        return next((value for name, value in self.cells if name == column), "")


def rank_table_rows(
    question: str, hits: Sequence[Hit], passages_of_document: Callable[[str], Sequence[Passage]]
) -> RankedRow | None:
    """Return the row that a question with a superlative asks for; None if no table has a fitting column.

    Args:
        question: in English or Chinese, such as "Which setting has the highest default?".
        hits: the retrieved passages, best first; tables are looked for in the first `MAX_EXAMINED_HITS`.
        passages_of_document: returns the passages of a document, in order, since a table may continue in the next one.
    """
    asked = _asked_extreme(question)
    if asked is None:
        return None
    direction, column_kind = asked
    for hit in hits[:MAX_EXAMINED_HITS]:
        rows = _table_rows(passages_of_document(hit.passage.document_id) or [hit.passage])
        shown = [row for row in rows if row.passage.id == hit.passage.id]
        cells = (cell for row in shown for cell in row.cells[1:])
        columns = list(dict.fromkeys(column for column, value in cells if _parse_value(value) is not None))
        column = _asked_column(question, columns, column_kind)
        tables = {row.table for row in shown if column and row.value(column)}
        if column is None or len(tables) != 1:
            continue
        table = [row for row in rows if row.table in tables and row.value(column)]
        if found := _extreme_rows(_select_rows(question, table), column, direction):
            value = found[0].value(column)
            names = ", ".join(dict.fromkeys(row.name for row in found))
            spans = tuple((row.passage, row.start, row.end) for row in found)
            return RankedRow(f"{names} ({value})", hit, spans)
    return None


def _asked_extreme(question: str) -> tuple[int, str] | None:
    """Return the direction and the kind of column that the first superlative implies; None without one."""
    for pattern, direction, column_kind in _SUPERLATIVES:
        if re.search(pattern, question, re.IGNORECASE):
            return direction, column_kind
    return None


def _asked_column(question: str, columns: Iterable[str], column_kind: str) -> str | None:
    """Return the only column that the question names, or that its superlative implies."""
    words = set(index_tokens(question))
    named = [column for column in columns if (tokens := set(index_tokens(column))) and tokens <= words]
    if not named and column_kind:
        kind_words = _COLUMN_WORDS[column_kind]
        named = [column for column in columns if any(word in column.casefold() for word in kind_words)]
    return named[0] if len(named) == 1 else None


def _table_rows(passages: Iterable[Passage]) -> list[_Row]:
    """Return the lines that name at least two columns; other text between two rows begins a new table."""
    rows: list[_Row] = []
    table = 0
    for passage in passages:
        start = passage.start
        for line in passage.text.split("\n"):
            cells = _parse_cells(line)
            if len(cells) > 1:
                rows.append(_Row(cells, table, passage, start, start + len(line)))
            elif line.strip():
                table += 1
            start += len(line) + 1
    return rows


def _parse_cells(line: str) -> tuple[tuple[str, str], ...]:
    """Return the (column, value) pairs of a row that `ingest.readers.tree_builder.row_text` wrote; () for others."""
    cells: list[tuple[str, str]] = []
    for part in line.split("; "):
        if match := _CELL.fullmatch(part):
            cells.append((match["column"].strip(), match["value"].strip()))
        elif cells:  # a semicolon inside a cell
            cells[-1] = (cells[-1][0], f"{cells[-1][1]}; {part}")
        else:
            return ()
    return tuple(cells)


def _select_rows(question: str, table: Sequence[_Row]) -> list[_Row]:
    """Return the rows with the values that the question names: of "in Oslo", those with the site Oslo."""
    text = f" {' '.join(index_tokens(question))} "
    named: dict[str, set[str]] = {}
    for row in table:
        for column, value in row.cells:
            tokens = " ".join(index_tokens(value))
            if tokens and parse_quantity(value) is None and f" {tokens} " in text:
                named.setdefault(column, set()).add(value)
    return [row for row in table if all(row.value(column) in values for column, values in named.items())]


def _extreme_rows(table: Sequence[_Row], column: str, direction: int) -> list[_Row]:
    """Return the rows with the extreme value; none if too few values can be compared."""
    values = [(row, value) for row in table if (value := _parse_value(row.value(column))) is not None]
    units = {value.unit for _, value in values}
    if len(values) < 2 or len(values) < MIN_COMPARABLE_SHARE * len(table) or len(units) != 1:
        return []
    extreme = max(value.value * direction for _, value in values)
    return [row for row, value in values if value.value * direction == extreme]


def _parse_value(text: str) -> Quantity | None:
    if match := _BYTES.fullmatch(text):
        return Quantity(float(match[1]) * _BYTE_UNITS[match[2].lower().replace("i", "")], "byte")
    return parse_quantity(text)
