"""How sure a model is: whether it says the same again, and how likely it found what it said."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kgrag.evaluate.metrics import answer_tokens, bare
from kgrag.factuality.claims import folded
from kgrag.factuality.kept import KeptLLM
from kgrag.factuality.outcomes import matches
from kgrag.protocols import Messages, SupportJudge
from kgrag.reckon import read
from kgrag.silence import abstains
from kgrag.steps import stepped
from kgrag.text import language
from kgrag.types import Verdict

TEMPERATURE = 1.0
"""At which samples are drawn: the model's own chances."""
DOUBTS = ("entropy", "weighted_entropy", "clusters", "surprise", "disagreement")
"""Measures of doubt, higher is more; `doubt` has them."""
Same = Callable[[str, str], bool]


def meaning(question: str, judge: SupportJudge | None = None) -> Same:
    """Whether two answers to a question mean the same: `matches` either way, or each bears the other out.

    Silence means the same as silence, and nothing else. Two-way entailment is Kuhn et al. 2023; the judge is asked only
    where words, dates and quantities do not decide.
    """

    def same(one: str, other: str) -> bool:
        if abstains(one) or abstains(other):
            return abstains(one) and abstains(other)
        if matches(one, [bare(other)]) or matches(other, [bare(one)]):
            return True
        if judge is None or not answer_tokens(one) or not answer_tokens(other):
            return False
        a, b = folded(question, bare(one)), folded(question, bare(other))
        return all(judge.judge(claim, [text]).verdict == Verdict.SUPPORTED for claim, text in ((a, b), (b, a)))

    return same


def clusters(answers: Sequence[str], same: Same) -> list[int]:
    """For each answer the number of its cluster, from 0: it joins the first whose first member means the same."""
    firsts: list[str] = []
    found = []
    for answer in answers:
        place = next((n for n, first in enumerate(firsts) if same(first, answer)), len(firsts))
        if place == len(firsts):
            firsts.append(answer)
        found.append(place)
    return found


def entropy(shares: Sequence[float]) -> float:
    """The entropy of shares that add up to 1, in nats; NaN of none."""
    return -sum(share * math.log(share) for share in shares if share > 0) + 0.0 if shares else math.nan


def discrete(found: Sequence[int]) -> float:
    """Semantic entropy by counting (Farquhar et al. 2024): 0 where all mean the same, ln K where all differ."""
    return entropy([found.count(c) / len(found) for c in sorted({*found})])


def weighted(found: Sequence[int], logprobs: Sequence[float]) -> float:
    """Semantic entropy with each distinct answer weighed by its probability (Kuhn et al. 2023).

    Args:
        found: clusters of answers.
        logprobs: of the answers, each divided by its number of tokens, so that long ones are not unlikely by length alone.
    """
    if not found or any(math.isnan(p) for p in logprobs):
        return math.nan
    weights = np.exp(np.array(logprobs) - max(logprobs))
    total = float(weights.sum())
    return entropy(
        [float(weights[[n for n, c in enumerate(found) if c == one]].sum()) / total for one in sorted({*found})]
    )


def doubt(
    llm: KeptLLM,
    messages: Messages,
    question: str,
    answer: str,
    *,
    steps: Sequence[str] = (),
    samples: int,
    max_tokens: int,
    seed: int,
    same: Same,
) -> dict[str, Any]:
    """What can be told of a model's doubt about an answer that it gave.

    Args:
        llm: whose model is a Sampler, too, if ``samples`` are wanted.
        messages: what it was asked.
        question: in words.
        answer: what it said, decoded greedily.
        steps: what it wrote before that (`kgrag.steps`).
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

    logprob = per_token(stepped(steps, answer, language(answer)))
    found: dict[str, Any] = {"logprob": logprob, "chance": math.exp(logprob), "surprise": -logprob}
    found |= {"samples": [], "cluster_of": [], "clusters": None, "entropy": None, "weighted_entropy": None}
    found["disagreement"] = None
    if samples:
        drawn = [
            s.strip() for s in llm.sample(messages, samples, max_tokens=max_tokens, temperature=TEMPERATURE, seed=seed)
        ]
        meant = [read(question, text).answer for text in drawn]
        groups = clusters(meant, same)
        distinct = list(dict.fromkeys(drawn))
        chances = [per_token(text) for text in distinct]
        places = [groups[drawn.index(text)] for text in distinct]
        found |= {
            "samples": drawn,
            "cluster_of": groups,
            "clusters": len({*groups}),
            "entropy": discrete(groups),
            "weighted_entropy": weighted(places, chances),
            "disagreement": sum(not same(answer, text) for text in meant) / len(drawn),
        }
    return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in found.items()}
