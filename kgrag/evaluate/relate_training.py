"""Making the model that joins names (`ingest.relate`) from public sets of facts, and what it is worth, crosswise.

Data: the train files of WebNLG (CC BY-NC-SA 4.0) and CoNLL-04 (Roth and Yih 2004; Associated Press and TREC text, for
research), and Re-DocRED's dev file (Tan et al. 2022, MIT). What is made of them is a table of weights, no text.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ingest.extract import lines_of
from ingest.pairs import BUCKETS, Pair, ends, pairs
from ingest.relate import OTHER, SURE, Model, Weights, named
from ingest.relations import Line
from ingest.spans import BEGIN, INSIDE, OUT, Word, after, decode, features, words
from ingest.spans import BUCKETS as SPAN_BUCKETS
from kgrag.evaluate.called import value, values
from kgrag.evaluate.extraction_sets import Item, load
from kgrag.evaluate.relation_names import predicates_of
from kgrag.evaluate.relation_names import words as said

FILES = {"webnlg": "webnlg.train.json.gz", "conll04": "conll04.train.json.gz", "redocred": "redocred.dev.json.gz"}
NARROW = 1 << 14
RARE = 25
"""A relation of a set without a predicate of ours keeps its own name if it is stated as often; else it is OTHER."""
_TABLE = {"conll04": "conll04-training"}
Tick = Callable[[], None]


class Read(NamedTuple):
    """A sentence of a set: the item it is of, its words with their features and decisions, and as marks."""

    item: int
    heard: list[Word]
    features: list[list[int]]
    tags: list[int]
    line: Line
    title_id: str


class Example(NamedTuple):
    """A pair of a sentence, the relations that its set states of it, as written and "^" before those turned round."""

    item: int
    pair: Pair
    relations: tuple[str, ...]
    called: tuple[frozenset[str], frozenset[str]]


def load_sets(data: Path, limit: int | None = None) -> dict[str, list[Item]]:
    """The items that are learned from; ``data`` is the folder that holds ``extraction``."""
    return {name: load(name, data / "extraction" / file, limit) for name, file in FILES.items()}


def train(sets: Mapping[str, list[Item]], tick: Tick = lambda: None) -> Model:
    """The model from all items. Pairs are learned on spans that were decided by half a model, not on those it knows."""
    read = {name: list(_read(items, tick)) for name, items in sets.items()}
    pairs_ = _examples(sets, read)
    everything = [one for part in pairs_.values() for one in part]
    joined, bias = _fit_joined(everything)
    classes, which, biases = _fit_which(pairs_)
    spans = _fit_spans([r for part in read.values() for r in part])
    return Model(classes, spans, joined, which, bias, biases)


def cross_validate(sets: Mapping[str, list[Item]], tick: Tick = lambda: None) -> dict[str, tuple[float, float, float]]:
    """Precision, recall and F1 of joined pairs a set, learned on the other half of it and all of the other sets."""
    read = {name: list(_read(items, tick)) for name, items in sets.items()}
    found = _examples(sets, read)
    figures = {}
    for name, rows in found.items():
        half = len(sets[name]) // 2
        right = ours = met = 0
        for first in (True, False):
            learned = [one for other, part in found.items() if other != name for one in part]
            joined, bias = _fit_joined(learned + [r for r in rows if (r.item < half) == first])
            stated: dict[int, dict[frozenset[str], list[Example]]] = {}
            for row in (r for r in rows if (r.item < half) != first):
                if bias + joined[np.array(row.pair.features)].sum() >= np.log(SURE / (1 - SURE)):
                    pair = frozenset((row.pair.left.entity, row.pair.right.entity))
                    stated.setdefault(row.item, {}).setdefault(pair, []).append(row)
            ours += sum(map(len, stated.values()))
            right += sum(any(r.relations for r in rs) for group in stated.values() for rs in group.values())
            for item, group in stated.items():
                met += sum(
                    any(_joins(r, pair) for rs in group.values() for r in rs) for pair in _gold(sets[name][item])
                )
        wanted = sum(len(_gold(item)) for item in sets[name])
        p, r = right / max(1, ours), met / max(1, wanted)
        figures[name] = (p, r, 2 * p * r / (p + r) if p + r else 0.0)
    return figures


def _gold(item: Item) -> list[tuple[frozenset[str], frozenset[str]]]:
    """The pairs that a sentence of an item states, where the set says which sentences do."""
    placed = any(fact.places for fact in item.facts)
    facts = [fact for fact in item.facts if fact.places or not placed]
    return list({frozenset(p): p for p in ((values(f.subject), values(f.object)) for f in facts)}.values())


def _joins(row: Example, pair: tuple[frozenset[str], frozenset[str]]) -> bool:
    (a, b), (s, o) = row.called, pair
    return bool((a & s and b & o) or (a & o and b & s))


def _read(items: Sequence[Item], tick: Tick) -> Iterator[Read]:
    for number, item in enumerate(items):
        gold = [(n.start, n.end) for n in item.names] or _places(item)
        for start, line, title_id in lines_of(item.document):
            heard = words(line.text)
            tags = [OUT] * len(heard)
            for begin, end in gold:
                inside = [i for i, w in enumerate(heard) if begin <= start + w[0] and start + w[1] <= end]
                for place in inside:
                    tags[place] = BEGIN if place == inside[0] else INSIDE
            yield Read(number, heard, features(heard, named(line.marks)), tags, line, title_id)
        tick()


def _places(item: Item) -> list[tuple[int, int]]:
    """Where the names of an item's facts stand, the longest first, for a set that marks no names."""
    text = item.document.text.lower()
    names = {name.replace("_", " ").strip().lower() for fact in item.facts for name in (*fact.subject, *fact.object)}
    found: list[tuple[int, int]] = []
    used: set[int] = set()
    for name in sorted((n for n in names if len(n) > 1 or n.isdigit()), key=lambda n: (-len(n), n)):
        for match in re.finditer(rf"(?<!\w){re.escape(name)}(?!\w)", text):
            if used.isdisjoint(range(*match.span())):
                used.update(range(*match.span()))
                found.append(match.span())
    return found


