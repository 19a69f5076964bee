"""What joins two names where no pattern says: spans, pairs, and the shipped model."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shell import Shell

from ingest import relate
from ingest.extract import extract
from ingest.pairs import End, Pair
from ingest.patterns import vocabulary
from ingest.relate import Model, own_words, save
from ingest.spans import BUCKETS, decode, features, words
from kgrag.errors import ModelError
from kgrag.evaluate import relate_training
from kgrag.evaluate.extraction_sets import FORMATS
from kgrag.types import CLASSIFIER, PATTERN, Document, Triple

SENTENCES = [
    "Jane Smith works for Acme Corporation in Boston.",
    "Alan Bean was born in Wheeler, Texas and graduated from the University of Texas in 1955.",
    "The Atatürk Monument in İzmir was designed by Pietro Canonica.",
]


def facts(text: str, title: str = "") -> list[Triple]:
    document = Document("files/one.txt", title, text, "files/one.txt", "en", "0")
    return list(extract([document], 2000)[0].triples)


@given(st.text(max_size=80))
def test_words_are_spans_in_order(text: str) -> None:
    found = words(text)
    assert all(text[start:end] == word for start, end, word in found)
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(found))


@given(
    st.lists(st.sampled_from(["Ada", "of", "London", "1912", "'s", ",", "(", "bank"]), max_size=12), st.integers(0, 9)
)
def test_spans_do_not_overlap_and_begin_at_words(heard: list[str], seed: int) -> None:
    sentence = " ".join(heard)
    here = words(sentence)
    weights = np.random.default_rng(seed).normal(size=(BUCKETS, 3)).astype(np.float32)
    spans = decode(weights, here, features(here, []))
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
    known = vocabulary().predicates
    found = list(itertools.chain.from_iterable(facts(text) for text in SENTENCES))
    assert {triple.found_by for triple in found} == {PATTERN, CLASSIFIER}
    for triple in found:
        assert 0 < triple.confidence <= 1
        assert triple.found_by == PATTERN or (triple.found_by == CLASSIFIER and triple.confidence <= relate.TRUST)
        if triple.confidence <= relate.TRUST and triple.predicate in known and known[triple.predicate].value == "DATE":
            assert any(letter.isdigit() for letter in triple.object)


def test_a_pattern_is_not_doubled_by_a_guess(monkeypatch: pytest.MonkeyPatch) -> None:
    guesses = [("heat", "performer", "michael mann", 0.5), ("michael mann", "child", "heat", 0.5)]
    monkeypatch.setattr("ingest.relations.relate", lambda *_: [*guesses, ("heat", "cast_member", "al pacino", 0.5)])
    found = facts("Heat is a 1995 American film directed by Michael Mann.", "Heat")
    between = [t for t in found if {t.subject, t.object} == {"heat", "michael mann"}]
    assert [t.predicate for t in between] == ["director"]
    assert [t.predicate for t in found if t.object == "al pacino"] == ["cast_member"]


def fixed(*classes: str, bias: float = 10.0) -> Model:
    """A model that takes every capitalised run of marks as it is, joins all, and likes classes in their order."""
    spans = np.zeros((BUCKETS, 3), np.float32)
    odds = np.array([4.0 * (len(classes) - n) for n in range(len(classes))], np.float32)
    return Model(classes, spans, np.zeros(BUCKETS, np.float32), np.zeros((8, len(classes)), np.float32), bias, odds)


def pair(left: str, right: str) -> Pair:
    return Pair(End(0, 3, "ada", left), End(10, 13, "london", right), (1, 2))


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
    assert fixed(*classes).name(pair(*kinds)) == name


def test_a_guess_goes_the_way_of_its_class_and_counts_less_than_a_pattern(monkeypatch: pytest.MonkeyPatch) -> None:
    for known, wanted in ((fixed("author"), ("ada", "bob")), (fixed("^author"), ("bob", "ada"))):
        monkeypatch.setattr(relate, "model", lambda known=known: known)
        here = [End(0, 3, "ada", "MISC"), End(10, 13, "bob", "MISC")]
        monkeypatch.setattr(Model, "ends", lambda *_, here=here: here)
        ((subject, predicate, value, sure),) = relate.relate("Ada wrote Bob.", [], "ada")
        assert (subject, value, predicate) == (*wanted, "author")
        assert 0.6 < sure <= relate.TRUST
    monkeypatch.setattr(relate, "model", lambda: fixed("author", bias=-3.0))
    assert not list(relate.relate("Ada wrote Bob.", [], "ada"))


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
    assert own_words(between) == predicate


def test_a_model_is_kept_and_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    shapes = ((BUCKETS, 3), (BUCKETS,), (64, 2))
    spans, joined, which = (rng.normal(size=shape).astype(np.float32) for shape in shapes)
    made = Model(("author", "^author"), spans, joined, which, -1.5, np.zeros(2, np.float32))
    save(made, tmp_path / "model")
    (tmp_path / "model").rename(tmp_path / "model.npz")
    assert [p.name for p in tmp_path.iterdir()] == ["model.npz"]
    monkeypatch.setattr(relate, "FILE", tmp_path / "model.npz")
    relate.model.cache_clear()
    try:
        read = relate.model()
        assert (read.classes, read.bias) == (made.classes, made.bias)
        assert np.abs(read.spans - made.spans).max() < 0.03
        (tmp_path / "model.npz").write_bytes(b"no model")
        relate.model.cache_clear()
        with pytest.raises(ModelError, match="make relations"):
            relate.model()
    finally:
        relate.model.cache_clear()


def test_training_learns_what_joins_and_gives_the_same_again() -> None:
    rows = [
        {"text": f"{a} is the mayor of {b} .", "triple_list": [[b, "mayor", a]]}
        for a, b in itertools.product(("Ada Hill", "Bob Stone", "Cy Field"), ("Paris", "Berlin", "Madrid", "London"))
    ] + [
        {"text": f"{a} spoke while {b} slept .", "triple_list": []}
        for a, b in itertools.product(("Ada Hill", "Bob Stone"), ("Paris", "Berlin"))
    ]
    items = list(FORMATS["webnlg"][0](json.dumps(rows)))
    made, again = (relate_training.train({"webnlg": items}) for _ in range(2))
    assert made.classes == again.classes
    assert np.array_equal(made.joined, again.joined)
    figures = relate_training.cross_validate({"webnlg": items})
    assert 0 <= figures["webnlg"][2] <= 1


def test_a_half_is_not_judged_by_what_was_learned_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        {"text": f"Ada Hill met {name} .", "triple_list": [["Ada Hill", "x", name]]} for name in ("Paris", "Rome") * 4
    ]
    items = list(FORMATS["webnlg"][0](json.dumps(rows)))
    learned: list[set[int]] = []

    def fit(found: list[relate_training.Example]) -> tuple[relate.Weights, float]:
        learned.append({one.item for one in found})
        return np.zeros(relate_training.BUCKETS, np.float32), 5.0

    monkeypatch.setattr(relate_training, "_fit_joined", fit)
    figures = relate_training.cross_validate({"webnlg": items})
    assert learned == [{0, 1, 2, 3}, {4, 5, 6, 7}]
    assert figures["webnlg"] == (1.0, 1.0, 1.0), "all are joined, and all are related"


def test_the_shipped_model_knows_predicates_of_the_vocabulary() -> None:
    classes = {name.removeprefix("^") for name in relate.model().classes}
    assert {"director", "author", "spouse", "date_of_birth", "located_in"} <= classes & set(vocabulary().predicates)


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
    (read,) = extract([Document("odd", "", text, "odd", "en", "0")], 2000)
    spans = {(p.start, p.end) for p in read.passages}
    for triple in read.triples:
        assert any(start <= triple.start < triple.end <= end for start, end in spans)


def test_a_folder_that_is_not_there_is_said_before_training(tmp_path: Path, shell: Shell) -> None:
    error = shell.fails(2, "bench", "relations", "--data", tmp_path, "--out", tmp_path / "none" / "relate.npz")
    assert "Expected a folder for the model" in error
