"""Labels of list items, and how far the text below a heading or a label reaches."""

from __future__ import annotations

import re
from collections.abc import Sequence

from kgrag.text import has_cjk
from kgrag.tree import Block, BlockKind

MAX_LOWERCASE_WORDS = 2
"""A longer item in lower case is a clause, and no label."""
MAX_SECTION_CHARS = 1500
"""Characters of a section that are searched for a default value."""
_LABEL = re.compile(r"^\s*(?:[-*+•·]|\d+[.)])\s+(?P<label>\S.{0,78}?)\s*(?::\s|：)")
_SHORT_ITEM = re.compile(r"(?:[-*+•·]|\d+[.)])\s+(?P<label>\S[^\n]{0,58})(?=\n|$)")
"""Matches an item that is a label alone: a member of a list, or the heading of the items below it."""


def item_label(text: str, block: Block) -> str:
    """Return the label of a list item: what stands before a colon, or a short item as a whole; "" for other blocks."""
    if block.kind is not BlockKind.ITEM:
        return ""
    item = text[block.start : block.end]
    if match := _LABEL.match(item):
        return match["label"].strip("`*_ ")
    match = _SHORT_ITEM.match(item.strip())
    if match is None or match.group().rstrip().endswith((".", "。")):  # a sentence
        return ""
    label = match["label"].strip("`*_ .;。；")
    if has_cjk(label):
        return label
    # English is often wrapped, so that its first line may be a part of a sentence; one in lower case may be a clause
    is_clause = label[:1].islower() and len(label.split()) > MAX_LOWERCASE_WORDS
    return "" if is_clause or match.end() < len(item.strip()) else label


def text_ends(blocks: Sequence[Block], labels: Sequence[str], end: int) -> list[int]:
    """Return for each block the start of the next heading or labelled item, or `MAX_SECTION_CHARS` after the block."""
    ends = [0] * len(blocks)
    for index in range(len(blocks) - 1, -1, -1):
        ends[index] = min(end, blocks[index].end + MAX_SECTION_CHARS)
        if labels[index] or blocks[index].kind is BlockKind.HEADING:
            end = blocks[index].start
    return ends


def run_lengths(blocks: Sequence[Block], labels: Sequence[str]) -> list[int]:
    """Return for each labelled item the number of labelled items of its list: of its depth, below the same item."""
    lengths = [0] * len(blocks)
    runs: dict[int, list[int]] = {}

    def close_runs(level: int) -> None:
        for depth in [depth for depth in runs if depth >= level]:
            members = runs.pop(depth)
            for member in members:
                lengths[member] = len(members)

    for index, block in enumerate(blocks):
        if block.kind is BlockKind.HEADING:
            close_runs(0)
        elif block.kind is BlockKind.ITEM:
            close_runs(block.level + 1)
            if labels[index]:
                runs.setdefault(block.level, []).append(index)
    close_runs(0)
    return lengths
