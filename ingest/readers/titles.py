"""Choose the title of a document from what it says of itself."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ingest.readers.content import Content
from ingest.readers.encodings.decoding import remove_control_chars
from kgrag.tree import Block, BlockKind

MAX_TITLE_CHARS = 100
MAX_TITLE_LEVEL = 2
_NUMBER = r"(?:\d+(?:\.\d+)*\.?|[A-Z]\.\d+(?:\.\d+)*\.?|[IVX]+\.|第\s*[\d一二三四五六七八九十百]+\s*[章节部篇])"
_NUMBERED = re.compile(rf"(?:(?:chapter|appendix|section|part)\s+)?{_NUMBER}(?:\s|$|[:：、])", re.IGNORECASE)
_GENERIC = re.compile(
    r"(?:untitled(?: document| page)?|document\d*|home(?: ?page)?|index|documentation|docs|welcome|new page \d*|page|start"
    r"|main|default|manual|no title|title|overview|introduction|readme|无标题(?:文档|页)?|未命名|首页|主页|文档|新建.*)\W*",
    re.IGNORECASE,
)
_SITE_WORD = re.compile(
    r"\b(?:documentation|docs|manual|wiki(?:pedia)?|blog|website|help cent(?:er|re)|knowledge base|developer|github"
    r"|stack overflow|the free encyclopedia|home ?page)\b|文档|手册|百科|博客|官网|网站|知乎|维基|论坛",
    re.IGNORECASE,
)
_SEPARATOR = re.compile(
    r"\s+(?:[-–—|·•»«›‹:]|::)\s+|\s*[|｜»«]\s*|::|\s*——\s*|:\s+|：|(?<=[\u4e00-\u9fff])[-_](?=\S)|_(?=[\u4e00-\u9fff])"
)
_VERSION = re.compile(r"v?\d+(?:\.[\dx]+)*")
_MAX_SITE_WORDS = 3
_CODE_CHARS = re.compile(r"[=*/{}<>$;|\\@#]|^\d")


def choose_title(content: Content) -> str:
    """Return the title of a document: its own, or else its first top heading, or "".

    A numbered heading such as "1. Overview" names a section, not the document. A line of ``# text`` behind prose or
    above code is a comment.
    """
    if content.title.strip():
        return remove_control_chars(" ".join(content.title.split()))[0]
    headings = [
        b for b in content.tree.blocks if b.kind is BlockKind.HEADING and b.level <= MAX_TITLE_LEVEL and b.label
    ]
    top = min((block.level for block in headings), default=0)
    for block in headings:
        if block.level == top and not _NUMBERED.match(block.label) and not _is_comment(content, block):
            return block.label
    return ""


def first_line(text: str) -> str:
    """Return the first line of a text if it is short enough for a title, or ""."""
    line = text.strip().split("\n", 1)[0].strip("#*_ \t")
    return line if len(line) <= MAX_TITLE_CHARS else ""


def clean_page_title(title: str, headings: Sequence[str] = (), site_names: Sequence[str] = ()) -> str:
    """Return the title of a page without the name of its site: "VACUUM" of "PostgreSQL: Documentation: 15: VACUUM".

    Args:
        title: the title as stated; it may be empty.
        headings: the first headings of the page, the highest first.
        site_names: possible names of the site.

    Returns:
        The part of the title that a heading repeats, or else the title without the parts that name a site; the first
        heading without a number for a page without a title of its own; "" if there is none.
    """
    title = " ".join(title.split())
    heading = next((h for h in headings if not _NUMBERED.match(h) and not _GENERIC.fullmatch(h)), "")
    folded_headings = {_fold(h) for h in headings}
    sites = {_fold(name) for name in site_names if name.strip()}
    if not title or _GENERIC.fullmatch(title):
        return heading or title
    if _fold(title) in folded_headings:
        return title
    parts = _split_title(title)
    for start, end, part in _runs(title, parts):
        if _fold(part) in folded_headings and (start, end) != (0, len(title)) and _fold(part) not in sites:
            return part
    if _fold(title) in sites:
        return heading or title
    return _strip_sites(title, parts, sites) or heading or title


def _fold(text: str) -> str:
    return re.sub(r"\W+", " ", text.casefold()).strip()


def _split_title(title: str) -> list[tuple[int, int]]:
    """Return the spans of the parts between separators."""
    spans, start = [], 0
    for match in _SEPARATOR.finditer(title):
        spans.append((start, match.start()))
        start = match.end()
    return [(a, b) for a, b in [*spans, (start, len(title))] if b > a]


def _runs(title: str, parts: Sequence[tuple[int, int]]) -> list[tuple[int, int, str]]:
    """Return all runs of neighbouring parts, the longest first."""
    runs = [(a, b) for i, (a, _) in enumerate(parts[:8]) for _, b in parts[i:8]]
    return [(a, b, title[a:b]) for a, b in sorted(runs, key=lambda run: run[0] - run[1])]


def _strip_sites(title: str, parts: list[tuple[int, int]], sites: set[str]) -> str:
    """Return the title without the parts at its ends that name a site; "" if nothing is left."""
    texts = [title[slice(*part)] for part in parts]
    first = next((n for n in range(len(texts) - 1, 0, -1) if _SITE_WORD.fullmatch(texts[n - 1])), 0)
    while first < len(texts) - 1 and (
        _fold(texts[first]) in sites or _SITE_WORD.match(texts[first]) or (first and _VERSION.fullmatch(texts[first]))
    ):
        first += 1
    last = len(texts)
    while last - first > 1:
        separator, rest = title[parts[last - 2][1] : parts[last - 1][0]], title[parts[first][0] : parts[last - 2][1]]
        if not _is_site(texts[last - 1], separator, sites, rest):
            break
        last -= 1
    rest = title[parts[first][0] : parts[last - 1][1]].strip()
    return "" if _fold(rest) in sites or _GENERIC.fullmatch(rest) else rest


def _is_site(part: str, separator: str, sites: set[str], rest: str) -> bool:
    """Whether the last part of a title names the site."""
    if _fold(part) in sites:
        return True
    words = part.split()
    if _SITE_WORD.search(part) and len(words) <= 6:
        return True
    mark = separator.strip()
    if mark in ("|", "｜", "·", "»", "«", "•"):
        return len(words) <= 5
    is_name = len(words) <= _MAX_SITE_WORDS and all(word[:1].isupper() or not word[:1].isalpha() for word in words)
    is_name = is_name and any(char.isalpha() for char in part) and part.isascii()
    return mark in ("-", "–", "—") and is_name and not _NUMBERED.match(rest) and not _NUMBERED.match(f"{rest} ")


def _is_comment(content: Content, heading: Block) -> bool:
    """Whether a ``# line`` is a comment: it stands behind prose, or right above code or another comment."""
    line_end = content.text.find("\n", heading.start)
    if not content.text.startswith("# ", heading.start) or line_end < 0:
        return False
    next_line = content.text[line_end + 1 :].split("\n", 1)[0].strip()
    if next_line and _CODE_CHARS.search(next_line):
        return True
    before = content.text[: heading.start]
    return any(len(line.split()) > 3 and line.rstrip().endswith((".", "。")) for line in before.split("\n"))
