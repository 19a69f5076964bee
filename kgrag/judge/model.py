"""Trained parameters of the ensemble judge (``data/judge.json``), for each language.

They are boosted trees over `kgrag.judge.features` and a calibration that turns each member's score into a probability.
`kgrag.dev.training.judge.trainer` trains them; scoring needs only numpy.
"""

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
from kgrag.serialize import JsonObject

ENSEMBLE_MEMBERS = ("overlap", "details", "learned")
"""Judges that ``combined`` combines, in the order of their scores."""


@dataclass(frozen=True)
class LogisticCalibration:
    """A logistic regression: the log-odds of support are ``bias`` plus the sum of ``weights`` times scores."""

    weights: tuple[float, ...]
    bias: float

    def probability(self, *scores: float) -> float:
        """Return a probability in (0, 1); a score that is NaN (its member has none) counts as 0."""
        odds = self.bias + sum(w * s for w, s in zip(self.weights, scores, strict=True) if not math.isnan(s))
        return 1 / (1 + math.exp(-max(-30.0, min(30.0, odds))))


@dataclass(frozen=True)
class JudgeModel:
    """Trees, and calibrations of `ENSEMBLE_MEMBERS` and of ``"combined"``, by language (``"en"``, ``"zh"``).

    ``trained_on``: fingerprints of the training files.
    """

    trees: Mapping[str, TreeEnsemble]
    scales: Mapping[str, Mapping[str, LogisticCalibration]]
    trained_on: tuple[str, ...]
    note: str

    def log_odds(self, lang: str, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the trees' uncalibrated log-odds, (claims,), of rows (claims, features)."""
        return self.trees[lang].score(FEATURE_NAMES, rows)

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> JudgeModel:
        """Build a model from the content of its file.

        Raises:
            ModelError: the model was trained on other features.
        """
        if tuple(data["features"]) != FEATURE_NAMES:
            raise ModelError("The judge was trained on other features: retrain it with `make judge DATA=DIR`.")
        scales = {
            lang: {name: LogisticCalibration(tuple(row["weights"]), row["bias"]) for name, row in rows.items()}
            for lang, rows in data["scales"].items()
        }
        trees = {
            lang: TreeEnsemble.from_json({"features": data["features"], "trees": t})
            for lang, t in data["trees"].items()
        }
        return JudgeModel(trees, scales, tuple(data["trained_on"]), data["note"])


@lru_cache(maxsize=1)
def load_builtin_judge() -> JudgeModel:
    """Load the judge that ships with kgrag."""
    return JudgeModel.from_json(json.loads((files("kgrag") / "data" / "judge.json").read_text("utf-8")))


def judge_to_json(
    trees: Mapping[str, Sequence[Any]],
    scales: Mapping[str, Mapping[str, LogisticCalibration]],
    note: str,
    trained_on: Sequence[str],
) -> JsonObject:
    """Return the JSON that `JudgeModel.from_json` reads; ``trees`` are those of `kgrag.dev.training.boosted_trees`."""
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
