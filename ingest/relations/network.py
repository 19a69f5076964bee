"""A small network over the states of a sentence's words: which words are spans, and what joins two of them.

Two convolutions over the words, each beside what went in (He et al. 2016), then a linear layer a word; and for two spans
a layer over what stands in them and between them, in the way of Eberts and Ulges (2020). Here it is in numpy, for reading;
`kgrag.dev.training.relations.network` is the same in torch, for training, and a test holds one against the other.
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
"""Types of names; one that is not here is read as the first."""
_TYPE_INDEX = {kind: place for place, kind in enumerate(ENTITY_TYPES)}
TAG_COUNT = 1 + 2 * len(ENTITY_TYPES)
"""What a word can be of a name: nothing, or the first or a further word of one of each type."""
MAX_DISTANCE, MAX_SPANS_BETWEEN = 31, 7
FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int64]


class SpanPairs(NamedTuple):
    """Pairs of spans as a network is asked of them, each an array (pairs,): words from and to (end exclusive) of the left
    and the right span, their types as one number, and how many spans stand between them."""

    left: IntArray
    left_end: IntArray
    right: IntArray
    right_end: IntArray
    types: IntArray
    between: IntArray


def tag_ids(word_count: int, spans: Sequence[tuple[int, int, str]]) -> IntArray:
    """(words,), each in [0, `TAGS`): what each word is of ``spans``, given as words from and to and the type."""
    word_tags = np.zeros(word_count, np.int64)
    for start, end, kind in spans:
        if start < end:
            tag = 1 + 2 * _TYPE_INDEX.get(kind, 0)
            word_tags[start] = tag
            word_tags[start + 1 : end] = tag + 1
    return word_tags


def make_span_pairs(spans: Sequence[tuple[int, int, str]], index_pairs: Sequence[tuple[int, int]]) -> SpanPairs:
    """Pairs of ``spans``, given as places in it, the left one first."""
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
    """(words, `HIDDEN`) of states (words, width) and the `tags` of the names that are known."""
    hidden: FloatArray = np.maximum(states @ net["input"] + net["input_bias"] + net["mark"][name_tags], 0)
    for layer in range(LAYER_COUNT):
        hidden += _convolve(net, hidden, str(layer))
    return hidden


def span_tag_logits(net: Mapping[str, FloatArray], hidden: FloatArray) -> FloatArray:
    """(words, 3): log-odds that a word stays out of a span, begins one, continues one."""
    logits: FloatArray = hidden @ net["tag"] + net["tag_bias"]
    return logits


def classify_pairs(
    net: Mapping[str, FloatArray], states: FloatArray, hidden: FloatArray, argument_tags: IntArray, pairs: SpanPairs
) -> tuple[FloatArray, FloatArray]:
    """(pairs,): log-odds that two spans are joined; (pairs, `HIDDEN`): what `classified` wants.

    Args:
        ends: `tags` of all spans.
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
    """(classes,): log-odds by what a pair is joined, of its row of what `judged` gives."""
    logits: FloatArray = pair_hidden @ net["which"] + net["which_bias"]
    return logits


def _span_means(sums: FloatArray, start: IntArray, end: IntArray) -> FloatArray:
    mean: FloatArray = (sums[end] - sums[start]) / np.maximum(end - start, 1)[:, None].astype(np.float32)
    return mean


def _convolve(net: Mapping[str, FloatArray], hidden: FloatArray, name: str) -> FloatArray:
    """A convolution over each word and its two neighbours, of what is scaled to a mean of 0 and a variance of 1."""
    width = hidden.shape[1]
    centred = hidden - hidden.mean(1, keepdims=True)
    deviation = np.sqrt(np.einsum("ij,ij->i", centred, centred) / width + 1e-5)
    scaled = centred / deviation[:, None] * net[f"scale_{name}"] + net[f"shift_{name}"]
    window = np.zeros((len(hidden), 3 * width), np.float32)
    window[1:, :width], window[:, width:-width], window[:-1, -width:] = scaled[:-1], scaled, scaled[1:]
    convolved: FloatArray = window @ net[f"around_{name}"]
    convolved += net[f"around_{name}_bias"]
    return np.maximum(convolved, 0, out=convolved)
