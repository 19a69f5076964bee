"""Relation classification: spans, pairs, training, and the shipped model."""

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
def test_tokenize_words_spans_are_ordered(text: str) -> None:
    word_spans = tokenize_words(text)
    assert all(text[start:end] == word for start, end, word in word_spans)
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(word_spans))


@given(
    st.lists(st.sampled_from(["Ada", "of", "London", "1912", "'s", ",", "(", "bank"]), max_size=12), st.integers(0, 9)
)
def test_decode_spans_do_not_overlap_and_start_at_words(words: list[str], seed: int) -> None:
    sentence = " ".join(words)
    word_spans = tokenize_words(sentence)
    rng = np.random.default_rng(seed)
    weights, logits = (rng.normal(size=(rows, 3)).astype(np.float32) for rows in (SPAN_BUCKETS, len(word_spans)))
    spans = decode_spans(logits, weights, word_spans)
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(spans))
    assert {start for start, _ in spans} <= {start for start, _, _ in word_spans}


def test_classifier_relates_pair_without_pattern() -> None:
    related_pairs = {frozenset((t.subject, t.object)) for t in facts(SENTENCES[0])}
    assert frozenset(("jane smith", "boston")) in related_pairs


def test_text_without_title_is_about_its_first_name() -> None:
    triples = facts("Alan Bean was an American astronaut. He was born in Wheeler, Texas.")
    assert {t.subject for t in triples} & {"alan bean"}
    assert not any("files one" in (t.subject + t.object) for t in triples)
    assert "files one txt" in {t.subject for t in facts("It rained. He was born in Wheeler, Texas.")}


def test_classified_facts_have_low_confidence_and_valid_types() -> None:
    predicates = load_predicate_schema().predicates
    triples = list(itertools.chain.from_iterable(facts(text) for text in SENTENCES))
    assert {triple.found_by for triple in triples} == {PATTERN, CLASSIFIER}
    for triple in triples:
        assert 0 < triple.confidence <= 1
        assert triple.found_by == PATTERN or (
            triple.found_by == CLASSIFIER and triple.confidence <= classifier.MAX_CLASSIFIER_CONFIDENCE
        )
        if (
            triple.confidence <= classifier.MAX_CLASSIFIER_CONFIDENCE
            and triple.predicate in predicates
            and predicates[triple.predicate].value == "DATE"
        ):
            assert any(letter.isdigit() for letter in triple.object)


def test_classifier_does_not_repeat_pair_of_pattern(monkeypatch: pytest.MonkeyPatch) -> None:
    classified = [("heat", "performer", "michael mann", 0.5), ("michael mann", "child", "heat", 0.5)]
    monkeypatch.setattr(
        "ingest.relations.pattern_extractor.classify_relations",
        lambda *_: [*classified, ("heat", "cast_member", "al pacino", 0.5)],
    )
    triples = facts("Heat is a 1995 American film directed by Michael Mann.", "Heat")
    between = [t for t in triples if {t.subject, t.object} == {"heat", "michael mann"}]
    assert [t.predicate for t in between] == ["director"]
    assert [t.predicate for t in triples if t.object == "al pacino"] == ["cast_member"]


def make_classifier(*classes: str, bias: float = 10.0) -> RelationClassifier:
    """Return a classifier without knowledge; it relates all pairs if ``bias`` is high."""
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


def zero_states(spans: Sequence[tuple[int, int]]) -> FloatArray:
    """Return span states of zeros."""
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
def test_choose_class_respects_argument_types(classes: tuple[str, ...], kinds: tuple[str, str], name: str) -> None:
    pair = ArgumentPair(Argument(0, 3, "ada", kinds[0]), Argument(10, 13, "london", kinds[1]), (1, 2))
    assert make_classifier(*classes).choose_class(pair, np.array([4.0, 0.0], np.float32)) == name


