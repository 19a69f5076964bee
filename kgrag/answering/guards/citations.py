"""Verify citations: a citation is accepted only if a sentence of its passage supports the statement.

The claim of a statement is what it adds to the question: its names, numbers and other words. Sentences of the cited
passage (or of all cited passages together, if a statement has several) must contain them. A statement without
citations, or whose citations fail, is checked against every passage of the prompt.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from indices.bm25_index import index_tokens
from kgrag.answering.stages.evidence_selection import SelectedPassage
from kgrag.text import has_cjk, normalize_name, sentence_spans, tokenize
from kgrag.text.citation_marks import CITATION_MARK, citation_numbers, strip_citation_marks
from kgrag.text.polarity import EXPLICIT_ANSWERS
from kgrag.types import Citation, Passage

_LETTER = re.compile(r"\w")
_MARKS_AFTER_STOP = re.compile(rf"(?P<stop>[.!?。！？]+)(?P<marks>(?:\s*{CITATION_MARK.pattern})+)")
MIN_TOKEN_OVERLAP = 0.6
"""Share of a statement's new words that the source must have; names and numbers must all be there."""


@dataclass(frozen=True)
class CitationCheck:
    """Result of verifying the statements of an answer.

    ``supported``: statements with support, including their citation marks; ``citations``: the sentences that support them;
    ``unsupported``: statements without support; ``refusals``: a message for each rejected citation.
    """

    supported: tuple[str, ...]
    citations: tuple[Citation, ...]
    unsupported: tuple[str, ...]
    refusals: tuple[str, ...]


@dataclass(frozen=True)
class _SourceSentence:
    selected: SelectedPassage
    start: int
    end: int
    words: frozenset[str]
    normalized_text: str


def verify_citations(
    question: str, answer: str, selected: Sequence[SelectedPassage], min_score: float = 0.0
) -> CitationCheck:
    """Check every statement of an answer against the passages of the prompt.

    Args:
        question: the user's question.
        answer: the answer, with citation marks.
        selected: the passages of the prompt.
        min_score: passages with a lower score support nothing.
    """
    pool = [s for passage in selected if passage.hit.score >= min_score for s in _source_sentences(passage)]
    numbers = {passage.number for passage in selected}
    citations: list[Citation] = []
    supported: list[str] = []
    unsupported: list[str] = []
    refusals: list[str] = []
    for statement in split_statements(answer):
        cited_numbers = citation_numbers(statement)
        text = re.sub(r"\s+(?=[.!?。！？]*$)", "", strip_citation_marks(statement)).strip()
        refusals += [f"[{n}] refused: the prompt has no such passage" for n in cited_numbers if n not in numbers]
        claim = _Claim(question, text)
        cited_sentences = [s for s in pool if s.selected.number in cited_numbers]
        support = claim.support(cited_sentences)
        supporting_numbers = {s.selected.number for s in support}
        if not support:
            support = claim.support(pool)
        refusals += [
            f"[{n}] refused: no sentence in {_title_of(selected, n)!r} supports {text!r}"
            for n in dict.fromkeys(cited_numbers)
            if n in numbers and n not in supporting_numbers
        ]
        if support:
            supported.append(statement)
        else:
            unsupported.append(text)
        for sentence in support:
            citation = make_citation(sentence.selected.hit.passage, sentence.start, sentence.end)
            if citation not in citations:
                citations.append(citation)
    return CitationCheck(tuple(supported), tuple(citations), tuple(unsupported), tuple(dict.fromkeys(refusals)))


def make_citation(passage: Passage, start: int, end: int) -> Citation:
    """Build a citation of a passage's span, given as offsets into the document."""
    quote = passage.text[start - passage.start : end - passage.start]
    return Citation(passage.id, start, end, quote, passage.page_at(start))


def split_statements(answer: str) -> list[str]:
    """Split an answer into sentences, each with the citation marks that follow it."""
    # move marks before the full stop, so that the next sentence does not begin with them
    text = _MARKS_AFTER_STOP.sub(lambda m: f" {m['marks'].strip()}{m['stop']}", answer.strip())
    # the sentence splitter does not accept marks at the end of a sentence, so mask them as words
    masked = CITATION_MARK.sub(lambda m: "x" * len(m.group()), text)
    return [
        text[start:end]
        for start, end in sentence_spans(masked)
        if _LETTER.search(strip_citation_marks(text[start:end]))
    ]


