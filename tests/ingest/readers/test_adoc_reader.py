"""AsciiDoc becomes sections, lists, tables, listings and admonitions."""

from __future__ import annotations

import pytest

from ingest.readers.content import Content
from ingest.readers.markup.adoc_reader import read_adoc
from ingest.readers.markup.adoc_tables import parse_adoc_table
from ingest.readers.read_log import ReadLog
from kgrag.errors import ReadError
from kgrag.tree import BlockKind


def read(text: str) -> Content:
    return read_adoc(text.encode(), ReadLog())


def test_adoc_header_becomes_title_and_metadata() -> None:
    content = read(
        "// hidden\n= The Mill\nAda Lovelace <ada@example.org>\nv1.0, 2024-05-01\n:keywords: river, power\n:product: Mill 3\n\n"
        "Intro of {product}, {unknown}.\n\n== Setup\n\n=== Deep ===\nText\n"
    )
    assert content.title == "The Mill"
    assert content.metadata == {"author": "Ada Lovelace", "created": "2024-05-01", "tags": ("river", "power")}
    assert content.text == "# The Mill\n\nIntro of Mill 3, {unknown}.\n\n## Setup\n\n### Deep\n\nText"


def test_adoc_lists_are_nested() -> None:
    content = read(
        "* one\ncontinued\n** two\n* [x] built\n. first\n+\n----\n$ run\n----\n\nterm:: text\nother::\n  more\n"
    )
    assert content.text == (
        "- one continued\n  - two\n- (done) built\n1. first\n\n```\n$ run\n```\n\n- term: text\n- other: more"
    )


def test_adoc_table_becomes_rows() -> None:
    content = read('.Ports\n[cols="1,1", options="header"]\n|===\n|Name |Port\n|`web`\n|80\n.2+|db |1\n|2\n|===\n')
    assert content.text == "Ports\n\nName: web; Port: 80\nName: db; Port: 1\nName: db; Port: 2"
    assert [block.kind for block in content.tree.blocks] == [BlockKind.CAPTION] + [BlockKind.ROW] * 3


@pytest.mark.parametrize(
    ("lines", "style", "separator", "expected"),
    [
        (["|A |B", "", "2+|both"], "", "|", (["A", "B"], [["both", "both"]])),
        (["|a |b", "|c |d"], "", "|", ([], [["a", "b"], ["c", "d"]])),
        (["a|x \\| y", "|z"], 'cols="2*"', "|", ([], [["x | y", "z"]])),
        (["A,B", '"1, 2",3'], "%header,format=csv", "|", (["A", "B"], [["1, 2", "3"]])),
        (["A,B", "1,2"], "", ",", ([], [["A", "B"], ["1", "2"]])),
        ([], "", "|", ([], [])),
        (["no cells"], "", "|", ([], [])),
        (["9999999+|a"], "", "|", ([], [["a"] * 1000])),
    ],
)
def test_parse_adoc_table(
    lines: list[str], style: str, separator: str, expected: tuple[list[str], list[list[str]]]
) -> None:
    assert parse_adoc_table(lines, style, separator) == expected


def test_adoc_listing_keeps_code() -> None:
    content = read(
        "[source,python]\n.Title\n----\ndef f(): # <1>\n    pass\n----\n<1> A note\n\n....\nliteral\n....\n\n```sh\nls\n```\n"
    )
    assert content.text == (
        "Title\n\n```python\ndef f():\n    pass\n```\n\n1. A note\n\n```\nliteral\n```\n\n```sh\nls\n```"
    )


def test_adoc_admonitions_are_named() -> None:
    content = read("NOTE: Take care\nof it.\n\n[WARNING]\n====\nDanger.\n\nMore.\n====\n\n[TIP]\nRest.\n")
    assert content.text == "Note: Take care\nof it.\n\nWarning:\n\nDanger.\n\nMore.\n\nTip: Rest."


def test_adoc_inline_markup_is_plain() -> None:
    content = read("Use `code`, *bold*, _it_, https://x.org[the page^], <<setup,Setup>>, xref:a.adoc[A] and a_b_c.\n")
    assert content.text == "Use code, bold, it, the page, Setup, A and a_b_c."


def test_adoc_include_is_not_followed_and_comments_are_left_out() -> None:
    content = read("Text\n\ninclude::/etc/passwd[]\n// hidden\n////\nhidden\n////\nimage::x.png[A mill]\n")
    assert content.text == "Text\n\nA mill"
    assert content.problems == ("expected text, found includes that are not followed: /etc/passwd",)


@pytest.mark.parametrize(
    "text", ["----\nopen", "|===\n|a", "====", "[source", "term::", "* ", ":a:", "include::[]", "////\nx"]
)
def test_adoc_broken_text_is_read(text: str) -> None:
    assert read(f"Start\n\n{text}").text.startswith("Start")


def test_adoc_binary_data_raises() -> None:
    with pytest.raises(ReadError, match="found binary data"):
        read_adoc(b"= A\x00\x01\xff", ReadLog())
