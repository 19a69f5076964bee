"""Documentation names only what exists: commands, options, make targets, paths, links, settings and identifiers."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

import kgrag
from kgrag.chat.repl import HELP
from kgrag.cli.main import app
from kgrag.config import Config, ServerConfig
from kgrag.serialize import answer_json
from kgrag.types import Answer
from tests.support.paths import ROOT

DOCS = ROOT / "docs"
LOG_PAGE = re.compile(r"\d{4}-\d\d-\d\d\.md")
"""Pages of the experiment log are history: they keep the names of their day."""
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]
DOCUMENTS = [page for page in PAGES if not LOG_PAGE.fullmatch(page.name)]
GUIDES = sorted((DOCS / "guide").glob("*.md"))
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
README_BYTES = range(6_000, 8_001)
"""Size of README.md: a first page, not a manual."""
COMMAND: Any = get_command(app)


def page_id(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def all_commands() -> dict[tuple[str, ...], Any]:
    """Map the words of each command to the command, groups included."""
    commands: dict[tuple[str, ...], Any] = {(): COMMAND}
    for name, command in COMMAND.commands.items():
        commands[(name,)] = command
        for below, nested in getattr(command, "commands", {}).items():
            commands[name, below] = nested
    return commands


def read_document(document: Path) -> str:
    assert document.is_file(), f"{document.name} is missing"
    return document.read_text("utf-8")


def strip_code_blocks(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def code_blocks(text: str, language: str) -> list[str]:
    """Return the contents of the code blocks of one language ("" for any)."""
    name = language or r"[^\n]*"
    return re.findall(rf"^```{name}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def code_snippets(text: str) -> list[str]:
    """Return lines of code blocks, with continued lines joined, and inline code."""
    lines = [line for block in code_blocks(text, "") for line in block.replace("\\\n", " ").splitlines()]
    return lines + re.findall(r"`([^`\n]+)`", strip_code_blocks(text))


def command_calls(text: str, program: str) -> list[list[str]]:
    """Return the words after each call of a program, up to a comment, a pipe or the next command."""
    calls = []
    for snippet in code_snippets(text):
        for match in re.finditer(rf"(?:^|[$|;&]\s*|python -m |/bin/){program}\b(?![-.\w/])([^|;&]*)", snippet.strip()):
            lexer = shlex.shlex(match.group(1), posix=True, punctuation_chars=False)
            lexer.whitespace_split, lexer.commenters = True, "#"
            try:
                calls.append(list(lexer))
            except ValueError:  # an apostrophe in the output of a session
                continue
    return calls


def heading_anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and MkDocs name them."""
    headings = re.findall(r"^#+ (.*)$", strip_code_blocks(text), re.MULTILINE)
    return {re.sub(r"\s+", "-", re.sub(r"[^\w\s-]", "", h.replace("`", "")).strip().lower()) for h in headings}


def relative_links(text: str) -> list[str]:
    """Return the targets of a page's links and pictures, without those of other hosts."""
    links = re.findall(r"\]\(([^)\s]+)\)", strip_code_blocks(text))
    return [link for link in links if not re.match(r"[a-z]+:", link)]


def named_paths(text: str) -> list[str]:
    """Return the files and folders of the repository that a page names in code."""
    folders = "|".join((*PACKAGES, "tests", "docs", "examples"))
    return [s for s in code_snippets(text) if re.fullmatch(rf"(?:{folders})/[\w./-]*", s)]


def test_documents_are_found_in_every_folder() -> None:
    """A glob that matches no pages would make every other test pass."""
    folders = {page.parent.relative_to(ROOT).as_posix() for page in DOCUMENTS}
    assert folders == {
        ".",
        "docs",
        "docs/guide",
        "docs/reference",
        "docs/concepts",
        "docs/benchmarks",
        "docs/benchmarks/log",
    }
    assert len(DOCUMENTS) >= 25 and len(GUIDES) >= 12 and len(PAGES) - len(DOCUMENTS) >= 5


@pytest.mark.parametrize("document", DOCUMENTS, ids=page_id)
def test_documented_commands_and_options_exist(document: Path) -> None:
    commands = all_commands()
    calls = command_calls(read_document(document), "kgrag")
    assert calls or document not in (ROOT / "README.md", *GUIDES)
    for words in calls:
        path: tuple[str, ...] = ()
        while len(path) < len(words) and (*path, words[len(path)]) in commands:
            path = (*path, words[len(path)])
        if path == ("tune",) and "--embedder" in words:
            path, words = ("tune", "embedder"), ["tune", "embedder", *(w for w in words[1:] if w != "--embedder")]
        # what names no command of `eval` is the file that `eval run` takes; `tune` alone is `tune run`
        command = commands[(*path, "run") if path in (("eval",), ("tune",)) else path]
        following = words[len(path) : len(path) + 1]
        if hasattr(command, "commands") and following and re.fullmatch(r"[a-z][a-z-]+", following[0]):
            pytest.fail(f"{document.name}: there is no command `kgrag {' '.join(words)}`")
        options = {option for p in command.params for option in p.opts} | {"-h", "--help"}
        for word in words[len(path) :]:
            option = re.match(r"\[?(--?[a-z][a-z-]*)", word)
            assert not option or option.group(1) in options, f"{document.name}: no {word} in `kgrag {' '.join(words)}`"


