"""Uncertainty of a model: agreement of samples (semantic entropy) and probability of the answer."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from graphs.predicates import PredicateSchema
from kgrag.answering.guards.comparison import parse_and_verify
from kgrag.answering.reasoning_steps import format_steps
from kgrag.factuality.experiment.response_cache import CachedLLM
from kgrag.factuality.records import UncertaintyRecord
from kgrag.factuality.scoring.claims import to_declarative
from kgrag.factuality.scoring.outcomes import answer_matches
from kgrag.metrics.answers import answer_tokens, normalize_answer
from kgrag.protocols import Messages, SupportJudge
from kgrag.text import detect_language
from kgrag.text.abstention import is_abstention
from kgrag.types import Verdict

SAMPLE_TEMPERATURE = 1.0
"""Sampling temperature: 1 samples from the model's own distribution."""
UncertaintyMeasure = Literal["entropy", "weighted_entropy", "clusters", "surprise", "disagreement"]
UNCERTAINTY_MEASURES: tuple[UncertaintyMeasure, ...] = (
    "entropy",
    "weighted_entropy",
    "clusters",
    "surprise",
    "disagreement",
)
"""Measures of uncertainty in `uncertainty_scores`; higher is less sure."""
MeaningTest = Callable[[str, str], bool]


def same_meaning(
    question: str, judge: SupportJudge | None = None, schema: PredicateSchema | None = None
) -> MeaningTest:
    """Return a test of equal meaning for answers to a question: `answer_matches` either way, or mutual support.

    Two abstentions mean the same; an abstention and an answer do not. Two-way entailment is Kuhn et al. 2023. The judge is
    called only if words, dates and quantities do not decide.
    """

    def is_same(one: str, other: str) -> bool:
        if is_abstention(one) or is_abstention(other):
            return is_abstention(one) and is_abstention(other)
        if answer_matches(one, [normalize_answer(other)], schema) or answer_matches(
            other, [normalize_answer(one)], schema
        ):
            return True
        if judge is None or not answer_tokens(one) or not answer_tokens(other):
            return False
        a, b = to_declarative(question, normalize_answer(one)), to_declarative(question, normalize_answer(other))
        return all(judge.judge(claim, [text]).verdict == Verdict.SUPPORTED for claim, text in ((a, b), (b, a)))

    return is_same


def cluster_answers(answers: Sequence[str], same: MeaningTest) -> list[int]:
    """Return the cluster of each answer, from 0: it joins the first cluster whose first member means the same."""
    representatives: list[str] = []
    cluster_ids = []
    for answer in answers:
        cluster_id = next((n for n, first in enumerate(representatives) if same(first, answer)), len(representatives))
        if cluster_id == len(representatives):
            representatives.append(answer)
        cluster_ids.append(cluster_id)
    return cluster_ids


def entropy(shares: Sequence[float]) -> float:
    """Return the entropy of shares that add up to 1, in nats; NaN without shares."""
    return -sum(share * math.log(share) for share in shares if share > 0) + 0.0 if shares else math.nan


def discrete_entropy(cluster_ids: Sequence[int]) -> float:
    """Return semantic entropy by counting (Farquhar et al. 2024): 0 if all mean the same, ln K if all differ."""
    return entropy([cluster_ids.count(c) / len(cluster_ids) for c in sorted({*cluster_ids})])


def weighted_entropy(cluster_ids: Sequence[int], logprobs: Sequence[float]) -> float:
    """Return semantic entropy with each distinct answer weighted by its probability (Kuhn et al. 2023).

    Args:
        cluster_ids: cluster of each distinct answer.
        logprobs: log-probability of each answer, divided by its number of tokens to remove the effect of length.
    """
    if not cluster_ids or any(math.isnan(p) for p in logprobs):
        return math.nan
    weights = np.exp(np.array(logprobs) - max(logprobs))
    total = float(weights.sum())
    return entropy(
        [
            float(weights[[n for n, c in enumerate(cluster_ids) if c == one]].sum()) / total
            for one in sorted({*cluster_ids})
        ]
    )


def uncertainty_scores(
    llm: CachedLLM,
    messages: Messages,
    question: str,
    answer: str,
    *,
    steps: Sequence[str] = (),
    samples: int,
    max_tokens: int,
    seed: int,
    is_same: MeaningTest,
    schema: PredicateSchema,
) -> UncertaintyRecord:
    """Measure the uncertainty of a model about its answer.

    Args:
        llm: the model; it must be a `Sampler`, too, unless ``samples`` is 0.
        messages: the prompt of the answer.
        question: text of the question.
        answer: the greedy answer.
        steps: reasoning steps before the answer (`kgrag.answering.reasoning_steps`).
        samples: number of samples; 0 measures the probability of the answer only.
        max_tokens: maximum tokens of a sample.
        seed: seed of the samples.
        is_same: test of equal meaning for two answers.
        schema: predicate schema of the store.
    """

    def per_token(text: str) -> float:
        tokens = llm.count(text) if text.strip() else 0
        return float(llm.score(messages, text)) / tokens if tokens else math.nan

    logprob = per_token(format_steps(steps, answer, detect_language(answer)))
    scores: UncertaintyRecord = {
        "logprob": _none_if_nan(logprob),
        "chance": _none_if_nan(math.exp(logprob)),
        "surprise": _none_if_nan(-logprob),
        "samples": [],
        "cluster_of": [],
        "clusters": None,
        "entropy": None,
        "weighted_entropy": None,
        "disagreement": None,
    }
    if samples:
        sampled_texts = [
            s.strip()
            for s in llm.sample(messages, samples, max_tokens=max_tokens, temperature=SAMPLE_TEMPERATURE, seed=seed)
        ]
        sampled_answers = [parse_and_verify(question, text, schema).answer for text in sampled_texts]
        cluster_ids = cluster_answers(sampled_answers, is_same)
        distinct = list(dict.fromkeys(sampled_texts))
        logprobs = [per_token(text) for text in distinct]
        distinct_cluster_ids = [cluster_ids[sampled_texts.index(text)] for text in distinct]
        scores["samples"], scores["cluster_of"] = sampled_texts, cluster_ids
        scores["clusters"] = len({*cluster_ids})
        scores["entropy"] = _none_if_nan(discrete_entropy(cluster_ids))
        scores["weighted_entropy"] = _none_if_nan(weighted_entropy(distinct_cluster_ids, logprobs))
        scores["disagreement"] = sum(not is_same(answer, text) for text in sampled_answers) / len(sampled_texts)
    return scores


def _none_if_nan(value: float) -> float | None:
    return None if math.isnan(value) else value
