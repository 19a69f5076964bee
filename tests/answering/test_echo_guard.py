"""What only repeats its question is no answer: the sentence that tells most stands in its place."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from graphs.facts.builder import fact_index_from
from graphs.predicates import load_predicate_schema
from kgrag import prompts
from kgrag.answering.guards.echo import is_echo, replace_echo
from kgrag.answering.pipeline import AnswerPipeline
from kgrag.answering.stages.evidence_selection import SelectedPassage
from kgrag.graphqa.reader import GraphQAReader
from kgrag.text import sentence_spans
from kgrag.types import Hit, Passage
from tests.support.fake_llm import FakeLLM


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("海宁西站位于哪里？", "海宁西站 [1]"),
        ("亨丁顿舞蹈症又叫什么？", "亨丁顿舞蹈症。"),
        ("台湾的阴阳海共有哪三处地理现象？", "三处"),
        ("中国建筑工程总公司的主要业务是什么？", "业务"),
        ("Where is Haining West railway station?", "Haining West railway station [2]."),
        ("Who directed The Jerk?", "The Jerk"),
    ],
)
def test_what_adds_no_word_repeats(question: str, answer: str) -> None:
    assert is_echo(question, answer)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("海宁西站位于哪里？", "嘉兴市海宁市许村镇"),
        ("文周王是百济第多少代国王？", "百济第22代国王"),
        ("Who directed The Jerk?", "Carl Reiner"),
        ("Which film is older, The Jerk or Atomised?", "The Jerk"),
        ("What do Ada Bell and Eva Bell speak?", "Eva Bell"),
        ("朱元璋和陈友谅谁先称帝？", "陈友谅"),
        ("北京是首都还是直辖市？", "首都"),
        ("Is The Jerk a film?", "a film"),
        ("Which of these is a film, The Jerk, Ada Bell?", "The Jerk"),
        ("Who says yes?", "yes"),
        ("谁说的是？", "是"),
        ("Who directed The Jerk?", ""),
        ("Who directed The Jerk?", "[1]"),
    ],
)
def test_what_adds_a_word_or_was_offered_does_not(question: str, answer: str) -> None:
    assert not is_echo(question, answer)


def shown(title: str, text: str, spans: Sequence[tuple[int, int]] = ()) -> list[SelectedPassage]:
    hit = Hit(Passage(f"{title}#0001", title, text, 0, len(text)), title, "", 0.9, 1)
    return [SelectedPassage(1, hit, tuple(spans or sentence_spans(text)))]


WEST = "海宁西站位于浙江省嘉兴市海宁市许村镇报国村。该站设有两座站台。"
JERK = "The Jerk is a 1979 American film directed by Carl Reiner. It was shot in Los Angeles."


def test_the_sentence_that_tells_stands_in_its_place() -> None:
    answer, why = replace_echo("海宁西站位于哪里？", "海宁西站", shown("海宁西站", WEST))
    assert answer == "海宁西站位于浙江省嘉兴市海宁市许村镇报国村。 [1]"
    assert len(why) == 1 and "海宁西站" in why[0]


def test_in_english_it_is_silent() -> None:
    answer, why = replace_echo("Who directed The Jerk?", "The Jerk [1].", shown("The Jerk", JERK))
    assert answer == prompts.ABSTENTION_TEXT["en"] and "The Jerk [1]." in why[0]


def test_an_answer_stays() -> None:
    assert replace_echo("海宁西站位于哪里？", "许村镇 [1]", shown("海宁西站", WEST)) == ("许村镇 [1]", [])
    assert replace_echo("海宁西站位于哪里？", "文档中没有说明。", []) == ("文档中没有说明。", [])


def test_only_what_was_shown_is_said() -> None:
    answer, _ = replace_echo("海宁西站位于哪里？", "海宁西站", shown("海宁西站", WEST, sentence_spans(WEST)[1:]))
    assert "许村镇" not in answer


@pytest.mark.parametrize("passages", [[], shown("海宁西站", "海宁西站位于哪里？"), shown("李波", "他喜欢下棋。")])
def test_without_a_sentence_that_tells_it_is_silent(passages: list[SelectedPassage]) -> None:
    answer, why = replace_echo("海宁西站位于哪里？", "海宁西站", passages)
    assert prompts.is_abstention(answer) and "海宁西站" in why[0]


def test_kgrag_ask_quotes_and_cites_it() -> None:
    hits = [shown("海宁西站", WEST)[0].hit]

    class Finds:
        def retrieve(self, question: str, k: int) -> list[Hit]:
            return hits

    graph = GraphQAReader(fact_index_from([], {}, {}), load_predicate_schema())
    answer = AnswerPipeline(Finds, lambda: graph, lambda: FakeLLM(default_answer="海宁西站")).answer(
        "海宁西站位于哪里？"
    )
    first = WEST[: WEST.index("。") + 1]
    assert not answer.abstained and answer.text == f"{first[:-1]} [1]。"
    assert [c.quote for c in answer.citations] == [first]
    assert any("repeats the question" in why for why in answer.diagnostics)


def test_kgrag_ask_is_silent_where_no_sentence_tells() -> None:
    hits = [shown("海宁西站", "海宁西站位于哪里？")[0].hit]

    class Finds:
        def retrieve(self, question: str, k: int) -> list[Hit]:
            return hits

    graph = GraphQAReader(fact_index_from([], {}, {}), load_predicate_schema())
    answer = AnswerPipeline(Finds, lambda: graph, lambda: FakeLLM(default_answer="海宁西站")).answer(
        "海宁西站位于哪里？"
    )
    assert answer.abstained and any("no sentence is known" in why for why in answer.diagnostics)
