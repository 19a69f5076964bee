"""Images of text are read with places in points; broken, empty and huge ones get a sentence."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Sequence

import pytest
from PIL import Image, TiffImagePlugin

from ingest.readers.images import image_reader
from ingest.readers.images.image_reader import read_image
from ingest.readers.images.recognized_page import GrayImage, RecognizedLine, RecognizedPage, Recognizer
from ingest.readers.read_log import ReadLog
from kgrag.errors import ReadError

LINE = RecognizedLine("The pump stands in the north hall.", (100, 200, 500, 220), 0.9)
Recognize = Callable[[Recognizer], list[GrayImage]]


@pytest.fixture
def recognize(monkeypatch: pytest.MonkeyPatch) -> Recognize:
    """Return a function that replaces the recogniser and returns the list of the images that it will be given."""

    def replace(recognizer: Recognizer) -> list[GrayImage]:
        images: list[GrayImage] = []

        def record(image: GrayImage) -> RecognizedPage:
            images.append(image)
            return recognizer(image)

        monkeypatch.setattr(image_reader, "find_recognizer", lambda: record)
        return images

    return replace


def page_of(*lines: RecognizedLine, **fields: object) -> Recognizer:
    return lambda image: RecognizedPage(lines, **fields)  # type: ignore[arg-type]


def encode(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def white(width: int = 600, height: int = 800, mode: str = "L") -> Image.Image:
    return Image.new(mode, (width, height), "white")


@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF", "WEBP", "BMP"])
def test_image_text_has_page_box_and_confidence(recognize: Recognize, form: str) -> None:
    images = recognize(page_of(LINE))
    content = read_image(encode(white(mode="RGB"), form, dpi=(144, 144)), ReadLog())
    assert content.text == LINE.text and content.metadata == {"ocr_pages": "page 1"} and not content.problems
    line = content.tree.lines[0]
    scale = 96 / 72 if form == "WEBP" else 2  # a webp has no resolution
    assert line.box == pytest.approx([value / scale for value in LINE.box], abs=0.6)
    assert (line.page, line.confidence) == (1, 0.9) and images[0].shape == (800, 600)


def test_image_pages_of_a_tiff_are_pages(recognize: Recognize) -> None:
    texts = iter(("The pump stands here.", "The valve stands there."))
    recognize(lambda image: RecognizedPage([RecognizedLine(next(texts), (10, 20, 90, 30), 0.8)]))
    data = encode(white(100, 200), "TIFF", save_all=True, append_images=[white(200, 100)])
    content = read_image(data, ReadLog())
    assert content.text == "The pump stands here.\n\nThe valve stands there."
    assert [line.page for line in content.tree.lines] == [1, 2]
    assert content.metadata["ocr_pages"] == "pages 1, 2"


def test_image_is_turned_as_its_exif_data_says(recognize: Recognize) -> None:
    images = recognize(page_of(LINE))
    exif = Image.Exif()
    exif[0x0112], exif[0x013B] = 6, "Somebody"
    content = read_image(encode(white(800, 600), "JPEG", exif=exif, dpi=(100, 100)), ReadLog())
    assert images[0].shape == (800, 600) and "author" not in content.metadata


def test_image_with_oblong_pixels_is_made_square(recognize: Recognize) -> None:
    """Faxes have twice as many pixels across as down."""
    images = recognize(page_of(LINE))
    read_image(encode(white(1728, 1100).convert("1"), "TIFF", dpi=(204, 98)), ReadLog())
    assert images[0].shape == (2290, 1728)


def test_image_is_white_where_it_is_transparent(recognize: Recognize) -> None:
    images = recognize(page_of(LINE))
    read_image(encode(Image.new("RGBA", (50, 40), (0, 0, 0, 0))), ReadLog())
    read_image(encode(Image.new("I;16", (50, 40), 65535)), ReadLog())
    assert [int(image.min()) for image in images] == [255, 255]


def test_image_of_slanted_page_has_boxes_on_the_page(recognize: Recognize) -> None:
    """A line in the middle stays where it is; one at the right of a page that falls to the right lies lower."""
    recognize(page_of(LINE._replace(box=(700, 490, 900, 510)), skew=0.02))
    box = read_image(encode(white(1000, 1000), dpi=(72, 72)), ReadLog()).tree.lines[0].box
    assert box == pytest.approx((700, 496, 900, 516), abs=1.5)


@pytest.mark.parametrize(("turn", "box"), [(1, (200, 500, 220, 900)), (2, (500, 780, 900, 800))])
def test_image_of_turned_page_has_boxes_on_the_page(recognize: Recognize, turn: int, box: tuple[float, ...]) -> None:
    recognize(page_of(LINE, turn=turn))
    found = read_image(encode(white(1000, 1000), dpi=(72, 72)), ReadLog()).tree.lines[0].box
    assert found == pytest.approx(box, abs=1.5)


def test_image_table_rows_have_a_confidence(recognize: Recognize) -> None:
    cells = [("Pump", "Year"), ("North", "1998"), ("South", "2004"), ("West", "2011")]
    lines = [
        RecognizedLine(text, (100 + 200 * column, 100 + 20 * row, 150 + 200 * column, 114 + 20 * row), 0.8 + row / 100)
        for row, texts in enumerate(cells)
        for column, text in enumerate(texts)
    ]
    recognize(page_of(*lines))
    content = read_image(encode(white(), dpi=(72, 72)), ReadLog())
    assert "Pump: South; Year: 2004" in content.text
    assert [line.confidence for line in content.tree.lines] == pytest.approx([0.81, 0.82, 0.83])


def test_image_lines_left_out_are_counted(recognize: Recognize) -> None:
    recognize(page_of(LINE, dropped_count=3))
    problems = read_image(encode(white()), ReadLog()).problems
    assert len(problems) == 1 and "found 3 lines below a confidence of 0.7 on page 1" in problems[0]


def test_image_large_one_is_scaled_down(recognize: Recognize, monkeypatch: pytest.MonkeyPatch) -> None:
    images = recognize(page_of(LINE))
    monkeypatch.setattr(image_reader, "MAX_RECOGNIZED_PIXELS", 120_000)
    read_image(encode(white(600, 800)), ReadLog())
    assert images[0].shape == (400, 300)


def png_header(width: int, height: int) -> bytes:
    """Return a PNG that states a size and has almost no data."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"no image at all", "expected an image .* found none"),
        (b"", "expected an image"),
        (b"\x89PNG\r\n\x1a\n", "damaged"),
        (encode(Image.effect_noise((90, 90), 50))[:4000], "cut off or damaged"),
        (encode(Image.effect_noise((90, 90), 50), "JPEG")[:900], "cut off or damaged"),
        (encode(Image.effect_noise((90, 90), 50), "TIFF")[:4000], "damaged"),
        (png_header(60_000, 60_000), "at most 80 million pixels, found"),
        (png_header(10_000, 9_000), "at most 80 million pixels, found 10000 x 9000"),
        (b"%PDF-1.4", "found none"),
    ],
)
def test_image_that_cannot_be_read_gets_a_sentence(recognize: Recognize, data: bytes, message: str) -> None:
    recognize(page_of(LINE))
    with pytest.raises(ReadError, match=message) as caught:
        read_image(data, ReadLog())
    assert "\n" not in str(caught.value)


