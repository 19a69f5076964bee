"""Remove the furniture of a page (navigation, headers, notices, contents) and its hidden elements."""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from ingest.readers.html.hidden import HiddenRules
from ingest.readers.html.names import KEPT_FOOTER, ROLES, STEP_WORDS, STRONG_NAME, TOC_NAME, WEAK_NAME
from ingest.readers.html.parser import Element
from ingest.readers.html.text import text_length

_STEP_KEYS = frozenset("pnuh")
_CONTAINERS = frozenset(
    [
        "nav",
        "aside",
        "header",
        "footer",
        "form",
        "menu",
        "section",
        "article",
        "main",
        "div",
        "ul",
        "ol",
        "dl",
        "table",
        "p",
        "td",
        "center",
        "span",
        "a",
        "small",
    ]
)
_NAMED_BY_ID = frozenset(["nav", "aside", "header", "footer", "form", "div", "ul", "ol", "table"])
_BLOCKS = frozenset(["div", "ul", "ol", "dl", "table", "p", "center", "section"])
_MAX_BAR_CHARS = 600
_MIN_LINK_SHARE = 0.6
"""Share of the text in links above which an element with a name of navigation is navigation."""
_MIN_LIST_SHARE = 0.85
_MIN_KEPT_CHARS = 200
"""Characters that must be left for contents lists to be removed: a page of nothing but contents keeps them."""


@dataclass(slots=True)
class _Counts:
    """Counts of an element and those inside it.

    Attributes:
        text: Characters of text.
        linked: Characters of text in links.
        links: Links.
        own: Links to places of this page.
        steps: Links to the previous, next or upper page.
        has_heading: Whether there is a heading.
        has_main: Whether there is a top heading or the main element.
    """

    text: int = 0
    linked: int = 0
    links: int = 0
    own: int = 0
    steps: int = 0
    has_heading: bool = False
    has_main: bool = False

    def add(self, other: _Counts) -> None:
        """Add the counts of an element inside."""
        self.text += other.text
        self.linked += other.linked
        self.links += other.links
        self.own += other.own
        self.steps += other.steps
        self.has_heading |= other.has_heading
        self.has_main |= other.has_main


