"""Read source code: a heading and a block of code for each class and function, found by tree-sitter."""

from __future__ import annotations

import ast
import re
import time
from dataclasses import dataclass
from functools import partial
from typing import cast

import tree_sitter_language_pack
from tree_sitter import Node, Parser

from ingest.readers.code.source_nodes import (
    continues_definition,
    find_definition,
    has_definitions,
    heading_text,
    is_attached,
    is_transparent,
)
from ingest.readers.content import Content
from ingest.readers.read_log import ReadLog
from ingest.readers.tree_builder import TreeBuilder

MAX_PARSED_BYTES = 4 << 20
"""Maximum size of code that is parsed; larger files are generated, and a tree takes 100 times their size."""
MAX_PARSE_SECONDS = 20.0
"""Maximum time of parsing; a file at the size limit takes 2 s, broken code may take much longer."""
MAX_DEPTH = 12
"""Maximum depth of classes and namespaces inside each other that get headings of their own."""
TOP_LEVEL = 3
"""Level of the headings of top definitions; above it is the document's title, which is the file's name."""

_CLOSING = re.compile(r"[\W_]*(?:end(?:if)?\b[\w ]{0,80}[\W_]*)?")


def read_code(data: bytes, log: ReadLog, language: str) -> Content:
    """Read source code; without a grammar, or beyond the limits of parsing, it becomes one block of code.

    Raises:
        ReadError: the data is not text.
    """
    text = log.clean(log.decode(data))
    builder = TreeBuilder()
    encoded = text.encode()
    root = _parse(encoded, language) if len(encoded) <= MAX_PARSED_BYTES else None
    if root is None:
        builder.add_code(text, language)
    else:
        _SourceWriter(builder, encoded, language).write(root)
    return Content(*builder.build(), metadata={"language": language})


def _parse(source: bytes, language: str) -> Node | None:
    """Return the root of the syntax tree, or None without a grammar or beyond the time."""
    try:
        grammar = tree_sitter_language_pack.get_language(cast(tree_sitter_language_pack.SupportedLanguage, language))
    except LookupError:
        return None
    end = time.monotonic() + MAX_PARSE_SECONDS
    try:
        tree = Parser(grammar).parse(
            lambda offset, _: source[offset : offset + 65536], progress_callback=lambda *_: time.monotonic() > end
        )
    except ValueError:  # the callback stopped it
        return None
    return tree.root_node


@dataclass(slots=True)
class _Definition:
    """A class or a function, from its comments to its end, with its node."""

    start: int
    end: int
    node: Node


class _SourceWriter:
    """Writer of a parsed file: code between definitions stays code under the heading that it belongs to."""

    def __init__(self, builder: TreeBuilder, source: bytes, language: str) -> None:
        self._builder = builder
        self._source = source
        self._language = language

    def write(self, root: Node) -> None:
        """Write the whole file."""
        start = self._write_module_docstring(root) if self._language == "python" else 0
        self._write_body(root, start, len(self._source), 0, "module level")

    def _write_module_docstring(self, root: Node) -> int:
        """Write Python's module docstring as text; return the first byte after it."""
        first = next((child for child in root.named_children if child.type != "comment"), None)
        string = first.named_child(0) if first and first.type == "expression_statement" else first
        if not first or not string or string.type != "string":
            return 0
        try:
            docstring = ast.literal_eval(self._text(string.start_byte, string.end_byte))
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return 0
        if not isinstance(docstring, str):
            return 0
        self._builder.add_paragraph(docstring.strip())
        self._write_loose(0, first.start_byte, "", 0)
        return first.end_byte

    def _write_body(self, body: Node, start: int, end: int, depth: int, label: str) -> None:
        """Write the code from ``start`` to ``end`` with the definitions of ``body``.

        Args:
            body: a node with definitions among its children.
            start: first byte; code before it is written already.
            end: last byte, exclusive.
            depth: number of definitions around it.
            label: heading of the code after the first definition.
        """
        position, loose_label = start, ""
        for definition in _definitions(body, start):
            if definition.start < position:
                continue
            self._write_loose(position, definition.start, loose_label, depth)
            heading = heading_text(definition.node)
            self._builder.add_heading(heading, TOP_LEVEL + depth)
            if has_definitions(definition.node) and depth < MAX_DEPTH and _definitions(definition.node, 0):
                self._write_body(definition.node, definition.start, definition.end, depth + 1, heading)
            else:
                self._add_code(definition.start, definition.end)
            position, loose_label = definition.end, label
        self._write_loose(position, end, loose_label, depth)

    def _write_loose(self, start: int, end: int, label: str, depth: int) -> None:
        """Write code between definitions, under a heading if ``label`` is given."""
        if _CLOSING.fullmatch(self._text(start, end)):
            return
        if label:
            # the heading of the definition before would claim this code
            self._builder.add_heading(label, TOP_LEVEL + max(depth - 1, 0))
        self._add_code(start, end)

    def _add_code(self, start: int, end: int) -> None:
        line_start = self._source.rfind(b"\n", 0, start) + 1
        indent = self._source[line_start:start]
        text = self._text(start if indent.strip() else line_start, end).rstrip().lstrip(";\n")
        self._builder.add_code(_dedent(text), self._language)

    def _text(self, start: int, end: int) -> str:
        return self._source[start:end].decode("utf-8", "replace")


