"""Judges without a language model: word overlap, literal checks, boosted trees, and their combination."""

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
"""Verdict for a claim or evidence without words: nothing was judged, which differs from an unsupported claim."""


class EnsembleJudge:
    """A `SupportJudge` that uses one of `ENSEMBLE_MEMBERS`, or all of them (``"combined"``).

    Its probability is calibrated: at 0.5, both kinds of error are equally likely if half of all claims are supported.
    The member ``details`` gives NaN for a claim without a date, a number or a name.
    """

    def __init__(self, name: str, model: JudgeModel | None = None) -> None:
        self.name = name
        self._model = model or load_builtin_judge()

    def judge(self, claim: str, evidence: Sequence[str]) -> ClaimVerdict:
        """Judge ``claim`` against all of ``evidence``; support is NaN if either has no word."""
        return self.judge_all([(claim, evidence)])[0]

    def judge_all(self, pairs: Sequence[tuple[str, Sequence[str]]]) -> list[ClaimVerdict]:
        """Judge each (claim, evidence) pair, in the order given."""
        claim_pairs = [tokenize_pair(claim, evidence) for claim, evidence in pairs]
        scorable = [n for n, pair in enumerate(claim_pairs) if pair.is_scorable]
        checks = {n: run_literal_checks(claim_pairs[n]) for n in scorable}
        log_odds = dict.fromkeys(scorable, math.nan)
        if self.name in ("learned", "combined"):
            for lang in self._model.trees:
                same_lang = [n for n in scorable if claim_pairs[n].lang == lang]
                if same_lang:
                    rows = np.vstack([claim_features(claim_pairs[n], checks[n]) for n in same_lang])
                    log_odds |= dict(zip(same_lang, self._model.log_odds(lang, rows).tolist(), strict=True))
        return [
            self._judge_pair(pair, checks[n], log_odds[n]) if n in log_odds else NOT_JUDGED
            for n, pair in enumerate(claim_pairs)
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
        members = {name: scales[name].probability(score) for name, score in scores.items() if not math.isnan(score)}
        return ClaimVerdict(_verdict(support, checks), support, {**members, **checks.parts})


def member_scores(pair: ClaimPair, checks: LiteralChecks, log_odds: float) -> dict[str, float]:
    """Return the score of each of `ENSEMBLE_MEMBERS`, NaN if it has none; ``log_odds`` is the trees' output."""
    overlap = pair.coverage(pair.ranked_sentences[:2]) if pair.claim.stems else math.nan
    return dict(zip(ENSEMBLE_MEMBERS, (overlap, checks.score, log_odds), strict=True))


def _verdict(support: float, checks: LiteralChecks) -> Verdict:
    if support >= 0.5:
        return Verdict.SUPPORTED
    return Verdict.REFUTED if checks.is_contradicted else Verdict.NOT_ENOUGH_INFO