class FurnitureRemover:
    """Remover of the hidden elements and the furniture of one page.

    Args:
        root: the page, which is changed.
        body: its body.
    """

    def __init__(self, root: Element, body: Element) -> None:
        self._body = body
        self._hidden_rules = HiddenRules(root)
        self._anchors = {str(value) for value in root.xpath("//@id | //a/@name")}
        self._inside = {"main": 0, "article": 0, "section": 0, "blockquote": 0}
        self._has_main = next(root.iter("main"), None) is not None
        self._has_top_heading = next(body.iter("h1"), None) is not None
        self._is_before_heading = True
        self._hidden: list[Element] = []
        self._furniture: list[Element] = []
        self._contents: list[Element] = []

    def remove(self) -> None:
        """Remove hidden elements and furniture; contents lists only if other text is left."""
        kept_chars = self._scan()
        removed = self._hidden
        if kept_chars or self._contents:
            removed = removed + self._furniture
        if kept_chars >= _MIN_KEPT_CHARS:
            removed = removed + self._contents
        for element in removed:
            _remove_element(element)

    def _scan(self) -> int:
        """Collect the elements to remove, and return the characters of the other text."""
        stack = [_Counts()]
        skipped: Element | None = None
        walk = etree.iterwalk(self._body, events=("start", "end"))
        for event, element in walk:
            tag = str(element.tag)
            if event == "start":
                counts = _Counts(text=len((element.text or "").strip()))
                stack.append(counts)
                if self._hidden_rules.is_hidden(element, tag):
                    self._hidden.append(element)
                    walk.skip_subtree()
                    skipped = element
                elif tag in self._inside:
                    self._inside[tag] += 1
            else:
                counts = stack.pop()
                if element is skipped:
                    skipped = None
                else:
                    self._finish(element, tag, counts, stack[-1])
                stack[-1].text += len((element.tail or "").strip())
        return stack[0].text

    def _finish(self, element: Element, tag: str, counts: _Counts, parent: _Counts) -> None:
        if tag in self._inside:
            self._inside[tag] -= 1
        if len(tag) == 2 and tag[0] == "h" and tag[1].isdigit():
            counts.has_heading = True
            counts.has_main |= tag == "h1"
            if tag == "h1" or not self._has_top_heading:
                self._is_before_heading = False
        elif tag == "main":
            counts.has_main = True
        elif tag == "a" and "href" in element.attrib:
            counts.linked, counts.links = counts.text, 1
            counts.own = int(self._is_own_anchor(element.get("href") or ""))
            counts.steps = int(counts.text < 30 and _is_step(element))
        if tag in _CONTAINERS:
            found = self._classify(element, tag, counts)
            if found:
                (self._contents if found == "contents" else self._furniture).append(element)
                return
        parent.add(counts)

    def _classify(self, element: Element, tag: str, counts: _Counts) -> str:
        """Return ``furniture``, ``contents`` or ""."""
        in_content = self._inside["main"] or self._inside["article"]
        share = counts.linked / counts.text if counts.text else 1.0
        names = element.get("class", "").split()
        if not counts.has_heading and tag in _NAMED_BY_ID:  # the id of a section is its heading
            names.append(element.get("id", ""))
        if tag == "nav" or element.get("role", "").lower() in ROLES:
            return "contents" if any(map(TOC_NAME.fullmatch, names)) else "furniture"
        if tag == "footer" and not any(map(KEPT_FOOTER.search, names)):
            return "" if self._inside["blockquote"] else "furniture"
        if tag == "header" and not in_content and not self._inside["section"] and not counts.has_main:
            return "furniture"
        if tag == "aside" and (share > 0.5 or (not in_content and self._has_main)):
            return "furniture"
        if names and not counts.has_main and tag != "main":
            if counts.linked and share > _MIN_LINK_SHARE and any(map(TOC_NAME.fullmatch, names)):
                return "contents"
            is_bar = counts.text < _MAX_BAR_CHARS or share > _MIN_LINK_SHARE
            if is_bar and any(map(STRONG_NAME.fullmatch, names)):
                return "furniture"
            if counts.linked and share > _MIN_LINK_SHARE and any(map(WEAK_NAME.fullmatch, names)):
                return "furniture"
        if tag == "form" and counts.text < 100 and not counts.has_heading:
            return "furniture"
        return self._classify_links(tag, counts, share) if tag in _BLOCKS and counts.links else ""

    def _classify_links(self, tag: str, counts: _Counts, share: float) -> str:
        if counts.has_heading:
            return ""
        if counts.text < _MAX_BAR_CHARS and counts.steps >= 2 and share > 0.5:
            return "furniture"
        if share < _MIN_LIST_SHARE or counts.links < 3:
            return ""
        if tag in ("ul", "ol", "dl", "div") and counts.own * 10 >= counts.links * 9:
            return "contents"
        is_bar = counts.text < counts.links * 25 and counts.text < _MAX_BAR_CHARS
        in_content = self._inside["main"] or self._inside["article"]
        return "contents" if is_bar and self._is_before_heading and not in_content else ""

    def _is_own_anchor(self, target: str) -> bool:
        _, mark, fragment = target.partition("#")
        return bool(mark) and (fragment in self._anchors or target.startswith("#"))


def _is_step(element: Element) -> bool:
    if element.get("accesskey", "").lower() in _STEP_KEYS or element.get("rel", "").lower() in ("prev", "next"):
        return True
    words = "".join(element.itertext()).casefold().strip(" .:[]()\u00a0\n\t")
    return words in STEP_WORDS or words.split(" ", 1)[0] in ("«", "»", "←", "→", "‹", "›", "<<", ">>")


def _remove_element(element: Element) -> None:
    """Remove an element, and keep the text behind it."""
    parent = element.getparent()
    if parent is None:
        return
    tail = f" {element.tail}" if element.tail and element.tag not in ("a", "span", "button") else element.tail
    previous = element.getprevious()
    if tail and previous is not None:
        previous.tail = (previous.tail or "") + tail
    elif tail:
        parent.text = (parent.text or "") + tail
    parent.remove(element)


def main_element(body: Element) -> Element:
    """Return ``main`` or the only ``article`` if most text is in it, or the body."""
    candidates = [e for e in body.iter("main", "div", "section") if e.tag == "main" or e.get("role") == "main"]
    if not candidates:
        articles = [e for e in body.iter("article") if next(e.iterancestors("article"), None) is None]
        candidates = articles if len(articles) == 1 else []
    if not candidates:
        return body
    total = text_length(body)
    best = max(candidates, key=text_length)
    return best if text_length(best) * 2 > total else body
