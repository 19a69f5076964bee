"""Compare negations: a clause of a statement must not reverse a clause of its source."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from kgrag.answering.guards.literal_text import PLACEHOLDER_TAG
from kgrag.answering.guards.match_words import match_words
from kgrag.text import CJK, has_cjk

_NEGATION = re.compile(
    r"\b(?:not|no(?! later)|never|none|neither|nor|without|cannot|nothing|nobody|nowhere|unable)\b|n['’]t\b"
    r"|不(?!同|仅|但|过|断|管|久|少|良|幸|论)|没有?|未(?!来)|无(?!论|奈|线)|勿|莫|并非|而非|禁止|避免",
    re.IGNORECASE,
)
_NEGATIVE_SENSE = re.compile(
    r"\b(?:only|unless|fail\w*|refus\w*|reject\w*|prevent\w*|avoid\w*|ignor\w*|disabl\w*|prohibit\w*|forbid\w*|disallow\w*"
    r"|lack\w*|miss\w*|except\w*|impossible|illegal|invalid|useless|un[a-z]{4,}|non-?[a-z]+|in[a-z]{4,}ble|[a-z]{3,}less|too|out of"
    r"|omit\w*|skip\w*|exclu\w*|suppress\w*|instead|rather|other than|otherwise|free of)\b"
    r"|只|仅|除|非|失败|拒绝|忽略|否则|才|代替|跳过",
    re.IGNORECASE,
)
_CLAUSE_END = re.compile(
    rf"[;:,()。；，：、（）\n]|[.!?](?=\s|$)|\b(?:but|whereas|while|because|since|so that|so|although|unless|and|or|if|when|which|that|until)\b"
    rf"|但是?|而(?!非)|因为|所以|(?<=[{CJK}])[则并]"
)
_YES = re.compile(r"(?:yes|能|可以|会|需要|是的?|对)(?=[\s,.:;，。：；])", re.IGNORECASE)
_CODE = re.compile(
    PLACEHOLDER_TAG
    + r"|`[^`\n]*`|(?<!\S)-{1,2}[A-Za-z]\S*|[A-Za-z]\w*[:=/\\_][\w./:=\\-]+|[A-Za-z][A-Za-z0-9_.-]*\([^()\s]{0,20}\)"
)
"""Matches what is no prose: ``rm(1)`` and ``close()`` do not end a clause."""
_KEEPS_FROM = re.compile(r"\b(?:keep|stop|block|hinder)\b|阻止|防止", re.IGNORECASE)
_NOT_ONLY = re.compile(r"\bnot only\b|不仅|不只|不但", re.IGNORECASE)
MIN_OVERLAP = 0.7
"""Share of a clause's words that are in the source which one clause of the source must have to contradict it."""

MIN_STATEMENT_WORDS, MIN_STATEMENT_PAIRS = 4, 6
"""Words, or pairs of Chinese characters, of a statement from which it resembles a sentence by more than chance."""
SENTENCE_WEIGHT = 1.0
"""Weight of the words that a whole sentence shares with a statement, beside those of one clause."""
MIN_ADVANTAGE = 0.15
"""How much closer to a clause one of opposite polarity must be than any of the same polarity."""


class Clause(NamedTuple):
    """A clause with the words before a negation, those after it, and whether it has a word of negative sense."""

    text: str
    words: frozenset[str]
    reversed_words: frozenset[str]
    is_negated: bool
    negative_words: frozenset[str]
    is_ambiguous: bool
    sentence_words: frozenset[str]


@lru_cache(maxsize=4096)
def split_clauses(text: str) -> tuple[Clause, ...]:
    """Split a sentence into clauses at punctuation and conjunctions."""
    clauses: list[Clause] = []
    text = _CODE.sub(lambda m: "x" * len(m.group()), text)
    sentence_words = _compared_words(text)
    has_two_negations = len(_NEGATION.findall(text)) > 1
    start, is_conditional = 0, False
    for boundary in [*_CLAUSE_END.finditer(text), None]:
        end = boundary.start() if boundary else len(text)
        clause = text[start:end].strip()
        if clause:
            negation = _NEGATION.search(clause)
            rest = clause[negation.end() :] if negation else ""
            words = _compared_words(_NEGATION.sub(" ", clause))
            # "not used when it is not populated" says that it must be populated
            is_ambiguous = has_two_negations and is_conditional
            clauses.append(
                Clause(
                    clause,
                    words,
                    _compared_words(rest) & words,
                    bool(negation),
                    frozenset(m.group().casefold() for m in _NEGATIVE_SENSE.finditer(clause)),
                    is_ambiguous,
                    sentence_words,
                )
            )
        if boundary:
            start = boundary.end()
            is_conditional = is_conditional or boundary.group().lower() in ("if", "when", "unless", "until")
    return tuple(clauses)