@pytest.mark.parametrize("document", DOCUMENTS, ids=page_id)
def test_documented_make_targets_and_variables_exist(document: Path) -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z][a-z0-9-]*):", makefile, re.MULTILINE))
    for words in command_calls(read_document(document), "make"):
        for word in words:
            name, equals, _ = word.strip("[]").partition("=")
            if equals:
                assert f"$({name})" in makefile, f"{document.name}: make does not know {name}"
            elif re.fullmatch(r"[a-z][a-z0-9-]*", word):
                assert word in targets, f"{document.name}: there is no `make {word}`"


@pytest.mark.parametrize("document", DOCUMENTS, ids=page_id)
def test_documented_paths_exist(document: Path) -> None:
    for name in named_paths(read_document(document)):
        places = [ROOT / name, document.parent / name]
        assert any(place.exists() for place in places), f"{document.name}: there is no {name}"


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_lead_to_pages_and_headings(page: Path) -> None:
    for link in relative_links(read_document(page)):
        name, _, anchor = link.partition("#")
        target = page if not name else page.parent / name
        assert target.exists(), f"{page_id(page)}: there is no {name}"
        assert not anchor or anchor in heading_anchors(read_document(target)), f"{page_id(page)}: no heading for {link}"


@pytest.mark.parametrize(
    ("items_of", "minimum"),
    [
        (lambda text: command_calls(text, "kgrag"), 150),
        (lambda text: command_calls(text, "make"), 40),
        (named_paths, 120),
        (relative_links, 120),
        (lambda text: code_blocks(text, "python"), 4),
    ],
    ids=["kgrag", "make", "paths", "links", "python"],
)
def test_checked_items_are_many(items_of: Callable[[str], list[Any]], minimum: int) -> None:
    """The checks above see the commands, paths and links that the documents have."""
    assert sum(len(items_of(read_document(document))) for document in DOCUMENTS) >= minimum


@pytest.mark.parametrize("document", DOCUMENTS, ids=page_id)
def test_document_has_no_placeholder(document: Path) -> None:
    text = read_document(document)
    assert not re.search(r"^(?:SESSION|RESULTS|FIGURES|TODO|FIXME)$|\bTBD\b", text, re.MULTILINE)
    assert text.startswith("# ") and len(text) > 200


def test_sessions_show_the_phrases_of_the_program() -> None:
    """Sessions are real output: their last line names the source of an answer as the program prints it."""
    source = (ROOT / "kgrag" / "terminal" / "render.py").read_text("utf-8")
    pages = (ROOT / "README.md", DOCS / "getting-started.md", DOCS / "guide" / "ask.md")
    last_line = re.compile(r"^  (from [a-z ;]+ by |from [a-z ]+)", re.MULTILINE)
    last_lines = [line for page in pages for line in last_line.findall(read_document(page))]
    assert len(last_lines) >= 4
    assert [line for line in last_lines if line not in source] == []


def test_readme_has_the_size_of_a_first_page() -> None:
    assert (ROOT / "README.md").stat().st_size in README_BYTES


