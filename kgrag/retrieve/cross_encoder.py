"""Optional reranking with a cross-encoder, which scores a question and a passage together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kgrag.errors import ModelError
from kgrag.models.device import has_cuda
from kgrag.retrieve.fusion import reciprocal_rank_fusion

if TYPE_CHECKING:
    from kgrag.protocols import Reranker

RERANK_DEPTH = 20
"""Number of top passages that the cross-encoder scores."""
RERANK_FUSION_CONSTANT = 5
"""The constant of the fusion of the two orders. Among 20 passages the usual 60 would make all ranks nearly equal."""


def load_reranker(name: str) -> Reranker:
    """Load a cross-encoder from a folder or by its name on a model hub.

    Raises:
        ModelError: it cannot be loaded, or is not a cross-encoder.
    """
    return CrossEncoderReranker(name)


class CrossEncoderReranker:
    """A sequence classifier with one output, run by sentence-transformers, on a GPU if available."""

    def __init__(self, name: str) -> None:
        """Load the model from the folder ``name``, or else from a model hub.

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
                f"found none that can be loaded ({reason}): give its folder, or delete that line."
            ) from error
        outputs = self._model.config.num_labels
        if outputs != 1:
            raise ModelError(
                f"Expected a cross-encoder with one output for reranker = {name!r}, found {outputs} outputs (an "
                "entailment model?): choose a model trained for ranking, or delete that line from kgrag.toml."
            )

    def score(self, question: str, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return scores of shape (texts,), higher is better, on the model's own scale."""
        if not texts:
            return np.zeros(0)
        # sort by length, so that no text is padded to the length of a much longer one
        order = sorted(range(len(texts)), key=lambda place: (len(texts[place]), place))
        scores = np.zeros(len(texts))
        pairs = [(question, texts[place]) for place in order]
        scores[order] = np.asarray(self._model.predict(pairs, batch_size=16, show_progress_bar=False), np.float64)
        return scores


def fuse_with_ranker(scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the positions of passages, best first, by reciprocal rank fusion (Cormack et al. 2009) of two orders.

    A cross-encoder sees the question alone. It underrates the second passage of two steps, which the ranker found through
    the first. So its order is one of two votes.

    Args:
        scores: cross-encoder scores of shape (passages,), in the ranker's order; ties keep that order.
    """
    prior_order = np.arange(len(scores))
    score_order: NDArray[np.int64] = np.lexsort((prior_order, -scores))
    votes = reciprocal_rank_fusion([prior_order, score_order], len(scores), RERANK_FUSION_CONSTANT)
    order: NDArray[np.int64] = np.lexsort((prior_order, -votes.round(12)))
    return order
