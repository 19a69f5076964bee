"""The command line reference is generated from the commands, and complete."""

from __future__ import annotations

from typer.main import get_command

from kgrag.cli.main import app
from kgrag.cli.reference import render_reference
from tests.support.paths import ROOT

REFERENCE_PAGE = ROOT / "docs" / "reference" / "cli.md"


def test_reference_page_is_current() -> None:
    assert REFERENCE_PAGE.read_text("utf-8") == render_reference(), (
        "run `python -m kgrag.cli.reference > docs/reference/cli.md`"
    )


def test_reference_has_every_command_with_help() -> None:
    text = render_reference()
    commands = get_command(app).commands  # type: ignore[attr-defined]
    assert len(commands) >= 14
    for name, command in commands.items():
        for path in [f"{name} {below}" for below in getattr(command, "commands", {})] or [name]:
            assert f"\n## kgrag {path}\n" in text


def test_every_argument_and_option_has_help() -> None:
    rows = [line for line in render_reference().splitlines() if line.startswith("| `")]
    assert len(rows) > 200
    assert [row for row in rows if row.endswith("|  |")] == []


def test_help_of_arguments_is_shown() -> None:
    ask = get_command(app).commands["ask"]  # type: ignore[attr-defined]
    assert ask.params[0].help == "Question in English or Chinese."
