"""What joins two names where no pattern says: spans, pairs, and the shipped model."""

import itertools
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphs.predicates import load_predicate_schema
from ingest.extraction import extract_documents
from ingest.relations import classifier, pair_features
from ingest.relations.classifier import RelationClassifier, SentenceEncoding, predicate_from_words, save_classifier
from ingest.relations.network import HIDDEN_SIZE, FloatArray, encode_words
from ingest.relations.pair_features import Argument, ArgumentPair
from ingest.relations.span_tagger import SPAN_BUCKETS, decode_spans, tokenize_words
from ingest.relations.token_states import STATE_SIZE
from kgrag.dev.benchmarks.extraction.datasets import FORMATS, LabelledText
from kgrag.dev.training.relations import network, trainer
from kgrag.dev.training.relations.network import WEIGHT_SHAPES, RelationTrainingSentence
from kgrag.errors import ModelError
from kgrag.types import CLASSIFIER, PATTERN, Document, Triple
from tests.support.cli_shell import Shell

SENTENCES = [
    "Jane Smith works for Acme Corporation in Boston.",
    "Alan Bean was born in Wheeler, Texas and graduated from the University of Texas in 1955.",
    "The Atatürk Monument in İzmir was designed by Pietro Canonica.",
]


def facts(text: str, title: str = "") -> list[Triple]:
    document = Document("files/one.txt", title, text, "files/one.txt", "en", "0")
    return list(extract_documents([document], 2000)[0].triples)


@given(st.text(max_size=80))
def test_words_are_spans_in_order(text: str) -> None:
    found = tokenize_words(text)
    assert all(text[start:end] == word for start, end, word in found)
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(found))


@given(
    st.lists(st.sampled_from(["Ada", "of", "London", "1912", "'s", ",", "(", "bank"]), max_size=12), st.integers(0, 9)
)
def test_spans_do_not_overlap_and_begin_at_words(heard: list[str], seed: int) -> None:
    sentence = " ".join(heard)
    here = tokenize_words(sentence)
    rng = np.random.default_rng(seed)
    weights, odds = (rng.normal(size=(rows, 3)).astype(np.float32) for rows in (SPAN_BUCKETS, len(here)))
    spans = decode_spans(odds, weights, here)
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(spans))
    assert {start for start, _ in spans} <= {start for start, _, _ in here}


def test_a_pair_that_no_pattern_knows_is_joined() -> None:
    joined = {frozenset((t.subject, t.object)) for t in facts(SENTENCES[0])}
    assert frozenset(("jane smith", "boston")) in joined


def test_a_text_without_a_title_is_about_the_name_that_it_begins_with() -> None:
    found = facts("Alan Bean was an American astronaut. He was born in Wheeler, Texas.")
    assert {t.subject for t in found} & {"alan bean"}
    assert not any("files one" in (t.subject + t.object) for t in found)
    assert "files one txt" in {t.subject for t in facts("It rained. He was born in Wheeler, Texas.")}


def test_guesses_count_less_than_patterns_and_their_values_are_of_their_type() -> None:
    known = load_predicate_schema().predicates
    found = list(itertools.chain.from_iterable(facts(text) for text in SENTENCES))
    assert {triple.found_by for triple in found} == {PATTERN, CLASSIFIER}
    for triple in found:
        assert 0 < triple.confidence <= 1
        assert triple.found_by == PATTERN or (
            triple.found_by == CLASSIFIER and triple.confidence <= classifier.MAX_CLASSIFIER_CONFIDENCE
        )
        if (
            triple.confidence <= classifier.MAX_CLASSIFIER_CONFIDENCE
            and triple.predicate in known
            and known[triple.predicate].value == "DATE"
        ):
            assert any(letter.isdigit() for letter in triple.object)


def test_a_pattern_is_not_doubled_by_a_guess(monkeypatch: pytest.MonkeyPatch) -> None:
    guesses = [("heat", "performer", "michael mann", 0.5), ("michael mann", "child", "heat", 0.5)]
    monkeypatch.setattr(
        "ingest.relations.pattern_extractor.classify_relations",
        lambda *_: [*guesses, ("heat", "cast_member", "al pacino", 0.5)],
    )
    found = facts("Heat is a 1995 American film directed by Michael Mann.", "Heat")
    between = [t for t in found if {t.subject, t.object} == {"heat", "michael mann"}]
    assert [t.predicate for t in between] == ["director"]
    assert [t.predicate for t in found if t.object == "al pacino"] == ["cast_member"]


def blank(*classes: str, bias: float = 10.0) -> RelationClassifier:
    """A model that knows nothing, but that all pairs are joined if ``bias`` is high."""
    shapes = {**WEIGHT_SHAPES, "which": (HIDDEN_SIZE, len(classes)), "which_bias": (len(classes),)}
    shapes |= {
        "spans": (SPAN_BUCKETS, 3),
        "joins": (pair_features.PAIR_BUCKETS, 1),
        "names": (classifier.RELATION_BUCKETS, len(classes)),
    }
    weights = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    weights["joined_bias"] += bias
    weights["which_bias"] -= 4 * np.arange(len(classes), dtype=np.float32)
    return RelationClassifier(classes, weights)


