"""`kgrag --help` loads no command, and looks as if typer had drawn it from the loaded commands."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
from typer import rich_utils
from typer.main import get_command

from kgrag.cli.command_table import COMMANDS, LoadedCommands
from kgrag.cli.main import app
from tests.support.paths import ROOT

PRINT_LOADED_MODULES = """
import sys
from kgrag.cli.main import app
try:
    app(sys.argv[1:], prog_name="kgrag")
finally:
    print(*sorted(name for name in sys.modules if name.startswith(("kgrag.cli.", "rich.markdown"))), file=sys.stderr)
"""
BASE_MODULES = {f"kgrag.cli.{name}" for name in ("command_table", "exit_codes", "main", "root_group", "root_help")}


def run_and_list_modules(*arguments: str, **variables: str) -> tuple[str, set[str]]:
    """Run the program in a process of its own; return its output and the modules of the command line that it loaded."""
    command = [sys.executable, "-c", PRINT_LOADED_MODULES, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env={**os.environ, **variables})
    return done.stdout, set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize("name", COMMANDS)
def test_summary_is_the_first_paragraph_of_help(name: str) -> None:
    command = LoadedCommands()[name]
    assert command.name == name
    assert COMMANDS[name].summary == " ".join(command.help.split("\n\n")[0].split())


@pytest.mark.parametrize("is_coloured", [False, True], ids=["plain", "coloured"])
@pytest.mark.parametrize("width", [20, 50, 80, 133])
def test_root_help_is_what_typer_draws(
    width: int, is_coloured: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for variable in ("GITHUB_ACTIONS", "PY_COLORS", "NO_COLOR", "_TYPER_FORCE_DISABLE_TERMINAL", "TERMINAL_WIDTH"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("FORCE_COLOR", "1" if is_coloured else "")
    monkeypatch.setattr(rich_utils, "FORCE_TERMINAL", is_coloured or None)
    monkeypatch.setattr(rich_utils, "MAX_WIDTH", None)
    root: Any = get_command(app)
    with root.make_context("kgrag", ["status"]) as ctx:
        rich_utils.rich_format_help(obj=root, ctx=ctx, markup_mode="rich")
        drawn_by_typer = capsys.readouterr().out
        root.get_help(ctx)
    drawn = capsys.readouterr().out
    assert drawn == drawn_by_typer and "bench" in drawn
    assert ("\x1b[" in drawn) == is_coloured
    assert is_coloured or max(map(len, drawn.splitlines())) == width


def test_terminal_width_variable_sets_the_width_of_root_help() -> None:
    out, _ = run_and_list_modules("--help", TERMINAL_WIDTH="64", COLUMNS="90")
    assert max(map(len, out.splitlines())) == 64


def test_root_help_loads_no_command_and_no_markdown_parser() -> None:
    out, modules = run_and_list_modules("--help")
    assert "Commands" in out and modules == BASE_MODULES


def test_command_loads_no_other_group() -> None:
    out, modules = run_and_list_modules("status", "--help")
    assert "--store" in out and "kgrag.cli.status" in modules
    assert not {name for name in modules if name.startswith(("kgrag.cli.bench", "kgrag.cli.eval", "kgrag.cli.tune"))}


def test_completion_lists_commands_without_loading_them() -> None:
    variables = {"_KGRAG_COMPLETE": "complete_bash", "COMP_WORDS": "kgrag ", "COMP_CWORD": "1"}
    out, modules = run_and_list_modules(**variables)
    assert out.split() == list(COMMANDS) and modules <= BASE_MODULES
    out, _ = run_and_list_modules(**{**variables, "COMP_WORDS": "kgrag st"})
    assert out.split() == ["status"]
    out, _ = run_and_list_modules(**{**variables, "COMP_WORDS": "kgrag --ver"})
    assert out.split() == ["--version", "--verbose"]
    out, _ = run_and_list_modules(**{**variables, "COMP_WORDS": "kgrag graph st", "COMP_CWORD": "2"})
    assert out.split() == ["stats"]


def test_commands_behave_as_a_mapping() -> None:
    commands = LoadedCommands()
    assert list(commands) == list(COMMANDS) and len(commands) == len(COMMANDS)
    assert "ask" in commands and "aks" not in commands and commands.get("aks") is None
    assert {"path", "stats"} <= set(commands["graph"].commands)
    with pytest.raises(KeyError):
        commands["aks"]


def test_all_commands_load_no_heavy_library() -> None:
    code = "import sys; from kgrag.cli.command_table import LoadedCommands; print(len([*LoadedCommands().values()]), *sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    number, *modules = done.stdout.split()
    assert int(number) == len(COMMANDS)
    assert {"torch", "faiss", "spacy", "openvino", "transformers", "scipy"}.isdisjoint(modules)
