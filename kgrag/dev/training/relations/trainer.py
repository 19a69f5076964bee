"""Training and cross-validation of the relation classifier, `ingest.relations.classifier`, on public datasets.

Data: the train files of WebNLG (CC BY-NC-SA 4.0) and CoNLL-04 (Roth and Yih 2004; Associated Press and TREC text, for
research), and Re-DocRED's dev file (Tan et al. 2022, MIT). The trained model is a table of weights, without any text.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ingest.extraction import iter_training_sentences
from ingest.relations.classifier import (
    GENERIC_PREDICATE,
    MIN_RELATION_PROBABILITY,
    RelationClassifier,
    SentenceEncoding,
    encode_arguments,
    placeholder_spans,
)
from ingest.relations.network import FloatArray, encode_words, span_tag_logits, tag_ids
from ingest.relations.pair_features import ArgumentPair, candidate_arguments, iter_argument_pairs
from ingest.relations.pattern_extractor import SentenceContext
from ingest.relations.span_tagger import (
    BEGIN,
    INSIDE,
    OUT,
    TRANSITION_FEATURE_COUNT,
    WordSpan,
    decode_spans,
    to_word_spans,
    tokenize_words,
    transition_features,
    word_features,
)
from kgrag.dev.benchmarks.extraction.datasets import LabelledText, load_labelled_texts
from kgrag.dev.benchmarks.extraction.name_matching import comparison_form, comparison_forms
from kgrag.dev.benchmarks.extraction.relation_mapping import relation_name_words, relation_predicates
from kgrag.dev.training.relations.network import NO_NUMBERS, RelationTrainingSentence, fit_weights

SET_FILES = {"webnlg": "webnlg.train.json.gz", "conll04": "conll04.train.json.gz", "redocred": "redocred.dev.json.gz"}
MIN_RELATION_COUNT = 25
"""Occurrences from which a relation without a predicate of ours keeps its name; a rarer one is `GENERIC_PREDICATE`."""
_PREDICATE_TABLES = {"conll04": "conll04-training"}
Tick = Callable[[], None]


class LabelledPair(NamedTuple):
    """A pair of a sentence, and the relations that its dataset states of it, with "^" before reversed ones."""

    pair: ArgumentPair
    relations: tuple[str, ...]
    name_forms: tuple[frozenset[str], frozenset[str]]


@dataclass
class LabelledSentence:
    """A sentence of a dataset: the number of its item, its words, its training data, and its pairs."""

    item: int
    in_first_half: bool
    words: list[WordSpan]
    line: SentenceContext
    title_id: str
    training_data: RelationTrainingSentence
    labelled_pairs: list[LabelledPair] = field(default_factory=list)


SentencesBySet = dict[str, list[LabelledSentence]]


def load_training_sets(data: Path, limit: int | None = None) -> dict[str, list[LabelledText]]:
    """Load the training items; ``data`` is the folder that contains ``extraction``."""
    return {name: load_labelled_texts(name, data / "extraction" / file, limit) for name, file in SET_FILES.items()}


def prepare_sentences(
    sets: Mapping[str, list[LabelledText]], tick: Tick = lambda: None
) -> tuple[SentencesBySet, tuple[str, ...]]:
    """Return the sentences of sets with their pairs, and the classes of the pairs.

    The spans of each half are predicted by a model of the other halves, as they are for a new text.
    """
    rows = {name: list(_label_sentences(items, tick)) for name, items in sets.items()}
    for in_first_half in (True, False):
        all_sentences = [row for part in rows.values() for row in part]
        weights = fit_weights([row.training_data for row in all_sentences if row.in_first_half == in_first_half], 0)
        for name, set_sentences in rows.items():
            for row in set_sentences:
                if row.in_first_half != in_first_half:
                    spans = decode_spans(decide_spans(weights, row), weights["spans"], row.words)
                    _label_pairs(sets[name][row.item], row, spans)
    class_names = {name: list(_class_names(name, part)) for name, part in rows.items()}
    classes = tuple(
        sorted({class_name for part in class_names.values() for row in part for class_name in row if class_name})
    )
    numbers: dict[str | None, int] = {class_name: number for number, class_name in enumerate(classes)} | {None: -2}
    for name, set_sentences in rows.items():
        for row, sentence_classes in zip(set_sentences, class_names[name], strict=True):
            row.training_data.pair_classes = np.array(
                [numbers[class_name] for class_name in sentence_classes], np.int64
            )
    return rows, classes


def train_relation_model(rows: SentencesBySet, classes: tuple[str, ...]) -> RelationClassifier:
    """Train the model on all prepared sentences."""
    return RelationClassifier(
        classes, fit_weights([row.training_data for part in rows.values() for row in part], len(classes))
    )


def cross_validate(
    sets: Mapping[str, list[LabelledText]], rows: SentencesBySet, classes: tuple[str, ...]
) -> dict[str, tuple[float, float, float]]:
    """Return precision, recall and F1 of linked pairs by set, each half predicted by a model of the other halves."""
    odds: dict[int, FloatArray] = {}
    for in_first_half in (True, False):
        half_data = [row.training_data for part in rows.values() for row in part if row.in_first_half == in_first_half]
        model = RelationClassifier(classes, fit_weights(half_data, len(classes)))
        for row in (row for part in rows.values() for row in part if row.in_first_half != in_first_half):
            if row.training_data.span_pairs is not None:
                states = row.training_data.states.astype(np.float32)
                hidden = encode_words(model.weights, states, row.training_data.name_tags)
                pairs = [labelled_pair.pair for labelled_pair in row.labelled_pairs]
                odds[id(row)] = model.predict(
                    SentenceEncoding(states, hidden, row.training_data.end_tags, row.training_data.span_pairs, pairs)
                )[0]
    return {name: _score_pairs(sets[name], part, odds) for name, part in rows.items()}


def decide_spans(weights: Mapping[str, FloatArray], row: LabelledSentence) -> FloatArray:
    """Return (words, 3): the log-odds that `ingest.relations.span_tagger.decode_spans` takes."""
    hidden = encode_words(weights, row.training_data.states.astype(np.float32), row.training_data.name_tags)
    odds: FloatArray = span_tag_logits(weights, hidden) + weights["spans"][
        row.training_data.features[:, :-TRANSITION_FEATURE_COUNT]
    ].sum(1)
    return odds


def _score_pairs(
    items: Sequence[LabelledText], rows: Sequence[LabelledSentence], odds: Mapping[int, FloatArray]
) -> tuple[float, float, float]:
    pairs_by_item: dict[int, dict[frozenset[str], list[LabelledPair]]] = {}
    for row in rows:
        for labelled_pair, log_odds in zip(row.labelled_pairs, odds.get(id(row), ()), strict=True):
            if log_odds >= np.log(MIN_RELATION_PROBABILITY / (1 - MIN_RELATION_PROBABILITY)):
                pair = frozenset((labelled_pair.pair.left.entity, labelled_pair.pair.right.entity))
                pairs_by_item.setdefault(row.item, {}).setdefault(pair, []).append(labelled_pair)
    predicted_count = sum(map(len, pairs_by_item.values()))
    correct_count = sum(any(r.relations for r in rs) for group in pairs_by_item.values() for rs in group.values())
    matched_count = gold_count = 0
    for number, item in enumerate(items):
        gold = _gold_pairs(item)
        gold_count += len(gold)
        matched_count += sum(
            any(_joins_pair(r, pair) for rs in pairs_by_item.get(number, {}).values() for r in rs) for pair in gold
        )
    p, r = correct_count / max(1, predicted_count), matched_count / max(1, gold_count)
    return p, r, 2 * p * r / (p + r) if p + r else 0.0


def _gold_pairs(item: LabelledText) -> list[tuple[frozenset[str], frozenset[str]]]:
    """Return the pairs that a sentence of an item states, if the dataset says which sentences do, else all."""
    has_spans = any(fact.sentence_spans for fact in item.facts)
    facts = [fact for fact in item.facts if fact.sentence_spans or not has_spans]
    return list(
        {frozenset(p): p for p in ((comparison_forms(f.subject), comparison_forms(f.object)) for f in facts)}.values()
    )


def _joins_pair(labelled_pair: LabelledPair, pair: tuple[frozenset[str], frozenset[str]]) -> bool:
    (a, b), (s, o) = labelled_pair.name_forms, pair
    return bool((a & s and b & o) or (a & o and b & s))


def _label_sentences(items: Sequence[LabelledText], tick: Tick) -> Iterator[LabelledSentence]:
    for first in range(0, len(items), 64):
        group = items[first : first + 64]
        gold = [[(n.start, n.end) for n in item.names] or _fact_name_spans(item) for item in group]
        for number, start, line, title_id, states in iter_training_sentences([item.document for item in group]):
            sentence_words = tokenize_words(line.text)
            decisions = [OUT] * len(sentence_words)
            for begin, end in gold[number]:
                inside = [i for i, w in enumerate(sentence_words) if begin <= start + w[0] and start + w[1] <= end]
                for place in inside:
                    decisions[place] = BEGIN if place == inside[0] else INSIDE
            if sentence_words:
                name_spans = placeholder_spans(line.placeholders)
                hashed_features = [
                    [*row, *transition_features(before, word)]
                    for row, before, (_, _, word) in zip(
                        word_features(sentence_words, name_spans), [OUT, *decisions], sentence_words, strict=False
                    )
                ]
                training_data = RelationTrainingSentence(
                    states([(s, e) for s, e, _ in sentence_words]).astype(np.float16),
                    tag_ids(len(sentence_words), to_word_spans(sentence_words, name_spans)),
                    np.array(hashed_features),
                    np.array(decisions),
                )
                yield LabelledSentence(
                    first + number, first + number < len(items) // 2, sentence_words, line, title_id, training_data
                )
        for _ in group:
            tick()


def _fact_name_spans(item: LabelledText) -> list[tuple[int, int]]:
    """Return the spans of the names of an item's facts, the longest first, for a dataset without labelled names."""
    text = item.document.text.lower()
    names = {name.replace("_", " ").strip().lower() for fact in item.facts for name in (*fact.subject, *fact.object)}
    spans: list[tuple[int, int]] = []
    used_positions: set[int] = set()
    for name in sorted((n for n in names if len(n) > 1 or n.isdigit()), key=lambda n: (-len(n), n)):
        for match in re.finditer(rf"(?<!\w){re.escape(name)}(?!\w)", text):
            if used_positions.isdisjoint(range(*match.span())):
                used_positions.update(range(*match.span()))
                spans.append(match.span())
    return spans


