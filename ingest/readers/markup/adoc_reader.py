"""Read AsciiDoc: sections, lists, tables, listings and admonitions; no other file is included."""

from __future__ import annotations

import re

from ingest.readers.content import Content
from ingest.readers.markup.adoc_tables import parse_adoc_table
from ingest.readers.metadata import normalize_metadata
from ingest.readers.read_log import ReadLog
from ingest.readers.tree_builder import TreeBuilder

MAX_INLINE_CHARS = 20_000
"""Maximum length of a paragraph whose inline markup is removed; longer ones are data, and searching them is slow."""

_HEADING = re.compile(r"(={1,6}|#{1,6})[ \t]+(\S.*?)(?:[ \t]+\1)?[ \t]*")
_ATTRIBUTE = re.compile(r":(!?[\w-]+!?):(?:[ \t]+(.*))?")
_AUTHOR = re.compile(r"[^\W\d_][\w.'-]*(?: [\w.'-]+){0,3}(?:[ \t]*<[^>]+>)?(?:; .*)?")
_REVISION = re.compile(r"(?:v[\d.]+\w*(?:,[ \t]*)?)?(\d{4}-\d{2}-\d{2})?(?::.*)?")
_ITEM = re.compile(r"[ \t]*(?P<mark>\*{1,5}|-|\.{1,5}|\d{1,3}\.|<\d+>)[ \t]+(?P<text>\S.*)")
_TERM = re.compile(r"[ \t]*(?P<term>\S.*?)(?P<mark>:{2,4}|;;)(?:[ \t]+(?P<text>\S.*))?[ \t]*")
_DELIMITER = re.compile(r"(?:-{4,}|\.{4,}|={4,}|\*{4,}|_{4,}|\+{4,}|/{4,}|--|`{3,}\w*|[|,:!]===)[ \t]*")
_BLOCK_STYLE = re.compile(r"\[([^\[\]]*)\][ \t]*")
_ADMONITION = re.compile(r"(NOTE|TIP|IMPORTANT|WARNING|CAUTION):[ \t]+(.*)")
_MACRO = re.compile(r"(include|image|video|audio|toc|ifdef|ifndef|ifeval|endif)::?(\S*?)\[(.*)\][ \t]*")
_METADATA = ("author", "email", "revdate", "date", "keywords", "description", "lang")


def read_adoc(data: bytes, log: ReadLog) -> Content:
    """Read AsciiDoc; the attributes of its header become metadata.

    Raises:
        ReadError: the data is not text.
    """
    reader = _AdocReader(log.clean(log.decode(data)).split("\n"))
    reader.read_header()
    reader.read_blocks()
    problems: tuple[str, ...] = ()
    if reader.included:
        problems = (f"expected text, found includes that are not followed: {', '.join(reader.included[:5])}",)
    fields: dict[object, object] = {
        {"revdate": "date", "lang": "language"}.get(k, k): v for k, v in reader.attributes.items() if k in _METADATA
    }
    return Content(*reader.builder.build(), reader.title, normalize_metadata(fields), problems)


