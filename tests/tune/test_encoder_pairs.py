"""Training pairs of the sentence encoder: questions, hard negatives, holdout, and the decision to keep it."""

from __future__ import annotations

from pathlib import Path

import pytest

from kgrag.text import detect_language
from kgrag.tune.data.synthetic_questions import COMPARISON
from kgrag.tune.encoder.pairs import (
    RetrievalQuestion,
    build_training_pairs,
    contains_answer,
    questions_from_facts,
    questions_from_file,
    questions_from_sentences,
)
from kgrag.tune.encoder.recall_gain import RecallGain, compare_recall, recall_values, should_keep
from kgrag.types import Passage, Question
from tests.support.film_world import film_world

EN = frozenset({"en"})


def test_questions_from_facts(tmp_path: Path) -> None:
    with film_world(tmp_path / "world") as world:
        generated = world.generate_questions()
        texts = {p.id: p.text for p in world.graph.passages()}
    english = questions_from_facts(generated, EN, 1000)
    assert english and all(detect_language(question.text) == "en" for question in english)
    assert {q.lang for q in generated} == {"en", "zh"}
    assert len(questions_from_facts(generated, EN | {"zh"}, 1000)) > len(english)
    films = [question for question in english if question.answers == ("Ada Bell",)]
    assert films and all("Silver River" in q.text and "Ada Bell" in texts[i] for q in films for i in q.gold)
    by_text = {q.text: q for q in generated}
    for question in english:
        assert set(question.gold) == {*by_text[question.text].passages}
        assert bool(question.answers) == (by_text[question.text].kind != COMPARISON), "a yes in a passage means nothing"


def test_questions_from_facts_sides_share_no_document(tmp_path: Path) -> None:
    with film_world(tmp_path / "world") as world:
        generated = world.generate_questions()
    assert questions_from_facts(generated, EN, 1000) == questions_from_facts(generated, EN, 1000)
    assert len(questions_from_facts(generated, EN, 5)) == 5
    assert any(q.is_heldout for seed in range(9) for q in questions_from_facts(generated, EN, 1000, seed))
    for seed in range(9):
        held, learned = (
            {g for q in questions_from_facts(generated, EN, 1000, seed) if q.is_heldout == side for g in q.gold}
            for side in (True, False)
        )
        assert learned and not held & learned


def test_questions_from_sentences(tmp_path: Path) -> None:
    text = "The first sentence of this passage. The second sentence of this passage."
    (question,) = questions_from_sentences(
        [Passage("a#1", "a", text, 0, len(text)), Passage("b#1", "b", "One.", 0, 4)], EN, 5
    )
    assert question.gold == ("a#1",) and question.text in text and not question.is_heldout
    (pair,) = build_training_pairs([question], {"a#1": f"A. {text}", "b#1": "B. One."}, [])
    assert question.text not in pair.positive and "sentence" in pair.positive and pair.negatives == ("B. One.",)


def test_questions_from_file() -> None:
    parts = [Passage(f"a#{n}", "a", text, 0, 9) for n, text in enumerate(["Born early.", "He died in Oslo."])]
    questions = questions_from_file(
        [
            Question("1", "Where did he die?", ("Oslo",), ("a",)),
            Question("2", "Where was he born?", ("Rome",), ("a", "gone")),
            Question("3", "Who?", (), ("gone",)),
            Question("4", "他是谁？", (), ("a",), "zh"),
        ],
        {"a": parts},
        EN,
    )
    assert [question.gold for question in questions] == [("a#1",), ("a#0",)]


def test_questions_from_file_sides_share_no_document() -> None:
    file_questions = [Question(f"{n}", f"Who was in {n}?", ("Ada",), (f"d{n % 81}",)) for n in range(240)]
    texts = {f"d{n}": [Passage(f"d{n}#0", f"d{n}", "Ada was there.", 0, 14)] for n in range(81)}
    questions = questions_from_file(file_questions, texts, EN)
    held, learned = ({g for q in questions if q.is_heldout == side for g in q.gold} for side in (True, False))
    assert len(questions) == 240 and held and learned and not held & learned


def test_training_pairs_negatives_are_wrong() -> None:
    texts = {"gold": "Ada was born in London.", "also": "London is where Ada was born.", "near": "Ada wrote a program.",
             "far": "Cats sleep.", "same": "Byron was born in LONDON"}  # fmt: skip
    searches = [lambda text, k: ["gold", "also", "near"], lambda text, k: ["same", "gold"]]
    question = RetrievalQuestion("Where was Ada born?", ("gold",), ("London",))
    (pair,) = build_training_pairs([question, RetrievalQuestion("held", ("gold",), (), True)], texts, searches)
    assert pair.positive == texts["gold"] and pair.negatives == ("Ada wrote a program.",)
    (pair,) = build_training_pairs([question], texts, searches, negatives=2)
    assert set(pair.negatives) == {"Ada wrote a program.", "Cats sleep."}, "random ones if there are too few hard ones"
    assert build_training_pairs([question], texts, searches, negatives=3) == [], "none that states the answer"
    assert contains_answer("他生于北京市。", ("北京",)) and not contains_answer("Londonderry", ("London",))


def test_should_keep_only_beyond_chance() -> None:
    questions = [RetrievalQuestion(str(n), ("a",)) for n in range(50)]
    assert recall_values(questions[:2], lambda text, k: ["b", "a"] if text == "0" else ["b"]) == [1.0, 0.0]
    better = compare_recall([0.0] * 25 + [1.0] * 25, [1.0] * 20 + [0.0] * 5 + [1.0] * 25)
    assert better.is_improvement and not better.is_regression and better.difference.value == pytest.approx(0.4)
    chance = compare_recall([0.0, 1.0] * 25, [1.0] + [0.0, 1.0] * 24 + [0.0])
    assert not chance.is_improvement
    worse = compare_recall([1.0] * 50, [1.0] * 25 + [0.0] * 25)
    assert worse.is_regression
    same: RecallGain = compare_recall([0.5] * 50, [0.5] * 50)
    assert should_keep(better, same)[0] and should_keep(better, better)[0]
    for dense, hybrid, reason in (
        (chance, same, "did not rise"),
        (same, same, "+0.0"),
        (better, worse, "fell for the whole retriever"),
    ):
        kept, message = should_keep(dense, hybrid)
        assert not kept and reason in message
    assert "50.0 → 90.0 (+40.0 [" in better.describe() and "n = 50" in better.describe()
