"""Making the model that joins names (`ingest.relate`) from public sets of facts, and what it is worth, crosswise.

Data: the train files of WebNLG (CC BY-NC-SA 4.0) and CoNLL-04 (Roth and Yih 2004; Associated Press and TREC text, for
research), and Re-DocRED's dev file (Tan et al. 2022, MIT). What is made of them is a table of weights, no text.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ingest.extract import lines_of
from ingest.network import Weights, decisions, tags, trunk
from ingest.pairs import Pair, ends, pairs
from ingest.relate import OTHER, SURE, Model, Read, named, places
from ingest.relations import Line
from ingest.spans import AFTER, BEGIN, INSIDE, OUT, Word, after, decode, features, placed, words
from kgrag.evaluate.called import value, values
from kgrag.evaluate.extraction_sets import Item, load
from kgrag.evaluate.relate_network import NONE, Sentence, fit
from kgrag.evaluate.relation_names import predicates_of
from kgrag.evaluate.relation_names import words as said

FILES = {"webnlg": "webnlg.train.json.gz", "conll04": "conll04.train.json.gz", "redocred": "redocred.dev.json.gz"}
RARE = 25
"""A relation of a set without a predicate of ours keeps its own name if it is stated as often; else it is OTHER."""
_TABLE = {"conll04": "conll04-training"}
Tick = Callable[[], None]


class Example(NamedTuple):
    """A pair of a sentence, the relations that its set states of it, as written and "^" before those turned round."""

    pair: Pair
    relations: tuple[str, ...]
    called: tuple[frozenset[str], frozenset[str]]


@dataclass
class Row:
    """A sentence of a set: the item it is of, its words, as marks, what is learned from it, and its pairs."""

    item: int
    half: bool
    heard: list[Word]
    line: Line
    title_id: str
    learned: Sentence
    examples: list[Example] = field(default_factory=list)


Rows = dict[str, list[Row]]


def load_sets(data: Path, limit: int | None = None) -> dict[str, list[Item]]:
    """The items that are learned from; ``data`` is the folder that holds ``extraction``."""
    return {name: load(name, data / "extraction" / file, limit) for name, file in FILES.items()}


def prepare(sets: Mapping[str, list[Item]], tick: Tick = lambda: None) -> tuple[Rows, tuple[str, ...]]:
    """The sentences of sets with their pairs, and the classes that these have.

    The spans of each half are decided by what was learned of the other halves, as they are when a text is new.
    """
    rows = {name: list(_rows(items, tick)) for name, items in sets.items()}
    for half in (True, False):
        everything = [row for part in rows.values() for row in part]
        weights = fit([row.learned for row in everything if row.half == half], 0)
        for name, part in rows.items():
            for row in part:
                if row.half != half:
                    spans = decode(decided(weights, row), weights["spans"], row.heard)
                    _label(sets[name][row.item], row, spans)
    names = {name: list(_named(name, part)) for name, part in rows.items()}
    classes = tuple(sorted({one for part in names.values() for row in part for one in row if one}))
    numbers: dict[str | None, int] = {one: number for number, one in enumerate(classes)} | {None: -2}
    for name, part in rows.items():
        for row, called in zip(part, names[name], strict=True):
            row.learned.classes = np.array([numbers[one] for one in called], np.int64)
    return rows, classes


def train(rows: Rows, classes: tuple[str, ...]) -> Model:
    """The model of all that was prepared."""
    return Model(classes, fit([row.learned for part in rows.values() for row in part], len(classes)))


def cross_validate(
    sets: Mapping[str, list[Item]], rows: Rows, classes: tuple[str, ...]
) -> dict[str, tuple[float, float, float]]:
    """Precision, recall and F1 of joined pairs a set, each half judged by what was learned of the other halves."""
    odds: dict[int, Weights] = {}
    for half in (True, False):
        learned = [row.learned for part in rows.values() for row in part if row.half == half]
        made = Model(classes, fit(learned, len(classes)))
        for row in (row for part in rows.values() for row in part if row.half != half):
            if row.learned.asked is not None:
                states = row.learned.states.astype(np.float32)
                hidden = trunk(made.weights, states, row.learned.marks)
                pairs_ = [one.pair for one in row.examples]
                odds[id(row)] = made.judge(Read(states, hidden, row.learned.ends, row.learned.asked, pairs_))[0]
    return {name: _figures(sets[name], part, odds) for name, part in rows.items()}


def decided(weights: Mapping[str, Weights], row: Row) -> Weights:
    """(words, 3): the log-odds that `ingest.spans.decode` wants."""
    hidden = trunk(weights, row.learned.states.astype(np.float32), row.learned.marks)
    odds: Weights = decisions(weights, hidden) + weights["spans"][row.learned.features[:, :-AFTER]].sum(1)
    return odds


def _figures(items: Sequence[Item], rows: Sequence[Row], odds: Mapping[int, Weights]) -> tuple[float, float, float]:
    stated: dict[int, dict[frozenset[str], list[Example]]] = {}
    for row in rows:
        for one, odd in zip(row.examples, odds.get(id(row), ()), strict=True):
            if odd >= np.log(SURE / (1 - SURE)):
                pair = frozenset((one.pair.left.entity, one.pair.right.entity))
                stated.setdefault(row.item, {}).setdefault(pair, []).append(one)
    ours = sum(map(len, stated.values()))
    right = sum(any(r.relations for r in rs) for group in stated.values() for rs in group.values())
    met = wanted = 0
    for number, item in enumerate(items):
        gold = _gold(item)
        wanted += len(gold)
        met += sum(any(_joins(r, pair) for rs in stated.get(number, {}).values() for r in rs) for pair in gold)
    p, r = right / max(1, ours), met / max(1, wanted)
    return p, r, 2 * p * r / (p + r) if p + r else 0.0


def _gold(item: Item) -> list[tuple[frozenset[str], frozenset[str]]]:
    """The pairs that a sentence of an item states, where the set says which sentences do."""
    placed = any(fact.places for fact in item.facts)
    facts = [fact for fact in item.facts if fact.places or not placed]
    return list({frozenset(p): p for p in ((values(f.subject), values(f.object)) for f in facts)}.values())


def _joins(row: Example, pair: tuple[frozenset[str], frozenset[str]]) -> bool:
    (a, b), (s, o) = row.called, pair
    return bool((a & s and b & o) or (a & o and b & s))


def _rows(items: Sequence[Item], tick: Tick) -> Iterator[Row]:
    for first in range(0, len(items), 64):
        group = items[first : first + 64]
        gold = [[(n.start, n.end) for n in item.names] or _places(item) for item in group]
        for number, start, line, title_id, states in lines_of([item.document for item in group]):
            heard = words(line.text)
            decisions_ = [OUT] * len(heard)
            for begin, end in gold[number]:
                inside = [i for i, w in enumerate(heard) if begin <= start + w[0] and start + w[1] <= end]
                for place in inside:
                    decisions_[place] = BEGIN if place == inside[0] else INSIDE
            if heard:
                known = named(line.marks)
                hashed = [
                    [*row, *after(before, word)]
                    for row, before, (_, _, word) in zip(
                        features(heard, known), [OUT, *decisions_], heard, strict=False
                    )
                ]
                learned = Sentence(
                    states([(s, e) for s, e, _ in heard]).astype(np.float16),
                    tags(len(heard), placed(heard, known)),
                    np.array(hashed),
                    np.array(decisions_),
                )
                yield Row(first + number, first + number < len(items) // 2, heard, line, title_id, learned)
        for _ in group:
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


def _label(item: Item, row: Row, spans: Sequence[tuple[int, int]]) -> None:
    """Give a sentence its pairs, and what is learned from them but for their classes."""
    text = row.line.text
    here = ends(text, row.line.marks, spans, row.title_id)
    row.examples = []
    for pair in pairs(text, here):
        a, b = (frozenset({value(text[e.start : e.end]), value(e.entity)}) for e in (pair.left, pair.right))
        relations = []
        for fact in item.facts:
            s, o = values(fact.subject), values(fact.object)
            relations += [fact.relation] if a & s and b & o else [f"^{fact.relation}"] if a & o and b & s else []
        row.examples.append(Example(pair, tuple(relations), (a, b)))
    found = [one.pair for one in row.examples]
    row.learned.ends, row.learned.asked = places(row.heard, here, found) if found else (NONE, None)
    row.learned.pairs = [np.array(pair.features) for pair in found]


def _named(name: str, rows: Sequence[Row]) -> Iterator[list[str | None]]:
    """The class of each pair of each sentence; None where it is not joined."""
    common = Counter(r.removeprefix("^") for row in rows for one in row.examples for r in one.relations)
    for row in rows:
        yield [_predicate(name, one.relations[0], common) if one.relations else None for one in row.examples]


def _predicate(name: str, relation: str, common: Counter[str]) -> str:
    """A set's relation as a class of ours."""
    turned, plain = relation.startswith("^"), relation.removeprefix("^")
    ours = predicates_of(_TABLE.get(name, name)).get(
        plain, (said(plain).replace(" ", "_") if common[plain] >= RARE else OTHER,)
    )[0]
    if ours.startswith("^"):
        turned, ours = not turned, ours[1:]
    return ("^" if turned else "") + ours
