"""Text of inline elements as a browser shows it: white space, links, super- and subscripts, formulas."""

from __future__ import annotations

import re
from dataclasses import replace

from lxml import etree

from ingest.readers.html.parser import Element
from kgrag.tree import Link

_REPLACED = str.maketrans(
    {
        **dict(zip(range(0xFB00, 0xFB07), ("ff", "fi", "fl", "ffi", "ffl", "st", "st"), strict=True)),
        **dict.fromkeys((0xAD, 0x200B, 0x2060, 0xFEFF)),
        0xA0: " ",
    }
)
_ICON_CHARS = re.compile("[\ue000-\uf8ff]")
_CJK = "\u2e80-\u303f\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uff60"
_CJK_LINE_END = re.compile(rf"(?<=[{_CJK}])[ \t]*\n\s*(?=[{_CJK}])")
_BLOCKS_IN_TEXT = frozenset(
    [
        "p",
        "div",
        "li",
        "dt",
        "dd",
        "tr",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "blockquote",
        "pre",
        "ul",
        "ol",
        "dl",
        "table",
        "section",
    ]
)
_ORDINAL = re.compile(r"(?:st|nd|rd|th|er|re|e|ère|ème|o|a|tm|sm|®|©|™)\.?", re.IGNORECASE)
_NOTE = re.compile(r"\[?(?:\d{1,3}|[a-z]|[*†‡§¶]{1,3}|note \d+)\]?", re.IGNORECASE)
_SIMPLE = re.compile(r"[+\-−]?[\w.]+|[*′″]+")
_DULL_ALT = re.compile(
    r"\W*(?:logo|icon|image|img|picture|photo|figure|banner|spacer|avatar|arrow|bullet"
    r"|.*\.(?:png|gif|jpe?g|svg|webp)|\[.*\])?\W*",
    re.IGNORECASE,
)
_MIN_LINKED_ALT_CHARS = 25


