"""Excel workbooks: every sheet, with its tables as they are shown."""

from __future__ import annotations

import pytest

from ingest.readers.content import Content
from ingest.readers.office.xlsx_formats import format_number
from ingest.readers.office.xlsx_reader import read_xlsx
from ingest.readers.read_log import ReadLog
from kgrag.errors import ReadError
from kgrag.tree import BlockKind
from tests.ingest.readers.office_files import (
    ENCRYPTED,
    ENTITIES,
    SHEET,
    build_docx,
    build_xlsx,
    relationships,
    zip_files,
)

STYLES = (
    '<numFmts><numFmt numFmtId="164" formatCode="#,##0.00 &quot;€&quot;"/></numFmts>'
    '<fonts><font/><font><b/></font></fonts><cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="9"/>'
    '<xf numFmtId="164"/><xf numFmtId="0" fontId="1"/></cellXfs>'
)


def text_cell(reference: str, text: str, style: int = 0) -> str:
    return f'<c r="{reference}" t="inlineStr" s="{style}"><is><t>{text}</t></is></c>'


def row(number: int, *cells: str) -> str:
    return f'<row r="{number}">{"".join(cells)}</row>'


def text_row(number: int, *texts: str, style: int = 0) -> str:
    return row(number, *(text_cell(f"{chr(65 + n)}{number}", text, style) for n, text in enumerate(texts) if text))


def read(*rows: str, after: str = "", **options: object) -> Content:
    sheet = f"<sheetData>{''.join(rows)}</sheetData>{after}"
    return read_xlsx(build_xlsx({"Parts": sheet}, styles=STYLES, **options), ReadLog())  # type: ignore[arg-type]


def rows_of(content: Content) -> list[str]:
    return [content.text[b.start : b.end] for b in content.tree.blocks if b.kind is BlockKind.ROW]


def test_values_are_shown_by_their_formats() -> None:
    content = read(
        text_row(1, "Part", "Since", "Share", "Price", "Ok"),
        row(2, text_cell("A2", "AX-1"), '<c r="B2" s="1"><v>45352</v></c>', '<c r="C2" s="2"><v>0.25</v></c>',
            '<c r="D2" s="3"><v>1234.5</v></c>', '<c r="E2" t="b"><v>1</v></c>'),
    )  # fmt: skip
    assert rows_of(content) == ["Part: AX-1; Since: 2024-03-01; Share: 25%; Price: 1,234.50 €; Ok: TRUE"]
    assert content.text.startswith("### Parts\n\n") and content.title == ""


@pytest.mark.parametrize(
    ("value", "code", "shown"),
    [
        (0.1 + 0.2, "General", "0.3"),
        (1234567, "#,##0", "1,234,567"),
        (-5, "#,##0;(#,##0)", "(5)"),
        (-12.5, '"$"#,##0.00_);[Red]\\("$"#,##0.00\\)', "($12.50)"),
        (0, '0;-0;"none"', "none"),
        (7, "00000", "00007"),
        (2.675, "0.00", "2.68"),
        (1500000, '0.0,,"M"', "1.5M"),
        (12345678, "0.00E+00", "1.23E+07"),
        (1.25, "# ?/?", "1 1/4"),
        (45352.5, "dd/mm/yyyy hh:mm", "01/03/2024 12:00"),
        (45352, 'yyyy"年"m"月"d"日"', "2024年3月1日"),
        (45352, "[$-409]mmmm d, yyyy;@", "March 1, 2024"),
        (0.52, "h:mm AM/PM", "12:28 PM"),
        (1.5, "[h]:mm", "36:00"),
        (1, "yyyy-mm-dd", "1900-01-01"),
        (12, "[$€-407]#,##0.00", "€12.00"),
        (3e9, "yyyy-mm-dd", "3000000000"),
    ],
)
def test_format_number_shows_the_code(value: float, code: str, shown: str) -> None:
    assert format_number(value, code) == shown


def test_dates_from_1904_are_shifted() -> None:
    assert format_number(43890, "yyyy-mm-dd", is_1904=True) == "2024-03-01"


def test_merged_cells_are_repeated_and_blank_rows_separate() -> None:
    content = read(
        text_row(1, "Shifts of May"),
        text_row(2, "Team", "Day", "Lead"),
        text_row(3, "North", "Mon", "Ann"),
        text_row(4, "", "Tue", "Bob"),
        text_row(7, "Key", "Value"),
        row(8, text_cell("A8", "speed"), '<c r="B8"><v>3</v></c>'),
        after='<mergeCells count="2"><mergeCell ref="A1:C1"/><mergeCell ref="A3:A4"/></mergeCells>',
    )
    assert rows_of(content) == [
        "Team: North; Day: Mon; Lead: Ann",
        "Team: North; Day: Tue; Lead: Bob",
        "Key: speed; Value: 3",
    ]
    assert "Shifts of May" in [
        content.text[b.start : b.end] for b in content.tree.blocks if b.kind is BlockKind.CAPTION
    ]


