"""Group the sentences of retrieved passages into blocks: paragraphs, list items, table rows, code."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from kgrag.retrieve.sentence_features import HitSentence
from kgrag.types import Hit

MAX_BLOCK_TOKENS = 120
"""Tokens of a block, at most; a longer paragraph gives several blocks."""
FENCES = ("```", "~~~")
"""Beginnings of the lines before and after code."""
_STRUCTURE = re.compile(
    r"[-*+•]\s|\d{1,3}[.)]\s|#|```|~~~|[^|\n]{1,200} \| |[^:;\n]{1,80}: [^;\n]{0,400}; [^:;\n]{1,80}: "
)
"""Matches the start of a list item, a heading, code or a table row."""


@dataclass(frozen=True)
class EvidenceBlock:
    """Consecutive sentences of one passage, as indices into a list of `HitSentence`, and their tokens."""

    hit_index: int
    numbers: tuple[int, ...]
    tokens: int


def group_blocks(
    hits: Sequence[Hit], hit_sentences: Sequence[HitSentence], costs: Sequence[int], max_tokens: int = MAX_BLOCK_TOKENS
) -> list[EvidenceBlock]:
    """Return the blocks of some hits, in order; every sentence is in one of them.

    A heading belongs to the block below it, code to the line that leads to it, and an indented paragraph to the list item
    above it.

    Args:
        hits: the retrieved passages.
        hit_sentences: their sentences, in order.
        costs: for each sentence, its tokens.
        max_tokens: tokens of a block, at most; a single sentence may have more.
    """
    groups: list[list[int]] = []
    tokens = 0
    for number, sentence in enumerate(hit_sentences):
        is_joined = bool(groups) and _joins(hits, hit_sentences[groups[-1][0]], hit_sentences[number - 1], sentence)
        if is_joined and tokens + costs[number] <= max_tokens:
            groups[-1].append(number)
            tokens += costs[number]
        else:
            groups.append([number])
            tokens = costs[number]
    return [_make_block(hit_sentences, costs, group) for group in groups]


def split_paragraphs(
    blocks: Sequence[EvidenceBlock], hit_sentences: Sequence[HitSentence], costs: Sequence[int]
) -> list[EvidenceBlock]:
    """Return the parts of blocks that are selected one by one: each sentence of a paragraph, any other block whole.

    A sentence of a paragraph can be read alone; half a list item, row or code cannot. A heading is shown with what follows.
    """
    parts: list[EvidenceBlock] = []
    for block in blocks:
        if any(_STRUCTURE.match(hit_sentences[number].text) for number in block.numbers):
            parts.append(block)
        else:
            parts += [_make_block(hit_sentences, costs, [number]) for number in block.numbers]
    return parts


def _make_block(hit_sentences: Sequence[HitSentence], costs: Sequence[int], numbers: Sequence[int]) -> EvidenceBlock:
    return EvidenceBlock(hit_sentences[numbers[0]].hit_index, tuple(numbers), sum(costs[number] for number in numbers))


def _joins(hits: Sequence[Hit], first: HitSentence, previous: HitSentence, sentence: HitSentence) -> bool:
    """Whether a sentence belongs to the block that begins with ``first`` and so far ends with ``previous``."""
    if previous.hit_index != sentence.hit_index:
        return False
    passage = hits[sentence.hit_index].passage
    begin = sentence.start - passage.start
    between = passage.text[previous.end - passage.start : begin]
    if "\n" not in between or previous.text.startswith("#") or _is_in_code(passage.text, begin):
        return True
    if sentence.text.startswith(FENCES):
        return previous.text.endswith((":", "："))
    is_item = bool(_STRUCTURE.match(first.text))
    return is_item and _indent(passage.text, begin) > _indent(passage.text, first.start - passage.start)


def _is_in_code(text: str, place: int) -> bool:
    """Whether a place of a text is within a fence of code, or at the fence that ends it."""
    return any(text.count(fence, 0, place) % 2 for fence in FENCES)


def _indent(text: str, place: int) -> int:
    """Return the number of spaces before a place of a text, back to the start of its line; 0 if other text is there."""
    before = text[text.rfind("\n", 0, place) + 1 : place]
    return 0 if before.strip() else len(before)
