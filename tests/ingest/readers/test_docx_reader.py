"""Word documents: the final text, with its structure, and nothing lost."""

from __future__ import annotations

import zipfile

import pytest

from ingest.readers.content import Content
from ingest.readers.office.docx_reader import read_docx
from ingest.readers.read_log import ReadLog
from kgrag.errors import ReadError
from kgrag.tree import BlockKind, HeadingPath
from tests.ingest.readers.office_files import (
    ENCRYPTED,
    ENTITIES,
    OLD_WORD,
    WORD,
    build_docx,
    build_xlsx,
    core_properties,
    zip_files,
)


def read(body: str, parts: dict[str, str] | None = None, links: dict[str, str] | None = None) -> Content:
    return read_docx(build_docx(body, parts, links), ReadLog())


def run(text: str, properties: str = "") -> str:
    return f'<w:r><w:rPr>{properties}</w:rPr><w:t xml:space="preserve">{text}</w:t></w:r>'


def paragraph(text: str, style: str = "", properties: str = "", run_properties: str = "") -> str:
    style = f'<w:pStyle w:val="{style}"/>' if style else ""
    return f"<w:p><w:pPr>{style}{properties}</w:pPr>{run(text, run_properties)}</w:p>"


def cell(text: str, properties: str = "") -> str:
    return f"<w:tc><w:tcPr>{properties}</w:tcPr>{paragraph(text)}</w:tc>"


def table(*rows: str, properties: str = "") -> str:
    return f"<w:tbl><w:tblPr>{properties}</w:tblPr>{''.join(f'<w:tr>{row}</w:tr>' for row in rows)}</w:tbl>"


def style(id: str, name: str, rest: str = "") -> str:
    return f'<w:style w:type="paragraph" w:styleId="{id}"><w:name w:val="{name}"/>{rest}</w:style>'


def kinds(content: Content) -> list[str]:
    return [block.kind.value for block in content.tree.blocks]


def test_headings_are_known_by_name_outline_and_base() -> None:
    styles = "<w:styles>" + style("1", "heading 1") + style("berschrift2", "Überschrift 2")
    styles += style("a5", "标题 3") + style("Mine", "Mine", '<w:basedOn w:val="1"/>')
    styles += style("Outlined", "Outlined", '<w:pPr><w:outlineLvl w:val="3"/></w:pPr>') + "</w:styles>"
    body = (
        paragraph("One", "1") + paragraph("Two", "berschrift2") + paragraph("三", "a5") + paragraph("Four", "Outlined")
    )
    body += (
        paragraph("Based", "Mine") + paragraph("Direct", properties='<w:outlineLvl w:val="1"/>') + paragraph("Text.")
    )
    content = read(body, {"styles": styles})
    levels = [(b.label, b.level) for b in content.tree.blocks if b.kind is BlockKind.HEADING]
    assert levels == [("One", 1), ("Two", 2), ("三", 3), ("Four", 4), ("Based", 1), ("Direct", 2)]
    assert HeadingPath(content.tree).at(content.text.index("Text.")) == ("Based", "Direct")


def test_style_cycle_ends() -> None:
    styles = (
        "<w:styles>"
        + style("A", "A", '<w:basedOn w:val="B"/>')
        + style("B", "B", '<w:basedOn w:val="A"/>')
        + "</w:styles>"
    )
    assert read(paragraph("Text", "A"), {"styles": styles}).text == "Text"


