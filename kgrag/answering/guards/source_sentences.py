"""Prepare the sentences of the cited passages for comparison with a claim."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from kgrag.answering.guards.match_words import match_words
from kgrag.answering.selected_passage import SelectedPassage
from kgrag.text import sentence_spans
from kgrag.text.injected_text import injected_spans, is_injected_label

NEIGHBOURS = 2
"""Sentences before and after a supporting sentence whose words count for it."""


@dataclass(frozen=True, eq=False)
class SourceSentence:
    """A sentence of a passage of the prompt.

    ``start`` and ``end`` are offsets into the document. ``context`` is the title and the headings of its passage.
    ``nearby`` are the sentences around it, itself included.
    """

    selected: SelectedPassage
    position: int
    start: int
    end: int
    text: str
    context: str
    nearby: tuple[str, ...] = field(repr=False)
    words: frozenset[str] = field(repr=False)
    context_words: frozenset[str] = field(repr=False)
    neighbour_words: frozenset[str] = field(repr=False)

    @cached_property
    def window_words(self) -> frozenset[str]:
        """Words of the sentence, its neighbours and its context."""
        return self.words | self.context_words | self.neighbour_words


def source_sentences(passages: Sequence[SelectedPassage]) -> list[SourceSentence]:
    """Return the sentences of the passages of a prompt, in order; one that commands an answer supports nothing."""
    result: list[SourceSentence] = []
    for selected in passages:
        passage = selected.hit.passage
        context = "\n".join(title for title in (selected.hit.title, *passage.headings) if not is_injected_label(title))
        commands = injected_spans(passage.text)
        context_words = match_words(context)
        # a fence or a rule between the lines of a table says nothing
        spans = [
            (start, end)
            for start, end in sentence_spans(passage.text)
            if re.search(r"\w", passage.text[start:end]) and not any(start < b and a < end for a, b in commands)
        ]
        texts = [passage.text[start:end] for start, end in spans]
        words = [match_words(text) for text in texts]
        for position, (start, end) in enumerate(spans):
            around = slice(max(0, position - NEIGHBOURS), position + NEIGHBOURS + 1)
            result.append(
                SourceSentence(
                    selected,
                    position,
                    start + passage.start,
                    end + passage.start,
                    texts[position],
                    context,
                    tuple(texts[around]),
                    words[position],
                    context_words,
                    frozenset().union(*words[around]),
                )
            )
    return result
