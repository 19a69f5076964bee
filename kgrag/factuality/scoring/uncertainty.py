"""How sure a model is: whether it says the same again, and how likely it found what it said."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kgrag.answering.guards.comparison import parse_and_verify
from kgrag.answering.reasoning_steps import format_steps
from kgrag.factuality.experiment.response_cache import CachedLLM
from kgrag.factuality.scoring.claims import to_declarative
from kgrag.factuality.scoring.outcomes import answer_matches
from kgrag.metrics.answers import answer_tokens, normalize_answer
from kgrag.protocols import Messages, SupportJudge
from kgrag.text import detect_language
from kgrag.text.abstention import is_abstention
from kgrag.types import Verdict

SAMPLE_TEMPERATURE = 1.0
"""At which samples are drawn: the model's own chances."""
UNCERTAINTY_MEASURES = ("entropy", "weighted_entropy", "clusters", "surprise", "disagreement")
"""Measures of doubt, higher is more; `doubt` has them."""
MeaningTest = Callable[[str, str], bool]


def same_meaning(question: str, judge: SupportJudge | None = None) -> MeaningTest:
    """Whether two answers to a question mean the same: `matches` either way, or each bears the other out.

    Silence means the same as silence, and nothing else. Two-way entailment is Kuhn et al. 2023; the judge is asked only
    where words, dates and quantities do not decide.
    """

    def is_same(one: str, other: str) -> bool:
        if is_abstention(one) or is_abstention(other):
            return is_abstention(one) and is_abstention(other)
        if answer_matches(one, [normalize_answer(other)]) or answer_matches(other, [normalize_answer(one)]):
            return True
        if judge is None or not answer_tokens(one) or not answer_tokens(other):
            return False
        a, b = to_declarative(question, normalize_answer(one)), to_declarative(question, normalize_answer(other))
        return all(judge.judge(claim, [text]).verdict == Verdict.SUPPORTED for claim, text in ((a, b), (b, a)))

    return is_same


def cluster_answers(answers: Sequence[str], same: MeaningTest) -> list[int]:
    """For each answer the number of its cluster, from 0: it joins the first whose first member means the same."""
    representatives: list[str] = []
    cluster_ids = []
    for answer in answers:
        cluster_id = next((n for n, first in enumerate(representatives) if same(first, answer)), len(representatives))
        if cluster_id == len(representatives):
            representatives.append(answer)
        cluster_ids.append(cluster_id)
    return cluster_ids


def entropy(shares: Sequence[float]) -> float:
    """The entropy of shares that add up to 1, in nats; NaN of none."""
    return -sum(share * math.log(share) for share in shares if share > 0) + 0.0 if shares else math.nan


def discrete_entropy(cluster_ids: Sequence[int]) -> float:
    """Semantic entropy by counting (Farquhar et al. 2024): 0 where all mean the same, ln K where all differ."""
    return entropy([cluster_ids.count(c) / len(cluster_ids) for c in sorted({*cluster_ids})])


def weighted_entropy(cluster_ids: Sequence[int], logprobs: Sequence[float]) -> float:
    """Semantic entropy with each distinct answer weighed by its probability (Kuhn et al. 2023).

    Args:
        found: clusters of answers.
        logprobs: of the answers, each divided by its number of tokens, so that long ones are not unlikely by length alone.
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
) -> dict[str, Any]:
    """What can be told of a model's doubt about an answer that it gave.

    Args:
        llm: whose model is a Sampler, too, if ``samples`` are wanted.
        messages: what it was asked.
        question: in words.
        answer: what it said, decoded greedily.
        steps: what it wrote before that (`kgrag.answering.reasoning_steps`).
        samples: how often it is asked again, by chance; 0: only the probability of what it said.
        max_tokens: of a sample.
        seed: of the samples.
        same: whether two answers mean the same.

    Returns:
        JSON-ready: ``logprob`` (mean of the answer's tokens, in nats), ``chance`` (its exponential), ``surprise`` (its
        negative), ``samples``, ``cluster_of`` each, ``clusters``, ``entropy``, ``weighted_entropy``, ``disagreement``
        (the share of samples that do not mean what was answered); None where it was not measured.
    """

    def per_token(text: str) -> float:
        tokens = llm.count(text) if text.strip() else 0
        return float(llm.score(messages, text)) / tokens if tokens else math.nan

    logprob = per_token(format_steps(steps, answer, detect_language(answer)))
    scores: dict[str, Any] = {"logprob": logprob, "chance": math.exp(logprob), "surprise": -logprob}
    scores |= {"samples": [], "cluster_of": [], "clusters": None, "entropy": None, "weighted_entropy": None}
    scores["disagreement"] = None
    if samples:
        sampled_texts = [
            s.strip()
            for s in llm.sample(messages, samples, max_tokens=max_tokens, temperature=SAMPLE_TEMPERATURE, seed=seed)
        ]
        sampled_answers = [parse_and_verify(question, text).answer for text in sampled_texts]
        cluster_ids = cluster_answers(sampled_answers, is_same)
        distinct = list(dict.fromkeys(sampled_texts))
        logprobs = [per_token(text) for text in distinct]
        distinct_cluster_ids = [cluster_ids[sampled_texts.index(text)] for text in distinct]
        scores |= {
            "samples": sampled_texts,
            "cluster_of": cluster_ids,
            "clusters": len({*cluster_ids}),
            "entropy": discrete_entropy(cluster_ids),
            "weighted_entropy": weighted_entropy(distinct_cluster_ids, logprobs),
            "disagreement": sum(not is_same(answer, text) for text in sampled_answers) / len(sampled_texts),
        }
    return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in scores.items()}
