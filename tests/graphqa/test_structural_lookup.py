"""Tests of look-ups of an identifier's value in structural facts."""

from __future__ import annotations

import pytest

from graphs.facts.builder import fact_index_from
from graphs.gazetteer import NameMatch
from graphs.predicates import add_document_predicates, load_predicate_schema
from kgrag.graphqa.question_parser import mask_entity
from kgrag.graphqa.reader import GraphQAReader
from kgrag.types import CLASSIFIER, STRUCTURE, Triple

FACTS = [
    ("25p02", "condition_name", "in failed sql transaction", STRUCTURE),
    ("25p02", "listed_under", "error codes", STRUCTURE),
    ("work mem", "default", "4mb", STRUCTURE),
    ("work mem", "value_type", "integer", STRUCTURE),
    ("vim", "大小", "3570", STRUCTURE),
    ("max size", "default", "10", STRUCTURE),
    ("max size", "default", "20", STRUCTURE),
    ("log level", "default", "warning", CLASSIFIER),
    ("memory", "size", "big", STRUCTURE),
]
NAMES = {"25p02": "25P02", "work mem": "work_mem", "max size": "max_size", "log level": "log_level", "4mb": "4MB"} | {
    "in failed sql transaction": "in_failed_sql_transaction"
}


@pytest.fixture(scope="module")
def reader() -> GraphQAReader:
    triples = [Triple(s, p, o, f"{n}#0001", 0, 9, 0.95, by) for n, (s, p, o, by) in enumerate(FACTS)]
    facts = fact_index_from(triples, {}, NAMES)
    schema = add_document_predicates(load_predicate_schema(), facts.predicates_found_by(STRUCTURE))
    return GraphQAReader(facts, schema)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("My driver reports SQLSTATE 25P02. What is that condition called?", "in_failed_sql_transaction"),
        ("What is the condition name of 25P02?", "in_failed_sql_transaction"),
        ("What is the default of work_mem?", "4MB"),
        ("What does work_mem default to?", "4MB"),
        ("Of which type is work_mem?", "integer"),
        ("work_mem 的默认值是什么？", "4MB"),
        ("vim 软件包的大小是多少？", "3570"),
    ],
)
def test_value_of_an_identifier_is_found(reader: GraphQAReader, question: str, answer: str) -> None:
    best = reader.answer(question)[0]
    assert best.text == answer and best.confidence > 0.8
    assert best.path.triples[0].found_by == STRUCTURE


@pytest.mark.parametrize(
    "question",
    [
        "Why does my driver report 25P02 when I retry?",
        "Which condition applies to 25P02?",
        "Is work_mem shared?",
        "What size does memory have?",
        "vim 怎么退出？",
        "Why that default of work_mem?",
        "When is the default of work_mem?",
        "Why is the default of work_mem so low?",
        "Who changed the default of work_mem?",
        "How do I change the default of work_mem?",
        "Is the default of work_mem 8MB?",
        "Which settings besides work_mem have a default?",
        "What type of queries use much work_mem?",
        "How do I write code that avoids 25P02?",
        "vim 的大小写设置怎么改？",
        "vim 的大小怎么改？",
    ],
)
def test_other_questions_are_not_answered(reader: GraphQAReader, question: str) -> None:
    assert not reader.answer(question)


def test_different_values_and_guesses_give_no_look_up(reader: GraphQAReader) -> None:
    assert not reader.answer("max_size: to what value is its default set")
    assert not reader.answer("log_level: to what value is its default set")


def test_hidden_document_gives_no_look_up(reader: GraphQAReader) -> None:
    question = "My driver reports SQLSTATE 25P02. What is that condition called?"
    assert not reader.answer(question, hidden=frozenset({"0"}))


def test_document_predicates_do_not_change_known_ones() -> None:
    schema = load_predicate_schema()
    extended = add_document_predicates(schema, ["default", "condition_name", "mentions"])
    assert extended.predicates["default"] is schema.predicates["default"]
    assert extended.predicates["condition_name"].nouns == ("condition name",)
    assert "mentions" not in extended.predicates and add_document_predicates(schema, ["default"]) is schema


def test_space_beside_a_latin_name_does_not_hide_a_chinese_predicate() -> None:
    question = "gc.auto 的默认值"
    match = NameMatch(0, 0, len("gc.auto"))
    assert mask_entity(question, match) == "X的默认值"
    assert mask_entity("the default of gc.auto", NameMatch(0, 15, 22)) == "the default of X"
