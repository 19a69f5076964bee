"""Read images of text, such as scans and screenshots, by optical character recognition."""

from __future__ import annotations

import io
import struct
import warnings
from typing import TYPE_CHECKING

from ingest.readers.content import Content
from ingest.readers.images.ocr import OCR_ADVICE, find_recognizer
from ingest.readers.images.page_recognition import recognize_image
from ingest.readers.images.recognized_page import GrayImage, Recognizer
from ingest.readers.pdf.geometry import PageFrame
from ingest.readers.pdf.pages import Page
from ingest.readers.pdf.reader import read_pages
from ingest.readers.read_log import ReadLog
from kgrag.errors import ReadError

if TYPE_CHECKING:
    from PIL import Image

IMAGE_FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP")
MAX_PIXELS = 80_000_000
"""Most pixels of a picture, in color 240 MB: A1 at 300 dpi has 70 million. A larger one is refused before decoding."""
MAX_RECOGNIZED_PIXELS = 20_000_000
"""Most pixels of the image that is recognised: A4 at 300 dpi has 9 million; a larger one is scaled down."""
MAX_FRAMES = 2000
SCREEN_DPI = 96.0
"""Resolution of images that state none, as screens have."""
DPI_RANGE = (50, 2400)
"""Resolutions that are believed, in dots per inch."""


def read_image(data: bytes, log: ReadLog) -> Content:
    """Read the text in an image; the pages of a TIFF become pages.

    Raises:
        ReadError: the extra ``ocr`` is missing, the data is no whole image, is too large, or shows no text.
    """
    recognizer = find_recognizer()
    if not recognizer:
        raise ReadError(f"expected text recognition (OCR) for an image, found none: {OCR_ADVICE}")
    problems: list[str] = []
    with _open_image(data) as image:
        count = getattr(image, "n_frames", 1) if image.format == "TIFF" else 1
        if count > MAX_FRAMES:
            problems.append(f"expected at most {MAX_FRAMES} pages, found {count}: split it to read the others")
        pages = min(count, MAX_FRAMES)
        content = read_pages(lambda number: _read_frame(image, number, recognizer, problems), pages, log)
    if not content.text.strip():
        if len(problems) == 1 == count:
            raise ReadError(problems[0])
        reasons = [*problems, *content.problems]
        raise ReadError("; ".join(reasons) or "expected text in the image, found none: leave it out")
    return Content(
        content.text,
        content.tree,
        content.title,
        content.metadata,
        tuple(dict.fromkeys([*problems, *content.problems])),
    )


def _open_image(data: bytes) -> Image.Image:
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Image.open(io.BytesIO(data), formats=IMAGE_FORMATS)
    except Image.DecompressionBombError as error:
        raise ReadError(
            f"expected at most {MAX_PIXELS // 10**6} million pixels, found more: scale it down or cut it up"
        ) from error
    except UnidentifiedImageError as error:
        raise ReadError(
            "expected an image (png, jpeg, tiff, webp, bmp), found none or a damaged one: save it again"
        ) from error
    except (OSError, ValueError, SyntaxError, struct.error) as error:
        raise ReadError("expected an image, found a damaged one: save it again") from error


def _read_frame(image: Image.Image, number: int, recognizer: Recognizer, problems: list[str]) -> Page:
    """Recognise a page; one that cannot be decoded is empty and named in ``problems``."""
    from PIL import Image

    where = f" on page {number}" if image.format == "TIFF" and getattr(image, "n_frames", 1) > 1 else ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if number > 1:
                image.seek(number - 1)
            gray, scale = _gray_image(image, where)
    except ReadError as error:
        problems.append(str(error))
    except (OSError, EOFError, ValueError, SyntaxError, struct.error, Image.DecompressionBombError):
        problems.append(f"expected a whole image{where}, found a cut off or damaged one: copy or save it again")
    else:
        return recognize_image(gray, scale, recognizer, number)
    return Page(number, PageFrame(1, 1))


def _gray_image(image: Image.Image, where: str) -> tuple[GrayImage, float]:
    """Return the image in gray, upright as its EXIF data says, and its scale in pixels per point.

    Raises:
        ReadError: it has too many pixels.
    """
    import numpy as np
    from PIL import Image, ImageOps

    width, height = image.size
    if width * height > MAX_PIXELS:
        raise ReadError(
            f"expected at most {MAX_PIXELS // 10**6} million pixels{where}, found {width} x {height}: scale it down"
        )
    x_dpi, y_dpi = _resolution(image)
    image.draft("L", (width, height))
    image.load()
    picture = ImageOps.exif_transpose(image)
    if picture.size == (height, width) != (width, height):
        x_dpi, y_dpi = y_dpi, x_dpi
    picture = _flatten(picture)
    # faxes have pixels that are not square
    width, height = picture.size
    dpi = max(x_dpi, y_dpi)
    shrink = min(1.0, (MAX_RECOGNIZED_PIXELS / (width * dpi / x_dpi * height * dpi / y_dpi)) ** 0.5)
    size = max(1, round(width * dpi / x_dpi * shrink)), max(1, round(height * dpi / y_dpi * shrink))
    if size != picture.size:
        picture = picture.resize(size, Image.Resampling.BOX if shrink < 0.5 else Image.Resampling.BICUBIC)
    gray: GrayImage = np.asarray(picture, dtype=np.uint8)
    return gray, dpi * shrink / 72


def _flatten(picture: Image.Image) -> Image.Image:
    """Return a picture in gray, on white where it is transparent, with 16-bit values scaled to 8 bits."""
    import numpy as np
    from PIL import Image

    if picture.mode.startswith(("I", "F")):
        values = np.asarray(picture, dtype=np.float32)
        top = float(values.max()) if values.size else 0.0
        scaled = np.clip(np.nan_to_num(values) * (255 / top if top > 255 else 1.0), 0, 255)
        return Image.fromarray(scaled.astype(np.uint8))
    if picture.has_transparency_data:
        picture = picture.convert("LA" if picture.mode == "LA" else "RGBA")
        white = Image.new("L", picture.size, 255)
        white.paste(picture.convert("L"), mask=picture.getchannel("A"))
        return white
    return picture.convert("L")


def _resolution(image: Image.Image) -> tuple[float, float]:
    """Return the horizontal and vertical resolution in dots per inch; `SCREEN_DPI` if none is believable."""
    try:
        x_dpi, y_dpi = (float(value) for value in image.info.get("dpi", ()))
    except (TypeError, ValueError, ZeroDivisionError):
        return SCREEN_DPI, SCREEN_DPI
    if not all(DPI_RANGE[0] <= value <= DPI_RANGE[1] for value in (x_dpi, y_dpi)) or not 0.4 < x_dpi / y_dpi < 2.5:
        return SCREEN_DPI, SCREEN_DPI
    return x_dpi, y_dpi
