"""Tests of the kinship guard: a sentence must state the relation, not only contain the names."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from graphs.predicates import load_predicate_schema
from kgrag.answering.guards.kinship import unsupported_relation
from kgrag.answering.pipeline import AnswerPipeline, ReaderMode
from kgrag.graphqa.protocol import RelationPath
from kgrag.types import Answer
from tests.support.answering import make_graph_reader, make_hits, messages
from tests.support.fake_llm import FakeLLM
from tests.support.fake_retriever import FixedRetriever

WROTE = ("陈景润", "作家徐迟写了陈景润的故事。")
MARRIED = ("由昆", "1980年，由昆与陈景润结婚。")
HOUSE = ("Bo Cole", "Bo Cole was an actor. He worked with Cy Fox. His house burnt down in 1957.")
WIFE = ("Bo Cole", "In 1950 Bo Cole married Di Lane.")
OTHER = ("Ann Lee", "Ann Lee married Cy Fox.")
FATHER = ("Di Lane", "Di Lane was an actress. Her father was Ed Lane.")
IN_LAW = ("Bo Cole", "He worked for his father-in-law, Ed Lane.")
PLAY = ("Bo Cole", "Bo Cole played Uncle Vanya with Cy Fox.")
BORN = ("Di Lane", "Di Lane was born in 1912.")


@pytest.mark.parametrize(
    ("question", "name", "steps", "answer", "passages", "is_stated"),
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
        # words of names, and words of the question in the answer, are no evidence
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
def test_unsupported_relation_requires_a_word_for_it(
    question: str, name: str, steps: str, answer: str, passages: Sequence[tuple[str, str]], is_stated: bool
) -> None:
    missing = unsupported_relation(
        question, [RelationPath(name, tuple(steps.split()))], answer, make_hits(*passages), load_predicate_schema()
    )
    assert (missing == "") is is_stated, missing


def test_unsupported_relation_accepts_one_stated_reading() -> None:
    spouse_path, mother_path = RelationPath("Bo Cole", ("spouse",)), RelationPath("Bo Cole", ("mother",))
    question, schema = "Who did Bo Cole marry?", load_predicate_schema()
    assert unsupported_relation(question, [mother_path, spouse_path], "Di Lane", make_hits(WIFE), schema) == ""
    assert (
        unsupported_relation(question, [mother_path], "Di Lane", make_hits(WIFE), schema)
        == "Who was the mother of Bo Cole?"
    )
    assert unsupported_relation(question, [], "Di Lane", make_hits(WIFE), schema) == ""


READER = make_graph_reader(dict.fromkeys(("Bo Cole", "Cy Fox", "Di Lane", "陈景润"), ""))


def test_parse_returns_relation_paths() -> None:
    parse = READER.parse
    assert parse("Who was Bo Cole's father-in-law?") == [RelationPath("Bo Cole", ("spouse", "father"))]
    assert RelationPath("陈景润", ("spouse",)) in parse("陈景润的妻子是谁？")
    assert parse("When was the wife of Bo Cole born?") == [RelationPath("Bo Cole", ("spouse", "date_of_birth"))]
    assert parse("Why is Bo Cole famous?") == parse("Who was the father of Nobody Known?") == []


def answer_question(question: str, reply: str, *passages: tuple[str, str], reader: ReaderMode = "auto") -> Answer:
    pipeline = AnswerPipeline(
        lambda: FixedRetriever(*make_hits(*passages)), lambda: READER, lambda: FakeLLM(default_answer=reply)
    )
    return pipeline.answer(question, reader=reader)


def test_unsupported_kinship_answer_is_withdrawn() -> None:
    question = "Who did Bo Cole marry?"
    abstention = answer_question(question, "Cy Fox [1]", HOUSE)
    assert abstention.abstained and abstention.text == "The documents do not say." and not abstention.citations
    assert messages(abstention)[-1] == (
        f"answer 'Cy Fox' withdrawn: no retrieved sentence states the relation asked for: {question}"
    )
    assert abstention.model == FakeLLM.name and abstention.evidence
    assert "[7] refused" in messages(answer_question(question, "Cy Fox [1] [7]", HOUSE))[0], (
        "earlier diagnostics are kept"
    )
    assert not answer_question(question, "The documents do not say.", HOUSE).diagnostics
    answer = answer_question(question, "Di Lane [2]", HOUSE, WIFE)
    assert answer.text == "Di Lane [2]" and not answer.diagnostics and answer.citations


def test_reader_llm_skips_the_kinship_guard() -> None:
    assert answer_question("Who did Bo Cole marry?", "Cy Fox [1]", HOUSE, reader="llm").text == "Cy Fox [1]"
    assert answer_question("Where did Bo Cole work?", "Cy Fox [1]", HOUSE).text == "Cy Fox [1]"


def test_unsupported_chinese_kinship_chain_is_withdrawn() -> None:
    abstention = answer_question(
        "陈景润的妻子出生于哪一年？", "1957年 [1]", ("陈景润", "1957年，陈景润调入中国科学院。")
    )
    assert abstention.abstained and abstention.text == "文档中没有说明。"
    assert (
        "answer '1957年' withdrawn: no retrieved sentence states the relation asked for: 陈景润和谁结婚？"
        in messages(abstention)
    )
