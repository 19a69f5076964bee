"""Parts, relationships and properties of Office Open XML files (.docx, .xlsx, .pptx)."""

from __future__ import annotations

import datetime
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote

from ingest.readers.metadata import normalize_metadata
from ingest.readers.office.xml_elements import Element, attribute, children, tag_of, text_of
from ingest.readers.office.zip_package import ZipPackage
from kgrag.errors import ReadError
from kgrag.types import MetadataValue

_PROPERTY_FIELDS = {"creator": "author", "keywords": "keywords", "language": "language"}
_PROGRAM_NAMES = re.compile(r"python-docx|python-pptx|openpyxl|xlsxwriter|apache poi|microsoft office user|user|author")
_POOR_TITLE = re.compile(
    r"untitled.*|document\s*\d*|dokument\s*\d*|文档\s*\d*|word document|presentation\s*\d*|powerpoint.presentation|"
    r"powerpoint 演示文稿|slide \d+|book\s*\d*|title|microsoft (?:word|powerpoint|excel) - .*|"
    r".*\.(?:docx?|pptx?|xlsx?|od[tsp]|rtf|indd)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Relationship:
    """A relationship of a part: the last word of its type, and its target (a part's name, or a URL if external)."""

    kind: str
    target: str
    is_external: bool


class OOXMLPackage(ZipPackage):
    """An Office Open XML file.

    Attributes:
        main: name of the main part, such as ``word/document.xml``.
    """

    def __init__(self, data: bytes, kind: str, default_main: str) -> None:
        super().__init__(data, kind)
        main = next((r.target for r in self.relationships("").values() if r.kind == "officeDocument"), default_main)
        self.main = main if main in self else default_main
        self.require(self.main)
        folder, _, name = self.main.lower().partition("/")
        if folder != default_main.partition("/")[0] or name.endswith(".bin"):
            raise ReadError(f"expected {kind}, found {self.describe()}: rename it to its own extension")

    def relationships(self, part: str) -> dict[str, Relationship]:
        """Return the relationships of a part by their ids; those of the package for ""."""
        folder, name = posixpath.split(part)
        path = posixpath.join(folder, "_rels", f"{name}.rels")
        if path not in self:
            return {}
        found = {}
        for entry in children(self.read_xml(path), "Relationship"):
            target, is_external = attribute(entry, "Target"), attribute(entry, "TargetMode") == "External"
            if not is_external:
                target = posixpath.normpath(posixpath.join("/" + folder, unquote(target))).lstrip("/")
            kind = attribute(entry, "Type").rpartition("/")[2]
            found[attribute(entry, "Id")] = Relationship(kind, target, is_external)
        return found

    def parts_of_kind(self, part: str, kind: str) -> Iterator[tuple[str, Element]]:
        """Yield the names and roots of the parts that a part relates to by a kind."""
        for relationship in self.relationships(part).values():
            if relationship.kind == kind and not relationship.is_external and relationship.target in self:
                yield relationship.target, self.read_xml(relationship.target)

    def properties(self) -> tuple[str, dict[str, MetadataValue]]:
        """Return the title and the metadata of the core properties; damaged ones are ignored."""
        try:
            core = next((root for _, root in self.parts_of_kind("", "core-properties")), None)
        except ReadError:
            core = None
        if core is None:
            return "", {}
        values = {tag_of(entry): text_of(entry) for entry in core}
        return sensible_title(values.get("title", "")), document_metadata(values)


def document_metadata(values: dict[str, str]) -> dict[str, MetadataValue]:
    """Return author, dates, tags and language from properties in the names of Dublin Core."""
    fields: dict[object, object] = {field: values.get(name, "") for name, field in _PROPERTY_FIELDS.items()}
    if _PROGRAM_NAMES.fullmatch(str(fields["author"]).strip().lower()):
        fields["author"] = ""
    for name in ("created", "modified"):
        fields[name] = iso_date(values.get(name, ""))
    return normalize_metadata(fields)


def iso_date(text: str) -> str:
    """Return a date or time of ISO 8601 as it is, or "" for anything else."""
    try:
        datetime.datetime.fromisoformat(text.strip())
    except ValueError:
        return ""
    return text.strip()


def sensible_title(title: str) -> str:
    """Return a title of document properties, or "" if it is a program's default or a file name."""
    title = " ".join(title.split())
    return "" if _POOR_TITLE.fullmatch(title) else title
