"""Filters on metadata select exactly the documents that the guide promises, and refuse other text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indices.document_index import DocumentIndex
from kgrag.errors import UsageError
from kgrag.filters import parse_filter
from kgrag.types import DocumentProperties

DOCUMENTS = [
    DocumentProperties("a", "Plan", "reports/2025/plan.md", "en", {"created": "2025-01-15", "tags": ("q3", "Final")}),
    DocumentProperties("b", "Minutes", "notes/reports.md", "en", {"created": "2024-12-31T09:00:00", "pages": 12}),
    DocumentProperties("c", "计划", "reports/计划.md", "zh", {"modified": "2025-06-30", "author": "Zhang Wei"}),
    DocumentProperties(
        "d", "Budget", "old reports/b.xlsx", "en", {"created": "2025-06", "pages": 9, "tags": ("q3 2024",)}
    ),
]
INDEX = DocumentIndex.build(DOCUMENTS, {d.id: n for n, d in enumerate(DOCUMENTS)})


def selected(text: str, index: DocumentIndex = INDEX) -> str:
    return "".join(d.id for d, chosen in zip(DOCUMENTS, index.select(parse_filter(text)), strict=True) if chosen)


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("path:reports/", "ac"),
        ("path:reports", "abcd"),
        ("path:*.md", "abc"),
        ("path:2025/*.md", "a"),
        ("path=notes/reports.md", "b"),
        ("date>=2025-01-01", "acd"),
        ("date<2025", "b"),
        ("date<=2025-06", "abcd"),
        ("date=2025", "acd"),
        ("date>2025-01-15", "cd"),
        ("created=2024-12-31", "b"),
        ('tag:"q3"', "a"),
        ("tag:FINAL", "a"),
        ("tags:'q3 2024'", "d"),
        ("author:zhang", "c"),
        ("pages>9", "b"),
        ("pages>=9", "bd"),
        ("lang=zh", "c"),
        ("lang!=zh", "abd"),
        ("title:计划", "c"),
        ("tags!=q3", "bcd"),
        ("not lang:zh and path:reports/", "a"),
        ("lang:zh or path:notes/ and pages>100", "c"),
        ("(lang:zh or path:notes/) and not date<2025", "c"),
        ("lang:zh OR lang:en", "abcd"),
        ("path:reports/ 且 非 lang:zh", "a"),
    ],
)
def test_filter_selects_exactly_the_matching_documents(text: str, ids: str) -> None:
    assert selected(text) == ids


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "reports",
        "path:",
        "path:a and",
        "(path:a",
        "path:a)",
        "path:a lang:zh",
        "and",
        "not",
        'tag:"a" "b"',
        "(" * 99 + "a:b",
        "date>=2025-13",
        "created<2025-02-30",
        "date>yesterday",
    ],
)
def test_text_that_is_no_filter_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(UsageError, match=r"Expected .* found"):
        parse_filter(text)


def test_an_unknown_field_names_the_fields_that_exist() -> None:
    with pytest.raises(UsageError, match="did you mean author"):
        selected("authr:x")


def test_saved_index_selects_the_same_documents(tmp_path) -> None:
    INDEX.save(tmp_path / "documents")
    loaded = DocumentIndex.load(tmp_path / "documents")
    assert selected("path:reports/ and date>=2025-01-01", loaded) == "ac"
    assert loaded.fields == INDEX.fields


@given(st.text())
def test_any_text_is_parsed_or_refused_with_its_place(text: str) -> None:
    try:
        selected_documents = INDEX.select(parse_filter(text))
    except UsageError as error:
        assert str(error).startswith("Expected ")
    else:
        assert selected_documents.dtype == bool


@given(st.text(min_size=1).filter(lambda t: "\x00" not in t))
def test_a_quoted_value_may_be_any_text(value: str) -> None:
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    document = DocumentProperties("x", value, "x", "en", {})
    index = DocumentIndex.build([document], {"x": 0})
    assert index.select(parse_filter(f'title="{quoted}"')).tolist() == [True]
