"""Powers keep their sign in formats with light markup: ten to the sixth is not 106."""

from __future__ import annotations

import pytest

from ingest.readers.markup.rst_reader import read_rst
from ingest.readers.markup.subtitles_reader import read_subtitles
from ingest.readers.markup.tex_reader import read_tex
from ingest.readers.office.old_office_reader import read_rtf
from ingest.readers.read_log import ReadLog
from ingest.readers.superscripts import mark_superscript


@pytest.mark.parametrize(("text", "expected"), [("6", "^6"), ("-6", "^-6"), ("n", "^n"), ("th", "th"), ("TM", "TM")])
def test_numbers_and_letters_are_marked(text: str, expected: str) -> None:
    assert mark_superscript(text) == expected


def test_superscripts_of_rst_tex_and_subtitles_are_marked() -> None:
    assert read_rst(b"About 10\\ :sup:`6` cells, H\\ :sub:`2`\\ O.", ReadLog()).text == "About 10^6 cells, H2O."
    tex = rb"\begin{document}About 10\textsuperscript{6} and 4\textsuperscript{th}.\end{document}"
    assert read_tex(tex, ReadLog()).text == "About 10^6 and 4th."
    subtitles = b"1\n00:00:01,000 --> 00:00:02,000\nAbout 10<sup>6</sup> cells.\n"
    assert read_subtitles(subtitles, ReadLog()).text.endswith("About 10^6 cells.")


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (rb"10{\super 6} cells", "10^6 cells"),
        (rb"45\super 3\nosupersub  more", "45^3 more"),
        (rb"10{\f1\super\fs20 -6} m", "10^-6 m"),
        (rb"10\up6 7\up0  x", "10^7 x"),
        (rb"4{\super th} of 1{\sub 2}", "4th of 12"),
        (rb"a{\v secret} b\v gone \'e9\v0 c", "a bc"),
    ],
)
def test_superscripts_and_hidden_text_of_rtf(source: bytes, text: str) -> None:
    assert read_rtf(rb"{\rtf1\ansi " + source + rb"\par}", ReadLog()).text == text
