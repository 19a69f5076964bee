"""LaTeX becomes sections, lists, tables and code; formulas stay TeX."""

from __future__ import annotations

import pytest

from ingest.readers.content import Content
from ingest.readers.markup.tex_reader import read_tex
from ingest.readers.markup.tex_tables import parse_tex_table
from ingest.readers.markup.tex_text import find_argument, plain_tex
from ingest.readers.read_log import ReadLog
from kgrag.errors import ReadError
from kgrag.tree import BlockKind


def read(text: str) -> Content:
    return read_tex(text.encode(), ReadLog())


def test_tex_preamble_becomes_title_and_metadata() -> None:
    content = read(
        "\\documentclass{article}\n\\newcommand{\\mill}{Vale Mill}\n\\title{The \\emph{Mill}\\thanks{x}}\n"
        "\\author{Ada Lovelace \\and Bob}\n\\date{2024-05-01}\n\\begin{document}\n\\maketitle\n\\mill{} opens.\n"
        "\\section{Intro}\\label{a}\nText. % a comment\n\\end{document}\nrest"
    )
    assert content.title == "The Mill"
    assert content.metadata == {"author": "Ada Lovelace, Bob", "created": "2024-05-01"}
    assert content.text == "# The Mill\n\nVale Mill opens.\n\n## Intro\n\nText."


def test_tex_section_levels_begin_at_the_highest() -> None:
    content = read("\\chapter{A}\n\\section[short]{B}\n\\subsection*{C {\\bf d}}\n\\paragraph{E} text")
    found = [(b.level, b.label) for b in content.tree.blocks if b.kind is BlockKind.HEADING]
    assert found == [(1, "A"), (2, "B"), (3, "C d"), (5, "E")]


def test_tex_lists_are_nested() -> None:
    text = "\\begin{itemize}\n\\item One\n\\item Two\n\\begin{enumerate}\\item First\\item Second\\end{enumerate}\n\\item[b)] Three\n\\end{itemize}"
    assert read(text).text == "- One\n- Two\n  1. First\n  2. Second\n- b): Three"


def test_tex_code_keeps_percent_signs_and_backslashes() -> None:
    content = read(
        "% \\begin{verbatim}\nUse \\verb|a\\b% c| here.\n\\begin{lstlisting}[language=Python]\nx = 1 % 2\n\\end{lstlisting}\n"
        "\\begin{minted}{rust}\nfn f() {}\n\\end{minted}\\begin{comment}hidden\\end{comment}"
    )
    assert content.text == "Use a\\b% c here.\n\n```python\nx = 1 % 2\n```\n\n```rust\nfn f() {}\n```"


def test_tex_formulas_stay() -> None:
    content = read(
        "We set $a_{1} = \\frac{b}{c}$ for 5\\% of\n\\begin{align}\\label{e}\nx &= y \\\\\nz &= 1\n\\end{align}"
    )
    assert content.text == "We set $a_{1} = \\frac{b}{c}$ for 5% of\n\n```tex\nx &= y \\\\\nz &= 1\n```"


def test_tex_table_becomes_rows_with_caption() -> None:
    content = read(
        "\\begin{table}[h]\\centering\\caption{Ports}\n\\begin{tabular}{l|r}\\hline\nName & Port \\\\\\hline\n"
        "a \\& b & 80 \\\\\n\\multicolumn{2}{c}{\\textbf{both}} \\\\\n\\multirow{2}{*}{db} & 1 \\\\\n & 2 \\\\\n\\end{tabular}\\end{table}"
    )
    assert (
        content.text == "Ports\n\nName: a & b; Port: 80\nName: both; Port: both\nName: db; Port: 1\nName: db; Port: 2"
    )


def test_tex_footnotes_and_references_are_kept() -> None:
    text = "Open\\footnote{Since \\textbf{May}.}; see \\cite[p.~2]{knuth} and \\href{http://x}{the \\emph{page}}."
    assert read(text).text == "Open[1]; see [knuth] and the page.\n\n[1] Since May."


@pytest.mark.parametrize("command", ["input", "include", "subfile"])
def test_tex_inputs_are_not_followed(command: str) -> None:
    content = read(f"Text\n\\{command}{{/etc/passwd}}\n")
    assert content.text == "Text"
    assert content.problems == ("expected text, found inputs that are not followed: /etc/passwd",)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("G\\\"odel, \\'{E}tienne, \\v{c}, \\c{c}, \\ss{}", "Gödel, Étienne, č, ç, ß"),
        ("``quoted'' -- a~b --- \\LaTeX{} \\{x\\}", "“quoted” – a b — LaTeX {x}"),
        ("\\unknown{a}{b} \\textcolor{red}{c}", "a b c"),
        ("{\\large Big} \\vspace{2cm}end", "Big end"),
        ("open {\\emph{brace", "open brace"),
    ],
)
def test_plain_tex_removes_commands(text: str, expected: str) -> None:
    assert plain_tex(text) == expected


def test_find_argument_ends_with_the_paragraph() -> None:
    assert find_argument("{a{b}\\}c}d", 0) == ("a{b}\\}c", 9)
    assert find_argument("{open\n\nnext", 0) == ("open", 5)


def test_tex_long_table_repeats_no_header() -> None:
    text = "A & B \\\\ \\endfirsthead A & B \\\\ \\endhead \\hline \\endfoot 1 & 2 \\\\"
    assert parse_tex_table(text) == (["A", "B"], [["1", "2"]])


@pytest.mark.parametrize(
    "text",
    [
        "\\begin{tabular}{l} a & b",
        "\\begin{equation} x",
        "\\item x",
        "\\end{itemize}\\section{",
        "\\begin{itemize}\\item",
        "}}}{{{$",
    ],
)
def test_tex_broken_text_is_read(text: str) -> None:
    assert isinstance(read(f"Start\n\n{text}").text, str)
    assert read(f"Start\n\n{text}").text.startswith("Start")


def test_tex_recursive_macros_do_not_grow() -> None:
    text = "\\newcommand{\\one}{\\two\\two}\n\\newcommand{\\two}{\\one\\one}\nText \\one"
    assert read(text).text == "Text"


def test_tex_open_listings_raise() -> None:
    with pytest.raises(ReadError, match="found too few: close the listings"):
        read("\\begin{verbatim}" * 1000)


def test_tex_binary_data_raises() -> None:
    with pytest.raises(ReadError, match="found binary data"):
        read_tex(b"\\section{a}\x00\x01\xff", ReadLog())
