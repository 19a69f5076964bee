"""Measure retrieval by gold quotes: BM25, vectors, their fusion and the hybrid beside each other."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from kgrag.dev.benchmarks.baselines import fuse_scores
from kgrag.dev.benchmarks.manuals.figures import Figures, grouped_figures, mean_interval
from kgrag.dev.benchmarks.manuals.gold_passages import QuoteHolders, find_gold_passages
from kgrag.dev.benchmarks.manuals.questions import ManualQuestion
from kgrag.store.store import Store

RECALL_RANKS = (1, 5, 8, 20)
MAX_RANK = max(RECALL_RANKS)
HYBRID = "hybrid"
"""The method of `kgrag retrieve`."""
BASELINES = ("bm25", "vectors", "fusion")
"""Methods beside it; the fusion is reciprocal rank fusion of the other two, over all passages."""


@dataclass(frozen=True, slots=True)
class MethodResult:
    """The rows of the first `MAX_RANK` passages of one method, best first, and the seconds that it took."""

    rows: list[int]
    seconds: float


def measure_manual_retrieval(
    store: Store, questions: Sequence[ManualQuestion], tick: Callable[[], None] = lambda: None
) -> Figures:
    """Rank the store's passages for every question by each method, and return the figures.

    ``passage_recall@k`` is the share of a question's quotes that one of the first k passages holds; the passages may be
    of any document. ``page_accuracy`` is the share of its quotes that are on their page where their file has them.

    Returns:
        JSON-ready figures of `HYBRID`; "baselines" with those of each of `BASELINES`; "quotes_held", the share of the
        quotes that a passage of their file holds; "missing_files", "ambiguous_files" and "lost_quotes" of
        `GoldPassages`; "unscored", the questions without gold.
    """
    gold = find_gold_passages(store.graph_store, questions)
    ranker = MethodRanker(store)
    ranker.rank("warm-up")  # loads the embedder and the ranker, which are no time of the first question
    results: list[dict[str, MethodResult]] = []
    for question in questions:
        results.append(ranker.rank(retrieval_text(question)))
        tick()
    pages = [page_accuracy(question, gold.holders[question.id]) for question in questions]

    def method_values(method: str) -> dict[str, list[float]]:
        found = [(gold.holders[q.id], result[method].rows) for q, result in zip(questions, results, strict=True)]
        recalls = {f"passage_recall@{k}": [quote_recall(held, rows[:k]) for held, rows in found] for k in RECALL_RANKS}
        return {**recalls, "seconds": [result[method].seconds for result in results]}

    report = grouped_figures(questions, {**method_values(HYBRID), "page_accuracy": pages})
    report["baselines"] = {method: grouped_figures(questions, method_values(method)) for method in BASELINES}
    report["quotes_held"] = mean_interval([float(h.best is not None) for held in gold.holders.values() for h in held])
    report["unscored"] = sum(not question.gold for question in questions)
    report["passages"] = gold.passages
    report["missing_files"] = gold.missing_files
    report["ambiguous_files"] = gold.ambiguous_files
    report["lost_quotes"] = [{"id": question_id, "file": file} for question_id, file in gold.lost_quotes]
    return report


def retrieval_text(question: ManualQuestion) -> str:
    """Return the text to retrieve for: of a follow-up, the question before it and the follow-up itself.

    `kgrag chat` may rewrite a follow-up with the language model; a measure of retrieval does not depend on one.
    """
    return f"{question.history[-1][0]} {question.text}" if question.history else question.text


def quote_recall(holders: Sequence[QuoteHolders], rows: Sequence[int]) -> float:
    """Return the share of quotes that a passage in ``rows`` holds; NaN without quotes."""
    if not holders:
        return math.nan
    return sum(not held.rows.isdisjoint(rows) for held in holders) / len(holders)


def page_accuracy(question: ManualQuestion, holders: Sequence[QuoteHolders]) -> float:
    """Return the share of the quotes with a page that the store has on this page; NaN without pages."""
    hits = [
        held.best is not None and held.best.page_at(held.best_start) == quote.page
        for quote, held in zip(question.gold, holders, strict=True)
        if quote.page
    ]
    return sum(hits) / len(hits) if hits else math.nan


class MethodRanker:
    """Ranks the passages of a store by BM25 alone, vectors alone, their fusion, and the hybrid retriever."""

    def __init__(self, store: Store) -> None:
        self._retriever = store.retriever
        keys = store.graph_store.passage_keys()
        self._row_by_passage = {passage_id: row for row, (passage_id, _) in enumerate(keys)}
        self._vectors = self._retriever.indices.vectors.vectors(np.arange(len(keys)))

    def rank(self, text: str) -> dict[str, MethodResult]:
        """Return the result of each method; the vectors find nothing if the embedder does not know the language."""
        start = time.perf_counter()
        words = self._retriever.indices.words.scores(text).astype(np.float64)
        words[words <= 0] = -np.inf
        by_words = _best_rows(words), time.perf_counter() - start

        start = time.perf_counter()
        embedding = self._retriever.embed_question(text)
        cosines = np.full(len(words), -np.inf)
        if embedding is not None:
            cosines = (self._vectors @ embedding).astype(np.float64)
        by_vectors = _best_rows(cosines), time.perf_counter() - start

        start = time.perf_counter()
        fused_rows = _best_rows(fuse_scores([words, cosines]))
        by_fusion = fused_rows, by_words[1] + by_vectors[1] + time.perf_counter() - start

        start = time.perf_counter()
        hits = self._retriever.retrieve(text, MAX_RANK)
        by_hybrid = [self._row_by_passage[hit.passage.id] for hit in hits], time.perf_counter() - start
        results = {"bm25": by_words, "vectors": by_vectors, "fusion": by_fusion, HYBRID: by_hybrid}
        return {method: MethodResult(*result) for method, result in results.items()}


def _best_rows(scores: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> list[int]:
    """Return the rows of the `MAX_RANK` highest finite scores, best first; ties in row order."""
    order = np.argsort(-scores, kind="stable")[:MAX_RANK]
    return [int(row) for row in order if np.isfinite(scores[row])]
