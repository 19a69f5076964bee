"""Training the two orders of the ranker with LightGBM, and writing them as the program reads them.

The second order sees how likely the first holds each candidate. What a model says of the questions it was trained on is
too sure, so the chances that the second learns from are those of models that did not see the question (stacking,
Wolpert 1992).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kgrag.evaluate.examples import Example
from kgrag.retrieve.context import context
from kgrag.retrieve.matches import Matches
from kgrag.retrieve.trees import chances

ROUNDS = 150
PARAMETERS: dict[str, Any] = {
    "objective": "binary",
    "num_leaves": 15,
    "learning_rate": 0.08,
    "min_data_in_leaf": 40,
    "feature_fraction": 0.7,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 5,
    "seed": 0,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 2,
    "verbose": -1,
}
INNER = 4
"""Parts that the questions are cut into, so that each gets its chances from a model of the other parts."""


@dataclass(frozen=True)
class Model:
    """Boosters of the first and, but for examples without matches, of the second order."""

    first: Any
    second: Any | None

    def score(self, example: Example) -> NDArray[np.float64]:
        """(candidates,): the logarithm of the odds. As probabilities those near 1 would fall together."""
        if not len(example.rows):
            return np.zeros(0)
        scores = np.asarray(self.first.predict(example.rows, raw_score=True))
        if self.second is None:
            return scores
        return np.asarray(self.second.predict(_beside(example, chances(scores)), raw_score=True))


def train(groups: Sequence[Sequence[Example]]) -> Model:
    """A model of all examples; every group weighs the same, however many questions it has."""
    first = _boosted(groups, [[example.rows for example in group] for group in groups])
    if any(example.matches is None for group in groups for example in group):
        return Model(first, None)
    rows: list[list[NDArray[np.float32]]] = [[example.rows for example in group] for group in groups]
    for part in range(INNER):
        others = [[example for n, example in enumerate(group) if n % INNER != part] for group in groups]
        model = _boosted(others, [[example.rows for example in group] for group in others])
        for group, made in zip(groups, rows, strict=True):
            for number in range(part, len(group), INNER):
                if len(group[number].rows):
                    scores = model.predict(group[number].rows, raw_score=True)
                    made[number] = _beside(group[number], chances(scores))
    return Model(first, _boosted(groups, rows))


def _beside(example: Example, chance: NDArray[np.float64]) -> NDArray[np.float32]:
    assert example.matches is not None
    return np.hstack([example.rows, context(example.matches, chance)[1]])


def _boosted(groups: Sequence[Sequence[Example]], rows: Sequence[Sequence[NDArray[np.float32]]]) -> Any:
    import lightgbm

    chosen = [
        (example.labels, each, 1.0 / len(group))
        for group, described in zip(groups, rows, strict=True)
        for example, each in zip(group, described, strict=True)
        if len(each)
    ]
    labels = np.concatenate([each for each, _, _ in chosen])
    weights = np.concatenate([np.full(len(each), weight) for each, _, weight in chosen])
    every = np.vstack([each for _, each, _ in chosen])
    data = lightgbm.Dataset(every, labels, weight=weights * len(weights) / weights.sum())
    return lightgbm.train(PARAMETERS, data, ROUNDS)


def as_json(names: Sequence[str], model: Model, note: str, trained_on: Sequence[str] = ()) -> str:
    """The ranker as `kgrag.retrieve.ranker.Ranker.load` reads it.

    Args:
        names: of the features of an example's rows.
        model: with both orders.
        note: what it was trained on, for people.
        trained_on: fingerprints of the files of questions.
    """
    more = context(Matches.none(), np.zeros(0))[0]
    orders = {"first": _order(names, model.first), "second": _order([*names, *more], model.second)}
    return json.dumps({"note": note, "trained_on": list(trained_on), **orders}, separators=(",", ":")) + "\n"


def _order(names: Sequence[str], booster: Any) -> dict[str, Any]:
    return {"features": list(names), "trees": [_flat(t["tree_structure"]) for t in booster.dump_model()["tree_info"]]}


def _flat(root: dict[str, Any]) -> dict[str, list[float]]:
    flat: dict[str, list[float]] = {part: [] for part in ("feature", "threshold", "left", "right", "value")}

    def add(node: dict[str, Any]) -> int:
        place = len(flat["feature"])
        inner = "split_feature" in node
        flat["feature"].append(node["split_feature"] if inner else -1)
        flat["threshold"].append(float(f"{node['threshold']:.7g}") if inner else 0)
        flat["value"].append(0 if inner else round(node["leaf_value"], 6))
        flat["left"].append(0)
        flat["right"].append(0)
        if inner:
            flat["left"][place] = add(node["left_child"])
            flat["right"][place] = add(node["right_child"])
        return place

    add(root)
    return flat
