"""A language model as a judge of whether evidence bears out a claim."""

from __future__ import annotations

import math
from collections.abc import Sequence

from kgrag import prompts
from kgrag.protocols import LLM
from kgrag.text import tokenize
from kgrag.types import ClaimVerdict, Verdict


class LLMJudge:
    """A `SupportJudge` that asks a language model how likely it is to say each verdict.

    Support is the share that ``supported`` has of the three probabilities; ``parts`` has the log-odds of it (natural) and
    the logarithm of each probability. Not calibrated: a small model is surer than it is right.
    """

    name = "llm"

    def __init__(self, llm: LLM) -> None:
        self._llm = llm

    def judge(self, claim: str, evidence: Sequence[str]) -> ClaimVerdict:
        """The likeliest verdict on ``claim`` given all of ``evidence``; support is NaN where either has no word.

        Raises:
            ModelError: the model fails, or claim and evidence do not fit its context.
        """
        if not tokenize(claim) or not any(tokenize(text) for text in evidence):
            return ClaimVerdict(Verdict.NOT_ENOUGH_INFO, math.nan)
        messages = prompts.judge_prompt(claim, list(evidence))
        log_probabilities = {verdict: self._llm.score(messages, verdict.value) for verdict in Verdict}
        highest = max(log_probabilities.values())
        shares = {verdict: math.exp(logarithm - highest) for verdict, logarithm in log_probabilities.items()}
        yes = shares[Verdict.SUPPORTED]
        rest = sum(shares.values()) - yes
        parts = {f"log {verdict.value}": logarithm for verdict, logarithm in log_probabilities.items()}
        parts["log odds"] = math.log(max(yes, 1e-300)) - math.log(max(rest, 1e-300))
        return ClaimVerdict(
            max(log_probabilities, key=lambda verdict: log_probabilities[verdict]), yes / (yes + rest), parts
        )