def imports_of(code: str) -> Iterator[tuple[str, str]]:
    """Yield (module, name) for each name that code imports, or reads from ``kgrag``."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.module, alias.name) for alias in node.names)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "kgrag":
            yield "kgrag", node.attr


def test_python_examples_use_existing_names() -> None:
    blocks = [block for document in DOCUMENTS for block in code_blocks(read_document(document), "python")]
    names = [name for block in blocks for name in imports_of(block)]
    assert ("kgrag", "open") in names and len(names) >= 4
    for module, name in names:
        assert hasattr(importlib.import_module(module), name), f"there is no {module}.{name}"


def test_python_reference_lists_every_exported_name() -> None:
    text = read_document(DOCS / "reference" / "python.md")
    assert len(kgrag.__all__) >= 15
    assert [name for name in kgrag.__all__ if not re.search(rf"`(?:kgrag\.)?{name}\b", text)] == []


def settings_table(text: str) -> dict[str, str]:
    """Return the keys and defaults of the tables with a column "default"."""
    rows = re.findall(r"^\| `([a-z_]+)` \| ([^|]+) \| [^|]+ \|$", text, re.MULTILINE)
    return {key: default.strip().strip("`").strip('"') for key, default in rows}


def test_configuration_reference_lists_every_setting_and_default() -> None:
    defaults = settings_table(read_document(DOCS / "reference" / "config.md"))
    fields = {**Config.model_fields, **ServerConfig.model_fields}
    fields.pop("server")
    assert len(fields) >= 15 and set(defaults) == set(fields)
    written = {name: str(field.default) for name, field in fields.items()}
    assert {name: text.lower() if text in ("True", "False") else text for name, text in written.items()} == defaults


def test_configuration_reference_lists_environment_variables() -> None:
    text = read_document(DOCS / "reference" / "config.md")
    documented = set(re.findall(r"`(KGRAG_[A-Z0-9_]+)`", text))
    sources = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    used = {name for path in sources for name in re.findall(r"\"(KGRAG_[A-Z0-9_]+)\"", path.read_text("utf-8"))}
    assert len(documented) >= 6
    assert used - {"KGRAG_NEO4J_HOME", "KGRAG_NEO4J_LIB"} <= documented
    assert documented <= used | {"KGRAG_NEO4J_URI"}


def test_glossary_names_existing_classes() -> None:
    text = read_document(DOCS / "concepts" / "glossary.md")
    names = set(re.findall(r"`([A-Z][a-z]\w*)(?:\.\w+)?`", text))
    sources = [path.read_text("utf-8") for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    classes = {name for source in sources for name in re.findall(r"^class (\w+)", source, re.MULTILINE)}
    assert len(names) >= 20 and sorted(names - classes) == []


def test_format_reference_lists_every_key_of_an_answer() -> None:
    text = read_document(DOCS / "reference" / "formats.md")
    keys = answer_json(Answer("question", "text")).keys()
    assert len(keys) >= 10 and [key for key in keys if f"`{key}`" not in text] == []


def declared_layers() -> list[set[str]]:
    """Return the layers that tests/test_layers.py enforces, lowest first, without data and entry points."""
    tree = ast.parse((ROOT / "tests" / "test_layers.py").read_text("utf-8"))
    assignments = [
        node for node in tree.body if isinstance(node, ast.Assign) and "LAYERS" in ast.unparse(node.targets[0])
    ]
    return [names - {"kgrag", "kgrag.data", "kgrag.__main__"} for names in ast.literal_eval(assignments[0].value)]


def test_architecture_lists_the_enforced_layers() -> None:
    rows = re.findall(r"^\| (\d+) \| (.*) \|$", read_document(DOCS / "concepts" / "architecture.md"), re.MULTILINE)
    documented = {int(number): set(re.findall(r"`([\w.]+)`", names)) for number, names in rows}
    layers = declared_layers()
    assert len(layers) >= 9
    for number, names in enumerate(layers):
        assert names <= documented[number], f"layer {number} of architecture.md lacks {names - documented[number]}"


def test_site_navigation_has_every_page() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text("utf-8").split("\nnav:\n")[1]
    listed = re.findall(r"- (\S+\.md)$", navigation, re.MULTILINE)
    assert sorted(listed) == sorted(page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md"))


def test_log_index_has_a_row_for_every_entry() -> None:
    log = DOCS / "benchmarks" / "log"
    rows = re.findall(r"^\| \d{4}-\d\d-\d\d \| \[.*?\]\((\S+)\)", read_document(log / "README.md"), re.MULTILINE)
    entries = [
        f"{page.name}#{anchor}"
        for page in sorted(log.glob("2*.md"))
        for anchor in heading_anchors(read_document(page)) - {page.stem}
    ]
    assert len(entries) >= 50 and sorted(rows) == sorted(entries)


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
            assert parameter.help, f"{parameter.name} has no help text"
    for name in getattr(command, "commands", {}):
        assert name in out


def test_all_commands_are_checked() -> None:
    assert len(all_commands()) >= 45


def test_help_of_the_program_itself() -> None:
    done = subprocess.run([sys.executable, "-m", "kgrag", "--help"], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0 and done.stderr == "" and "COMMAND [ARGS]" in done.stdout


def test_chat_help_and_guide_list_every_command() -> None:
    source = inspect.getsource(importlib.import_module("kgrag.chat.repl"))
    commands = set(re.findall(r'"(/[a-z-]+)":', source))
    assert len(commands) >= 10
    assert commands <= set(re.findall(r"/[a-z-]+", HELP))
    assert commands <= set(re.findall(r"`(/[a-z-]+)", read_document(DOCS / "guide" / "chat.md")))


def test_make_help_names_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    shown = subprocess.run(["make", "help"], capture_output=True, text=True, cwd=ROOT, check=True).stdout
    targets = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE).group(1).split()  # type: ignore[union-attr]
    assert len(targets) >= 20
    for target in targets:
        assert re.search(rf"\b{target}\b", shown) or target == "install", f"make help does not mention {target}"


@pytest.mark.parametrize("module_name", PUBLIC_MODULES)
def test_exported_names_have_docstrings(module_name: str) -> None:
    module = importlib.import_module(module_name)
    assert module.__doc__
    names = getattr(module, "__all__", None) or [n for n in vars(module) if not n.startswith("_")]
    checked = 0
    for name in names:
        member = getattr(module, name)
        is_definition = inspect.isclass(member) or inspect.isfunction(member)
        if not is_definition or member.__module__.split(".")[0] not in PACKAGES:
            continue
        checked += 1
        assert inspect.getdoc(member), f"{module_name}.{name} has no docstring"
        for attribute, method in vars(member).items() if inspect.isclass(member) else ():
            if inspect.isfunction(method) and not attribute.startswith("_") and method.__name__ == attribute:
                assert inspect.getdoc(method), f"{module_name}.{name}.{attribute} has no docstring"
    assert checked, f"{module_name} exports no class or function"
