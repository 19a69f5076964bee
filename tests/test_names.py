"""Names in Chinese that a run of characters with a dot would begin too early."""

import pytest

from ingest.names import find_names


@pytest.mark.parametrize(
    ("text", "name"),
    [("获奖者是希拉·威曼，她来自英国。", "希拉·威曼"), ("我们跟维姆·杜伊森贝赫谈过。", "维姆·杜伊森贝赫")],
)
def test_a_dotted_name_begins_where_the_tagger_sees_it(text: str, name: str) -> None:
    (found,) = [n for n in next(find_names([text], "zh")) if "·" in n.text]
    assert (found.text, found.type) == (name, "PERSON")
    assert text[found.start : found.end] == name
