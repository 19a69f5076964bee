"""Tests of the facts that the structure of a document states."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.extraction import extract_documents
from ingest.readers.content import make_document
from ingest.readers.markup.markdown import parse_markup
from ingest.splitter import split_document
from ingest.structure.facts import MAX_FACTS_PER_PASSAGE, extract_structure
from kgrag.text import normalize_name
from kgrag.tree import BlockKind
from kgrag.types import CLASSIFIER, STRUCTURE, Document

GUIDE = """# git-gc(1)

## NAME

git-gc - Cleanup unnecessary files

## OPTIONS

- --auto: With this option, git gc checks whether any housekeeping is required.
- --prune=<date>: Prune loose objects older than date (default is 2 weeks ago, overridable).
- -q, --quiet: Suppress all progress reports.
- <date>: Any date that git understands.

## Memory

### work_mem (integer)

Sets the memory of a query. The default value is four megabytes (4MB). A query may use it several times.

### shared_buffers (integer)

Sets the memory of the server.

- huge: Uses huge pages. The default is 8MB.

## Codes

| Error Code | Condition Name | Remark |
|---|---|---|
| 25P02 | in_failed_sql_transaction | yes |
| 7 | none | |

### (2067) SQLITE_CONSTRAINT_UNIQUE

A unique index was violated.
"""
GUIDE_ZH = """# 备份工具

## 选项

- --all: 备份全部文件。默认值为 off。

## 软件包

| 软件包 | 大小 | 说明 |
|---|---|---|
| vim | 3570 | 文本编辑器 |
"""


def make_markdown(text: str, title: str = "") -> Document:
    text, tree = parse_markup(text)
    first_heading = next((block.label for block in tree.blocks if block.kind is BlockKind.HEADING), "")
    return make_document("guide.md", title or first_heading, text, "guide.md", tree)


def facts_of(document: Document, size: int = 900) -> set[tuple[str, str, str]]:
    """Return the facts by the names of their ends; the document's subject is called by its title."""
    structure = extract_structure(document, split_document(document, size), normalize_name(document.title))
    names = {m.entity_id: m.surface for m in structure.mentions} | {normalize_name(document.title): document.title}
    return {(names[t.subject], t.predicate, names[t.object]) for t in structure.triples}


def test_headings_items_and_rows_state_facts() -> None:
    facts = facts_of(make_markdown(GUIDE))
    assert {
        ("--auto", "option_of", "git-gc(1)"),
        ("--prune", "option_of", "git-gc(1)"),
        ("--prune", "default", "2 weeks ago"),
        ("--quiet", "option_of", "git-gc(1)"),
        ("Memory", "part_of", "git-gc(1)"),
        ("work_mem", "listed_under", "Memory"),
        ("work_mem", "value_type", "integer"),
        ("work_mem", "default", "4MB"),
        ("25P02", "condition_name", "in_failed_sql_transaction"),
        ("25P02", "remark", "yes"),
        ("SQLITE_CONSTRAINT_UNIQUE", "code", "2067"),
    } <= facts
    assert not any("NAME" in ends or "OPTIONS" in ends for ends in facts), "generic headings are no things"
    assert not any(subject in ("7", "none") for subject, _, _ in facts), "a number and a common word name nothing"
    assert ("shared_buffers", "default", "8MB") not in facts, "the default of an item is not that of its section"


def test_chinese_structure_states_facts() -> None:
    facts = facts_of(make_markdown(GUIDE_ZH))
    assert {
        ("--all", "option_of", "备份工具"),
        ("--all", "default", "off"),
        ("vim", "大小", "3570"),
        ("vim", "说明", "文本编辑器"),
    } <= facts


def test_value_of_an_option_belongs_to_it() -> None:
    text = "# tool(1)\n\n## OPTIONS\n\n- --mode=<mode>: The mode.\n  - fast: Skips the check.\n  - safe: Checks.\n  - slow: Checks twice.\n"
    assert {("fast", "value_of", "--mode"), ("slow", "value_of", "--mode")} <= facts_of(make_markdown(text))


