"""Tests of reasoning steps: format, parse and verify them."""

from __future__ import annotations

from pathlib import Path as Place

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphs.predicates import load_predicate_schema
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
from tests.support.answering import make_pipeline, messages, select_whole
from tests.support.fake_llm import FakeLLM
from tests.support.fake_retriever import make_hit

FILM = "Mademoiselle Has Fun is a 1948 film directed by Jean Boyer."
DIRECTOR = "Jean Boyer (26 June 1901 – 10 March 1965) was a French film director."
QUESTION = "When did the director of the film Mademoiselle Has Fun die?"
STEPS = ("Mademoiselle Has Fun – director: Jean Boyer [1]", "Jean Boyer – date of death: 10 March 1965 [2]")
HITS = (make_hit("Mademoiselle Has Fun", FILM), make_hit("Jean Boyer (director)", DIRECTOR, 2))
LINES = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters=":："), min_size=1)


@given(st.lists(LINES, max_size=5), LINES, st.sampled_from(["en", "zh"]))
def test_parse_steps_inverts_format_steps(steps: list[str], answer: str, lang: str) -> None:
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
        ("The answer: it depends", "The answer: it depends", ()),  # not on a line of its own
        ("A – spouse: B [1]\nAnswer:", "A – spouse: B [1]\nAnswer:", ()),  # truncated
        ("A – spouse: B [1]\nB – father: C", "A – spouse: B [1]\nB – father: C", ()),
        ("", "", ()),
    ],
)
def test_parse_steps_splits_steps_and_answer(text: str, answer: str, steps: tuple[str, ...]) -> None:
    assert parse_steps(text) == (answer, steps)


def test_verify_steps_requires_object_in_a_sentence() -> None:
    pool = select_whole(*HITS)
    good = verify_steps(QUESTION, STEPS, pool)
    assert good.supported == STEPS and not good.unsupported and not good.refusals
    assert [c.quote for c in good.citations] == [FILM, DIRECTOR]
    # as a statement, "date of death" would be words that no sentence has
    assert verify_citations(QUESTION, "Jean Boyer – place of birth: Paris [2]", pool).unsupported
    invented = "Jean Boyer – date of death: 11 March 1966 [2]"
    bad = verify_steps(QUESTION, [STEPS[0], invented], pool)
    assert bad.supported == STEPS[:1] and bad.unsupported == (invented,) and "[2] refused" in bad.refusals[0]


@pytest.mark.parametrize(
    "step",
    [
        "Jean Boyer – date of death: 10 March 1965 [1]",  # cites the wrong passage
        "Jean Boyer – date of death: 10 March 1965",  # cites nothing
        "Fernand Raymond – date of death: 10 March 1965 [2]",  # wrong subject
    ],
)
def test_verify_steps_requires_the_right_citation(step: str) -> None:
    assert verify_steps(QUESTION, [step], select_whole(*HITS)).unsupported == (step,)


def test_verify_steps_checks_prose_as_a_statement() -> None:
    check = verify_steps(QUESTION, ["It was directed by Jean Boyer [1].", "He lived in Lyon [2]."], select_whole(*HITS))
    assert check.supported == ("It was directed by Jean Boyer [1].",) and check.unsupported == (
        "He lived in Lyon [2].",
    )


def test_answer_has_supported_steps_and_citations() -> None:
    pipeline, _ = make_pipeline(format_steps(STEPS, "10 March 1965 [2]", "en"), *HITS)
    answer = pipeline.answer(QUESTION, 4, reader="llm")
    assert answer.text == "10 March 1965 [2]" and answer.steps == STEPS and not answer.abstained
    assert [c.quote for c in answer.citations] == [FILM, DIRECTOR]


def test_answer_with_unsupported_step_is_withdrawn() -> None:
    pipeline, _ = make_pipeline(
        format_steps([*STEPS, "Jean Boyer – spouse: Zoe Q [2]"], "10 March 1965 [2]", "en"), *HITS
    )
    answer = pipeline.answer(QUESTION, 4, reader="llm")
    assert answer.abstained and not answer.steps and any("Zoe Q" in line for line in messages(answer))


