"""The judges that need no language model: overlap, details, what was learned, and all three combined."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from kgrag.judge.details import Checked, checked
from kgrag.judge.features import features
from kgrag.judge.model import TIERS, JudgeModel, shipped
from kgrag.judge.reading import Reading, read
from kgrag.types import Judgement, Verdict

NOTHING = Judgement(Verdict.NOT_ENOUGH_INFO, math.nan)
"""Of a claim without words, or evidence without any: nothing was judged, which is not the same as unsupported."""


class TierJudge:
    """A `SupportJudge` of one of `TIERS`, or of all of them (``"combined"``); its probability is fitted, so that 0.5 is
    where it is as likely to err one way as the other if half of all claims are supported.

    ``judge`` of the tier ``details`` gives NaN for a claim without a date, a number or a name.
    """

    def __init__(self, name: str, model: JudgeModel | None = None) -> None:
        self.name = name
        self._model = model or shipped()

    def judge(self, claim: str, evidence: Sequence[str]) -> Judgement:
        """What is to be said of ``claim`` given all of ``evidence``; support is NaN where either has no word."""
        return self.judge_all([(claim, evidence)])[0]

    def judge_all(self, pairs: Sequence[tuple[str, Sequence[str]]]) -> list[Judgement]:
        """`judge` of each (claim, evidence), in the order given."""
        readings = [read(claim, evidence) for claim, evidence in pairs]
        due = [n for n, reading in enumerate(readings) if reading.scored]
        against = {n: checked(readings[n]) for n in due}
        odds = dict.fromkeys(due, math.nan)
        if self.name in ("learned", "combined"):
            for lang in self._model.trees:
                mine = [n for n in due if readings[n].lang == lang]
                if mine:
                    rows = np.vstack([features(readings[n], against[n]) for n in mine])
                    odds |= dict(zip(mine, self._model.odds(lang, rows).tolist(), strict=True))
        return [
            self._judged(reading, against[n], odds[n]) if n in odds else NOTHING for n, reading in enumerate(readings)
        ]

    def _judged(self, reading: Reading, against: Checked, odds: float) -> Judgement:
        scores = scored(reading, against, odds)
        scales = self._model.scales[reading.lang]
        if self.name == "combined":
            support = scales["combined"].probability(*scores.values())
        elif math.isnan(scores[self.name]):
            return Judgement(Verdict.NOT_ENOUGH_INFO, math.nan, against.parts)
        else:
            support = scales[self.name].probability(scores[self.name])
        tiers = {tier: scales[tier].probability(score) for tier, score in scores.items() if not math.isnan(score)}
        return Judgement(_verdict(support, against), support, {**tiers, **against.parts})


def scored(reading: Reading, against: Checked, odds: float) -> dict[str, float]:
    """The score of each of `TIERS`: NaN where it says nothing. ``odds`` are those of the trees."""
    overlap = reading.covered(reading.ranked[:2]) if reading.claim.stems else math.nan
    return dict(zip(TIERS, (overlap, against.score, odds), strict=True))


def _verdict(support: float, against: Checked) -> Verdict:
    if support >= 0.5:
        return Verdict.SUPPORTED
    return Verdict.REFUTED if against.contradicted else Verdict.NOT_ENOUGH_INFO
