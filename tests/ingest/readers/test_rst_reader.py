"""reStructuredText becomes sections, lists, tables and code; directives give up their text."""

from __future__ import annotations

import pytest

from ingest.readers.content import Content
from ingest.readers.markup.rst_reader import read_rst
from ingest.readers.markup.rst_tables import parse_grid_table, parse_simple_table
from ingest.readers.read_log import ReadLog
from kgrag.errors import ReadError
from kgrag.tree import BlockKind


def read(text: str) -> Content:
    return read_rst(text.encode(), ReadLog())


def test_rst_titles_and_fields() -> None:
    content = read(
        ".. _top:\n\n=====\nTitle\n=====\n\n:Author: Ada\n:Date: 2024-05-01\n\nText\n\nPart\n=====\n\nSub\n---\n\nPart 2\n======\n"
    )
    assert content.metadata == {"author": "Ada", "created": "2024-05-01"}
    assert [(b.level, b.label) for b in content.tree.blocks if b.kind is BlockKind.HEADING] == [
        (1, "Title"),
        (2, "Part"),
        (3, "Sub"),
        (2, "Part 2"),
    ]


def test_rst_lists_hold_code_and_lists() -> None:
    content = read(
        "- one\n- two\n  more\n\n  * nested\n\n1. first::\n\n     code\n\nterm\n   text\n\n-v, --verbose  say more\n"
    )
    assert content.text == (
        "- one\n- two more\n  - nested\n1. first:\n\n```\ncode\n```\n\n- term: text\n\n-v, --verbose  say more"
    )


def test_rst_code_blocks_keep_indentation() -> None:
    content = read(
        "Run::\n\n   a\n     b\n\n::\n\n  c\n\n.. code-block:: python\n   :linenos:\n\n   def f():\n       pass\n\n>>> 1 + 1\n2\n"
    )
    assert content.text == (
        "Run:\n\n```\na\n  b\n```\n\n```\nc\n```\n\n```python\ndef f():\n    pass\n```\n\n```python\n>>> 1 + 1\n2\n```"
    )


def test_rst_directives_give_their_text() -> None:
    content = read(
        ".. note::\n\n   Take care.\n\n.. versionadded:: 3.2\n   The flag.\n\n.. toctree::\n   a\n\n.. comment\n   hidden\n\n"
        ".. function:: open(path)\n\n   Open it.\n\n   .. warning:: Hot.\n\n.. figure:: x.png\n   :alt: A mill\n\n   The mill.\n\n"
        ".. raw:: html\n\n   <b>\n\n.. [1] A note.\n"
    )
    assert content.text == (
        "Note: Take care.\n\nAdded in version 3.2: The flag.\n\n## open(path)\n\nOpen it.\n\nWarning: Hot.\n\nA mill\n\n"
        "The mill.\n\n[1] A note."
    )


def test_rst_inline_markup_is_plain() -> None:
    content = read(
        "Use ``a_*b*_``, :ref:`the mill <mill>`, :class:`~a.b.Store`, `page <http://x>`_, *em*, **bold**, 2*3*4, |x| and [1]_.\n\n"
        ".. |x| replace:: Vale Mill\n"
    )
    assert content.text == "Use a_*b*_, the mill, Store, page, em, bold, 2*3*4, Vale Mill and [1]."


def test_grid_table_repeats_merged_cells() -> None:
    table = [
        "+------+------+------+",
        "| Name | Default     |",
        "+------+------+------+",
        "|      | low  | high |",
        "+======+======+======+",
        "| 水车 | 1    | 2    |",
        "+      +------+------+",
        "|      | 3    | 4    |",
        "+------+------+------+",
        "| b    | wide        |",
        "|      | text        |",
        "+------+-------------+",
    ]
    assert parse_grid_table(table) == (
        ["Name", "Default low", "Default high"],
        [["水车", "1", "2"], ["水车", "3", "4"], ["b", "wide text", "wide text"]],
    )


def test_simple_table_joins_continued_rows() -> None:
    table = [
        "=====  =====",
        "X      Y",
        "=====  =====",
        "1      2",
        "       more and longer",
        "水车   4",
        "=====  =====",
    ]
    assert parse_simple_table(table) == (["X", "Y"], [["1", "2 more and longer"], ["水车", "4"]])
    assert parse_simple_table(["===  ===", "1    2", "===  ==="]) == ([], [["1", "2"]])


def test_rst_tables_become_rows() -> None:
    content = read(
        ".. list-table:: Ports\n   :header-rows: 1\n\n   * - Name\n     - Port\n   * - web\n     - 80\n\n"
        '.. csv-table:: T\n   :header: "A", "B"\n\n   "1, 2", 3\n\n=====  ===\nX      Y\n=====  ===\n``a``  2\n=====  ===\n\nAfter\n'
    )
    assert content.text == "Ports\n\nName: web; Port: 80\n\nT\n\nA: 1, 2; B: 3\nX: a; Y: 2\n\nAfter"


@pytest.mark.parametrize(
    "line", [".. include:: /etc/passwd", ".. literalinclude:: /etc/passwd", ".. csv-table:: T\n   :file: /etc/passwd"]
)
def test_rst_files_are_not_included(line: str) -> None:
    content = read(f"Text\n\n{line}\n")
    assert content.text == "Text"
    assert content.problems == ("expected text, found includes that are not followed: /etc/passwd",)


@pytest.mark.parametrize(
    "text",
    [
        "+--+--+\n| a",
        "== ==\na",
        "::",
        ".. code::",
        ".. |",
        "====\nA",
        "- ",
        "+----+\n+----+",
        ".. list-table::\n\n   * -",
        ":a:",
    ],
)
def test_rst_broken_text_is_read(text: str) -> None:
    assert read(f"Start\n\n{text}").text.startswith("Start")


def test_rst_deep_indentation_is_read() -> None:
    assert "deep499" in read("".join(" " * depth + f"deep{depth}\n\n" for depth in range(500))).text


def test_rst_binary_data_raises() -> None:
    with pytest.raises(ReadError, match="found binary data"):
        read_rst(b"A\n=\x00\x01\xff", ReadLog())
