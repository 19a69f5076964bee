"""Answers about relatives: a sentence must say what they are to each other, not only have their names."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from graphs.facts.builder import fact_index_from
from graphs.predicates import load_predicate_schema
from kgrag.answering.guards.kinship import unsupported_relation
from kgrag.answering.pipeline import AnswerPipeline
from kgrag.graphqa.protocol import RelationPath
from kgrag.graphqa.reader import GraphQAReader
from kgrag.text import normalize_name
from kgrag.types import Answer, Hit, Passage
from tests.support.fake_llm import FakeLLM

WROTE = ("陈景润", "作家徐迟写了陈景润的故事。")
MARRIED = ("由昆", "1980年，由昆与陈景润结婚。")
HOUSE = ("Bo Cole", "Bo Cole was an actor. He worked with Cy Fox. His house burnt down in 1957.")
WIFE = ("Bo Cole", "In 1950 Bo Cole married Di Lane.")
OTHER = ("Ann Lee", "Ann Lee married Cy Fox.")
FATHER = ("Di Lane", "Di Lane was an actress. Her father was Ed Lane.")
IN_LAW = ("Bo Cole", "He worked for his father-in-law, Ed Lane.")
PLAY = ("Bo Cole", "Bo Cole played Uncle Vanya with Cy Fox.")
BORN = ("Di Lane", "Di Lane was born in 1912.")


def make_hits(*passages: tuple[str, str]) -> list[Hit]:
    return [
        Hit(Passage(f"{n}#0001", str(n), text, 0, len(text)), title, "", 0.9, n)
        for n, (title, text) in enumerate(passages, 1)
    ]


@pytest.mark.parametrize(
    ("question", "name", "steps", "answer", "passages", "told"),
    [
        ("陈景润的妻子是谁？", "陈景润", "spouse", "徐迟", [WROTE], False),
        ("陈景润的妻子是谁？", "陈景润", "spouse", "徐迟 [1]", [WROTE, MARRIED], False),
        ("陈景润的妻子是谁？", "陈景润", "spouse", "由昆 [2]", [WROTE, MARRIED], True),
        ("Who did Bo Cole marry?", "Bo Cole", "spouse", "Cy Fox", [HOUSE], False),
        ("Who did Bo Cole marry?", "Bo Cole", "spouse", "Cy Fox", [HOUSE, OTHER], False),
        ("Who did Bo Cole marry?", "Bo Cole", "spouse", "Di Lane [2].", [HOUSE, WIFE], True),
        ("Who did Bo Cole marry?", "Bo Cole", "spouse", "Bo Cole married Di Lane.", [WIFE], True),
        ("When was the wife of Bo Cole born?", "Bo Cole", "spouse date_of_birth", "1957", [HOUSE], False),
        ("When was the wife of Bo Cole born?", "Bo Cole", "spouse date_of_birth", "1957", [HOUSE, OTHER], False),
        ("When was the wife of Bo Cole born?", "Bo Cole", "spouse date_of_birth", "1912", [WIFE, BORN], True),
        ("Who was Bo Cole's father-in-law?", "Bo Cole", "spouse father", "Ed Lane", [WIFE, FATHER], True),
        ("Who was Bo Cole's father-in-law?", "Bo Cole", "spouse father", "Ed Lane", [WIFE], False),
        ("Who was Bo Cole's father-in-law?", "Bo Cole", "spouse father", "Cy Fox", [HOUSE, WIFE, FATHER], False),
        ("Who was Bo Cole's father-in-law?", "Bo Cole", "spouse father", "Ed Lane", [IN_LAW], True),
        ("Who was Bo Cole's father-in-law?", "Bo Cole", "spouse father", "Cy Fox", [IN_LAW, HOUSE], False),
        ("Who was Bo Cole's mother-in-law?", "Bo Cole", "spouse mother", "Ed Lane", [IN_LAW], False),
        ("When was Bo Cole's father-in-law born?", "Bo Cole", "spouse father date_of_birth", "1880", [IN_LAW], True),
        ("When was Ann Lee's father-in-law born?", "Ann Lee", "spouse father date_of_birth", "1880", [IN_LAW], False),
        ("孙小乙的岳父是谁？", "孙小乙", "spouse father", "钱小甲", [("孙小乙", "他的岳父钱小甲是医生。")], True),
        ("孙小乙的岳父是谁？", "孙小乙", "spouse father", "钱小甲", [("孙小乙", "他的朋友钱小甲是医生。")], False),
        # the words of names, and of the question in the answer, tell nothing
        ("Who did the star of Uncle Vanya, Bo Cole, marry?", "Bo Cole", "spouse", "Cy Fox", [PLAY], False),
        (
            "Who was the father of The Widow?",
            "The Widow",
            "father",
            "Cy Fox",
            [("The Widow", "The Widow met Cy Fox.")],
            False,
        ),
        ("Who did Bo Cole marry in 1950?", "Bo Cole", "spouse", "Bo Cole married Cy in 1950.", [WIFE], False),
        ("Where did Bo Cole work?", "Bo Cole", "employer", "Cy Fox", [HOUSE], True),
        ("Who was the advisor of Bo Cole?", "Bo Cole", "student_of", "Cy Fox", [HOUSE], True),
    ],
)
def test_a_relation_is_told_by_a_sentence_that_has_a_word_for_it(
    question: str, name: str, steps: str, answer: str, passages: Sequence[tuple[str, str]], told: bool
) -> None:
    missing = unsupported_relation(
        question, [RelationPath(name, tuple(steps.split()))], answer, make_hits(*passages), load_predicate_schema()
    )
    assert (missing == "") is told, missing


def test_one_reading_that_is_told_is_enough_and_none_asks_for_nothing() -> None:
    told, other = RelationPath("Bo Cole", ("spouse",)), RelationPath("Bo Cole", ("mother",))
    question, known = "Who did Bo Cole marry?", load_predicate_schema()
    assert unsupported_relation(question, [other, told], "Di Lane", make_hits(WIFE), known) == ""
    assert (
        unsupported_relation(question, [other], "Di Lane", make_hits(WIFE), known) == "Who was the mother of Bo Cole?"
    )
    assert unsupported_relation(question, [], "Di Lane", make_hits(WIFE), known) == ""


def make_graph_reader() -> GraphQAReader:
    titles = ("Bo Cole", "Cy Fox", "Di Lane", "陈景润")
    return GraphQAReader(
        fact_index_from([], {normalize_name(t): t for t in titles}, {normalize_name(t): t for t in titles}),
        load_predicate_schema(),
    )


def test_what_a_question_may_ask_for_is_read_in_the_words_of_the_vocabulary() -> None:
    asks = make_graph_reader().parse
    assert asks("Who was Bo Cole's father-in-law?") == [RelationPath("Bo Cole", ("spouse", "father"))]
    assert RelationPath("陈景润", ("spouse",)) in asks("陈景润的妻子是谁？")
    assert asks("When was the wife of Bo Cole born?") == [RelationPath("Bo Cole", ("spouse", "date_of_birth"))]
    assert asks("Why is Bo Cole famous?") == asks("Who was the father of Nobody Known?") == []


class FixedRetriever:
    def __init__(self, *passages: tuple[str, str]) -> None:
        self.hits = make_hits(*passages)

    def retrieve(self, question: str, k: int) -> list[Hit]:
        return self.hits[:k]


def answer_question(question: str, says: str, *passages: tuple[str, str], by: str = "auto") -> Answer:
    found, graph = FixedRetriever(*passages), make_graph_reader()
    answerer = AnswerPipeline(
        lambda: found, lambda: graph, lambda: FakeLLM(default_answer=says), vocabulary=load_predicate_schema()
    )
    return answerer.answer(question, reader=by)  # type: ignore[arg-type]


def test_an_answer_about_relatives_that_no_sentence_tells_is_withdrawn_and_that_is_said() -> None:
    question = "Who did Bo Cole marry?"
    silent = answer_question(question, "Cy Fox [1]", HOUSE)
    assert silent.abstained and silent.text == "The documents do not say." and not silent.citations
    assert silent.diagnostics[-1] == f"no sentence found tells, of 'Cy Fox', what is asked: {question}"
    assert silent.model == FakeLLM.name and silent.evidence
    assert "[7] refused" in answer_question(question, "Cy Fox [1] [7]", HOUSE).diagnostics[0], (
        "what was refused before is said, too"
    )
    assert not answer_question(question, "The documents do not say.", HOUSE).diagnostics
    answer = answer_question(question, "Di Lane [2]", HOUSE, WIFE)
    assert answer.text == "Di Lane [2]" and not answer.diagnostics and answer.citations


def test_who_asks_the_model_alone_is_told_what_it_says() -> None:
    assert answer_question("Who did Bo Cole marry?", "Cy Fox [1]", HOUSE, by="llm").text == "Cy Fox [1]"
    assert answer_question("Where did Bo Cole work?", "Cy Fox [1]", HOUSE).text == "Cy Fox [1]"


def test_a_chain_whose_relative_nobody_tells_is_withdrawn_in_chinese() -> None:
    silent = answer_question("陈景润的妻子出生于哪一年？", "1957年 [1]", ("陈景润", "1957年，陈景润调入中国科学院。"))
    assert silent.abstained and silent.text == "文档中没有说明。"
    assert "no sentence found tells, of '1957年', what is asked: 陈景润和谁结婚？" in silent.diagnostics
