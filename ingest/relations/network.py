"""Small network over word states: tags argument spans and classifies the relation of two spans.

Two convolutions over the words, each with a residual connection (He et al. 2016), then a linear layer per word. For two
spans, a layer over the words inside and between them, similar to Eberts and Ulges (2020). This numpy version runs in
production; `kgrag.dev.training.relations.network` is the torch version for training, and a test checks that both agree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

HIDDEN_SIZE = 128
LAYER_COUNT = 2
ENTITY_TYPES = (
    "MISC", "SELF", "DATE", "PERSON", "PLACE", "ORGANISATION", "WORK", "GROUP", "EVENT", "PRODUCT", "LANGUAGE",
    "TERM", "NUMBER",
)  # fmt: skip
"""Entity types; unknown types are treated as the first."""
_TYPE_INDEX = {kind: place for place, kind in enumerate(ENTITY_TYPES)}
TAG_COUNT = 1 + 2 * len(ENTITY_TYPES)
"""Number of word tags: outside, and begin and inside for each entity type."""
MAX_DISTANCE, MAX_SPANS_BETWEEN = 31, 7
FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int64]


class SpanPairs(NamedTuple):
    """Pairs of spans as network input, each field an array (pairs,).

    Attributes:
        left: first word of the left span.
        left_end: end of the left span, exclusive.
        right: first word of the right span.
        right_end: end of the right span, exclusive.
        types: both types as one number.
        between: number of spans between them.
    """

    left: IntArray
    left_end: IntArray
    right: IntArray
    right_end: IntArray
    types: IntArray
    between: IntArray


def tag_ids(word_count: int, spans: Sequence[tuple[int, int, str]]) -> IntArray:
    """Return (words,) tags in [0, `TAG_COUNT`) of spans, given as (first word, end, type)."""
    word_tags = np.zeros(word_count, np.int64)
    for start, end, kind in spans:
        if start < end:
            tag = 1 + 2 * _TYPE_INDEX.get(kind, 0)
            word_tags[start] = tag
            word_tags[start + 1 : end] = tag + 1
    return word_tags


def make_span_pairs(spans: Sequence[tuple[int, int, str]], index_pairs: Sequence[tuple[int, int]]) -> SpanPairs:
    """Return pairs of ``spans``, given as pairs of indices, the left one first."""
    rows = [
        (
            *spans[a][:2],
            *spans[b][:2],
            _TYPE_INDEX.get(spans[a][2], 0) * len(ENTITY_TYPES) + _TYPE_INDEX.get(spans[b][2], 0),
            min(b - a - 1, MAX_SPANS_BETWEEN),
        )
        for a, b in index_pairs
    ]
    return SpanPairs(*np.array(rows, np.int64).reshape(-1, 6).T)


def encode_words(net: Mapping[str, FloatArray], states: FloatArray, name_tags: IntArray) -> FloatArray:
    """Return (words, `HIDDEN_SIZE`) hidden states from states (words, width) and the `tag_ids` of known names."""
    hidden: FloatArray = np.maximum(states @ net["input"] + net["input_bias"] + net["mark"][name_tags], 0)
    for layer in range(LAYER_COUNT):
        hidden += _convolve(net, hidden, str(layer))
    return hidden


def span_tag_logits(net: Mapping[str, FloatArray], hidden: FloatArray) -> FloatArray:
    """Return (words, 3) logits that a word is outside a span, begins one, or continues one."""
    logits: FloatArray = hidden @ net["tag"] + net["tag_bias"]
    return logits


def classify_pairs(
    net: Mapping[str, FloatArray], states: FloatArray, hidden: FloatArray, argument_tags: IntArray, pairs: SpanPairs
) -> tuple[FloatArray, FloatArray]:
    """Return (pairs,) logits that two spans are related, and (pairs, `HIDDEN_SIZE`) for `relation_logits`.

    Args:
        net: weights by name.
        states: (words, width), states of the sentence encoder.
        hidden: (words, `HIDDEN_SIZE`), from `encode_words`.
        argument_tags: (words,), `tag_ids` of all arguments.
        pairs: the pairs of spans.
    """
    pair_states = hidden + net["end"][argument_tags] + states @ net["again"] + net["again_bias"]
    pair_states += _convolve(net, pair_states, "pair")
    sums = np.zeros((len(pair_states) + 1, pair_states.shape[1]), np.float32)
    np.cumsum(pair_states, axis=0, out=sums[1:])
    max_states = np.zeros((len(pairs.left), pair_states.shape[1]), np.float32)
    for row, (start, end) in enumerate(zip(pairs.left_end.tolist(), pairs.right.tolist(), strict=True)):
        if start < end:
            pair_states[start:end].max(0, out=max_states[row])
    pair_hidden = (
        _span_means(sums, pairs.left, pairs.left_end) @ net["left"]
        + _span_means(sums, pairs.right, pairs.right_end) @ net["right"]
        + _span_means(sums, pairs.left_end, pairs.right) @ net["middle"]
        + max_states @ net["most"]
        + net["types"][pairs.types]
        + net["far"][np.clip(pairs.right - pairs.left_end, 0, MAX_DISTANCE)]
        + net["between"][pairs.between]
        + net["pair_bias"]
    )
    np.maximum(pair_hidden, 0, out=pair_hidden)
    return (pair_hidden @ net["joined"] + net["joined_bias"])[:, 0], pair_hidden


def relation_logits(net: Mapping[str, FloatArray], pair_hidden: FloatArray) -> FloatArray:
    """Return (classes,) logits of a pair's relation from its row of hidden states of `classify_pairs`."""
    logits: FloatArray = pair_hidden @ net["which"] + net["which_bias"]
    return logits


def _span_means(sums: FloatArray, start: IntArray, end: IntArray) -> FloatArray:
    mean: FloatArray = (sums[end] - sums[start]) / np.maximum(end - start, 1)[:, None].astype(np.float32)
    return mean


def _convolve(net: Mapping[str, FloatArray], hidden: FloatArray, name: str) -> FloatArray:
    """Apply layer normalisation, then a convolution over each word and its two neighbours."""
    width = hidden.shape[1]
    centred = hidden - hidden.mean(1, keepdims=True)
    deviation = np.sqrt(np.einsum("ij,ij->i", centred, centred) / width + 1e-5)
    scaled = centred / deviation[:, None] * net[f"scale_{name}"] + net[f"shift_{name}"]
    window = np.zeros((len(hidden), 3 * width), np.float32)
    window[1:, :width], window[:, width:-width], window[:-1, -width:] = scaled[:-1], scaled, scaled[1:]
    convolved: FloatArray = window @ net[f"around_{name}"]
    convolved += net[f"around_{name}_bias"]
    return np.maximum(convolved, 0, out=convolved)
