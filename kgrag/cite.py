"""Citations are checked, not trusted: a citation stands only if its passage has a sentence that says it.

What a statement claims is what it adds to the question: its names, numbers and other words. The cited passage
(or, where a statement rests on several, all of them together) must have sentences with those. A statement whose
own citations fail, or that has none, is tried against every passage that was shown.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from indices.bm25 import search_tokens
from kgrag.evidence import Shown
from kgrag.silence import MARK
from kgrag.text import is_cjk, key, sentences, tokens
from kgrag.types import Citation, Passage

_LETTER = re.compile(r"\w")
_AFTER_STOP = re.compile(rf"(?P<stop>[.!?。！？]+)(?P<marks>(?:\s*{MARK.pattern})+)")
ENOUGH = 0.6
"""The share of a statement's new words (names and numbers apart, which must all be there) that a source must have."""
YES_NO = frozenset(["yes", "no", "true", "false", "是", "否", "不 是", "对", "不 对"])
"""Answers that claim what was asked, or the contrary, as `kgrag.text.key` writes them."""


@dataclass(frozen=True)
class Checked:
    """``kept``: the statements that stand, with their marks, and their ``citations``; ``unsupported`` statements;
    ``dropped``: in words, what was refused and why."""

    kept: tuple[str, ...]
    citations: tuple[Citation, ...]
    unsupported: tuple[str, ...]
    dropped: tuple[str, ...]


@dataclass(frozen=True)
class _Sentence:
    shown: Shown
    start: int
    end: int
    words: frozenset[str]
    names: str


def check(question: str, answer: str, shown: Sequence[Shown], floor: float = 0.0) -> Checked:
    """Hold every statement of ``answer`` against the passages that were shown, those that scored ``floor`` or more."""
    pool = [s for passage in shown if passage.hit.score >= floor for s in _sentences(passage)]
    numbers = {passage.number for passage in shown}
    citations: list[Citation] = []
    kept: list[str] = []
    unsupported: list[str] = []
    dropped: list[str] = []
    for statement in statements(answer):
        marked = marks(statement)
        text = re.sub(r"\s+(?=[.!?。！？]*$)", "", unmarked(statement)).strip()
        dropped += [f"[{n}] refused: no such passage was shown" for n in marked if n not in numbers]
        claim = _Claim(question, text)
        own = [s for s in pool if s.shown.number in marked]
        support = claim.support(own)
        standing = {s.shown.number for s in support}
        if not support:
            support = claim.support(pool)
        dropped += [
            f"[{n}] refused: no sentence of {_title(shown, n)!r} says {text!r}"
            for n in dict.fromkeys(marked)
            if n in numbers and n not in standing
        ]
        if support:
            kept.append(statement)
        else:
            unsupported.append(text)
        for sentence in support:
            citation = cited(sentence.shown.hit.passage, sentence.start, sentence.end)
            if citation not in citations:
                citations.append(citation)
    return Checked(tuple(kept), tuple(citations), tuple(unsupported), tuple(dict.fromkeys(dropped)))


def cited(passage: Passage, start: int, end: int) -> Citation:
    """A citation of a span (offsets into the document) of a passage, with its text."""
    return Citation(passage.id, start, end, passage.text[start - passage.start : end - passage.start])


def marks(text: str) -> list[int]:
    """The numbers of the passages that a text cites, in its order."""
    return [int(n) for mark in MARK.findall(text) for n in re.findall(r"\d+", mark)]


def unmarked(text: str) -> str:
    """A text without its marks of citation."""
    return MARK.sub("", text)


def statements(answer: str) -> list[str]:
    """The sentences of an answer, each with the citation marks that follow it."""
    # marks before the full stop, where a sentence cannot be taken to begin with them
    text = _AFTER_STOP.sub(lambda m: f" {m['marks'].strip()}{m['stop']}", answer.strip())
    # the splitter does not see marks as the end of a sentence, so it is shown words instead
    masked = MARK.sub(lambda m: "x" * len(m.group()), text)
    return [text[start:end] for start, end in sentences(masked) if _LETTER.search(unmarked(text[start:end]))]


class _Claim:
    """What a statement adds to the question."""

    def __init__(self, question: str, text: str) -> None:
        asked = set(search_tokens(question))
        said = set(search_tokens(text))
        if key(text) in YES_NO:
            # "yes" claims what was asked: the passages must speak of it
            said, asked = asked, set()
        self.new = frozenset(w for w in said - asked if w not in YES_NO)
        self.said = frozenset(said)
        asked_words = {t.text for t in tokens(question)}
        # names and numbers may not be paraphrased: each must stand in the source as it is
        self.exact = frozenset(
            t.text
            for t in tokens(text)
            if t.text not in asked_words
            and not is_cjk(t.text)
            and (any(c.isdigit() for c in t.text) or text[t.start].isupper())
            and t.text not in YES_NO
            and not _begins(text, t.start)
        ) | frozenset(t.text for t in tokens(text) if t.text.isdigit() and t.text not in asked_words)

    def support(self, pool: Sequence[_Sentence]) -> list[_Sentence]:
        """The fewest sentences that together have what is claimed, best first; none if they do not have it."""
        chosen: list[_Sentence] = []
        new, exact = set(self.new), set(self.exact)
        goal = (1 - ENOUGH) * len(self.new)
        if not self.new:
            # it only repeats the question: what it repeats must be in one sentence
            best = max(pool, key=lambda s: len(s.words & self.said), default=None)
            enough = best is not None and len(best.words & self.said) >= ENOUGH * len(self.said)
            return [best] if best is not None and enough and self.said else []
        while exact or len(new) > goal:
            best = max(
                pool,
                key=lambda s: (
                    sum(f" {word} " in s.names for word in exact),
                    len(s.words & new),
                    len(s.words & self.said),
                    -s.shown.number,
                ),
                default=None,
            )
            if best is None:
                return []
            gained = {word for word in exact if f" {word} " in best.names}, new & best.words
            if not any(gained) or len(chosen) == 3:
                return []
            exact -= gained[0]
            new -= gained[1]
            chosen.append(best)
        return chosen


def _begins(text: str, place: int) -> bool:
    """Whether a capital at ``place`` may be there only because a sentence begins."""
    word = re.match(r"\w+", text[place:])
    return (
        place == 0
        and word is not None
        and word.group().lower() in {"the", "it", "he", "she", "they", "in", "both", "neither", "according"}
    )


def _sentences(passage: Shown) -> list[_Sentence]:
    title = passage.hit.title
    found = []
    for start, end in sentences(passage.hit.passage.text):
        text = passage.hit.passage.text[start:end]
        words = frozenset(search_tokens(f"{title}. {text}"))
        # a character that stands alone in the answer (年 of 1981年) is half of a pair where the sentence goes on
        alone = frozenset(t.text for t in tokens(f"{title}. {text}") if is_cjk(t.text))
        offset = passage.hit.passage.start
        found.append(_Sentence(passage, start + offset, end + offset, words | alone, f" {key(title)} {key(text)} "))
    return found


def _title(shown: Sequence[Shown], number: int) -> str:
    return next(s.hit.title for s in shown if s.number == number)
