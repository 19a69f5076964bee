"""Parse the tables of reStructuredText that are drawn with characters: grid tables and simple tables."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Mapping, Sequence
from itertools import pairwise

Table = tuple[list[str], list[list[str]]]
"""The header cells, and the rows; the header is empty if the table has none."""

GRID_BORDER = re.compile(r"\+(?:-{2,}\+)+\s*")
SIMPLE_BORDER = re.compile(r"={2,}(?: +={2,})+\s*")
_SIMPLE_RULE = re.compile(r"[=-]{2,}(?: +[=-]{2,})*\s*")
_FILLER = "\0"


def parse_grid_table(lines: Sequence[str]) -> Table:
    """Parse a grid table; a merged cell is repeated in each row and column that it covers."""
    lines = [_pad_wide(line.rstrip()) for line in lines]
    width = max(map(len, lines))
    lines = [line.ljust(width) for line in lines]
    borders = sorted({place for line in lines if line[0] in "+|" for place in _corners(line)})
    spans = list(pairwise(borders))
    cells: list[list[str]] = [[] for _ in spans]
    rows: list[list[list[str]]] = []
    header_count = 0
    for number, line in enumerate(lines):
        closed = [_is_rule(line[left + 1 : right]) for left, right in spans]
        if any(closed):
            if number:
                rows.append(list(cells))
            if any("=" in line[left + 1 : right] for (left, right), rule in zip(spans, closed, strict=True) if rule):
                header_count = len(rows)
            cells = _open_cells(cells, closed, lines[number + 1] if number + 1 < len(lines) else "", spans)
        for index, (left, right) in enumerate(spans):
            is_first = index == 0 or cells[index - 1] is not cells[index]
            if not closed[index] and is_first:
                end = next((r for i, (_, r) in enumerate(spans) if i >= index and _ends(cells, i)), right)
                cells[index].append(line[left + 1 : end].strip())
    texts = [[_join(cell) for cell in row] for row in rows]
    return _merge_header(texts[:header_count]), texts[header_count:]


def parse_simple_table(lines: Sequence[str]) -> Table:
    """Parse a simple table; a row whose first cell is blank continues the row before it."""
    lines = [_pad_wide(line.rstrip()) for line in lines]
    starts = [match.start() for match in re.finditer(r"=+", lines[0])]
    rows: list[list[str]] = []
    header_count = 0
    for number, line in enumerate(lines[1:-1], 1):
        if _SIMPLE_RULE.fullmatch(line):
            if line.startswith("=") and number < len(lines) - 1:
                header_count = header_count or len(rows)
            continue
        if not line.strip():
            continue
        bounds = zip(starts, [*starts[1:], len(line)], strict=True)
        cells = [line[left:right].strip() for left, right in bounds]
        if not cells[0] and rows:
            rows[-1] = [f"{old} {new}".strip() for old, new in zip(rows[-1], cells, strict=True)]
        else:
            rows.append(cells)
    rows = [[cell.replace(_FILLER, "").strip("\\ ") for cell in row] for row in rows]
    return _merge_header(rows[:header_count]), rows[header_count:]


def parse_list_table(body: Sequence[str], options: Mapping[str, str]) -> Table:
    """Parse the nested list of a ``list-table``."""
    rows: list[list[str]] = []
    for line in body:
        if match := re.match(r"[*-]\s+[*-](?:\s+(.*))?$", line):
            rows.append([match[1] or ""])
        elif rows and (match := re.match(r"\s+[*-](?:\s+(.*))?$", line)):
            rows[-1].append(match[1] or "")
        elif rows and line.strip():
            rows[-1][-1] += " " + line.strip()
    has_header = options.get("header-rows", "0").strip() not in ("", "0")
    return (rows[0], rows[1:]) if has_header and rows else ([], rows)


def parse_csv_table(body: Sequence[str], options: Mapping[str, str]) -> Table:
    """Parse the lines of a ``csv-table``."""
    rows = list(csv.reader([line for line in body if line.strip()], skipinitialspace=True))
    if "header" in options:
        return next(csv.reader([options["header"]], skipinitialspace=True), []), rows
    has_header = options.get("header-rows", "0").strip() not in ("", "0")
    return (rows[0], rows[1:]) if has_header and rows else ([], rows)


def _corners(line: str) -> list[int]:
    """Return the places of ``+`` that join rules."""
    return [
        place
        for place, c in enumerate(line)
        if c == "+" and (line[place + 1 : place + 2] in ("-", "=") or (place and line[place - 1] in "-="))
    ]


def _is_rule(text: str) -> bool:
    return bool(re.fullmatch(r"[-+]+|[=+]+", text)) and len(text) > 1


def _ends(cells: list[list[str]], index: int) -> bool:
    return index + 1 == len(cells) or cells[index + 1] is not cells[index]


def _open_cells(
    cells: list[list[str]], closed: list[bool], following: str, spans: list[tuple[int, int]]
) -> list[list[str]]:
    """Return the cells below a rule: new ones below closed ones, joined where no bar divides them."""
    opened: list[list[str]] = []
    for index, (left, _) in enumerate(spans):
        is_divided = index == 0 or following[left : left + 1] in ("|", "+", "")
        if not closed[index]:
            opened.append(cells[index])
        elif is_divided or not closed[index - 1]:
            opened.append([])
        else:
            opened.append(opened[-1])
    return opened


def _join(parts: list[str]) -> str:
    return " ".join(" ".join(parts).replace(_FILLER, "").split())


def _merge_header(rows: list[list[str]]) -> list[str]:
    """Return header rows as one: the words of each column, from the top, without repetitions."""
    if not rows:
        return []
    return [" ".join(dict.fromkeys(filter(None, column))) for column in zip(*rows, strict=True)]


def _pad_wide(text: str) -> str:
    """Add a filler to each Chinese character, which is as wide as two."""
    if text.isascii():
        return text
    return "".join(c + _FILLER if unicodedata.east_asian_width(c) in "WF" else c for c in text)
