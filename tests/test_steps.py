"""Answers that show their steps: what is written is read back, and every step must stand in what was shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_answer import answerer, hit, shown

from kgrag import prompts
from kgrag.answer import allowed
from kgrag.cite import check
from kgrag.steps import ROOM, check_steps, concluded, step_of, stepped

FILM = "Mademoiselle Has Fun is a 1948 film directed by Jean Boyer."
MAKER = "Jean Boyer (26 June 1901 – 10 March 1965) was a French film director."
ASKED = "When did the director of the film Mademoiselle Has Fun die?"
STEPS = ("Mademoiselle Has Fun – director: Jean Boyer [1]", "Jean Boyer – date of death: 10 March 1965 [2]")
TWO = (hit("Mademoiselle Has Fun", FILM), hit("Jean Boyer (director)", MAKER, 2))
LINES = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters=":："), min_size=1)


@given(st.lists(LINES, max_size=5), LINES, st.sampled_from(["en", "zh"]))
def test_what_is_written_is_read_back(steps: list[str], answer: str, lang: str) -> None:
    assert concluded(stepped(steps, answer, lang)) == (answer, tuple(steps))


@pytest.mark.parametrize(
    ("text", "answer", "steps"),
    [
        ("Paris [1]", "Paris [1]", ()),
        ("Answer: Paris", "Paris", ()),
        ("**not it**\nanswer : Paris", "Paris", ("**not it**",)),
        ("杰 – 父亲: 明 [1]\n答案:明 [1]", "明 [1]", ("杰 – 父亲: 明 [1]",)),
        (
            "A – spouse: B [1]\n\n  Answer: The documents do not say.",
            "The documents do not say.",
            ("A – spouse: B [1]",),
        ),
        ("The answer: it depends", "The answer: it depends", ()),  # no line of its own
        ("A – spouse: B [1]\nAnswer:", "A – spouse: B [1]\nAnswer:", ()),  # it was cut off
        ("A – spouse: B [1]\nB – father: C", "A – spouse: B [1]\nB – father: C", ()),
        ("", "", ()),
    ],
)
def test_the_answer_is_what_follows_the_steps(text: str, answer: str, steps: tuple[str, ...]) -> None:
    assert concluded(text) == (answer, steps)


def test_of_a_step_the_object_must_stand_in_a_sentence() -> None:
    pool = shown(*TWO)
    good = check_steps(ASKED, STEPS, pool)
    assert good.kept == STEPS and not good.unsupported and not good.dropped
    assert [c.quote for c in good.citations] == [FILM, MAKER]
    # as a statement, "date of death" would be words that no sentence has
    assert check(ASKED, "Jean Boyer – place of birth: Paris [2]", pool).unsupported
    invented = "Jean Boyer – date of death: 11 March 1966 [2]"
    bad = check_steps(ASKED, [STEPS[0], invented], pool)
    assert bad.kept == STEPS[:1] and bad.unsupported == (invented,) and "[2] refused" in bad.dropped[0]


@pytest.mark.parametrize(
    "step",
    [
        "Jean Boyer – date of death: 10 March 1965 [1]",  # said, but not there
        "Jean Boyer – date of death: 10 March 1965",  # cites nothing
        "Fernand Raymond – date of death: 10 March 1965 [2]",  # of somebody else
    ],
)
def test_a_step_stands_by_the_passage_that_it_cites(step: str) -> None:
    assert check_steps(ASKED, [step], shown(*TWO)).unsupported == (step,)


def test_a_step_in_words_is_a_statement() -> None:
    found = check_steps(ASKED, ["It was directed by Jean Boyer [1].", "He lived in Lyon [2]."], shown(*TWO))
    assert found.kept == ("It was directed by Jean Boyer [1].",) and found.unsupported == ("He lived in Lyon [2].",)


def test_an_answer_shows_the_steps_that_stand_and_cites_them() -> None:
    asked, _ = answerer(stepped(STEPS, "10 March 1965 [2]", "en"), *TWO)
    answer = asked.ask(ASKED, 4, reader="llm")
    assert answer.text == "10 March 1965 [2]" and answer.steps == STEPS and not answer.abstained
    assert [c.quote for c in answer.citations] == [FILM, MAKER]


def test_what_rests_on_a_step_that_does_not_stand_is_withdrawn() -> None:
    asked, _ = answerer(stepped([*STEPS, "Jean Boyer – spouse: Zoe Q [2]"], "10 March 1965 [2]", "en"), *TWO)
    answer = asked.ask(ASKED, 4, reader="llm")
    assert answer.abstained and not answer.steps and any("Zoe Q" in line for line in answer.dropped)


def test_other_models_may_think_aloud_before_their_answer() -> None:
    aloud = "Let us see who made the film.\nIt seems to be somebody who lived in Lyon.\nAnswer: 10 March 1965 [2]"
    asked, _ = answerer(aloud, *TWO)
    answer = asked.ask(ASKED, 4, reader="llm")
    assert answer.text == "10 March 1965 [2]" and not answer.abstained
    assert any("Lyon" in line for line in answer.dropped) and not any("Lyon" in step for step in answer.steps)


@pytest.mark.parametrize(
    ("line", "step"),
    [
        ("A – spouse: B [1]", ("A", "spouse", "B", "[1]")),
        ("A – B – date of birth: 1 May 1900 [1][2]", ("A – B", "date of birth", "1 May 1900", "[1][2]")),
        ("Ann – author: Mars: A Story", ("Ann", "author", "Mars: A Story", "")),
        ("Mars: A Story – author: Ann [3]", ("Mars: A Story", "author", "Ann", "[3]")),
        ("丘学文 – 导师：陈明远 [1]", ("丘学文", "导师", "陈明远", "[1]")),
        ("A – spouse:  [1]", None),
        ("A – spouse", None),
        ("It was directed by B [1].", None),
    ],
)
def test_a_line_that_states_a_fact_is_a_step(line: str, step: tuple[str, ...] | None) -> None:
    assert step_of(line) == step


def test_silence_after_steps_is_silence() -> None:
    asked, _ = answerer(stepped(STEPS[:1], prompts.ABSTAIN["en"], "en"), *TWO)
    answer = asked.ask(ASKED, 4, reader="llm")
    assert answer.abstained and not answer.steps and not answer.citations


def test_steps_that_stand_do_not_carry_an_invention() -> None:
    asked, _ = answerer(stepped(STEPS[:1], "12 May 1971 [2]", "en"), *TWO)
    answer = asked.ask(ASKED, 4, reader="llm")
    assert answer.abstained and any("12 May 1971" in line for line in answer.dropped)


def test_a_model_with_an_adapter_has_room_for_steps() -> None:
    _, llm = answerer("x")
    assert allowed(llm, 96) == 96  # type: ignore[arg-type]
    llm.adapter = "mine"  # type: ignore[attr-defined]
    assert allowed(llm, 96) == 96 + ROOM  # type: ignore[arg-type]
