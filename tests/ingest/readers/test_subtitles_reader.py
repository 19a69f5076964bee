"""Subtitles become paragraphs with their start times."""

from __future__ import annotations

import pytest

from ingest.readers.markup.subtitles_reader import read_subtitles
from ingest.readers.read_log import ReadLog
from kgrag.errors import ReadError


def test_srt_lines_are_joined_to_paragraphs_with_times() -> None:
    cues = [(1, "The mill <i>opens</i>"), (5, "in May."), (36, "{\\an8}It has"), (40, "two wheels."), (75, "- Why?")]
    data = "\n".join(
        f"{n}\n00:{s // 60:02}:{s % 60:02},000 --> 00:02:00,000\n{t}\n" for n, (s, t) in enumerate(cues, 1)
    )
    assert read_subtitles(data.replace("\n", "\r\n").encode(), ReadLog()).text == (
        "[00:00:01] The mill opens in May.\n\n[00:00:36] It has two wheels.\n\n[00:01:15] - Why?"
    )


def test_vtt_notes_voices_and_entities_are_cleaned() -> None:
    data = (
        b"WEBVTT - The Mill\n\nNOTE\nhidden\n\nSTYLE\n::cue {}\n\nintro\n01:00:01.000 --> 01:00:04.000 align:start\n"
        b"<v Ada>Mills &amp; <c.x>rivers</c>.\n\n01:00:02.000 --> 01:00:05.000\nMills <00:00:01.000>here.\nMills here.\n"
    )
    content = read_subtitles(data, ReadLog())
    assert (content.title, content.text) == ("The Mill", "[01:00:01] Ada: Mills & rivers. Mills here.")


def test_chinese_lines_are_joined_without_spaces() -> None:
    data = "1\n00:00:01,000 --> 00:00:02,000\n水车在五月\n\n2\n00:00:03,000 --> 00:00:04,000\n开放。\n欢迎\n"
    assert read_subtitles(data.encode("gb18030"), ReadLog()).text == "[00:00:01] 水车在五月，开放。欢迎"


def test_cue_without_blank_line_before_keeps_no_number() -> None:
    data = b"1\n00:00:01,000 --> 00:00:02,000\nOne\n2\n00:00:03,000 --> 00:00:04,000\nTwo 3\n"
    assert read_subtitles(data, ReadLog()).text == "[00:00:01] One Two 3"


@pytest.mark.parametrize("data", [b"Just text", b"WEBVTT\n", b"1\n00:01 --> x\n"])
def test_subtitles_without_times_raise(data: bytes) -> None:
    with pytest.raises(ReadError, match="expected subtitles"):
        read_subtitles(data, ReadLog())
