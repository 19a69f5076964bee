"""Titles: what a document says of itself, without the name of its site."""

from __future__ import annotations

import pytest

from ingest.readers.content import Content
from ingest.readers.html.reader import read_html
from ingest.readers.markup.markdown import parse_markup
from ingest.readers.read_log import ReadLog
from ingest.readers.titles import choose_title, clean_page_title, first_line


def title_of_text(text: str, title: str = "") -> str:
    return choose_title(Content(*parse_markup(text), title))


@pytest.mark.parametrize(
    ("title", "headings", "sites", "expected"),
    [
        ("VACUUM", [], [], "VACUUM"),
        ("PostgreSQL: Documentation: 15: VACUUM", ["VACUUM"], [], "VACUUM"),
        ("PostgreSQL: Documentation: 15: VACUUM", [], [], "VACUUM"),
        ("VACUUM - SQLite", ["1. Syntax"], [], "VACUUM"),
        ("Pump P-204 | Acme", [], [], "Pump P-204"),
        ("Acme | Pump P-204", ["Pump P-204"], [], "Pump P-204"),
        ("Acme – Pump P-204", [], ["Acme"], "Pump P-204"),
        ("Alan Turing - Wikipedia, the free encyclopedia", [], [], "Alan Turing"),
        ("如何换油 - 知乎", [], [], "如何换油"),
        ("git - the stupid content tracker", [], [], "git - the stupid content tracker"),
        ("Chapter 3: Seals", [], [], "Chapter 3: Seals"),
        (
            "Chapter 12. Advanced Administration",
            ["Chapter 12. Advanced Administration"],
            [],
            "Chapter 12. Advanced Administration",
        ),
        ("Power Management: Advanced Configuration", [], [], "Power Management: Advanced Configuration"),
        ("Documentation", ["Replace the seal"], [], "Replace the seal"),
        ("Acme", ["Replace the seal"], ["Acme"], "Replace the seal"),
        ("", ["1. Overview", "Replace the seal"], [], "Replace the seal"),
        ("Untitled Document", [], [], "Untitled Document"),
        ("", ["1. Overview"], [], ""),
    ],
)
def test_page_title_is_the_pages_own(title: str, headings: list[str], sites: list[str], expected: str) -> None:
    assert clean_page_title(title, headings, sites) == expected


def test_page_title_ignores_hidden_heading() -> None:
    page = b'<body><h1 style="display:none">Old</h1><h1>New pump</h1><p>Text.</p></body>'
    assert read_html(page, ReadLog()).title == "New pump"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# Pump\n\nIt runs.", "Pump"),
        ("## 1. Overview\n\nText.\n\n## Seals\n\nText.", "Seals"),
        ("Backup of the wiki runs at 02:15.\n\n# crontab -e\n15 2 * * * /opt/backup.sh\n", ""),
        ("# rotate the logs\nMAX=5\n", ""),
        ("# first\n# second\nx = 1\n", ""),
        ("It runs.", ""),
    ],
)
def test_first_heading_is_the_title_but_no_comment(text: str, expected: str) -> None:
    assert title_of_text(text) == expected


def test_stated_title_comes_first() -> None:
    assert title_of_text("# Heading\n\nText.", "  Own\n title ") == "Own title"


def test_first_line_is_short_enough_for_a_title() -> None:
    assert first_line("\n# Pump\nIt runs.") == "Pump"
    assert first_line("x" * 101) == ""
