"""The ordering: each candidate by itself, then again beside the best of the first order.

Trained by `kgrag.evaluate.ranking`; kept as JSON with the program, or in a file of one's own.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kgrag.errors import ModelError
from kgrag.retrieve.candidates import Candidates, Indices
from kgrag.retrieve.context import context
from kgrag.retrieve.features import features
from kgrag.retrieve.matches import match
from kgrag.retrieve.trees import Trees, chances


@dataclass(frozen=True)
class Ranker:
    """Two sets of trees: ``first`` sees the `features` of a candidate, ``second`` its `context` as well.

    ``trained_on``: the fingerprints of the question files it was trained on; none if its file does not say.
    """

    first: Trees
    second: Trees
    trained_on: tuple[str, ...] = ()

    def score(self, question: str, found: Candidates, indices: Indices) -> NDArray[np.float64]:
        """(candidates,): the logarithm of the odds that each is evidence; higher is better.

        Raises:
            ModelError: it was trained on other features.
        """
        if not len(found.rows):
            return np.zeros(0)
        matches = match(question, found, indices)
        names, rows = features(question, found, matches, indices)
        more, beside = context(matches, chances(self.first.score(names, rows)))
        return self.second.score([*names, *more], np.hstack([rows, beside]))

    @staticmethod
    def load(path: Path | None = None) -> Ranker:
        """Read a ranker from JSON: the one that comes with the program, or ``path``.

        Raises:
            ModelError: it is of an older program.
        """
        text = path.read_text("utf-8") if path else (files("kgrag") / "data" / "ranker.json").read_text("utf-8")
        data = json.loads(text)
        if "second" not in data:
            raise ModelError(
                "Expected a ranker of two orders, found one of an older program: remake it with `make ranker`."
            )
        return Ranker(Trees.of(data["first"]), Trees.of(data["second"]), tuple(data.get("trained_on", ())))
