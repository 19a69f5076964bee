"""Tests of the comparison guard: reasoning steps decide comparisons and contradictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphs.predicates import PredicateSchema, load_predicate_schema
from kgrag import prompts
from kgrag.answering.guards.comparison import ParsedAnswer, contradiction, parse_and_verify, resolve_comparison
from kgrag.answering.reasoning_steps import format_steps
from kgrag.graphqa.comparison import shared_attribute
from kgrag.store.store import Store
from kgrag.types import DiagnosticCode
from tests.support.answering import make_pipeline, messages
from tests.support.fake_llm import FakeLLM
from tests.support.fake_retriever import make_hit

SCHEMA = load_predicate_schema()
FILM_STEPS = ("Dying God – publication date: 2008 [2]", "3 Dots – publication date: 2013 [1]")
WHICH_FIRST = "Which film came out first, 3 Dots or Dying God?"
DIRECTOR_STEPS = (
    "El Tonto – director: Charlie Day [1]",
    "Charlie Day – date of birth: February 9, 1976 [3]",
    "The Heart of Doreon – director: Robert North Bradbury [2]",
    "Robert North Bradbury – date of birth: March 23, 1886 [4]",
)
DIRECTOR_BORN = "Which film has the director who was born {}, El Tonto or The Heart Of Doreon?"


def resolve(question: str, steps: Sequence[str]) -> str:
    return resolve_comparison(question, steps, SCHEMA)


def parse(question: str, text: str) -> ParsedAnswer:
    return parse_and_verify(question, text, SCHEMA)


def find_contradiction(question: str, steps: Sequence[str]) -> str:
    return contradiction(question, steps, SCHEMA)


@pytest.mark.parametrize(
    ("question", "steps", "answer"),
    [
        (WHICH_FIRST, FILM_STEPS, "Dying God [2]"),
        (WHICH_FIRST.replace("first", "later"), FILM_STEPS, "3 Dots [1]"),
        (DIRECTOR_BORN.format("first"), DIRECTOR_STEPS, "The Heart of Doreon [2]"),
        (DIRECTOR_BORN.format("later"), DIRECTOR_STEPS, "El Tonto [1]"),
        ("谁出生更早，丘学文还是李国安？", ("丘学文 – date of birth: 1949年4月4日 [1]", "李国安 – date of birth: 1951年6月2日 [2]"), "丘学文 [1]"),
        ("丘学文和李国安谁去世更早？", ("丘学文 – date of death: 1989年 [1]", "李国安 – date of death: 1991年 [2]"), "丘学文 [1]"),
        ("丘学文和李国安谁更年轻？", ("丘学文 – date of birth: 1949年4月4日 [1]", "李国安 – date of birth: 1951年6月2日 [2]"), "李国安 [2]"),
        # a name with such a word does not ask for it
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
def test_resolve_earlier_or_later(question: str, steps: tuple[str, ...], answer: str) -> None:
    assert resolve(question, steps) == answer
    assert resolve(question, steps[::-1]) == answer


@pytest.mark.parametrize(
    ("question", "steps"),
    [
        ("Are 3 Dots and Dying God from the same year?", FILM_STEPS),  # asks for no order
        ("Which film came out first and which later, 3 Dots or Dying God?", FILM_STEPS),
        (WHICH_FIRST, FILM_STEPS[:1]),
        (WHICH_FIRST, (FILM_STEPS[0], "3 Dots – country: Spain [1]")),
        (WHICH_FIRST, (FILM_STEPS[0], "3 Dots – date of birth: 2013 [1]")),  # another predicate
        (WHICH_FIRST, (FILM_STEPS[0], "3 Dots – publication date: 2008 [1]")),
        (WHICH_FIRST, (FILM_STEPS[0], "3 Dots – publication date: May 2008 [1]")),  # one date may contain the other
        (WHICH_FIRST, (FILM_STEPS[0], "Three Dots – publication date: 2013 [1]")),  # about another subject
        (WHICH_FIRST, (FILM_STEPS[0], "3 Dots came out in 2013 [1]")),
        ("Who died earlier, Ann Bell or Joe Cole?",
         ("Ann Bell – date of birth: 1900 [1]", "Joe Cole – date of birth: 1910 [2]")),  # birth instead of death
        ("Who was born earlier, Ann Bell or Joe Cole?",
         ("Ann Bell – date of birth: 1900 [1]", "Ann Bell – date of birth: 1901 [1]")),
        (DIRECTOR_BORN.format("first"), (*DIRECTOR_STEPS, "Charlie Day – date of death: 1999 [3]")),  # the chain branches
        (WHICH_FIRST, ("3 Dots – sequel: Dying God [1]", "Dying God – sequel: 3 Dots [2]")),  # a cycle
        (WHICH_FIRST, ()),
    ],
)  # fmt: skip
def test_resolve_undecided_steps_returns_nothing(question: str, steps: tuple[str, ...]) -> None:
    assert resolve(question, steps) == ""


SAME_COUNTRY = "Do both films El Tonto and The Heart Of Doreon have the directors from the same country?"
NATIONALITY_STEPS = (
    DIRECTOR_STEPS[0],
    DIRECTOR_STEPS[2],
    "Charlie Day – nationality: {} [3]",
    "Robert North Bradbury – nationality: {} [2]",
)


@pytest.mark.parametrize(
    ("ends", "answer"),
    [
        (("British", "British"), "yes [2][3]"),
        (("British", "England"), "yes [2][3]"),  # an adjective and its country
        (("Ruritanian", "ruritanian"), "yes [2][3]"),
        (("British", "French"), "no [2][3]"),
        (("British", "Ruritanian"), ""),  # may be a part of it
        (("British", "British [3]\nCharlie Day – nationality: American"), ""),  # two values for one of them
    ],
)
def test_resolve_same_country(ends: tuple[str, str], answer: str) -> None:
    steps = "\n".join(NATIONALITY_STEPS).format(*ends).splitlines()
    assert resolve(SAME_COUNTRY, steps) == resolve(SAME_COUNTRY, steps[::-1]) == answer
    assert resolve(SAME_COUNTRY.replace("the same country", "one family"), steps) == ""
    assert resolve(DIRECTOR_BORN.format("first"), steps) == "", "the steps have no dates"


def test_resolve_same_attribute() -> None:
    steps = ("丘学文 – place of birth: 北京 [1]", "李国安 – place of birth: 北京 [1]")
    assert resolve("丘学文和李国安出生在同一个城市吗？", steps) == "是 [1]"
    lands = ("丘学文 – nationality: 中国 [1]", "李国安 – nationality: 法国 [2]")
    assert resolve("丘学文和李国安是同一个国家的人吗？", lands) == "否 [1][2]"
    both = ("A Day – director: Ann Bell [1]", "A Night – director: Ann Bell")
    assert resolve("Do A Day and A Night have the same director?", both) == "yes [1]"
    assert resolve("Do A Day and A Night have the same director?", (both[0], "A Night – director: Bo Li [2]")) == ""
    assert resolve("Do A Day and A Night have the same director?", (both[0], "A Night – producer: Ann Bell [2]")) == ""
    days = ("Ann Bell – date of birth: 4 May 1912 [1]", "Bo Li – date of birth: May 4, 1912 [2]")
    assert resolve("Were Ann Bell and Bo Li born on the same day?", days) == "", (
        "dates in different notations are not compared"
    )
    assert (
        resolve("Were Ann Bell and Bo Li born on the same day?", (days[0], days[0].replace("Ann Bell", "Bo Li")))
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
    assert resolve("Do A Day and A Night have the same director?", beyond) == "", (
        "the final steps are not about directors"
    )


@given(st.integers(1000, 2020), st.integers(1000, 2020), st.booleans(), st.booleans())
def test_resolve_ignores_order_of_steps_and_names(
    first_year: int, second_year: int, early: bool, swapped: bool
) -> None:
    names = ("Ann Bell", "Joe Cole")[:: -1 if swapped else 1]
    question = f"Who was born {'earlier' if early else 'later'}, {names[0]} or {names[1]}?"
    steps = (f"Ann Bell – date of birth: {first_year} [1]", f"Joe Cole – date of birth: {second_year} [2]")
    right = (
        "" if first_year == second_year else "Ann Bell [1]" if (first_year < second_year) == early else "Joe Cole [2]"
    )
    assert resolve(question, steps) == resolve(question, steps[::-1]) == right


def test_steps_overrule_the_answer_with_diagnostic() -> None:
    parsed = parse(WHICH_FIRST, format_steps(FILM_STEPS, "3 Dots [1]", "en"))
    assert parsed == ParsedAnswer("Dying God [2]", FILM_STEPS, "3 Dots [1]") and "3 Dots [1]" in parsed.diagnostics[0]
    assert (
        parse(WHICH_FIRST, format_steps(FILM_STEPS, "dying god", "en")) == ParsedAnswer("dying god", FILM_STEPS)
        and not ParsedAnswer("x").diagnostics
    )
    assert parse(WHICH_FIRST, "3 Dots [1]") == ParsedAnswer("3 Dots [1]")
    texts = "3 Dots is a 2013 film.", "Dying God is a 2008 film."
    pipeline, _ = make_pipeline(
        format_steps(FILM_STEPS, "3 Dots [1]", "en"), make_hit("3 Dots", texts[0]), make_hit("Dying God", texts[1], 2)
    )
    answer = pipeline.answer(WHICH_FIRST, 4, reader="llm")
    assert answer.text == "Dying God [2]" and [c.quote for c in answer.citations] == [texts[1], texts[0]]
    assert any("3 Dots [1]" in line for line in messages(answer))


@pytest.mark.parametrize(
    ("question", "steps", "reason"),
    [
        ("Who is the father of the director of El Tonto?",
         ("El Tonto – director: Ann Bell [1]", "Ann Bell – father: Ann Bell [2]"), "Ann Bell"),
        ("约翰的母亲是谁？", ("约翰 – mother: 约翰 [1]",), "约翰"),
        (DIRECTOR_BORN.format("first"), DIRECTOR_STEPS[:3], "Robert North Bradbury"),
        (DIRECTOR_BORN.format("later"), (*DIRECTOR_STEPS[:1], *DIRECTOR_STEPS[2:]), "Charlie Day"),
        (WHICH_FIRST, (FILM_STEPS[0], "3 Dots – country: Spain [1]"), "Spain"),
        ("丘学文和李国安谁更年轻？", ("丘学文 – date of birth: 1949年4月4日 [1]", "李国安 – country: 中国 [1]"), "中国"),
    ],
)  # fmt: skip
def test_contradictory_steps_withdraw_the_answer(question: str, steps: tuple[str, ...], reason: str) -> None:
    for ordered_steps in (steps, steps[::-1]):
        parsed = parse(question, format_steps(ordered_steps, "Ann Bell [1]", "en"))
        assert (
            prompts.is_abstention(parsed.answer)
            and parsed.steps == ordered_steps
            and parsed.overruled_answer == "Ann Bell [1]"
        )
        assert (
            reason in parsed.withdrawn_because
            and parsed.withdrawn_because in parsed.diagnostics[0]
            and "Ann Bell [1]" in parsed.diagnostics[0]
        )


@pytest.mark.parametrize(
    ("question", "steps"),
    [
        ("Who performed the album Madonna?", ("Madonna – performer: Madonna [1]",)),  # not kinship
        ("Who is Ann Bell's father?", ("Ann Bell – father: Ann Bell senior [1]",)),
        ("Who is Ann Bell's father?", ("Ann Bell – his father: Ann Bell [1]",)),  # unknown predicate
        (WHICH_FIRST, FILM_STEPS),
        (WHICH_FIRST, FILM_STEPS[:1]),  # no step about the other
        (WHICH_FIRST, ("3 Dots – country: Spain [1]", "Dying God – country: France [2]")),  # no date for both
        (
            SAME_COUNTRY,
            (NATIONALITY_STEPS[0], NATIONALITY_STEPS[1], "Charlie Day – nationality: British [3]"),
        ),  # no order
        ("Who directed 3 Dots, the sequel of Dying God?", (FILM_STEPS[0], "3 Dots – director: Bo Li [1]")),
        (WHICH_FIRST, ()),
    ],
)
def test_consistent_steps_are_no_contradiction(question: str, steps: tuple[str, ...]) -> None:
    assert find_contradiction(question, steps) == ""
    assert not parse(question, format_steps(steps, "Ann Bell [1]", "en")).withdrawn_because


def test_abstention_is_not_withdrawn() -> None:
    abstention = format_steps(("Ann Bell – father: Ann Bell [2]",), "I do not know.", "en")
    assert parse("Who is Ann Bell's father?", abstention) == ParsedAnswer(
        "I do not know.", ("Ann Bell – father: Ann Bell [2]",)
    )


def test_pipeline_reports_contradiction() -> None:
    text = "Ann Bell was a singer, and the daughter of Ann Bell."
    pipeline, _ = make_pipeline(
        format_steps(("Ann Bell – mother: Ann Bell [1]",), "Ann Bell [1]", "en"), make_hit("Ann Bell", text)
    )
    answer = pipeline.answer("Who is Ann Bell's mother?", 4, reader="llm")
    assert [d.code for d in answer.diagnostics] == [DiagnosticCode.ANSWER_WITHDRAWN]
    assert answer.abstained and any("as their own mother" in message for message in messages(answer))


def test_comparison_uses_the_given_schema() -> None:
    """The guard knows the countries and the predicates of the schema that its caller passes, not the shipped ones."""
    steps = ("A Day – country: Freedonia [1]", "A Night – country: Freedonian [2]")
    question = "Are A Day and A Night from the same country?"
    schema = replace(SCHEMA, countries={"freedonia": "Freedonia", "freedonian": "Freedonia"})
    assert resolve(question, steps) == ""
    assert resolve_comparison(question, steps, schema) == "yes [1][2]"
    without_mother = replace(SCHEMA, predicates={k: v for k, v in SCHEMA.predicates.items() if k != "mother"})
    own_mother = ("Ann Bell – mother: Ann Bell [1]",)
    assert find_contradiction("Who is Ann Bell's mother?", own_mother)
    assert contradiction("Who is Ann Bell's mother?", own_mother, without_mother) == ""


def test_pipeline_of_store_compares_by_its_predicates_toml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "store"
    folder.mkdir()
    (folder / "predicates.toml").write_text(
        '[predicate.sponsor]\nmeaning = "who pays for it"\nnouns = ["sponsor"]\nfunctional = true\n', "utf-8"
    )
    store = Store(folder, create=True)
    schemas: list[PredicateSchema] = []

    def record_schema(question: str, text: str, schema: PredicateSchema) -> ParsedAnswer:
        schemas.append(schema)
        return parse_and_verify(question, text, schema)

    monkeypatch.setattr("kgrag.answering.guards.step_guard.parse_and_verify", record_schema)
    store.use(llm=FakeLLM(default_answer="Ann Bell [1]"))
    store.answer_pipeline.answer_from_passages("Who is it?", [make_hit("Ann Bell", "Ann Bell is a singer.")])
    assert [schema.predicates["sponsor"].meaning for schema in schemas] == ["who pays for it"]
    assert "sponsor" not in SCHEMA.predicates
