"""Check an answer against typed facts, and its names and numbers against the evidence."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from graphs.predicates import PredicateSchema
from kgrag.factuality.records import TokenRecord
from kgrag.factuality.scoring.outcomes import answer_matches
from kgrag.graphqa.traversal import GraphAnswer
from kgrag.metrics.answers import normalize_answer
from kgrag.text import content_words, has_cjk, normalize_name, tokenize
from kgrag.text.polarity import CANONICAL_ANSWERS
from kgrag.types import ClaimVerdict, Path, Verdict

MIN_REFUTING_CONFIDENCE = 0.5
"""Minimum confidence of typed facts that contradict an answer; less confident facts can only support it."""
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_NAME = re.compile(r"[A-ZÀ-Þ][\w'’.-]*(?:\s+(?:of|the|de|von|van|and)?\s*[A-ZÀ-Þ0-9][\w'’.-]*)*")


class GraphVerdict(NamedTuple):
    """The judgement of an answer by typed facts, its paths, and the answer that the facts give."""

    judgement: ClaimVerdict
    paths: tuple[Path, ...] = ()
    expected_answer: str = ""


def verify_with_graph(
    question: str,
    answer: str,
    answer_from_graph: Callable[[str], Sequence[GraphAnswer]],
    vocabulary: PredicateSchema,
    may_coexist: Callable[[str, str], bool],
) -> GraphVerdict | None:
    """Judge an answer by typed facts; None if they do not cover the question.

    Facts that lead to the answer support it. The most confident facts contradict it if they lead to another value, all of
    their predicates have one value only, and the two values cannot both be correct.

    Args:
        question: text of the question.
        answer: the answer to judge.
        answer_from_graph: returns answers from typed facts, best first (`GraphQA.answer`).
        vocabulary: predicate schema; tells which predicates have one value only.
        may_coexist: whether two values, given as entity ids, may both be correct.
    """
    candidates = answer_from_graph(question)
    if not candidates:
        return None
    bare_answer = normalize_answer(answer)
    for candidate in candidates:
        if answer_matches(bare_answer, [candidate.text], vocabulary) or answer_matches(
            candidate.text, [bare_answer], vocabulary
        ):
            judgement = ClaimVerdict(Verdict.SUPPORTED, round(candidate.confidence, 4))
            return GraphVerdict(judgement, (candidate.path, *candidate.second_paths), candidate.text)
    best = candidates[0]
    triples = best.path.triples
    is_functional = bool(triples) and all(t.predicate in vocabulary.predicates and vocabulary.predicates[t.predicate].functional for t in triples)  # fmt: skip
    if (
        is_functional
        and best.confidence >= MIN_REFUTING_CONFIDENCE
        and not may_coexist(best.path.nodes[-1], normalize_name(bare_answer))
    ):
        judgement = ClaimVerdict(Verdict.REFUTED, round(1 - best.confidence, 4))
        return GraphVerdict(judgement, (best.path, *best.second_paths), best.text)
    return GraphVerdict(ClaimVerdict(Verdict.NOT_ENOUGH_INFO, 0.5), (), best.text)


def ungrounded_tokens(question: str, answer: str, texts: Sequence[str]) -> TokenRecord:
    """Return the names and numbers that an answer adds to its question, and those of them that no text contains."""
    bare_answer = normalize_answer(answer)
    question_text, evidence_text = (
        f" {normalize_name(question)} ",
        " " + " ".join(normalize_name(text) for text in texts) + " ",
    )
    numbers = [n for n in dict.fromkeys(_NUMBER.findall(bare_answer)) if f" {normalize_name(n)} " not in question_text]
    if has_cjk(bare_answer):
        # Chinese names have no capitals: a short answer counts as a name, a longer one is not searched
        names = [bare_answer] if len(tokenize(bare_answer)) <= 12 and not numbers and content_words(bare_answer) else []
    else:
        names = [
            n.rstrip(".")
            for n in dict.fromkeys(_NAME.findall(bare_answer))
            if normalize_name(n) not in CANONICAL_ANSWERS | {"the", "a"}
        ]
    names = [n for n in names if f" {normalize_name(n)} " not in question_text]
    return {
        "names": names,
        "names_missing": [n for n in names if f" {normalize_name(n)} " not in evidence_text],
        "numbers": numbers,
        "numbers_missing": [n for n in numbers if f" {normalize_name(n)} " not in evidence_text],
    }
