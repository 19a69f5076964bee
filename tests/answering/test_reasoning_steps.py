"""Answers that show their steps: what is written is read back, and every step must stand in what was shown."""

from __future__ import annotations

from pathlib import Path as Place

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgrag import prompts
from kgrag.answering.guards.citations import verify_citations
from kgrag.answering.prompt_budget import max_answer_tokens
from kgrag.answering.reasoning_steps import MAX_STEP_TOKENS, format_steps, parse_step, parse_steps, verify_steps
from kgrag.factuality.experiment.response_cache import CachedLLM, ResponseCache
from kgrag.factuality.scoring.uncertainty import uncertainty_scores
from kgrag.graphqa.traversal import GraphAnswer
from kgrag.terminal.render import answer_lines
from kgrag.tune.data.prompt_format import abstention_for, build_prompt, visible_steps
from kgrag.types import Path, Triple
from tests.answering.test_answer_pipeline import make_hit, make_pipeline, select_whole
from tests.support.fake_llm import FakeLLM

FILM = "Mademoiselle Has Fun is a 1948 film directed by Jean Boyer."
MAKER = "Jean Boyer (26 June 1901 – 10 March 1965) was a French film director."
ASKED = "When did the director of the film Mademoiselle Has Fun die?"
STEPS = ("Mademoiselle Has Fun – director: Jean Boyer [1]", "Jean Boyer – date of death: 10 March 1965 [2]")
TWO = (make_hit("Mademoiselle Has Fun", FILM), make_hit("Jean Boyer (director)", MAKER, 2))
LINES = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters=":："), min_size=1)


@given(st.lists(LINES, max_size=5), LINES, st.sampled_from(["en", "zh"]))
def test_what_is_written_is_read_back(steps: list[str], answer: str, lang: str) -> None:
    assert parse_steps(format_steps(steps, answer, lang)) == (answer, tuple(steps))


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
    assert parse_steps(text) == (answer, steps)


def test_of_a_step_the_object_must_stand_in_a_sentence() -> None:
    pool = select_whole(*TWO)
    good = verify_steps(ASKED, STEPS, pool)
    assert good.supported == STEPS and not good.unsupported and not good.refusals
    assert [c.quote for c in good.citations] == [FILM, MAKER]
    # as a statement, "date of death" would be words that no sentence has
    assert verify_citations(ASKED, "Jean Boyer – place of birth: Paris [2]", pool).unsupported
    invented = "Jean Boyer – date of death: 11 March 1966 [2]"
    bad = verify_steps(ASKED, [STEPS[0], invented], pool)
    assert bad.supported == STEPS[:1] and bad.unsupported == (invented,) and "[2] refused" in bad.refusals[0]


@pytest.mark.parametrize(
    "step",
    [
        "Jean Boyer – date of death: 10 March 1965 [1]",  # said, but not there
        "Jean Boyer – date of death: 10 March 1965",  # cites nothing
        "Fernand Raymond – date of death: 10 March 1965 [2]",  # of somebody else
    ],
)
def test_a_step_stands_by_the_passage_that_it_cites(step: str) -> None:
    assert verify_steps(ASKED, [step], select_whole(*TWO)).unsupported == (step,)


def test_a_step_in_words_is_a_statement() -> None:
    found = verify_steps(ASKED, ["It was directed by Jean Boyer [1].", "He lived in Lyon [2]."], select_whole(*TWO))
    assert found.supported == ("It was directed by Jean Boyer [1].",) and found.unsupported == (
        "He lived in Lyon [2].",
    )


def test_an_answer_shows_the_steps_that_stand_and_cites_them() -> None:
    asked, _ = make_pipeline(format_steps(STEPS, "10 March 1965 [2]", "en"), *TWO)
    answer = asked.answer(ASKED, 4, reader="llm")
    assert answer.text == "10 March 1965 [2]" and answer.steps == STEPS and not answer.abstained
    assert [c.quote for c in answer.citations] == [FILM, MAKER]


def test_what_rests_on_a_step_that_does_not_stand_is_withdrawn() -> None:
    asked, _ = make_pipeline(format_steps([*STEPS, "Jean Boyer – spouse: Zoe Q [2]"], "10 March 1965 [2]", "en"), *TWO)
    answer = asked.answer(ASKED, 4, reader="llm")
    assert answer.abstained and not answer.steps and any("Zoe Q" in line for line in answer.diagnostics)


def test_other_models_may_think_aloud_before_their_answer() -> None:
    aloud = "Let us see who made the film.\nIt seems to be somebody who lived in Lyon.\nAnswer: 10 March 1965 [2]"
    asked, _ = make_pipeline(aloud, *TWO)
    answer = asked.answer(ASKED, 4, reader="llm")
    assert answer.text == "10 March 1965 [2]" and not answer.abstained
    assert any("Lyon" in line for line in answer.diagnostics) and not any("Lyon" in step for step in answer.steps)


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
    assert parse_step(line) == step