def nothing(spans: Sequence[tuple[int, int]]) -> FloatArray:
    """States of spans that say nothing."""
    return np.zeros((len(spans), STATE_SIZE), np.float32)


@pytest.mark.parametrize(
    ("classes", "kinds", "name"),
    [
        (("date_of_birth", "author"), ("PERSON", "DATE"), "date_of_birth"),
        (("date_of_birth", "author"), ("PERSON", "PLACE"), ""),
        (("^date_of_birth", "author"), ("DATE", "PERSON"), "^date_of_birth"),
        (("place_of_birth", "author"), ("ORGANISATION", "PLACE"), ""),
        (("nationality", "author"), ("PERSON", "GROUP"), "nationality"),
        (("nationality", "author"), ("PERSON", "PLACE"), ""),
        (("author", "composer"), ("NUMBER", "PERSON"), ""),
    ],
)
def test_a_class_joins_what_its_types_allow(classes: tuple[str, ...], kinds: tuple[str, str], name: str) -> None:
    pair = ArgumentPair(Argument(0, 3, "ada", kinds[0]), Argument(10, 13, "london", kinds[1]), (1, 2))
    assert blank(*classes).choose_class(pair, np.array([4.0, 0.0], np.float32)) == name


def test_a_guess_goes_the_way_of_its_class_and_counts_less_than_a_pattern(monkeypatch: pytest.MonkeyPatch) -> None:
    here = [Argument(0, 3, "ada", "MISC"), Argument(10, 13, "bob", "MISC")]
    monkeypatch.setattr(classifier, "candidate_arguments", lambda *_: here)
    for known, wanted in ((blank("author"), ("ada", "bob")), (blank("^author"), ("bob", "ada"))):
        monkeypatch.setattr(classifier, "load_classifier", lambda known=known: known)
        ((subject, predicate, value, sure),) = classifier.classify_relations("Ada wrote Bob.", [], "ada", nothing)
        assert (subject, value, predicate) == (*wanted, "author")
        assert 0.6 < sure <= classifier.MAX_CLASSIFIER_CONFIDENCE
    monkeypatch.setattr(classifier, "load_classifier", lambda: blank("author", bias=-3.0))
    assert not list(classifier.classify_relations("Ada wrote Bob.", [], "ada", nothing))


def test_what_a_word_is_in_its_context_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    known = blank("author")
    known.weights["input"][0, 0] = 1.0
    known.weights["tag"][0, 1] = 1.0
    known.weights["tag_bias"][:] = (0.5, 0.0, 0.0)
    monkeypatch.setattr(classifier, "load_classifier", lambda: known)

    def marked(spans: Sequence[tuple[int, int]]) -> FloatArray:
        states = nothing(spans)
        states[[0, 2], 0] = 1.0
        return states

    assert not list(classifier.classify_relations("Ada wrote Bob.", [], "ada", nothing))
    assert [fact[:3] for fact in classifier.classify_relations("Ada wrote Bob.", [], "x", marked)] == [
        ("ada", "author", "bob")
    ]


@pytest.mark.parametrize(
    ("between", "predicate"),
    [
        (" is the manager of ", "manager_of"),
        (" plays for ", "plays_for"),
        (" when ", ""),
        (" , ", ""),
        (" was, as they say in the old books of the town, near ", ""),
        (" (1912) ", ""),
    ],
)
def test_own_words(between: str, predicate: str) -> None:
    assert predicate_from_words(between) == predicate


def test_a_model_is_kept_and_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = blank("author", "^author")
    rng = np.random.default_rng(0)
    for weights in made.weights.values():
        weights[:] = rng.normal(size=weights.shape)
    save_classifier(made, tmp_path / "model")
    (tmp_path / "model").rename(tmp_path / "model.npz")
    assert [p.name for p in tmp_path.iterdir()] == ["model.npz"]
    monkeypatch.setattr(classifier, "MODEL_FILE", tmp_path / "model.npz")
    classifier.load_classifier.cache_clear()
    try:
        read = classifier.load_classifier()
        assert read.classes == made.classes and read.weights.keys() == made.weights.keys()
        for name, weights in made.weights.items():
            assert read.weights[name].dtype == np.float32
            assert np.abs(read.weights[name] - weights).max() < 0.03, name
        (tmp_path / "model.npz").write_bytes(b"no model")
        classifier.load_classifier.cache_clear()
        with pytest.raises(ModelError, match="make relations"):
            classifier.load_classifier()
    finally:
        classifier.load_classifier.cache_clear()


def mayors() -> dict[str, list[LabelledText]]:
    rows = [
        {"text": f"{a} is the mayor of {b} .", "triple_list": [[b, "mayor", a]]}
        for a, b in itertools.product(("Ada Hill", "Bob Stone", "Cy Field"), ("Paris", "Berlin", "Madrid", "London"))
    ] + [
        {"text": f"{a} spoke while {b} slept .", "triple_list": []}
        for a, b in itertools.product(("Ada Hill", "Bob Stone"), ("Paris", "Berlin"))
    ]
    return {"webnlg": list(FORMATS["webnlg"][0](json.dumps(rows)))}


