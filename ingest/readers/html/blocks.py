"""Walk over a page and write its blocks: headings, paragraphs, lists, definitions, tables, code, captions."""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from ingest.readers.html.names import BOILERPLATE, LABEL
from ingest.readers.html.parser import Element
from ingest.readers.html.roles import code_language, has_long_definitions, is_title_of_figure, link_target, term_prefix
from ingest.readers.html.tables import add_table, is_data_table
from ingest.readers.html.text import InlineText, shift_links, special_text
from ingest.readers.tree_builder import TreeBuilder

_BLOCKS = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "center",
        "details",
        "div",
        "fieldset",
        "figure",
        "footer",
        "form",
        "header",
        "hgroup",
        "hr",
        "legend",
        "main",
        "menu",
        "nav",
        "p",
        "search",
        "section",
        "summary",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "tr",
        "caption",
        "figcaption",
        "dir",
        "html",
        "optgroup",
    ]
)
_LISTS = frozenset(("ul", "ol", "dl", "menu", "dir"))
_CODE = frozenset(("pre", "xmp", "listing", "plaintext"))
_MIN_LABEL_LEVEL = 3


@dataclass(slots=True)
class _Item:
    """A list item whose text has not begun: its depth, its marker, and the terms that it defines."""

    depth: int
    marker: str
    terms: tuple[str, ...] = ()


class BlockWriter:
    """Writer of the blocks below one element.

    Args:
        builder: receives the blocks.
    """

    def __init__(self, builder: TreeBuilder) -> None:
        self._builder = builder
        self._inline = InlineText()
        self._lists: list[int] = []  # number of the last item of each open list; -1 without numbers
        self._item: _Item | None = None
        self._terms: list[str] = []
        self._in_term = False
        self._heading = 0
        self._is_caption = False
        self._level = 0  # of the last heading
        self._term_level = 0  # of the headings that the terms of the open list become; 0 for items

    def write(self, root: Element) -> None:
        """Write all blocks; the tree may be of any depth."""
        walk = etree.iterwalk(root, events=("start", "end"))
        self._inline.add(root.text)
        for event, element in walk:
            if element is root:
                continue
            tag = str(element.tag)
            if event == "end":
                self._end(element, tag)
                self._inline.add(element.tail)
            elif self._start(element, tag):
                walk.skip_subtree()
            else:
                self._inline.add(element.text)
        self._flush()
        self._finish_terms()

    def _start(self, element: Element, tag: str) -> bool:
        """Begin an element; return whether everything inside it has been written."""
        special = special_text(element, tag, self._inline.last_char())
        if special is not None:
            self._inline.add(special)
            return True
        if tag == "br":
            self._inline.add_line_end()
        elif tag == "a":
            target = link_target(element)
            if target:
                self._inline.open_link(target)
        elif self._heading:
            if tag in _BLOCKS:
                self._inline.add_space()
        elif len(tag) == 2 and tag[0] == "h" and tag[1] in "123456":
            self._flush()
            self._heading = int(tag[1])
        elif tag in _CODE:
            self._write_code(element)
            return True
        elif tag == "table" and not self._in_term and is_data_table(element):
            self._flush()
            self._finish_terms()
            add_table(element, self._builder)
            return True
        else:
            self._start_block(element, tag)
        return False

    def _start_block(self, element: Element, tag: str) -> None:
        if tag in _LISTS:
            self._flush()
            self._write_item_without_text()
            start = element.get("start") or "1"
            if tag == "dl" and not self._lists and has_long_definitions(element):
                self._term_level = self._level + 1
                return
            self._lists.append((int(start) - 1 if start.isdecimal() and len(start) < 9 else 0) if tag == "ol" else -1)
        elif tag == "li":
            self._flush()
            self._item = self._next_item()
        elif tag == "dt":
            self._flush()
            self._write_item_without_text()
            self._in_term = True
        elif tag == "dd" and self._term_level and not self._lists:
            self._flush()
            if self._terms:
                self._builder.add_heading(", ".join(self._terms), self._term_level)
                self._terms = []
        elif tag == "dd":
            self._flush()
            self._item = _Item(max(len(self._lists), 1), "-", tuple(self._terms))
            self._terms = []
        elif tag in _BLOCKS:
            self._flush()
            self._is_caption = tag in ("figcaption", "caption") or is_title_of_figure(element, tag)

    def _end(self, element: Element, tag: str) -> None:
        if tag == "a":
            if link_target(element):
                self._inline.close_link()
        elif len(tag) == 2 and tag[0] == "h" and tag[1] in "123456":
            self._flush()
            self._heading = 0
        elif self._heading or tag in _CODE:
            pass
        elif tag in _LISTS:
            self._flush()
            self._finish_terms()
            if self._lists:
                self._lists.pop()
            else:
                self._term_level = 0
            self._item = None
        elif tag == "dt":
            text, _ = self._inline.take()
            self._in_term = False
            if text:
                self._terms.append(" ".join(text.split()))
        elif tag in ("li", "dd"):
            self._flush()
            self._write_item_without_text()
            self._item = None
        elif tag in _BLOCKS:
            self._flush()
            self._is_caption = False

    def _next_item(self) -> _Item:
        if not self._lists:
            return _Item(1, "-")
        number = self._lists[-1]
        if number < 0:
            return _Item(len(self._lists), "-")
        self._lists[-1] = number + 1
        return _Item(len(self._lists), f"{number + 1}.")

    def _flush(self) -> None:
        """Write the text of the current block."""
        if self._in_term:
            self._inline.add_space()
            return
        text, links = self._inline.take()
        if not text or (len(text) < 100 and BOILERPLATE.fullmatch(text.strip(" .|·¶#"))):
            return
        if LABEL.fullmatch(text) and not 0 < self._heading < _MIN_LABEL_LEVEL:
            self._builder.add_caption(text)  # stays with the text of the note below
        elif self._heading:
            self._level = self._heading
            self._builder.add_heading(text.rstrip("¶#§ "), self._level, links=links)
        elif self._item:
            item, self._item = self._item, None
            prefix = term_prefix(item.terms)
            self._builder.add_item(prefix + text, item.depth, item.marker, links=shift_links(links, len(prefix)))
        elif self._is_caption:
            self._builder.add_caption(text)
        else:
            indent = "  " * len(self._lists)
            self._builder.add_paragraph(indent + text, links=shift_links(links, len(indent)))

    def _write_item_without_text(self) -> None:
        """Write the term of a definition that begins with a list, a table or code."""
        if self._item and self._item.terms:
            self._builder.add_item(term_prefix(self._item.terms).rstrip(), self._item.depth, self._item.marker)
            self._item = None

    def _finish_terms(self) -> None:
        """Write terms without a definition, and the term of the open one."""
        self._write_item_without_text()
        for term in self._terms:
            self._builder.add_item(term, max(len(self._lists), 1))
        self._terms = []

    def _write_code(self, element: Element) -> None:
        self._flush()
        self._finish_terms()
        for line_end in element.iter("br"):
            line_end.text = "\n"
        text = "".join(str(part) for part in element.itertext()).replace("\u00a0", " ")
        lines = [line.rstrip() for line in text.expandtabs(8).split("\n")]
        self._builder.add_code("\n".join(lines), code_language(element))
