"""Tell what elements of a page are: titles of figures, lists of sections, code of a language, links."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ingest.readers.html.parser import Element
from ingest.readers.html.text import text_length

_CAPTION_PARENTS = frozenset(
    ("table", "figure", "example", "informaltable", "listingblock", "imageblock", "tableblock")
)
_LANGUAGE_CLASS = re.compile(
    r"(?:^|\s)(?:language-|lang-|highlight-source-|highlight-|brush:\s*|src-|sourceCode\s+)([\w+#.-]+)", re.IGNORECASE
)
_NO_LANGUAGE = frozenset(["default", "none", "text", "plaintext", "plain", "source", "code", "notranslate"])
MAX_HEADING_CHARS = 120
"""Characters of a term beyond which it is no heading."""
MIN_SECTION_CHARS = 500
"""Characters of the definitions of a list on average from which its terms are headings: about a third of a passage."""


def is_title_of_figure(element: Element, tag: str) -> bool:
    """Whether a block is the title of a figure, table or example, as DocBook and AsciiDoc write it."""
    if tag not in ("p", "div") or (element.get("class") or "") != "title":
        return False
    parent = element.getparent()
    return parent is not None and not _CAPTION_PARENTS.isdisjoint((parent.get("class") or "").split())


def has_long_definitions(element: Element) -> bool:
    """Whether the definitions of a list are so long that its terms are headings, and its section ends with it."""
    if next(element.iterancestors("dd", "li", "td", "blockquote"), None) is not None:
        return False
    terms = [child for child in element.iter("dt") if next(child.iterancestors("dl"), None) is element]
    if not terms or max(map(text_length, terms)) > MAX_HEADING_CHARS:
        return False
    return text_length(element) >= MIN_SECTION_CHARS * len(terms) and _ends_section(element)


def _ends_section(element: Element) -> bool:
    """Whether the next text behind an element is a heading, or there is none."""
    for node in (element, *element.iterancestors()):
        if (node.tail or "").strip():
            return False
        for sibling in node.itersiblings():
            if any(not str(text).isspace() for text in sibling.itertext()):
                return next(sibling.iter("h1", "h2", "h3", "h4", "h5", "h6"), None) is not None
            if (sibling.tail or "").strip():
                return False
    return True


def code_language(element: Element) -> str:
    """Return the language that code, an element inside, or one of two around it names; or ""."""
    around = [element, *element.iter("code"), *list(element.iterancestors())[:2]]
    for candidate in around:
        language = candidate.get("data-lang") or candidate.get("data-language") or ""
        if not language:
            match = _LANGUAGE_CLASS.search(candidate.get("class") or "")
            language = match.group(1) if match else ""
        language = language.lower()
        if language and language not in _NO_LANGUAGE and re.fullmatch(r"[\w+#.-]{1,20}", language):
            return language
    return ""


def link_target(element: Element) -> str:
    target = (element.get("href") or "").strip()
    return "" if target.lower().startswith(("javascript:", "data:")) else target


def term_prefix(terms: Iterable[str]) -> str:
    """Return the terms of a definition with a colon behind them."""
    text = ", ".join(terms)
    return f"{text} " if text.endswith((":", "：", "?", "？")) else f"{text}: " if text else ""
