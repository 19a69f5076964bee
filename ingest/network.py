"""A small network over the states of a sentence's words: which words are spans, and what joins two of them.

Two convolutions over the words, each beside what went in (He et al. 2016), then a linear layer a word; and for two spans
a layer over what stands in them and between them, in the way of Eberts and Ulges (2020). Here it is in numpy, for reading;
`kgrag.evaluate.relate_network` is the same in torch, for training, and a test holds one against the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

HIDDEN = 128
LAYERS = 2
KINDS = (
    "MISC", "SELF", "DATE", "PERSON", "PLACE", "ORGANISATION", "WORK", "GROUP", "EVENT", "PRODUCT", "LANGUAGE",
    "TERM", "NUMBER",
)  # fmt: skip
"""Types of names; one that is not here is read as the first."""
_PLACES = {kind: place for place, kind in enumerate(KINDS)}
TAGS = 1 + 2 * len(KINDS)
"""What a word can be of a name: nothing, or the first or a further word of one of each type."""
FARTHEST, MOST_BETWEEN = 31, 7
Weights = NDArray[np.float32]
Numbers = NDArray[np.int64]


class Asked(NamedTuple):
    """Pairs of spans as a network is asked of them, each an array (pairs,): words from and to (end exclusive) of the left
    and the right span, their types as one number, and how many spans stand between them."""

    left: Numbers
    left_end: Numbers
    right: Numbers
    right_end: Numbers
    types: Numbers
    between: Numbers


def tags(words: int, spans: Sequence[tuple[int, int, str]]) -> Numbers:
    """(words,), each in [0, `TAGS`): what each word is of ``spans``, given as words from and to and the type."""
    found = np.zeros(words, np.int64)
    for start, end, kind in spans:
        if start < end:
            tag = 1 + 2 * _PLACES.get(kind, 0)
            found[start] = tag
            found[start + 1 : end] = tag + 1
    return found


def asked(spans: Sequence[tuple[int, int, str]], pairs: Sequence[tuple[int, int]]) -> Asked:
    """Pairs of ``spans``, given as places in it, the left one first."""
    rows = [
        (
            *spans[a][:2],
            *spans[b][:2],
            _PLACES.get(spans[a][2], 0) * len(KINDS) + _PLACES.get(spans[b][2], 0),
            min(b - a - 1, MOST_BETWEEN),
        )
        for a, b in pairs
    ]
    return Asked(*np.array(rows, np.int64).reshape(-1, 6).T)


def trunk(net: Mapping[str, Weights], states: Weights, marks: Numbers) -> Weights:
    """(words, `HIDDEN`) of states (words, width) and the `tags` of the names that are known."""
    hidden: Weights = np.maximum(states @ net["input"] + net["input_bias"] + net["mark"][marks], 0)
    for layer in range(LAYERS):
        hidden += _convolved(net, hidden, str(layer))
    return hidden


def decisions(net: Mapping[str, Weights], hidden: Weights) -> Weights:
    """(words, 3): log-odds that a word stays out of a span, begins one, continues one."""
    odds: Weights = hidden @ net["tag"] + net["tag_bias"]
    return odds


def judged(
    net: Mapping[str, Weights], states: Weights, hidden: Weights, ends: Numbers, pairs: Asked
) -> tuple[Weights, Weights]:
    """(pairs,): log-odds that two spans are joined; (pairs, `HIDDEN`): what `classified` wants.

    Args:
        ends: `tags` of all spans.
    """
    seen = hidden + net["end"][ends] + states @ net["again"] + net["again_bias"]
    seen += _convolved(net, seen, "pair")
    sums = np.zeros((len(seen) + 1, seen.shape[1]), np.float32)
    np.cumsum(seen, axis=0, out=sums[1:])
    most = np.zeros((len(pairs.left), seen.shape[1]), np.float32)
    for row, (start, end) in enumerate(zip(pairs.left_end.tolist(), pairs.right.tolist(), strict=True)):
        if start < end:
            seen[start:end].max(0, out=most[row])
    mixed = (
        _mean(sums, pairs.left, pairs.left_end) @ net["left"]
        + _mean(sums, pairs.right, pairs.right_end) @ net["right"]
        + _mean(sums, pairs.left_end, pairs.right) @ net["middle"]
        + most @ net["most"]
        + net["types"][pairs.types]
        + net["far"][np.clip(pairs.right - pairs.left_end, 0, FARTHEST)]
        + net["between"][pairs.between]
        + net["pair_bias"]
    )
    np.maximum(mixed, 0, out=mixed)
    return (mixed @ net["joined"] + net["joined_bias"])[:, 0], mixed


def classified(net: Mapping[str, Weights], mixed: Weights) -> Weights:
    """(classes,): log-odds by what a pair is joined, of its row of what `judged` gives."""
    odds: Weights = mixed @ net["which"] + net["which_bias"]
    return odds


def _mean(sums: Weights, start: Numbers, end: Numbers) -> Weights:
    mean: Weights = (sums[end] - sums[start]) / np.maximum(end - start, 1)[:, None].astype(np.float32)
    return mean


def _convolved(net: Mapping[str, Weights], hidden: Weights, name: str) -> Weights:
    """A convolution over each word and its two neighbours, of what is scaled to a mean of 0 and a variance of 1."""
    width = hidden.shape[1]
    centred = hidden - hidden.mean(1, keepdims=True)
    spread = np.sqrt(np.einsum("ij,ij->i", centred, centred) / width + 1e-5)
    scaled = centred / spread[:, None] * net[f"scale_{name}"] + net[f"shift_{name}"]
    around = np.zeros((len(hidden), 3 * width), np.float32)
    around[1:, :width], around[:, width:-width], around[:-1, -width:] = scaled[:-1], scaled, scaled[1:]
    folded: Weights = around @ net[f"around_{name}"]
    folded += net[f"around_{name}_bias"]
    return np.maximum(folded, 0, out=folded)