def test_classified_fact_has_direction_of_its_class(monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = [Argument(0, 3, "ada", "MISC"), Argument(10, 13, "bob", "MISC")]
    monkeypatch.setattr(classifier, "candidate_arguments", lambda *_: arguments)
    for model, expected in ((make_classifier("author"), ("ada", "bob")), (make_classifier("^author"), ("bob", "ada"))):
        monkeypatch.setattr(classifier, "load_classifier", lambda model=model: model)
        ((subject, predicate, value, confidence),) = classifier.classify_relations(
            "Ada wrote Bob.", [], "ada", zero_states
        )
        assert (subject, value, predicate) == (*expected, "author")
        assert 0.6 < confidence <= classifier.MAX_CLASSIFIER_CONFIDENCE
    monkeypatch.setattr(classifier, "load_classifier", lambda: make_classifier("author", bias=-3.0))
    assert not list(classifier.classify_relations("Ada wrote Bob.", [], "ada", zero_states))


def test_word_states_decide_argument_spans(monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_classifier("author")
    model.weights["input"][0, 0] = 1.0
    model.weights["tag"][0, 1] = 1.0
    model.weights["tag_bias"][:] = (0.5, 0.0, 0.0)
    monkeypatch.setattr(classifier, "load_classifier", lambda: model)

    def marked_states(spans: Sequence[tuple[int, int]]) -> FloatArray:
        states = zero_states(spans)
        states[[0, 2], 0] = 1.0
        return states

    assert not list(classifier.classify_relations("Ada wrote Bob.", [], "ada", zero_states))
    assert [fact[:3] for fact in classifier.classify_relations("Ada wrote Bob.", [], "x", marked_states)] == [
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
def test_predicate_from_words_between_names(between: str, predicate: str) -> None:
    assert predicate_from_words(between) == predicate


def test_classifier_round_trip_through_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = make_classifier("author", "^author")
    rng = np.random.default_rng(0)
    for weights in saved.weights.values():
        weights[:] = rng.normal(size=weights.shape)
    save_classifier(saved, tmp_path / "model")
    (tmp_path / "model").rename(tmp_path / "model.npz")
    assert [p.name for p in tmp_path.iterdir()] == ["model.npz"]
    monkeypatch.setattr(classifier, "MODEL_FILE", tmp_path / "model.npz")
    classifier.load_classifier.cache_clear()
    try:
        loaded = classifier.load_classifier()
        assert loaded.classes == saved.classes and loaded.weights.keys() == saved.weights.keys()
        for name, weights in saved.weights.items():
            assert loaded.weights[name].dtype == np.float32
            assert np.abs(loaded.weights[name] - weights).max() < 0.03, name
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


def test_training_learns_relation_and_is_deterministic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "EPOCHS", 40)
    sets = mayors()
    prepared = trainer.prepare_sentences(sets)
    first, second = (trainer.train_relation_model(*prepared) for _ in range(2))
    assert all(np.array_equal(weights, second.weights[name]) for name, weights in first.weights.items())
    assert trainer.cross_validate(sets, *prepared)["webnlg"][2] > 0.5


def test_cross_validation_trains_on_other_half(monkeypatch: pytest.MonkeyPatch) -> None:
    training_runs: list[tuple[int, set[int]]] = []
    rows: dict[int, int] = {}

    def fit(sentences: Sequence[RelationTrainingSentence], classes: int) -> dict[str, FloatArray]:
        training_runs.append((classes, {id(s) for s in sentences}))
        return dict(make_classifier(*"abc"[: max(1, classes)]).weights)

    monkeypatch.setattr(trainer, "fit_weights", fit)
    monkeypatch.setattr(trainer, "decode_spans", lambda _, __, word_spans: [(0, word_spans[1][1]), word_spans[-2][:2]])
    sets = mayors()
    prepared = trainer.prepare_sentences(sets)
    rows = {id(row.training_data): row.item for row in prepared[0]["webnlg"]}
    figures = trainer.cross_validate(sets, *prepared)
    halves = [{rows[sentence_id] for sentence_id in ids} for _, ids in training_runs]
    assert halves == [set(range(8)), set(range(8, 16))] * 2
    assert figures["webnlg"][1] == 1.0, "all pairs are joined"


def test_numpy_network_matches_torch_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "EPOCHS", 40)
    rows, classes = trainer.prepare_sentences(mayors())
    model = trainer.train_relation_model(rows, classes)
    net = {name: torch.from_numpy(weights) for name, weights in model.weights.items()}
    batch = [row.training_data for row in rows["webnlg"] if row.labelled_pairs]
    states, tags, mask = network._batch_tensors(batch)
    hidden = network.encode_words(net, states, tags, mask)
    torch_pair_logits, torch_class_logits = network.classify_pairs(net, states, hidden, mask, batch)
    assert len(torch_pair_logits) > 8
    offset = 0
    for row in (row for row in rows["webnlg"] if row.labelled_pairs):
        word_states = row.training_data.states.astype(np.float32)
        numpy_hidden = encode_words(model.weights, word_states, row.training_data.name_tags)
        np.testing.assert_allclose(
            numpy_hidden, hidden[batch.index(row.training_data), : len(numpy_hidden)].numpy(), atol=1e-5
        )
        assert row.training_data.span_pairs is not None
        pairs = [labelled.pair for labelled in row.labelled_pairs]
        pair_logits, pair_hidden = model.predict(
            SentenceEncoding(word_states, numpy_hidden, row.training_data.end_tags, row.training_data.span_pairs, pairs)
        )
        np.testing.assert_allclose(
            pair_logits, torch_pair_logits[offset : offset + len(pair_logits)].numpy(), atol=1e-4
        )
        class_logits = [model.class_logits(*labelled) for labelled in zip(pairs, pair_hidden, strict=True)]
        np.testing.assert_allclose(
            class_logits, torch_class_logits[offset : offset + len(pair_logits)].numpy(), atol=1e-4
        )
        offset += len(pair_logits)
    assert offset == len(torch_pair_logits)


def test_shipped_model_has_predicates_of_schema() -> None:
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
def test_unusual_texts_are_extracted(text: str) -> None:
    (extraction,) = extract_documents([Document("odd", "", text, "odd", "en", "0")], 2000)
    spans = {(p.start, p.end) for p in extraction.passages}
    for triple in extraction.triples:
        assert any(start <= triple.start < triple.end <= end for start, end in spans)


def test_missing_output_folder_is_reported_before_training(tmp_path: Path, shell: Shell) -> None:
    error = shell.expect_error(2, "bench", "relations", "--data", tmp_path, "--out", tmp_path / "none" / "relate.npz")
    assert "Expected a folder for the model" in error