def test_lists_keep_depth_and_shown_numbers() -> None:
    def level(number: int, form: str, text: str) -> str:
        return f'<w:lvl w:ilvl="{number}"><w:start w:val="1"/><w:numFmt w:val="{form}"/><w:lvlText w:val="{text}"/></w:lvl>'

    numbering = f'<w:numbering><w:abstractNum w:abstractNumId="0">{level(0, "decimal", "%1.")}'
    numbering += f'{level(1, "lowerLetter", "%1.%2)")}</w:abstractNum><w:abstractNum w:abstractNumId="1">'
    numbering += f'{level(0, "bullet", "•")}</w:abstractNum><w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num>'
    numbering += '<w:num w:numId="2"><w:abstractNumId w:val="1"/></w:num></w:numbering>'

    def item(text: str, number: int, depth: int) -> str:
        return paragraph(text, properties=f'<w:numPr><w:ilvl w:val="{depth}"/><w:numId w:val="{number}"/></w:numPr>')

    body = item("a", 1, 0) + item("b", 1, 1) + item("c", 1, 1) + item("d", 1, 0) + item("e", 1, 1) + item("f", 2, 0)
    content = read(body, {"numbering": numbering})
    assert content.text == "1. a\n  1.a) b\n  1.b) c\n2. d\n  2.a) e\n- f"
    assert [block.level for block in content.tree.blocks] == [1, 2, 2, 1, 2, 1]


def test_merged_cells_are_repeated() -> None:
    content = read(
        table(
            cell("Team") + cell("Day") + cell("Lead"),
            cell("North", '<w:vMerge w:val="restart"/>') + cell("Mon") + cell("Ann"),
            cell("", "<w:vMerge/>") + cell("Tue") + cell("Bob"),
            cell("South") + cell("closed", '<w:gridSpan w:val="2"/>'),
        )
    )
    assert content.text.split("\n") == [
        "Team: North; Day: Mon; Lead: Ann",
        "Team: North; Day: Tue; Lead: Bob",
        "Team: South; Day: closed; Lead: closed",
    ]
    assert content.title == ""


def test_header_rows_are_joined() -> None:
    head = "<w:trPr><w:tblHeader/></w:trPr>"
    content = read(
        table(
            head + cell("Region", '<w:vMerge w:val="restart"/>') + cell("2024", '<w:gridSpan w:val="2"/>'),
            head + cell("", "<w:vMerge/>") + cell("Q1") + cell("Q2"),
            cell("North") + cell("5") + cell("7"),
        )
    )
    assert content.text == "Region: North; 2024 Q1: 5; 2024 Q2: 7"
    assert content.tree.blocks[0].label == "Region | 2024 Q1 | 2024 Q2"


def test_row_of_values_below_a_merged_name_is_no_header() -> None:
    head = cell("Part") + cell("Size", '<w:gridSpan w:val="2"/>')
    rows = (
        cell("Box", '<w:vMerge w:val="restart"/>') + cell("1") + cell("2"),
        cell("", "<w:vMerge/>") + cell("3") + cell("4"),
    )
    assert read(table(head, *rows)).text == "Part: Box; Size: 1; Size: 2\nPart: Box; Size: 3; Size: 4"
    words = (
        cell("Box", '<w:vMerge w:val="restart"/>') + cell("a") + cell("b"),
        cell("", "<w:vMerge/>") + cell("c") + cell("d"),
    )
    assert read(table(head, *words)).text == "Part: Box; Size: a; Size: b\nPart: Box; Size: c; Size: d"


def test_nested_table_follows_its_row() -> None:
    inner = table(cell("Pin") + cell("Volt"), cell("3") + cell("5"))
    outer = table(cell("Part") + cell("Pins"), cell("AX-1") + f"<w:tc>{paragraph('see below')}{inner}</w:tc>")
    assert read(outer).text == "Part: AX-1; Pins: see below\nPin: 3; Volt: 5"


def test_form_has_no_header() -> None:
    content = read(table(cell("Name:") + cell("Ada"), cell("Born:") + cell("1815")))
    assert content.text == "Name: | Ada\nBorn: | 1815"


