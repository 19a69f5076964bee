"""Names in Chinese: where those with a dot begin, and where those of a heading end."""

import pytest

from ingest.entities.recognition import recognize_entities


@pytest.mark.parametrize(
    ("text", "name"),
    [("获奖者是希拉·威曼，她来自英国。", "希拉·威曼"), ("我们跟维姆·杜伊森贝赫谈过。", "维姆·杜伊森贝赫")],
)
def test_a_dotted_name_begins_where_the_tagger_sees_it(text: str, name: str) -> None:
    (found,) = [n for n in next(recognize_entities([text], "zh")) if "·" in n.text]
    assert (found.text, found.type) == (name, "PERSON")
    assert text[found.start : found.end] == name


def test_a_name_ends_before_the_line_does() -> None:
    text = "# 陈景润\n\n陈景润1933年出生于福建福州。\n杨振宁\n"
    found = [n for n in next(recognize_entities([text], "zh")) if n.type == "PERSON"]
    assert [(n.text, text[n.start : n.end]) for n in found] == [(x, x) for x in ("陈景润", "陈景润", "杨振宁")]
