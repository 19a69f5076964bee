"""Boundaries of Chinese names with dots and in headings."""

import pytest

from ingest.entities.recognition import recognize_entities


@pytest.mark.parametrize(
    ("text", "name"),
    [("获奖者是希拉·威曼，她来自英国。", "希拉·威曼"), ("我们跟维姆·杜伊森贝赫谈过。", "维姆·杜伊森贝赫")],
)
def test_dotted_chinese_name_starts_where_tagger_finds_it(text: str, name: str) -> None:
    (recognized,) = [n for n in next(recognize_entities([text], "zh")) if "·" in n.text]
    assert (recognized.text, recognized.type) == (name, "PERSON")
    assert text[recognized.start : recognized.end] == name


def test_chinese_name_ends_at_line_end() -> None:
    text = "# 陈景润\n\n陈景润1933年出生于福建福州。\n杨振宁\n"
    persons = [n for n in next(recognize_entities([text], "zh")) if n.type == "PERSON"]
    assert [(n.text, text[n.start : n.end]) for n in persons] == [(x, x) for x in ("陈景润", "陈景润", "杨振宁")]
