"""Read LaTeX: sections, lists, tables, listings and footnotes; mathematics stays TeX, no other file is read."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ingest.readers.content import Content
from ingest.readers.markup.tex_tables import parse_tex_table
from ingest.readers.markup.tex_text import find_argument, plain_tex
from ingest.readers.metadata import normalize_metadata
from ingest.readers.read_log import ReadLog
from ingest.readers.tree_builder import TreeBuilder
from ingest.readers.word_set import word_set
from kgrag.errors import ReadError

MAX_MACRO_CHARS = 200
"""Maximum length of the text of a macro without arguments; longer ones are layout."""

MAX_OPEN_LISTINGS = 50
"""Maximum number of listings without an end; each is searched to the end of the file."""

_CODE_ENVIRONMENTS = r"verbatim\*?|lstlisting|minted|Verbatim|BVerbatim|LVerbatim|alltt|comment|filecontents\*?"
_PROTECTED = re.compile(
    rf"(?P<comment>(?<!\\)%[^\n]*(?:\n[ \t]*)?)|\\begin\{{(?P<name>{_CODE_ENVIRONMENTS})\}}(?P<code>.*?)\\end\{{(?P=name)\}}|"
    r"\\(?:verb\*?|lstinline(?:\[[^\]]*\])?|mintinline(?:\{[^{}]*\}))(?P<mark>[^\w\s*{\[])(?P<inline>[^\n]*?)(?P=mark)",
    re.DOTALL,
)
_MACRO = re.compile(r"\\(?:(?:new|renew|provide)command\*?\s*\{?|def\s*)\\([A-Za-z]+)\}?\s*\{([^{}]*)\}")
_TOKEN = re.compile(
    r"\\(?P<section>part|chapter|section|subsection|subsubsection|paragraph|subparagraph)\*?\s*(?:\[[^\[\]]*\]\s*)?(?=\{)|"
    r"\\begin\s*\{(?P<begin>[^{}]+)\}|\\end\s*\{(?P<end>[^{}]+)\}|"
    r"\\(?P<item>item|bibitem)\b\s*(?:\[(?P<label>[^\[\]]*)\])?|"
    r"\\(?P<note>caption|footnote|footnotetext)\*?\s*(?:\[[^\[\]]*\]\s*)?(?=\{)|"
    r"\\(?P<input>input|include|subfile)\s*\{(?P<file>[^{}]*)\}|"
    r"(?P<code>\x00\d+\x00)|(?P<blank>\n[ \t]*\n\s*)|\\(?P<appendix>maketitle|tableofcontents|newpage|clearpage)\b"
)
_SECTIONS = ("part", "chapter", "section", "subsection", "subsubsection", "paragraph", "subparagraph")
_LISTS = frozenset(("itemize", "enumerate", "description", "thebibliography", "compactitem", "compactenum"))
_TABLES = re.compile(r"(?:tabular[xy*]?|longtable|longtabu|tabu|supertabular|tblr|longtblr|array)\*?")
_MATH = re.compile(r"(?:equation|align|alignat|gather|multline|eqnarray|displaymath|math|flalign)\*?")
_SKIPPED = frozenset(("tikzpicture", "pgfpicture", "picture", "forest", "titlepage"))
_STATEMENTS = word_set(
    """
    theorem lemma proposition corollary definition example remark proof claim note exercise
    """
)


def read_tex(data: bytes, log: ReadLog) -> Content:
    r"""Read LaTeX; ``\title``, ``\author`` and ``\date`` become title and metadata.

    Raises:
        ReadError: the data is not text, or has too many listings without an end.
    """
    text, code = _protect(log.clean(log.decode(data)))
    macros = {name: value for name, value in _MACRO.findall(text) if len(value) <= MAX_MACRO_CHARS and "#" not in value}
    text = _MACRO.sub("", text)
    if macros:
        names = "|".join(sorted(map(re.escape, macros), key=len, reverse=True))
        text = re.sub(rf"\\({names})(?![A-Za-z])(?:\{{\}})?", lambda m: macros[m[1]], text)
    fields = {name: _field(text, name) for name in ("title", "author", "date")}
    begin = text.find("\\begin{document}")
    body = text[begin + len("\\begin{document}") :] if begin >= 0 else text
    reader = _TexReader(body.partition("\\end{document}")[0], code)
    reader.read(fields["title"])
    problems: tuple[str, ...] = ()
    if reader.included:
        problems = (f"expected text, found inputs that are not followed: {', '.join(reader.included[:5])}",)
    authors = re.sub(r"\s*(?:\\and\b|\\quad|\n)\s*", ", ", fields["author"]).strip(", ")
    metadata = normalize_metadata({"author": authors, "date": fields["date"]})
    return Content(*reader.builder.build(), fields["title"], metadata, problems)


def _protect(text: str) -> tuple[str, list[tuple[str, str]]]:
    """Remove comments, and replace code by marks; return the text, and the code with its language."""
    code: list[tuple[str, str]] = []
    ends = re.findall(rf"\\(begin|end)\{{(?:{_CODE_ENVIRONMENTS})\}}", text)
    if ends.count("begin") > ends.count("end") + MAX_OPEN_LISTINGS:
        raise ReadError("expected an \\end for each \\begin of a listing, found too few: close the listings")

    def replace(match: re.Match[str]) -> str:
        if match["comment"] is not None:
            return "\n" if "\n" in match["comment"] and re.match(r"[ \t]*\n", text[match.end() :][:40]) else ""
        if match["inline"] is not None:
            code.append((match["inline"], "inline"))
            return f"\x01{len(code) - 1}\x01"
        if match["name"] == "comment":
            return ""
        listing = match["code"]
        options = re.match(r"\s*(?:\[[^\]]*\])?(?:\{[^{}]*\})?", listing)
        head = options[0] if options and match["name"] not in ("verbatim", "verbatim*", "alltt") else ""
        language = re.search(r"language=\{?([\w+#-]+)|\{([\w+#-]+)\}", head)
        code.append((listing[len(head) :], (language[1] or language[2]).lower() if language else ""))
        return f"\x00{len(code) - 1}\x00"

    return _PROTECTED.sub(replace, text), code


def _field(text: str, name: str) -> str:
    match = re.search(rf"\\{name}\s*(?:\[[^\[\]]*\]\s*)?(?=\{{)", text)
    if not match:
        return ""
    argument = find_argument(text, match.end())[0]
    argument = re.sub(r"\\(?:thanks|footnote)\s*\{[^{}]*\}", "", argument)
    if name == "author":
        argument = re.sub(r"\\and\b|\\And\b|\\AND\b", "\n", argument)
    return "\n".join(" ".join(line.split()) for line in plain_tex(argument).split("\n") if line.strip())


class _TexReader:
    """Reader of a document's body; text is collected until a paragraph ends."""

    def __init__(self, text: str, code: list[tuple[str, str]]) -> None:
        self.builder = TreeBuilder()
        self.included: list[str] = []
        self._text = text
        self._code = code
        self._collected: list[str] = []
        self._lists: list[list[int]] = []  # for each open list: 1 if it is numbered, and the number of items
        self._item: str | None = None
        self._prefix = ""
        self._notes: list[str] = []
        self._note_count = 0

    def read(self, title: str) -> None:
        """Read the body under its title."""
        self.builder.add_heading(title, 1)
        present = [name for name in _SECTIONS if re.search(rf"\\{name}\b", self._text)]
        first = _SECTIONS.index(present[0]) if present else 0
        levels = {name: max(_SECTIONS.index(name) - first, 0) + (2 if title else 1) for name in _SECTIONS}
        place = 0
        while match := _TOKEN.search(self._text, place):
            self._collected.append(self._text[place : match.start()])
            place = self._read_token(match, levels)
        self._collected.append(self._text[place:])
        self._end_paragraph()

    def _read_token(self, match: re.Match[str], levels: Mapping[str, int]) -> int:
        """Read a token, and return the place after it."""
        end = match.end()
        if match["section"]:
            self._end_paragraph()
            argument, end = find_argument(self._text, end)
            self.builder.add_heading(self._plain(argument), levels[match["section"]])
        elif match["begin"]:
            return self._begin(match["begin"].strip(), end)
        elif match["end"]:
            self._end_paragraph()
            if match["end"].strip() in _LISTS and self._lists:
                self._lists.pop()
        elif match["item"]:
            self._end_paragraph()
            self._item = match["label"] or ""
            if match["item"] == "bibitem" and self._text[end : end + 1] == "{":
                self._item, end = find_argument(self._text, end)
        elif match["note"]:
            argument, end = find_argument(self._text, end)
            if match["note"] == "caption":
                self._end_paragraph()
                self.builder.add_caption(self._plain(argument))
            else:
                self._notes.append(argument)
                self._collected.append(f"[{self._note_count + len(self._notes)}]")
        elif match["input"]:
            self.included.append(match["file"])
        elif match["code"]:
            self._end_paragraph()
            self.builder.add_code(*self._code[int(match["code"].strip("\0"))])
        else:
            self._end_paragraph()
        return end

    def _begin(self, name: str, place: int) -> int:
        """Begin an environment; tables, formulas and drawings are read to their end."""
        if _MATH.fullmatch(name) or _TABLES.fullmatch(name) or name in _SKIPPED:
            self._end_paragraph()
            end = self._text.find(f"\\end{{{name}}}", place)
            end = len(self._text) if end < 0 else end
            content = self._text[place:end]
            if _MATH.fullmatch(name):
                formula = re.sub(r"\\label\{[^{}]*\}|\\nonumber|\\notag", "", content)
                self.builder.add_code(re.sub(r"\n\s*\n", "\n", formula).strip(), "tex")
            elif _TABLES.fullmatch(name):
                self._read_table(content)
            return end + len(f"\\end{{{name}}}")
        self._end_paragraph()
        if name in _LISTS:
            self._lists.append([int("enum" in name), 0])
        options = re.compile(r"\s*\[([^\[\]]*)\]").match(self._text, place)
        if name.rstrip("*") in _STATEMENTS:
            extra = f" ({self._plain(options[1])})" if options and options[1] else ""
            self._prefix = f"{name.rstrip('*').capitalize()}{extra}: "
        place = options.end() if options else place
        if name in ("minipage", "multicols", "thebibliography", "wrapfigure", "columns", "column", "frame", "block"):
            while self._text[place : place + 1] == "{":
                argument, place = find_argument(self._text, place)
                if name in ("frame", "block"):
                    self.builder.add_heading(self._plain(argument), 3)
        return place

    def _read_table(self, content: str) -> None:
        """Read a table without the arguments before its first cell."""
        while match := re.match(r"\s*(?:\[[^\[\]]*\]\s*)?(?=\{)", content):
            argument, end = find_argument(content, match.end())
            if "&" in argument or "\\\\" in argument:
                break
            content = content[end:]
            if re.search(r"[lcrpXm@|]", argument) and "\\" not in argument[:1]:
                break  # the columns are the last argument
        content = re.sub(r"\\(?:label|caption)\s*\{[^{}]*\}", "", content)
        header, rows = parse_tex_table(content)
        self.builder.add_table(([self._restore(cell) for cell in row] for row in rows), [*map(self._restore, header)])

    def _end_paragraph(self) -> None:
        """Add the collected text as an item or a paragraph, and its footnotes below."""
        text = self._plain("".join(self._collected))
        self._collected = []
        if self._item is not None and self._lists and (text or self._item):
            self._lists[-1][1] += 1
            is_numbered, count = self._lists[-1]
            label = self._plain(self._item)
            self.builder.add_item(
                f"{label}: {text}" if label else text, len(self._lists), f"{count}." if is_numbered else "-"
            )
            self._item = None
        elif text:
            self.builder.add_paragraph(self._prefix + text)
            self._prefix = ""
        for note in self._notes:
            self._note_count += 1
            self.builder.add_footnote(str(self._note_count), self._plain(note))
        self._notes = []

    def _plain(self, text: str) -> str:
        return "\n".join(line.strip() for line in self._restore(plain_tex(text)).split("\n") if line.strip())

    def _restore(self, text: str) -> str:
        """Put inline code back in place of its marks."""
        return re.sub(r"\x01(\d+)\x01", lambda m: self._code[int(m[1])][0], text)
