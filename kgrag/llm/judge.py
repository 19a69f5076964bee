"""A language model as a judge of whether evidence bears out a claim."""

from __future__ import annotations

import math
from collections.abc import Sequence

from kgrag import prompts
from kgrag.protocols import LLM
from kgrag.types import Judgement, Verdict


class LLMJudge:
    """A `SupportJudge` that asks a language model, which can say nothing but a verdict."""

    def __init__(self, llm: LLM) -> None:
        self._llm = llm

    def judge(self, claim: str, evidence: Sequence[str]) -> Judgement:
        """The verdict on ``claim`` given all of ``evidence``.

        Raises:
            ModelError: the model fails, or claim and evidence do not fit its context.
        """
        said = self._llm.generate(
            prompts.judge(claim, list(evidence)), max_tokens=24, choices=[v.value for v in Verdict]
        )
        return Judgement(Verdict(said), math.nan)
