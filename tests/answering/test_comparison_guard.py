"""What an answer's steps say decides what was first and whether both are the same; else the model's word stands."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgrag import prompts
from kgrag.answering.guards.comparison import ParsedAnswer, contradiction, parse_and_verify, resolve_comparison
from kgrag.answering.reasoning_steps import format_steps
from kgrag.graphqa.comparison import shared_attribute
from tests.answering.test_answer_pipeline import make_hit, make_pipeline

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
        ("丘学文和李国安谁去世更早？", ("丘学文 – date of death: 1989年 [1]", "李国安 – date of death: 1991年 [2]"), "丘学文 [1]"),
        ("丘学文和李国安谁更年轻？", ("丘学文 – date of birth: 1949年4月4日 [1]", "李国安 – date of birth: 1951年6月2日 [2]"), "李国安 [2]"),
        # a name that asks is no asking
        ("Which film was released first, The Last Coupon or First Love?",
         ("The Last Coupon – publication date: 1932 [1]", "First Love – publication date: 1939 [2]"), "The Last Coupon [1]"),
        ("Which film came out first, Steel (1979 film) or Attention?",
         ("Steel – publication date: 1979 [1]", "Attention – publication date: 1946 [2]"), "Attention [2]"),
        ("Which film came out later, Love (First film) or Attention?",
         ("Love (First film) – publication date: 1930 [1]", "Attention – publication date: 1946 [2]"), "Attention [2]"),
        ("Which film came out later, Both Ends or My Country?",
         ("Both Ends – publication date: 1930 [1]", "My Country – publication date: 1946 [2]"), "My Country [2]"),
    ],
)  # fmt: skip
def test_which_was_first_is_reckoned(question: str, steps: tuple[str, ...], answer: str) -> None:
    assert resolve_comparison(question, steps) == answer
    assert resolve_comparison(question, steps[::-1]) == answer


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
    assert resolve_comparison(question, steps) == ""


LANDS = "Do both films El Tonto and The Heart Of Doreon have the directors from the same country?"
MADE = (MAKERS[0], MAKERS[2], "Charlie Day – nationality: {} [3]", "Robert North Bradbury – nationality: {} [2]")


@pytest.mark.parametrize(
    ("ends", "answer"),
    [
        (("British", "British"), "yes [2][3]"),
        (("British", "England"), "yes [2][3]"),  # a people and a country
        (("Ruritanian", "ruritanian"), "yes [2][3]"),
        (("British", "French"), "no [2][3]"),
        (("British", "Ruritanian"), ""),  # which may be a part of it
        (("British", "British [3]\nCharlie Day – nationality: American"), ""),  # two for one of them
    ],
)
def test_whether_both_have_the_same_is_reckoned(ends: tuple[str, str], answer: str) -> None:
    steps = "\n".join(MADE).format(*ends).splitlines()
    assert resolve_comparison(LANDS, steps) == resolve_comparison(LANDS, steps[::-1]) == answer
    assert resolve_comparison(LANDS.replace("the same country", "one family"), steps) == ""
    assert resolve_comparison(BORN.format("first"), steps) == "", "no dates"


def test_the_same_is_reckoned_in_chinese_and_of_what_is_no_country() -> None:
    steps = ("丘学文 – place of birth: 北京 [1]", "李国安 – place of birth: 北京 [1]")
    assert resolve_comparison("丘学文和李国安出生在同一个城市吗？", steps) == "是 [1]"
    lands = ("丘学文 – nationality: 中国 [1]", "李国安 – nationality: 法国 [2]")
    assert resolve_comparison("丘学文和李国安是同一个国家的人吗？", lands) == "否 [1][2]"
    both = ("A Day – director: Ann Bell [1]", "A Night – director: Ann Bell")
    assert resolve_comparison("Do A Day and A Night have the same director?", both) == "yes [1]"
    assert (
        resolve_comparison("Do A Day and A Night have the same director?", (both[0], "A Night – director: Bo Li [2]"))
        == ""
    )
    assert (
        resolve_comparison(
            "Do A Day and A Night have the same director?", (both[0], "A Night – producer: Ann Bell [2]")
        )
        == ""
    )
    days = ("Ann Bell – date of birth: 4 May 1912 [1]", "Bo Li – date of birth: May 4, 1912 [2]")
    assert resolve_comparison("Were Ann Bell and Bo Li born on the same day?", days) == "", (
        "no reckoning of dates that are written otherwise"
    )
    assert (
        resolve_comparison(
            "Were Ann Bell and Bo Li born on the same day?", (days[0], days[0].replace("Ann Bell", "Bo Li"))
        )
        == "yes [1]"
    )
    assert (
        shared_attribute("Were X and Y born in the same year?")
        == shared_attribute("X和Y出生于同一年吗？")
        == ("date_of_birth",)
    )
    assert (
        shared_attribute("Were X and Y born in the same town?")
        == shared_attribute("X和Y出生在同一个城市吗？")
        == ("place_of_birth",)
    )
    born = ("Ann Bell – nationality: British [1]", "Bo Li – nationality: British [2]")
    beyond = (both[0], "A Night – director: Bo Li [2]", *born)
    assert resolve_comparison("Do A Day and A Night have the same director?", beyond) == "", (
        "the ends are of something else"
    )


@given(st.integers(1000, 2020), st.integers(1000, 2020), st.booleans(), st.booleans())
def test_the_order_of_steps_and_names_changes_nothing(one: int, other: int, early: bool, swapped: bool) -> None:
    names = ("Ann Bell", "Joe Cole")[:: -1 if swapped else 1]
    question = f"Who was born {'earlier' if early else 'later'}, {names[0]} or {names[1]}?"
    steps = (f"Ann Bell – date of birth: {one} [1]", f"Joe Cole – date of birth: {other} [2]")
    right = "" if one == other else "Ann Bell [1]" if (one < other) == early else "Joe Cole [2]"
    assert resolve_comparison(question, steps) == resolve_comparison(question, steps[::-1]) == right


def test_a_model_is_overruled_by_its_own_dates_and_that_is_said() -> None:
    said = parse_and_verify(WHICH, format_steps(FILMS, "3 Dots [1]", "en"))
    assert said == ParsedAnswer("Dying God [2]", FILMS, "3 Dots [1]") and "3 Dots [1]" in said.diagnostics[0]
    assert (
        parse_and_verify(WHICH, format_steps(FILMS, "dying god", "en")) == ParsedAnswer("dying god", FILMS)
        and not ParsedAnswer("x").diagnostics
    )
    assert parse_and_verify(WHICH, "3 Dots [1]") == ParsedAnswer("3 Dots [1]")
    texts = "3 Dots is a 2013 film.", "Dying God is a 2008 film."
    asked, _ = make_pipeline(
        format_steps(FILMS, "3 Dots [1]", "en"), make_hit("3 Dots", texts[0]), make_hit("Dying God", texts[1], 2)
    )
    answer = asked.answer(WHICH, 4, reader="llm")
    assert answer.text == "Dying God [2]" and [c.quote for c in answer.citations] == [texts[1], texts[0]]
    assert any("3 Dots [1]" in line for line in answer.diagnostics)


@pytest.mark.parametrize(
    ("question", "steps", "why"),
    [
        ("Who is the father of the director of El Tonto?",
         ("El Tonto – director: Ann Bell [1]", "Ann Bell – father: Ann Bell [2]"), "Ann Bell"),
        ("约翰的母亲是谁？", ("约翰 – mother: 约翰 [1]",), "约翰"),
        (BORN.format("first"), MAKERS[:3], "Robert North Bradbury"),
        (BORN.format("later"), (*MAKERS[:1], *MAKERS[2:]), "Charlie Day"),
        (WHICH, (FILMS[0], "3 Dots – country: Spain [1]"), "Spain"),
        ("丘学文和李国安谁更年轻？", ("丘学文 – date of birth: 1949年4月4日 [1]", "李国安 – country: 中国 [1]"), "中国"),
    ],
)  # fmt: skip
def test_from_steps_that_cannot_be_nothing_follows(question: str, steps: tuple[str, ...], why: str) -> None:
    for some in (steps, steps[::-1]):
        said = parse_and_verify(question, format_steps(some, "Ann Bell [1]", "en"))
        assert prompts.is_abstention(said.answer) and said.steps == some and said.overruled_answer == "Ann Bell [1]"
        assert (
            why in said.withdrawn_because
            and said.withdrawn_because in said.diagnostics[0]
            and "Ann Bell [1]" in said.diagnostics[0]
        )


@pytest.mark.parametrize(
    ("question", "steps"),
    [
        ("Who performed the album Madonna?", ("Madonna – performer: Madonna [1]",)),  # no relative
        ("Who is Ann Bell's father?", ("Ann Bell – father: Ann Bell senior [1]",)),
        ("Who is Ann Bell's father?", ("Ann Bell – his father: Ann Bell [1]",)),  # no predicate that is known
        (WHICH, FILMS),
        (WHICH, FILMS[:1]),  # of the other nothing is told
        (WHICH, ("3 Dots – country: Spain [1]", "Dying God – country: France [2]")),  # two without
        (LANDS, (MADE[0], MADE[1], "Charlie Day – nationality: British [3]")),  # no order
        ("Who directed 3 Dots, the sequel of Dying God?", (FILMS[0], "3 Dots – director: Bo Li [1]")),
        (WHICH, ()),
    ],
)
def test_other_steps_are_left_to_the_checks_of_citations(question: str, steps: tuple[str, ...]) -> None:
    assert contradiction(question, steps) == ""
    assert not parse_and_verify(question, format_steps(steps, "Ann Bell [1]", "en")).withdrawn_because


def test_silence_is_not_withdrawn() -> None:
    silence = format_steps(("Ann Bell – father: Ann Bell [2]",), "I do not know.", "en")
    assert parse_and_verify("Who is Ann Bell's father?", silence) == ParsedAnswer(
        "I do not know.", ("Ann Bell – father: Ann Bell [2]",)
    )


def test_kgrag_ask_says_why_it_is_silent() -> None:
    text = "Ann Bell was a singer, and the daughter of Ann Bell."
    asked, _ = make_pipeline(
        format_steps(("Ann Bell – mother: Ann Bell [1]",), "Ann Bell [1]", "en"), make_hit("Ann Bell", text)
    )
    answer = asked.answer("Who is Ann Bell's mother?", 4, reader="llm")
    assert answer.abstained and any("nobody is his own mother" in why for why in answer.diagnostics)