def test_tracked_changes_give_the_final_text() -> None:
    body = f"<w:p>{run('The fee is ')}<w:del>{run('10')}</w:del><w:ins>{run('20')}</w:ins>{run(' euros.')}</w:p>"
    body += (
        f"<w:p><w:moveFrom>{run('Old place.')}</w:moveFrom></w:p><w:p><w:moveTo>{run('New place.')}</w:moveTo></w:p>"
    )
    body += f"<w:p><w:pPr><w:rPr><w:del/></w:rPr></w:pPr>{run('First half,')}</w:p>{paragraph(' second half.')}"
    body += table(
        cell("a") + cell("b"), "<w:trPr><w:del/></w:trPr>" + cell("gone") + cell("gone"), cell("c") + cell("d")
    )
    body += f"<w:p><w:pPr><w:rPr><w:del/></w:rPr></w:pPr>{run('The end')}</w:p>"
    text = read(body).text
    assert text.split("\n\n")[:3] == ["The fee is 20 euros.", "New place.", "First half, second half."]
    assert "gone" not in text and "Old" not in text and text.endswith("The end")


def test_text_boxes_are_read_once() -> None:
    box = f"<w:txbxContent>{paragraph('Warning: 48 volts.')}</w:txbxContent>"
    choice = f"<mc:Choice Requires='wps'><w:drawing><wps:txbx>{box}</wps:txbx></w:drawing></mc:Choice>"
    fallback = f"<mc:Fallback><w:pict><v:shape><v:textbox>{box}</v:textbox></v:shape></w:pict></mc:Fallback>"
    alternative = f"<mc:AlternateContent>{choice}{fallback}</mc:AlternateContent>"
    assert read(f"<w:p>{run('Sheet.')}<w:r>{alternative}</w:r></w:p>").text == "Sheet.\n\nWarning: 48 volts."
    old = f"<w:p>{run('Sheet.')}<w:r><w:pict><v:shape><v:textbox>{box}</v:textbox></v:shape></w:pict></w:r></w:p>"
    assert read(old).text == "Sheet.\n\nWarning: 48 volts."


def test_headers_are_read_once_without_page_numbers() -> None:
    page = '<w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r><w:instrText> PAGE </w:instrText></w:r>'
    page += f'<w:r><w:fldChar w:fldCharType="separate"/></w:r>{run("7")}<w:r><w:fldChar w:fldCharType="end"/></w:r>'
    parts = {
        "header1": f"<w:hdr>{paragraph('Document no. QA-7731')}</w:hdr>",
        "header2": f"<w:hdr>{paragraph('Document no. QA-7731')}</w:hdr>",
        "footer1": f"<w:ftr><w:p>{run('Page ')}{page}{run(' of ')}<w:fldSimple w:instr='NUMPAGES'>{run('9')}</w:fldSimple></w:p></w:ftr>",
    }
    section = "<w:sectPr>" + "".join(
        f'<w:{name[:-1]}Reference r:id="{name}"/>' for name in ("header1", "header2", "footer1")
    )
    content = read(paragraph("Test report.") + section + "</w:sectPr>", parts)
    assert content.text == "Document no. QA-7731\n\nTest report."


def test_notes_and_comments_follow_their_paragraph() -> None:
    body = f"<w:p>{run('It cost 45')}<w:r><w:footnoteReference w:id='2'/></w:r>{run(' euros.')}<w:r><w:endnoteReference w:id='1'/></w:r>"
    body += "<w:r><w:commentReference w:id='0'/></w:r></w:p>" + paragraph("Next.")
    parts = {
        "footnotes": f"<w:footnotes><w:footnote w:id='2'>{paragraph('Without tax.')}</w:footnote></w:footnotes>",
        "endnotes": f"<w:endnotes><w:endnote w:id='1'>{paragraph('In 2024.')}</w:endnote></w:endnotes>",
        "comments": f"<w:comments><w:comment w:id='0' w:author='Ann'>{paragraph('Check.')}</w:comment></w:comments>",
    }
    content = read(body, parts)
    assert content.text.split("\n\n") == [
        "It cost 45[1] euros.[e1]",
        "[1] Without tax.",
        "[e1] In 2024.",
        "[comment] Ann: Check.",
        "Next.",
    ]
    assert kinds(content)[1:4] == ["footnote"] * 3


