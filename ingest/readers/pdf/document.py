"""Open PDF files, and read what they say of themselves: title, author, dates and outline."""

from __future__ import annotations

import datetime
import re
from typing import TYPE_CHECKING

from ingest.readers.metadata import normalize_metadata
from ingest.readers.pdf.styles import Bookmark
from kgrag.errors import ReadError
from kgrag.types import MetadataValue

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument

MAX_BOOKMARKS = 20_000
_DATE = re.compile(r"(?:D:)?(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?\s*(?:(Z)|([+-])(\d\d)'?(\d\d)?)?")
_NO_VALUE = re.compile(
    r"\W*(?:untitled|anonymous|unspecified|unknown|none|null|title|author|no title|无标题|未命名)?\W*\d*", re.IGNORECASE
)
_PROGRAM_PREFIX = re.compile(
    r"^(?:Microsoft (?:Word|PowerPoint|Excel|Office \w+)|LibreOffice|OpenOffice)\s*-\s*", re.IGNORECASE
)
_FILE_NAME = re.compile(
    r"\S+\.(?:docx?|dotx?|rtf|odt|pptx?|xlsx?|pdf|tex|dvi|ps|indd|qxd|qxp|html?|txt|md|fm|p65|pages|wpd|xml|book)|"
    r".*\.(?:docx?|dotx?|indd|qxd|dvi|pptx?|xlsx?|odt)|(?:slide|folie|document|dokument|presentation|foliensatz|book|"
    r"powerpoint presentation|powerpoint-präsentation|演示文稿|文档|幻灯片)\s*\d*|[a-z]:\\.*|/\S+/.*|\S*_template\S*|.*\btemplate",
    re.IGNORECASE,
)


def open_pdf(data: bytes) -> PdfDocument:
    """Open a PDF.

    Raises:
        ReadError: the file is empty, damaged, or protected by a password.
    """
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower() or "security" in str(error).lower():
            raise ReadError("it is protected by a password: save a copy without one") from error
        if data.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
            raise ReadError(
                "expected a pdf, found an office file or an archive: rename it to its own extension"
            ) from error
        raise ReadError("expected a pdf, found a damaged one: open it and save or print it again") from error
    if not len(document):
        document.close()
        raise ReadError("expected a pdf with pages, found none: open it and save or print it again")
    return document


def read_outline(document: PdfDocument) -> list[Bookmark]:
    """Return the bookmarks of a PDF in order."""
    outline: list[Bookmark] = []
    for mark in document.get_toc(max_depth=12):
        destination = mark.get_dest()
        page = destination.get_index() if destination else None
        if page is not None and page >= 0:
            outline.append(Bookmark(" ".join(mark.get_title().split()), page + 1, mark.level + 1))
        if len(outline) >= MAX_BOOKMARKS:
            break
    return outline


def read_properties(document: PdfDocument) -> tuple[str, dict[str, MetadataValue]]:
    """Return the title, "" if it is none, and the metadata: author, created, modified, tags."""
    fields = {key: " ".join(value.split()) for key, value in document.get_metadata_dict(skip_empty=True).items()}
    author = fields.get("Author", "")
    return usable_title(fields.get("Title", "")), normalize_metadata(
        {
            "author": "" if _NO_VALUE.fullmatch(author) else author,
            "created": parse_date(fields.get("CreationDate", "")),
            "modified": parse_date(fields.get("ModDate", "")),
            "keywords": fields.get("Keywords", ""),
        }
    )


def usable_title(title: str) -> str:
    """Return a title without the name of the program; "" for file names, placeholders and templates."""
    title = _PROGRAM_PREFIX.sub("", title.strip())
    letters = sum(char.isalpha() for char in title)
    if (
        _NO_VALUE.fullmatch(title)
        or _FILE_NAME.fullmatch(title)
        or letters < 2
        or len(title) > 300
        or "\ufffd" in title
    ):
        return ""
    return title


def parse_date(text: str) -> str:
    """Return a PDF date such as ``D:20230120164927+01'00'`` in ISO 8601; "" if it is none."""
    match = _DATE.match(text)
    if not match:
        return ""
    year, month, day, hour, minute, second, zulu, sign, zone_hours, zone_minutes = match.groups()
    try:
        date = datetime.date(int(year), int(month or 1), int(day or 1))
        if hour is None:
            return date.isoformat()
        zone = datetime.UTC if zulu else None
        if sign:
            shift = datetime.timedelta(hours=int(zone_hours), minutes=int(zone_minutes or 0))
            zone = datetime.timezone(shift if sign == "+" else -shift)
        return datetime.datetime.combine(
            date, datetime.time(int(hour), int(minute or 0), int(second or 0)), zone
        ).isoformat()
    except ValueError:
        return ""
