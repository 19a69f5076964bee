"""Source code has a heading and a block of code for each class and function."""

from __future__ import annotations

import pytest

from ingest.readers.code.source_reader import MAX_PARSED_BYTES, read_code, read_python
from ingest.readers.content import Content
from ingest.readers.read_log import ReadLog
from kgrag.errors import ReadError
from kgrag.tree import BlockKind, HeadingPath


def headings(content: Content) -> list[str]:
    return ["#" * (b.level - 2) + " " + b.label for b in content.tree.blocks if b.kind is BlockKind.HEADING]


def path_of(content: Content, text: str) -> tuple[str, ...]:
    return HeadingPath(content.tree).at(content.text.index(text))


PYTHON = b'''#!/usr/bin/env python
"""Store of mills."""

import os

LIMIT = 3


@register
# which mill
class Store(Base):
    """A store."""

    size: int = 1

    @property
    def path(self) -> str:
        """Return the path."""
        def inner(): return 1
        return inner()

    name = "mill"


def open_store(path: str, *, mode: str = "r") -> Store:
    """Open a store."""
    return Store()


if LIMIT:
    def extra(): pass

print(LIMIT)
'''


def test_python_definitions_have_headings() -> None:
    content = read_python(PYTHON, ReadLog())
    assert content.text.startswith("Store of mills.\n\n```python\n#!/usr/bin/env python\n```")
    assert headings(content) == [
        "# class Store(Base)",
        "## def path(self) -> str",
        "# class Store(Base)",
        '# def open_store(path: str, *, mode: str = "r") -> Store',
        "# module level",
        "# def extra()",
        "# module level",
    ]
    assert path_of(content, "Return the path") == ("class Store(Base)", "def path(self) -> str")
    assert path_of(content, 'name = "mill"') == ("class Store(Base)",)
    assert path_of(content, "print(LIMIT)") == ("module level",)
    assert path_of(content, "import os") == ()
    assert (content.title, content.metadata) == ("", {"language": "python"})


def test_python_code_is_kept_whole_and_dedented() -> None:
    content = read_python(PYTHON, ReadLog())
    assert '```python\n@property\ndef path(self) -> str:\n    """Return the path."""\n    def inner()' in content.text
    for line in PYTHON.decode().split("\n")[3:]:
        assert line.strip() in content.text


