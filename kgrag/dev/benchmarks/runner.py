"""Benchmarks of retrieval and answers over a file of questions, every figure with its interval."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Container, Sequence
from typing import NotRequired, TypedDict

from kgrag.answering.pipeline import AnswerPipeline, ReaderMode
from kgrag.dev.benchmarks.run_comparison import score_rankings, with_intervals
from kgrag.dev.benchmarks.trec_runs import Ranking
from kgrag.errors import UsageError
from kgrag.metrics.answers import exact_match, normalize_answer, token_f1
from kgrag.metrics.intervals import IntervalJson, bootstrap_interval, interval_json, percentile
from kgrag.metrics.ranking import MAX_RANK
from kgrag.protocols import Retriever
from kgrag.types import Answer, Hit, Interval, Question

Tick = Callable[[], None]
ARMS = ("grounded", "closed-book", "gold", "plain")
RetrievalReport = dict[str, object]
"""Measure -> `IntervalJson`, latency included; "questions", "unscored", and "by type" with recall@5."""
AnswerReport = TypedDict(
    "AnswerReport",
    {
        "f1": IntervalJson,
        "em": IntervalJson,
        "abstained": IntervalJson,
        "f1 when answered": IntervalJson,
        "seconds": IntervalJson,
        "questions": int,
        "by graph": int,
        "model": str,
        "abstained on unanswerable": NotRequired[IntervalJson],
        "missing_gold": NotRequired[list[str]],
    },
)
"""Measures of answers.

"by graph" counts the answers that the graph reader gave; the command adds "missing_gold" (`find_missing_gold`).
"""


def measure_retrieval(
    retriever: Retriever, questions: Sequence[Question], tick: Tick = lambda: None
) -> RetrievalReport:
    """Retrieve for every question, and report: `time_retrieval`, then `retrieval_report`."""
    return retrieval_report(questions, *time_retrieval(retriever, questions, tick))


def time_retrieval(
    retriever: Retriever, questions: Sequence[Question], tick: Tick = lambda: None
) -> tuple[list[Ranking], list[float]]:
    """Return for each question the documents of its `MAX_RANK` best passages, and the milliseconds.

    Documents are in the order of their best passages. The time is of `Retriever.retrieve` alone, after one warm-up
    question.
    """
    retriever.retrieve(questions[0].text, MAX_RANK)
    rankings: list[Ranking] = []
    milliseconds = []
    for question in questions:
        start = time.perf_counter()
        hits = retriever.retrieve(question.text, MAX_RANK)
        milliseconds.append(1000 * (time.perf_counter() - start))
        score_by_document: dict[str, float] = {}
        lowest = 1.0
        for hit in hits:  # with a cross-encoder scores may rise, but the scores of a run file must give the order
            lowest = min(lowest, hit.score)
            score_by_document.setdefault(hit.passage.document_id, lowest)
        rankings.append(list(score_by_document.items()))
        tick()
    return rankings, milliseconds


def retrieval_report(
    questions: Sequence[Question], rankings: Sequence[Ranking], milliseconds: Sequence[float]
) -> RetrievalReport:
    """Return recall@1/2/5/10, mean reciprocal rank, all-gold@5 and latency.

    Questions without gold are counted, not scored.

    Returns:
        JSON-ready: measure -> {"value", "low", "high"}, "questions", "unscored", and "by type" with recall@5.
    """
    values = score_rankings(questions, rankings)
    recalls_by_type: dict[str, list[float]] = {}
    for question, recall in zip(questions, values["recall@5"], strict=True):
        if question.type:
            recalls_by_type.setdefault(question.type, []).append(recall)
    report: RetrievalReport = {**with_intervals(values)}
    report["latency p50 ms"] = interval_json(bootstrap_interval(milliseconds, percentile(50)))
    report["latency p95 ms"] = interval_json(bootstrap_interval(milliseconds, percentile(95)))
    report["questions"] = len(questions)
    report["unscored"] = sum(math.isnan(v) for v in values["mrr"])
    if recalls_by_type:
        report["by type"] = {
            kind: {"questions": len(v), "recall@5": interval_json(bootstrap_interval(v))}
            for kind, v in sorted(recalls_by_type.items())
        }
    return report


def find_missing_gold(questions: Sequence[Question], documents: Container[str]) -> list[str]:
    """Return the gold ids that are no document, in the order of the questions."""
    return [gold for gold in dict.fromkeys(gold for q in questions for gold in q.gold) if gold not in documents]


def measure_answers(
    answerer: AnswerPipeline,
    questions: Sequence[Question],
    *,
    reader: ReaderMode = "auto",
    arm: str = "grounded",
    k: int = 8,
    gold: Callable[[Question], list[Hit]] = lambda _: [],
    plain: Callable[[str], Answer] | None = None,
    tick: Tick = lambda: None,
) -> tuple[AnswerReport, list[Answer]]:
    """Return token F1, exact match, share of abstentions and seconds a question; and the answers.

    An abstention scores 0 if there is an accepted answer. Questions without accepted answers are scored by abstention
    alone, as ``"abstained on unanswerable"``.

    Args:
        answerer: of the store.
        questions: with accepted answers, or none for an unanswerable question.
        reader: of the grounded arm.
        arm: evidence of the store, no evidence, the gold passages, or ``plain`` for the answers of ``plain``.
        k: passages to retrieve.
        gold: returns the gold passages of a question.
        plain: answers a question without the pipeline, for the arm of this name.
        tick: called once a question.

    Raises:
        UsageError: there is no such arm.
    """
    if arm not in ARMS or (arm == "plain" and plain is None):
        raise UsageError(f"Expected --arm to be one of {', '.join(ARMS)}, found {arm!r}.")
    answer_list: list[Answer] = []
    for question in questions:
        if arm == "closed-book":
            answer_list.append(answerer.answer_closed_book(question.text))
        elif arm == "gold":
            answer_list.append(answerer.answer_from_passages(question.text, gold(question)))
        elif arm == "plain" and plain is not None:
            answer_list.append(plain(question.text))
        else:
            answer_list.append(answerer.answer(question.text, k, reader=reader))
        tick()
    return score_answers(questions, answer_list), answer_list


def score_answers(questions: Sequence[Question], answer_list: Sequence[Answer]) -> AnswerReport:
    """Return the measures of answers to questions, JSON-ready."""
    answerable = [(q, a) for q, a in zip(questions, answer_list, strict=True) if q.answers]
    abstained_unanswerable = [float(a.abstained) for q, a in zip(questions, answer_list, strict=True) if not q.answers]
    answered_pairs = [(q, a) for q, a in answerable if not a.abstained]

    def scored(pairs: Sequence[tuple[Question, Answer]], metric: Callable[[str, Sequence[str]], float]) -> Interval:
        return bootstrap_interval(
            [0.0 if a.abstained else metric(normalize_answer(a.text), q.answers) for q, a in pairs]
        )

    report: AnswerReport = {
        "f1": interval_json(scored(answerable, token_f1)),
        "em": interval_json(scored(answerable, exact_match)),
        "abstained": interval_json(bootstrap_interval([float(a.abstained) for _, a in answerable])),
        "f1 when answered": interval_json(scored(answered_pairs, token_f1)),
        "seconds": interval_json(bootstrap_interval([a.seconds for a in answer_list])),
        "questions": len(questions),
        "by graph": sum(a.reader == "graph" and not a.abstained for a in answer_list),
        "model": next((a.model for a in answer_list if a.model), ""),
    }
    if abstained_unanswerable:
        report["abstained on unanswerable"] = interval_json(bootstrap_interval(abstained_unanswerable))
    return report