def test_silence_after_steps_is_silence() -> None:
    asked, _ = make_pipeline(format_steps(STEPS[:1], prompts.ABSTENTION_TEXT["en"], "en"), *TWO)
    answer = asked.answer(ASKED, 4, reader="llm")
    assert answer.abstained and not answer.steps and not answer.citations


def test_steps_that_stand_do_not_carry_an_invention() -> None:
    asked, _ = make_pipeline(format_steps(STEPS[:1], "12 May 1971 [2]", "en"), *TWO)
    answer = asked.answer(ASKED, 4, reader="llm")
    assert answer.abstained and any("12 May 1971" in line for line in answer.diagnostics)


def test_a_model_with_an_adapter_has_room_for_steps() -> None:
    _, llm = make_pipeline("x")
    assert max_answer_tokens(llm, 96) == 96  # type: ignore[arg-type]
    llm.adapter = "mine"  # type: ignore[attr-defined]
    assert max_answer_tokens(llm, 96) == 96 + MAX_STEP_TOKENS  # type: ignore[arg-type]


def test_steps_are_shown_above_their_answer() -> None:
    asked, _ = make_pipeline(format_steps(STEPS, "10 March 1965 [2]", "en"), *TWO)
    answer = asked.answer(ASKED, 4, reader="llm")
    lines = answer_lines(answer)
    assert [line.count("–") > 0 for line in lines[:3]] == [True, True, False] and "10 March 1965" in lines[2]
    assert all(step.split(" [")[0] in line for step, line in zip(STEPS, lines, strict=False))
    assert not any("director:" in line for line in answer_lines(answer, with_text=False))


def test_of_what_is_compared_the_steps_begin_with_what_the_question_names_first() -> None:
    def born(name: str, year: str, passage: str) -> Path:
        return Path(
            (name.lower(), year), (name, year), (Triple(name.lower(), "date_of_birth", year, passage, 0, 9, 1.0),)
        )

    pool = select_whole(make_hit("Ann", "Ann was born in 1900."), make_hit("Joe", "Joe was born in 1890.", 2))
    joe, ann = born("Joe", "1890", "Joe#0001"), born("Ann", "1900", "Ann#0001")
    won = GraphAnswer("Joe", joe, 0.9, (ann,))
    lines = ["Ann – date of birth: 1900 [1]", "Joe – date of birth: 1890 [2]"]
    assert visible_steps("Who was born first, Ann or Joe?", won, pool) == lines
    assert visible_steps("Who was born first, Joe or Ann?", won, pool) == lines[::-1]
    assert visible_steps("Who was born first, Ann or Joe?", won._replace(also=()), pool) == [], "one fact is no way"
    assert visible_steps("Who was born first, Ann or Joe?", won, pool[:1]) == [], "all of it must be shown"


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_silence_is_what_the_instruction_asks_for(lang: str) -> None:
    question = {"en": "Who is it?", "zh": "是谁？"}[lang]
    assert (
        abstention_for(question) == prompts.ABSTENTION_TEXT[lang]
        and abstention_for(question, experiment_prompt=True) == prompts.DONT_KNOW[lang]
    )
    pool = select_whole(*TWO)
    passages = [(s.hit.title, s.text) for s in pool]
    assert build_prompt(question, pool) == prompts.grounded_prompt(question, passages, [])
    assert (
        build_prompt(question, pool, experiment_prompt=True)
        == prompts.experiment_prompt(question, passages, [])
        != build_prompt(question, pool)
    )


class RecordingLLM(FakeLLM):
    """Samples what it is given, and keeps what it was asked to score."""

    def __init__(self, samples: list[str]) -> None:
        super().__init__()
        self.samples, self.scored_texts = samples, list[str]()

    def sample(self, messages: prompts.Messages, number: int, **_: object) -> list[str]:
        return self.samples

    def score(self, messages: prompts.Messages, continuation: str) -> float:
        self.scored_texts.append(continuation)
        return super().score(messages, continuation)


def test_doubt_is_of_what_was_written_and_samples_agree_by_what_they_conclude(tmp_path: Place) -> None:
    drawn = [format_steps(STEPS, "10 March 1965 [2]", "en"), "10 March 1965 [2]", format_steps(STEPS[:1], "1966", "en")]
    model = RecordingLLM(drawn)
    with ResponseCache(tmp_path / "kept.jsonl") as kept:
        llm = CachedLLM(lambda: model, "listened", kept, lambda: 0.0)
        found = uncertainty_scores(llm, [{"role": "user", "content": ASKED}], ASKED, "10 March 1965 [2]", steps=STEPS, samples=3,
                      max_tokens=99, seed=0, is_same=lambda one, other: one == other)  # fmt: skip
    assert model.scored_texts[0] == drawn[0], "the answer with its steps, as it was written"
    assert found["cluster_of"] == [0, 0, 1] and found["clusters"] == 2 and found["samples"] == drawn
    assert found["disagreement"] == pytest.approx(1 / 3)