def test_unsupported_prose_before_answer_is_dropped() -> None:
    reasoning = "Let us see who made the film.\nIt seems to be somebody who lived in Lyon.\nAnswer: 10 March 1965 [2]"
    pipeline, _ = make_pipeline(reasoning, *HITS)
    answer = pipeline.answer(QUESTION, 4, reader="llm")
    assert answer.text == "10 March 1965 [2]" and not answer.abstained
    assert any("Lyon" in line for line in messages(answer)) and not any("Lyon" in step for step in answer.steps)


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
def test_parse_step(line: str, step: tuple[str, ...] | None) -> None:
    assert parse_step(line) == step


def test_abstention_after_steps_has_no_steps() -> None:
    pipeline, _ = make_pipeline(format_steps(STEPS[:1], prompts.ABSTENTION_TEXT["en"], "en"), *HITS)
    answer = pipeline.answer(QUESTION, 4, reader="llm")
    assert answer.abstained and not answer.steps and not answer.citations


def test_supported_steps_do_not_support_invented_answer() -> None:
    pipeline, _ = make_pipeline(format_steps(STEPS[:1], "12 May 1971 [2]", "en"), *HITS)
    answer = pipeline.answer(QUESTION, 4, reader="llm")
    assert answer.abstained and any("12 May 1971" in line for line in messages(answer))


def test_max_answer_tokens_with_adapter_includes_steps() -> None:
    _, llm = make_pipeline("x")
    assert max_answer_tokens(llm, 96) == 96
    llm.adapter = "mine"
    assert max_answer_tokens(llm, 96) == 96 + MAX_STEP_TOKENS


def test_answer_lines_show_steps_before_answer() -> None:
    pipeline, _ = make_pipeline(format_steps(STEPS, "10 March 1965 [2]", "en"), *HITS)
    answer = pipeline.answer(QUESTION, 4, reader="llm")
    lines = answer_lines(answer)
    assert [line.count("–") > 0 for line in lines[:3]] == [True, True, False] and "10 March 1965" in lines[2]
    assert all(step.split(" [")[0] in line for step, line in zip(STEPS, lines, strict=False))
    assert not any("director:" in line for line in answer_lines(answer, with_text=False))


def test_visible_steps_follow_the_order_of_the_question() -> None:
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
    assert visible_steps("Who was born first, Ann or Joe?", won._replace(second_paths=()), pool) == [], (
        "one fact is not a comparison"
    )
    assert visible_steps("Who was born first, Ann or Joe?", won, pool[:1]) == [], "the prompt must contain both facts"


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_abstention_matches_the_instruction(lang: str) -> None:
    question = {"en": "Who is it?", "zh": "是谁？"}[lang]
    assert (
        abstention_for(question) == prompts.ABSTENTION_TEXT[lang]
        and abstention_for(question, experiment_prompt=True) == prompts.DONT_KNOW[lang]
    )
    pool = select_whole(*HITS)
    passages = [(s.hit.title, s.text) for s in pool]
    assert build_prompt(question, pool) == prompts.grounded_prompt(question, passages, [])
    assert (
        build_prompt(question, pool, experiment_prompt=True)
        == prompts.experiment_prompt(question, passages, [])
        != build_prompt(question, pool)
    )


def test_uncertainty_compares_final_answers_of_samples(tmp_path: Place) -> None:
    samples = [
        format_steps(STEPS, "10 March 1965 [2]", "en"),
        "10 March 1965 [2]",
        format_steps(STEPS[:1], "1966", "en"),
    ]
    model = FakeLLM(samples=samples)
    with ResponseCache(tmp_path / "cache.jsonl") as cache:
        llm = CachedLLM(lambda: model, "fingerprint", cache, lambda: 0.0)
        scores = uncertainty_scores(llm, [{"role": "user", "content": QUESTION}], QUESTION, "10 March 1965 [2]", steps=STEPS, samples=3,
                      max_tokens=99, seed=0, is_same=lambda one, other: one == other, schema=load_predicate_schema())  # fmt: skip
    assert model.scored[0] == samples[0], "the answer with its steps"
    assert scores["cluster_of"] == [0, 0, 1] and scores["clusters"] == 2 and scores["samples"] == samples
    assert scores["disagreement"] == pytest.approx(1 / 3)
