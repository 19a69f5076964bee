"""What the embedder learns from: questions of facts, hard negatives that are wrong indeed, and a gain beyond chance."""

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


def test_questions_of_facts(tmp_path: Path) -> None:
    with film_world(tmp_path / "world") as here:
        made = here.generate_questions()
        texts = {p.id: p.text for p in here.graph.passages()}
    asked = questions_from_facts(made, EN, 1000)
    assert asked and all(detect_language(one.text) == "en" for one in asked)
    assert {q.lang for q in made} == {"en", "zh"} and len(questions_from_facts(made, EN | {"zh"}, 1000)) > len(asked)
    films = [one for one in asked if one.answers == ("Ada Bell",)]
    assert films and all("Silver River" in one.text and "Ada Bell" in texts[i] for one in films for i in one.gold)
    by_text = {q.text: q for q in made}
    for one in asked:
        assert set(one.gold) == {*by_text[one.text].passages}
        assert bool(one.answers) == (by_text[one.text].kind != COMPARISON), "a passage with a yes in it is not right"


def test_what_is_held_out_of_facts_rests_on_documents_of_its_own(tmp_path: Path) -> None:
    with film_world(tmp_path / "world") as here:
        made = here.generate_questions()
    assert (
        questions_from_facts(made, EN, 1000) == questions_from_facts(made, EN, 1000)
        and len(questions_from_facts(made, EN, 5)) == 5
    )
    assert any(one.is_heldout for seed in range(9) for one in questions_from_facts(made, EN, 1000, seed))
    for seed in range(9):
        held, learned = (
            {g for one in questions_from_facts(made, EN, 1000, seed) if one.is_heldout == side for g in one.gold}
            for side in (True, False)
        )
        assert learned and not held & learned


def test_a_sentence_asks_for_the_rest_of_its_passage() -> None:
    text = "The first sentence of this passage. The second sentence of this passage."
    (one,) = questions_from_sentences(
        [Passage("a#1", "a", text, 0, len(text)), Passage("b#1", "b", "One.", 0, 4)], EN, 5
    )
    assert one.gold == ("a#1",) and one.text in text and not one.is_heldout
    (pair,) = build_training_pairs([one], {"a#1": f"A. {text}", "b#1": "B. One."}, [])
    assert one.text not in pair.positive and "sentence" in pair.positive and pair.negatives == ("B. One.",)


def test_given_questions() -> None:
    parts = [Passage(f"a#{n}", "a", text, 0, 9) for n, text in enumerate(["Born early.", "He died in Oslo."])]
    asked = questions_from_file(
        [
            Question("1", "Where did he die?", ("Oslo",), ("a",)),
            Question("2", "Where was he born?", ("Rome",), ("a", "gone")),
            Question("3", "Who?", (), ("gone",)),
            Question("4", "他是谁？", (), ("a",), "zh"),
        ],
        {"a": parts},
        EN,
    )
    assert [one.gold for one in asked] == [("a#1",), ("a#0",)]


def test_what_is_held_out_rests_on_no_document_that_is_learned_from() -> None:
    asked = [Question(f"{n}", f"Who was in {n}?", ("Ada",), (f"d{n % 81}",)) for n in range(240)]
    texts = {f"d{n}": [Passage(f"d{n}#0", f"d{n}", "Ada was there.", 0, 14)] for n in range(81)}
    found = questions_from_file(asked, texts, EN)
    held, learned = ({g for one in found if one.is_heldout == side for g in one.gold} for side in (True, False))
    assert len(found) == 240 and held and learned and not held & learned


def test_hard_negatives_are_wrong() -> None:
    texts = {"gold": "Ada was born in London.", "also": "London is where Ada was born.", "near": "Ada wrote a program.",
             "far": "Cats sleep.", "same": "Byron was born in LONDON"}  # fmt: skip
    searches = [lambda text, k: ["gold", "also", "near"], lambda text, k: ["same", "gold"]]
    asked = RetrievalQuestion("Where was Ada born?", ("gold",), ("London",))
    (pair,) = build_training_pairs([asked, RetrievalQuestion("held", ("gold",), (), True)], texts, searches)
    assert pair.positive == texts["gold"] and pair.negatives == ("Ada wrote a program.",)
    (pair,) = build_training_pairs([asked], texts, searches, negatives=2)
    assert set(pair.negatives) == {"Ada wrote a program.", "Cats sleep."}, "others where there are too few hard ones"
    assert build_training_pairs([asked], texts, searches, negatives=3) == [], "and none that states the answer"
    assert contains_answer("他生于北京市。", ("北京",)) and not contains_answer("Londonderry", ("London",))


def test_kept_only_beyond_chance() -> None:
    asked = [RetrievalQuestion(str(n), ("a",)) for n in range(50)]
    assert recall_values(asked[:2], lambda text, k: ["b", "a"] if text == "0" else ["b"]) == [1.0, 0.0]
    better = compare_recall([0.0] * 25 + [1.0] * 25, [1.0] * 20 + [0.0] * 5 + [1.0] * 25)
    assert better.is_improvement and not better.is_regression and better.difference.value == pytest.approx(0.4)
    chance = compare_recall([0.0, 1.0] * 25, [1.0] + [0.0, 1.0] * 24 + [0.0])
    assert not chance.is_improvement
    worse = compare_recall([1.0] * 50, [1.0] * 25 + [0.0] * 25)
    assert worse.is_regression
    same: RecallGain = compare_recall([0.5] * 50, [0.5] * 50)
    assert should_keep(better, same)[0] and should_keep(better, better)[0]
    for dense, hybrid, why in ((chance, same, "did not rise"), (same, same, "+0.0"), (better, worse, "retriever less")):
        kept, said = should_keep(dense, hybrid)
        assert not kept and why in said
    assert "50.0 → 90.0 (+40.0 [" in better.describe() and "n = 50" in better.describe()
