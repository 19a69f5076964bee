"""Judge of claims that uses a language model."""

from __future__ import annotations

import math
from collections.abc import Sequence

from kgrag import prompts
from kgrag.protocols import LLM
from kgrag.text import tokenize
from kgrag.text.injected_text import remove_injections
from kgrag.types import ClaimVerdict, Verdict


class LLMJudge:
    """A `SupportJudge` that compares a language model's probabilities of the three verdicts.

    Support is the share of ``supported`` in the three probabilities. ``component_scores`` has the (natural) log-odds of
    support and the logarithm of each probability. It is not calibrated: a small model is more confident than accurate.
    """

    name = "llm"

    def __init__(self, llm: LLM) -> None:
        self._llm = llm

    def judge(self, claim: str, evidence: Sequence[str]) -> ClaimVerdict:
        """Return the likeliest verdict on ``claim`` given all of ``evidence``; support is NaN if either has no word.

        Raises:
            ModelError: the model fails, or claim and evidence do not fit its context.
        """
        if not tokenize(claim) or not any(tokenize(text) for text in evidence):
            return ClaimVerdict(Verdict.NOT_ENOUGH_INFO, math.nan)
        messages = prompts.judge_prompt(claim, [remove_injections(text)[0] for text in evidence])
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
