"""The sentences that are shown are those that tell what is asked, within the budget, whoever found their passages."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgrag.answering.stages.evidence_selection import (
    PASSAGE_HEADER_TOKENS,
    fit_to_budget,
    score_sentences,
    select_evidence,
)
from kgrag.cli.options import ingest_into
from kgrag.dev.training.sentence_selector import SentenceLabels, cross_validate, label_sentences
from kgrag.question_sets import fingerprint
from kgrag.retrieve.boosted_trees import TreeEnsemble
from kgrag.retrieve.sentence_features import FEATURE_NAMES, HitSentence, sentence_features
from kgrag.store.store import Store
from kgrag.types import Hit, Question
from tests.answering.test_answer_pipeline import make_hit
from tests.support.cli_shell import Shell

FILM = "Palo Alto is a 2013 drama film directed by Gia Coppola. It is based on stories by James Franco. It was shown in Telluride."
MAKER = "Gia Coppola is an American director. She likes to cook. Her photographs were shown in Tokyo. Her father was Gian-Carlo Coppola."
WHO = "Who is the father of the director of film Palo Alto (2013 film)?"
NOISE = [
    make_hit(f"Film number {n}", f"Film number {n} is a drama film directed by somebody else. It was shown in a town. The film was long.", n)
    for n in range(3, 9)
]  # fmt: skip
HITS = [make_hit("Palo Alto (2013 film)", FILM), make_hit("Gia Coppola", MAKER, 2), *NOISE]
HITS = [replace(h, score=score) for h, score in zip(HITS, (0.99, 0.9, 0.2, 0.2, 0.15, 0.1, 0.1, 0.05), strict=True)]


def count(text: str) -> int:
    return len(text.split())


def column(name: str, question: str, hits: list[Hit]) -> list[float]:
    return [float(value) for value in sentence_features(question, hits)[1][:, FEATURE_NAMES.index(name)]]


def test_what_comes_with_the_program_was_trained_on_the_features_of_today() -> None:
    assert TreeEnsemble.load_builtin("sentences.json").feature_names == FEATURE_NAMES


def test_the_sentence_of_the_second_step_is_shown() -> None:
    shown, dropped = select_evidence(WHO, HITS, 40, count)
    text = " ".join(s.text for s in shown)
    assert "directed by Gia Coppola" in text and "Her father was Gian-Carlo Coppola." in text
    assert "cook" not in text and any("of 'Gia Coppola' left out" in line for line in dropped)


def test_a_scale_of_scores_changes_nothing() -> None:
    scaled = [replace(h, score=h.score * 30) for h in HITS]
    assert [s.spans for s in select_evidence(WHO, scaled, 60, count)[0]] == [
        s.spans for s in select_evidence(WHO, HITS, 60, count)[0]
    ]
    unscored = [replace(h, score=0.0) for h in HITS]
    assert column("likely", WHO, unscored) == [1.0] * len(sentence_features(WHO, HITS)[0])


def test_what_is_known_of_a_sentence() -> None:
    found, _ = sentence_features(WHO, HITS[:2])
    assert [s.text.split()[0] for s in found] == ["Palo", "It", "It", "Gia", "She", "Her", "Her"]
    assert column("names another", WHO, HITS[:2])[:3] == pytest.approx([0.9 / 0.99, 0, 0])
    assert column("named by another", WHO, HITS[:2])[3:] == [1.0] * 4
    assert column("tells", WHO, HITS[:2]) == [0.5, 0, 0, 0.5, 0, 0, 0.5]  # of directors, and of fathers
    assert column("has a year", WHO, HITS[:2]) == [1, 0, 0, 0, 0, 0, 0]
    assert column("order", WHO, HITS[:2]) == [0, 1, 2, 0, 1, 2, 3] and column("of", WHO, HITS[:2]) == [3] * 3 + [4] * 4
    assert column("asks who", WHO, HITS[:2])[0] == 1 and column("asks where", WHO, HITS[:2])[0] == 0
    free = column("free words", WHO, HITS[:2])
    assert free[6] > 0 and column("words", WHO, HITS[:2])[0] > free[0] == 0, "the words of what it names are not free"


def test_a_year_is_no_part_of_a_longer_number() -> None:
    said = "It has 21999 seats. It opened in 1999. It cost 3000. 它建于七年前。"
    assert column("has a year", "When?", [make_hit("Hall", said)]) == [0, 1, 0, 1]


def test_chinese_sentences_are_read_alike() -> None:
    hits = [
        make_hit("战国", "《战国》由李明执导。影片在北京上映。"),
        make_hit("李明", "李明是导演。他喜欢登山。他生于上海。", 2),
    ]
    asks = "《战国》的导演出生在哪裡？"
    assert column("names another", asks, hits)[:2] == [1, 0] and column("asks where", asks, hits)[0] == 1
    assert column("tells", asks, hits) == [0.5, 0, 0.5, 0, 0.5]


def test_a_heading_is_no_sentence_and_nothing_has_none() -> None:
    found, rows = sentence_features("Where?", [make_hit("Oslo", "# Oslo\n\nOslo is a city.")])
    assert [s.text for s in found] == ["Oslo is a city."] and rows.shape == (1, len(FEATURE_NAMES))
    assert (
        sentence_features("Where?", [])[1].shape == (0, len(FEATURE_NAMES))
        and score_sentences(np.zeros((0, len(FEATURE_NAMES)), np.float32)) == []
    )
    assert select_evidence("Where?", [], 100, count) == ([], [])


SENTENCES = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 60), st.floats(-8, 8)), min_size=1, max_size=20)


@given(SENTENCES, st.integers(0, 200))
def test_what_is_chosen_fits(those: list[tuple[int, int, float]], budget: int) -> None:
    found = [HitSentence(place, n, n + 1, "x") for n, (place, _, _) in enumerate(those)]
    costs, odds = [cost for _, cost, _ in those], [odd for _, _, odd in those]
    chosen = fit_to_budget(found, odds, costs, budget)
    begun = {found[n].hit_index for n in chosen}
    spent = sum(costs[n] for n in chosen) + PASSAGE_HEADER_TOKENS * len(begun) + len(chosen) - len(begun)
    assert len({*chosen}) == len(chosen) >= 1
    assert len(chosen) == 1 or spent <= budget, "a heading is paid once; after another sentence there is a space"
    for n in range(len(found)):
        if n not in chosen:
            assert (
                spent + costs[n] + (1 if found[n].hit_index in begun else PASSAGE_HEADER_TOKENS) > budget
                or len(chosen) == 1
            )


def test_of_equally_likely_sentences_the_shorter_is_chosen_and_a_likelier_before_it() -> None:
    found = [HitSentence(0, 0, 1, "x"), HitSentence(1, 0, 1, "x")]
    assert fit_to_budget(found, [1.0, 1.0], [40, 4], 50) == [1]
    assert fit_to_budget(found, [4.0, -4.0], [40, 4], 50) == [0]


# --- what is learned from --------------------------------------------------------------------------------------------


def told(question: str, answers: tuple[str, ...], hits: list[Hit], gold: tuple[str, ...]) -> SentenceLabels | None:
    return label_sentences(Question("q", question, answers, gold), hits, count)


def test_which_sentences_tell_an_answer_and_what_leads_to_it() -> None:
    found = told(WHO, ("Gian-Carlo Coppola",), HITS, ("Palo Alto (2013 film)", "Gia Coppola"))
    assert found and found.answer_numbers == {6} and found.supporting_numbers == (frozenset({0}),)
    assert found.labels.tolist() == [1, 0, 0, 0, 0, 0, 1] + [0] * (len(found.labels) - 7)
    assert found.evidence_shown([5.0 if n in (0, 6) else -5.0 for n in range(len(found.sentences))], 60) == (True, True)
    assert found.evidence_shown([5.0 if n == 6 else -5.0 for n in range(len(found.sentences))], 16) == (True, False)
    assert found.evidence_shown([5.0 if n == 0 else -5.0 for n in range(len(found.sentences))], 18) == (False, False)


def test_of_what_is_compared_each_has_a_sentence_that_tells() -> None:
    ann = make_hit("Ann", "Ann is a poet. Ann was born in 1900 in Oslo.")
    joe = make_hit("Joe", "Joe is a poet. Joe wrote much. Joe was born in 1910.", 2)
    older = told("Who was born first, Ann or Joe?", ("Ann",), [ann, joe], ("Ann", "Joe"))
    assert older and {*older.supporting_numbers} == {frozenset({1}), frozenset({4})}, "the first of each with a year"
    both = told("Are Ann and Joe both poets?", ("yes",), [ann, joe], ("Ann", "Joe"))
    assert both and not both.answer_numbers and {*both.supporting_numbers} == {frozenset({0}), frozenset({2})}


def test_a_question_of_which_nothing_is_told_is_none() -> None:
    assert told("Who?", ("Nobody",), HITS, ("Gia Coppola",)) is None
    assert told("Who?", ("Gian-Carlo Coppola",), NOISE, ("Gia Coppola",)) is None
    assert told("Who?", ("Gian-Carlo Coppola",), [], ("Gia Coppola",)) is None


def test_no_question_is_measured_by_trees_that_saw_it() -> None:
    random = np.random.default_rng(0)
    found = tuple(HitSentence(n, 0, 1, "x") for n in range(10))
    noise = [
        SentenceLabels(found, random.random((10, len(FEATURE_NAMES)), np.float32), (9,) * 10, frozenset({int(random.integers(10))}), ())
        for _ in range(100)
    ]  # fmt: skip
    odds = cross_validate([noise])[0]
    right = sum(t.evidence_shown(o, 0)[0] for t, o in zip(noise, odds, strict=True))
    assert len(odds) == 100 and right < 25, "one in ten by chance; those that saw them know nine in ten"


# --- the command -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A store of people and where they were born, and a question about each."""
    folder = tmp_path_factory.mktemp("sentences")
    people = [
        f"{first} {last}" for first in ("Ada", "Ben", "Cora", "Dan", "Eve") for last in ("Bell", "Cole", "Dean", "Eyre")
    ]
    documents, questions = [], []
    for number, name in enumerate(people):
        town = f"Town{number}"
        text = f"{name} is a writer of plays. {name} travelled much. {name} was born in {town} in {1900 + number}. Little else is known."
        documents.append({"_id": f"d{number}", "title": name, "text": text})
        questions.append(
            {"_id": f"q{number}", "text": f"Where was {name} born?", "answers": [town], "gold": [f"d{number}"]}
        )
    questions.append({"_id": "none", "text": "Where was Nobody born?", "answers": ["Nowhere"], "gold": ["d99"]})
    for file, rows in (("corpus.jsonl", documents), ("questions.jsonl", questions)):
        (folder / file).write_text("".join(json.dumps(row) + "\n" for row in rows))
    ingest_into(Store(folder / "store", create=True), [str(folder / "corpus.jsonl")])
    return folder / "store", folder / "questions.jsonl"


