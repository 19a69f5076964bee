"""Batches of tokenized texts: texts of about one length together, padded to a multiple of `BUCKET_TOKENS`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

BUCKET_TOKENS = 16
"""Texts are padded to a multiple of this many tokens."""
MAX_BATCH_TOKENS = 512
"""Tokens of a batch at most, padding included: larger ones leave the cache and take an eighth longer."""


def padded_length(length: int) -> int:
    """Return the width of the bucket of a text with ``length`` tokens."""
    return max(1, -(-length // BUCKET_TOKENS)) * BUCKET_TOKENS


def bucket_batches(lengths: Sequence[int]) -> Iterator[tuple[list[int], int]]:
    """Yield (rows, padded length) of batches, shortest first; the rows of a batch belong to one bucket."""
    buckets: dict[int, list[int]] = {}
    for row, length in enumerate(lengths):
        buckets.setdefault(padded_length(length), []).append(row)
    for width in sorted(buckets):
        size = max(1, MAX_BATCH_TOKENS // width)
        rows = buckets[width]
        for start in range(0, len(rows), size):
            yield rows[start : start + size], width


def mean_pool(hidden: NDArray[np.float32], mask: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean of ``hidden`` (texts, tokens, dimensions) over the tokens in ``mask``, scaled to length 1."""
    weights = mask[..., None]
    mean = (hidden * weights).sum(axis=1) / np.maximum(weights.sum(axis=1), 1.0)
    scaled: NDArray[np.float32] = (mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-12)).astype(
        np.float32
    )
    return scaled