class _AdocReader:
    """Reader of lines; styles and titles above a block are kept until the block comes."""

    def __init__(self, lines: list[str]) -> None:
        self.builder = TreeBuilder()
        self.title = ""
        self.attributes: dict[str, str] = {}
        self.included: list[str] = []
        self._lines = lines
        self._number = 0
        self._style = ""

    def read_header(self) -> None:
        """Read the title, the line of the author, and the attributes."""
        while self._number < len(self._lines) and (
            not self._lines[self._number].strip() or re.match(r":|//", self._lines[self._number])
        ):
            self._read_attribute(self._lines[self._number])
            self._number += 1
        match = _HEADING.fullmatch(self._lines[self._number]) if self._number < len(self._lines) else None
        if not match or len(match[1]) > 1:
            return
        self._number += 1
        title_line = match[2]
        first = self._number
        while self._number < len(self._lines) and self._lines[self._number].strip():
            line = self._lines[self._number]
            offset = self._number - first
            revision = _REVISION.fullmatch(line)
            if not self._read_attribute(line) and not line.startswith("//"):
                if offset == 0 and _AUTHOR.fullmatch(line):
                    self.attributes["author"] = "; ".join(re.sub(r"[ \t]*<[^>]*>", "", line).split("; "))
                elif offset == 1 and revision:
                    self.attributes["date"] = revision[1] or ""
                else:
                    break
            self._number += 1
        self.title = self._plain(title_line)
        self.builder.add_heading(self.title, 1)

    def _read_attribute(self, line: str) -> bool:
        match = _ATTRIBUTE.fullmatch(line)
        if match:
            self.attributes[match[1].strip("!").lower()] = (match[2] or "").strip()
        return bool(match)

    def read_blocks(self) -> None:
        """Read the blocks after the header."""
        while self._number < len(self._lines):
            line = self._lines[self._number]
            self._number += 1
            if not line.strip() or line == "+" or re.match(r"//(?!/)", line) or line.startswith("'''") or line == "<<<":
                continue
            if match := _DELIMITER.fullmatch(line):
                self._read_delimited(line.strip())
            elif match := _HEADING.fullmatch(line):
                self.builder.add_heading(self._plain(match[2]), len(match[1]))
            elif self._read_attribute(line):
                continue
            elif match := _BLOCK_STYLE.fullmatch(line):
                if not line.startswith("[["):
                    self._style = match[1]
                continue
            elif match := _MACRO.fullmatch(line):
                self._read_macro(match)
            elif re.match(r"\.[^\s.]", line):
                self.builder.add_caption(self._plain(line[1:]))
                continue
            elif match := _ITEM.fullmatch(line):
                self._read_item(match)
            elif match := _TERM.fullmatch(line):
                self._read_term(match)
            elif line.startswith(" "):
                self._number -= 1
                lines = self._take_paragraph()
                self.builder.add_code("\n".join(part[1:] for part in lines))
            else:
                self._number -= 1
                self._read_paragraph()
            self._style = ""

    def _take_paragraph(self) -> list[str]:
        first = self._number
        self._number += 1
        while (
            self._number < len(self._lines)
            and self._lines[self._number].strip()
            and self._lines[self._number] != "+"
            and not _DELIMITER.fullmatch(self._lines[self._number])
            and not _BLOCK_STYLE.fullmatch(self._lines[self._number])
        ):
            self._number += 1
        return self._lines[first : self._number]

    def _read_paragraph(self) -> None:
        lines = [line for line in self._take_paragraph() if not re.match(r"//(?!/)", line)]
        text = "\n".join(re.sub(r" \+$", "", line) for line in lines)
        kind, _, language = self._style.partition(",")
        if kind in ("source", "listing", "literal"):
            self.builder.add_code("\n".join(lines), language.split(",")[0].strip() if kind == "source" else "")
        elif match := _ADMONITION.match(text):
            self.builder.add_paragraph(self._plain(f"{match[1].capitalize()}: {text[match.start(2) :]}"))
        elif kind in ("NOTE", "TIP", "IMPORTANT", "WARNING", "CAUTION"):
            self.builder.add_paragraph(self._plain(f"{kind.capitalize()}: {text}"))
        else:
            self.builder.add_paragraph(self._plain(text))

    def _read_delimited(self, delimiter: str) -> None:
        """Read a block between two delimiters; examples, sidebars and quotes hold blocks, others code or a table."""
        mark = delimiter[0]
        if mark in "|,:!":
            self._read_table(delimiter)
        elif mark in "-.`" and delimiter != "--":
            lines = self._take_until("```" if mark == "`" else delimiter)
            styles = [part.strip() for part in self._style.split(",")]
            language = styles[1] if styles[0].startswith("source") and len(styles) > 1 else delimiter.strip("`-.")
            self.builder.add_code(
                "\n".join(re.sub(r"[ \t]*(?://|#|--|;;)?[ \t]*<\d+>$", "", line) for line in lines), language
            )
        elif mark == "/":
            self._take_until(delimiter)
        elif mark == "+":
            self.builder.add_paragraph("\n".join(self._take_until(delimiter)))
        elif self._style.split(",")[0] in ("NOTE", "TIP", "IMPORTANT", "WARNING", "CAUTION"):
            self.builder.add_paragraph(f"{self._style.split(',')[0].capitalize()}:")
        # the blocks between other delimiters follow as they are; their end is a delimiter too

    def _take_until(self, delimiter: str) -> list[str]:
        first = self._number
        while self._number < len(self._lines) and self._lines[self._number].rstrip() != delimiter:
            self._number += 1
        lines = self._lines[first : self._number]
        self._number += 1
        return lines

    def _read_table(self, delimiter: str) -> None:
        header, rows = parse_adoc_table(self._take_until(delimiter), self._style, delimiter[0])
        plain_header = [self._plain(cell) for cell in header]
        self.builder.add_table(([self._plain(cell) for cell in row] for row in rows), plain_header)

    def _read_macro(self, match: re.Match[str]) -> None:
        if match[1] == "include":
            self.included.append(match[2])
        elif match[1] == "image":
            self.builder.add_caption(self._plain(match[3].split(",")[0]))

    def _read_item(self, match: re.Match[str]) -> None:
        mark = match["mark"]
        is_numbered = mark[0] in ".<" or mark[0].isdigit()
        depth = len(mark) if mark[0] in "*." else 1
        number = mark.strip("<>.") or "1"
        text = " ".join([match["text"], *self._continuation()])
        text = re.sub(r"^\[([ xX*])\] ", lambda m: "(open) " if m[1] == " " else "(done) ", text)
        self.builder.add_item(self._plain(text), depth, f"{number}." if is_numbered else "-")

    def _continuation(self) -> list[str]:
        """Return the further lines of an item."""
        lines = []
        while self._number < len(self._lines):
            line = self._lines[self._number]
            if (
                not line.strip()
                or line == "+"
                or any(pattern.fullmatch(line) for pattern in (_ITEM, _TERM, _DELIMITER, _HEADING, _BLOCK_STYLE))
            ):
                break
            lines.append(line.strip())
            self._number += 1
        return lines

    def _read_term(self, match: re.Match[str]) -> None:
        depth = max(len(match["mark"]) - 1, 1)
        if not match["text"]:
            while self._number < len(self._lines) and not self._lines[self._number].strip():
                self._number += 1
        following = self._lines[self._number] if self._number < len(self._lines) else ""
        is_block = any(p.fullmatch(following) for p in (_DELIMITER, _BLOCK_STYLE, _HEADING)) or following == "+"
        rest = [] if is_block and not match["text"] else self._continuation()
        text = " ".join(filter(None, [match["text"], *rest]))
        self.builder.add_item(self._plain(f"{match['term'].strip()}: {text}"), depth)

    def _plain(self, text: str) -> str:
        """Return text without inline markup, with the values of attributes."""
        if len(text) > MAX_INLINE_CHARS:
            return text
        text = re.sub(r"(?<!\\)\{([\w-]+)\}", lambda m: self.attributes.get(m[1].lower(), m[0]), text)
        text = re.sub(r"\[\[[^\]]*\]\]|\(\(\(.*?\)\)\)|indexterm:\[.*?\]", "", text)
        text = re.sub(r"\(\((.*?)\)\)", r"\1", text)
        text = re.sub(r"<<([^,<>]*)(?:,[ \t]*([^<>]*))?>>", lambda m: m[2] or m[1].lstrip("#"), text)
        text = re.sub(r"footnote:\w*\[(.*?)\]", r" (\1)", text)
        text = re.sub(r"(?:link:|xref:|mailto:)([^\s\[\]]*)\[([^\]]*)\]", lambda m: m[2].split(",")[0] or m[1], text)
        text = re.sub(r"(https?://[^\s\[\]]+)\[([^\]]+)\]", lambda m: m[2].split(",")[0].strip('^"'), text)
        text = re.sub(r"(?:kbd|btn|pass|stem|latexmath|image|icon):\w*\[([^\]]*)\]", r"\1", text)
        text = re.sub(r"(?<![\w`])`\+?([^`\n]+?)\+?`(?![\w`])", r"\1", text)
        text = re.sub(r"(?:\[[.#\w-]+\])?([*_#])\1(\S(?:.*?\S)?)\1\1", r"\2", text)
        return re.sub(r"(?<![\w*_#\\])(?:\[[.#\w-]+\])?([*_#])(\S(?:[^\n]*?\S)?)\1(?![\w*_#])", r"\2", text)
