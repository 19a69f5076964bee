"""Separate code from the text beside it on a PDF page, as in manuals that show an example and its result."""

from __future__ import annotations

from collections.abc import Sequence

from ingest.readers.pdf.pages import Piece

MIN_GUTTER = 6.0
"""Narrowest strip between columns, in points."""


def split_examples(rows: Sequence[list[Piece]]) -> list[list[list[Piece]]]:
    """Return regions of rows in which code beside text is a region of its own, before that text."""
    regions: list[list[list[Piece]]] = []
    start = number = 0
    while number < len(rows):
        end = _example_end(rows, number)
        if end == number:
            number += 1
            continue
        edge = max(piece.right for row in rows[number:end] for piece in row if piece is row[0] and piece.style.is_mono)
        left = [[piece for piece in row if piece.right <= edge] for row in rows[number:end]]
        right = [[piece for piece in row if piece.right > edge] for row in rows[number:end]]
        regions += [list(rows[start:number]), [row for row in left if row], [row for row in right if row]]
        start = number = end
    regions.append(list(rows[start:]))
    return [region for region in regions if region]


def _example_end(rows: Sequence[list[Piece]], first: int) -> int:
    """Return the number of the row after code with text beside it that begins at a row; ``first`` without any."""
    code_right, text_left = 0.0, float("inf")
    code_count = text_count = 0
    number = first
    while number < len(rows):
        row = rows[number]
        is_near = number == first or row[0].baseline - rows[number - 1][0].baseline < 2.2 * row[0].style.size
        has_code = row[0].style.is_mono and row[0].left < text_left - MIN_GUTTER
        others = row[1:] if has_code else row
        new_right = max(code_right, row[0].right) if has_code else code_right
        new_left = min([text_left, *(piece.left for piece in others)])
        is_other = all(piece.table is None and not piece.style.is_mono for piece in others)
        if not is_near or not is_other or new_right > new_left - MIN_GUTTER or (number == first and not has_code):
            break
        code_right, text_left = new_right, new_left
        code_count += has_code
        text_count += bool(others)
        number += 1
    return number if code_count >= 2 and text_count >= 2 and number - first >= 3 else first
