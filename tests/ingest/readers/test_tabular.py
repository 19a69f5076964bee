"""Tables and JSONL: delimiters, headers, quotes, line ends, encodings, own fields."""

from __future__ import annotations

import io
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.readers.content import ReadProblem
from ingest.readers.read_log import ReadLog
from ingest.readers.tables.csv_reader import read_jsonl, read_table
from ingest.readers.tables.table_records import LineBuffer, RecordParser
from kgrag.types import Document


def table(data: str | bytes, log: ReadLog | None = None, delimiter: str = "") -> list[Document | ReadProblem]:
    stream = io.BytesIO(data.encode() if isinstance(data, str) else data)
    return list(read_table(stream, "t.csv", log or ReadLog(), delimiter))


def texts(data: str | bytes, delimiter: str = "") -> list[str]:
    items = table(data, delimiter=delimiter)
    assert all(isinstance(item, Document) for item in items), items
    return [item.text.replace("\n", "; ") for item in items if isinstance(item, Document)]


ROWS = ["Name: Ann; City: Oslo; Born: 1950", "Name: Jon; City: Bern; Born: 1960"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_table_delimiters_line_ends_and_encodings(end: str, delimiter: str, encoding: str) -> None:
    lines = ["Name,City,Born", "Ann,Oslo,1950", "Jon,Bern,1960"]
    assert texts(end.join(lines).replace(",", delimiter).encode(encoding)) == ROWS


@pytest.mark.parametrize(
    "head",
    ["sep=,\n", '"sep=,"\n', "\n\n", "Name,City,Born\n-----,-----,-----\n"],
)
def test_table_lines_without_content_are_no_rows(head: str) -> None:
    assert texts(f"{head}Name,City,Born\nAnn,Oslo,1950\nJon,Bern,1960\n") == ROWS


@pytest.mark.parametrize(
    "head",
    ["Staff list\n", "Staff list,,\n,,\n", "# Staff list\n", "Staff list\nMade,2024-03-01\n\n", "Staff, list\n\n"],
)
def test_table_title_lines_are_a_document(head: str) -> None:
    title, *rows = texts(f"{head}Name,City,Born\nAnn,Oslo,1950\nJon,Bern,1960\n")
    assert "Staff" in title and rows == ROWS


def test_table_header_with_quoted_delimiters() -> None:
    rows = texts('"Name, first";City;"Lives, since"\n"Vale, Jon";Bern;2004\n"Quill, Mara";Oslo;1999\n')
    assert rows[0] == "Name, first: Vale, Jon; City: Bern; Lives, since: 2004"


def test_table_without_header_keeps_all_rows() -> None:
    assert texts("1,Ada,1815-12-10\n2,Bob,1900-01-02\n") == ["1; Ada; 1815-12-10", "2; Bob; 1900-01-02"]


def test_table_years_can_be_columns() -> None:
    assert texts("Country,2020,2021\nA,1.5,2.5\nB,3,4\n")[0] == "Country: A; 2020: 1.5; 2021: 2.5"


def test_table_units_join_the_header() -> None:
    assert texts("Pump,Power,Weight\n,kW,(kg)\nA,3,4\nB,5,6\n")[0] == "Pump: A; Power (kW): 3; Weight (kg): 4"


def test_table_list_of_names_with_commas_is_one_column() -> None:
    assert texts("name\nSmith, John\nDoe, Jane\n") == ["name: Smith, John", "name: Doe, Jane"]


def test_table_repeated_header_and_ragged_rows() -> None:
    assert texts("a,b\nx,y,more\na,b\nz\n") == ["a: x; b: y; more", "a: z"]


def test_table_decimal_commas_do_not_delimit() -> None:
    assert texts("a;b\n1,5;2,5\n3,5;4,5\n") == ["a: 1,5; b: 2,5", "a: 3,5; b: 4,5"]


@pytest.mark.parametrize(
    "rows",
    [
        'A,1,"bad\nB,2,fine\nC,3,ok\nD,4,ok\n',
        'A,1,"12"" screen\nB,2,fine\nC,3,ok\nD,4,ok\n',
        'A,1,"bad\nB,2,fine\nC,3,"other\nD,4,ok\n',
        'A,1,"bad\nB,2,fine\nC,3,ok"\nD,4,ok\n',
        'A,1,ok\nB,2,fine\nC,3,ok\nD,4,"cut',
    ],
)
def test_table_lone_quote_swallows_no_rows(rows: str) -> None:
    log = ReadLog()
    items = table(f"item,price,note\n{rows}", log)
    assert [item.title for item in items if isinstance(item, Document)] == ["A", "B", "C", "D"]
    assert "quotes that are not closed" in log.notes()[0]


def test_table_quoted_cell_keeps_its_lines() -> None:
    log = ReadLog()
    first, second = table('item,note\nA,"one\n\ntwo, ""three""\nfour"\nB,C:\\dir\\\n', log)
    assert isinstance(first, Document) and first.text == 'item: A\nnote: one\n\ntwo, "three"\nfour'
    assert isinstance(second, Document) and second.id == "t.csv:6"
    assert log.notes() == []


def test_table_other_columns_become_metadata() -> None:
    (item,) = table('_id,title,text,author,year,tags\nx1,T,Words.,Ann,2020,"a, b"\n')
    assert isinstance(item, Document)
    assert (item.id, item.title, item.text) == ("x1", "T", "Words.")
    assert item.metadata == {"author": "Ann", "year": 2020, "tags": ("a", "b")}


def test_table_nul_bytes_are_removed() -> None:
    assert texts(b"name,city\nAnn of the hill\0,Oslo by the sea\n") == ["name: Ann of the hill; city: Oslo by the sea"]


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet='ab,;"\n\r\t| \\1é', max_size=80))
def test_table_any_text_is_read_and_no_word_is_new(text: str) -> None:
    items = table(text)
    words = {word for item in items if isinstance(item, Document) for word in re.findall(r"[ab1é]+", item.text)}
    assert all(word in text for word in words)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(st.text(alphabet='ab ,"1é', max_size=6), min_size=3, max_size=3), min_size=1, max_size=6))
def test_records_of_written_csv_are_read_back(rows: list[list[str]]) -> None:
    import csv

    out = io.StringIO()
    csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(rows)
    lines = LineBuffer(enumerate(out.getvalue().splitlines(), 1))
    assert [record.cells for record in RecordParser(lines, ",")] == rows


def jsonl(*rows: object) -> list[Document | ReadProblem]:
    data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    stream = io.BytesIO(data)
    return list(read_jsonl(stream, "a.jsonl", ReadLog()))


def test_jsonl_other_keys_become_metadata() -> None:
    fields = {
        "date": "2024-03-01",
        "tags": ["a", "b"],
        "n": 3,
        "x": {"y": 1},
        "_score": 2,
        "nan": float("nan"),
        "e": "",
    }
    plain, own = jsonl({"_id": "a", "text": "One."}, {"_id": "a2", "text": "One.", **fields})
    assert isinstance(plain, Document) and isinstance(own, Document)
    assert own.metadata == {"created": "2024-03-01", "tags": ("a", "b"), "n": 3}
    assert plain.metadata == {}
    assert plain.sha256 != own.sha256
