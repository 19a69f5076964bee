"""Compare the blocks of the evidence with the question by meaning, as wholes and token by token."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kgrag.protocols import Embedder, Matrix, TokenEmbedder

Scores = NDArray[np.float64]


def score_similarity(question: str, texts: Sequence[str], embedder: Embedder) -> Scores:
    """Return (texts,): how similar each text is to the question, in standard deviations of these texts.

    The sum of two scores: the cosine of the two vectors, and the mean over the question's tokens of the cosine with the
    most similar token of the text, so that a long text is not blurred (Khattab and Zaharia 2020, "ColBERT"). An embedder
    without vectors of tokens gives the cosine alone, twice. Encoders differ in the range of their cosines, so both are
    scaled by the texts at hand, of which there is at least one.
    """
    if not isinstance(embedder, TokenEmbedder):
        return 2 * _standardize(embedder.embed(texts) @ embedder.embed_query(question))
    question_tokens = embedder.embed_tokens([question], is_query=True)[0]
    text_tokens = embedder.embed_tokens(texts)
    question_vector, question_units = _scale_rows(question_tokens.mean(axis=0)), _scale_rows(question_tokens)
    cosines = [float(_scale_rows(tokens.mean(axis=0)) @ question_vector) for tokens in text_tokens]
    closest = [float((question_units @ _scale_rows(tokens).T).max(axis=1).mean()) for tokens in text_tokens]
    return _standardize(cosines) + _standardize(closest)


def _scale_rows(vectors: Matrix) -> Matrix:
    """Return vectors of length 1."""
    scaled: Matrix = vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
    return scaled


def _standardize(values: Sequence[float] | Matrix) -> Scores:
    """Return values minus their mean, divided by their standard deviation; 0 where all are the same."""
    array = np.asarray(values, np.float64)
    deviation = array.std() if len(array) else 0.0
    return (array - array.mean()) / deviation if deviation > 1e-9 else np.zeros(len(array))