def test_image_damaged_page_of_a_tiff_is_named(recognize: Recognize) -> None:
    recognize(page_of(LINE))
    noise = [Image.effect_noise((90, 90), 50) for _ in range(2)]
    data = bytearray(encode(noise[0], "TIFF", save_all=True, append_images=noise[1:], compression="tiff_lzw"))
    with Image.open(io.BytesIO(data)) as image:
        assert isinstance(image, TiffImagePlugin.TiffImageFile)
        image.seek(1)
        offset, length = image.tag_v2[273][0], image.tag_v2[279][0]
    data[offset : offset + length] = b"\xff" * length
    content = read_image(bytes(data), ReadLog())
    assert content.text == LINE.text
    assert len(content.problems) == 1 and "page 2" in content.problems[0]


def test_image_without_text_gets_a_sentence(recognize: Recognize) -> None:
    recognize(page_of())
    with pytest.raises(ReadError, match="expected text in the image, found none"):
        read_image(encode(white()), ReadLog())


def test_image_without_the_extra_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_reader, "find_recognizer", lambda: None)
    with pytest.raises(ReadError, match=r"pip install 'kgrag\[ocr\]'"):
        read_image(encode(white()), ReadLog())


def test_image_cut_anywhere_is_read_or_refused(recognize: Recognize) -> None:
    recognize(page_of(LINE))
    noise = Image.effect_noise((60, 60), 50)
    files: Sequence[bytes] = [encode(noise, form) for form in ("PNG", "JPEG", "TIFF", "WEBP", "BMP")]
    for data in files:
        assert read_image(data, ReadLog()).text == LINE.text
        for length in range(1, len(data), len(data) // 9):
            try:
                text = read_image(data[:length], ReadLog()).text
            except ReadError as error:
                text = str(error)
            assert text == LINE.text or text.startswith("expected ")
