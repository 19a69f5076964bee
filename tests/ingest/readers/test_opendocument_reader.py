"""OpenDocument texts, spreadsheets and presentations."""

from __future__ import annotations

import pytest

from ingest.readers.office.opendocument_reader import read_odp, read_ods, read_odt
from ingest.readers.read_log import ReadLog
from kgrag.errors import ReadError
from tests.ingest.readers.office_files import ENTITIES, OFFICE, build_docx, build_opendocument, zip_files


def read_text(body: str, styles: str = "", parts: dict[str, str] | None = None) -> str:
    return read_odt(build_opendocument(f"<office:text>{body}</office:text>", styles, parts), ReadLog()).text


def read_sheet(body: str, styles: str = "") -> str:
    data = build_opendocument(f"<office:spreadsheet>{body}</office:spreadsheet>", styles)
    return read_ods(data, ReadLog()).text


def cell(text: str, attributes: str = "") -> str:
    return f"<table:table-cell {attributes}><text:p>{text}</text:p></table:table-cell>"


def row(*cells: str, attributes: str = "") -> str:
    return f"<table:table-row {attributes}>{''.join(cells)}</table:table-row>"


COVERED = "<table:covered-table-cell/>"


def test_text_has_headings_lists_code_and_links() -> None:
    styles = '<style:style style:name="P1" style:parent-style-name="Preformatted_20_Text"/>'
    styles += '<text:list-style style:name="L1"><text:list-level-style-number text:level="1"/></text:list-style>'
    body = (
        '<text:h text:outline-level="2">Seals</text:h><text:p>See <text:a xlink:href="https://a.org">the page</text:a>.'
    )
    body += "</text:p><text:list text:style-name='L1'><text:list-item><text:p>one</text:p><text:list><text:list-item>"
    body += "<text:p>deep</text:p></text:list-item></text:list></text:list-item><text:list-item><text:p>two</text:p>"
    body += '</text:list-item></text:list><text:p text:style-name="P1"># run</text:p>'
    body += '<text:p text:style-name="P1">x<text:s text:c="3"/>y</text:p>'
    expected = "## Seals\n\nSee the page.\n\n1. one\n  - deep\n2. two\n\n```\n# run\nx   y\n```"
    assert read_text(body, styles) == expected


def test_text_notes_comments_boxes_and_changes() -> None:
    body = "<text:tracked-changes><text:changed-region><text:deletion><text:p>gone</text:p></text:deletion>"
    body += "</text:changed-region></text:tracked-changes><text:p>It cost 45<text:note><text:note-citation>1"
    body += "</text:note-citation><text:note-body><text:p>No tax.</text:p></text:note-body></text:note> euros."
    body += "<office:annotation><dc:creator>Ann</dc:creator><text:p>Check.</text:p></office:annotation></text:p>"
    body += "<text:p><draw:frame><draw:text-box><text:p>48 volts.</text:p></draw:text-box><svg:desc>A box</svg:desc>"
    body += (
        "</draw:frame></text:p><text:table-of-content><text:index-body><text:p>Contents 1</text:p></text:index-body>"
    )
    assert read_text(body + "</text:table-of-content>").split("\n\n") == [
        "It cost 45[1] euros.",
        "[1] No tax.",
        "[comment] Ann: Check.",
        "A box",
        "48 volts.",
    ]


def test_text_table_has_merged_cells_and_header() -> None:
    head = f"<table:table-header-rows>{row(cell('Team'), cell('Day'))}</table:table-header-rows>"
    body = head + row(cell("North", 'table:number-rows-spanned="2"'), cell("Mon")) + row(COVERED, cell("Tue"))
    text = read_text(f"<table:table>{body}</table:table>")
    assert text == "Team: North; Day: Mon\nTeam: North; Day: Tue"


