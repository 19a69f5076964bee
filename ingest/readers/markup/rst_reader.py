"""Read reStructuredText, with the directives of Docutils and Sphinx that hold text; no other file is included."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ingest.readers.content import Content
from ingest.readers.markup.rst_tables import (
    GRID_BORDER,
    SIMPLE_BORDER,
    Table,
    parse_csv_table,
    parse_grid_table,
    parse_list_table,
    parse_simple_table,
)
from ingest.readers.metadata import normalize_metadata
from ingest.readers.read_log import ReadLog
from ingest.readers.superscripts import mark_superscript
from ingest.readers.tree_builder import TreeBuilder
from ingest.readers.word_set import word_set

MAX_DEPTH = 20
"""Maximum depth of indented blocks; deeper ones are text."""
MAX_INLINE_CHARS = 20_000
"""Maximum length of a paragraph whose inline markup is removed; longer ones are data, and searching them is slow."""

_RULE = re.compile(r"([!-/:-@\[-`{-~])\1+\s*")
_ITEM = re.compile(r"(?P<mark>[-*+•]|\(?(?:\d{1,3}|#|[a-z])[.)])(?P<space>\s+)(?=\S)")
_FIELD = re.compile(r":(?P<name>[^:`\s][^:`]*(?<!\s)):(?:\s+(?P<body>.*)|$)")
_DIRECTIVE = re.compile(r"\.\.\s+(?:\|(?P<substituted>[^|]+)\|\s+)?(?P<name>[\w:.+-]*[\w+-])\s*::\s*(?P<arguments>.*)")
_SUBSTITUTION = re.compile(r"\s*\.\.\s+\|([^|]+)\|\s+replace::\s*(.*)")
_FOOTNOTE = re.compile(r"\.\.\s+\[(?P<mark>#?[\w-]*|\*)\]\s*(?P<text>.*)")
_OPTION = re.compile(r"(?P<option>(?:--?|/)[\w?][\w-]*(?:[ =,]+(?:--?[\w-]+|<[^>]+>|[A-Z_]+))*)(?:\s{2,}(?P<text>.*))?")
_ADMONITIONS = word_set(
    """
    note warning tip hint important caution danger attention error seealso deprecated versionadded
    versionchanged versionremoved todo
    """
)
_VERSIONS = {
    "versionadded": "Added in version",
    "versionchanged": "Changed in version",
    "deprecated": "Deprecated since version",
    "versionremoved": "Removed in version",
}
_CODE = word_set(
    """
    code code-block sourcecode literalinclude parsed-literal highlight doctest testcode math productionlist
    prompt ipython
    """
)
_SILENT = word_set(
    """
    toctree index raw contents image default-role sectionauthor moduleauthor currentmodule meta tabularcolumns
    highlight role class module centered only rst-class testsetup testcleanup graphviz
    """
)
_TRANSPARENT = word_set(
    "container figure rubric topic sidebar epigraph compound hlist tabs tab tab-set tab-item grid only table glossary"
)
_DEFINING = re.compile(
    r"(?:\w+:)?(?:function|class|method|attribute|data|exception|module|option|envvar|confval|type|macro|member|var|decorator|staticmethod|classmethod|property|describe|object|opcode|cmdoption|program|setting|directive|role|event|struct|enum|enumerator|c?function)"
)


def read_rst(data: bytes, log: ReadLog) -> Content:
    """Read reStructuredText; fields at the top, such as ``:Author:``, become metadata.

    Raises:
        ReadError: the data is not text.
    """
    reader = _RstReader(log.clean(log.decode(data)).expandtabs(8).split("\n"))
    reader.read_blocks(reader.lines, 1)
    problems: tuple[str, ...] = ()
    if reader.included:
        problems = (f"expected text, found includes that are not followed: {', '.join(reader.included[:5])}",)
    return Content(*reader.builder.build(), metadata=normalize_metadata(reader.fields), problems=problems)


class _RstReader:
    """Reader of blocks; indented ones are read by recursion."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        self.builder = TreeBuilder()
        self.fields: dict[object, object] = {}
        self.included: list[str] = []
        self._styles: list[str] = []
        self._substitutions: dict[str, str] = {}
        for line in lines:
            if match := _SUBSTITUTION.match(line):
                self._substitutions[match[1]] = match[2]
        self._level = 0
        self._has_text = False

    def read_blocks(self, lines: list[str], depth: int) -> None:
        """Read lines without common indentation, inside ``depth - 1`` other blocks."""
        number = 0
        while number < len(lines):
            line = lines[number]
            if not line.strip():
                number += 1
            elif depth > MAX_DEPTH:
                self._add_paragraph(lines[number:])
                return
            else:
                number = self._read_block(lines, number, depth)

    def _read_block(self, lines: list[str], number: int, depth: int) -> int:
        """Read the block at a line, and return the line after it."""
        line = lines[number]
        following = lines[number + 1] if number + 1 < len(lines) else ""
        if line.startswith(" "):
            end = _indented_end(lines, number)
            self.read_blocks(_dedent(lines[number:end]), depth + 1)
            return end
        if GRID_BORDER.fullmatch(line) or (SIMPLE_BORDER.fullmatch(line) and following.strip()):
            return self._read_table(lines, number)
        if _RULE.fullmatch(line) and len(line.strip()) > 1:
            has_overline = number + 2 < len(lines) and lines[number + 2].rstrip() == line.rstrip() and following.strip()
            if has_overline:
                self._add_heading(following.strip(), "over" + line[0])
                return number + 3
            if len(line.strip()) >= 4:
                return number + 1
        if _RULE.fullmatch(following) and _is_underline(line, following):
            self._add_heading(line.strip(), following[0])
            return number + 2
        if line.startswith("..") and (len(line.rstrip()) == 2 or line[2] == " "):
            return self._read_explicit(lines, number, depth)
        if line.startswith("__ "):
            return number + 1
        if match := _FIELD.match(line):
            end = _indented_end(lines, number + 1)
            body = " ".join([match["body"] or "", *(part.strip() for part in lines[number + 1 : end])]).strip()
            self._add_field(match["name"], body, depth)
            return end
        if match := _ITEM.match(line):
            return self._read_item(lines, number, depth, match)
        if line.startswith(("| ", "|\n")):
            end = number
            while end < len(lines) and lines[end].startswith("|"):
                end += 1
            self._add_paragraph([part[1:].strip() for part in lines[number:end]])
            return end
        if line.startswith(">>> "):
            end = _paragraph_end(lines, number)
            self.builder.add_code("\n".join(lines[number:end]), "python")
            return end
        return self._read_paragraph(lines, number, depth)

    def _read_paragraph(self, lines: list[str], number: int, depth: int) -> int:
        """Read a paragraph, with the literal block after ``::``, or a term with its definition."""
        if number + 1 < len(lines) and lines[number + 1].startswith(" ") and lines[number + 1].strip():
            end = _indented_end(lines, number + 1)
            match = _OPTION.fullmatch(lines[number])
            if not lines[number].rstrip().endswith("::"):
                term = f"{match['option']} {match['text'] or ''}".strip() if match else lines[number].strip()
                self._add_definition(term, _dedent(lines[number + 1 : end]), depth)
                return end
        end = _paragraph_end(lines, number)
        text = "\n".join(part.strip() for part in lines[number:end]).rstrip()
        if not text.endswith("::"):
            self._add_paragraph([text])
            return end
        if text.strip() != "::":
            self._add_paragraph([text[:-2].rstrip() + ("" if text[:-2].endswith((" ", "\n")) else ":")])
        code_end = _indented_end(lines, end)
        self.builder.add_code("\n".join(_dedent(lines[end:code_end])))
        return max(code_end, end)

    def _read_item(self, lines: list[str], number: int, depth: int, match: re.Match[str]) -> int:
        width = match.end()
        end = number + 1
        while end < len(lines) and (
            not lines[end].strip() or len(lines[end]) - len(lines[end].lstrip()) >= min(width, 2)
        ):
            end += 1
        body = [lines[number][width:]]
        body += [part[min(width, len(part) - len(part.lstrip())) :] for part in lines[number + 1 : end]]
        text_end = _paragraph_end(body, 0)
        text = " ".join(part.strip() for part in body[:text_end])
        is_literal = text.endswith("::")
        marker = match["mark"] if match["mark"][-1] in ".)" and match["mark"] != "#." else "-"
        if _DIRECTIVE.match(text) or _ITEM.match(text):
            self.read_blocks(body, depth + 1)
            return end
        self.builder.add_item(self._plain(text[:-1] if is_literal else text), depth, marker)
        rest = body[text_end:]
        if is_literal:
            code_end = _indented_end(rest, 0)
            self.builder.add_code("\n".join(_dedent(rest[:code_end])))
            rest = rest[code_end:]
        self.read_blocks(rest, depth + 1)
        return end

    def _add_definition(self, term: str, body: list[str], depth: int) -> None:
        """Add a term with the first paragraph of its definition as an item, then the rest."""
        end = _paragraph_end(body, 0)
        first = " ".join(part.strip() for part in body[:end])
        if _DIRECTIVE.match(first) or _ITEM.match(first) or first.endswith("::"):
            first, end = "", 0
        self.builder.add_item(self._plain(f"{term}: {first}" if first else f"{term}:"), depth)
        self.read_blocks(body[end:], depth + 1)

    def _read_explicit(self, lines: list[str], number: int, depth: int) -> int:
        """Read a directive, a footnote, a target or a comment."""
        end = _indented_end(lines, number + 1)
        body = _dedent(lines[number + 1 : end])
        if match := _DIRECTIVE.match(lines[number]):
            if not match["substituted"]:
                self._read_directive(match["name"].lower(), match["arguments"].strip(), body, depth)
        elif match := _FOOTNOTE.match(lines[number]):
            text = " ".join([match["text"], *(part.strip() for part in body)])
            self.builder.add_footnote(match["mark"], self._plain(text))
        return end

    def _read_directive(self, name: str, arguments: str, body: list[str], depth: int) -> None:
        options, body = _cut_options(body)
        if name in ("include", "literalinclude", "csv-table") and (name != "csv-table" or "file" in options):
            self.included.append(arguments if name != "csv-table" else options["file"])
        elif name in _CODE:
            language = arguments.split()[0] if arguments and name != "math" else "tex" if name == "math" else ""
            is_text = name == "math" and arguments
            self.builder.add_code("\n".join([arguments, *body] if is_text else body), language)
        elif name in _ADMONITIONS or name == "admonition":
            self._read_admonition(name, arguments, body, depth)
        elif name == "list-table":
            self._add_title(arguments)
            self._add_table(parse_list_table(body, options))
        elif name == "csv-table":
            self._add_title(arguments)
            self._add_table(parse_csv_table(body, options))
        elif name == "image":
            self._add_title(options.get("alt", ""))
        elif name in _TRANSPARENT:
            if name == "figure":
                self._add_title(options.get("alt", ""))
            elif arguments and name not in ("container", "only", "hlist"):
                self._add_title(arguments)
            self.read_blocks(body, depth)
        elif _DEFINING.fullmatch(name) and arguments:
            signatures = [arguments, *body[: _paragraph_end(body, 0)]] if arguments.endswith("\\") else [arguments]
            self.builder.add_heading(self._plain(" ".join(signatures)), max(self._level, 1) + depth)
            self._has_text = True
            self.read_blocks(body, depth + 1)
        elif name not in _SILENT:
            if arguments:
                self._add_paragraph([arguments])
            self.read_blocks(body, depth + 1)

    def _read_admonition(self, name: str, arguments: str, body: list[str], depth: int) -> None:
        if name in _VERSIONS:
            version, _, text = arguments.partition(" ")
            label = f"{_VERSIONS[name]} {version}"
        else:
            label, text = ("See also" if name == "seealso" else name.capitalize()), arguments
            if name == "admonition":
                label, text = arguments, ""
        end = _paragraph_end(body, 0)
        first = " ".join(filter(None, [text, *(part.strip() for part in body[:end])]))
        if first.endswith("::") or _DIRECTIVE.match(first) or _ITEM.match(first):
            first, end = text, 0
        self._add_paragraph([f"{label}: {first}" if first else f"{label}."])
        self.read_blocks(body[end:], depth)

    def _read_table(self, lines: list[str], number: int) -> int:
        end = number + 1
        if lines[number].startswith("+"):
            while end < len(lines) and lines[end][:1] in ("+", "|"):
                end += 1
            self._add_table(parse_grid_table(lines[number:end]))
            return end
        borders = 1
        while end < len(lines):
            is_border = bool(SIMPLE_BORDER.fullmatch(lines[end]))
            borders += is_border
            end += 1
            if is_border and (borders >= 3 or end >= len(lines) or not lines[end].strip()):
                break
        self._add_table(parse_simple_table(lines[number:end]))
        return end

    def _add_table(self, table: Table) -> None:
        header, rows = table
        self.builder.add_table(([self._plain(cell) for cell in row] for row in rows), [self._plain(c) for c in header])
        self._has_text = True

    def _add_title(self, text: str) -> None:
        self.builder.add_caption(self._plain(text))

    def _add_heading(self, text: str, style: str) -> None:
        if style not in self._styles:
            self._styles.append(style)
        self._level = self._styles.index(style) + 1
        self.builder.add_heading(self._plain(text), self._level)

    def _add_field(self, name: str, body: str, depth: int) -> None:
        """Add a field; those at the top of the document are its metadata."""
        if not self._has_text and depth == 1:
            self.fields[name] = self._plain(body)
        elif body:
            self.builder.add_item(self._plain(f"{name}: {body}"), depth)

    def _add_paragraph(self, lines: Sequence[str]) -> None:
        self._has_text = True
        self.builder.add_paragraph(self._plain("\n".join(lines)))

    def _plain(self, text: str) -> str:
        """Return text without inline markup."""
        if len(text) > MAX_INLINE_CHARS:
            return text
        parts = re.split(r"(``.+?``)", text, flags=re.DOTALL)
        return "".join(part[2:-2] if number % 2 else self._plain_part(part) for number, part in enumerate(parts))

    def _plain_part(self, text: str) -> str:
        text = re.sub(r"\|([^|\s][^|]*)\|_{0,2}", lambda m: self._substitutions.get(m[1], m[0]), text)
        text = re.sub(r":sup(?:erscript)?:`([^`]+)`", lambda m: mark_superscript(m[1]), text)
        text = re.sub(r"(?::[\w:.+-]+:)?`([^`]+)`(?::[\w.+-]+:)?_{0,2}", lambda m: _link_text(m[1]), text)
        text = re.sub(r"\[(#?[\w-]*|\*)\]_(?!\w)", r"[\1]", text)
        text = re.sub(r"(?<![\w*\\])\*{1,2}(?=\S)([^*\n]+?(?:\n[^*\n]+?)?)(?<=\S)\*{1,2}(?!\w)", r"\1", text)
        text = re.sub(r"\b([A-Za-z][\w.-]*[A-Za-z0-9])_{1,2}(?=[\s.,;:)]|$)", r"\1", text)
        return re.sub(r"\\(.)", lambda m: "" if m[1] == " " else m[1], text)