class _Claim:
    """The part of a statement that its question does not contain."""

    def __init__(self, question: str, text: str) -> None:
        question_words = set(index_tokens(question))
        claim_words = set(index_tokens(text))
        if normalize_name(text) in EXPLICIT_ANSWERS:
            # "yes" claims the question itself: the passages must support that
            claim_words, question_words = question_words, set()
        self.new_words = frozenset(w for w in claim_words - question_words if w not in EXPLICIT_ANSWERS)
        self.all_words = frozenset(claim_words)
        question_tokens = {t.text for t in tokenize(question)}
        # names and numbers must not be paraphrased: the source must contain each of them literally
        self.exact_words = frozenset(
            t.text
            for t in tokenize(text)
            if t.text not in question_tokens
            and not has_cjk(t.text)
            and (any(c.isdigit() for c in t.text) or text[t.start].isupper())
            and t.text not in EXPLICIT_ANSWERS
            and not _is_sentence_initial(text, t.start)
        ) | frozenset(t.text for t in tokenize(text) if t.text.isdigit() and t.text not in question_tokens)

    def support(self, pool: Sequence[_SourceSentence]) -> list[_SourceSentence]:
        """Return the fewest sentences that together contain the claim, best first; an empty list if they do not."""
        chosen: list[_SourceSentence] = []
        missing_words, missing_exact = set(self.new_words), set(self.exact_words)
        max_missing = (1 - MIN_TOKEN_OVERLAP) * len(self.new_words)
        if not self.new_words:
            # the statement only repeats the question: one sentence must contain it
            best = max(pool, key=lambda s: len(s.words & self.all_words), default=None)
            covers_claim = best is not None and len(best.words & self.all_words) >= MIN_TOKEN_OVERLAP * len(
                self.all_words
            )
            return [best] if best is not None and covers_claim and self.all_words else []
        while missing_exact or len(missing_words) > max_missing:
            best = max(
                pool,
                key=lambda s: (
                    sum(f" {word} " in s.normalized_text for word in missing_exact),
                    len(s.words & missing_words),
                    len(s.words & self.all_words),
                    -s.selected.number,
                ),
                default=None,
            )
            if best is None:
                return []
            found_words = (
                {word for word in missing_exact if f" {word} " in best.normalized_text},
                missing_words & best.words,
            )
            if not any(found_words) or len(chosen) == 3:
                return []
            missing_exact -= found_words[0]
            missing_words -= found_words[1]
            chosen.append(best)
        return chosen


def _is_sentence_initial(text: str, offset: int) -> bool:
    """Whether the capital letter at an offset may only mark the beginning of a sentence."""
    word = re.match(r"\w+", text[offset:])
    return (
        offset == 0
        and word is not None
        and word.group().lower() in {"the", "it", "he", "she", "they", "in", "both", "neither", "according"}
    )


def _source_sentences(passage: SelectedPassage) -> list[_SourceSentence]:
    """Return the sentences of a passage with the words to match, its title's included."""
    title = passage.hit.title
    source_sentences = []
    for start, end in sentence_spans(passage.hit.passage.text):
        text = passage.hit.passage.text[start:end]
        words = frozenset(index_tokens(f"{title}. {text}"))
        # a single character of the answer (年 of 1981年) is half of a character pair in a longer sentence
        single_characters = frozenset(t.text for t in tokenize(f"{title}. {text}") if has_cjk(t.text))
        offset = passage.hit.passage.start
        source_sentences.append(
            _SourceSentence(
                passage,
                start + offset,
                end + offset,
                words | single_characters,
                f" {normalize_name(title)} {normalize_name(text)} ",
            )
        )
    return source_sentences


def _title_of(selected: Sequence[SelectedPassage], number: int) -> str:
    return next(s.hit.title for s in selected if s.number == number)
