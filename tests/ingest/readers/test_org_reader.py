"""Org text becomes headlines, lists, tables and code."""

from __future__ import annotations

import pytest

from ingest.readers.content import Content
from ingest.readers.markup.org_reader import read_org
from ingest.readers.read_log import ReadLog
from kgrag.errors import ReadError
from kgrag.tree import BlockKind


def read(text: str) -> Content:
    return read_org(text.encode(), ReadLog())


def test_org_keywords_become_title_and_metadata() -> None:
    content = read(
        "#+TITLE: The Mill\n#+AUTHOR: Ada\n#+DATE: <2024-05-01 Wed>\n#+FILETAGS: :river:power:\n# hidden\n\nText\n"
    )
    assert (content.title, content.text) == ("The Mill", "Text")
    assert content.metadata == {"author": "Ada", "created": "2024-05-01", "tags": ("river", "power")}


def test_org_headlines_keep_state_and_properties() -> None:
    content = read(
        "* TODO [#A] Build *it* :work:\nSCHEDULED: <2024-06-01 Sat>\n:PROPERTIES:\n:Effort: 1:00\n:ID: abc\n:END:\n** Sub\nText"
    )
    assert content.text == "# TODO Build it (work)\n\nSCHEDULED: <2024-06-01 Sat>\n\nEffort: 1:00\n\n## Sub\n\nText"
    assert [(b.level, b.label) for b in content.tree.blocks if b.kind is BlockKind.HEADING] == [
        (1, "TODO Build it (work)"),
        (2, "Sub"),
    ]


def test_org_lists_are_nested() -> None:
    content = read("- one\n  more\n  - nested\n- [X] built\n- [ ] opened\n- term :: text\n1. first\n2) second\n")
    assert content.text == (
        "- one more\n  - nested\n- (done) built\n- (open) opened\n- term: text\n1. first\n2) second"
    )


def test_org_table_becomes_rows() -> None:
    content = read(
        "#+CAPTION: Ports\n| Name | Port |\n|------+------|\n| <l> | <r> |\n| =web= | 80 |\n|--|\n| db | |\n"
    )
    assert content.text == "Ports\n\nName: web; Port: 80\nName: db"
    assert read("| a | b |\n| c | d |\n").text == "a | b\nc | d"


def test_org_blocks_keep_code_and_quotes() -> None:
    content = read(
        "#+BEGIN_SRC python :results output\n  def f():\n      return 1\n,* no headline\n#+END_SRC\n"
        "#+begin_quote\nIt /opens/.\n#+end_quote\n: literal\n#+BEGIN_COMMENT\nhidden\n#+END_COMMENT\n"
    )
    assert content.text == (
        "```python\n  def f():\n      return 1\n* no headline\n```\n\nIt opens.\n\n```\nliteral\n```"
    )


def test_org_links_and_footnotes_are_plain() -> None:
    content = read("See [[http://x][the page]], [[file:a.org]] and ~code~ [fn:1].\n\n[fn:1] A *note*.\n")
    assert content.text == "See the page, a.org and code [fn:1].\n\n[1] A note."


def test_org_include_is_not_followed() -> None:
    content = read('Text\n#+INCLUDE: "/etc/passwd"\n')
    assert content.text == "Text"
    assert content.problems == ('expected text, found includes that are not followed: "/etc/passwd"',)


@pytest.mark.parametrize(
    "text", ["#+BEGIN_SRC c\nint a;", ":PROPERTIES:\n:A: b", "|", "*", "- ", "#+CAPTION:", "| a\n|-"]
)
def test_org_broken_text_is_read(text: str) -> None:
    assert read(f"Start\n\n{text}").text.startswith("Start")


def test_org_binary_data_raises() -> None:
    with pytest.raises(ReadError, match="found binary data"):
        read_org(b"* A\x00\x01\xff", ReadLog())
