"""Read plain text and Markdown, with the properties of a YAML front matter."""

from __future__ import annotations

from ingest.readers.content import Content
from ingest.readers.markup.hidden_markup import remove_hidden_markup
from ingest.readers.markup.markdown import parse_markup
from ingest.readers.metadata import parse_front_matter
from ingest.readers.read_log import ReadLog


def read_text(data: bytes, log: ReadLog) -> Content:
    """Read a text file; a YAML front matter becomes title and metadata and is removed from the text.

    Raises:
        ReadError: the data is not text.
    """
    title, metadata, body = parse_front_matter(log.clean(log.decode(data)))
    text, tree = parse_markup(body)
    return Content(text, tree, title, metadata)


def read_markdown(data: bytes, log: ReadLog) -> Content:
    """Read a Markdown file as `read_text` does, without the comments, scripts and styles that a page does not show.

    Raises:
        ReadError: the data is not text.
    """
    title, metadata, body = parse_front_matter(log.clean(log.decode(data)))
    text, tree = parse_markup(remove_hidden_markup(body))
    return Content(text, tree, title, metadata)
