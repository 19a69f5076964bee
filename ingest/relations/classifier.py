"""Classify relations between names where no pattern matches: a small network plus linear models.

Three steps: find the spans of a sentence that facts are about (`ingest.relations.span_tagger`), estimate how likely the
sentence states a relation between two of them (`ingest.relations.pair_features`), and classify its predicate and
direction. Each step adds the logits of a network (`ingest.relations.network`) over the sentence encoder's states
(`ingest.relations.token_states`) and weights of hashed features. `kgrag.dev.training.relations.trainer` trains the
model (``make relations``) and names the data and their licences.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from graphs.predicates import load_predicate_schema
from ingest.relations.network import (
    FloatArray,
    IntArray,
    SpanPairs,
    classify_pairs,
    encode_words,
    make_span_pairs,
    relation_logits,
    span_tag_logits,
    tag_ids,
)
from ingest.relations.pair_features import Argument, ArgumentPair, candidate_arguments, iter_argument_pairs
from ingest.relations.pattern_library import POSSESSIVE, SUBJECT
from ingest.relations.placeholders import Placeholder
from ingest.relations.span_tagger import WordSpan, decode_spans, to_word_spans, tokenize_words, word_features
from kgrag.errors import ModelError
from kgrag.storage.atomic import atomic_write
from kgrag.text import STOPWORDS

MODEL_FILE: Final = Path(__file__).parent / "classifier.npz"
MIN_RELATION_PROBABILITY = 0.3
"""Minimum probability that two names are related; the best F1 over the training sets, cross-validated."""
MAX_CLASSIFIER_CONFIDENCE = 0.7
"""Confidence of a classified fact with probability 1; most patterns have 0.8 and more."""
MIN_PREDICATE_PROBABILITY = 0.3
"""Minimum probability of a predicate; below it, the predicate is made of the words between the names."""
RELATION_BUCKETS: Final = 1 << 14
"""Number of hash buckets for the features of the relation class."""
GENERIC_PREDICATE: Final = "related_to"
_AUXILIARIES_AND_ARTICLES = re.compile(
    r"^(?:(?:is|was|are|were|has|had|been|being|also)\b ?)+|\b(?:an?|the|its|his|her|their)\b ?"
)
_SHORT_PHRASE = re.compile(r"[a-z-]{2,}(?: [a-z-]{2,}){0,3}")
_DATE_PREDICATES = frozenset(["start", "end", "date"])
_NON_PERSON_TYPES = frozenset(["PLACE", "ORGANISATION", "GROUP", "WORK", "EVENT"])
_PERSON_PREDICATES = frozenset(
    [
        "date_of_birth",
        "date_of_death",
        "place_of_birth",
        "place_of_death",
        "place_of_burial",
        "nationality",
        "father",
        "mother",
        "spouse",
        "child",
        "sibling",
        "educated_at",
        "employer",
        "residence",
        "position",
        "student_of",
    ]
)
SpanStatesFn = Callable[[Sequence[tuple[int, int]]], FloatArray]


@dataclass(frozen=True)
class RelationClassifier:
    """Relation classifier: a network over word states and weights of hashed features.

    Attributes:
        classes: predicates; a ``^`` prefix marks the direction in which the right name is the subject.
        weights: arrays by name: those of `ingest.relations.network`, ``spans`` (`span_tagger.SPAN_BUCKETS`, 3),
            ``joins`` (`pair_features.PAIR_BUCKETS`, 1) and ``names`` (`RELATION_BUCKETS`, classes).
    """

    classes: tuple[str, ...]
    weights: Mapping[str, FloatArray]

    def encode_sentence(
        self, sentence: str, placeholders: Sequence[Placeholder], title_id: str, states: SpanStatesFn
    ) -> SentenceEncoding:
        """Find the arguments of possible facts in a sentence, and their candidate pairs.

        Args:
            sentence: the sentence.
            placeholders: its names.
            title_id: entity of the document's subject.
            states: returns the states (spans, width) of spans of the sentence.
        """
        word_spans = tokenize_words(sentence)
        name_spans = placeholder_spans(placeholders)
        word_states = states([(start, end) for start, end, _ in word_spans])
        hidden = encode_words(
            self.weights, word_states, tag_ids(len(word_spans), to_word_spans(word_spans, name_spans))
        )
        hash_weights = self.weights["spans"]
        tag_logits = span_tag_logits(self.weights, hidden) + hash_weights[
            np.array(word_features(word_spans, name_spans)).reshape(len(word_spans), -1)
        ].sum(1)
        arguments = candidate_arguments(
            sentence, placeholders, decode_spans(tag_logits, hash_weights, word_spans), title_id
        )
        argument_pairs = list(iter_argument_pairs(sentence, arguments))
        return SentenceEncoding(
            word_states, hidden, *encode_arguments(word_spans, arguments, argument_pairs), argument_pairs
        )

    def predict(self, encoding: SentenceEncoding) -> tuple[FloatArray, FloatArray]:
        """Return (pairs,) logits that two arguments are related, and (pairs, hidden) states for `class_logits`."""
        pair_logits, pair_hidden = classify_pairs(
            self.weights, encoding.states, encoding.hidden, encoding.argument_tags, encoding.span_pairs
        )
        hash_weights = self.weights["joins"][:, 0]
        feature_ids = np.concatenate([pair.features for pair in encoding.pairs])
        starts = np.cumsum([0, *(len(pair.features) for pair in encoding.pairs[:-1])])
        return pair_logits + np.add.reduceat(hash_weights[feature_ids], starts), pair_hidden

    def class_logits(self, pair: ArgumentPair, pair_hidden: FloatArray) -> FloatArray:
        """Return the (classes,) logits of a pair from its row of the hidden states of `predict`."""
        hash_logits: FloatArray = self.weights["names"][np.array(pair.features) % RELATION_BUCKETS].sum(0)
        return relation_logits(self.weights, pair_hidden) + hash_logits

    def choose_class(self, pair: ArgumentPair, logits: FloatArray) -> str:
        """Return the most likely class that the argument types allow, or "" if none is likely.

        Args:
            pair: the related arguments.
            logits: (classes,), from `class_logits`.
        """
        probabilities = np.exp(logits - logits.max())
        probabilities /= probabilities.sum()
        for class_index in np.argsort(-probabilities, kind="stable"):
            class_name = self.classes[class_index]
            if _is_type_compatible(class_name, pair):
                return class_name if probabilities[class_index] >= MIN_PREDICATE_PROBABILITY else ""
        return ""


class SentenceEncoding(NamedTuple):
    """Encoded sentence: word states, arguments and candidate pairs.

    Attributes:
        states: (words, width), states of the sentence encoder.
        hidden: (words, hidden), hidden states of the network.
        argument_tags: (words,), `tag_ids` of the arguments.
        span_pairs: the pairs as the network's input.
        pairs: the pairs.
    """

    states: FloatArray
    hidden: FloatArray
    argument_tags: IntArray
    span_pairs: SpanPairs
    pairs: list[ArgumentPair]


def encode_arguments(
    word_spans: Sequence[WordSpan], arguments: Sequence[Argument], argument_pairs: Sequence[ArgumentPair]
) -> tuple[IntArray, SpanPairs]:
    """Convert arguments and their pairs to word indices, the input of `ingest.relations.network.classify_pairs`."""
    spans = to_word_spans(word_spans, [(end.start, end.end, end.kind) for end in arguments])
    index_by_argument = {end: place for place, end in enumerate(arguments)}
    return tag_ids(len(word_spans), spans), make_span_pairs(
        spans, [(index_by_argument[pair.left], index_by_argument[pair.right]) for pair in argument_pairs]
    )


def _is_type_compatible(class_name: str, pair: ArgumentPair) -> bool:
    """Whether the types of a pair's arguments are valid for a class."""
    subject_argument, object_argument = (
        (pair.right, pair.left) if class_name.startswith("^") else (pair.left, pair.right)
    )
    predicate = class_name.removeprefix("^")
    declared_predicate = load_predicate_schema().predicates.get(predicate)
    kind = (
        "DATE" if predicate in _DATE_PREDICATES else declared_predicate.value if declared_predicate is not None else ""
    )
    if subject_argument.kind in ("DATE", "NUMBER") or (
        predicate in _PERSON_PREDICATES and subject_argument.kind in _NON_PERSON_TYPES
    ):
        return False
    if kind == "DATE":
        return object_argument.kind == "DATE"
    if kind == "COUNTRY":
        return object_argument.kind == "GROUP" or object_argument.entity in load_predicate_schema().countries
    return not kind or object_argument.kind not in ("DATE", "NUMBER")


