"""Find the blocks of a Word document and the rows of its tables in the final text of tracked changes."""

from __future__ import annotations

from collections.abc import Iterator

from ingest.readers.office.docx_text import first_alternative
from ingest.readers.office.xml_elements import Element, child, is_on, tag_of

_CONTAINERS = frozenset(("sdtContent", "ins", "moveTo", "customXml", "smartTag", "Choice", "bdo", "dir"))


def iter_blocks(container: Element | None) -> Iterator[Element]:
    """Yield the paragraphs, tables and embedded files of a body, a cell or a text box, in the final text."""
    for element in container if container is not None else ():
        tag = tag_of(element)
        if tag in ("p", "tbl", "altChunk"):
            yield element
        elif tag == "sdt":
            if not is_on(element, "sdtPr", "showingPlcHdr"):
                yield from iter_blocks(child(element, "sdtContent"))
        elif tag == "AlternateContent":
            yield from iter_blocks(first_alternative(element))
        elif tag in _CONTAINERS:
            yield from iter_blocks(element)


def iter_rows(container: Element) -> Iterator[Element]:
    """Yield the rows of a table, without deleted ones."""
    for element in container:
        tag = tag_of(element)
        if tag == "tr":
            if child(element, "trPr", "del") is None:
                yield element
        elif tag == "sdt":
            content = child(element, "sdtContent")
            yield from iter_rows(element if content is None else content)
        elif tag in _CONTAINERS:
            yield from iter_rows(element)