def test_outline_of_notes_states_its_topics() -> None:
    text = "# LLM\n\n- Q1 **RLHF是什么?**\n    - RLHF 的优势\n        人类的偏好.\n    - RLHF 的应用\n    - 训练步骤\n- Q2 为什么要量化?\n    - 显存\n"
    facts = facts_of(make_markdown(text))
    assert {("RLHF 的优势", "listed_under", "RLHF"), ("RLHF 的应用", "listed_under", "RLHF")} <= facts
    assert not any("显存" in ends for ends in facts), "a question that asks why names no topic"


def test_wrapped_item_is_no_label() -> None:
    text = "# Notes\n\n## Steps to take\n\n- Open the main window\n  and close it again\n- Wait for\n  the end\n- Leave the room\n  at once\n"
    assert not {name for subject, *_ in facts_of(make_markdown(text)) for name in [subject] if name != "Steps to take"}


def test_index_clauses_and_codes_state_less() -> None:
    text = (
        "# Keywords\n\n## Crossreference\n\n- -DSQLITE_X - compile.html#x\n- -DSQLITE_Y - compile.html#y\n- -DSQLITE_Z - z.html\n\n"
        "## Managing machines\n\n- resume to unpause it;\n- reboot to restart a machine;\n- stop to end it;\n\n"
        "## (17) SQLITE_SCHEMA\n\nThe statement is prepared again. The default is 50 times.\n"
    )
    facts = facts_of(make_markdown(text))
    assert ("SQLITE_SCHEMA", "code", "17") in facts
    assert not {predicate for _, predicate, _ in facts} & {"option_of", "default"}
    assert not any("unpause" in name for ends in facts for name in ends)


def test_same_option_of_two_commands_stays_two() -> None:
    entities = set()
    for command in ("git-gc(1)", "git-log(1)"):
        document = make_markdown(f"# {command}\n\n## OPTIONS\n\n- --auto: Does it.\n")
        structure = extract_structure(document, split_document(document, 900), normalize_name(document.title))
        entities |= {t.subject for t in structure.triples}
    assert len(entities) == 2


@pytest.mark.parametrize(
    "text",
    [
        "# Notes\n\n- Remember: buy milk.\n- Call Ada.\n",
        "# Notes\n\n## What should we do next?\n\n- Milk: buy it.\n",
        "# Notes\n\nThe default is whatever the value of the other setting is.\n",
        "# Notes\n\n## some_setting\n\nThe default is 3 seconds. On Windows the default is 5 seconds.\n",
    ],
    ids=["remark", "question as heading", "no setting", "two defaults"],
)
def test_remarks_questions_and_contradictions_state_nothing(text: str) -> None:
    assert {predicate for _, predicate, _ in facts_of(make_markdown(text))} <= {"listed_under"}
    assert not any("Milk" in ends or "Remember" in ends for ends in facts_of(make_markdown(text)))


@pytest.mark.parametrize(
    "table",
    [
        "| Status | Task | Owner |\n|---|---|---|\n| Ready | Report | Alice |\n| Ready | Slides | Bob |\n",
        "| Time | Lesson |\n|---|---|\n| 10:00 | Art |\n| 11:00 | Maths |\n",
        "| Item | Sum |\n|---|---|\n| Subtotal | 9 |\n| n/a | 3 |\n",
    ],
    ids=["a status", "times", "sums"],
)
def test_rows_that_name_nothing_state_nothing(table: str) -> None:
    assert not facts_of(make_markdown("# Plan\n\n" + table))


def test_wide_table_is_bounded() -> None:
    header = "| Name | " + " | ".join(f"Column{n}" for n in range(30)) + " |\n|" + "---|" * 31 + "\n"
    rows = "".join(f"| item{r}_x | " + " | ".join(f"v{r}c{n}" for n in range(30)) + " |\n" for r in range(20))
    document = make_markdown("# Data\n\n" + header + rows)
    passages = split_document(document, 2000)
    structure = extract_structure(document, passages, "data")
    assert 0 < len(structure.triples) <= MAX_FACTS_PER_PASSAGE * len(passages)


