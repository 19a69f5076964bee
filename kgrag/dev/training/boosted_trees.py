"""Training of boosted trees with LightGBM, and their JSON format."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Protocol, TypedDict

import numpy as np
from numpy.typing import NDArray

BOOSTING_ROUNDS = 150
PARAMETERS: dict[str, str | float] = {
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


class LightgbmNode(TypedDict, total=False):
    """A node of a tree, as LightGBM dumps it: a leaf has ``leaf_value`` alone, any other node has all the rest."""

    split_feature: int
    threshold: float
    left_child: LightgbmNode
    right_child: LightgbmNode
    leaf_value: float


class LabelledRows(Protocol):
    """The training data of one question."""

    @property
    def rows(self) -> NDArray[np.float32]:
        """(candidates, features)."""

    @property
    def labels(self) -> NDArray[np.int8]:
        """(candidates,): 1 for a relevant candidate, else 0."""


def train_boosted_trees(groups: Sequence[Sequence[LabelledRows]], rounds: int = BOOSTING_ROUNDS) -> Any:
    """Train a LightGBM booster of ``rounds`` trees; every group weighs the same, however many questions it has."""
    import lightgbm

    weighted_examples = [(example, 1.0 / len(group)) for group in groups for example in group if len(example.rows)]
    rows = np.vstack([example.rows for example, _ in weighted_examples])
    labels = np.concatenate([example.labels for example, _ in weighted_examples])
    weights = np.concatenate([np.full(len(example.rows), weight) for example, weight in weighted_examples])
    data = lightgbm.Dataset(rows, labels, weight=weights * len(weights) / weights.sum())
    return lightgbm.train(PARAMETERS, data, rounds)


def ranker_json(names: Sequence[str], booster: Any, note: str, trained_on: Sequence[str] = ()) -> str:
    """Return the ranker in the format that `kgrag.retrieve.boosted_trees.TreeEnsemble.load` reads.

    Args:
        names: of the features of an example's rows.
        booster: from `train_boosted_trees`.
        note: the training data, for the reader of the file.
        trained_on: fingerprints of the question files.
    """
    trees = [flatten_tree(tree["tree_structure"]) for tree in booster.dump_model()["tree_info"]]
    ranker = {"note": note, "trained_on": list(trained_on), "features": list(names), "trees": trees}
    return json.dumps(ranker, separators=(",", ":")) + "\n"


def flatten_tree(root: LightgbmNode) -> dict[str, list[float]]:
    """Convert a tree dumped by LightGBM to the parallel lists that `kgrag.retrieve.boosted_trees` reads."""
    lists: dict[str, list[float]] = {part: [] for part in ("feature", "threshold", "left", "right", "value")}

    def add(node: LightgbmNode) -> int:
        place = len(lists["feature"])
        inner = "split_feature" in node
        lists["feature"].append(node["split_feature"] if inner else -1)
        lists["threshold"].append(float(f"{node['threshold']:.7g}") if inner else 0)
        lists["value"].append(0 if inner else round(node["leaf_value"], 6))
        lists["left"].append(0)
        lists["right"].append(0)
        if inner:
            lists["left"][place] = add(node["left_child"])
            lists["right"][place] = add(node["right_child"])
        return place

    add(root)
    return lists
