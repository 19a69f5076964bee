"""Read HTML."""

from __future__ import annotations

from ingest.readers.content import Content
from ingest.readers.html.blocks import BlockWriter
from ingest.readers.html.furniture import FurnitureRemover, main_element
from ingest.readers.html.parser import decode_page, parse_page
from ingest.readers.html.titles import page_metadata, page_title
from ingest.readers.read_log import ReadLog
from ingest.readers.tree_builder import TreeBuilder


def read_html(data: bytes, log: ReadLog) -> Content:
    """Read an HTML page: its own title, and the text that a reader sees, without the furniture of the site.

    Raises:
        ReadError: the data is not text, or has no text to read.
    """
    page = parse_page(decode_page(data, log))
    title, metadata = page_title(page), page_metadata(page)
    FurnitureRemover(page.root, page.body).remove()
    builder = TreeBuilder()
    BlockWriter(builder).write(main_element(page.body))
    text, tree = builder.build()
    log.cleaned_count += builder.cleaned_count
    return Content(text, tree, title, metadata)
