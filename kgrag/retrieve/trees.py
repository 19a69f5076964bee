"""Gradient-boosted trees (Friedman 2001) as plain JSON, scored with numpy and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kgrag.errors import ModelError


@dataclass(frozen=True)
class Trees:
    """Trees side by side, all arrays (trees, nodes): in ``feature`` -1 marks a leaf, whose score is ``value``."""

    features: tuple[str, ...]
    feature: NDArray[np.int32]
    threshold: NDArray[np.float64]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    value: NDArray[np.float64]

    def score(self, names: Sequence[str], rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """(candidates,): the logarithm of the odds; higher is better.

        Args:
            names: of the features; must be those it was trained on.
            rows: (candidates, features).

        Raises:
            ModelError: the features are others.
        """
        if tuple(names) != self.features:
            raise ModelError("The ranker was trained on other features: remake it with `make ranker`.")
        trees = np.arange(len(self.feature))[None]
        node = np.zeros((len(rows), len(self.feature)), np.int32)
        lines = np.arange(len(rows))[:, None]
        while True:
            feature = self.feature[trees, node]
            inner = feature >= 0
            if not inner.any():
                return np.asarray(self.value[trees, node].sum(axis=1))
            goes_left = rows[lines, np.maximum(feature, 0)] <= self.threshold[trees, node]
            node = np.where(inner, np.where(goes_left, self.left[trees, node], self.right[trees, node]), node)

    @staticmethod
    def of(data: Mapping[str, Any]) -> Trees:
        """From ``{"features": [...], "trees": [{"feature": [...], "threshold": ..., "left", "right", "value"}]}``."""
        width = max(len(tree["feature"]) for tree in data["trees"])

        def array(part: str, fill: float) -> NDArray[Any]:
            return np.array([tree[part] + [fill] * (width - len(tree[part])) for tree in data["trees"]])

        return Trees(
            tuple(data["features"]),
            array("feature", -1).astype(np.int32),
            array("threshold", 0).astype(np.float64),
            array("left", 0).astype(np.int32),
            array("right", 0).astype(np.int32),
            array("value", 0).astype(np.float64),
        )


def chances(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities of `Trees.score`, in (0, 1)."""
    return 1 / (1 + np.exp(-np.clip(scores, -30, 30)))
