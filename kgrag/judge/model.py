"""What was learned of support (``data/judge.json``): trees over `kgrag.judge.features`, and how each tier's score becomes
a probability, for each language. Made by `kgrag.dev.training.judge.trainer`; scored with numpy alone."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kgrag.errors import ModelError
from kgrag.judge.features import FEATURE_NAMES
from kgrag.retrieve.boosted_trees import TreeEnsemble

ENSEMBLE_MEMBERS = ("overlap", "details", "learned")
"""What is combined, in order."""


@dataclass(frozen=True)
class LogisticCalibration:
    """A logistic regression: the log-odds of support are ``bias`` and the sum of ``weights`` times scores."""

    weights: tuple[float, ...]
    bias: float

    def probability(self, *scores: float) -> float:
        """In (0, 1); a score that is NaN (its tier says nothing) counts as 0."""
        odds = self.bias + sum(w * s for w, s in zip(self.weights, scores, strict=True) if not math.isnan(s))
        return 1 / (1 + math.exp(-max(-30.0, min(30.0, odds))))


@dataclass(frozen=True)
class JudgeModel:
    """Of each language (``"en"``, ``"zh"``): trees, and the `Scale` of each of `TIERS` and of ``"combined"``.

    ``trained_on``: fingerprints of the files that it was trained on.
    """

    trees: Mapping[str, TreeEnsemble]
    scales: Mapping[str, Mapping[str, LogisticCalibration]]
    trained_on: tuple[str, ...]
    note: str

    def log_odds(self, lang: str, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """(claims,): what the trees say of rows (claims, features), not yet a probability."""
        return self.trees[lang].score(FEATURE_NAMES, rows)

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> JudgeModel:
        """From what its file says.

        Raises:
            ModelError: it was trained on other features.
        """
        if tuple(data["features"]) != FEATURE_NAMES:
            raise ModelError("The judge was trained on other features: remake it with `make judge DATA=DIR`.")
        scales = {
            lang: {tier: LogisticCalibration(tuple(one["weights"]), one["bias"]) for tier, one in tiers.items()}
            for lang, tiers in data["scales"].items()
        }
        trees = {
            lang: TreeEnsemble.from_json({"features": data["features"], "trees": t})
            for lang, t in data["trees"].items()
        }
        return JudgeModel(trees, scales, tuple(data["trained_on"]), data["note"])


@lru_cache(maxsize=1)
def load_builtin_judge() -> JudgeModel:
    """The model that comes with the program."""
    return JudgeModel.from_json(json.loads((files("kgrag") / "data" / "judge.json").read_text("utf-8")))


def judge_to_json(
    trees: Mapping[str, Sequence[Any]],
    scales: Mapping[str, Mapping[str, LogisticCalibration]],
    note: str,
    trained_on: Sequence[str],
) -> dict[str, Any]:
    """What `JudgeModel.of` reads; ``trees`` are those of `kgrag.dev.training.boosted_trees`."""
    return {
        "note": note,
        "trained_on": list(trained_on),
        "features": list(FEATURE_NAMES),
        "scales": {
            lang: {
                tier: {"weights": [round(w, 6) for w in s.weights], "bias": round(s.bias, 6)}
                for tier, s in tiers.items()
            }
            for lang, tiers in scales.items()
        },
        "trees": {lang: list(t) for lang, t in trees.items()},
    }
