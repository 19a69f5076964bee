"""The judges that need no language model: overlap, details, what was learned, and all three combined."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from kgrag.judge.features import claim_features
from kgrag.judge.literal_checks import LiteralChecks, run_literal_checks
from kgrag.judge.model import ENSEMBLE_MEMBERS, JudgeModel, load_builtin_judge
from kgrag.judge.tokenization import ClaimPair, tokenize_pair
from kgrag.types import ClaimVerdict, Verdict

NOT_JUDGED = ClaimVerdict(Verdict.NOT_ENOUGH_INFO, math.nan)
"""Of a claim without words, or evidence without any: nothing was judged, which is not the same as unsupported."""


class EnsembleJudge:
    """A `SupportJudge` of one of `TIERS`, or of all of them (``"combined"``); its probability is fitted, so that 0.5 is
    where it is as likely to err one way as the other if half of all claims are supported.

    ``judge`` of the tier ``details`` gives NaN for a claim without a date, a number or a name.
    """

    def __init__(self, name: str, model: JudgeModel | None = None) -> None:
        self.name = name
        self._model = model or load_builtin_judge()

    def judge(self, claim: str, evidence: Sequence[str]) -> ClaimVerdict:
        """What is to be said of ``claim`` given all of ``evidence``; support is NaN where either has no word."""
        return self.judge_all([(claim, evidence)])[0]

    def judge_all(self, pairs: Sequence[tuple[str, Sequence[str]]]) -> list[ClaimVerdict]:
        """`judge` of each (claim, evidence), in the order given."""
        claim_pairs = [tokenize_pair(claim, evidence) for claim, evidence in pairs]
        scorable = [n for n, reading in enumerate(claim_pairs) if reading.is_scorable]
        checks = {n: run_literal_checks(claim_pairs[n]) for n in scorable}
        log_odds = dict.fromkeys(scorable, math.nan)
        if self.name in ("learned", "combined"):
            for lang in self._model.trees:
                same_lang = [n for n in scorable if claim_pairs[n].lang == lang]
                if same_lang:
                    rows = np.vstack([claim_features(claim_pairs[n], checks[n]) for n in same_lang])
                    log_odds |= dict(zip(same_lang, self._model.log_odds(lang, rows).tolist(), strict=True))
        return [
            self._judge_pair(reading, checks[n], log_odds[n]) if n in log_odds else NOT_JUDGED
            for n, reading in enumerate(claim_pairs)
        ]

    def _judge_pair(self, pair: ClaimPair, checks: LiteralChecks, log_odds: float) -> ClaimVerdict:
        scores = member_scores(pair, checks, log_odds)
        scales = self._model.scales[pair.lang]
        if self.name == "combined":
            support = scales["combined"].probability(*scores.values())
        elif math.isnan(scores[self.name]):
            return ClaimVerdict(Verdict.NOT_ENOUGH_INFO, math.nan, checks.parts)
        else:
            support = scales[self.name].probability(scores[self.name])
        tiers = {tier: scales[tier].probability(score) for tier, score in scores.items() if not math.isnan(score)}
        return ClaimVerdict(_verdict(support, checks), support, {**tiers, **checks.parts})


def member_scores(pair: ClaimPair, checks: LiteralChecks, log_odds: float) -> dict[str, float]:
    """The score of each of `TIERS`: NaN where it says nothing. ``odds`` are those of the trees."""
    overlap = pair.coverage(pair.ranked_sentences[:2]) if pair.claim.stems else math.nan
    return dict(zip(ENSEMBLE_MEMBERS, (overlap, checks.score, log_odds), strict=True))


def _verdict(support: float, checks: LiteralChecks) -> Verdict:
    if support >= 0.5:
        return Verdict.SUPPORTED
    return Verdict.REFUTED if checks.is_contradicted else Verdict.NOT_ENOUGH_INFO