def test_superscripts_are_marked() -> None:
    raised = '<w:vertAlign w:val="superscript"/>'
    body = (
        f"<w:p>{run('10')}{run('6', raised)}{run(' cells, the 1')}{run('st', raised)}{run(' of 5 m')}{run('2', raised)}"
    )
    assert read(body + "</w:p>").text == "10^6 cells, the 1st of 5 m^2"


def test_links_and_fields_give_their_shown_text() -> None:
    field = (
        '<w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r><w:instrText> HYPERLINK "https://b.org" </w:instrText></w:r>'
    )
    field += f'<w:r><w:fldChar w:fldCharType="separate"/></w:r>{run("site")}<w:r><w:fldChar w:fldCharType="end"/></w:r>'
    body = f'<w:p>{run("See ")}<w:hyperlink r:id="x">{run("the page")}</w:hyperlink>{run(", ")}{field}{run(".")}</w:p>'
    content = read(body, links={"x": "https://a.org"})
    assert content.text == "See the page, site."
    assert [(content.text[link.start : link.end], link.target) for link in content.tree.links] == [
        ("the page", "https://a.org"),
        ("site", "https://b.org"),
    ]


def test_content_controls_are_read_without_placeholders() -> None:
    body = f"<w:sdt><w:sdtContent>{paragraph('Inside.')}</w:sdtContent></w:sdt>"
    body += f"<w:p>{run('Name: ')}<w:sdt><w:sdtContent>{run('Ada')}</w:sdtContent></w:sdt>"
    body += (
        f"<w:sdt><w:sdtPr><w:showingPlcHdr/></w:sdtPr><w:sdtContent>{run('Click here')}</w:sdtContent></w:sdt></w:p>"
    )
    assert read(body).text == "Inside.\n\nName: Ada"


def test_equations_are_linear_text() -> None:
    def math(text: str) -> str:
        return f"<m:r><m:t>{text}</m:t></m:r>"

    fraction = f"<m:f><m:num>{math('a+b')}</m:num><m:den>{math('2')}</m:den></m:f>"
    power = f"<m:sSup><m:e>{math('x')}</m:e><m:sup>{math('2')}</m:sup></m:sSup>"
    body = f"<w:p>{run('Let ')}<m:oMath>{math('y=')}{power}{math('+')}{fraction}</m:oMath></w:p>"
    assert read(body).text == "Let y=x^2+(a+b)/2"


def test_code_is_one_block_and_no_title() -> None:
    font = '<w:rFonts w:ascii="Consolas"/>'
    lines = [paragraph("# backup of the site", run_properties=font), paragraph("    run()", run_properties=font)]
    content = read("".join(lines) + paragraph("That was it."))
    assert content.text == "```\n# backup of the site\n    run()\n```\n\nThat was it."
    assert content.title == "" and kinds(content) == ["code", "paragraph"]
    assert kinds(read(paragraph("# a comment") + paragraph("Text."))) == ["paragraph", "paragraph"]


def test_alt_text_caption_and_symbols_are_read() -> None:
    styles = f"<w:styles>{style('Cap', 'caption')}</w:styles>"
    body = "<w:p><w:r><w:drawing><wp:inline><wp:docPr descr='A pump in section'/></wp:inline></w:drawing></w:r></w:p>"
    body += paragraph("Figure 1: the pump", "Cap")
    body += f"<w:p>{run('24 mm ')}<w:r><w:sym w:font='Symbol' w:char='F0B1'/></w:r>{run(' 0.1')}</w:p>"
    content = read(body, {"styles": styles})
    assert content.text.split("\n\n") == ["A pump in section", "Figure 1: the pump", "24 mm ± 0.1"]
    assert kinds(content) == ["caption", "caption", "paragraph"]