class InlineText:
    """Text of the current block, with white space collapsed and the spans of its links."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0
        self._has_space = False
        self._links: list[Link] = []
        self._open: list[tuple[str, int]] = []  # targets of open links, and where their text begins; -1 before any

    def add(self, text: str | None) -> None:
        """Add text of the source."""
        if not text:
            return
        if not text.isascii():
            text = _ICON_CHARS.sub("", _CJK_LINE_END.sub("", text.translate(_REPLACED)))
        words = text.split()
        if not words:
            self._has_space |= bool(text)
            return
        if (self._has_space or text[0].isspace()) and self._length and self._parts[-1][-1] != "\n":
            self._append(" ")
        self._open = [(target, self._length if start < 0 else start) for target, start in self._open]
        self._append(" ".join(words))
        self._has_space = text[-1].isspace()

    def add_space(self) -> None:
        """Separate what follows from what stands before."""
        self._has_space = True

    def add_line_end(self) -> None:
        """Begin a line."""
        if self._length and self._parts[-1][-1] != "\n":
            self._append("\n")
        self._has_space = False

    def open_link(self, target: str) -> None:
        """Begin a link."""
        self._open.append((target, -1))

    def close_link(self) -> None:
        """End the link that was opened last."""
        if self._open:
            target, start = self._open.pop()
            if 0 <= start < self._length:
                self._links.append(Link(start, self._length, target))

    def last_char(self) -> str:
        """Return the last character before the next text, or ""."""
        return "" if self._has_space or not self._parts else self._parts[-1][-1]

    def take(self) -> tuple[str, list[Link]]:
        """Return the text and its links, and empty the buffer."""
        text = "".join(self._parts).rstrip()
        links = [*self._links, *(Link(start, self._length, target) for target, start in self._open if start >= 0)]
        links = [Link(link.start, min(link.end, len(text)), link.target) for link in links if link.start < len(text)]
        self._open = [(target, -1) for target, _ in self._open]
        self._parts, self._length, self._has_space, self._links = [], 0, False, []
        return text, sorted(links, key=lambda link: link.start)

    def _append(self, text: str) -> None:
        self._parts.append(text)
        self._length += len(text)


def plain_text(element: Element) -> str:
    """Return the text inside an element on one line; its blocks are separated by a space."""
    return " ".join(" ".join(block_texts(element)).split())


def block_texts(element: Element) -> list[str]:
    """Return the texts of the blocks inside an element."""
    inline, texts = InlineText(), []
    inline.add(element.text)
    walk = etree.iterwalk(element, events=("start", "end"))
    for event, inner in walk:
        if inner is element:
            continue
        tag = str(inner.tag)
        if tag in _BLOCKS_IN_TEXT:
            texts.append(inline.take()[0])
        if event == "end":
            inline.add(inner.tail)
            continue
        special = special_text(inner, tag, inline.last_char())
        if special is not None:
            inline.add(special)
            walk.skip_subtree()
            continue
        if tag == "br":
            inline.add_line_end()
        inline.add(inner.text)
    texts.append(inline.take()[0])
    return [text for text in texts if text]


def text_length(element: Element) -> int:
    """Return the characters of text inside an element, without white space at the ends of its parts."""
    return sum(len(str(text).strip()) for text in element.itertext())


def special_text(element: Element, tag: str, before: str) -> str | None:
    """Return the text of a superscript, subscript, formula or image, or None for other elements.

    Args:
        element: the element.
        tag: its name.
        before: the character in front of it, or "".
    """
    if tag == "sup":
        return _superscript(element, before)
    if tag == "sub":
        return _subscript(element, before)
    if tag == "math":
        return _formula(element)
    if tag == "svg":
        # an icon has no words; a diagram has them in text elements
        texts = [_inner_text(text) for text in element.iter("text")]
        return f" {' '.join(filter(None, texts))} " if sum(map(_has_letters, texts)) > 1 else ""
    if tag == "img":
        alt = " ".join((element.get("alt") or "").split())
        if element.getparent() is not None and element.getparent().tag == "a" and len(alt) < _MIN_LINKED_ALT_CHARS:
            return ""  # a logo or a button
        is_text = bool(alt) and element.get("role") != "presentation" and not _DULL_ALT.fullmatch(alt)
        return f" {alt} " if is_text else ""
    return None


def _inner_text(element: Element) -> str:
    return " ".join("".join(str(part) for part in element.itertext()).split())


def _has_letters(text: str) -> bool:
    return any(char.isalpha() for char in text)


def _superscript(element: Element, before: str) -> str:
    text = _inner_text(element)
    if not text:
        return ""
    link = next(element.iter("a"), None)
    is_note = link is not None or (element.get("class") or "").startswith(("foot", "ref", "note"))
    if _NOTE.fullmatch(text) and (is_note or text[0] in "[*†‡§¶"):
        return f"[{text.strip('[]')}]"
    if not before or len(text) > 40:
        return f" {text}"
    if _ORDINAL.fullmatch(text) and (before.isdigit() or text.casefold() in ("tm", "sm", "®", "©", "™")):
        return text
    return f"^{text}" if _SIMPLE.fullmatch(text) else f"^({text})"


def _subscript(element: Element, before: str) -> str:
    text = _inner_text(element)
    if not text or not before or len(text) > 40:
        return text
    if text.isdigit() and (before.isalpha() or before in ")]"):
        return text
    return f"_{text}" if _SIMPLE.fullmatch(text) else f"_({text})"


def _formula(element: Element) -> str:
    """Return the TeX of a formula if it has it, or else its text with powers and fractions on one line."""
    for annotation in element.iter("annotation"):
        if "tex" in (annotation.get("encoding") or "").lower() and annotation.text:
            return str(annotation.text).strip()
    return str(element.get("alttext") or "") or _math_text(element, 0)


def _math_text(element: Element, depth: int) -> str:
    if depth > 30:
        return _inner_text(element)
    parts = [_math_text(child, depth + 1) for child in element if not str(child.tag).startswith("annotation")]
    tag = str(element.tag)
    if tag in ("msup", "msub", "mfrac") and len(parts) == 2:
        mark = {"msup": "^", "msub": "_", "mfrac": "/"}[tag]
        return mark.join(part if len(part) <= 1 or part.isalnum() else f"({part})" for part in parts)
    text = " ".join((element.text or "").split()) + "".join(parts)
    return f"sqrt({text})" if tag == "msqrt" else text


def shift_links(links: list[Link], offset: int) -> list[Link]:
    """Return links whose text has moved by an offset."""
    return [replace(link, start=link.start + offset, end=link.end + offset) for link in links] if offset else links
