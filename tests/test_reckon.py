"""What the dates of an answer's steps say decides what was first; where they do not, the model's word stands."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_answer import answerer, hit

from kgrag.reckon import Read, read, reckoned
from kgrag.steps import stepped

FILMS = ("Dying God – publication date: 2008 [2]", "3 Dots – publication date: 2013 [1]")
WHICH = "Which film came out first, 3 Dots or Dying God?"
MAKERS = (
    "El Tonto – director: Charlie Day [1]",
    "Charlie Day – date of birth: February 9, 1976 [3]",
    "The Heart of Doreon – director: Robert North Bradbury [2]",
    "Robert North Bradbury – date of birth: March 23, 1886 [4]",
)
BORN = "Which film has the director who was born {}, El Tonto or The Heart Of Doreon?"


@pytest.mark.parametrize(
    ("question", "steps", "answer"),
    [
        (WHICH, FILMS, "Dying God [2]"),
        (WHICH.replace("first", "later"), FILMS, "3 Dots [1]"),
        (BORN.format("first"), MAKERS, "The Heart of Doreon [2]"),
        (BORN.format("later"), MAKERS, "El Tonto [1]"),
        ("谁出生更早，丘学文还是李国安？", ("丘学文 – date of birth: 1949年4月4日 [1]", "李国安 – date of birth: 1951年6月2日 [2]"), "丘学文 [1]"),
        # a name that asks is no asking
        ("Which film was released first, The Last Coupon or First Love?",
         ("The Last Coupon – publication date: 1932 [1]", "First Love – publication date: 1939 [2]"), "The Last Coupon [1]"),
        ("Which film came out first, Steel (1979 film) or Attention?",
         ("Steel – publication date: 1979 [1]", "Attention – publication date: 1946 [2]"), "Attention [2]"),
        ("Which film came out later, Love (First film) or Attention?",
         ("Love (First film) – publication date: 1930 [1]", "Attention – publication date: 1946 [2]"), "Attention [2]"),
    ],
)  # fmt: skip
def test_which_was_first_is_reckoned(question: str, steps: tuple[str, ...], answer: str) -> None:
    assert reckoned(question, steps) == answer
    assert reckoned(question, steps[::-1]) == answer


@pytest.mark.parametrize(
    ("question", "steps"),
    [
        ("Are 3 Dots and Dying God from the same year?", FILMS),  # no order is asked for
        ("Which film came out first and which later, 3 Dots or Dying God?", FILMS),
        (WHICH, FILMS[:1]),
        (WHICH, (FILMS[0], "3 Dots – country: Spain [1]")),
        (WHICH, (FILMS[0], "3 Dots – date of birth: 2013 [1]")),  # another predicate
        (WHICH, (FILMS[0], "3 Dots – publication date: 2008 [1]")),
        (WHICH, (FILMS[0], "3 Dots – publication date: May 2008 [1]")),  # the one may lie in the other
        (WHICH, (FILMS[0], "Three Dots – publication date: 2013 [1]")),  # of something that is not asked for
        (WHICH, (FILMS[0], "3 Dots came out in 2013 [1]")),
        ("Who died earlier, Ann Bell or Joe Cole?",
         ("Ann Bell – date of birth: 1900 [1]", "Joe Cole – date of birth: 1910 [2]")),  # birth is not death
        ("Who was born earlier, Ann Bell or Joe Cole?",
         ("Ann Bell – date of birth: 1900 [1]", "Ann Bell – date of birth: 1901 [1]")),
        (BORN.format("first"), (*MAKERS, "Charlie Day – date of death: 1999 [3]")),  # two steps lead on
        (WHICH, ("3 Dots – sequel: Dying God [1]", "Dying God – sequel: 3 Dots [2]")),  # in a circle
        (WHICH, ()),
    ],
)  # fmt: skip
def test_what_the_steps_do_not_decide_is_not_reckoned(question: str, steps: tuple[str, ...]) -> None:
    assert reckoned(question, steps) == ""


@given(st.integers(1000, 2020), st.integers(1000, 2020), st.booleans(), st.booleans())
def test_the_order_of_steps_and_names_changes_nothing(one: int, other: int, early: bool, swapped: bool) -> None:
    names = ("Ann Bell", "Joe Cole")[:: -1 if swapped else 1]
    question = f"Who was born {'earlier' if early else 'later'}, {names[0]} or {names[1]}?"
    steps = (f"Ann Bell – date of birth: {one} [1]", f"Joe Cole – date of birth: {other} [2]")
    right = "" if one == other else "Ann Bell [1]" if (one < other) == early else "Joe Cole [2]"
    assert reckoned(question, steps) == reckoned(question, steps[::-1]) == right


def test_a_model_is_overruled_by_its_own_dates_and_that_is_said() -> None:
    said = read(WHICH, stepped(FILMS, "3 Dots [1]", "en"))
    assert said == Read("Dying God [2]", FILMS, "3 Dots [1]") and "3 Dots [1]" in said.why[0]
    assert read(WHICH, stepped(FILMS, "dying god", "en")) == Read("dying god", FILMS) and not Read("x").why
    assert read(WHICH, "3 Dots [1]") == Read("3 Dots [1]")
    texts = "3 Dots is a 2013 film.", "Dying God is a 2008 film."
    asked, _ = answerer(stepped(FILMS, "3 Dots [1]", "en"), hit("3 Dots", texts[0]), hit("Dying God", texts[1], 2))
    answer = asked.ask(WHICH, 4, reader="llm")
    assert answer.text == "Dying God [2]" and [c.quote for c in answer.citations] == [texts[1], texts[0]]
    assert any("3 Dots [1]" in line for line in answer.dropped)
