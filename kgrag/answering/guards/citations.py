"""Citations are checked, not trusted: a citation stands only if its passage has a sentence that says it.

What a statement claims is what it adds to the question: its names, numbers and other words. The cited passage
(or, where a statement rests on several, all of them together) must have sentences with those. A statement whose
own citations fail, or that has none, is tried against every passage that was shown.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from indices.bm25_index import index_tokens
from kgrag.answering.stages.evidence_selection import SelectedPassage
from kgrag.text import has_cjk, normalize_name, sentence_spans, tokenize
from kgrag.text.citation_marks import CITATION_MARK
from kgrag.types import Citation, Passage

_LETTER = re.compile(r"\w")
_MARKS_AFTER_STOP = re.compile(rf"(?P<stop>[.!?。！？]+)(?P<marks>(?:\s*{CITATION_MARK.pattern})+)")
MIN_TOKEN_OVERLAP = 0.6
"""The share of a statement's new words (names and numbers apart, which must all be there) that a source must have."""
YES_NO_ANSWERS = frozenset(["yes", "no", "true", "false", "是", "否", "不 是", "对", "不 对"])
"""Answers that claim what was asked, or the contrary, as `kgrag.text.key` writes them."""


@dataclass(frozen=True)
class CitationCheck:
    """``kept``: the statements that stand, with their marks, and their ``citations``; ``unsupported`` statements;
    ``dropped``: in words, what was refused and why."""

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
    """Hold every statement of ``answer`` against the passages that were shown, those that scored ``floor`` or more."""
    pool = [s for passage in selected if passage.hit.score >= min_score for s in _source_sentences(passage)]
    numbers = {passage.number for passage in selected}
    citations: list[Citation] = []
    supported: list[str] = []
    unsupported: list[str] = []
    refusals: list[str] = []
    for statement in split_statements(answer):
        cited_numbers = citation_numbers(statement)
        text = re.sub(r"\s+(?=[.!?。！？]*$)", "", strip_citation_marks(statement)).strip()
        refusals += [f"[{n}] refused: no such passage was shown" for n in cited_numbers if n not in numbers]
        claim = _Claim(question, text)
        cited_sentences = [s for s in pool if s.selected.number in cited_numbers]
        support = claim.support(cited_sentences)
        supporting_numbers = {s.selected.number for s in support}
        if not support:
            support = claim.support(pool)
        refusals += [
            f"[{n}] refused: no sentence of {_title_of(selected, n)!r} says {text!r}"
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
    """A citation of a span (offsets into the document) of a passage, with its text."""
    return Citation(passage.id, start, end, passage.text[start - passage.start : end - passage.start])


def citation_numbers(text: str) -> list[int]:
    """The numbers of the passages that a text cites, in its order."""
    return [int(n) for mark in CITATION_MARK.findall(text) for n in re.findall(r"\d+", mark)]


def strip_citation_marks(text: str) -> str:
    """A text without its marks of citation."""
    return CITATION_MARK.sub("", text)


def split_statements(answer: str) -> list[str]:
    """The sentences of an answer, each with the citation marks that follow it."""
    # marks before the full stop, where a sentence cannot be taken to begin with them
    text = _MARKS_AFTER_STOP.sub(lambda m: f" {m['marks'].strip()}{m['stop']}", answer.strip())
    # the splitter does not see marks as the end of a sentence, so it is shown words instead
    masked = CITATION_MARK.sub(lambda m: "x" * len(m.group()), text)
    return [
        text[start:end]
        for start, end in sentence_spans(masked)
        if _LETTER.search(strip_citation_marks(text[start:end]))
    ]


class _Claim:
    """What a statement adds to the question."""

    def __init__(self, question: str, text: str) -> None:
        question_words = set(index_tokens(question))
        claim_words = set(index_tokens(text))
        if normalize_name(text) in YES_NO_ANSWERS:
            # "yes" claims what was asked: the passages must speak of it
            claim_words, question_words = question_words, set()
        self.new_words = frozenset(w for w in claim_words - question_words if w not in YES_NO_ANSWERS)
        self.all_words = frozenset(claim_words)
        question_tokens = {t.text for t in tokenize(question)}
        # names and numbers may not be paraphrased: each must stand in the source as it is
        self.exact_words = frozenset(
            t.text
            for t in tokenize(text)
            if t.text not in question_tokens
            and not has_cjk(t.text)
            and (any(c.isdigit() for c in t.text) or text[t.start].isupper())
            and t.text not in YES_NO_ANSWERS
            and not _is_sentence_initial(text, t.start)
        ) | frozenset(t.text for t in tokenize(text) if t.text.isdigit() and t.text not in question_tokens)

    def support(self, pool: Sequence[_SourceSentence]) -> list[_SourceSentence]:
        """The fewest sentences that together have what is claimed, best first; none if they do not have it."""
        chosen: list[_SourceSentence] = []
        missing_words, missing_exact = set(self.new_words), set(self.exact_words)
        max_missing = (1 - MIN_TOKEN_OVERLAP) * len(self.new_words)
        if not self.new_words:
            # it only repeats the question: what it repeats must be in one sentence
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
    """Whether a capital at ``place`` may be there only because a sentence begins."""
    word = re.match(r"\w+", text[offset:])
    return (
        offset == 0
        and word is not None
        and word.group().lower() in {"the", "it", "he", "she", "they", "in", "both", "neither", "according"}
    )


def _source_sentences(passage: SelectedPassage) -> list[_SourceSentence]:
    title = passage.hit.title
    source_sentences = []
    for start, end in sentence_spans(passage.hit.passage.text):
        text = passage.hit.passage.text[start:end]
        words = frozenset(index_tokens(f"{title}. {text}"))
        # a character that stands alone in the answer (年 of 1981年) is half of a pair where the sentence goes on
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