def test_long_document_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    document = make_markdown("# Data\n\n" + "".join(f"## item_{n}\n\nText.\n\n" for n in range(30)))
    monkeypatch.setattr("ingest.structure.facts.MAX_FACTS_PER_DOCUMENT", 10)
    assert len(extract_structure(document, split_document(document, 900), "data").triples) == 10


def test_cell_without_value_states_nothing() -> None:
    facts = facts_of(make_markdown("# Data\n\n| Name | Size |\n|---|---|\n| vim_x | n/a |\n| emacs_x | 9 |\n"))
    assert facts == {("emacs_x", "size", "9")}


def test_header_labels_are_no_names() -> None:
    table = "".join(f"| tool_{n} | Zurich |\n" for n in range(3))
    document = make_markdown("# Data\n\n| Tool Name | Home Town |\n|---|---|\n" + table)
    (extraction,) = extract_documents([document], 900)
    surfaces = {mention.surface for mention in extraction.mentions}
    assert "Zurich" in surfaces and not {"Tool Name", "Home Town"} & surfaces


def test_classifier_guesses_in_articles_only() -> None:
    """On text unlike its training the classifier makes guesses of nonsense."""
    sentence = "Bo Lind works with Ida Holm of Acme Corporation in Leeds since 1950.\n"
    found = []
    for opening in ("Ada Vale is a painter. ", "We left early. "):
        (extraction,) = extract_documents([make_markdown(f"# Ada Vale\n\n{opening}{sentence}")], 900)
        found.append([t for t in extraction.triples if t.found_by == CLASSIFIER])
    assert found[0] and not found[1]


def test_classifier_is_silent_on_a_manual() -> None:
    """A document with code is a manual."""
    manual = make_markdown(
        "# Command reference\n\nRuns VACUUM on Windows.\n\n```\nVACUUM;\n```\n\nIntel and SQLite were used by Oracle in Canada in 1999.\n"
    )
    (extraction,) = extract_documents([manual], 900)
    assert not [t for t in extraction.triples if t.found_by == CLASSIFIER]


def test_structure_is_part_of_the_extraction() -> None:
    (extraction,) = extract_documents([make_markdown(GUIDE)], 900)
    structural = [t for t in extraction.triples if t.found_by == STRUCTURE]
    mentioned = {m.entity_id for m in extraction.mentions} | {extraction.names[0][0]}
    assert structural and all(t.subject in mentioned and t.object in mentioned for t in structural)
    assert ("work mem", "work_mem", "SETTING") in extraction.names
    assert not {"name", "options"} & {m.entity_id for m in extraction.mentions}


PIECES = (
    *("# A\n\n", "## x_y\n\n", "### (1) A_B\n\n", "- --o: t\n", "  - v: w\n", "- L: t\n", "text is (default 3).\n\n"),
    *("| H | I |\n|---|---|\n| a_b | c |\n\n", "```\ncode\n```\n\n", "- 甲乙：丙\n", "## 参数\n\n"),
)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from(PIECES), max_size=25), st.integers(20, 200))
def test_facts_lie_in_their_passages(pieces: list[str], size: int) -> None:
    document = make_markdown("".join(pieces), "Title")
    passages = split_document(document, size)
    structure = extract_structure(document, passages, "title")
    by_id = {passage.id: passage for passage in passages}
    for triple in structure.triples:
        passage = by_id[triple.passage_id]
        assert passage.start <= triple.start < triple.end <= passage.end
        assert triple.subject and triple.object and triple.subject != triple.object
    for mention in structure.mentions:
        assert document.text[mention.start : mention.end] == mention.surface
    keys = [(t.passage_id, t.start, t.end, t.subject, t.predicate, t.object) for t in structure.triples]
    assert len(keys) == len(set(keys))