def test_header_below_merged_groups_is_joined() -> None:
    content = read(
        text_row(1, "Region", "2024", "", "2025"),
        text_row(2, "", "Q1", "Q2", "Q1"),
        row(3, text_cell("A3", "North"), *(f'<c r="{c}3"><v>{n}</v></c>' for n, c in enumerate("BCD", 5))),
        after='<mergeCells><mergeCell ref="A1:A2"/><mergeCell ref="B1:C1"/></mergeCells>',
    )
    assert rows_of(content) == ["Region: North; 2024 Q1: 5; 2024 Q2: 6; 2025 Q1: 7"]


def test_numbers_without_header_are_plain_rows() -> None:
    numbers = [row(n, f'<c r="A{n}"><v>{n}</v></c>', f'<c r="B{n}"><v>{n * 2}</v></c>') for n in (1, 2)]
    assert rows_of(read(*numbers)) == ["1 | 2", "2 | 4"]


def test_formulas_give_their_stored_values() -> None:
    content = read(
        text_row(1, "Item", "Sum", "Error"),
        row(
            2, text_cell("A2", "x"), '<c r="B2"><f>1+2</f><v>3</v></c>', '<c r="C2" t="e"><f>1/0</f><v>#DIV/0!</v></c>'
        ),
        row(3, text_cell("A3", "y"), '<c r="B3"><f>B2*2</f></c>', '<c r="C3" t="str"><f>""</f><v></v></c>'),
    )
    assert rows_of(content) == ["Item: x; Sum: 3; Error: #DIV/0!", "Item: y; Sum: =B2*2"]
    assert len(content.problems) == 1 and "1 formulas" in content.problems[0]


def test_declared_table_states_its_header() -> None:
    extra = {
        "xl/worksheets/_rels/sheet1.xml.rels": relationships({"t": ("table", "../tables/table1.xml")}),
        "xl/tables/table1.xml": f'<table {SHEET} ref="A2:B3"/>',
    }
    content = read(text_row(1, "Note", "of May"), text_row(2, "2023", "2024"), text_row(3, "5", "6"), extra=extra)
    assert rows_of(content) == ["Note | of May", "2023: 5; 2024: 6"]


def test_sheets_strings_and_hidden_sheets_are_read() -> None:
    strings = "<si><t>Part</t></si><si><r><t>10</t></r><r><rPr><vertAlign val='superscript'/></rPr><t>6</t></r>"
    strings += "<rPh><t>reading</t></rPh></si><si><t>a_x000D_b</t></si>"
    first = '<sheetData><row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c></row></sheetData>'
    second = '<sheetData><row><c t="s"><v>2</v></c><c t="s"><v>99</v></c></row></sheetData>'
    data = build_xlsx({"One": first, "Two": second, "Empty": ""}, strings=strings, hidden=frozenset(["Two"]))
    assert read_xlsx(data, ReadLog()).text == "### One\n\nPart | 10^6\n\n### Two (hidden sheet)\n\na b"


def test_comments_follow_their_sheet() -> None:
    comment = '<comment ref="B2" authorId="0"><text><r><t>check</t></r></text></comment>'
    extra = {
        "xl/worksheets/_rels/sheet1.xml.rels": relationships({"c": ("comments", "../comments1.xml")}),
        "xl/comments1.xml": f"<comments {SHEET}><authors><author>Bob</author></authors><commentList>{comment}"
        "</commentList></comments>",
    }
    assert read(text_row(1, "Only"), extra=extra).text == "### Parts\n\nOnly\n\n[B2] Bob: check"


def test_long_sheet_is_read_to_its_end() -> None:
    rows = (text_row(n, f"part {n}", f"maker {n}") for n in range(2, 3000))
    found = rows_of(read(text_row(1, "Part", "Maker"), *rows))
    assert len(found) == 2998 and found[-1] == "Part: part 2999; Maker: maker 2999"


def test_huge_merge_is_bounded() -> None:
    content = read(text_row(1, "All"), text_row(2, "a", "b"), after='<mergeCell ref="A1:XFD1048576"/>')
    assert len(content.text) < 5000


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"%PDF-1.4", "found a PDF"),
        (ENCRYPTED, "password"),
        (build_docx(""), "found a Word document"),
        (build_xlsx({"A": "<sheetData><row>"})[:-200], "damaged"),
        (build_xlsx({"A": "<sheetData><row>"}), "damaged"),
        (
            zip_files(
                {
                    "xl/workbook.xml": f'<workbook {SHEET}><sheets><sheet name="A" id="s1"/></sheets></workbook>',
                    "xl/_rels/workbook.xml.rels": relationships({"s1": ("worksheet", "worksheets/sheet1.xml")}),
                    "xl/worksheets/sheet1.xml": f"{ENTITIES}<worksheet>&file;</worksheet>",
                }
            ),
            "entities",
        ),
    ],
)
def test_bad_file_is_an_error(data: bytes, message: str) -> None:
    with pytest.raises(ReadError, match=message):
        read_xlsx(data, ReadLog())
