"""Notebooks become text, code and printed results."""

from __future__ import annotations

import json

import pytest

from ingest.readers.content import Content
from ingest.readers.markup.notebook_reader import parse_html_table, read_notebook
from ingest.readers.read_log import ReadLog
from kgrag.errors import ReadError
from kgrag.tree import BlockKind


def read(*cells: dict[str, object], **metadata: object) -> Content:
    return read_notebook(json.dumps({"nbformat": 4, "metadata": metadata, "cells": cells}).encode(), ReadLog())


def code(source: str, *outputs: dict[str, object]) -> dict[str, object]:
    return {"cell_type": "code", "source": source, "outputs": list(outputs)}


def blocks(content: Content) -> list[tuple[BlockKind, str, str]]:
    return [(b.kind, b.label, content.text[b.start : b.end]) for b in content.tree.blocks]


def test_notebook_cells_become_blocks() -> None:
    content = read(
        {"cell_type": "markdown", "source": ["# Mill\n", "\n", "It opens. ![x](attachment:a.png)"]},
        code("print(1)", {"output_type": "stream", "text": ["1\n", "2\n"]}),
        {"cell_type": "raw", "source": "Raw text"},
        kernelspec={"language": "R"},
        authors=[{"name": "Ada"}, {"name": "Bob"}],
        title="The Mill",
    )
    assert blocks(content) == [
        (BlockKind.HEADING, "Mill", "# Mill"),
        (BlockKind.PARAGRAPH, "", "It opens. "),
        (BlockKind.CODE, "r", "```r\nprint(1)\n```"),
        (BlockKind.CODE, "text", "```text\n1\n2\n```"),
    ]
    assert content.text.endswith("Raw text")
    assert (content.title, content.metadata) == ("The Mill", {"author": "Ada, Bob", "kernel": "r"})


def test_notebook_data_frame_becomes_rows() -> None:
    table = (
        "<div><style>x</style><table><thead><tr><th></th><th>Name</th><th>Port</th></tr></thead><tbody>"
        "<tr><th>0</th><td>web</td><td>80</td></tr><tr><th>1</th><td>a &amp; b</td><td>1</td></tr></tbody></table></div>"
    )
    content = read(code("df", {"output_type": "execute_result", "data": {"text/html": [table], "text/plain": "x"}}))
    rows = [text for kind, _, text in blocks(content) if kind is BlockKind.ROW]
    assert rows == ["Name: web; Port: 80", "Name: a & b; Port: 1"]


def test_notebook_pictures_and_traces_are_left_out() -> None:
    content = read(
        code(
            "plot()",
            {
                "output_type": "display_data",
                "data": {"image/png": "iVBORw0KGgo" * 50, "text/plain": "<Figure size 1x1>"},
            },
            {"output_type": "error", "ename": "ValueError", "evalue": "no mill", "traceback": ["\x1b[31mlong"] * 9},
            {"output_type": "stream", "text": "10%\r50%\r100%\n\x1b[1mdone\x1b[0m"},
        )
    )
    assert [text for _, _, text in blocks(content)] == [
        "```python\nplot()\n```",
        "```text\nValueError: no mill\n```",
        "```text\n100%\ndone\n```",
    ]


def test_notebook_long_output_is_cut() -> None:
    content = read(code("x", {"output_type": "stream", "text": "line\n" * 5000}))
    assert len(content.text) < 5000 and "…" in content.text


def test_notebook_unclosed_fence_stays_in_its_cell() -> None:
    content = read({"cell_type": "markdown", "source": "```\nopen"}, {"cell_type": "markdown", "source": "# After"})
    assert blocks(content)[-1] == (BlockKind.HEADING, "After", "# After")


def test_notebook_of_format_3_is_read() -> None:
    cells = [{"cell_type": "heading", "level": 2, "source": "Mill"}, {"cell_type": "code", "input": "1", "outputs": []}]
    content = read_notebook(json.dumps({"worksheets": [{"cells": cells}]}).encode(), ReadLog())
    assert [text for _, _, text in blocks(content)] == ["## Mill", "```python\n1\n```"]


def test_html_table_of_an_output_must_be_alone() -> None:
    assert parse_html_table("<p>none</p>") == parse_html_table("<table><tr><td>1") == []
    assert parse_html_table("<table><tr><th>A<tr><td>1</table><table></table>") == []


@pytest.mark.parametrize(
    "data", [b"{", b"[" * 100_000, b"[]", b"{}", b'{"cells": 3}', b'{"worksheets": [3]}x', b"null", b'"text"']
)
def test_notebook_without_cells_raises(data: bytes) -> None:
    with pytest.raises(ReadError, match="expected a notebook"):
        read_notebook(data, ReadLog())


def test_notebook_cells_of_wrong_types_are_left_out() -> None:
    data = json.dumps({"metadata": 3, "cells": [3, None, {"cell_type": "code", "source": 3, "outputs": 3}, {}]})
    assert read_notebook(data.encode(), ReadLog()).text == ""