def _definitions(body: Node, start: int) -> list[_Definition]:
    """Return the definitions directly in ``body``, also those in conditions, exports and braces."""
    found: list[_Definition] = []
    pending = [body]
    while pending:
        attached: Node | None = None  # the first of the comments directly above
        previous: Node | None = None
        current: _Definition | None = None
        for child in pending.pop().named_children:
            is_adjacent = previous is not None and child.start_point.row - previous.end_point.row <= 1
            if current and continues_definition(current.node, child):
                current.end = child.end_byte
            elif is_attached(child):
                attached = attached if attached is not None and is_adjacent else child
                previous = child
                continue
            elif node := find_definition(child):
                first = attached if attached is not None and is_adjacent else child
                current = _Definition(max(first.start_byte, start), child.end_byte, node)
                found.append(current)
            elif is_transparent(child):
                pending.append(child)
            attached, previous = None, child
    return sorted(found, key=lambda definition: definition.start)


def _dedent(text: str) -> str:
    """Return code without the indentation of its first line, where all lines have it."""
    lines = text.strip("\n").split("\n")
    indent = lines[0][: len(lines[0]) - len(lines[0].lstrip())]
    if not indent or not all(line.startswith(indent) or not line.strip() for line in lines):
        return text
    return "\n".join(line.removeprefix(indent) for line in lines)


read_python = partial(read_code, language="python")
read_javascript = partial(read_code, language="javascript")
read_typescript = partial(read_code, language="typescript")
read_tsx = partial(read_code, language="tsx")
read_java = partial(read_code, language="java")
read_c = partial(read_code, language="c")
read_cpp = partial(read_code, language="cpp")
read_csharp = partial(read_code, language="csharp")
read_rust = partial(read_code, language="rust")
read_go = partial(read_code, language="go")
read_ruby = partial(read_code, language="ruby")
read_php = partial(read_code, language="php")
read_kotlin = partial(read_code, language="kotlin")
read_swift = partial(read_code, language="swift")
read_scala = partial(read_code, language="scala")
read_bash = partial(read_code, language="bash")
read_powershell = partial(read_code, language="powershell")
read_sql = partial(read_code, language="sql")
read_lua = partial(read_code, language="lua")
read_r = partial(read_code, language="r")
read_julia = partial(read_code, language="julia")
read_perl = partial(read_code, language="perl")
read_haskell = partial(read_code, language="haskell")
read_elixir = partial(read_code, language="elixir")
read_erlang = partial(read_code, language="erlang")
read_clojure = partial(read_code, language="clojure")
read_dart = partial(read_code, language="dart")
read_fortran = partial(read_code, language="fortran")
read_objc = partial(read_code, language="objc")
read_ocaml = partial(read_code, language="ocaml")
read_zig = partial(read_code, language="zig")
read_vb = partial(read_code, language="vb")
