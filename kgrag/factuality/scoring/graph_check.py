"""What the graph says of an answer, and whether the names and numbers in it stand anywhere in the evidence."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from graphs.predicates import PredicateSchema
from kgrag.factuality.scoring.outcomes import answer_matches
from kgrag.graphqa.traversal import GraphAnswer
from kgrag.metrics.answers import normalize_answer
from kgrag.text import content_words, has_cjk, normalize_name, tokenize
from kgrag.types import ClaimVerdict, Path, Verdict

MIN_REFUTING_CONFIDENCE = 0.5
"""The least confidence of typed facts that contradict; those less sure only support, or say nothing."""
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_NAME = re.compile(r"[A-ZÀ-Þ][\w'’.-]*(?:\s+(?:of|the|de|von|van|and)?\s*[A-ZÀ-Þ0-9][\w'’.-]*)*")


class GraphVerdict(NamedTuple):
    """The graph's judgement of an answer, and the paths that it rests on; ``expected`` is what the facts say."""

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
    """What typed facts say of an answer; None where they do not cover the question.

    Facts that lead to the answer support it. If the surest of them lead elsewhere, by a predicate that has one value, and
    the two values cannot both be right, they contradict it.

    Args:
        question: what was asked.
        answer: what was said.
        read: answers from typed facts, best first (`GraphReader.read`).
        vocabulary: which predicates have one value.
        agree: whether two values, entity ids, may both be right.
    """
    candidates = answer_from_graph(question)
    if not candidates:
        return None
    bare_answer = normalize_answer(answer)
    for candidate in candidates:
        if answer_matches(bare_answer, [candidate.text]) or answer_matches(candidate.text, [bare_answer]):
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


def ungrounded_tokens(question: str, answer: str, texts: Sequence[str]) -> dict[str, Any]:
    """The names and numbers that an answer adds to its question, and which of them stand in no text.

    Returns:
        {"names": [...], "names_missing": [...], "numbers": [...], "numbers_missing": [...]}; JSON-ready.
    """
    bare_answer = normalize_answer(answer)
    question_text, evidence_text = (
        f" {normalize_name(question)} ",
        " " + " ".join(normalize_name(text) for text in texts) + " ",
    )
    numbers = [n for n in dict.fromkeys(_NUMBER.findall(bare_answer)) if f" {normalize_name(n)} " not in question_text]
    if has_cjk(bare_answer):
        # names in Chinese wear no capitals: a short answer is one, a longer one is not looked into
        names = [bare_answer] if len(tokenize(bare_answer)) <= 12 and not numbers and content_words(bare_answer) else []
    else:
        names = [
            n.rstrip(".")
            for n in dict.fromkeys(_NAME.findall(bare_answer))
            if normalize_name(n) not in {"yes", "no", "the", "a"}
        ]
    names = [n for n in names if f" {normalize_name(n)} " not in question_text]
    return {
        "names": names,
        "names_missing": [n for n in names if f" {normalize_name(n)} " not in evidence_text],
        "numbers": numbers,
        "numbers_missing": [n for n in numbers if f" {normalize_name(n)} " not in evidence_text],
    }
