"""What the graph says of an answer, and whether the names and numbers in it stand anywhere in the evidence."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from graphs.vocabulary import Vocabulary
from kgrag.evaluate.metrics import bare
from kgrag.factuality.outcomes import matches
from kgrag.reader.walk import Candidate
from kgrag.text import content_words, is_cjk, key, tokens
from kgrag.types import Judgement, Path, Verdict

SURE = 0.5
"""The least confidence of typed facts that contradict; those less sure only support, or say nothing."""
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_NAME = re.compile(r"[A-ZÀ-Þ][\w'’.-]*(?:\s+(?:of|the|de|von|van|and)?\s*[A-ZÀ-Þ0-9][\w'’.-]*)*")


class Said(NamedTuple):
    """The graph's judgement of an answer, and the paths that it rests on; ``expected`` is what the facts say."""

    judgement: Judgement
    paths: tuple[Path, ...] = ()
    expected: str = ""


def said_by_graph(
    question: str,
    answer: str,
    read: Callable[[str], Sequence[Candidate]],
    vocabulary: Vocabulary,
    agree: Callable[[str, str], bool],
) -> Said | None:
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
    candidates = read(question)
    if not candidates:
        return None
    said = bare(answer)
    for candidate in candidates:
        if matches(said, [candidate.text]) or matches(candidate.text, [said]):
            judgement = Judgement(Verdict.SUPPORTED, round(candidate.confidence, 4))
            return Said(judgement, (candidate.path, *candidate.also), candidate.text)
    best = candidates[0]
    triples = best.path.triples
    functional = bool(triples) and all(t.predicate in vocabulary.predicates and vocabulary.predicates[t.predicate].functional for t in triples)  # fmt: skip
    if functional and best.confidence >= SURE and not agree(best.path.nodes[-1], key(said)):
        judgement = Judgement(Verdict.REFUTED, round(1 - best.confidence, 4))
        return Said(judgement, (best.path, *best.also), best.text)
    return Said(Judgement(Verdict.NOT_ENOUGH_INFO, 0.5), (), best.text)


def standing(question: str, answer: str, texts: Sequence[str]) -> dict[str, Any]:
    """The names and numbers that an answer adds to its question, and which of them stand in no text.

    Returns:
        {"names": [...], "names_missing": [...], "numbers": [...], "numbers_missing": [...]}; JSON-ready.
    """
    said = bare(answer)
    asked, known = f" {key(question)} ", " " + " ".join(key(text) for text in texts) + " "
    numbers = [n for n in dict.fromkeys(_NUMBER.findall(said)) if f" {key(n)} " not in asked]
    if is_cjk(said):
        # names in Chinese wear no capitals: a short answer is one, a longer one is not looked into
        names = [said] if len(tokens(said)) <= 12 and not numbers and content_words(said) else []
    else:
        names = [n.rstrip(".") for n in dict.fromkeys(_NAME.findall(said)) if key(n) not in {"yes", "no", "the", "a"}]
    names = [n for n in names if f" {key(n)} " not in asked]
    return {
        "names": names,
        "names_missing": [n for n in names if f" {key(n)} " not in known],
        "numbers": numbers,
        "numbers_missing": [n for n in numbers if f" {key(n)} " not in known],
    }