def _link_text(text: str) -> str:
    match = re.fullmatch(r"(.*?)\s*<([^<>]*)>", text, re.DOTALL)
    text = (match[1] or match[2]) if match else text
    return (
        text.removeprefix("!").rpartition("~")[2].rpartition(".")[2] if text.startswith("~") else text.removeprefix("!")
    )


def _is_underline(line: str, rule: str) -> bool:
    width = sum(2 if ord(c) > 0x2E7F else 1 for c in line.strip())
    return len(rule.strip()) * 2 >= min(width, 40) and len(rule.strip()) >= min(width, 3)


def _indented_end(lines: list[str], first: int) -> int:
    """Return the line after the indented block that begins at ``first``, without blank lines at its end."""
    end = number = first
    while number < len(lines) and (not lines[number].strip() or lines[number].startswith(" ")):
        number += 1
        if lines[number - 1].strip():
            end = number
    return end


def _paragraph_end(lines: list[str], first: int) -> int:
    end = first
    while end < len(lines) and lines[end].strip():
        end += 1
    return end


def _dedent(lines: list[str]) -> list[str]:
    width = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    return [line[width:] for line in lines]


def _cut_options(body: list[str]) -> tuple[dict[str, str], list[str]]:
    """Split the options of a directive from its content."""
    options: dict[str, str] = {}
    number = 0
    while number < len(body) and (match := _FIELD.match(body[number])):
        options[match["name"].lower()] = match["body"] or ""
        number += 1
    while number < len(body) and not body[number].strip():
        number += 1
    return options, body[number:]
