"""Open OpenDocument files (.odt, .ods, .odp): their content, styles and metadata."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ingest.readers.office.docx_styles import is_monospaced, role_of_name
from ingest.readers.office.ooxml_package import document_metadata, sensible_title
from ingest.readers.office.xml_elements import Element, attribute, child, children, descendants, tag_of, text_of
from ingest.readers.office.zip_package import ZipPackage
from kgrag.errors import ReadError
from kgrag.types import MetadataValue

_METADATA_NAMES = {"initial-creator": "creator", "creation-date": "created", "date": "modified", "language": "language"}


class OpenDocumentPackage(ZipPackage):
    """An OpenDocument file.

    Args:
        data: the file.
        kind: the expected format with its article and extension, for messages.
        body: name of the element of the body: ``text``, ``spreadsheet`` or ``presentation``.

    Attributes:
        body: The element with the content.
        styles: Styles of the document.
        master: Root of the part with page styles, or None.
    """

    def __init__(self, data: bytes, kind: str, body: str) -> None:
        super().__init__(data, kind)
        self.require("content.xml")
        if "META-INF/manifest.xml" in self:
            manifest = self.read_xml("META-INF/manifest.xml")
            if next(descendants(manifest, "encryption-data"), None) is not None:
                raise ReadError("it is protected by a password: save a copy without one")
        content = self.read_xml("content.xml")
        found = child(content, "body", body)
        if found is None:
            raise ReadError(f"expected {kind}, found another OpenDocument file: rename it to its own extension")
        self.body: Element = found
        self.master = self.read_xml("styles.xml") if "styles.xml" in self else None
        self.styles = OpenDocumentStyles([root for root in (content, self.master) if root is not None])

    def properties(self) -> tuple[str, dict[str, MetadataValue]]:
        """Return the title and the metadata."""
        meta = child(self.read_xml("meta.xml"), "meta") if "meta.xml" in self else None
        if meta is None:
            return "", {}
        values = {_METADATA_NAMES.get(tag_of(entry), tag_of(entry)): text_of(entry) for entry in meta}
        values["keywords"] = ", ".join(text_of(entry) for entry in children(meta, "keyword"))
        values["creator"] = text_of(child(meta, "initial-creator")) or text_of(child(meta, "creator"))
        return sensible_title(values.get("title", "")), document_metadata(values)


@dataclass(frozen=True, slots=True)
class TextStyle:
    """Properties of a text style, inherited ones included.

    Attributes:
        role: ``heading``, ``title``, ``caption``, ``code`` or "".
        is_monospaced: Whether its font is one of code.
        is_bold: Whether it is bold.
        is_superscript: Whether it is raised.
        is_hidden: Whether it is not displayed.
    """

    role: str = ""
    is_monospaced: bool = False
    is_bold: bool = False
    is_superscript: bool = False
    is_hidden: bool = False


class OpenDocumentStyles:
    """The styles of a document by their names.

    Args:
        roots: roots of the parts that define styles.
    """

    def __init__(self, roots: list[Element]) -> None:
        self._elements: dict[str, Element] = {}
        self._lists: dict[str, Element] = {}
        for root in roots:
            for group in ("automatic-styles", "styles"):
                found = child(root, group)
                for entry in found if found is not None else ():
                    names = self._lists if tag_of(entry) == "list-style" else self._elements
                    names.setdefault(attribute(entry, "name"), entry)
        self._styles: dict[str, TextStyle] = {"": TextStyle()}

    def style(self, name: str) -> TextStyle:
        """Return a style; an unknown one says nothing."""
        if name not in self._styles:
            self._styles[name] = self._resolve(name)
        return self._styles[name]

    def is_numbered(self, list_style: str, depth: int) -> bool:
        """Whether a list style numbers its items at a depth from 1."""
        levels = self._lists.get(list_style)
        return any(
            tag_of(level) == "list-level-style-number" and attribute(level, "level") == str(depth)
            for level in (levels if levels is not None else ())
        )

    def property(self, name: str, group: str, key: str) -> str:
        """Return a property of a style itself, without what it inherits, or ""."""
        return attribute(child(self._elements.get(name), group), key)

    def _resolve(self, name: str) -> TextStyle:
        chain: list[str] = []
        while name and name not in chain:
            chain.append(name)
            name = attribute(self._elements.get(name), "parent-style-name")
        role = ""
        found: dict[str, str] = {}
        for entry in chain:  # the style itself first, so that it overrides what it inherits
            element = self._elements.get(entry)
            shown = attribute(element, "display-name") or entry.replace("_20_", " ")
            role = role or role_of_name(shown)[0] or ("code" if shown == "Preformatted Text" else "")
            if shown in ("Table", "Illustration", "Figure", "Drawing"):
                role = role or "caption"
            for key, value in _items(child(element, "text-properties")).items():
                found.setdefault(key, value)
        return TextStyle(
            role,
            is_monospaced(found.get("font-name", "") or found.get("font-family", "").strip("'\"")),
            found.get("font-weight", "") in ("bold", "600", "700", "800", "900"),
            found.get("text-position", "").startswith("super")
            or (found.get("text-position", "")[:1].isdecimal() and not found["text-position"].startswith("0")),
            found.get("display", "") == "none",
        )


def _items(element: Element | None) -> Mapping[str, str]:
    return {} if element is None else {key.rpartition("}")[2]: str(value) for key, value in element.items()}
