"""Encodings of short and long texts, and cleaning."""

from __future__ import annotations

import pytest

from ingest.readers.encodings.decoding import clean_text, decode_bytes


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("gb18030", "中国"),
        ("gb18030", "张三,25,男\n李四,30,女\n"),
        ("gb18030", "1998 博士 导师 高等师范学校"),
        ("gb18030", "歐陽娜娜"),
        ("big5", "歐陽娜娜"),
        ("big5", "編號,名稱\n1,水泵\n"),
        ("shift_jis", "カメラ"),
        ("shift_jis", "名前,年齢\nたろう,3\n"),
        ("euc_jp", "東京は日本の首都です。"),
        ("euc_kr", "서울은 한국의 수도이다."),
        ("euc_kr", "이름,나이\n김철수,30\n"),
        ("cp1250", "Příliš žluťoučký kůň"),
        ("cp1250", "Zażółć gęślą jaźń"),
        ("cp1252", "¿Dónde está el niño?"),
        ("cp1252", "“x”"),
        ("cp1251", "Привет"),
        ("koi8_r", "Москва является столицей России"),
        ("utf-16-le", "Plain English, no mark."),
        ("utf-16-be", "Plain English, no mark."),
    ],
)
def test_encoding_of_short_text_is_detected(encoding: str, text: str) -> None:
    assert decode_bytes(text.encode(encoding))[0] == text


def test_damaged_byte_in_gbk_is_marked() -> None:
    text = "北京是中国的首都。" * 20
    data = text.encode("gb18030") + b"\xff\n" + text.encode("gb18030")
    assert decode_bytes(data)[0].count("北京") == 40


def test_ligatures_become_letters() -> None:
    assert clean_text("The o\ufb03ce \ufb01l\u00adter \ufb02ow, x\u00b2, \uff21") == (
        "The office filter flow, x\u00b2, \uff21",
        0,
    )
