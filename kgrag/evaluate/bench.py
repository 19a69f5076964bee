"""Benchmarks: retrieval and answers over a file of questions, every figure with its interval."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from kgrag.answer import Answerer, Reader
from kgrag.errors import UsageError
from kgrag.evaluate.metrics import all_gold_at, bare, exact_match, recall_at, reciprocal_rank, token_f1
from kgrag.evaluate.statistics import interval, percentile
from kgrag.protocols import Retriever
from kgrag.types import Answer, Hit, Interval, Question

Tick = Callable[[], None]
ARMS = ("grounded", "closed-book", "gold")
DEPTH = 10


def retrieval(retriever: Retriever, questions: Sequence[Question], tick: Tick = lambda: None) -> dict[str, Any]:
    """Recall@1/2/5/10, mean reciprocal rank, all-gold@5 and latency.

    Documents are ranked by their best passage. Questions without gold documents are counted, not scored. Latency is
    of `Retriever.retrieve` alone, in milliseconds, after one question to warm up.

    Returns:
        JSON-ready: measure -> {"value", "low", "high"}, "questions", "unscored", and "by type" with recall@5.
    """
    retriever.retrieve(questions[0].text, DEPTH)
    values: dict[str, list[float]] = {}
    kinds: dict[str, list[float]] = {}
    for question in questions:
        start = time.perf_counter()
        hits = retriever.retrieve(question.text, DEPTH)
        values.setdefault("latency", []).append(1000 * (time.perf_counter() - start))
        ranked = list(dict.fromkeys(hit.passage.document_id for hit in hits))
        for k in (1, 2, 5, 10):
            values.setdefault(f"recall@{k}", []).append(recall_at(ranked, question.gold, k))
        values.setdefault("mrr", []).append(reciprocal_rank(ranked, question.gold))
        values.setdefault("all-gold@5", []).append(all_gold_at(ranked, question.gold, 5))
        if question.type:
            kinds.setdefault(question.type, []).append(values["recall@5"][-1])
        tick()
    latency = values.pop("latency")
    report: dict[str, Any] = {name: asdict(interval(v)) for name, v in values.items()}
    report["latency p50 ms"] = asdict(interval(latency, percentile(50)))
    report["latency p95 ms"] = asdict(interval(latency, percentile(95)))
    report["questions"] = len(questions)
    report["unscored"] = sum(math.isnan(v) for v in values["mrr"])
    if kinds:
        report["by type"] = {
            kind: {"questions": len(v), "recall@5": asdict(interval(v))} for kind, v in sorted(kinds.items())
        }
    return report


def answers(
    answerer: Answerer,
    questions: Sequence[Question],
    *,
    reader: Reader = "auto",
    arm: str = "grounded",
    k: int = 8,
    gold: Callable[[Question], list[Hit]] = lambda _: [],
    tick: Tick = lambda: None,
) -> tuple[dict[str, Any], list[Answer]]:
    """Token F1, exact match, share abstained and seconds a question.

    An abstention scores 0 where there is an accepted answer. Questions without accepted answers are scored by
    abstention alone, as ``"abstained on unanswerable"``.

    Args:
        arm: the store's evidence, none, or the gold passages.
        gold: gives the gold passages of a question.

    Raises:
        UsageError: there is no such arm.
    """
    if arm not in ARMS:
        raise UsageError(f"Expected --arm to be one of {', '.join(ARMS)}, found {arm!r}.")
    given: list[Answer] = []
    for question in questions:
        if arm == "closed-book":
            given.append(answerer.from_memory(question.text))
        elif arm == "gold":
            given.append(answerer.from_passages(question.text, gold(question)))
        else:
            given.append(answerer.ask(question.text, k, reader=reader))
        tick()
    return score(questions, given), given


def score(questions: Sequence[Question], given: Sequence[Answer]) -> dict[str, Any]:
    """The measures of answers that were given to questions, JSON-ready."""
    answerable = [(q, a) for q, a in zip(questions, given, strict=True) if q.answers]
    silent = [float(a.abstained) for q, a in zip(questions, given, strict=True) if not q.answers]
    spoken = [(q, a) for q, a in answerable if not a.abstained]

    def measured(pairs: Sequence[tuple[Question, Answer]], metric: Callable[[str, Sequence[str]], float]) -> Interval:
        return interval([0.0 if a.abstained else metric(bare(a.text), q.answers) for q, a in pairs])

    report: dict[str, Any] = {
        "f1": asdict(measured(answerable, token_f1)),
        "em": asdict(measured(answerable, exact_match)),
        "abstained": asdict(interval([float(a.abstained) for _, a in answerable])),
        "f1 when answered": asdict(measured(spoken, token_f1)),
        "seconds": asdict(interval([a.seconds for a in given])),
        "questions": len(questions),
        "by graph": sum(a.reader == "graph" and not a.abstained for a in given),
        "model": next((a.model for a in given if a.model), ""),
    }
    if silent:
        report["abstained on unanswerable"] = asdict(interval(silent))
    return report
