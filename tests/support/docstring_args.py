"""Find docstring arguments that the function does not have: ``python -m tests.support.docstring_args [PATH ...]``."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.support.paths import ROOT

PACKAGES = ("kgrag", "ingest", "graphs", "indices")


def unknown_arguments(path: Path) -> Iterator[str]:
    """Yield ``file:line: name`` for each entry of an ``Args:`` section that names no parameter or field."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(node, (ast.FunctionDef, ast.ClassDef)) or not (text := ast.get_docstring(node)):
            continue
        section = re.search(r"^Args:\n(.*?)(?:\n\S|\Z)", text, re.MULTILINE | re.DOTALL)
        if not section:
            continue
        functions = [n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"]
        function = node if isinstance(node, ast.FunctionDef) else functions[0] if functions else None
        known = {f.target.id for f in node.body if isinstance(f, ast.AnnAssign) and isinstance(f.target, ast.Name)}
        if function is not None:
            every = function.args
            known |= {a.arg for a in [*every.posonlyargs, *every.args, *every.kwonlyargs]}
            known |= {a.arg for a in (every.vararg, every.kwarg) if a is not None}
        for name in re.findall(r"^    (\w+)(?:, (\w+))*:", section[1], re.MULTILINE):
            for one in filter(None, name):
                if one not in known:
                    yield f"{path}:{node.lineno}: {one}"


def main(arguments: list[str]) -> None:
    """Print the unknown arguments in files and folders."""
    for path in [Path(a) for a in arguments] or [ROOT / package for package in PACKAGES]:
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            print(*unknown_arguments(file), sep="\n", end="\n" if any(True for _ in unknown_arguments(file)) else "")


if __name__ == "__main__":
    main(sys.argv[1:])
