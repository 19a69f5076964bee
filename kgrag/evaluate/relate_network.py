"""The network of `ingest.network`, and the linear models beside it, in torch: made from sentences whose spans and pairs
are known, with a set's examples as they are. Float32 on one thread, so that it is made the same again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest.network import FARTHEST, HIDDEN, KINDS, LAYERS, MOST_BETWEEN, TAGS, Asked, Numbers, Weights
from ingest.pairs import BUCKETS
from ingest.relate import NARROW
from ingest.spans import BUCKETS as SPAN_BUCKETS
from ingest.states import WIDTH

BATCH = 48
EPOCHS = 5
RATE, RATE_OF_BUCKETS = 1.5e-3, 0.01
PENALTY, PENALTY_OF_PAIRS = 1e-5, 5e-5
DROPPED = 0.3
Parameters = Mapping[str, Any]
SHAPES: Mapping[str, tuple[int, ...]] = {
    "input": (WIDTH, HIDDEN), "input_bias": (HIDDEN,), "mark": (TAGS, HIDDEN), "tag": (HIDDEN, 3), "tag_bias": (3,),
    "end": (TAGS, HIDDEN), "again": (WIDTH, HIDDEN), "again_bias": (HIDDEN,),
    **{part: (HIDDEN, HIDDEN) for part in ("left", "right", "middle", "most")},
    "types": (len(KINDS) ** 2, HIDDEN), "far": (FARTHEST + 1, HIDDEN), "between": (MOST_BETWEEN + 1, HIDDEN),
    "pair_bias": (HIDDEN,), "joined": (HIDDEN, 1), "joined_bias": (1,),
    **{
        f"{part}_{name}{end}": shape
        for name in (*map(str, range(LAYERS)), "pair")
        for part, end, shape in (
            ("scale", "", (HIDDEN,)), ("shift", "", (HIDDEN,)),
            ("around", "", (3 * HIDDEN, HIDDEN)), ("around", "_bias", (HIDDEN,)),
        )
    },
}  # fmt: skip
"""Of every weight but those of the classes."""
_LOOKED_UP = ("mark", "end", "types", "far", "between")
NONE: Numbers = np.zeros(0, np.int64)


@dataclass(eq=False)
class Sentence:
    """What is learned from a sentence: its words' states (words, width), tags of names, hashed features (words, features)
    and decisions; and its pairs, if there are any: tags of their ends, as asked, their hashed features, and of each the
    class, -1 where it is joined by none that is known, and -2 where it is not joined."""

    states: NDArray[np.float16]
    marks: Numbers
    features: Numbers
    decisions: Numbers
    ends: Numbers = field(default_factory=NONE.copy)
    asked: Asked | None = None
    pairs: list[Numbers] = field(default_factory=list)
    classes: Numbers = field(default_factory=NONE.copy)


def fit(sentences: Sequence[Sentence], classes: int) -> dict[str, Weights]:
    """All weights, by name (see `ingest.relate.Model`); those of pairs only where there are ``classes``."""
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    dense, hashed = _fresh(classes)
    optimiser = torch.optim.AdamW(
        [
            {"params": list(dense.values()), "lr": RATE, "weight_decay": 0.01},
            {
                "params": [hashed["spans"]] if not classes else list(hashed.values()),
                "lr": RATE_OF_BUCKETS,
                "weight_decay": 0.0,
            },
        ]
    )
    steps = EPOCHS * -(-len(sentences) // BATCH)
    slower = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min(1, (step + 1) / 50) * max(0.02, 1 - step / steps)
    )
    net: dict[str, Any] = {**dense, **hashed}
    for epoch in range(EPOCHS):
        for batch in _batches(sentences, epoch):
            states, marks, mask = _words(batch)
            hidden = trunk(net, states, marks, mask, train=True)
            flat = torch.from_numpy(np.concatenate([s.features for s in batch]))
            odds = (hidden @ net["tag"] + net["tag_bias"])[mask] + _bag(flat, net["spans"])
            loss: Any = cross_entropy(odds, torch.from_numpy(np.concatenate([s.decisions for s in batch])))
            loss = loss + PENALTY * (net["spans"] ** 2).sum()
            known = torch.from_numpy(np.concatenate([s.classes for s in batch]))
            if classes and len(known):
                joined, which = judged(net, states, hidden, mask, batch, train=True)
                loss = loss + binary_cross_entropy_with_logits(joined, (known > -2).float())
                if bool((known >= 0).any()):
                    loss = loss + 0.5 * cross_entropy(which[known >= 0], known[known >= 0])
                loss = loss + PENALTY_OF_PAIRS * ((net["joins"] ** 2).sum() + (net["names"] ** 2).sum())
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_([*dense.values(), *hashed.values()], 1.0)
            optimiser.step()
            slower.step()
    torch.set_num_threads(threads)
    return {name: weights.detach().numpy() for name, weights in net.items()}


def _fresh(classes: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Weights to begin with: of the network, and of hashed features (0)."""
    import torch

    shapes = {**SHAPES, "which": (HIDDEN, max(1, classes)), "which_bias": (max(1, classes),)}
    dense = {}
    for name, shape in shapes.items():
        if name in _LOOKED_UP:
            made = torch.randn(shape) * 0.1
        elif name.startswith("scale"):
            made = torch.ones(shape)
        elif len(shape) == 1:
            made = torch.zeros(shape)
        else:
            made = (torch.rand(shape) * 2 - 1) / float(np.sqrt(shape[0]))
        dense[name] = made.requires_grad_()
    widths = {"spans": (SPAN_BUCKETS, 3), "joins": (BUCKETS, 1), "names": (NARROW, max(1, classes))}
    return dense, {name: torch.zeros(shape, requires_grad=True) for name, shape in widths.items()}


