"""What the embedder learns from: questions of facts, hard negatives that are wrong indeed, and a gain beyond chance."""

from __future__ import annotations

import pytest

from kgrag.tune.gain import Gain, gain, recalls, verdict
from kgrag.tune.retrieving import SHARE, Asked, from_facts, from_questions, from_sentences, pairs, states
from kgrag.types import Passage, Question, Triple

EN = frozenset({"en"})
NOUNS = {"father": ("father", "dad", "父亲"), "place_of_birth": ("birthplace",)}


def fact(subject: str, predicate: str, value: str, passage: str, confidence: float = 0.9) -> Triple:
    return Triple(subject, predicate, value, passage, 0, 5, confidence)


def test_a_fact_is_asked_about_once_with_all_that_state_it() -> None:
    names = {"ada": "Ada Lovelace", "byron": "Lord Byron", "hua": "华罗庚"}
    facts = [
        fact("ada", "father", "byron", "a#1"),
        fact("ada", "father", "byron", "b#1"),
        fact("ada", "place_of_birth", "london", "a#1", 0.4),
        fact("ada", "related_to", "byron", "a#1"),
        fact("hua", "father", "x", "c#1"),
        fact("nobody", "father", "x", "c#1"),
    ]
    (one,) = from_facts(facts, names, NOUNS, EN, 10)
    assert one.gold == ("a#1", "b#1") and one.answers == ("Lord Byron",)
    assert "Ada Lovelace" in one.text and ("father" in one.text or "dad" in one.text)
    both = from_facts(facts, names, NOUNS, frozenset({"en", "zh"}), 10)
    assert any("华罗庚" in one.text and "父亲" in one.text for one in both)


def test_what_is_asked_of_one_thing_is_held_out_or_not() -> None:
    names = {f"p{n}": f"Person {n} Smith" for n in range(400)}
    facts = [fact(p, q, "x", f"{p}#1") for p in names for q in NOUNS]
    asked = from_facts(facts, names, NOUNS, EN, 1000)
    assert asked == from_facts(list(reversed(facts)), names, NOUNS, EN, 1000), "the same seed, the same questions"
    assert asked != from_facts(facts, names, NOUNS, EN, 1000, seed=1)
    held: dict[str, set[bool]] = {}
    for one in asked:
        held.setdefault(one.gold[0], set()).add(one.held)
    assert all(len(kinds) == 1 for kinds in held.values())
    assert sum(True in kinds for kinds in held.values()) == pytest.approx(400 * SHARE, rel=0.5)


def test_a_sentence_asks_for_the_rest_of_its_passage() -> None:
    text = "The first sentence of this passage. The second sentence of this passage."
    (one,) = from_sentences([Passage("a#1", "a", text, 0, len(text)), Passage("b#1", "b", "One.", 0, 4)], EN, 5)
    assert one.gold == ("a#1",) and one.text in text and not one.held
    (pair,) = pairs([one], {"a#1": f"A. {text}", "b#1": "B. One."}, [])
    assert one.text not in pair.positive and "sentence" in pair.positive and pair.negatives == ("B. One.",)


def test_given_questions() -> None:
    parts = [Passage(f"a#{n}", "a", text, 0, 9) for n, text in enumerate(["Born early.", "He died in Oslo."])]
    asked = from_questions(
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
    found = from_questions(asked, texts, EN)
    held, learned = ({g for one in found if one.held == side for g in one.gold} for side in (True, False))
    assert len(found) == 240 and held and learned and not held & learned


def test_hard_negatives_are_wrong() -> None:
    texts = {"gold": "Ada was born in London.", "also": "London is where Ada was born.", "near": "Ada wrote a program.",
             "far": "Cats sleep.", "same": "Byron was born in LONDON"}  # fmt: skip
    searches = [lambda text, k: ["gold", "also", "near"], lambda text, k: ["same", "gold"]]
    asked = Asked("Where was Ada born?", ("gold",), ("London",))
    (pair,) = pairs([asked, Asked("held", ("gold",), (), True)], texts, searches)
    assert pair.positive == texts["gold"] and pair.negatives == ("Ada wrote a program.",)
    (pair,) = pairs([asked], texts, searches, negatives=2)
    assert set(pair.negatives) == {"Ada wrote a program.", "Cats sleep."}, "others where there are too few hard ones"
    assert pairs([asked], texts, searches, negatives=3) == [], "and none that states the answer"
    assert states("他生于北京市。", ("北京",)) and not states("Londonderry", ("London",))


def test_kept_only_beyond_chance() -> None:
    asked = [Asked(str(n), ("a",)) for n in range(50)]
    assert recalls(asked[:2], lambda text, k: ["b", "a"] if text == "0" else ["b"]) == [1.0, 0.0]
    better = gain([0.0] * 25 + [1.0] * 25, [1.0] * 20 + [0.0] * 5 + [1.0] * 25)
    assert better.rises and not better.falls and better.difference.value == pytest.approx(0.4)
    chance = gain([0.0, 1.0] * 25, [1.0] + [0.0, 1.0] * 24 + [0.0])
    assert not chance.rises
    worse = gain([1.0] * 50, [1.0] * 25 + [0.0] * 25)
    assert worse.falls
    same: Gain = gain([0.5] * 50, [0.5] * 50)
    assert verdict(better, same)[0] and verdict(better, better)[0]
    for dense, hybrid, why in ((chance, same, "did not rise"), (same, same, "+0.0"), (better, worse, "retriever less")):
        kept, said = verdict(dense, hybrid)
        assert not kept and why in said
    assert "50.0 → 90.0 (+40.0 [" in better.said() and "n = 50" in better.said()
