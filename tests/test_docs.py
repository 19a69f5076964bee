"""The documents say what is there: commands, options, make targets, paths; and every exported name explains itself."""

from __future__ import annotations

import importlib
import inspect
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from kgrag.chat.repl import HELP
from kgrag.cli.main import app
from kgrag.config import Config

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PACKAGES = ("kgrag", "ingest", "graphs", "indices")
PUBLIC_MODULES = (
    "kgrag",
    "kgrag.types",
    "kgrag.protocols",
    "kgrag.errors",
    "kgrag.store.store",
    "kgrag.answering.pipeline",
    "kgrag.chat.repl",
    "kgrag.cli.main",
)
COMMAND: Any = get_command(app)


def all_commands() -> dict[tuple[str, ...], Any]:
    """Every command by the words that call it, groups too."""
    found: dict[tuple[str, ...], Any] = {(): COMMAND}
    for name, command in COMMAND.commands.items():
        found[(name,)] = command
        for below, nested in getattr(command, "commands", {}).items():
            found[name, below] = nested
    return found


def read_document(document: Path) -> str:
    assert document.is_file(), f"{document.name} is missing"
    return document.read_text("utf-8")


def code_snippets(text: str) -> list[str]:
    """Lines of code blocks, and what stands in backticks; continued lines joined."""
    blocks = re.findall(r"^```[^\n]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return lines + re.findall(r"`([^`\n]+)`", prose)


def command_calls(text: str, program: str) -> list[list[str]]:
    """The words after each call of a program, up to a comment, a pipe or the next command."""
    found = []
    for snippet in code_snippets(text):
        for match in re.finditer(rf"(?:^|[$|;&]\s*|python -m |/bin/){program}\b(?![-.\w/])([^|;&]*)", snippet.strip()):
            lexer = shlex.shlex(match.group(1), posix=True, punctuation_chars=False)
            lexer.whitespace_split, lexer.commenters = True, "#"
            try:
                found.append(list(lexer))
            except ValueError:  # an apostrophe in the output of a session
                continue
    return found


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_and_option_that_is_named_exists(document: Path) -> None:
    known = all_commands()
    named = command_calls(read_document(document), "kgrag")
    assert named or document.name != "README.md"
    for words in named:
        path: tuple[str, ...] = ()
        while len(path) < len(words) and (*path, words[len(path)]) in known:
            path = (*path, words[len(path)])
        if path == ("tune",) and "--embedder" in words:
            path, words = ("tune", "embedder"), ["tune", "embedder", *(w for w in words[1:] if w != "--embedder")]
        # what names no command of `eval` is the file that `eval run` takes; `tune` alone is `tune run`
        command = known[(*path, "run") if path in (("eval",), ("tune",)) else path]
        following = words[len(path) : len(path) + 1]
        if hasattr(command, "commands") and following and re.fullmatch(r"[a-z][a-z-]+", following[0]):
            pytest.fail(f"{document.name}: there is no command `kgrag {' '.join(words)}`")
        options = {option for p in command.params for option in p.opts} | {"-h", "--help"}
        for word in words[len(path) :]:
            option = re.match(r"\[?(--?[a-z][a-z-]*)", word)
            assert not option or option.group(1) in options, f"{document.name}: no {word} in `kgrag {' '.join(words)}`"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_make_target_and_variable_that_is_named_exists(document: Path) -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))
    for words in command_calls(read_document(document), "make"):
        for word in words:
            name, equals, _ = word.strip("[]").partition("=")
            if equals:
                assert f"$({name})" in makefile, f"{document.name}: make does not know {name}"
            elif re.fullmatch(r"[a-z][a-z-]*", word):
                assert word in targets, f"{document.name}: there is no `make {word}`"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_path_that_is_named_exists(document: Path) -> None:
    folders = "|".join((*PACKAGES, "tests", "docs", "examples"))
    text = read_document(document)
    paths = [s for s in code_snippets(text) if re.fullmatch(rf"(?:{folders})/[\w./-]*", s)]
    paths += re.findall(r"\]\(([\w./-]+)\)", text)
    for name in paths:
        places = [ROOT / name, document.parent / name]
        assert any(place.exists() for place in places), f"{document.name}: there is no {name}"


def test_the_readme_is_finished_and_names_every_setting() -> None:
    text = read_document(ROOT / "README.md")
    assert not re.search(r"^(?:SESSION|RESULTS|FIGURES|TODO|FIXME)$|\bTBD\b", text, re.MULTILINE)
    for setting in re.findall(r"settings \(([^)]*)\)", text):
        assert set(re.findall(r"`(\w+)`", setting)) <= set(Config.model_fields)


@pytest.mark.parametrize("path", sorted(all_commands()), ids=lambda path: " ".join(path) or "kgrag")
def test_help_lists_every_option(path: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    command = all_commands()[path]
    with pytest.raises(SystemExit) as stop:
        app([*path, "--help"], prog_name="kgrag")
    out, err = capsys.readouterr()
    assert not stop.value.code and err == ""
    assert command.help or command.callback.__doc__
    for parameter in command.params:
        if parameter.param_type_name == "option":
            assert max(parameter.opts, key=len) in out
            assert parameter.help, f"{parameter.name} says nothing about itself"
    for name in getattr(command, "commands", {}):
        assert name in out


def test_help_of_the_program_itself() -> None:
    done = subprocess.run([sys.executable, "-m", "kgrag", "--help"], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0 and done.stderr == "" and "COMMAND [ARGS]" in done.stdout


def test_the_chat_lists_every_command() -> None:
    source = inspect.getsource(importlib.import_module("kgrag.chat.repl"))
    assert set(re.findall(r'"(/[a-z-]+)":', source)) <= set(re.findall(r"/[a-z-]+", HELP))


def test_make_help_names_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    shown = subprocess.run(["make", "help"], capture_output=True, text=True, cwd=ROOT, check=True).stdout
    for target in re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE).group(1).split():  # type: ignore[union-attr]
        assert re.search(rf"\b{target}\b", shown) or target == "install", f"make help says nothing about {target}"


@pytest.mark.parametrize("door", PUBLIC_MODULES)
def test_exported_names_have_docstrings(door: str) -> None:
    module = importlib.import_module(door)
    assert module.__doc__
    names = getattr(module, "__all__", None) or [n for n in vars(module) if not n.startswith("_")]
    for name in names:
        thing = getattr(module, name)
        if not (inspect.isclass(thing) or inspect.isfunction(thing)) or thing.__module__.split(".")[0] not in PACKAGES:
            continue
        assert inspect.getdoc(thing), f"{door}.{name} has no docstring"
        for attribute, method in vars(thing).items() if inspect.isclass(thing) else ():
            if inspect.isfunction(method) and not attribute.startswith("_") and method.__name__ == attribute:
                assert inspect.getdoc(method), f"{door}.{name}.{attribute} has no docstring"