@pytest.mark.parametrize(
    ("language", "code", "expected"),
    [
        (
            "javascript",
            "/** doc */\nexport class A extends B {\n  m(a) { return 1 }\n}\nconst g = (x) => x + 1;\nexport default function f() {}",
            ["# class A extends B", "## m(a)", "# const g = (x)", "# function f()"],
        ),
        (
            "typescript",
            "export interface I { a: string }\nnamespace N { export function q(): void {} }\n@Service()\nexport class D { n(): number { return 1 } }",
            ["# interface I", "# namespace N", "## function q(): void", "# class D", "## n(): number"],
        ),
        (
            "java",
            "package a;\npublic class A<T> {\n  @Override public int f(int a) { return 1; }\n}\ninterface I { void m(); }",
            ["# public class A<T>", "## public int f(int a)", "# interface I"],
        ),
        (
            "c",
            "#ifdef X\nstatic char *g(void) { return 0; }\n#endif\nstruct S { int a; };\ntypedef struct { int b; } T;\nint p(int);",
            ["# static char *g(void)", "# struct S", "# typedef struct T", "# module level"],
        ),
        (
            "cpp",
            "namespace n {\ntemplate <class T> class A { int f() const { return 1; } };\n}\nint n::B::g(int x) { return 1; }",
            ["# namespace n", "## class A", "### int f() const", "# int n::B::g(int x)"],
        ),
        (
            "rust",
            "/// doc\n#[derive(Debug)]\npub struct S { a: i32 }\nimpl Foo for S {\n  fn f(&self) -> i32 { 1 }\n}",
            ["# pub struct S", "# impl Foo for S", "## fn f(&self) -> i32"],
        ),
        ("go", "package a\n// F doc\nfunc F(a int) error { return nil }\ntype S struct { a int }", ["# func F(a int) error", "# type S struct"]),
        ("ruby", "module M\n  class A < B\n    def f(a)\n      1\n    end\n  end\nend", ["# module M", "## class A < B", "### def f(a)"]),
        ("php", "<?php\nnamespace A;\nclass B { public function f($a) { } }", ["# class B", "## public function f($a)"]),
        ("csharp", "namespace N { public class A { public void M(int a) { } } }", ["# namespace N", "## public class A", "### public void M(int a)"]),
        ("kotlin", "class A(val x: Int) {\n  fun f(): Int = 1\n}", ["# class A(val x: Int)", "## fun f(): Int"]),
        ("swift", "struct A { func f() -> Int { 1 } }", ["# struct A", "## func f() -> Int"]),
        ("scala", "object O { def f(x: Int): Int = 1 }", ["# object O", "## def f(x: Int): Int"]),
        ("bash", "# doc\nf() {\n echo a\n}", ["# f()"]),
        ("sql", "CREATE TABLE t (a int);\nCREATE VIEW v AS SELECT 1;", ["# CREATE TABLE t", "# CREATE VIEW v"]),
        ("lua", "local function f(a) return 1 end\nM.h = function() end", ["# local function f(a)", "# M.h = function()"]),
        ("r", "f <- function(a) {\n 1\n}", ["# f <- function(a)"]),
        ("julia", "module M\nfunction f(a)\n 1\nend\ng(x) = 1\nend", ["# module M", "## function f(a)", "## g(x) = 1"]),
        ("perl", "package A;\nsub f { 1 }", ["# sub f"]),
        ("haskell", "f :: Int -> Int\nf 0 = 1\nf x = 2\ndata D = A | B", ["# f 0 = 1", "# data D = A | B"]),
        ("elixir", "defmodule M do\n  def f(a), do: 1\nend", ["# defmodule M", "## def f(a), do: 1"]),
    ],
)  # fmt: skip
def test_definitions_of_language_have_headings(language: str, code: str, expected: list[str]) -> None:
    content = read_code(code.encode(), ReadLog(), language)
    assert headings(content) == expected
    assert content.metadata == {"language": language}


def test_comments_stay_with_their_definition() -> None:
    content = read_code(b"int a;\n\n// Opens the mill.\n// In May.\nint open(void) { return 1; }\n", ReadLog(), "c")
    assert path_of(content, "Opens the mill") == ("int open(void)",)


@pytest.mark.parametrize("code", ["def broken(:\n  x = (((\nclass", "x = 1\n", "def f(): pass"])
def test_broken_code_is_kept(code: str) -> None:
    content = read_python(code.encode(), ReadLog())
    for word in ("broken", "x = ", "class", "pass"):
        assert (word in content.text) == (word in code)


def test_code_without_grammar_is_one_block() -> None:
    content = read_code(b"Sub Main()\nEnd Sub\n", ReadLog(), "visualbasic")
    assert content.text == "```visualbasic\nSub Main()\nEnd Sub\n```"


def test_code_beyond_the_limit_is_not_parsed() -> None:
    content = read_python(b"def f(): pass\n" * (MAX_PARSED_BYTES // 14 + 1), ReadLog())
    assert [block.kind for block in content.tree.blocks] == [BlockKind.CODE]


def test_code_beyond_the_time_is_one_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.readers.code.source_reader.MAX_PARSE_SECONDS", -1.0)
    content = read_python(PYTHON * 50, ReadLog())
    assert [block.kind for block in content.tree.blocks] == [BlockKind.CODE]


def test_deeply_nested_code_is_read() -> None:
    nested = "".join(" " * depth + f"class A{depth}:\n" for depth in range(300)) + " " * 300 + "pass"
    assert "class A299" in read_python(nested.encode(), ReadLog()).text
    assert read_code(b"{" * 50_000 + b"a", ReadLog(), "javascript").text.count("{") == 50_000


def test_binary_data_raises() -> None:
    with pytest.raises(ReadError, match="found binary data"):
        read_python(b"\x7fELF\x00\x01\x02\xff", ReadLog())
