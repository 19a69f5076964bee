"""Docstrings, messages, README and docs keep the prose rules of docs/contributing.md."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.docstring_args import unknown_arguments
from tests.support.paths import ROOT
from tests.support.prose import PACKAGES, check_document, check_paths, check_source


def test_source_and_docs_break_no_prose_rule() -> None:
    violations = check_paths([ROOT / part for part in (*PACKAGES, "README.md", "docs")])
    assert [f"{v.path.relative_to(ROOT)}:{v.line}: {v.rule}: {v.text}" for v in violations] == []


def test_docstrings_name_only_existing_arguments() -> None:
    sources = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    assert len(sources) > 250
    assert [line for path in sources for line in unknown_arguments(path)] == []


@pytest.mark.parametrize(
    ("source", "rule", "text"),
    [
        ('"""Return what the passage bears out."""', "banned word", "bears out"),
        ('def f():\n    """What was shown."""', "summary begins with", "What was shown."),
        ('def f():\n    """Return it' + " again" * 20 + '."""', "summary too long", "130 characters"),
        ("def f():\n    raise ValueError(f'{1}: mend the path')", "banned word", "mend"),
        ("option(help='Whoever answers.')", "banned word", "Whoever"),
        ("X = 1\n'''Kept in vain.'''", "banned word", "in vain"),
    ],
)
def test_rule_finds_its_violation(tmp_path: Path, source: str, rule: str, text: str) -> None:
    (tmp_path / "module.py").write_text(source)
    assert [(v.rule, v.text) for v in check_source(tmp_path / "module.py")] == [(rule, text)]


def test_rules_ignore_code_and_quotations(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("`mend` and\n```\nin vain\n```\nSay “anew”. See [x](mend.md).\nNor this.\n")
    assert [(v.line, v.text) for v in check_document(tmp_path / "page.md")] == [(6, "Nor")]


def test_unknown_argument_is_found(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text('def f(a):\n    """Do it.\n\n    Args:\n        a: one.\n        b: two.\n    """\n')
    assert [line.rsplit(" ", 1)[1] for line in unknown_arguments(tmp_path / "m.py")] == ["b"]
