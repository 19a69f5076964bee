"""A cross-encoder, for those who have one: it reads a question and a passage together, and says how well they fit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kgrag.errors import ModelError
from kgrag.models.device import has_cuda

if TYPE_CHECKING:
    from kgrag.protocols import Reranker

RERANK_DEPTH = 20
"""Passages that are read with the question: the best of the order before."""
FUSION_CONSTANT = 5
"""The constant of the fusion of the two orders. Among 20 passages the usual 60 would make all ranks nearly equal."""


def load_reranker(name: str) -> Reranker:
    """The cross-encoder in a folder, or of a model hub's name.

    Raises:
        ModelError: it cannot be had, or is none.
    """
    return CrossEncoderReranker(name)


class CrossEncoderReranker:
    """A sequence classifier with one output, run by sentence-transformers; on a GPU where there is one."""

    def __init__(self, name: str) -> None:
        """Load it from the folder ``name``, or else from a model hub.

        Raises:
            ModelError: it cannot be loaded, or has more than one output.
        """
        from sentence_transformers import CrossEncoder

        self.name = name
        folder = Path(name).expanduser()
        try:
            self._model = CrossEncoder(
                str(folder) if folder.exists() else name,
                device="cuda" if has_cuda() else "cpu",
                model_kwargs={"use_safetensors": True},
                trust_remote_code=False,
            )
        except Exception as error:  # transformers raises OSError, ValueError, RuntimeError and others
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise ModelError(
                f"Expected a cross-encoder (a sequence classifier in safetensors) for reranker = {name!r} in kgrag.toml, "
                f"and it cannot be loaded ({reason}): name its folder, or remove that line."
            ) from error
        outputs = self._model.config.num_labels
        if outputs != 1:
            raise ModelError(
                f"Expected a cross-encoder with one output for reranker = {name!r}, found one with {outputs} (such as "
                "for entailment): name a model that was trained to rank, or remove that line from kgrag.toml."
            )

    def score(self, question: str, texts: Sequence[str]) -> NDArray[np.float64]:
        """(texts,): how well each fits the question, higher is better; the scale is the model's own."""
        if not texts:
            return np.zeros(0)
        # by length, so that no text is padded to the length of a much longer one
        order = sorted(range(len(texts)), key=lambda place: (len(texts[place]), place))
        scores = np.zeros(len(texts))
        pairs = [(question, texts[place]) for place in order]
        scores[order] = np.asarray(self._model.predict(pairs, batch_size=16, show_progress_bar=False), np.float64)
        return scores


def fuse_with_ranker(scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """The places of passages, best first, by reciprocal rank fusion (Cormack et al. 2009) of two orders.

    A cross-encoder knows the question alone: the second passage of two steps, which the order before found by way of
    the first, it takes for a stranger. So it has a vote, and not the last word.

    Args:
        scores: (passages,), of a cross-encoder, for passages that stand in the order before. Equal ones share that order.
    """
    prior_rank = np.arange(len(scores))
    rank = np.empty(len(scores), np.int64)
    rank[np.lexsort((prior_rank, -scores))] = prior_rank
    votes = 1.0 / (FUSION_CONSTANT + 1 + prior_rank) + 1.0 / (FUSION_CONSTANT + 1 + rank)
    order: NDArray[np.int64] = np.lexsort((prior_rank, -votes.round(12)))
    return order
