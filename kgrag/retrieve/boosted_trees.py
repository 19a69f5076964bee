"""Gradient-boosted trees over relative features, stored as JSON and scored with numpy alone.

They rank passages and select sentences (`kgrag.answering.stages.evidence_selection`). Trained by
`kgrag.dev.training.boosted_trees` (Friedman 2001, with LightGBM).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kgrag.errors import ModelError


@dataclass(frozen=True)
class TreeEnsemble:
    """Boosted trees as arrays of shape (trees, nodes); in ``feature`` -1 marks a leaf, whose score is ``value``.

    ``trained_on``: the fingerprints of the training question files; empty if the file has none.
    """

    feature_names: tuple[str, ...]
    feature: NDArray[np.int32]
    threshold: NDArray[np.float64]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    value: NDArray[np.float64]
    trained_on: tuple[str, ...] = ()

    def score(self, names: Sequence[str], rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the scores of shape (candidates,); higher is better.

        Args:
            names: names of the features; must be those of the training.
            rows: features of shape (candidates, features).

        Raises:
            ModelError: the features differ from those of the training.
        """
        if tuple(names) != self.feature_names:
            raise ModelError(
                "Expected the features that the ranker was trained on, found others: train it again with `make ranker` "
                "(for sentences: `make sentences`)."
            )
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
    def load(path: Path | None = None) -> TreeEnsemble:
        """Load a ranker from a JSON file, by default the built-in passage ranker."""
        return (
            TreeEnsemble.from_json(json.loads(path.read_text("utf-8")))
            if path
            else TreeEnsemble.load_builtin("ranker.json")
        )

    @staticmethod
    def load_builtin(name: str) -> TreeEnsemble:
        """Load a built-in ensemble: ``"ranker.json"`` or ``"sentences.json"``."""
        return TreeEnsemble.from_json(json.loads((files("kgrag") / "data" / name).read_text("utf-8")))

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> TreeEnsemble:
        """Build an ensemble from its JSON form: ``features``, ``trees`` and optionally ``trained_on``."""
        width = max(len(tree["feature"]) for tree in data["trees"])

        def array(part: str, kind: type, fill: float) -> NDArray[np.generic]:
            return np.array([tree[part] + [fill] * (width - len(tree[part])) for tree in data["trees"]], kind)

        return TreeEnsemble(
            tuple(data["features"]),
            array("feature", np.int32, -1),  # type: ignore[arg-type]
            array("threshold", np.float64, 0),  # type: ignore[arg-type]
            array("left", np.int32, 0),  # type: ignore[arg-type]
            array("right", np.int32, 0),  # type: ignore[arg-type]
            array("value", np.float64, 0),  # type: ignore[arg-type]
            tuple(data.get("trained_on", ())),
        )