def test_text_superscript_header_and_metadata() -> None:
    styles = '<style:style style:name="T1"><style:text-properties style:text-position="super 58%"/></style:style>'
    header = "<style:header><text:p>Doc QA-7731</text:p></style:header>"
    header += "<style:footer><text:p>Page <text:page-number>3</text:page-number></text:p></style:footer>"
    parts = {
        "styles.xml": f"<office:document-styles {OFFICE}><office:master-styles><style:master-page>{header}"
        "</style:master-page></office:master-styles></office:document-styles>",
        "meta.xml": f"<office:document-meta {OFFICE}><office:meta><dc:title>Culture</dc:title><dc:creator>Ada"
        "</dc:creator><meta:creation-date>2024-03-01T10:00:00</meta:creation-date><meta:keyword>cells</meta:keyword>"
        "<meta:keyword>test</meta:keyword></office:meta></office:document-meta>",
    }
    body = "<office:text><text:p>10<text:span text:style-name='T1'>6</text:span> cells.</text:p></office:text>"
    content = read_odt(build_opendocument(body, styles, parts), ReadLog())
    assert content.text == "Doc QA-7731\n\n10^6 cells." and content.title == "Culture"
    assert content.metadata == {"author": "Ada", "created": "2024-03-01T10:00:00", "tags": ("cells", "test")}


def test_sheet_shows_values_with_merged_and_repeated_cells() -> None:
    rows = row(cell("Team"), cell("Share"), cell("Day"))
    rows += row(cell("North", 'table:number-rows-spanned="2"'), cell("25%", 'office:value="0.25"'), cell("Mon"))
    rows += row(COVERED, cell("50%"), cell("Tue"))
    rows += row(
        '<table:table-cell table:number-columns-repeated="16384"/>', attributes='table:number-rows-repeated="99999"'
    )
    rows += row(cell("Key"), cell("Value")) + row(cell("x"), cell("1", 'table:number-columns-repeated="1"'))
    assert read_sheet(f'<table:table table:name="Shifts">{rows}</table:table><table:table table:name="Empty"/>') == (
        "### Shifts\n\nTeam: North; Share: 25%; Day: Mon\nTeam: North; Share: 50%; Day: Tue\nKey: x; Value: 1"
    )


def test_sheet_repetition_is_bounded() -> None:
    rows = row(cell("x", 'table:number-columns-repeated="9999999"'), attributes='table:number-rows-repeated="9999999"')
    assert len(read_sheet(f'<table:table table:name="A">{rows}</table:table>')) < 500_000


def test_hidden_sheet_is_marked() -> None:
    styles = '<style:style style:name="ta1"><style:table-properties table:display="false"/></style:style>'
    sheet = f'<table:table table:name="A" table:style-name="ta1">{row(cell("x"))}</table:table>'
    assert read_sheet(sheet, styles) == "### A (hidden sheet)\n\nx"


def test_slides_are_headings_and_pages() -> None:
    def frame(text: str, attributes: str = "") -> str:
        return f"<draw:frame {attributes}><draw:text-box><text:p>{text}</text:p></draw:text-box></draw:frame>"

    first = frame("lower", 'svg:y="9cm"') + frame("upper", 'svg:y="3cm"') + frame("Plan", 'presentation:class="title"')
    first += f"<presentation:notes>{frame('Speak slowly.')}</presentation:notes>"
    pages = f"<draw:page>{first}</draw:page><draw:page>{frame('Alone.')}</draw:page>"
    data = build_opendocument(f"<office:presentation>{pages}</office:presentation>")
    content = read_odp(data, ReadLog())
    assert content.text == "### Plan\n\nupper\n\nlower\n\nNotes: Speak slowly.\n\n### Slide 2\n\nAlone."
    assert content.title == "Plan" and [line.page for line in content.tree.lines] == [1, 2]


MANIFEST = "<manifest><file-entry><encryption-data/></file-entry></manifest>"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"%PDF-1.4", "found a PDF"),
        (build_docx(""), "found a Word document"),
        (build_opendocument("<office:spreadsheet/>"), "another OpenDocument"),
        (build_opendocument("<office:text/>", parts={"META-INF/manifest.xml": MANIFEST}), "password"),
        (zip_files({"content.xml": f"{ENTITIES}<x>&file;</x>"}), "entities"),
        (zip_files({"content.xml": "<x"}), "damaged"),
    ],
)
def test_bad_file_is_an_error(data: bytes, message: str) -> None:
    with pytest.raises(ReadError, match=message):
        read_odt(data, ReadLog())