@pytest.fixture
def _words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kgrag.tune.data.build.token_counter", lambda _: count)


@pytest.mark.usefixtures("_words")
def test_how_often_the_answer_is_shown(asked: tuple[Path, Path], shell: Shell) -> None:
    store, questions = asked
    code, out, _ = shell("bench", "sentences", "--store", store, "--questions", questions, "--json")
    report = json.loads(out, parse_constant=pytest.fail)
    mine = report[str(questions)]
    assert code == 0 and mine["questions"] == 20 and not mine["cross-validated"]
    assert mine["400 tokens: the answer"]["value"] == 1 and mine["600 tokens: all"]["value"] == 1
    assert report["milliseconds to choose, median"] > 0
    code, out, _ = shell("bench", "sentences", "--store", store, "--questions", questions)
    assert code == 0 and "400 tokens: the answer" in out and "ms to choose" in out


@pytest.mark.usefixtures("_words")
def test_what_chooses_is_trained_and_says_on_what(asked: tuple[Path, Path], shell: Shell, tmp_path: Path) -> None:
    store, questions = asked
    path = tmp_path / "sentences.json"
    arguments = ("bench", "sentences", "--store", store, "--questions", questions, "--out", path)
    code, out, _ = shell(*arguments)
    assert code == 0 and "had not seen the question" in out
    trees = TreeEnsemble.load(path)
    assert trees.feature_names == FEATURE_NAMES and trees.trained_on == (fingerprint(questions),)
    before = path.read_bytes()
    assert shell(*arguments)[0] == 0 and path.read_bytes() == before, "the same questions give the same trees"


@pytest.mark.usefixtures("_words")
def test_misuse_of_the_bench_is_a_sentence(asked: tuple[Path, Path], shell: Shell, tmp_path: Path) -> None:
    store, questions = asked
    other = tmp_path / "other.jsonl"
    other.write_text(json.dumps({"_id": "1", "text": "Who?", "answers": ["x"], "gold": ["y"]}) + "\n")
    for given_, part in (
        (("--questions", questions, "--out", tmp_path / "no" / "x.json"), "Expected a folder"),
        (("--questions", tmp_path / "none.jsonl"), "found none"),
        (("--questions", other), "1 or more questions whose gold documents the store finds"),
        (("--questions", questions, "--limit", "4", "--out", tmp_path / "x.json"), "found 4"),
    ):
        code, out, err = shell("bench", "sentences", "--store", store, *given_)
        assert code == 2 and out == "" and part in err and "Traceback" not in err
