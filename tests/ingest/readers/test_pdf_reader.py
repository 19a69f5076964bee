"""PDFs are read in reading order, with pages, places, headings, tables and code, and without furniture."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from ingest.readers.content import Content
from ingest.readers.images.recognized_page import GrayImage, RecognizedLine, RecognizedPage
from ingest.readers.pdf.document import parse_date, usable_title
from ingest.readers.pdf.reader import read_pdf
from ingest.readers.pdf.text import join_lines
from ingest.readers.read_log import ReadLog
from kgrag.errors import ReadError
from kgrag.tree import BlockKind
from tests.support.pdf import BOLD, CHINESE, COURIER, UNMAPPED, Text, build_pdf, lines

PROSE = (
    "The pump of the northern station was built in the year 1998 and has been",
    "repaired four times since then. The last repair took place in the spring",
    "and was paid by the town, which also pays for the guard of the station.",
)
PICTURE = "0.5 g 100 100 300 300 re f"


def read(*pages: Sequence[Text | str], **options: object) -> Content:
    return read_pdf(build_pdf(*pages, **options), ReadLog(), find_no_text)  # type: ignore[arg-type]


def find_no_text(image: GrayImage) -> RecognizedPage:
    return RecognizedPage([])


def texts(content: Content, kind: BlockKind) -> list[str]:
    return [content.text[b.start : b.end] for b in content.tree.blocks if b.kind is kind]


def test_pdf_lines_have_page_and_box_of_their_text() -> None:
    content = read(lines(PROSE), lines(["Second page."], y=300))
    assert content.text == " ".join(PROSE) + "\n\nSecond page."
    spans = [(content.text[line.start : line.end], line.page) for line in content.tree.lines]
    assert spans == [(PROSE[0], 1), (PROSE[1], 1), (PROSE[2], 1), ("Second page.", 2)]
    left, top, right, bottom = content.tree.lines[-1].box or (0, 0, 0, 0)
    assert (left, top, bottom) == (72, 292, 302) and 120 < right < 150


@pytest.mark.parametrize(
    ("rotation", "turn", "box"),
    [(90, 1, (292, 72)), (0, 1, (292, 500)), (180, 2, (600 - 292, 72)), (90, 0, (500, 292))],
)
def test_pdf_rotated_page_is_read_upright(rotation: int, turn: int, box: tuple[float, float]) -> None:
    """The box lies on the page as displayed; only its size is checked where the text is turned on it."""
    content = read(
        [Text(300, 400, "Turned words here", turn=turn), Text(320, 400, "and more", turn=turn)], rotation=rotation
    )
    assert "Turned words here" in content.text
    left, top, right, bottom = content.tree.lines[0].box or (0, 0, 0, 0)
    is_upright = rotation // 90 == turn
    assert (right - left > bottom - top) == is_upright
    width, height = (800, 600) if rotation % 180 else (600, 800)
    assert 0 <= left < right <= width and 0 <= top < bottom <= height


def test_pdf_two_columns_are_read_one_after_the_other() -> None:
    left = [f"left line {n} of the first column of text" for n in range(8)]
    right = [f"right line {n} of the second column text" for n in range(8)]
    title = Text(100, 60, "A title that stands across both of the columns", 18, BOLD)
    content = read([title, *lines(right, x=320), *lines(left, x=72)])
    assert content.text.index("A title") < content.text.index("left line 0") < content.text.index("left line 7")
    assert content.text.index("left line 7") < content.text.index("right line 0") < content.text.index("right line 7")
    assert content.title == "A title that stands across both of the columns"


def test_pdf_paragraph_continues_over_columns_and_pages() -> None:
    head = Text(72, 30, "Handbook of the station", 8)
    first = "The emergency valve of the north boiler must be closed each day by the duty"
    second = "engineer before the hall is left."
    content = read(
        [head, Text(72, 100, first), Text(300, 780, "Page 1 of 3", 8)],
        [head, Text(72, 100, second), Text(300, 780, "Page 2 of 3", 8)],
        [head, Text(72, 100, "Another sentence."), Text(300, 780, "Page 3 of 3", 8)],
    )
    assert content.text == f"{first} {second}\n\nAnother sentence."
    assert [line.page for line in content.tree.lines] == [1, 2, 3]


@pytest.mark.parametrize(
    "numbers", [("1", "2", "3", "4"), ("- 11 -", "- 12 -", "- 13 -", "- 14 -"), ("i", "ii", "iii", "iv")]
)
def test_pdf_page_numbers_are_removed(numbers: tuple[str, ...]) -> None:
    content = read(*[[*lines([f"Text of page {n}."], y=200), Text(300, 780, n)] for n in numbers])
    assert content.text.split("\n\n") == [f"Text of page {n}." for n in numbers]


def test_pdf_running_heads_of_short_chapters_are_removed() -> None:
    heads = ["Chapter 1: Basics", "Chapter 2: Pumps", "Chapter 3: Valves", "Chapter 4: Ends"]
    pages = [
        [Text(72, 40, head), Text(500, 40, str(n)), *lines([f"Words of page {n}."], y=120)]
        for n, head in enumerate(heads, 7)
    ]
    assert read(*pages).text.split("\n\n") == [f"Words of page {n}." for n in range(7, 11)]


def test_pdf_first_lines_that_differ_are_kept() -> None:
    content = read(*[lines([f"Page about the {name}.", *PROSE], y=60) for name in ("pump", "valve", "boiler")])
    assert [name in content.text for name in ("the pump.", "the valve.", "the boiler.")] == [True] * 3


def test_pdf_stamps_in_the_margin_and_across_pages_are_removed() -> None:
    stamp, watermark = Text(25, 600, "preprint 2402.01234v2", 16, turn=1), Text(100, 400, "DRAFT", 60, BOLD)
    content = read(*[[stamp, watermark, *lines([f"Result {name}.", *PROSE])] for name in ("one", "two", "three")])
    assert "preprint" not in content.text and "DRAFT" not in content.text and "Result three." in content.text


def test_pdf_contents_with_leaders_are_removed() -> None:
    contents = [
        "1 Pumps . . . . . . . . . . . . . 3",
        "1.1 Valves .............. 4",
        "A long title",
        "of two lines . . . . . 5",
        "2 End . . . . . 6",
    ]
    content = read([Text(72, 70, "Contents", 16, BOLD), *lines(contents)], lines(PROSE))
    assert content.text == " ".join(PROSE)


@pytest.mark.parametrize(
    ("before", "after", "words", "joined"),
    [
        ("the main-", "tenance", {"maintenance"}, "the maintenance"),
        ("the mainte-", "nance", set(), "the maintenance"),
        ("a state-of-", "the-art", set(), "a state-of-the-art"),
        ("a well-", "known", set(), "a well-known"),
        ("the read-", "write mode", {"read-write"}, "the read-write mode"),
        ("the main\xad", "tenance", set(), "the maintenance"),
        ("from 10-", "20 of them", set(), "from 10-20 of them"),
        ("see https://a.org/", "page", set(), "see https://a.org/page"),
        ("中文的一", "句话", set(), "中文的一句话"),
        ("使用 make", "命令", set(), "使用 make 命令"),
        ("one", "two", set(), "one two"),
    ],
)
def test_join_lines_keeps_or_removes_the_hyphen(before: str, after: str, words: set[str], joined: str) -> None:
    start, separator = join_lines(before, after, words)
    assert start + separator + after == joined


def test_pdf_ligatures_and_chinese_are_plain_text() -> None:
    rows = ["The ﬁlter of the oﬃce is eﬃcient."], ["锅炉的紧急阀门由值班工程师关闭并在红色的", "簿子里登记。"]
    content = read(lines(rows[0], font=CHINESE), lines(rows[1], font=CHINESE))
    assert "The filter of the office is efficient." in content.text
    assert "锅炉的紧急阀门由值班工程师关闭并在红色的簿子里登记。" in content.text


def test_pdf_headings_have_levels_by_size_and_outline() -> None:
    page = [
        Text(72, 60, "Boiler handbook", 20, BOLD),
        Text(72, 90, "1 Valves", 14, BOLD),
        *lines(PROSE, y=110),
        Text(72, 170, "1.1 Springs", 12, BOLD),
        *lines(PROSE, y=190),
    ]
    headings = [(b.label, b.level) for b in read(page).tree.blocks if b.kind is BlockKind.HEADING]
    assert headings == [("Boiler handbook", 1), ("1 Valves", 2), ("1.1 Springs", 3)]
    marked = [
        *lines(PROSE),
        Text(72, 150, "Valves"),
        *lines(PROSE, y=170),
        Text(72, 220, "Springs"),
        *lines(PROSE, y=240),
    ]
    content = read(marked, lines(["Ends", *PROSE]), outline=[("1 Valves", 1), ("2 Springs", 1), ("Ends", 2)])
    assert [b.label for b in content.tree.blocks if b.kind is BlockKind.HEADING] == ["Valves", "Springs", "Ends"]


def test_pdf_list_items_have_depth_and_markers() -> None:
    content = read(
        [
            Text(72, 100, "Bring these:"),
            Text(80, 115, "•  a lamp with a battery that lasts for the whole night, and a second one for the"),
            Text(90, 127, "other hall"),
            Text(100, 142, "•  a spare lamp"),
            Text(80, 157, "2. a key"),
        ]
    )
    assert texts(content, BlockKind.ITEM) == [
        "- a lamp with a battery that lasts for the whole night, and a second one for the other hall",
        "  - a spare lamp",
        "2. a key",
    ]


def test_pdf_code_keeps_indentation_and_blank_lines() -> None:
    code = [
        Text(72, 160, "def run():", font=COURIER),
        Text(96, 172, "x  = 1", font=COURIER),
        Text(96, 196, "return x", font=COURIER),
    ]
    content = read([*lines(PROSE), *code, *lines(PROSE, y=230)])
    assert texts(content, BlockKind.CODE) == ["```\ndef run():\n    x  = 1\n\n    return x\n```"]


def test_pdf_table_without_rules_becomes_rows() -> None:
    cells = [("Part", "Colour", "Price"), ("AX-100", "red", "12.50"), ("AX-200", "", "14.00"), ("AX-300", "blue", "")]
    table = [
        Text(x, 200 + 15 * n, cell, font=BOLD if n == 0 else "F1")
        for n, row in enumerate(cells)
        for x, cell in zip((72, 180, 300), row, strict=True)
        if cell
    ]
    content = read([*lines(PROSE), *table, *lines(PROSE, y=300)])
    assert texts(content, BlockKind.ROW) == [
        "Part: AX-100; Colour: red; Price: 12.50",
        "Part: AX-200; Price: 14.00",
        "Part: AX-300; Colour: blue",
    ]


def ruled_table(names: Sequence[str], *rows: Sequence[str], y: float = 200) -> list[Text | str]:
    """Return a grid of 100-point columns and 20-point rows; the first column of the last row spans two rows."""
    count = len(rows) + 1
    items: list[Text | str] = [
        f"{72 + 100 * n} {800 - y} m {72 + 100 * n} {800 - y - 20 * count} l S" for n in range(len(names) + 1)
    ]
    items += [f"72 {800 - y - 20 * n} m {72 + 100 * len(names)} {800 - y - 20 * n} l S" for n in range(count + 1)]
    items += [
        Text(76 + 100 * column, y + 14 + 20 * row, cell)
        for row, cells in enumerate((names, *rows))
        for column, cell in enumerate(cells)
        if cell
    ]
    return items


def test_pdf_ruled_table_keeps_cells_and_continues_on_next_page() -> None:
    first = ruled_table(["Name", "Default"], ["work_mem", "4MB"], ["temp_buffers", ""], y=700)
    second = ruled_table(["Name", "Default"], ["shared_buffers", "128MB"], y=100)
    content = read([*lines(PROSE), *first], [*second, *lines(PROSE, y=300)])
    assert texts(content, BlockKind.ROW) == [
        "Name: work_mem; Default: 4MB",
        "Name: temp_buffers",
        "Name: shared_buffers; Default: 128MB",
    ]
    assert [line.page for line in content.tree.lines if "buffers" in content.text[line.start : line.end]] == [1, 2]


def test_pdf_merged_cell_is_repeated_in_its_rows() -> None:
    items = ruled_table(["Site", "Pump"], ["North", "AX-1"], ["", "AX-2"])
    items = [item for item in items if item != "72 560 m 272 560 l S"] + ["172 560 m 272 560 l S"]
    assert texts(read(items), BlockKind.ROW) == ["Site: North; Pump: AX-1", "Site: North; Pump: AX-2"]


def test_pdf_exponent_and_footnote_mark_are_no_digits() -> None:
    content = read(
        [
            Text(72, 100, "The culture held 10"), Text(156, 96, "6", 6), Text(162, 100, "cells per litre"),
            Text(226, 96, "2", 6), Text(230, 100, ", all alive."),
            Text(72, 700, "2", 5), Text(76, 703, "Counted twice by hand.", 8),
            *lines(PROSE, y=200),
        ]
    )  # fmt: skip
    assert "106" not in content.text and "10^6 cells" in content.text
    assert texts(content, BlockKind.FOOTNOTE) == ["[2] Counted twice by hand."]


def test_pdf_pages_without_text_are_named() -> None:
    content = read(lines(["Begins at nine."]), [PICTURE], [PICTURE], [], lines(["Ends at noon."]))
    assert content.text == "Begins at nine.\n\nEnds at noon."
    assert len(content.problems) == 1 and "on pages 2, 3, " in content.problems[0]


def test_pdf_recognizer_reads_pages_without_text() -> None:
    shapes = []

    def recognize(image: GrayImage) -> RecognizedPage:
        shapes.append(image.shape)
        scale = image.shape[1] / 600
        box = (72 * scale, 100 * scale, 200 * scale, 112 * scale)
        return RecognizedPage([RecognizedLine("Read from the picture.", box, 0.9)])

    content = read_pdf(build_pdf(lines(["Begins at nine."]), [PICTURE]), ReadLog(), recognize)
    assert content.text == "Begins at nine.\n\nRead from the picture." and not content.problems
    line = content.tree.lines[1]
    assert (line.page, line.confidence) == (2, 0.9) and line.box is not None and abs(line.box[0] - 72) < 1
    assert len(shapes) == 1 and shapes[0][0] > shapes[0][1] > 1600


def test_pdf_shapes_that_are_recognised_as_symbols_are_no_text() -> None:
    found = [RecognizedLine("■ ■", (100, 100, 300, 130), 0.95), RecognizedLine("—", (100, 200, 300, 230), 0.9)]
    data = build_pdf(lines(["Begins at nine."]), [PICTURE], lines(["Ends at noon."]))
    content = read_pdf(data, ReadLog(), lambda image: RecognizedPage(found))
    assert content.text == "Begins at nine.\n\nEnds at noon." and "ocr_pages" not in content.metadata
    assert len(content.problems) == 1 and "on page 2" in content.problems[0]


def test_pdf_glyph_numbers_are_left_out_and_reported() -> None:
    content = read(lines(PROSE), lines(["no map for these glyphs"], font=UNMAPPED))
    assert content.text == " ".join(PROSE)
    assert "22 glyph numbers" in content.problems[0] and "page 2" in content.problems[0]
    with pytest.raises(ReadError, match="glyph numbers without a character on page 1"):
        read(lines(["only glyphs"], font=UNMAPPED))


def test_pdf_links_have_their_text_and_target() -> None:
    content = read([Text(72, 100, "See the manual today.")], link=((108, 690, 145, 712), "https://example.org/m"))
    link = content.tree.links[0]
    assert link.target == "https://example.org/m" and content.text[link.start : link.end] in ("manual", "manual ")


def test_pdf_metadata_is_title_author_and_dates() -> None:
    info = {
        "Title": "Boiler handbook",
        "Author": "Ada Vale",
        "CreationDate": "D:20230120164927+01'00'",
        "Keywords": "a, b",
    }
    content = read(lines(PROSE), info=info)
    assert content.title == "Boiler handbook"
    expected = {"author": "Ada Vale", "created": "2023-01-20T16:49:27+01:00", "tags": ("a", "b")}
    assert dict(content.metadata) == expected


@pytest.mark.parametrize(
    "title",
    [
        "untitled",
        "(anonymous)",
        "Microsoft Word - x.doc",
        "report_v2.docx",
        "Slide 1",
        "C:\\a\\b.tex",
        "",
        "12",
        "Document1",
    ],
)
def test_usable_title_rejects_placeholders_and_file_names(title: str) -> None:
    assert usable_title(title) == ""


def test_usable_title_drops_the_program() -> None:
    assert usable_title("Microsoft Word - Annual report") == "Annual report"


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("D:20230120", "2023-01-20"),
        ("D:20230120164927Z", "2023-01-20T16:49:27+00:00"),
        ("2023", "2023-01-01"),
        ("D:20231399", ""),
        ("soon", ""),
    ],
)
def test_parse_date_returns_iso_date(text: str, date: str) -> None:
    assert parse_date(text) == date


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"%PDF-1.4\nnonsense", "damaged"),
        (b"PK\x03\x04 no pdf", "found an office file or an archive: rename it"),
        (b"", "damaged"),
        (build_pdf(), "no|none|damaged"),
        (build_pdf([]), "no text"),
        (build_pdf([PICTURE]), "only pictures on page 1"),
    ],
)
def test_pdf_that_cannot_be_read_gets_a_sentence(data: bytes, message: str) -> None:
    with pytest.raises(ReadError, match=message):
        read_pdf(data, ReadLog(), find_no_text)


def test_pdf_word_cut_at_a_short_line_is_joined() -> None:
    content = read(
        lines([*PROSE, "The stor-", "age of the town is full. It is in the north, beside the old harbour wall."])
    )
    assert "The storage of the town is full." in content.text


def test_pdf_cut_off_is_read_or_refused() -> None:
    data = build_pdf(lines(PROSE))
    for length in range(20, len(data), 97):
        try:
            text = read_pdf(data[:length], ReadLog(), find_no_text).text
        except ReadError as error:
            text = str(error)
        assert text.startswith("expected ") or PROSE[0] in text
