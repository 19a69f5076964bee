"""Join the contents of the parts of a document, such as chapters or slides, into one text and tree."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ingest.readers.content import Content
from kgrag.tree import Block, DocumentTree, Link, PageLine

_SEPARATOR = "\n\n"


def join_contents(contents: Iterable[Content], *, are_pages: bool = False) -> tuple[str, DocumentTree]:
    """Return the text and the tree of all contents, one after the other; those without text add nothing.

    Args:
        contents: the parts, in their order.
        are_pages: whether each part is a page; its text is then marked with its number, which counts every part.
    """
    parts: list[str] = []
    blocks: list[Block] = []
    links: list[Link] = []
    lines: list[PageLine] = []
    offset = 0
    for number, content in enumerate(contents, 1):
        if not content.text.strip():
            continue
        if parts:
            offset += len(_SEPARATOR)
        tree = content.tree
        blocks += [replace(block, start=block.start + offset, end=block.end + offset) for block in tree.blocks]
        links += [replace(link, start=link.start + offset, end=link.end + offset) for link in tree.links]
        if are_pages:
            lines.append(PageLine(offset, offset + len(content.text), number))
        else:
            lines += [replace(line, start=line.start + offset, end=line.end + offset) for line in tree.lines]
        parts.append(content.text)
        offset += len(content.text)
    return _SEPARATOR.join(parts), DocumentTree(tuple(blocks), tuple(links), tuple(lines))
