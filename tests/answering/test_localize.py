"""Tests of answers in the language of their question."""

from __future__ import annotations

from pathlib import Path

import pytest

from graphs.predicates import load_predicate_schema
from kgrag.answering.localize import localize_answer
from tests.support.answering import make_pipeline
from tests.support.cli_shell import Shell
from tests.support.fake_retriever import make_hit


@pytest.mark.parametrize(
    ("text", "sentence", "lang", "expected"),
    [
        ("Thailand", "乍都节公园位于泰国的首都曼谷。", "zh", "泰国"),
        ("泰国", "The park is in Bangkok, Thailand.", "en", "Thailand"),
        ("法国", "She was a French painter.", "en", "French"),
        ("1939", "该公司成立于1939年。", "zh", "1939年"),
        ("1939", "该公司成立于 1939 年。", "zh", "1939年"),
        # no better form is known
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
        # citation marks keep their position
        ("1966 [1]", "莱索托于1966年独立。", "zh", "1966年 [1]"),
        ("Thailand [2].", "公园位于泰国。", "zh", "泰国 [2]."),
        # two measure words, or another number
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
def test_localize_answer(text: str, sentence: str, lang: str, expected: str) -> None:
    assert localize_answer(text, sentence, lang, load_predicate_schema().countries) == expected


def test_ask_names_country_in_the_question_language(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# 乍都节公园\n\n乍都节公园位于泰国，成立于1980年。\n", "utf-8")
    (tmp_path / "b.md").write_text(
        "# Bangkok\n\nBangkok is a city in Thailand. Thailand is warm. Thailand is old.\n", "utf-8"
    )
    shell("ingest", tmp_path, "--store", tmp_path / "store")
    for question, expected in (("乍都节公园位于哪里？", "泰国"), ("乍都节公园成立于哪一年？", "1980年")):
        code, out, _ = shell("ask", question, "--reader", "graph", "--store", tmp_path / "store")
        assert code == 0 and out.splitlines()[0] == expected


def test_model_answer_with_bare_year_gets_measure_word() -> None:
    pipeline, _ = make_pipeline("1966")
    hit = make_hit("莱索托", "莱索托于1966年独立。")
    assert pipeline.answer_from_passages("莱索托哪一年独立？", [hit]).text == "1966年"
