"""Find text that breaks the prose rules: ``python -m tests.support.prose [PATH ...]`` lists it by file and line.

Checked are docstrings, `help=` texts, the texts of raised errors and of notices, README and docs (without code).
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.support.paths import ROOT

PACKAGES = ("kgrag", "ingest", "graphs", "indices")
BANNED_WORDS = (
    r"b(?:ear|ears|ore|orne|earing) out",
    r"in vain",
    r"mend(?:s|ed|ing)?",
    r"anew",
    r"lest",
    r"whoever|whomever|whosoever",
    r"nobody|somebody",
    r"reckon(?:s|ed|ing)?",
    r"held against|holds? (?:it|them) against",
    r"(?:is|are|was|were|be|been) (?:told|said)",
    r"silence|is silent|are silent|stays silent|silences",
    r"(?:set|kept|keep|keeps|tell|tells|told|say|says|said|stand|stands) apart",
    r"nor",
    r"goes on|go on|going on|went on",
    r"comes by|come by",
    r"hears?|heard",
    r"unsaid|untold|unheard",
    r"shelf|shelved|shelve",
    r"(?:people|those|one|he|she) who (?:asks?|reads?|writes?)",
    r"who(?:se)? word",
    r"house|rooms? (?:of|below|above|beside)|floors?",
    r"thing|things",
    r"lands?|peoples?",
    r"wherever|whatever",
    r"likeness|alike",
    r"by accident",
    r"at the least|at the most",
    r"of old",
    r"such as it is|as it were",
)
BANNED = re.compile(rf"\b(?:{'|'.join(BANNED_WORDS)})\b", re.IGNORECASE)
RIDDLE_START = re.compile(r"(?:What|Who|How|When|Where|Why|Of|To|From|Those|One|That|It|They|And|Or|But)\b")
"""A docstring's first line begins with a verb, a noun or Whether, not with a relative clause."""
MAX_SUMMARY_CHARS = 110


class Violation(NamedTuple):
    """A place that breaks a rule."""

    path: Path
    line: int
    rule: str
    text: str


def strip_code(text: str) -> str:
    """Remove code blocks, inline code, quotations and links' targets."""
    text = re.sub(r"^```.*?^```", lambda m: "\n" * m[0].count("\n"), text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"``[^`]*``|`[^`\n]*`", "", text)
    text = re.sub(r"\]\([^)]*\)", "]", text)
    return re.sub(r"\"[^\"\n]*\"|“[^”]*”|《[^》]*》", "", text)


def check_words(path: Path, line: int, text: str) -> Iterator[Violation]:
    """Yield each banned word of a text."""
    clean = strip_code(text)
    for match in BANNED.finditer(clean):
        yield Violation(path, line + clean[: match.start()].count("\n"), "banned word", match[0])


def check_summary(path: Path, line: int, text: str) -> Iterator[Violation]:
    """Yield what is wrong with a docstring's first line."""
    first = text.strip().split("\n")[0]
    if RIDDLE_START.match(first):
        yield Violation(path, line, "summary begins with", " ".join(first.split()[:4]))
    if len(first) > MAX_SUMMARY_CHARS:
        yield Violation(path, line, "summary too long", f"{len(first)} characters")


def literal(node: ast.AST) -> str:
    """Return the constant text of a string or of an f-string."""
    parts = [n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    return " ".join(parts)


def check_source(path: Path) -> Iterator[Violation]:
    """Yield the violations of a Python file."""
    tree = ast.parse(path.read_text("utf-8"))
    for node in ast.walk(tree):
        for name in ("body", "orelse", "finalbody"):
            block = getattr(node, name, None)
            for statement in block if isinstance(block, list) else []:
                value = statement.value if isinstance(statement, ast.Expr) else None
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    yield from check_words(path, value.lineno, value.value)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and (text := ast.get_docstring(node)):
            yield from check_summary(path, node.body[0].lineno, text)
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            yield from check_words(path, node.lineno, literal(node.exc))
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in ("notice", "print_result", "print_lines", "error", "show_table"):
                yield from check_words(path, node.lineno, literal(node))
            for keyword in node.keywords:
                if keyword.arg in ("help", "title", "description"):
                    yield from check_words(path, node.lineno, literal(keyword.value))


def check_document(path: Path) -> Iterator[Violation]:
    """Yield the violations of a Markdown file."""
    yield from check_words(path, 1, path.read_text("utf-8"))


def check_paths(paths: list[Path]) -> list[Violation]:
    """Return the violations in files and folders."""
    violations: list[Violation] = []
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.suffix == ".py":
                violations += check_source(file)
            elif file.suffix == ".md" and "log" not in file.parts:
                violations += check_document(file)
    return violations


def main(arguments: list[str]) -> None:
    """Print the violations in files and folders."""
    paths = [Path(a) for a in arguments] or [ROOT / p for p in (*PACKAGES, "README.md", "docs")]
    for path, line, rule, text in check_paths(paths):
        print(f"{path}:{line}: {rule}: {text}")


if __name__ == "__main__":
    main(sys.argv[1:])
