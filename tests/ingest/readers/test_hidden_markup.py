"""Comments, scripts and styles of Markdown are not read; code that shows them is."""

from __future__ import annotations

import time

import pytest

from ingest.readers.markup.hidden_markup import remove_hidden_markup
from ingest.readers.markup.text_reader import read_markdown, read_text
from ingest.readers.read_log import ReadLog
from ingest.readers.titles import choose_title


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<!--\n# Old\n-->\n# New", "\n# New"),
        ("a <!-- x --> b <!-- y --> c", "a  b  c"),
        ("a\n[//]: # (remark)\nb", "a\n\nb"),
        ("<script>x()</script>a<STYLE>p{}</STYLE>b", "ab"),
        ("```html\n<!-- shown -->\n```\n<!-- gone -->", "```html\n<!-- shown -->\n```\n"),
        ("Write `<!-- x -->` to comment.", "Write `<!-- x -->` to comment."),
        ("<!-- not closed", "<!-- not closed"),
        ("<!-- `a` --> b <!-- ```\n-->c", " b c"),
    ],
)
def test_hidden_markup_is_removed_outside_code(text: str, expected: str) -> None:
    assert remove_hidden_markup(text) == expected


def test_heading_in_a_comment_is_no_title() -> None:
    content = read_markdown(b"<!--\n# Licence\nKept by Ada.\n-->\n\n# Pump\n\nIt runs.\n", ReadLog())
    assert choose_title(content) == "Pump" and "Ada" not in content.text


def test_plain_text_keeps_what_looks_like_a_comment() -> None:
    assert read_text(b"Use <!-- x --> in pages.", ReadLog()).text == "Use <!-- x --> in pages."


def test_rule_above_a_blank_line_is_no_front_matter() -> None:
    content = read_markdown(b"---\n\n# After\n\nNote: kept\n\n---\n\nmore\n", ReadLog())
    assert "Note: kept" in content.text and content.metadata == {} and choose_title(content) == "After"


@pytest.mark.parametrize("text", ["<!-- " * 50_000, "<!--x-->" * 30_000, "<script>" * 50_000, "[//]: #\n" * 50_000])
def test_hostile_markup_takes_little_time(text: str) -> None:
    start = time.process_time()
    remove_hidden_markup(text)
    assert time.process_time() - start < 3
