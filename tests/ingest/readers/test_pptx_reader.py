"""PowerPoint presentations: slides as headings and pages, in reading order."""

from __future__ import annotations

import pytest

from ingest.readers.content import Content
from ingest.readers.office.pptx_reader import read_pptx
from ingest.readers.read_log import ReadLog
from kgrag.errors import ReadError
from tests.ingest.readers.office_files import ENCRYPTED, ENTITIES, RELATIONS, build_docx, relationships, zip_files

SPACES = (
    'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main" '
    'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" '
    f'xmlns:r="{RELATIONS}"'
)


def paragraphs(*texts: str, properties: str = "") -> str:
    lines = "".join(f"<a:p>{properties}<a:r><a:t>{text}</a:t></a:r></a:p>" for text in texts)
    return f"<p:txBody><a:bodyPr/>{lines}</p:txBody>"


def shape(body: str, kind: str = "", place: tuple[int, int] | None = None, size: int = 100) -> str:
    holder = f'<p:ph type="{kind}"/>' if kind else ""
    frame = ""
    if place:
        frame = f'<a:xfrm><a:off x="{place[0]}" y="{place[1]}"/><a:ext cx="{size}" cy="{size}"/></a:xfrm>'
    return f"<p:sp><p:nvSpPr><p:cNvPr id='1' name=''/><p:nvPr>{holder}</p:nvPr></p:nvSpPr><p:spPr>{frame}</p:spPr>{body}</p:sp>"


def deck(*slides: str, attributes: str = "", parts: dict[str, str] | None = None) -> bytes:
    entries = "".join(f'<p:sldId id="{n + 255}" r:id="s{n}"/>' for n in range(1, len(slides) + 1))
    targets = {f"s{n}": ("slide", f"slides/slide{n}.xml") for n in range(1, len(slides) + 1)}
    files: dict[str, str | bytes] = {
        "ppt/presentation.xml": f"<p:presentation {SPACES}><p:sldIdLst>{entries}</p:sldIdLst></p:presentation>",
        "ppt/_rels/presentation.xml.rels": relationships(targets),
        **(parts or {}),
    }
    for number, content in enumerate(slides, 1):
        files[f"ppt/slides/slide{number}.xml"] = (
            f"<p:sld {SPACES} {attributes}><p:cSld><p:spTree>{content}</p:spTree></p:cSld></p:sld>"
        )
    return zip_files(files)


def read(*slides: str, **options: object) -> Content:
    return read_pptx(deck(*slides, **options), ReadLog())  # type: ignore[arg-type]


def test_slides_are_headings_and_pages() -> None:
    content = read(
        shape(paragraphs("The mill opens in May."), "body") + shape(paragraphs("Plan"), "title"),
        shape(paragraphs("No title here.")) + shape(paragraphs("2"), "sldNum"),
    )
    assert content.text == "### Plan\n\nThe mill opens in May.\n\n### Slide 2\n\nNo title here."
    assert content.title == "Plan"
    place = content.text.index("No title")
    assert [line.page for line in content.tree.page_lines(place, place + 5)] == [2]
    assert [line.page for line in content.tree.lines] == [1, 2]
    assert all(line.box is None for line in content.tree.lines)


def test_empty_slide_keeps_the_page_numbers() -> None:
    content = read("", shape(paragraphs("Second."), place=(0, 0)))
    assert content.text == "### Slide 2\n\nSecond." and content.tree.lines[0].page == 2


def test_shapes_are_read_from_top_to_bottom() -> None:
    places = {"bottom": (0, 500), "right": (300, 110), "left": (0, 100), "top": (50, 0)}
    content = read("".join(shape(paragraphs(name), place=place) for name, place in places.items()))
    assert content.text.split("\n\n")[1:] == ["top", "left", "right", "bottom"]


def test_group_is_read_together() -> None:
    frame = '<p:grpSpPr><a:xfrm><a:off x="0" y="0"/><a:ext cx="9" cy="9"/></a:xfrm></p:grpSpPr>'
    inner = shape(paragraphs("second"), place=(0, 900)) + shape(paragraphs("first"), place=(0, 700))
    content = read(shape(paragraphs("below"), place=(0, 50)) + f"<p:grpSp>{frame}{inner}</p:grpSp>")
    assert content.text.split("\n\n")[1:] == ["first", "second", "below"]


def test_bullets_are_items() -> None:
    deep = '<a:pPr lvl="1"><a:buAutoNum type="arabicPeriod"/></a:pPr>'
    body = paragraphs("One", "Two").replace("</p:txBody>", f"<a:p>{deep}<a:r><a:t>Deep</a:t></a:r></a:p></p:txBody>")
    assert read(shape(body, "body")).text == "### Slide 1\n\n- One\n- Two\n  1. Deep"


def test_table_is_read_with_merged_cells() -> None:
    def cell(text: str, spans: str = "") -> str:
        return f"<a:tc {spans}>{paragraphs(text).replace('p:txBody', 'a:txBody')}</a:tc>"

    rows = [
        cell("Team") + cell("Day"),
        cell("North", 'rowSpan="2"') + cell("Mon"),
        cell("", 'vMerge="1"') + cell("Tue"),
        cell("All closed", 'gridSpan="2"') + cell("", 'hMerge="1"'),
    ]
    table = f'<a:tbl><a:tblPr firstRow="1"/>{"".join(f"<a:tr>{row}</a:tr>" for row in rows)}</a:tbl>'
    content = read(f"<p:graphicFrame><a:graphic><a:graphicData>{table}</a:graphicData></a:graphic></p:graphicFrame>")
    assert content.text.split("\n\n")[1] == "Team: North; Day: Mon\nTeam: North; Day: Tue\nAll closed"


def test_notes_alt_text_and_hidden_slides_are_read() -> None:
    notes = shape(paragraphs("Speak slowly."), "body") + shape(paragraphs("1"), "sldNum")
    parts = {
        "ppt/slides/_rels/slide1.xml.rels": relationships({"n": ("notesSlide", "../notesSlides/n1.xml")}),
        "ppt/notesSlides/n1.xml": f"<p:notes {SPACES}><p:cSld><p:spTree>{notes}</p:spTree></p:cSld></p:notes>",
    }
    picture = "<p:pic><p:nvPicPr><p:cNvPr id='1' name='x' descr='The mill at night'/><p:nvPr/></p:nvPicPr></p:pic>"
    content = read(shape(paragraphs("Plan"), "title") + picture, attributes='show="0"', parts=parts)
    assert content.text == "### Plan (hidden slide)\n\nThe mill at night\n\nNotes: Speak slowly."


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"%PDF-1.4", "found a PDF"),
        (ENCRYPTED, "password"),
        (build_docx(""), "found a Word document"),
        (deck("x")[:300], "damaged"),
        (zip_files({"ppt/presentation.xml": f"{ENTITIES}<x>&file;</x>"}), "entities"),
    ],
)
def test_bad_file_is_an_error(data: bytes, message: str) -> None:
    with pytest.raises(ReadError, match=message):
        read_pptx(data, ReadLog())
