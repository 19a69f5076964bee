"""Find every document that mentions something, by its words: exhaustive, unlike retrieval."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indices.bm25_index import index_tokens
from kgrag.collection.document_rows import Span
from kgrag.protocols import GraphReader
from kgrag.retrieve.candidates import IndexSet
from kgrag.text import has_cjk, normalize_name, sentence_spans
from kgrag.text.injected_text import is_injected
from kgrag.types import Passage

Rows = NDArray[np.int64]
MAX_READ_PASSAGES = 4
"""Passages of a document that are read to find the sentence that mentions the topic."""
_ARTICLE = re.compile(r"^(?:the|an?) ", re.IGNORECASE)


@dataclass(frozen=True)
class DocumentMentions:
    """The passages of one document that mention a topic, as index rows in order."""

    document_id: str
    rows: tuple[int, ...]


class MentionSearch:
    """Searches the passages of a store for a topic.

    Args:
        indices: of the store; a filter on metadata counts.
        graph: the store.
    """

    def __init__(self, indices: IndexSet, graph: GraphReader) -> None:
        self._indices, self._graph = indices, graph

    def find(self, names: Sequence[str]) -> list[DocumentMentions]:
        """Return the documents that mention a topic, those with the most passages first.

        The words of a name must follow each other. Where they do so nowhere, all words of the first name in one passage
        count, in any form.

        Args:
            names: of the topic (`names`).
        """
        rows = self._allowed(row for name in names for row in self._indices.words.rows_with_phrase(name).tolist())
        if not rows or len(index_tokens(names[0])) == 1:
            rows = self._allowed([*rows, *self._indices.words.rows_with_words(names[0]).tolist()])
        rows_by_document: dict[str, list[int]] = {}
        for row in rows:
            rows_by_document.setdefault(self._indices.rows[row].document_id, []).append(row)
        mentions = [DocumentMentions(document_id, tuple(rows)) for document_id, rows in rows_by_document.items()]
        return sorted(mentions, key=lambda document: (-len(document.rows), document.document_id))

    def names(self, topic: str) -> list[str]:
        """Return the topic without an article, and the other names that a document gives the entity of that name."""
        own = _ARTICLE.sub("", topic)
        key = normalize_name(own)
        names = [own]
        for forms in self._graph.document_names().values():
            if key and any(normalize_name(form) == key for form in forms):
                names += [form for form in forms if has_cjk(form) or len(form.split()) > 1]
        return list(dict.fromkeys(names))

    def _allowed(self, rows: Iterable[int]) -> list[int]:
        allowed = self._indices.allowed_rows
        return sorted(row for row in {*rows} if allowed is None or allowed[row])

    def first_mention(self, mentions: DocumentMentions, names: Sequence[str]) -> tuple[Passage, Span] | None:
        """Return the passage and the sentence that first mention a topic; the first sentence if only the title does.

        None if the document was deleted since the indices were opened.
        """
        rows = mentions.rows[:MAX_READ_PASSAGES]
        ids = [self._indices.rows[row].passage_id for row in rows]
        passages = self._graph.passages_by_id(ids)
        keys = [normalize_name(name) for name in names]
        tokens = {*index_tokens(keys[0])}
        best: tuple[float, Passage, Span] | None = None
        for passage in (passages[each] for each in ids if each in passages):
            for start, end in sentence_spans(passage.text):
                sentence = passage.text[start:end]
                value = _match(sentence, keys, tokens)
                if best is None or value > best[0]:
                    best = value, passage, (passage.start + start, passage.start + end)
        return (best[1], best[2]) if best else None


def _match(sentence: str, keys: list[str], tokens: set[str]) -> float:
    """Return 3 for a sentence with a name of the topic, 2 for such a heading, else the share of the topic's words.

    A sentence that commands an answer counts for nothing.
    """
    if is_injected(sentence):
        return 0.0
    text = f" {normalize_name(sentence)} "
    if any(f" {key} " in text for key in keys if key):
        return 2.0 if sentence.startswith("#") else 3.0
    return len(tokens & {*index_tokens(sentence)}) / max(len(tokens), 1)
