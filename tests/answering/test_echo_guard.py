"""Tests of the echo guard: answers that only repeat their question are replaced."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from kgrag import prompts
from kgrag.answering.guards.echo import is_echo, replace_echo
from kgrag.answering.selected_passage import SelectedPassage
from kgrag.text import sentence_spans
from kgrag.types import DiagnosticCode
from tests.support.answering import make_pipeline, messages
from tests.support.fake_retriever import make_hit


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
def test_is_echo_without_new_words(question: str, answer: str) -> None:
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
def test_is_echo_rejects_new_words_and_choices(question: str, answer: str) -> None:
    assert not is_echo(question, answer)


def select(title: str, text: str, spans: Sequence[tuple[int, int]] = ()) -> list[SelectedPassage]:
    return [SelectedPassage(1, make_hit(title, text), tuple(spans or sentence_spans(text)))]


WEST = "海宁西站位于浙江省嘉兴市海宁市许村镇报国村。该站设有两座站台。"
JERK = "The Jerk is a 1979 American film directed by Carl Reiner. It was shot in Los Angeles."


def test_replace_echo_quotes_best_sentence_in_chinese() -> None:
    answer, diagnostics = replace_echo("海宁西站位于哪里？", "海宁西站", select("海宁西站", WEST))
    assert answer == "海宁西站位于浙江省嘉兴市海宁市许村镇报国村。 [1]"
    assert len(diagnostics) == 1 and "海宁西站" in diagnostics[0]


def test_replace_echo_abstains_in_english() -> None:
    answer, diagnostics = replace_echo("Who directed The Jerk?", "The Jerk [1].", select("The Jerk", JERK))
    assert answer == prompts.ABSTENTION_TEXT["en"] and "The Jerk [1]." in diagnostics[0]


def test_replace_echo_keeps_other_answers() -> None:
    assert replace_echo("海宁西站位于哪里？", "许村镇 [1]", select("海宁西站", WEST)) == ("许村镇 [1]", [])
    assert replace_echo("海宁西站位于哪里？", "文档中没有说明。", []) == ("文档中没有说明。", [])


def test_replace_echo_uses_only_selected_sentences() -> None:
    answer, _ = replace_echo("海宁西站位于哪里？", "海宁西站", select("海宁西站", WEST, sentence_spans(WEST)[1:]))
    assert "许村镇" not in answer


@pytest.mark.parametrize("passages", [[], select("海宁西站", "海宁西站位于哪里？"), select("李波", "他喜欢下棋。")])
def test_replace_echo_without_sentence_abstains(passages: list[SelectedPassage]) -> None:
    answer, diagnostics = replace_echo("海宁西站位于哪里？", "海宁西站", passages)
    assert prompts.is_abstention(answer) and "海宁西站" in diagnostics[0]


def test_pipeline_quotes_and_cites_sentence_for_echo() -> None:
    pipeline, _ = make_pipeline("海宁西站", make_hit("海宁西站", WEST))
    answer = pipeline.answer("海宁西站位于哪里？")
    first = WEST[: WEST.index("。") + 1]
    assert not answer.abstained and answer.text == f"{first[:-1]} [1]。"
    assert [c.quote for c in answer.citations] == [first]
    assert any("repeats the question" in message for message in messages(answer))
    assert [d.code for d in answer.diagnostics] == [DiagnosticCode.ANSWER_REPLACED]


def test_pipeline_abstains_for_echo_without_sentence() -> None:
    pipeline, _ = make_pipeline("海宁西站", make_hit("海宁西站", "海宁西站位于哪里？"))
    answer = pipeline.answer("海宁西站位于哪里？")
    assert answer.abstained and any("no sentence in the prompt adds to it" in message for message in messages(answer))
