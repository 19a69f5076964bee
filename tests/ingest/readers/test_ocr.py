"""Scanned pages and images are recognised in English and Chinese, slanted and turned, without a network."""

from __future__ import annotations

import io
import socket

import numpy as np
import pytest
from PIL import Image

from ingest.readers.content import Content
from ingest.readers.images import ocr
from ingest.readers.images.image_reader import read_image
from ingest.readers.images.ocr import find_recognizer, recognize
from ingest.readers.pdf import problems as pdf_problems
from ingest.readers.pdf import reader as pdf_reader
from ingest.readers.pdf.reader import read_pdf
from ingest.readers.read_log import ReadLog
from kgrag.errors import ReadError
from tests.support.chinese_line import CHINESE_LINE, chinese_line
from tests.support.pdf import BOLD, UNMAPPED, Text, build_pdf, lines

needs_ocr = pytest.mark.skipif(find_recognizer() is None, reason="the extra ocr is not installed")

PROSE = (
    "The pump of the northern station was built in the year 1998 and has been",
    "repaired four times since then. It is closed at noon, except on Sundays.",
)


def scan(*texts: Text | str, dpi: int = 150, slant: float = 0.0, noise: float = 8.0) -> Image.Image:
    """Return an image of the upper part of a page as a scanner would make it; ``slant`` in degrees."""
    import pypdfium2

    page = pypdfium2.PdfDocument(build_pdf(list(texts)))[0]
    image = page.render(scale=dpi / 72, grayscale=True).to_pil().convert("L")
    image = image.rotate(-slant, resample=Image.Resampling.BICUBIC, fillcolor=255)
    image = image.crop((0, 0, image.width, image.height // 3))
    grain = np.random.default_rng(5).normal(0, noise, (image.height, image.width))
    return Image.fromarray(np.clip(np.asarray(image) * 0.93 + 8 + grain, 0, 255).astype(np.uint8))


def as_png(image: Image.Image, dpi: int = 150) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG", dpi=(dpi, dpi))
    return out.getvalue()


def as_pdf(*images: Image.Image) -> bytes:
    out = io.BytesIO()
    images[0].save(out, "PDF", resolution=150, save_all=True, append_images=images[1:])
    return out.getvalue()


def with_stamp(data: bytes, stamp: str) -> bytes:
    """Return a scanned PDF on which a program wrote a line of text."""
    import ctypes

    import pypdfium2
    import pypdfium2.raw as pdfium

    document = pypdfium2.PdfDocument(data)
    page = document[0]
    item = pdfium.FPDFPageObj_NewTextObj(document.raw, b"Helvetica", 8.0)
    wide = ctypes.create_string_buffer((stamp + "\0").encode("utf-16-le"))
    pdfium.FPDFText_SetText(item, ctypes.cast(wide, pdfium.FPDF_WIDESTRING))
    pdfium.FPDFPageObj_Transform(item, 1, 0, 0, 1, 72, page.get_height() - 20)
    pdfium.FPDFPage_InsertObject(page.raw, item)
    page.gen_content()
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


@needs_ocr
def test_ocr_reads_slanted_english_without_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("expected no connection, found one")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    ocr._engine.cache_clear()
    content = read_image(as_png(scan(*lines(PROSE, size=11), slant=0.9)), ReadLog())
    assert content.text == " ".join(PROSE)
    assert content.metadata == {"ocr_pages": "page 1"} and not content.problems
    first, second = content.tree.lines
    assert first.page == 1 and first.confidence is not None and first.confidence > 0.9
    # at 0.9 degrees, the middle of a line 12 points further down lies further down, too
    assert first.box and second.box and 8 < second.box[1] - first.box[1] < 16
    assert abs(first.box[0] - 72) < 8 and first.box[3] - first.box[1] < 16


@needs_ocr
@pytest.mark.parametrize("turn", [0, 1, 2])
def test_ocr_reads_chinese_turned_by_quarters(turn: int) -> None:
    image = np.ascontiguousarray(np.rot90(np.asarray(chinese_line()), turn))
    page = recognize(image)
    assert [line.text for line in page.lines] == [CHINESE_LINE]
    assert page.turn == turn and page.lines[0].confidence > 0.9


@needs_ocr
def test_ocr_reads_scanned_pages_of_a_pdf() -> None:
    content = read_pdf(as_pdf(scan(*lines(PROSE, size=11))), ReadLog())
    assert content.text == " ".join(PROSE) and content.metadata["ocr_pages"] == "page 1"
    assert all(line.confidence and line.box for line in content.tree.lines)


@needs_ocr
def test_ocr_reads_a_scan_under_a_stamp() -> None:
    content = read_pdf(with_stamp(as_pdf(scan(*lines(PROSE, size=11))), "Received 12 May"), ReadLog())
    assert "was built in the year 1998" in content.text and "Received 12 May" in content.text


@needs_ocr
def test_ocr_leaves_pages_of_text_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> None:
        raise AssertionError("expected no recognition of a page of text, found one")

    monkeypatch.setattr(pdf_reader, "find_recognizer", lambda: refuse)
    assert "1998" in read_pdf(build_pdf(lines(PROSE), [Text(72, 90, "A title", 20, BOLD)]), ReadLog()).text


@needs_ocr
def test_ocr_image_without_text_gets_a_sentence() -> None:
    noise = np.random.default_rng(1).integers(0, 255, (200, 300)).astype(np.uint8)
    for image in (Image.new("L", (300, 200), 255), Image.fromarray(noise), Image.new("L", (1, 1))):
        with pytest.raises(ReadError, match="expected text"):
            read_image(as_png(image), ReadLog())


@needs_ocr
def test_ocr_uncertain_lines_are_left_out_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocr, "MIN_CONFIDENCE", 1.1)
    page = recognize(np.asarray(chinese_line()))
    assert (list(page.lines), page.dropped_count) == ([], 1)


def read_without_extra(monkeypatch: pytest.MonkeyPatch, data: bytes) -> Content:
    for module in (pdf_reader, pdf_problems):
        monkeypatch.setattr(module, "find_recognizer", lambda: None)
    return read_pdf(data, ReadLog())


def test_ocr_missing_extra_is_named_with_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = "0.5 g 100 100 300 300 re f"
    problems = read_without_extra(monkeypatch, build_pdf(lines(PROSE), [picture])).problems
    assert len(problems) == 1 and "page 2" in problems[0] and "pip install 'kgrag[ocr]'" in problems[0]
    with pytest.raises(ReadError, match=r"page 1, .*kgrag\[ocr\]"):
        read_without_extra(monkeypatch, build_pdf([picture]))
    with pytest.raises(ReadError, match=r"glyph numbers.*kgrag\[ocr\]"):
        read_without_extra(monkeypatch, build_pdf(lines(["only glyphs"], font=UNMAPPED)))