def test_training_learns_what_joins_and_gives_the_same_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "EPOCHS", 40)
    sets = mayors()
    prepared = trainer.prepare_sentences(sets)
    made, again = (trainer.train_relation_model(*prepared) for _ in range(2))
    assert all(np.array_equal(weights, again.weights[name]) for name, weights in made.weights.items())
    assert trainer.cross_validate(sets, *prepared)["webnlg"][2] > 0.5


def test_a_half_is_not_judged_by_what_was_learned_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    learned: list[tuple[int, set[int]]] = []
    rows: dict[int, int] = {}

    def fit(sentences: Sequence[RelationTrainingSentence], classes: int) -> dict[str, FloatArray]:
        learned.append((classes, {id(s) for s in sentences}))
        return dict(blank(*"abc"[: max(1, classes)]).weights)

    monkeypatch.setattr(trainer, "fit_weights", fit)
    monkeypatch.setattr(trainer, "decode_spans", lambda _, __, heard: [(0, heard[1][1]), heard[-2][:2]])
    sets = mayors()
    prepared = trainer.prepare_sentences(sets)
    rows = {id(row.training_data): row.item for row in prepared[0]["webnlg"]}
    figures = trainer.cross_validate(sets, *prepared)
    halves = [{rows[one] for one in ids} for _, ids in learned]
    assert halves == [set(range(8)), set(range(8, 16))] * 2
    assert figures["webnlg"][1] == 1.0, "all pairs are joined"


def test_the_network_that_reads_is_the_one_that_was_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "EPOCHS", 40)
    rows, classes = trainer.prepare_sentences(mayors())
    made = trainer.train_relation_model(rows, classes)
    net = {name: torch.from_numpy(weights) for name, weights in made.weights.items()}
    batch = [row.training_data for row in rows["webnlg"] if row.labelled_pairs]
    states, marks, mask = network._batch_tensors(batch)
    hidden = network.encode_words(net, states, marks, mask)
    joined, which = network.classify_pairs(net, states, hidden, mask, batch)
    assert len(joined) > 8
    at = 0
    for row in (row for row in rows["webnlg"] if row.labelled_pairs):
        seen = row.training_data.states.astype(np.float32)
        read = encode_words(made.weights, seen, row.training_data.name_tags)
        np.testing.assert_allclose(read, hidden[batch.index(row.training_data), : len(read)].numpy(), atol=1e-5)
        assert row.training_data.span_pairs is not None
        found = [one.pair for one in row.labelled_pairs]
        odds, by = made.predict(
            SentenceEncoding(seen, read, row.training_data.end_tags, row.training_data.span_pairs, found)
        )
        np.testing.assert_allclose(odds, joined[at : at + len(odds)].numpy(), atol=1e-4)
        named = [made.class_logits(*one) for one in zip(found, by, strict=True)]
        np.testing.assert_allclose(named, which[at : at + len(odds)].numpy(), atol=1e-4)
        at += len(odds)
    assert at == len(joined)


def test_the_shipped_model_knows_predicates_of_the_vocabulary() -> None:
    classes = {name.removeprefix("^") for name in classifier.load_classifier().classes}
    assert {"director", "author", "spouse", "date_of_birth", "located_in"} <= classes & set(
        load_predicate_schema().predicates
    )


@pytest.mark.parametrize(
    "text",
    [
        "no names here, only small words that go on and on.",
        "Ada " * 10_000,
        "A" * 5_000 + " met Ada Lovelace in London.",
        "| Name | Born |\n|---|---|\n| Ada | 1815 |\n| Bob | 1900 |",
        "def f(x):\n    return {'A': x ** 2, 'B': [i for i in range(10)]}",
        "$$\\int_0^1 f(x)\\,dx = \\sum_{n=1}^{\\infty} \\frac{1}{n^2}$$ where $f \\in C^1$.",
        "丘成桐 met Ada Lovelace in 北京 and said: 你好, London.",
        ", ".join(f"Person{i} Name{i}" for i in range(500)) + ".",
        "\ue000\ue800\uf8fe is the \ue001 of Ada Lovelace.",
    ],
    ids=["no names", "one name", "long name", "table", "code", "mathematics", "mixed", "list", "marks"],
)
def test_odd_texts_are_read(text: str) -> None:
    (read,) = extract_documents([Document("odd", "", text, "odd", "en", "0")], 2000)
    spans = {(p.start, p.end) for p in read.passages}
    for triple in read.triples:
        assert any(start <= triple.start < triple.end <= end for start, end in spans)


def test_a_folder_that_is_not_there_is_said_before_training(tmp_path: Path, shell: Shell) -> None:
    error = shell.expect_error(2, "bench", "relations", "--data", tmp_path, "--out", tmp_path / "none" / "relate.npz")
    assert "Expected a folder for the model" in error
