"""Answers in the language of the question."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from graphs.predicates import load_predicate_schema
from kgrag.answering.localize import localize_answer
from kgrag.answering.pipeline import AnswerPipeline
from kgrag.types import Hit, Passage
from tests.support.cli_shell import Shell
from tests.support.fake_llm import FakeLLM


@pytest.mark.parametrize(
    ("text", "sentence", "lang", "said"),
    [
        ("Thailand", "乍都节公园位于泰国的首都曼谷。", "zh", "泰国"),
        ("泰国", "The park is in Bangkok, Thailand.", "en", "Thailand"),
        ("法国", "She was a French painter.", "en", "French"),
        ("1939", "该公司成立于1939年。", "zh", "1939年"),
        ("1939", "该公司成立于 1939 年。", "zh", "1939年"),
        # nothing better is known
        ("1939", "Founded in 1939.", "zh", "1939"),
        ("1939", "它有11939年的历史。", "zh", "1939"),
        ("1939", "该公司成立于1939年。", "en", "1939"),
        ("1939年3月", "该公司成立于1939年3月。", "zh", "1939年3月"),
        ("30", "光塔至今仍有30座保存。", "zh", "30座"),
        ("20", "《海风》是他们的第20张原创专辑。", "zh", "第20张"),
        ("4", "中离者在4分钟内不得配对。", "zh", "4分钟"),
        ("31,459", "居民总数为31,459人。", "zh", "31,459人"),
        ("36.5", "总人口约36.5万人。", "zh", "36.5万人"),
        ("3", "他育有 3 名子女。", "zh", "3名"),
        # marks of citation stay where they are
        ("1966 [1]", "莱索托于1966年独立。", "zh", "1966年 [1]"),
        ("Thailand [2].", "公园位于泰国。", "zh", "泰国 [2]."),
        # it counts two things, or another number
        ("3", "他有3名子女和3座房子。", "zh", "3"),
        ("3", "他有13名子女。", "zh", "3"),
        ("3", "他有2.3万人支持。", "zh", "3"),
        ("3", "型号是3。", "zh", "3"),
        ("3", "他育有3名子女。", "en", "3"),
        ("Thailand", "它位于曼谷。", "zh", "Thailand"),
        ("Thailand", "The park is in Thailand.", "en", "Thailand"),
        ("泰国", "公园位于泰国。", "zh", "泰国"),
        ("Ada Lovelace", "阿达是英国人。", "zh", "Ada Lovelace"),
    ],
)
def test_an_answer_is_said_in_the_language_of_the_question(text: str, sentence: str, lang: str, said: str) -> None:
    assert localize_answer(text, sentence, lang, load_predicate_schema().countries) == said


def test_a_country_that_english_documents_name_more_often_is_named_in_chinese(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# 乍都节公园\n\n乍都节公园位于泰国，成立于1980年。\n", "utf-8")
    (tmp_path / "b.md").write_text(
        "# Bangkok\n\nBangkok is a city in Thailand. Thailand is warm. Thailand is old.\n", "utf-8"
    )
    shell("ingest", tmp_path, "--store", tmp_path / "store")
    for question, said in (("乍都节公园位于哪里？", "泰国"), ("乍都节公园成立于哪一年？", "1980年")):
        code, out, _ = shell("ask", question, "--reader", "graph", "--store", tmp_path / "store")
        assert code == 0 and out.splitlines()[0] == said


def test_a_year_that_a_model_says_is_a_year_in_chinese_too() -> None:
    def never() -> Any:
        raise AssertionError("neither is needed")

    passage = Passage("a#0001", "a", "莱索托于1966年独立。", 0, 11)
    answerer = AnswerPipeline(never, never, lambda: FakeLLM({}, "1966"))
    assert answerer.answer_from_passages("莱索托哪一年独立？", [Hit(passage, "莱索托", "", 1.0, 1)]).text == "1966年"
