"""Read Org mode: headlines with their state, lists, tables, source blocks and properties."""

from __future__ import annotations

import re

from ingest.readers.content import Content
from ingest.readers.metadata import normalize_metadata
from ingest.readers.read_log import ReadLog
from ingest.readers.tree_builder import TreeBuilder

MAX_INLINE_CHARS = 20_000
"""Maximum length of a paragraph whose inline markup is removed; longer ones are data, and searching them is slow."""

_HEADLINE = re.compile(r"(\*+)[ \t]+(.*?)(?:[ \t]+(:[\w@#%:]+:))?[ \t]*")
_KEYWORD = re.compile(r"[ \t]*#\+(\w+)(?:\[[^\]]*\])?:[ \t]*(.*)")
_BEGIN = re.compile(r"[ \t]*#\+begin_(\w+)[ \t]*(\S*).*", re.IGNORECASE)
_ITEM = re.compile(r"(?P<indent>[ \t]*)(?P<mark>[-+]|(?<=[ \t])\*|\d{1,3}[.)])[ \t]+(?:\[@\d+\][ \t]*)?(?P<text>\S.*)")
_PROPERTY = re.compile(r"[ \t]*:([\w@-]+)\+?:[ \t]*(.*)")
_FOOTNOTE = re.compile(r"\[fn:([\w-]+)\][ \t]*(.+)")
_LINK = re.compile(r"\[\[([^\[\]]+)\](?:\[([^\[\]]+)\])?\]")
_EMPHASIS = re.compile(r"(?<![\w*/+_=~])([*/+_=~])(?=\S)(.+?)(?<=\S)\1(?![\w*/+_=~])")
_METADATA = {
    "author": "author",
    "date": "date",
    "filetags": "tags",
    "keywords": "tags",
    "language": "language",
    "email": "email",
    "description": "description",
}
_SILENT_PROPERTIES = ("id", "custom_id")
_CODE_BLOCKS = ("src", "example", "export")
_SILENT_BLOCKS = ("comment",)


def read_org(data: bytes, log: ReadLog) -> Content:
    """Read Org text; ``#+TITLE``, ``#+AUTHOR`` and other keywords become title and metadata.

    Raises:
        ReadError: the data is not text.
    """
    reader = _OrgReader(log.clean(log.decode(data)).split("\n"))
    reader.read()
    problems: tuple[str, ...] = ()
    if reader.included:
        problems = (f"expected text, found includes that are not followed: {', '.join(reader.included[:5])}",)
    return Content(*reader.builder.build(), reader.title, normalize_metadata(reader.fields), problems)


