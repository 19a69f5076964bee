"""Turn inline LaTeX into text; mathematics stays as it is written."""

from __future__ import annotations

import re
import unicodedata

from ingest.readers.superscripts import mark_superscript
from ingest.readers.word_set import word_set

MAX_NESTING = 20
"""Maximum depth of commands inside each other; deeper ones lose their names only."""
MAX_INLINE_CHARS = 20_000
"""Maximum length of a paragraph whose inline markup is removed; longer ones are data, and searching them is slow."""

_MATH = re.compile(r"(\$\$.*?\$\$|(?<!\\)\$(?:\\.|[^$\\])*\$|\\\(.*?\\\)|\\\[.*?\\\])", re.DOTALL)
_COMMAND = re.compile(r"\\([a-zA-Z]+)\*?((?:\[[^\[\]]*\])*)((?:\{[^{}]*\})+)(?!\{)")
_GROUP = re.compile(r"(?<![A-Za-z\]}*])\{([^{}]*)\}")
_ACCENT = re.compile(r"\\([`'^\"~=.]|[uvHcdbkr](?![A-Za-z]))\s*(?:\{\\?([A-Za-z])\}|\\?([A-Za-z]))")
_COMBINING = dict(
    zip(
        "`'^\"~=.uvHcdbkr",
        "\u0300\u0301\u0302\u0308\u0303\u0304\u0307\u0306\u030c\u030b\u0327\u0323\u0331\u0328\u030a",
        strict=True,
    )
)
_DROPPED = word_set(
    """
    label index vspace hspace includegraphics pagestyle thispagestyle bibliographystyle bibliography setlength
    addtolength color usepackage hypersetup setcounter addcontentsline input include subfile nocite vskip hskip
    cmidrule cline graphicspath newcommand renewcommand providecommand newenvironment DeclareMathOperator
    documentclass lstset definecolor geometry phantomsection pdfbookmark rule thanks newtheorem theoremstyle
    markboth
    """
)
_LAST_ARGUMENT = word_set(
    """
    href textcolor colorbox multicolumn multirow raisebox parbox scalebox resizebox foreignlanguage
    """
)
_BRACKETED = re.compile(r"(?:[cC]ite\w*|[a-z]*cite[a-z]*)")
_SYMBOLS = {
    "LaTeX": "LaTeX", "TeX": "TeX", "LaTeXe": "LaTeX2e", "ldots": "…", "dots": "…", "textellipsis": "…",
    "textbackslash": "\\", "textasciitilde": "~", "textasciicircum": "^", "textbar": "|", "textless": "<",
    "textgreater": ">", "textunderscore": "_", "textquotesingle": "'", "textendash": "–", "textemdash": "—",
    "ss": "ß", "ae": "æ", "AE": "Æ", "oe": "œ", "OE": "Œ", "o": "ø", "O": "Ø", "aa": "å", "AA": "Å", "l": "ł", "L": "Ł",
    "i": "ı", "S": "§", "P": "¶", "copyright": "©", "pounds": "£", "euro": "€", "textdegree": "°", "degree": "°",
    "quad": " ", "qquad": " ", "newline": "\n", "linebreak": "\n", "today": "", "par": "\n", "item": "",
    "textregistered": "®", "texttrademark": "™",
}  # fmt: skip


def plain_tex(text: str) -> str:
    r"""Return text without commands, as in ``\emph{x}``; formulas between dollars stay."""
    if len(text) > MAX_INLINE_CHARS:
        return text.strip()
    parts = _MATH.split(text)
    return "".join(part if number % 2 else _plain_part(part) for number, part in enumerate(parts)).strip()


def find_argument(text: str, start: int) -> tuple[str, int]:
    """Return the text between the brace at ``start`` and its partner, and the place after it.

    Without a partner the argument ends with its paragraph.
    """
    depth, place = 0, start
    for match in re.compile(r"\\.|[{}]|\n[ \t]*\n", re.DOTALL).finditer(text, start):
        place = match.end()
        if match[0] == "{":
            depth += 1
        elif match[0] == "}":
            depth -= 1
            if not depth:
                return text[start + 1 : place - 1], place
        elif match[0].startswith("\n"):
            return text[start + 1 : match.start()], match.start()
    return text[start + 1 :], len(text)


def _plain_part(text: str) -> str:
    if "\\" not in text and not re.search(r"[{}~`'-]", text):
        return text
    # escaped characters wait in the private area until the braces are gone
    text = re.sub(r"\\([{}%&_#$])", lambda m: chr(0xE000 + ord(m[1])), text)
    text = re.sub(r"\\\\\*?(?:\[[^\]]*\])?", "\n", text)
    text = _ACCENT.sub(_accented, text)
    for _ in range(MAX_NESTING):
        changed = _GROUP.sub(r"\1", _COMMAND.sub(_command, text))
        if changed == text:
            break
        text = changed
    text = re.sub(r"\\([a-zA-Z]+)\*?(?:\[[^\[\]\n]*\])?[ \t]?", lambda m: _SYMBOLS.get(m[1], ""), text)
    text = re.sub(r"\\[,;:! ]", " ", text)
    text = re.sub(r"\\[-/@]|[{}]", "", text)
    text = text.replace("~", " ").replace("``", "“").replace("''", "”").replace("---", "—").replace("--", "–")
    text = re.sub(r"[\ue000-\ue07f]", lambda m: chr(ord(m[0]) - 0xE000), text)
    return re.sub(r"[ \t]{2,}", " ", text)


def _command(match: re.Match[str]) -> str:
    name, arguments = match[1], re.findall(r"\{([^{}]*)\}", match[3])
    if name in _DROPPED:
        return ""
    if name in _SYMBOLS:
        return _SYMBOLS[name] + "".join(arguments)
    if name == "textsuperscript":
        return mark_superscript(arguments[-1])
    if name in _LAST_ARGUMENT:
        return str(arguments[-1])
    if _BRACKETED.fullmatch(name):
        return f"[{arguments[-1]}]"
    return " ".join(arguments)


def _accented(match: re.Match[str]) -> str:
    letter = match[2] or match[3]
    return unicodedata.normalize("NFC", letter + _COMBINING[match[1]])