def test_hidden_text_and_contents_are_left_out() -> None:
    styles = f"<w:styles>{style('TOC1', 'toc 1')}</w:styles>"
    body = paragraph("Intro 3", "TOC1") + f"<w:p>{run('Seen.')}{run('Unseen.', '<w:vanish/>')}</w:p>"
    assert read(body, {"styles": styles}).text == "Seen."


def test_properties_are_metadata() -> None:
    core = "<dc:title>Pump manual</dc:title><dc:creator>Ada</dc:creator><cp:keywords>pump; seal</cp:keywords>"
    core += "<dcterms:created>2024-03-01T10:00:00Z</dcterms:created><dcterms:modified>soon</dcterms:modified>"
    document = f"<w:document {WORD}><w:body>{paragraph('Text.')}</w:body></w:document>"
    content = read_docx(zip_files({**core_properties(core), "word/document.xml": document}), ReadLog())
    assert content.title == "Pump manual"
    assert content.metadata == {"author": "Ada", "tags": ("pump", "seal"), "created": "2024-03-01T10:00:00Z"}
    default = core_properties(
        "<dc:title>Microsoft Word - Document1.docx</dc:title><dc:creator>python-docx</dc:creator>"
    )
    content = read_docx(zip_files({**default, "word/document.xml": document}), ReadLog())
    assert (content.title, content.metadata) == ("", {})


def test_strict_namespaces_are_read() -> None:
    document = (
        '<w:document xmlns:w="http://purl.oclc.org/ooxml/wordprocessingml/main"><w:body><w:p><w:r><w:t>Strict.</w:t>'
    )
    assert (
        read_docx(zip_files({"word/document.xml": document + "</w:r></w:p></w:body></w:document>"}), ReadLog()).text
        == "Strict."
    )


ONE = build_docx(paragraph("Hello"))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"%PDF-1.7\n%...", "found a PDF"),
        (b"{\\rtf1 text}", "found an RTF"),
        (b"<!DOCTYPE html><p>x", "found an HTML page"),
        (ENCRYPTED, "password"),
        (OLD_WORD, "old Word document"),
        (ONE[: len(ONE) // 2], "damaged"),
        (build_xlsx({"A": ""}), "found an Excel workbook"),
        (zip_files({"a.txt": "text"}), "zip archive of other files"),
        (zip_files({"word/document.xml": "<w:document"}), "damaged"),
        (zip_files({"word/document.xml": f"{ENTITIES}<x>&file;</x>"}), "entities"),
        (zip_files({"word/document.xml": f"{ENTITIES}<x a='&a;'/>".encode("utf-16")}), "entities"),
        (zip_files({"word/document.xml": "<a>" * 5000 + "</a>" * 5000}), "damaged"),
        (zip_files({"word/document.xml": b" " * (40 << 20)}), "packs up to"),
    ],
)
def test_bad_file_is_an_error(data: bytes, message: str) -> None:
    with pytest.raises(ReadError, match=message) as caught:
        read_docx(data, ReadLog())
    assert "root:" not in str(caught.value)


def test_understated_size_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry that unpacks to more than it declares is damaged, and read no further than declared."""
    body = build_docx(paragraph("long " * 5000))
    infolist = zipfile.ZipFile.infolist

    def understate(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
        entries = infolist(archive)
        for entry in entries:
            entry.file_size = min(entry.file_size, 100)
        return entries

    monkeypatch.setattr(zipfile.ZipFile, "infolist", understate)
    with pytest.raises(ReadError, match="damaged"):
        read_docx(body, ReadLog())


def test_contradicting_entries_are_an_error(recwarn: pytest.WarningsRecorder) -> None:
    import io

    buffer = io.BytesIO(build_docx(paragraph("One")))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("word/document.xml", "<other/>")
    with pytest.raises(ReadError, match="found several"):
        read_docx(buffer.getvalue(), ReadLog())
