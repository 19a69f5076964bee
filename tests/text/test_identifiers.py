"""Test the forms of identifiers."""

from __future__ import annotations

import pytest

from kgrag.text.identifiers import RUN, identifier_forms, written_date_forms


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        ("--force-with-lease", ["--force-with-lease", "force-with-lease", "forcewithlease"]),
        ("--color=auto", ["--color=auto", "--color", "color=auto"]),
        ("-l", ["-l"]),
        ("core.bigFileThreshold", ["core.bigfilethreshold", "big", "file", "threshold"]),
        ("ORA-00942", ["ora-00942", "ora00942"]),
        ("v1.2.3", ["1.2.3", "1.2"]),
        ("12.1.0.10", ["12.1.0.10", "12.1.0", "12.1"]),
        ("2.0-rc1", ["2.0", "2.0-rc1"]),
        ("2024-12-01", ["2024-12-01", "2024-12"]),
        ("2024/12/1", ["2024-12-01", "2024-12", "2024/12/1"]),
        ("/etc/apt/sources.list", ["/etc/apt/sources.list", "etc/apt/sources.list", "sources.list"]),
        (".gitattributes", [".gitattributes"]),
        ("sqlite3_exec", ["sqlite3_exec", "sqlite3exec"]),
        ("std::vector", ["std::vector"]),
        ("\\newpage", ["\\newpage"]),
        ("C++", ["c++"]),
        ("C#", ["c#"]),
        (".NET", [".net"]),
        ("HEAD~3", ["head~3"]),
        ("word", []),
        ("don't", []),
        ("LaTeX", []),
    ],
)
def test_identifier_forms_whole_and_parts(run: str, expected: list[str]) -> None:
    match = RUN.fullmatch(run)
    assert match is not None
    assert [form for form in expected if form not in identifier_forms(run)] == []
    assert len(identifier_forms(run)) <= len(expected) + 1


def test_identifier_forms_equal_for_styles() -> None:
    """Hyphens, underscores and camel case of one name share a token."""
    assert "bigfile" in identifier_forms("big_file")
    assert "bigfile" in identifier_forms("big-file")
    assert {"big", "file"} <= {*identifier_forms("bigFile")}


def test_identifier_forms_of_long_data_have_no_whole() -> None:
    assert identifier_forms("x" * 60 + "-" + "y" * 60) == ()


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("1 December 2024", ["2024-12-01", "2024-12"]),
        ("Dec 1st, 2024", ["2024-12-01", "2024-12"]),
        ("2024年12月1日", ["2024-12-01", "2024-12"]),
        ("December 2024", ["2024-12"]),
        ("2024", []),
        ("word", []),
    ],
)
def test_written_date_forms(written: str, expected: list[str]) -> None:
    assert written_date_forms(written) == expected
