"""Blocks of light markup: spans, tables, and time on hostile inputs."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.readers.markup.markdown import find_blocks, parse_markup
from kgrag.tree import BlockKind

PIECES = [
    "# a",
    "| a | b |",
    "|---|---|",
    "| 1 | 2 |",
    "```",
    "~~~~",
    "- x",
    "  1. y",
    "====",
    "**b**",
    "",
    "word",
    "\t",
]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=20), st.sampled_from(["\n", "\n\n"]))
def test_blocks_are_ordered_and_inside_the_text(pieces: list[str], end: str) -> None:
    text, tree = parse_markup(end.join(pieces))
    position = 0
    for block in tree.blocks:
        assert position <= block.start < block.end <= len(text)
        position = block.end


def test_pipe_table_rows_carry_the_header() -> None:
    text, tree = parse_markup("Table 1: pumps\n\n| Pump | kW |\n| :-- | --: |\n| P\\|1 | **40** |\n\nEnd.")
    assert "Pump: P|1; kW: 40" in text and "| --:" not in text
    (row,) = (block for block in tree.blocks if block.kind is BlockKind.ROW)
    assert (text[row.start : row.end], row.label) == ("Pump: P|1; kW: 40", "Pump | kW")


def test_table_in_code_is_not_rewritten() -> None:
    source = "```\n| a | b |\n| - | - |\n| 1 | 2 |\n```"
    assert parse_markup(source)[0] == source
    assert [block.kind for block in find_blocks(source)] == [BlockKind.CODE]


@pytest.mark.parametrize(
    "text",
    [
        "# " + "[" * 100_000,
        "# " + "[a](" * 50_000,
        "```\n" * 50_000,
        "|" * 300_000 + "\n|-|\n",
        "**a" * 100_000,
        "# a " * 50_000,
    ],
    ids=["brackets", "links", "fences", "pipes", "bold", "hashes"],
)
def test_hostile_markup_takes_linear_time(text: str) -> None:
    start = time.process_time()
    parse_markup(text)
    assert time.process_time() - start < 3
