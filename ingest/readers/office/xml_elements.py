"""Parse XML without entities, and look at elements by their names without namespaces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lxml import etree

from kgrag.errors import ReadError

Element = Any
"""An element of lxml, which has no types."""
MAX_XML_NODES = 6_000_000
"""Maximum number of tags and attributes of XML that is held as a tree; each takes about 100 bytes of memory."""


def parse_xml(data: bytes) -> Element:
    """Return the root element; no entity is resolved and no other file is read.

    Raises:
        ReadError: the data is no XML, declares entities, or has more than `MAX_XML_NODES` tags and attributes.
    """
    if data.count(b"<") + data.count(b"=") > MAX_XML_NODES:
        raise ReadError(f"expected at most {MAX_XML_NODES} tags and attributes, found more: split the document")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise ReadError("expected XML, found a damaged part: open it in its program and save it again") from error
    document_type = root.getroottree().docinfo.internalDTD
    if document_type is not None and any(True for _ in document_type.iterentities()):
        raise ReadError("expected XML without entities, found declared ones: save it again from its program")
    return root


def tag_of(element: Element) -> str:
    """Return the name of an element without its namespace; "" for a comment or an instruction."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def attribute(element: Element | None, name: str, default: str = "") -> str:
    """Return an attribute by its name without namespace."""
    if element is None:
        return default
    value = element.get(name)
    if value is not None:
        return str(value)
    return next((str(value) for key, value in element.items() if key.rpartition("}")[2] == name), default)


def child(element: Element | None, *path: str) -> Element | None:
    """Return the first element at a path of names, or None."""
    for name in path:
        if element is None:
            return None
        element = next((entry for entry in element if tag_of(entry) == name), None)
    return element


def children(element: Element | None, name: str) -> Iterator[Element]:
    """Yield the child elements of a name."""
    return (entry for entry in (element if element is not None else ()) if tag_of(entry) == name)


def descendants(element: Element, name: str) -> Iterator[Element]:
    """Yield the elements of a name below an element, in any namespace."""
    return iter(element.iter(f"{{*}}{name}", name)) if element is not None else iter(())


def text_of(element: Element | None) -> str:
    """Return all text below an element with single spaces; "" for None."""
    return "" if element is None else " ".join("".join(element.itertext("*")).split())


def value_of(element: Element | None, *path: str) -> str:
    """Return the attribute ``val`` of the first element at a path of names, or ""."""
    return attribute(child(element, *path), "val")


def is_on(element: Element | None, *path: str) -> bool:
    """Whether an on/off property of Office exists at a path and is not off."""
    found = child(element, *path)
    return found is not None and attribute(found, "val", "1").lower() not in ("0", "false", "off", "none")
