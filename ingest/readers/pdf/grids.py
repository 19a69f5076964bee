"""Find the tables of a PDF page that are ruled as grids."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from ingest.readers.pdf.geometry import Rule
from ingest.readers.pdf.pages import Page, Piece
from ingest.readers.pdf.tables import join_cell, make_table

TOUCHING = 3.0
"""Widest distance of rules that meet, in points."""
MAX_RULES = 1500
"""Rules of a page that are searched for grids; drawings have more, tables do not."""


def replace_grids(page: Page) -> None:
    """Put a piece with its table in the place of the pieces inside each grid of rules."""
    for rules in _connected(page.rules):
        xs = _places([rule for rule in rules if not rule.is_horizontal])
        ys = _places([rule for rule in rules if rule.is_horizontal])
        if len(xs) < 3 or len(ys) < 2:
            continue
        inside = [piece for piece in page.pieces if piece.table is None and _is_inside(piece, xs, ys)]
        table_piece = _grid_table(inside, xs, ys, rules) if inside else None
        if table_piece:
            gone = {id(piece) for piece in inside}
            page.pieces = [piece for piece in page.pieces if id(piece) not in gone] + [table_piece]


def _connected(rules: Sequence[Rule]) -> list[list[Rule]]:
    """Return the groups of rules that meet."""
    if len(rules) > MAX_RULES:
        return []
    parent = list(range(len(rules)))

    def root(number: int) -> int:
        while parent[number] != number:
            parent[number] = parent[parent[number]]
            number = parent[number]
        return number

    across = [number for number, rule in enumerate(rules) if rule.is_horizontal]
    down = [number for number, rule in enumerate(rules) if not rule.is_horizontal]
    for a in across:
        for b in down:
            one, other = rules[a], rules[b]
            if (
                one.start - TOUCHING <= other.place <= one.end + TOUCHING
                and other.start - TOUCHING <= one.place <= other.end + TOUCHING
            ):
                parent[root(a)] = root(b)
    groups: dict[int, list[Rule]] = {}
    for number, rule in enumerate(rules):
        groups.setdefault(root(number), []).append(rule)
    return [group for group in groups.values() if len(group) >= 4]


def _places(rules: Sequence[Rule]) -> list[float]:
    places: list[float] = []
    for place in sorted(rule.place for rule in rules):
        if not places or place - places[-1] > TOUCHING:
            places.append(place)
    return places


def _is_inside(piece: Piece, xs: Sequence[float], ys: Sequence[float]) -> bool:
    middle = piece.baseline - 0.3 * piece.style.size
    return xs[0] - 1 <= (piece.left + piece.right) / 2 <= xs[-1] + 1 and ys[0] < middle < ys[-1]


def _grid_table(pieces: Sequence[Piece], xs: list[float], ys: list[float], rules: Sequence[Rule]) -> Piece | None:
    """Return a piece with the table of a grid, or None if it is a frame around text."""
    ys = _split_rows(pieces, xs, ys, rules)
    width, height = len(xs) - 1, len(ys) - 1
    owner = _merge_cells(xs, ys, rules)
    cells: dict[int, list[Piece]] = {}
    for piece in (part for whole in pieces for part in _cut_piece(whole, xs, rules)):
        row = _interval(ys, piece.baseline - 0.3 * piece.style.size)
        column = _interval(xs, min(piece.left + 2, (piece.left + piece.right) / 2))
        cells.setdefault(owner[row * width + column], []).append(piece)
    if len(cells) < 2 or height < 2:
        return None
    texts = [
        [join_cell(cells.get(owner[row * width + column], [])) for column in range(width)] for row in range(height)
    ]
    columns = [n for n in range(width) if any(row[n] for row in texts)]
    filled = [n for n in range(height) if any(texts[n])]
    texts = [[texts[row][column] for column in columns] for row in filled]
    if len(columns) < 2 or len(texts) < 2:
        return None
    boxes = [(xs[0], ys[row], xs[-1], ys[row + 1]) for row in filled]
    first = [piece for n in columns for piece in cells.get(owner[filled[0] * width + n], [])]
    last = [piece for n in columns for piece in cells.get(owner[filled[-1] * width + n], [])]
    is_bold = all(piece.style.is_bold for piece in first) and not all(piece.style.is_bold for piece in last)
    table = make_table(texts, boxes, [xs[n] for n in columns], is_bold or _is_named(texts))
    style = pieces[0].style
    return Piece("", [], xs[0], xs[-1], ys[0] + style.size, style, pieces[0].turn, table=table)


def _is_named(texts: Sequence[Sequence[str]]) -> bool:
    """Whether the first row of a grid names its columns: each differently, in short, without digits."""
    names = texts[0]
    return (
        all(names)
        and len(set(names)) == len(names)
        and all(len(name) <= 60 and not any(char.isdigit() for char in name) for name in names)
        and len(texts) > 2
    )


def _split_rows(pieces: Sequence[Piece], xs: list[float], ys: list[float], rules: Sequence[Rule]) -> list[float]:
    """Return the places of rows, with those between lines of a band in which every line fills the first column."""
    places = [ys[0]]
    for top, bottom in pairwise(ys):
        inside = [piece for piece in pieces if top < piece.baseline - 0.3 * piece.style.size < bottom]
        first_column = sorted(piece.baseline for piece in inside if piece.left < xs[1] - 1)
        columns = {_interval(xs, piece.left + 1) for piece in inside}
        lines = sorted({round(piece.baseline) for piece in inside})
        starts = [b for a, b in pairwise([-100.0, *first_column]) if b - a > 3]
        if len(columns) > 1 and len(starts) > 2 and len(starts) * 3 >= len(lines) * 2:
            size = max(piece.style.size for piece in inside)
            places += [start - size for start in starts[1:]]
        places.append(bottom)
    return places


def _merge_cells(xs: Sequence[float], ys: Sequence[float], rules: Sequence[Rule]) -> list[int]:
    """Return the first cell of the merged cell to which each cell belongs, row by row."""
    width, height = len(xs) - 1, len(ys) - 1
    owner = list(range(width * height))
    for row in range(height):
        for column in range(width):
            here = row * width + column
            middle_x, middle_y = (xs[column] + xs[column + 1]) / 2, (ys[row] + ys[row + 1]) / 2
            if column and not _has_rule(rules, False, xs[column], middle_y):
                owner[here] = owner[here - 1]
            elif row and not _has_rule(rules, True, ys[row], middle_x) and _is_ruled(rules, ys[row]):
                owner[here] = owner[here - width]
    return owner


def _has_rule(rules: Sequence[Rule], is_horizontal: bool, place: float, at: float) -> bool:
    return any(
        rule.is_horizontal == is_horizontal and abs(rule.place - place) <= TOUCHING and rule.start <= at <= rule.end
        for rule in rules
    )


def _is_ruled(rules: Sequence[Rule], y: float) -> bool:
    return any(rule.is_horizontal and abs(rule.place - y) <= TOUCHING for rule in rules)


def _cut_piece(piece: Piece, xs: Sequence[float], rules: Sequence[Rule]) -> list[Piece]:
    """Cut a piece that crosses vertical rules."""
    middle = piece.baseline - 0.3 * piece.style.size
    for x in xs[1:-1]:
        if piece.left + 2 < x < piece.right - 2 and _has_rule(rules, False, x, middle):
            place = next((n for n, left in enumerate(piece.lefts) if left >= x - 1), 0)
            if 0 < place < len(piece.text) and piece.text[:place].strip() and piece.text[place:].strip():
                return [piece.cut(0, place), *_cut_piece(piece.cut(place, len(piece.text)), xs, rules)]
    return [piece]


def _interval(places: Sequence[float], value: float) -> int:
    return next((n for n in range(len(places) - 2) if value < places[n + 1]), len(places) - 2)
