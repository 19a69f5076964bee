"""Find the prose of passages, where names and facts are looked for.

Headings, table rows and code are not sentences: taggers and patterns for sentences only make nonsense of them. A
document without a tree is prose throughout.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import Final

from kgrag.text import sentence_spans
from kgrag.text.normalize import STOPWORDS, casefold_text
from kgrag.tree import BlockKind, DocumentTree
from kgrag.types import Passage

Span = tuple[int, int]
CODE: Final = frozenset([BlockKind.CODE])
NOT_SENTENCES: Final = frozenset([BlockKind.CODE, BlockKind.ROW, BlockKind.HEADING])


def block_spans(tree: DocumentTree, passage: Passage, kinds: Collection[BlockKind]) -> list[Span]:
    """Return the spans of a passage that blocks of these kinds take, with offsets into the passage, ordered."""
    first = bisect_right(tree.blocks, passage.start, key=lambda block: block.end)
    last = bisect_left(tree.blocks, passage.end, key=lambda block: block.start)
    return [
        (max(block.start - passage.start, 0), min(block.end, passage.end) - passage.start)
        for block in tree.blocks[first:last]
        if block.kind in kinds
    ]


def blank_spans(text: str, spans: Sequence[Span]) -> str:
    """Replace spans by as many line ends, which no name contains."""
    if not spans:
        return text
    bounds = [(0, 0), *spans, (len(text), len(text))]
    pieces = [text[end:start] + "\n" * (stop - start) for (_, end), (start, stop) in pairwise(bounds)]
    return "".join(pieces)


def blank_unnamed_sentences(text: str) -> str:
    """Replace the sentences that have no capitalised word, except a common one at the start, by line ends."""
    return blank_spans(text, [span for span in sentence_spans(text) if not _may_name(text[slice(*span)])])


def _may_name(sentence: str) -> bool:
    first, *others = sentence.split()
    if any(word != word.lower() for word in others):
        return True
    return first != first.lower() and casefold_text(first) not in STOPWORDS
