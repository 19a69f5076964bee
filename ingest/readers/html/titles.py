"""Find the title, the site's name and the metadata that a page states of itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from ingest.readers.encodings.decoding import remove_control_chars
from ingest.readers.html.hidden import HiddenRules
from ingest.readers.html.parser import Element, Page
from ingest.readers.html.text import plain_text
from ingest.readers.metadata import normalize_metadata
from ingest.readers.titles import clean_page_title
from kgrag.types import MetadataValue

_SITE_FIELDS = ("og:site_name", "application-name", "apple-mobile-web-app-title")
_META_FIELDS = {
    "author": ("author", "article:author", "dc.creator", "dcterms.creator", "citation_author"),
    "created": ("article:published_time", "dc.date", "dcterms.created", "dcterms.date", "date", "datepublished"),
    "modified": ("article:modified_time", "og:updated_time", "dcterms.modified", "last-modified", "datemodified"),
    "tags": ("keywords", "news_keywords", "article:tag"),
}
_HOME = re.compile(r"(?:https?://[^/]+)?/?(?:\.\./)*(?:index\.\w+)?")
_MAX_HEADINGS = 5


def page_title(page: Page) -> str:
    """Return the page's own title without the site's name, or "".

    The title element comes first, then the title for previews (``og:title``), then the first heading without a number.
    """
    element = next((e for e in page.root.iter("title") if e.getparent() is None or e.getparent().tag != "svg"), None)
    stated = remove_control_chars(" ".join((element.text or "").split()))[0] if element is not None else ""
    headings = _headings(page)
    return clean_page_title(stated or page.meta.get("og:title", ""), headings, tuple(_site_names(page)))


def page_metadata(page: Page) -> dict[str, MetadataValue]:
    """Return author, dates, tags and language of a page."""
    fields: dict[object, object] = {}
    for name, keys in _META_FIELDS.items():
        value = next((page.meta[key] for key in keys if key in page.meta), "")
        if value and not (name == "author" and "://" in value):
            fields[name] = value
    language = page.root.get("lang") or page.root.get("{http://www.w3.org/XML/1998/namespace}lang")
    fields["language"] = language or page.root.get("xml:lang") or ""
    return normalize_metadata(fields)


def _headings(page: Page) -> list[str]:
    """Return the first visible headings of the top two levels, those of the first level first."""
    rules = HiddenRules(page.root)
    texts: dict[str, list[str]] = {"h1": [], "h2": []}
    for element in page.body.iter("h1", "h2"):
        tag = str(element.tag)
        if len(texts[tag]) < _MAX_HEADINGS and not _is_inside_hidden(element, rules):
            text = plain_text(element).rstrip("¶# ")
            if text:
                texts[tag].append(text)
    return texts["h1"] + texts["h2"]


def _is_inside_hidden(element: Element, rules: HiddenRules) -> bool:
    return any(rules.is_hidden(e, str(e.tag)) for e in (element, *element.iterancestors()))


def _site_names(page: Page) -> Iterator[str]:
    """Yield names of the site: stated in meta elements, the logo, links to the home page, and the host's name."""
    for field in _SITE_FIELDS:
        if field in page.meta:
            yield page.meta[field]
    for link in page.root.iter("link"):
        if "home" in (link.get("rel") or "").lower().split() and link.get("title"):
            yield link.get("title") or ""
    for anchor in page.body.iter("a"):
        if _HOME.fullmatch(anchor.get("href") or "#"):
            yield plain_text(anchor)
            yield from (image.get("alt") or "" for image in anchor.iter("img"))
    for address in (
        page.meta.get("og:url", ""),
        *(e.get("href") or "" for e in page.root.iter("link") if e.get("rel") == "canonical"),
    ):
        yield from urlsplit(address).netloc.split(".")[-2:-1] if address.startswith("http") else ()