def predicate_from_words(between_text: str) -> str:
    """Build a predicate from the words between two names: "is the manager of" gives "manager_of".

    Returns "" unless the words are few, in lower case, and not only stop words.
    """
    phrase = _AUXILIARIES_AND_ARTICLES.sub("", between_text.strip(" ,'\"“”")).strip()
    phrase_words = phrase.split()
    return "_".join(phrase_words) if _SHORT_PHRASE.fullmatch(phrase) and not STOPWORDS.issuperset(phrase_words) else ""


def placeholder_spans(placeholders: Sequence[Placeholder]) -> list[tuple[int, int, str]]:
    """Return placeholders as spans for `word_features`; the document's subject has the type ``SELF``."""
    return [
        (m.start, m.end, "SELF" if m.char in (SUBJECT, POSSESSIVE) else m.kind) for m in placeholders if m.end > m.start
    ]


@lru_cache(maxsize=1)
def load_classifier() -> RelationClassifier:
    """Load the shipped model.

    Raises:
        ModelError: the file is missing or not a relation model.
    """
    try:
        with np.load(MODEL_FILE, allow_pickle=False) as data:
            weights = {name: data[name].astype(np.float32) for name in data.files if name != "classes"}
            for name in _HASHED_WEIGHTS:
                weights[name] *= weights.pop(f"{name}_scale")
            return RelationClassifier(tuple(str(c) for c in data["classes"]), weights)
    except (OSError, EOFError, KeyError, ValueError) as error:
        raise ModelError(
            f"{MODEL_FILE} is not a relation model ({type(error).__name__}): install kgrag again, or build it with "
            "`make relations DATA=DIR`."
        ) from error


