"""Minimal Office, OpenDocument and EPUB files, built from their XML."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
WORD = (
    'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" '
    f'xmlns:r="{RELATIONS}" '
    'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math" '
    'xmlns:wp="http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing" '
    'xmlns:wps="http://schemas.microsoft.com/office/word/2010/wordprocessingShape" '
    'xmlns:v="urn:schemas-microsoft-com:vml" '
    'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
)
SHEET = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
ENTITIES = '<!DOCTYPE x [<!ENTITY file SYSTEM "file:///etc/passwd"><!ENTITY a "aaaa">]>'
ENCRYPTED = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504) + "EncryptedPackage".encode("utf-16-le") + bytes(64)
OLD_WORD = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504) + "WordDocument".encode("utf-16-le") + bytes(64)
EXTERNAL, HIDDEN = ' TargetMode="External"', ' state="hidden"'
OFFICE = (
    'xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
    'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" '
    'xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" '
    'xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0" '
    'xmlns:style="urn:oasis:names:tc:opendocument:xmlns:style:1.0" '
    'xmlns:fo="urn:oasis:names:tc:opendocument:xmlns:xsl-fo-compatible:1.0" '
    'xmlns:svg="urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0" '
    'xmlns:presentation="urn:oasis:names:tc:opendocument:xmlns:presentation:1.0" '
    'xmlns:meta="urn:oasis:names:tc:opendocument:xmlns:meta:1.0" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/" '
    'xmlns:xlink="http://www.w3.org/1999/xlink"'
)


def zip_files(files: Mapping[str, str | bytes]) -> bytes:
    """Return a zip archive of the files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def relationships(targets: Mapping[str, tuple[str, str]], external: frozenset[str] = frozenset()) -> str:
    """Return a relationships part: id -> kind, target."""
    entries = "".join(
        f'<Relationship Id="{id}" Type="{RELATIONS}/{kind}" Target="{target}"{EXTERNAL if id in external else ""}/>'
        for id, (kind, target) in targets.items()
    )
    return f'<Relationships xmlns="{PACKAGE}/relationships">{entries}</Relationships>'


def core_properties(fields: str) -> dict[str, str]:
    """Return the parts of a document with core properties."""
    kind = f"{PACKAGE}/relationships/metadata/core-properties"
    return {
        "_rels/.rels": f'<Relationships xmlns="{PACKAGE}/relationships">'
        f'<Relationship Id="c" Type="{kind}" Target="docProps/core.xml"/></Relationships>',
        "docProps/core.xml": f'<cp:coreProperties xmlns:cp="{PACKAGE}/metadata/core-properties" '
        'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/">'
        f"{fields}</cp:coreProperties>",
    }


def build_docx(body: str, parts: Mapping[str, str] | None = None, links: Mapping[str, str] | None = None) -> bytes:
    """Return a Word document.

    Args:
        body: content of ``w:body``.
        parts: name of a part below ``word/``, without ``.xml``, -> its content without the root element's namespaces.
        links: relationship id -> URL.
    """
    files: dict[str, str | bytes] = {"word/document.xml": f"<w:document {WORD}><w:body>{body}</w:body></w:document>"}
    targets = {name: (name.rstrip("0123456789"), f"{name}.xml") for name in parts or {}}
    targets |= {id: ("hyperlink", url) for id, url in (links or {}).items()}
    files["word/_rels/document.xml.rels"] = relationships(targets, frozenset(links or ()))
    for name, content in (parts or {}).items():
        files[f"word/{name}.xml"] = content.replace(">", f" {WORD}>", 1)
    return zip_files(files)


def build_xlsx(
    sheets: Mapping[str, str],
    *,
    styles: str = "",
    strings: str = "",
    hidden: frozenset[str] = frozenset(),
    extra: Mapping[str, str] | None = None,
) -> bytes:
    """Return a workbook: sheet name -> content of ``worksheet``."""
    names = list(sheets)
    entries = "".join(
        f'<sheet name="{name}" sheetId="{n}" r:id="s{n}"{HIDDEN if name in hidden else ""}/>'
        for n, name in enumerate(names, 1)
    )
    targets = {f"s{n}": ("worksheet", f"worksheets/sheet{n}.xml") for n in range(1, len(names) + 1)}
    targets |= {"st": ("styles", "styles.xml"), "ss": ("sharedStrings", "sharedStrings.xml")}
    files: dict[str, str | bytes] = {
        "xl/workbook.xml": f'<workbook {SHEET} xmlns:r="{RELATIONS}"><sheets>{entries}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": relationships(targets),
        **(extra or {}),
    }
    for number, content in enumerate(sheets.values(), 1):
        files[f"xl/worksheets/sheet{number}.xml"] = f"<worksheet {SHEET}>{content}</worksheet>"
    if styles:
        files["xl/styles.xml"] = f"<styleSheet {SHEET}>{styles}</styleSheet>"
    if strings:
        files["xl/sharedStrings.xml"] = f"<sst {SHEET}>{strings}</sst>"
    return zip_files(files)


def build_opendocument(body: str, styles: str = "", parts: Mapping[str, str] | None = None) -> bytes:
    """Return an OpenDocument file: content of ``office:body``, and of ``office:automatic-styles``."""
    content = (
        f"<office:document-content {OFFICE}><office:automatic-styles>{styles}</office:automatic-styles>"
        f"<office:body>{body}</office:body></office:document-content>"
    )
    return zip_files({"content.xml": content, **(parts or {})})