def _batches(sentences: Sequence[Sentence], epoch: int) -> Iterator[list[Sentence]]:
    """All sentences in batches of about one length, in an order of the epoch."""
    rng = np.random.default_rng(epoch)
    order = rng.permutation(len(sentences))
    order = order[np.argsort([len(sentences[i].marks) + 6 * rng.random() for i in order], kind="stable")]
    batches = [order[start : start + BATCH] for start in range(0, len(order), BATCH)]
    for place in rng.permutation(len(batches)):
        yield [sentences[i] for i in batches[place]]


def _words(batch: Sequence[Sentence]) -> tuple[Any, Any, Any]:
    """States (sentences, words, width), marks, and which words are there."""
    import torch

    longest = max(len(s.marks) for s in batch)
    states = np.zeros((len(batch), longest, WIDTH), np.float32)
    marks = np.zeros((len(batch), longest), np.int64)
    mask = np.zeros((len(batch), longest), bool)
    for row, s in enumerate(batch):
        states[row, : len(s.marks)], marks[row, : len(s.marks)], mask[row, : len(s.marks)] = s.states, s.marks, True
    return torch.from_numpy(states), torch.from_numpy(marks), torch.from_numpy(mask)


def trunk(net: Parameters, states: Any, marks: Any, mask: Any, *, train: bool = False) -> Any:
    """`ingest.network.trunk` of several sentences; nothing is where ``mask`` is false."""
    hidden = (_dropped(states, train) @ net["input"] + net["input_bias"] + net["mark"][marks]).relu()
    for layer in range(LAYERS):
        hidden = hidden + _convolved(net, hidden, str(layer), mask, train)
    return hidden


def judged(
    net: Parameters, states: Any, hidden: Any, mask: Any, batch: Sequence[Sentence], *, train: bool = False
) -> tuple[Any, Any]:
    """`ingest.network.judged` of all pairs of a batch, with the linear models' part."""
    import torch

    tags = torch.zeros(mask.shape, dtype=torch.int64)
    rows, columns = [], []
    for number, s in enumerate(batch):
        if s.asked is not None:
            tags[number, : len(s.ends)] = torch.from_numpy(s.ends)
            rows += [number] * len(s.asked.left)
            columns.append(np.stack(s.asked))
    row = torch.tensor(rows)
    left, left_end, right, right_end, types, between = torch.from_numpy(np.concatenate(columns, axis=1))
    seen = hidden + net["end"][tags] + _dropped(states, train) @ net["again"] + net["again_bias"]
    seen = seen + _convolved(net, seen, "pair", mask, train)
    sums = torch.cat([torch.zeros_like(seen[:, :1]), seen.cumsum(1)], 1)

    def mean(start: Any, end: Any) -> Any:
        return (sums[row, end] - sums[row, start]) / (end - start).clamp(min=1)[:, None]

    places = left_end[:, None] + torch.arange(max(1, int((right - left_end).max())))[None]
    inside = places < right[:, None]
    held = seen[row[:, None], places.clamp(max=seen.shape[1] - 1)].masked_fill(~inside[..., None], -1e9).max(1).values
    most = torch.where(inside.any(1)[:, None], held, torch.zeros(()))
    mixed = mean(left, left_end) @ net["left"] + mean(right, right_end) @ net["right"]
    mixed = mixed + mean(left_end, right) @ net["middle"] + most @ net["most"] + net["types"][types]
    mixed = mixed + net["far"][(right - left_end).clamp(0, FARTHEST)] + net["between"][between] + net["pair_bias"]
    mixed = _dropped(mixed.relu(), train)
    hashed = [features for s in batch for features in s.pairs]
    flat = torch.from_numpy(np.concatenate(hashed))
    starts = torch.from_numpy(np.cumsum([0, *(len(h) for h in hashed[:-1])]))
    joined = (mixed @ net["joined"] + net["joined_bias"])[:, 0] + _bag(flat, net["joins"], starts)[:, 0]
    return joined, mixed @ net["which"] + net["which_bias"] + _bag(flat % NARROW, net["names"], starts)


def _dropped(values: Any, train: bool) -> Any:
    import torch

    return torch.nn.functional.dropout(values, DROPPED, train)


def _bag(flat: Any, weights: Any, starts: Any = None) -> Any:
    import torch

    return torch.nn.functional.embedding_bag(flat, weights, starts, mode="sum")


def _convolved(net: Parameters, hidden: Any, name: str, mask: Any, train: bool) -> Any:
    import torch

    hidden = _dropped(hidden, train)
    scaled = torch.nn.functional.layer_norm(hidden, (HIDDEN,), net[f"scale_{name}"], net[f"shift_{name}"])
    padded = torch.nn.functional.pad(scaled * mask[..., None], (0, 0, 1, 1))
    around = torch.cat([padded[:, :-2], padded[:, 1:-1], padded[:, 2:]], -1)
    return (around @ net[f"around_{name}"] + net[f"around_{name}_bias"]).relu()
