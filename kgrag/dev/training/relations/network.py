"""Training of `ingest.relations.network` and its linear models in torch.

The data are sentences with known spans and pairs; examples of a set are used as they are. Float32 on one thread, so
that training is reproducible.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ingest.relations.classifier import RELATION_BUCKETS
from ingest.relations.network import (
    ENTITY_TYPES,
    HIDDEN_SIZE,
    LAYER_COUNT,
    MAX_DISTANCE,
    MAX_SPANS_BETWEEN,
    TAG_COUNT,
    FloatArray,
    IntArray,
    SpanPairs,
)
from ingest.relations.pair_features import PAIR_BUCKETS
from ingest.relations.span_tagger import SPAN_BUCKETS as SPAN_BUCKETS
from ingest.relations.token_states import STATE_SIZE

if TYPE_CHECKING:
    from torch import Tensor

BATCH_SIZE = 48
EPOCHS = 5
LEARNING_RATE, BUCKET_LEARNING_RATE = 1.5e-3, 0.01
SPAN_PENALTY, PAIR_PENALTY = 1e-5, 5e-5
DROPOUT = 0.3
Tensors = dict[str, "Tensor"]
"""Torch tensors by name; torch loads only in the functions that need it."""
Parameters = Mapping[str, Any]
WEIGHT_SHAPES: Mapping[str, tuple[int, ...]] = {
    "input": (STATE_SIZE, HIDDEN_SIZE), "input_bias": (HIDDEN_SIZE,), "mark": (TAG_COUNT, HIDDEN_SIZE), "tag": (HIDDEN_SIZE, 3), "tag_bias": (3,),
    "end": (TAG_COUNT, HIDDEN_SIZE), "again": (STATE_SIZE, HIDDEN_SIZE), "again_bias": (HIDDEN_SIZE,),
    **{part: (HIDDEN_SIZE, HIDDEN_SIZE) for part in ("left", "right", "middle", "most")},
    "types": (len(ENTITY_TYPES) ** 2, HIDDEN_SIZE), "far": (MAX_DISTANCE + 1, HIDDEN_SIZE), "between": (MAX_SPANS_BETWEEN + 1, HIDDEN_SIZE),
    "pair_bias": (HIDDEN_SIZE,), "joined": (HIDDEN_SIZE, 1), "joined_bias": (1,),
    **{
        f"{part}_{name}{end}": shape
        for name in (*map(str, range(LAYER_COUNT)), "pair")
        for part, end, shape in (
            ("scale", "", (HIDDEN_SIZE,)), ("shift", "", (HIDDEN_SIZE,)),
            ("around", "", (3 * HIDDEN_SIZE, HIDDEN_SIZE)), ("around", "_bias", (HIDDEN_SIZE,)),
        )
    },
}  # fmt: skip
"""The shape of every weight but those of the classes."""
_EMBEDDINGS = ("mark", "end", "types", "far", "between")
NO_NUMBERS: IntArray = np.zeros(0, np.int64)


@dataclass(eq=False)
class RelationTrainingSentence:
    """The training data of a sentence: word states, tags, hashed features and decisions, and its pairs, if any.

    ``states`` is (words, width), ``features`` (words, features). ``end_tags`` mark the ends of ``span_pairs``;
    ``pair_features`` are their hashed features. ``pair_classes`` is the class of each pair, -1 for an unknown relation
    and -2 for no relation.
    """

    states: NDArray[np.float16]
    name_tags: IntArray
    features: IntArray
    decisions: IntArray
    end_tags: IntArray = field(default_factory=NO_NUMBERS.copy)
    span_pairs: SpanPairs | None = None
    pair_features: list[IntArray] = field(default_factory=list)
    pair_classes: IntArray = field(default_factory=NO_NUMBERS.copy)


def fit_weights(sentences: Sequence[RelationTrainingSentence], classes: int) -> dict[str, FloatArray]:
    """Train all weights, by name (see `ingest.relations.classifier`); those of pairs only if there are ``classes``."""
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    dense, hashed = _initial_weights(classes)
    optimiser = torch.optim.AdamW(
        [
            {"params": list(dense.values()), "lr": LEARNING_RATE, "weight_decay": 0.01},
            {
                "params": [hashed["spans"]] if not classes else list(hashed.values()),
                "lr": BUCKET_LEARNING_RATE,
                "weight_decay": 0.0,
            },
        ]
    )
    steps = EPOCHS * -(-len(sentences) // BATCH_SIZE)
    scheduler = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min(1, (step + 1) / 50) * max(0.02, 1 - step / steps)
    )
    net: Tensors = {**dense, **hashed}
    for epoch in range(EPOCHS):
        for batch in _batches(sentences, epoch):
            states, name_tags, mask = _batch_tensors(batch)
            hidden = encode_words(net, states, name_tags, mask, train=True)
            flat = torch.from_numpy(np.concatenate([s.features for s in batch]))
            tag_logits = (hidden @ net["tag"] + net["tag_bias"])[mask] + _sum_embeddings(flat, net["spans"])
            loss: Any = cross_entropy(tag_logits, torch.from_numpy(np.concatenate([s.decisions for s in batch])))
            loss = loss + SPAN_PENALTY * (net["spans"] ** 2).sum()
            pair_classes = torch.from_numpy(np.concatenate([s.pair_classes for s in batch]))
            if classes and len(pair_classes):
                join_logits, class_logits = classify_pairs(net, states, hidden, mask, batch, train=True)
                loss = loss + binary_cross_entropy_with_logits(join_logits, (pair_classes > -2).float())
                if bool((pair_classes >= 0).any()):
                    loss = loss + 0.5 * cross_entropy(class_logits[pair_classes >= 0], pair_classes[pair_classes >= 0])
                loss = loss + PAIR_PENALTY * ((net["joins"] ** 2).sum() + (net["names"] ** 2).sum())
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_([*dense.values(), *hashed.values()], 1.0)
            optimiser.step()
            scheduler.step()
    torch.set_num_threads(threads)
    return {name: weights.detach().numpy() for name, weights in net.items()}


def _initial_weights(classes: int) -> tuple[Tensors, Tensors]:
    """Return initial weights: of the network, and of hashed features (0)."""
    import torch

    shapes = {**WEIGHT_SHAPES, "which": (HIDDEN_SIZE, max(1, classes)), "which_bias": (max(1, classes),)}
    dense = {}
    for name, shape in shapes.items():
        if name in _EMBEDDINGS:
            weights = torch.randn(shape) * 0.1
        elif name.startswith("scale"):
            weights = torch.ones(shape)
        elif len(shape) == 1:
            weights = torch.zeros(shape)
        else:
            weights = (torch.rand(shape) * 2 - 1) / float(np.sqrt(shape[0]))
        dense[name] = weights.requires_grad_()
    widths = {"spans": (SPAN_BUCKETS, 3), "joins": (PAIR_BUCKETS, 1), "names": (RELATION_BUCKETS, max(1, classes))}
    return dense, {name: torch.zeros(shape, requires_grad=True) for name, shape in widths.items()}


def _batches(sentences: Sequence[RelationTrainingSentence], epoch: int) -> Iterator[list[RelationTrainingSentence]]:
    """Yield all sentences in batches of similar length, in an order that depends on the epoch."""
    rng = np.random.default_rng(epoch)
    order = rng.permutation(len(sentences))
    order = order[np.argsort([len(sentences[i].name_tags) + 6 * rng.random() for i in order], kind="stable")]
    batches = [order[start : start + BATCH_SIZE] for start in range(0, len(order), BATCH_SIZE)]
    for place in rng.permutation(len(batches)):
        yield [sentences[i] for i in batches[place]]


def _batch_tensors(batch: Sequence[RelationTrainingSentence]) -> tuple[Any, Any, Any]:
    """Return states (sentences, words, width), name tags, and the mask of the words present."""
    import torch

    max_words = max(len(s.name_tags) for s in batch)
    states = np.zeros((len(batch), max_words, STATE_SIZE), np.float32)
    name_tags = np.zeros((len(batch), max_words), np.int64)
    mask = np.zeros((len(batch), max_words), bool)
    for row, s in enumerate(batch):
        states[row, : len(s.name_tags)], name_tags[row, : len(s.name_tags)], mask[row, : len(s.name_tags)] = (
            s.states,
            s.name_tags,
            True,
        )
    return torch.from_numpy(states), torch.from_numpy(name_tags), torch.from_numpy(mask)


def encode_words(net: Parameters, states: Any, name_tags: Any, mask: Any, *, train: bool = False) -> Any:
    """Compute `ingest.relations.network.encode_words` for several sentences; positions outside ``mask`` are padding."""
    hidden = (_dropout(states, train) @ net["input"] + net["input_bias"] + net["mark"][name_tags]).relu()
    for layer in range(LAYER_COUNT):
        hidden = hidden + _convolve(net, hidden, str(layer), mask, train)
    return hidden


def classify_pairs(
    net: Parameters,
    states: Any,
    hidden: Any,
    mask: Any,
    batch: Sequence[RelationTrainingSentence],
    *,
    train: bool = False,
) -> tuple[Any, Any]:
    """Compute the join and class logits of all pairs of a batch, the linear models included.

    See `ingest.relations.network`.
    """
    import torch

    tags = torch.zeros(mask.shape, dtype=torch.int64)
    rows, columns = [], []
    for number, s in enumerate(batch):
        if s.span_pairs is not None:
            tags[number, : len(s.end_tags)] = torch.from_numpy(s.end_tags)
            rows += [number] * len(s.span_pairs.left)
            columns.append(np.stack(s.span_pairs))
    row = torch.tensor(rows)
    left, left_end, right, right_end, types, between = torch.from_numpy(np.concatenate(columns, axis=1))
    pair_states = hidden + net["end"][tags] + _dropout(states, train) @ net["again"] + net["again_bias"]
    pair_states = pair_states + _convolve(net, pair_states, "pair", mask, train)
    sums = torch.cat([torch.zeros_like(pair_states[:, :1]), pair_states.cumsum(1)], 1)

    def mean(start: Any, end: Any) -> Any:
        return (sums[row, end] - sums[row, start]) / (end - start).clamp(min=1)[:, None]

    word_positions = left_end[:, None] + torch.arange(max(1, int((right - left_end).max())))[None]
    inside = word_positions < right[:, None]
    max_states = (
        pair_states[row[:, None], word_positions.clamp(max=pair_states.shape[1] - 1)]
        .masked_fill(~inside[..., None], -1e9)
        .max(1)
        .values
    )
    max_between = torch.where(inside.any(1)[:, None], max_states, torch.zeros(()))
    pair_hidden = mean(left, left_end) @ net["left"] + mean(right, right_end) @ net["right"]
    pair_hidden = pair_hidden + mean(left_end, right) @ net["middle"] + max_between @ net["most"] + net["types"][types]
    pair_hidden = (
        pair_hidden + net["far"][(right - left_end).clamp(0, MAX_DISTANCE)] + net["between"][between] + net["pair_bias"]
    )
    pair_hidden = _dropout(pair_hidden.relu(), train)
    pair_features = [features for s in batch for features in s.pair_features]
    flat = torch.from_numpy(np.concatenate(pair_features))
    starts = torch.from_numpy(np.cumsum([0, *(len(h) for h in pair_features[:-1])]))
    join_logits = (pair_hidden @ net["joined"] + net["joined_bias"])[:, 0] + _sum_embeddings(
        flat, net["joins"], starts
    )[:, 0]
    return join_logits, pair_hidden @ net["which"] + net["which_bias"] + _sum_embeddings(
        flat % RELATION_BUCKETS, net["names"], starts
    )


def _dropout(values: Any, train: bool) -> Any:
    import torch

    return torch.nn.functional.dropout(values, DROPOUT, train)


def _sum_embeddings(flat: Any, weights: Any, starts: Any = None) -> Any:
    import torch

    return torch.nn.functional.embedding_bag(flat, weights, starts, mode="sum")


def _convolve(net: Parameters, hidden: Any, name: str, mask: Any, train: bool) -> Any:
    import torch

    hidden = _dropout(hidden, train)
    scaled = torch.nn.functional.layer_norm(hidden, (HIDDEN_SIZE,), net[f"scale_{name}"], net[f"shift_{name}"])
    padded = torch.nn.functional.pad(scaled * mask[..., None], (0, 0, 1, 1))
    windows = torch.cat([padded[:, :-2], padded[:, 1:-1], padded[:, 2:]], -1)
    return (windows @ net[f"around_{name}"] + net[f"around_{name}_bias"]).relu()