class _OrgReader:
    """Reader of lines; a paragraph is collected until a line that begins something else."""

    def __init__(self, lines: list[str]) -> None:
        self.builder = TreeBuilder()
        self.title = ""
        self.fields: dict[object, object] = {}
        self.included: list[str] = []
        self._lines = lines
        self._number = 0
        self._paragraph: list[str] = []
        self._has_headline = False

    def read(self) -> None:
        """Read all lines."""
        while self._number < len(self._lines):
            line = self._lines[self._number]
            self._number += 1
            if match := _HEADLINE.fullmatch(line):
                self._end_paragraph()
                tags = f" ({', '.join(match[3].strip(':').split(':'))})" if match[3] else ""
                self.builder.add_heading(_plain(re.sub(r"\[#\w\][ \t]*", "", match[2])) + tags, len(match[1]))
                self._has_headline = True
            elif match := _BEGIN.fullmatch(line):
                self._end_paragraph()
                self._read_block(match[1].lower(), match[2])
            elif match := _KEYWORD.fullmatch(line):
                self._end_paragraph()
                self._read_keyword(match[1].lower(), match[2].strip())
            elif re.fullmatch(r"[ \t]*:(PROPERTIES|LOGBOOK):[ \t]*", line, re.IGNORECASE):
                self._end_paragraph()
                self._read_drawer("prop" in line.lower())
            elif re.match(r"[ \t]*\|", line):
                self._end_paragraph()
                self._number -= 1
                self._read_table()
            elif match := _FOOTNOTE.match(line):
                self._end_paragraph()
                self.builder.add_footnote(match[1], _plain(match[2]))
            elif match := _ITEM.match(line):
                self._end_paragraph()
                self._read_item(match)
            elif re.match(r"[ \t]*: ", line):
                self._end_paragraph()
                self._number -= 1
                self.builder.add_code("\n".join(part.lstrip()[2:] for part in self._take(r"[ \t]*:(?: |$)")))
            elif not line.strip() or re.match(r"[ \t]*#(?: |$)", line) or re.fullmatch(r"-{5,}[ \t]*", line):
                self._end_paragraph()
            else:
                self._paragraph.append(line.strip())
        self._end_paragraph()

    def _end_paragraph(self) -> None:
        if self._paragraph:
            self.builder.add_paragraph(_plain("\n".join(self._paragraph)))
            self._paragraph = []

    def _take(self, pattern: str) -> list[str]:
        """Return the lines from here on that match ``pattern``."""
        first = self._number
        while self._number < len(self._lines) and re.match(pattern, self._lines[self._number]):
            self._number += 1
        return self._lines[first : self._number]

    def _read_block(self, kind: str, argument: str) -> None:
        first = self._number
        end = re.compile(rf"[ \t]*#\+end_{re.escape(kind)}[ \t]*", re.IGNORECASE)
        while self._number < len(self._lines) and not end.fullmatch(self._lines[self._number]):
            self._number += 1
        lines = self._lines[first : self._number]
        self._number += 1
        if kind in _CODE_BLOCKS:
            # Org marks lines of code that look like headlines with a comma
            lines = [re.sub(r"^([ \t]*),(?=[*,]|#\+)", r"\1", line) for line in lines]
            self.builder.add_code("\n".join(_dedent(lines)), argument if kind == "src" else "")
        elif kind not in _SILENT_BLOCKS:
            for paragraph in re.split(r"\n[ \t]*\n", "\n".join(line.strip() for line in lines)):
                self.builder.add_paragraph(_plain(paragraph))

    def _read_keyword(self, name: str, value: str) -> None:
        if name == "title":
            self.title = f"{self.title} {_plain(value)}".strip()
        elif name == "caption":
            self.builder.add_caption(_plain(value))
        elif name == "include":
            self.included.append(value)
        elif name in _METADATA and value and not self._has_headline:
            text = value.strip(":").replace(":", ",") if name == "filetags" else value
            self.fields[_METADATA[name]] = _date(text) if name == "date" else text

    def _read_drawer(self, is_shown: bool) -> None:
        properties = []
        while self._number < len(self._lines):
            line = self._lines[self._number]
            if _HEADLINE.fullmatch(line):
                return
            self._number += 1
            if line.strip().lower() == ":end:":
                break
            match = _PROPERTY.fullmatch(line)
            if match and is_shown and match[2] and match[1].lower() not in _SILENT_PROPERTIES:
                properties.append((match[1], match[2].strip()))
        if self._has_headline:
            self.builder.add_paragraph("\n".join(f"{name}: {value}" for name, value in properties))
        else:
            self.fields.update({name.lower(): value for name, value in properties})

    def _read_table(self) -> None:
        header: list[str] = []
        rows: list[list[str]] = []
        for line in self._take(r"[ \t]*\|"):
            if re.match(r"[ \t]*\|-", line):
                if rows and not header:
                    header = [" ".join(filter(None, column)) for column in zip(*rows, strict=False)]
                    rows = []
                continue
            cells = [_plain(cell.strip()) for cell in line.strip().strip("|").split("|")]
            if not all(re.fullmatch(r"<[lcr]?\d*>|", cell) for cell in cells):
                rows.append(cells)
        if header and not rows:
            header, rows = [], [header]
        self.builder.add_table(rows, header)

    def _read_item(self, match: re.Match[str]) -> None:
        indent = len(match["indent"].expandtabs(8))
        parts = [match["text"]]
        while self._number < len(self._lines):
            line = self._lines[self._number]
            width = len(line.expandtabs(8)) - len(line.expandtabs(8).lstrip())
            if not line.strip() or width <= indent or _ITEM.match(line) or re.match(r"[ \t]*(?:#\+|\||:\w)", line):
                break
            parts.append(line.strip())
            self._number += 1
        text = re.sub(r"[ \t]+::(?:[ \t]+|$)", ": ", " ".join(parts), count=1)
        text = re.sub(r"^\[([ Xx-])\] ", lambda m: "(done) " if m[1] in "Xx" else "(open) ", text)
        self.builder.add_item(_plain(text), indent // 2 + 1, match["mark"] if match["mark"][0].isdigit() else "-")


def _plain(text: str) -> str:
    """Return text without emphasis and link targets."""
    if len(text) > MAX_INLINE_CHARS:
        return text
    text = _LINK.sub(lambda m: m[2] or m[1].removeprefix("file:"), text)
    text = re.sub(r"<<<?([^<>]*)>?>>", r"\1", text)
    return _EMPHASIS.sub(r"\2", text)


def _date(text: str) -> str:
    match = re.search(r"\d{4}-\d{2}-\d{2}", text)
    return match[0] if match else text


def _dedent(lines: list[str]) -> list[str]:
    width = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    return [line[width:] for line in lines]
