"""EPUB books: chapters in the order of reading."""

from __future__ import annotations

import pytest

from ingest.readers.content import Content
from ingest.readers.office.epub_reader import read_epub
from ingest.readers.read_log import ReadLog
from kgrag.errors import ReadError
from kgrag.tree import BlockKind, HeadingPath
from tests.ingest.readers.office_files import ENTITIES, build_docx, zip_files

CONTAINER = '<container><rootfiles><rootfile full-path="OEBPS/book.opf"/></rootfiles></container>'


def page(body: str) -> str:
    return f'<html xmlns="http://www.w3.org/1999/xhtml"><head><title>t</title></head><body>{body}</body></html>'


def book(chapters: dict[str, str], parts: dict[str, str] | None = None, metadata: str = "", items: str = "") -> bytes:
    manifest = "".join(
        f'<item id="{name}" href="{name}.xhtml" media-type="application/xhtml+xml"/>' for name in chapters
    )
    spine = "".join(f'<itemref idref="{name}"/>' for name in reversed(chapters))
    package = f'<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata>{metadata}'
    package += (
        f'</metadata><manifest>{manifest}{items}</manifest><spine>{spine}<itemref idref="nav"/></spine></package>'
    )
    files = {"mimetype": "application/epub+zip", "META-INF/container.xml": CONTAINER, "OEBPS/book.opf": package}
    pages = {f"OEBPS/{name}.xhtml": page(body) for name, body in chapters.items()}
    return zip_files({**files, **pages, **(parts or {})})


def read(chapters: dict[str, str], **options: object) -> Content:
    return read_epub(book(chapters, **options), ReadLog())  # type: ignore[arg-type]


def test_chapters_follow_the_spine() -> None:
    metadata = "<dc:title>The mill</dc:title><dc:creator>Ada</dc:creator><dc:creator>Bob</dc:creator>"
    metadata += "<dc:language>en</dc:language><dc:date>2024-03-01</dc:date><dc:subject>mills</dc:subject>"
    chapters = {"b": "<h1>Second</h1><p>The wheel turns.</p>", "a": "<h1>First</h1><p>It was built in 1802.</p>"}
    content = read(chapters, metadata=metadata)
    assert content.title == "The mill"
    assert content.metadata == {"author": "Ada, Bob", "language": "en", "created": "2024-03-01", "tags": ("mills",)}
    place = content.text.index("The wheel")
    assert content.text.index("It was built") < place
    assert HeadingPath(content.tree).at(place) == ("Second",)
    block = next(b for b in content.tree.blocks if b.start <= place < b.end)
    assert content.text[block.start : block.end] == "The wheel turns."


def test_contents_page_is_left_out_and_names_chapters() -> None:
    nav = page('<nav><ol><li><a href="a.xhtml">The beginning</a></li></ol></nav>')
    items = '<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>'
    content = read({"a": "<p>It was built in 1802.</p>"}, items=items, parts={"OEBPS/nav.xhtml": nav})
    assert content.text == "# The beginning\n\nIt was built in 1802."
    assert content.tree.blocks[0].kind is BlockKind.HEADING


def test_damaged_chapter_is_a_problem() -> None:
    data = book({"a": "<p>Good text.</p>"}, parts={"OEBPS/b.xhtml": ""}, items="")
    assert read_epub(data, ReadLog()).text == "Good text."
    encryption = '<encryption><CipherReference URI="OEBPS/b.xhtml"/></encryption>'
    content = read({"a": "<p>Good text.</p>", "b": "<p>x</p>"}, parts={"META-INF/encryption.xml": encryption})
    assert content.text == "Good text." and "encrypted" in content.problems[0]


def test_chapter_outside_the_archive_is_not_read() -> None:
    items = '<item id="nav" href="../../../../etc/passwd" media-type="text/html"/>'
    assert read({"a": "<p>Good text.</p>"}, items=items).text == "Good text."


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"%PDF-1.4", "found a PDF"),
        (build_docx(""), "found a Word document"),
        (zip_files({"META-INF/container.xml": "<container/>"}), "damaged"),
        (zip_files({"META-INF/container.xml": f"{ENTITIES}<container>&file;</container>"}), "entities"),
        (
            book(
                {"a": "<p>x</p>"},
                {"META-INF/encryption.xml": '<e><CipherReference URI="OEBPS/a.xhtml"/></e>'},
            ),
            "DRM",
        ),
    ],
)
def test_bad_file_is_an_error(data: bytes, message: str) -> None:
    with pytest.raises(ReadError, match=message):
        read_epub(data, ReadLog())