def _label_pairs(item: LabelledText, row: LabelledSentence, spans: Sequence[tuple[int, int]]) -> None:
    """Give a sentence its pairs and their training data, except for their classes."""
    text = row.line.text
    span_ends = candidate_arguments(text, row.line.placeholders, spans, row.title_id)
    row.labelled_pairs = []
    for pair in iter_argument_pairs(text, span_ends):
        a, b = (
            frozenset({comparison_form(text[e.start : e.end]), comparison_form(e.entity)})
            for e in (pair.left, pair.right)
        )
        relations = []
        for fact in item.facts:
            s, o = comparison_forms(fact.subject), comparison_forms(fact.object)
            relations += [fact.relation] if a & s and b & o else [f"^{fact.relation}"] if a & o and b & s else []
        row.labelled_pairs.append(LabelledPair(pair, tuple(relations), (a, b)))
    found_pairs = [labelled_pair.pair for labelled_pair in row.labelled_pairs]
    row.training_data.end_tags, row.training_data.span_pairs = (
        encode_arguments(row.words, span_ends, found_pairs) if found_pairs else (NO_NUMBERS, None)
    )
    row.training_data.pair_features = [np.array(pair.features) for pair in found_pairs]


def _class_names(name: str, rows: Sequence[LabelledSentence]) -> Iterator[list[str | None]]:
    """Yield the class of each pair of each sentence; None for a pair without a relation."""
    common = Counter(
        r.removeprefix("^") for row in rows for labelled_pair in row.labelled_pairs for r in labelled_pair.relations
    )
    for row in rows:
        yield [
            _class_name(name, labelled_pair.relations[0], common) if labelled_pair.relations else None
            for labelled_pair in row.labelled_pairs
        ]


def _class_name(name: str, relation: str, common: Counter[str]) -> str:
    """Return our class of a dataset's relation."""
    is_reversed, relation_name = relation.startswith("^"), relation.removeprefix("^")
    class_name = relation_predicates(_PREDICATE_TABLES.get(name, name)).get(
        relation_name,
        (
            relation_name_words(relation_name).replace(" ", "_")
            if common[relation_name] >= MIN_RELATION_COUNT
            else GENERIC_PREDICATE,
        ),
    )[0]
    if class_name.startswith("^"):
        is_reversed, class_name = not is_reversed, class_name[1:]
    return ("^" if is_reversed else "") + class_name
