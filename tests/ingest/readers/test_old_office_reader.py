"""RTF, and files under the extensions of old Office programs."""

from __future__ import annotations

import pytest

from ingest.readers.office.old_office_reader import read_doc, read_ppt, read_rtf, read_xls
from ingest.readers.read_log import ReadLog
from kgrag.errors import ReadError
from tests.ingest.readers.office_files import ENCRYPTED, OLD_WORD, build_docx

RTF = rb"{\rtf1\ansi\deff0 {\fonttbl{\f0 Arial;}}{\info{\title Mill notes}{\author Ada}} \f0 Built by M\'fcller in 1802.\par}"


def test_rtf_is_read_without_codes() -> None:
    content = read_rtf(RTF, ReadLog())
    assert (content.text, content.title, content.metadata) == (
        "Built by Müller in 1802.",
        "Mill notes",
        {"author": "Ada"},
    )


def test_rtf_pictures_are_left_out() -> None:
    picture = rb"{\pict\pngblip " + b"89504e47" * 5000 + b"}"
    assert read_rtf(RTF[:-1] + picture + rb" End.\par}", ReadLog()).text.endswith("End.")


def test_newer_file_under_an_old_extension_is_read() -> None:
    assert read_doc(RTF, ReadLog()).text == "Built by Müller in 1802."
    assert read_doc(build_docx("<w:p><w:r><w:t>New.</w:t></w:r></w:p>"), ReadLog()).text == "New."


@pytest.mark.parametrize(
    ("reader", "data", "message"),
    [
        (read_doc, OLD_WORD, "save it in the newer format"),
        (read_doc, ENCRYPTED, "password"),
        (read_xls, b"plain text", "save it as an .xlsx"),
        (read_ppt, OLD_WORD, "expected a .pptx, found an old Word document"),
        (read_rtf, b"%PDF-1.4", "expected an RTF document"),
    ],
)
def test_other_file_is_an_error(reader, data: bytes, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ReadError, match=message):
        reader(data, ReadLog())
