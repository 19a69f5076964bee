"""Find the prose of passages, where names and facts are looked for.

Headings, table rows and code are not sentences: taggers and patterns for sentences only make nonsense of them. A
document without a tree is prose throughout.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from enum import StrEnum
from itertools import pairwise
from typing import Final

from graphs.gazetteer import without_bracket
from kgrag.text import has_cjk, sentence_spans, tokenize
from kgrag.text.normalize import STOPWORDS, casefold_text
from kgrag.tree import BlockKind, DocumentTree
from kgrag.types import Document, Passage

Span = tuple[int, int]
MAX_OPENING_CHARS = 240
"""Characters of the first paragraph in which an article says what its title is."""
_COPULA = re.compile(r"\b(?:is|was|are|were)\b")
CODE: Final = frozenset([BlockKind.CODE])
NOT_SENTENCES: Final = frozenset([BlockKind.CODE, BlockKind.ROW, BlockKind.HEADING])


def block_spans(tree: DocumentTree, passage: Passage, kinds: Collection[BlockKind]) -> list[Span]:
    """Return the spans of a passage that blocks of these kinds take, with offsets into the passage, ordered."""
    return [
        (max(block.start - passage.start, 0), min(block.end, passage.end) - passage.start)
        for block in tree.blocks_between(passage.start, passage.end)
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


class DocumentKind(StrEnum):
    """Kind of a document, which decides which of its sentences are searched for facts."""

    ARTICLE = "article"
    """Describes what its title names, as in an encyclopedia: patterns and the classifier were made for such text."""
    TEXT = "text"
    """Other prose: its pronouns do not stand for its title."""
    TECHNICAL = "technical"
    """Has code: verbs such as "create" tell what a command does, not who made something."""


def document_kind(document: Document) -> DocumentKind:
    """Return the kind of a document. A text without a tree counts as an article."""
    blocks = document.tree.blocks
    if not blocks:
        return DocumentKind.ARTICLE
    if any(block.kind is BlockKind.CODE for block in blocks):
        return DocumentKind.TECHNICAL
    first = next((block for block in blocks if block.kind is BlockKind.PARAGRAPH), None)
    title = without_bracket(document.title)
    if first is None or not title:
        return DocumentKind.TEXT
    opening = document.text[first.start : min(first.end, first.start + MAX_OPENING_CHARS)]
    return DocumentKind.ARTICLE if _names_title(opening, title) else DocumentKind.TEXT


def _names_title(opening: str, title: str) -> bool:
    """Whether a first paragraph names the title, in English as the subject of its first "is" or "was"."""
    if has_cjk(title):
        return title in opening
    title_words = {token.text for token in tokenize(title)} - STOPWORDS
    copula = _COPULA.search(opening)
    named = {token.text for token in tokenize(opening[: copula.start()])} if copula else set()
    return len(title_words & named) * 2 > len(title_words)


def _may_name(sentence: str) -> bool:
    first, *others = sentence.split()
    if any(word != word.lower() for word in others):
        return True
    return first != first.lower() and casefold_text(first) not in STOPWORDS