def opposed_clause(claim_text: str, question: str, near: Sequence[str], sources: Sequence[str]) -> str:
    """Return the clause of a claim whose opposite its sources state, or "".

    Args:
        claim_text: the statement.
        question: the user's question.
        near: the sentences that support the statement, and those around them.
        sources: all sentences of the cited passages.
    """
    if _NOT_ONLY.search(claim_text) and not any(_NOT_ONLY.search(text) or " also " in text for text in near):
        return claim_text
    clauses = split_clauses(claim_text)
    if _YES.match(claim_text) and (negated := _negated_question(clauses, question)):
        return negated
    near_clauses = [clause for text in near for clause in split_clauses(text)]
    source_clauses = [clause for text in sources for clause in split_clauses(text)]
    statement_words = _compared_words(claim_text) & frozenset().union(*(c.sentence_words for c in source_clauses))
    known_words = frozenset().union(*(clause.words for clause in source_clauses))
    for clause in clauses:
        if clause.is_negated and not any(c.is_negated or c.negative_words for c in near_clauses):
            return clause.text
        compared = clause.words & known_words
        if len(compared) < (2 if has_cjk(clause.text) or not clause.is_negated else 1):
            continue
        same = opposite = 0.0
        for source in source_clauses:
            share = len(compared & source.words) / len(compared)
            if not share:
                continue
            # of two like clauses, that of the sentence which shares more of the statement speaks for it
            closeness = share + SENTENCE_WEIGHT * len(statement_words & source.sentence_words) / len(statement_words)
            if _agree(clause, source):
                same = max(same, closeness)
            elif share >= MIN_OVERLAP and _is_reversed(clause, source):
                opposite = max(opposite, closeness)
        if opposite > same + MIN_ADVANTAGE:
            return clause.text
    return _opposed_sentence(clauses, statement_words, near)


def _opposed_sentence(clauses: Sequence[Clause], statement_words: frozenset[str], near: Sequence[str]) -> str:
    """Return the sentence that a statement repeats with one negation more or less, or ""."""
    negations = sum(clause.is_negated for clause in clauses)
    negative_words = frozenset().union(*(clause.negative_words for clause in clauses))
    best, best_share = None, 0.0
    for text in near:
        source = split_clauses(text)
        share = len(statement_words & source[0].sentence_words) / max(len(statement_words), 1) if source else 0.0
        if share > best_share:
            best, best_share = source, share
    min_words = MIN_STATEMENT_PAIRS if has_cjk("".join(statement_words)) else MIN_STATEMENT_WORDS
    if best is None or best_share < MIN_OVERLAP or negations > 1 or len(statement_words) < min_words:
        return ""
    source_negations = sum(clause.is_negated for clause in best)
    source_negative = frozenset().union(*(clause.negative_words for clause in best))
    if negations == 0 and source_negations == 1 and not negative_words - source_negative:
        return next(
            (
                c.text
                for c in best
                if c.is_negated and len(c.reversed_words & statement_words) * 2 >= len(c.reversed_words)
            ),
            "",
        )
    if negations == 1 and source_negations == 0 and not source_negative - negative_words:
        negated = next(clause for clause in clauses if clause.is_negated)
        share = len(negated.words & best[0].sentence_words) / max(len(negated.words), 1)
        return negated.text if share >= MIN_OVERLAP else ""
    return ""


def _is_reversed(claim: Clause, source: Clause) -> bool:
    """Whether the negation of one of two clauses is over words of the other."""
    reversed_words, words = (
        (claim.reversed_words, source.words) if claim.is_negated else (source.reversed_words, claim.words)
    )
    return bool(reversed_words & words)


def _agree(claim: Clause, source: Clause) -> bool:
    """Whether a clause may have the polarity of a source clause."""
    if claim.is_negated == source.is_negated:
        return True
    if source.is_ambiguous:
        return True
    # a word of negative sense that both have makes no difference
    with_sense, other = (source, claim) if claim.is_negated else (claim, source)
    return bool(with_sense.negative_words - other.negative_words)


def _negated_question(clauses: Sequence[Clause], question: str) -> str:
    """Return a clause that negates words of a question, which a "yes" cannot stand before, or ""."""
    question_words = _compared_words(question)
    if _NEGATION.search(question) or _NEGATIVE_SENSE.search(question) or _KEEPS_FROM.search(question):
        return ""
    for clause in clauses[1:4]:
        if clause.is_negated and clause.reversed_words & question_words:
            return clause.text
    return ""


def _compared_words(text: str) -> frozenset[str]:
    """Return the words of a text; of Chinese the pairs of characters."""
    return frozenset(word for word in match_words(text) if len(word) > 1 or not has_cjk(word))