_HASHED_WEIGHTS = ("spans", "joins", "names")


def save_classifier(classifier: RelationClassifier, path: Path) -> None:
    """Write a model atomically: hashed weights as int8 with a scale, other weights as float16."""
    data: dict[str, NDArray[np.generic]] = {"classes": np.array(classifier.classes)}
    for name, weights in classifier.weights.items():
        if name in _HASHED_WEIGHTS:
            scale = float(np.abs(weights).max()) / 127 or 1.0
            data |= {name: np.round(weights / scale).astype(np.int8), f"{name}_scale": np.array(scale)}
        else:
            data[name] = weights.astype(np.float16)
    # pass an open file, since numpy appends .npz to other names
    with atomic_write(path) as temporary_path, temporary_path.open("wb") as file:
        np.savez_compressed(file, **data)  # type: ignore[arg-type, unused-ignore]


def classify_relations(
    sentence: str, placeholders: Sequence[Placeholder], title_id: str, states: SpanStatesFn
) -> Iterator[tuple[str, str, str, float]]:
    """Yield facts between two names of a sentence, as (subject, predicate, object, confidence).

    Args:
        sentence: the sentence.
        placeholders: its names.
        title_id: entity of the document's subject.
        states: returns the states (spans, width) of spans of the sentence (see `ingest.relations.token_states`).
    """
    classifier = load_classifier()
    encoding = classifier.encode_sentence(sentence, placeholders, title_id, states)
    if not encoding.pairs:
        return
    pair_logits, pair_hidden = classifier.predict(encoding)
    for pair, pair_logit, hidden_row in zip(encoding.pairs, pair_logits, pair_hidden, strict=True):
        probability = 1 / (1 + float(np.exp(-pair_logit)))
        if probability >= MIN_RELATION_PROBABILITY:
            class_name = classifier.choose_class(pair, classifier.class_logits(pair, hidden_row))
            if class_name.removeprefix("^") in ("", GENERIC_PREDICATE):
                class_name = (
                    predicate_from_words(sentence[pair.left.end : pair.right.start]) or class_name or GENERIC_PREDICATE
                )
            entity_ids = (pair.left.entity, pair.right.entity)
            subject_id, object_id = entity_ids[::-1] if class_name.startswith("^") else entity_ids
            yield subject_id, class_name.removeprefix("^"), object_id, round(MAX_CLASSIFIER_CONFIDENCE * probability, 3)
