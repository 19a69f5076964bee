"""Read EPUB books: their chapters in the order of reading, without the table of contents."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from urllib.parse import unquote

from ingest.readers.content import Content
from ingest.readers.content_join import join_contents
from ingest.readers.html.reader import read_html
from ingest.readers.office.ooxml_package import document_metadata, sensible_title
from ingest.readers.office.xml_elements import Element, attribute, child, children, descendants, tag_of, text_of
from ingest.readers.office.zip_package import ZipPackage, refuse_damage
from ingest.readers.read_log import ReadLog
from ingest.readers.tree_builder import TreeBuilder
from kgrag.errors import ReadError
from kgrag.tree import BlockKind
from kgrag.types import MetadataValue

KIND = "an EPUB book (.epub)"
_CHAPTER_TYPES = ("application/xhtml+xml", "text/html", "application/xml", "text/xml")


@refuse_damage(KIND)
def read_epub(data: bytes, log: ReadLog) -> Content:
    """Read an EPUB book.

    Raises:
        ReadError: the file is damaged, protected by a publisher (DRM), or no EPUB book.
    """
    package = ZipPackage(data, KIND)
    package.require("META-INF/container.xml")
    rootfile = next(descendants(package.read_xml("META-INF/container.xml"), "rootfile"), None)
    path = unquote(attribute(rootfile, "full-path"))
    if path not in package:
        raise package.damaged()
    book = package.read_xml(path)
    encrypted = _encrypted_parts(package)
    names = [name for name in _chapter_names(book, posixpath.dirname(path)) if name in package]
    if names and encrypted.issuperset(names):
        raise ReadError("it is protected by its publisher (DRM), and only its own program can read it: leave it out")
    labels = _chapter_labels(package, book, posixpath.dirname(path))
    chapters, problems = [], []
    for name in names:
        if name in encrypted:
            problems.append(f"expected readable chapters, found an encrypted one: {name!r} is left out")
            continue
        try:
            chapters.append(_with_heading(read_html(package.read(name), log), labels.get(name, "")))
        except ReadError as error:
            if "white space" not in str(error):  # a chapter can be a picture alone
                problems.append(f"{name!r}: {error}")
    text, tree = join_contents(chapters)
    title, metadata = _properties(book)
    return Content(text, tree, title, metadata, tuple(problems))


def _encrypted_parts(package: ZipPackage) -> set[str]:
    """Return the names of the encrypted parts; fonts that are only obfuscated are among them."""
    if "META-INF/encryption.xml" not in package:
        return set()
    root = package.read_xml("META-INF/encryption.xml")
    return {unquote(attribute(entry, "URI")) for entry in descendants(root, "CipherReference")}


def _manifest(book: Element, folder: str) -> dict[str, tuple[str, str, str]]:
    """Return the files of a book by their ids: name in the archive, media type, properties."""
    return {
        attribute(item, "id"): (
            _resolve(folder, attribute(item, "href")),
            attribute(item, "media-type"),
            attribute(item, "properties"),
        )
        for item in children(child(book, "manifest"), "item")
    }


def _resolve(folder: str, target: str) -> str:
    path = posixpath.normpath(posixpath.join("/" + folder, unquote(target.partition("#")[0])))
    return path.lstrip("/")


def _chapter_names(book: Element, folder: str) -> Iterator[str]:
    """Yield the names of the chapters in the order of reading, without the table of contents."""
    manifest = _manifest(book, folder)
    seen = set()
    for reference in children(child(book, "spine"), "itemref"):
        name, media_type, properties = manifest.get(attribute(reference, "idref"), ("", "", ""))
        if media_type in _CHAPTER_TYPES and "nav" not in properties.split() and name not in seen:
            seen.add(name)
            yield name


def _chapter_labels(package: ZipPackage, book: Element, folder: str) -> dict[str, str]:
    """Return the titles of the chapters in the table of contents, by the names of their files."""
    labels: dict[str, str] = {}
    for name, media_type, properties in _manifest(book, folder).values():
        is_nav, is_ncx = "nav" in properties.split(), media_type == "application/x-dtbncx+xml"
        if name not in package or not (is_nav or is_ncx):
            continue
        try:
            root = package.read_xml(name)
        except ReadError:
            continue  # chapters without labels keep their own headings
        for entry in descendants(root, "a" if is_nav else "navPoint"):
            target = attribute(entry, "href") or attribute(child(entry, "content"), "src")
            label = text_of(entry if is_nav else child(entry, "navLabel"))
            if target and label:
                labels.setdefault(_resolve(posixpath.dirname(name), target), label)
    return labels


def _with_heading(chapter: Content, label: str) -> Content:
    """Return a chapter that begins with its title in the table of contents if it has no heading of its own."""
    if not chapter.text.strip() or any(block.kind is BlockKind.HEADING for block in chapter.tree.blocks):
        return chapter
    builder = TreeBuilder()
    builder.add_heading(label, 1)
    heading = Content(*builder.build())
    return Content(*join_contents([heading, chapter]))


def _properties(book: Element) -> tuple[str, dict[str, MetadataValue]]:
    values: dict[str, list[str]] = {}
    metadata = child(book, "metadata")
    nested = child(metadata, "dc-metadata")  # of older books
    for entry in [*(metadata if metadata is not None else ()), *(nested if nested is not None else ())]:
        name = attribute(entry, "property") if tag_of(entry) == "meta" else tag_of(entry)
        values.setdefault(name, []).append(text_of(entry))
    fields = {
        "creator": ", ".join(values.get("creator", ())),
        "keywords": ", ".join(values.get("subject", ())),
        "language": next(iter(values.get("language", ())), ""),
        "created": next(iter(values.get("date", ())), ""),
        "modified": next(iter(values.get("dcterms:modified", ())), ""),
    }
    return sensible_title(next(iter(values.get("title", ())), "")), document_metadata(fields)