def _examples(sets: Mapping[str, list[Item]], read: Mapping[str, list[Read]]) -> dict[str, list[Example]]:
    """The pairs of all sentences, their spans decided by a model of the other halves of the sets."""
    found: dict[str, list[Example]] = {name: [] for name in sets}
    for first in (True, False):
        halves = {name: len(items) // 2 for name, items in sets.items()}
        weights = _fit_spans([r for name, part in read.items() for r in part if (r.item < halves[name]) == first])
        for name, part in read.items():
            for one in part:
                if (one.item < halves[name]) != first:
                    spans = decode(weights, one.heard, one.features)
                    found[name] += _labelled(sets[name][one.item], one, spans)
    return found


def _labelled(item: Item, one: Read, spans: Sequence[tuple[int, int]]) -> Iterable[Example]:
    text = one.line.text
    for pair in pairs(text, ends(text, one.line.marks, spans, one.title_id)):
        a, b = (frozenset({value(text[e.start : e.end]), value(e.entity)}) for e in (pair.left, pair.right))
        relations = []
        for fact in item.facts:
            s, o = values(fact.subject), values(fact.object)
            relations += [fact.relation] if a & s and b & o else [f"^{fact.relation}"] if a & o and b & s else []
        yield Example(one.item, pair, tuple(relations), (a, b))


def _predicate(name: str, relation: str, common: Counter[str]) -> str:
    """A set's relation as a class of ours."""
    turned, plain = relation.startswith("^"), relation.removeprefix("^")
    ours = predicates_of(_TABLE.get(name, name)).get(
        plain, (said(plain).replace(" ", "_") if common[plain] >= RARE else OTHER,)
    )[0]
    if ours.startswith("^"):
        turned, ours = not turned, ours[1:]
    return ("^" if turned else "") + ours


def _fit_which(found: Mapping[str, list[Example]]) -> tuple[tuple[str, ...], Weights, Weights]:
    rows, names = [], []
    for name, part in found.items():
        common = Counter(relation.removeprefix("^") for one in part for relation in one.relations)
        for one in part:
            if one.relations:
                rows.append(np.array(one.pair.features) % NARROW)
                names.append(_predicate(name, one.relations[0], common))
    classes = tuple(sorted(set(names)))
    weights, biases = _fit(rows, np.array([classes.index(n) for n in names]), NARROW, len(classes), epochs=6)
    return classes, weights, biases


def _fit_joined(found: Sequence[Example]) -> tuple[Weights, float]:
    rows = [np.array(one.pair.features) for one in found]
    weights, biases = _fit(rows, np.array([int(bool(one.relations)) for one in found]), BUCKETS, 2, epochs=4)
    return weights[:, 1] - weights[:, 0], float(biases[1] - biases[0])


def _fit_spans(read: Sequence[Read]) -> Weights:
    rows, tags = [], []
    for one in read:
        before = OUT
        for word, row, tag in zip(one.heard, one.features, one.tags, strict=True):
            rows.append(np.array(row + after(before, word[2])))
            tags.append(tag)
            before = tag
    return _fit(rows, np.array(tags), SPAN_BUCKETS, 3, epochs=5, penalty=1e-5, biased=False)[0]


def _fit(
    rows: Sequence[NDArray[np.int64]],
    labels: NDArray[np.int64],
    buckets: int,
    classes: int,
    *,
    epochs: int,
    penalty: float = 5e-5,
    biased: bool = True,
) -> tuple[Weights, Weights]:
    """Multinomial logistic regression over bags of features, by Adam: (buckets, classes) and (classes,)."""
    import torch

    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    bag = torch.nn.EmbeddingBag(buckets, classes, mode="sum")
    torch.nn.init.zeros_(bag.weight)
    bias = torch.zeros(classes, requires_grad=biased)
    optimiser = torch.optim.Adam([bag.weight, bias] if biased else [bag.weight], lr=0.01)
    wanted = torch.from_numpy(labels)
    for _ in range(epochs):
        order = rng.permutation(len(rows))
        for start in range(0, len(rows), 512):
            batch = order[start : start + 512]
            flat = torch.from_numpy(np.concatenate([rows[i] for i in batch]))
            starts = torch.from_numpy(np.cumsum([0, *(len(rows[i]) for i in batch[:-1])]))
            loss: Any = torch.nn.functional.cross_entropy(bag(flat, starts) + bias, wanted[batch])
            loss = loss + penalty * (bag.weight**2).sum()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return bag.weight.detach().numpy(), bias.detach().numpy()
