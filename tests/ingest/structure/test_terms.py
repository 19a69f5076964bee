"""Tests of what labels name, of the cells of rows, and of default values."""

from __future__ import annotations

import time

import pytest

from ingest.structure.defaults import find_default
from ingest.structure.rows import header_predicate, header_spans, row_cells
from ingest.structure.terms import is_generic, member_predicate, names_nothing, parse_term


@pytest.mark.parametrize(
    ("label", "name", "kind", "qualifier"),
    [
        ("20.4.1. Memory", "Memory", "TERM", ""),
        ("work_mem (integer)", "work_mem", "SETTING", "integer"),
        ("gc.auto", "gc.auto", "SETTING", ""),
        ("APT::Periodic::Enable", "APT::Periodic::Enable", "SETTING", ""),
        ("(2067) SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_UNIQUE", "CONSTANT", "2067"),
        ("--prune=<date>", "--prune", "OPTION", ""),
        ("-s file", "-s", "OPTION", ""),
        ("git-gc(1)", "git-gc(1)", "COMMAND", ""),
        ("sqlite3_open_v2()", "sqlite3_open_v2()", "FUNCTION", ""),
        ("to_char(timestamp, text)", "to_char(timestamp, text)", "FUNCTION", ""),
        ("/etc/fstab", "/etc/fstab", "FILE", ""),
        ("25P02", "25P02", "CODE", ""),
        ("Appendix D Function and variable index", "Function and variable index", "TERM", ""),
        ("What is WAL?", "WAL", "TERM", ""),
        ("第 1 章 GNU/Linux 教程", "GNU/Linux 教程", "TERM", ""),
        ("什么是事务？", "事务", "TERM", ""),
        ("解释性不足", "解释性不足", "TERM", ""),
        ("Q6 **RLHF是什么?**", "RLHF", "TERM", ""),
        ("Games(游戏)", "Games(游戏)", "TERM", ""),
    ],
)
def test_label_names_by_its_form(label: str, name: str, kind: str, qualifier: str) -> None:
    assert parse_term(label) == (name, kind, qualifier)


@pytest.mark.parametrize(
    "label",
    [
        "DESCRIPTION",
        "See also",
        "注意",
        "2024",
        "1.2.3",
        "How do I undo a commit?",
        "怎样关闭系统",
        "Open the file, then close it",
        "yes",
        "",
        "-",
        "Valid values are try, on and off",
        "a",
        "为什么要量化？",
        "one two three four five six seven",
    ],
)
def test_generic_words_numbers_and_sentences_name_nothing(label: str) -> None:
    assert parse_term(label) is None


def test_headings_tell_what_their_labels_are() -> None:
    assert member_predicate("OPTIONS") == "option_of" and member_predicate("3.2. 参数") == "parameter_of"
    assert member_predicate("Memory") == "" and is_generic("4. Examples") and not is_generic("Memory")
    assert names_nothing("P1") and names_nothing("Note") and not names_nothing("WAL") and not names_nothing("EU")


def test_row_is_read_by_its_headers() -> None:
    row = "Name: work_mem; Default: 4MB; since: 9; x; Note: may be; changed"
    header = "Name | Default | Note"
    cells = row_cells(row, header)
    assert [(cell.predicate, cell.text) for cell in cells] == [
        ("name", "work_mem"),
        ("default", "4MB; since: 9; x"),
        ("note", "may be; changed"),
    ]
    assert all(row[cell.start :].startswith(cell.text) for cell in cells)
    assert [row[slice(*span)] for span in header_spans(row, header)] == ["Name: ", "Default: ", "Note: "]
    assert row_cells("free text", header) == [] == row_cells("", "")


@pytest.mark.parametrize(
    ("header", "predicate"),
    [
        ("Condition Name", "condition_name"),
        ("Size (kB)", "size"),
        ("默认值", "default"),
        ("大小", "大小"),
        ("#", ""),
        ("2", ""),
        ("A header that is a sentence", ""),
    ],
)
def test_header_is_a_predicate(header: str, predicate: str) -> None:
    assert header_predicate(header) == predicate


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Sets it. The default value is four megabytes (4MB). More.", "4MB"),
        ("The default is typically 128 megabytes (128MB), but might be less.", "128MB"),
        ("Prune objects older than date (default is 2 weeks ago, overridable by the variable).", "2 weeks ago"),
        ("Valid values are try (the default), on, and off.", "try"),
        ("This option defaults to false.", "false"),
        ("大小上限，默认值为 100。", "100"),
        ("The default is on.", "on"),
        ("The default is 1,000 rows.", "1,000 rows"),
        ("The default is 5 (recommended).", "5"),
    ],
)
def test_default_is_read(text: str, value: str) -> None:
    default = find_default(text)
    assert default is not None and default.value == value
    assert text[default.value_start :].startswith(value)
    assert text[default.start : default.end] in text


@pytest.mark.parametrize(
    "text",
    [
        "The default is the value of work_mem.",
        "The default is determined at startup.",
        "The default is 3. On Windows the default is 5.",
        "Show cached files in the output (default).",
        "By default nothing happens.",
        "What if the default is 5?",
        "If it is set, the default is 5.",
        "The default is 5 if it is set, otherwise 6.",
        "The default is between 5 and 10.",
        "默认是根据系统决定的。",
        "",
    ],
)
def test_no_default_is_guessed(text: str) -> None:
    assert find_default(text) is None


@pytest.mark.parametrize(
    "label",
    [
        "Name" + "_" * 60 + " Date",
        "A_" * 5000 + "!",
        "test_" + "a_" * 30 + "x!",
        "a." * 5000,
        "-" * 9000,
        "(" * 9000,
        "Q1 " * 3000,
    ],
    ids=["form", "constants", "settings", "dots", "dashes", "brackets", "questions"],
)
def test_time_of_long_labels_is_bounded(label: str) -> None:
    start = time.perf_counter()
    parse_term(label)
    find_default(f"The default is {label}.")
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("12 Monkeys", "Monkeys"),  # a heading's number and a title's cannot be told apart
        ("Part of the deal", "Part of the deal"),
        ("Step by step guide", "Step by step guide"),
        ("3.5 inch disks", "3.5 inch disks"),
        ("Part IV Reference manual", "Reference manual"),
        ("15.4.1. dupload and dput", "dupload and dput"),
    ],
)
def test_number_in_front_is_told_from_words(label: str, name: str) -> None:
    term = parse_term(label)
    assert (term.name if term else "") == name or "." in name


@pytest.mark.parametrize(
    "label", ["www.test.com", "Mr.Smith", "U.S.A", "v1.1.0", "10AM", "COVID19", "12GB", "-5 degrees today"]
)
def test_domains_versions_and_units_are_no_identifiers(label: str) -> None:
    term = parse_term(label)
    assert term is None or term.type == "TERM"


@pytest.mark.parametrize(
    "label", ["这是什么", "What is wrong with it?", "What are you doing", "[x] Wash the car", "2024-01-01 10:31 start"]
)
def test_no_topic_is_made_of_a_question_or_a_task(label: str) -> None:
    assert parse_term(label) is None
