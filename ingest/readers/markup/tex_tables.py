"""Parse LaTeX's tables."""

from __future__ import annotations

import re

from ingest.readers.markup.tex_text import find_argument, plain_tex

_RULE = re.compile(
    r"\\(?:hline|toprule|midrule|bottomrule|(?:cline|cmidrule)(?:\([^)]*\))?\{[^{}]*\}|specialrule(?:\{[^{}]*\}){3}|"
    r"endhead|endfirsthead|endfoot|endlastfoot|addlinespace(?:\[[^\]]*\])?|noalign\{[^{}]*\}|rowcolor(?:\[[^\]]*\])?\{[^{}]*\})"
)
_ROW_END = re.compile(r"\\\\\*?(?:\[[^\]]*\])?|\\tabularnewline\b")
_MULTICOLUMN = re.compile(r"\s*\\multicolumn\s*\{(\d{1,3})\}\s*")
_MULTIROW = re.compile(r"\s*\\multirow(?:\[[^\]]*\])?\s*\{(\d{1,4})\}\s*")
MAX_COLUMNS = 1000


def parse_tex_table(text: str) -> tuple[list[str], list[list[str]]]:
    """Return the header and the rows of a table's body; a merged cell is repeated where it covers others.

    The first row is a header if a line is drawn below it.
    """
    if "\\endfirsthead" in text:  # the header of the further pages follows
        first, _, rest = text.partition("\\endfirsthead")
        ends = [match.end() for match in re.finditer(r"\\end(?:head|foot|lastfoot)\b", rest)]
        text = first + "\\hline" + rest[ends[-1] if ends else 0 :]
    rows: list[list[str]] = []
    header: list[str] = []
    covered: dict[int, tuple[int, str]] = {}
    for line in _split(text, _ROW_END):
        has_rule = bool(_RULE.match(line.lstrip()))
        if has_rule and len(rows) == 1 and not header:
            header, rows = rows[0], []
        content = _RULE.sub("", line)
        if content.strip():
            row, covered = _read_row(content, covered)
            if any(row):
                rows.append(row)
    return (header, rows) if rows else ([], [header] if header else [])


def _read_row(text: str, covered: dict[int, tuple[int, str]]) -> tuple[list[str], dict[int, tuple[int, str]]]:
    """Return the cells of a row, and the cells that cover the rows below by column."""
    row: list[str] = []
    below: dict[int, tuple[int, str]] = {}
    for cell in _split(text, re.compile("&")):
        span = 1
        if match := _MULTICOLUMN.match(cell):
            span = min(int(match[1]), MAX_COLUMNS)
            _, end = find_argument(cell, match.end())
            cell = cell[end:]
        row_span = int(match[1]) if (match := _MULTIROW.search(cell)) else 1
        value = " ".join(plain_tex(cell).split())
        for _ in range(max(span, 1)):
            above = covered.get(len(row))
            if above and not value:
                if above[0] > 1:
                    below[len(row)] = (above[0] - 1, above[1])
                row.append(above[1])
            else:
                if row_span > 1:
                    below[len(row)] = (row_span - 1, value)
                row.append(value)
    return row, below


def _split(text: str, separator: re.Pattern[str]) -> list[str]:
    """Split at separators outside braces."""
    parts, start, depth = [], 0, 0
    for match in re.finditer(rf"(?P<separator>{separator.pattern})|\\.|[{{}}]", text, re.DOTALL):
        if match["separator"] is not None:
            if depth <= 0:
                parts.append(text[start : match.start()])
                start = match.end()
        elif match[0] in "{}":
            depth += 1 if match[0] == "{" else -1
    return [*parts, text[start:]]
