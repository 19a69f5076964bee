"""Parse HTML of any quality into a tree of elements."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, TypeAlias

from lxml import etree

from ingest.readers.encodings.decoding import decode_bytes
from ingest.readers.read_log import ReadLog
from kgrag.errors import ReadError

Element: TypeAlias = Any
"""An element of lxml, which has no types."""
_CHARSET = re.compile(rb"<meta[^>]{0,200}charset=[\"']?\s*([\w-]{2,20})", re.IGNORECASE)
_SURROGATE = re.compile("[\ud800-\udfff]")
_XHTML = re.compile(r"\s*<\?xml|\s*<!DOCTYPE[^>]*XHTML|.{0,500}<html[^>]*\sxmlns=", re.DOTALL | re.IGNORECASE)
_DOCTYPE_SUBSET = re.compile(r"(<!DOCTYPE[^\[>]{0,500})\[.{0,100000}?\]\s*>", re.DOTALL | re.IGNORECASE)
"""A document type with declarations of its own, which HTML does not have: the parser would read their end as text."""
_VOID = "area|base|br|col|embed|hr|img|input|link|meta|param|source|track|wbr"
_SELF_CLOSED = re.compile(rf"<(?!(?:{_VOID})\b)([a-z][\w:-]*)(\s[^<>]*)?/>", re.IGNORECASE)
_INVISIBLE = re.compile(r"<(script|style|template|noscript)\b.*?(?:</\1\s*>|\Z)", re.DOTALL | re.IGNORECASE)
_FLAT_TAGS = r"h[1-6]|p|pre|br|title|html|head|body"
_DEEP_TAG = re.compile(rf"</?(?!(?:{_FLAT_TAGS})\b)([a-z][\w:-]*)[^<>]*>", re.IGNORECASE)
_INLINE_TAG = re.compile(r"(?:a|abbr|b|big|code|em|font|i|kbd|small|span|strong|sub|sup|tt|u|var)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Page:
    """A parsed page.

    Attributes:
        root: Its root element; names of elements are in lower case, without comments.
        meta: Contents of its ``meta`` elements by lower-case name or property.
    """

    root: Element
    meta: dict[str, str]

    @property
    def body(self) -> Element:
        """The body, or the root of a page without one."""
        body = self.root.find("body")
        return self.root if body is None else body


def decode_page(data: bytes, log: ReadLog) -> str:
    """Decode a page, and record its encoding and its cleaned characters.

    Raises:
        ReadError: the data is not text.
    """
    match = _CHARSET.search(data[:4096])
    charset = match.group(1).decode("ascii").lower() if match else None
    text, encoding = decode_bytes(data, {"gb2312": "gb18030", "gbk": "gb18030"}.get(charset or "", charset))
    return log.clean(log.record_encoding(text, encoding))


def parse_page(text: str) -> Page:
    """Parse a page; elements nested too deeply for the parser are flattened to paragraphs.

    Raises:
        ReadError: the text has no element and no text.
    """
    text = _DOCTYPE_SUBSET.sub(r"\1>", text, count=1)
    if _XHTML.match(text):
        text = _SELF_CLOSED.sub(r"<\1\2></\1>", text)
    root, is_complete = _parse(text)
    if not is_complete:
        root, _ = _parse(_flatten(text))
    if root is None:
        raise ReadError("expected html, found no text: open it in a browser and save it again")
    return Page(root, _meta_values(root))


def _parse(text: str) -> tuple[Element | None, bool]:
    """Return the root element, and whether the parser reached the end."""
    parser = etree.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True, no_network=True, huge_tree=True)
    data = _SURROGATE.sub("\ufffd", text).replace("\0", "").encode()
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError:
        return None, True
    return root, not any("depth" in entry.message.lower() for entry in parser.error_log)


def _flatten(text: str) -> str:
    """Return a page with headings and paragraphs, but without the elements that can nest."""
    text = _INVISIBLE.sub(" ", text)
    return _DEEP_TAG.sub(lambda match: "" if _INLINE_TAG.fullmatch(match.group(1)) else "<p>", text)


def _meta_values(root: Element) -> dict[str, str]:
    values: dict[str, str] = {}
    for element in root.iter("meta"):
        name = (element.get("name") or element.get("property") or element.get("itemprop") or "").strip().lower()
        content = " ".join((element.get("content") or "").split())
        if name and content:
            values.setdefault(name, content)
    return values
