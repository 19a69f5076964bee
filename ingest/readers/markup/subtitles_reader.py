"""Read subtitles (SubRip and WebVTT) as paragraphs of speech with their start times."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass

from ingest.readers.content import Content
from ingest.readers.read_log import ReadLog
from ingest.readers.superscripts import mark_superscript
from ingest.readers.tree_builder import TreeBuilder
from kgrag.errors import ReadError

PARAGRAPH_SECONDS = 30
"""A paragraph ends with the first sentence that ends after this time, so that its mark finds the place."""
MAX_PARAGRAPH_SECONDS = 60
"""A paragraph ends after this time even inside a sentence."""

_TIMES = re.compile(r"(?:(\d+):)?(\d{1,2}):(\d{2})[.,]\d{1,3}[ \t]*-->[ \t]*[\d:.,]+.*")
_VOICE = re.compile(r"<v(?:\.[^\s>]*)?[ \t]+([^>]+)>")
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>|<\d[\d:.]*>|\{\\[^}]*\}")
_SUPERSCRIPT = re.compile(r"<sup>([^<>]*)</sup>", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.!?。！？…♪][\"'”’」』）)\]]*$")


@dataclass(frozen=True, slots=True)
class _Cue:
    seconds: int
    lines: tuple[str, ...]


def read_subtitles(data: bytes, log: ReadLog) -> Content:
    """Read subtitles; each paragraph begins with its time, as in ``[00:01:05]``.

    Raises:
        ReadError: no line has times.
    """
    text = log.clean(log.decode(data))
    title_match = re.match(r"WEBVTT[ \t]+(?:-[ \t]*)?(\S[^\n]*)", text)
    builder = TreeBuilder()
    paragraph, start, last_line = "", 0, ""
    has_cues = False
    for cue in _cues(text):
        has_cues = True
        is_full = bool(paragraph) and (
            (cue.seconds - start >= PARAGRAPH_SECONDS and _SENTENCE_END.search(paragraph) is not None)
            or cue.seconds - start >= MAX_PARAGRAPH_SECONDS
        )
        if is_full:
            builder.add_paragraph(f"{_mark(start)} {paragraph}")
            paragraph = ""
        for line in cue.lines:
            if line != last_line:  # live captions repeat the line before
                start = start if paragraph else cue.seconds
                paragraph = _join(paragraph, line)
            last_line = line
    if not has_cues:
        raise ReadError("expected subtitles with lines '00:01:02,000 --> 00:01:04,000', found none: save it as .srt")
    if paragraph:
        builder.add_paragraph(f"{_mark(start)} {paragraph}")
    return Content(*builder.build(), title_match.group(1).strip() if title_match else "")


def _cues(text: str) -> Iterator[_Cue]:
    lines = text.split("\n")
    number = 0
    while number < len(lines):
        match = _TIMES.fullmatch(lines[number].strip())
        number += 1
        if not match:
            continue
        hours, minutes, seconds = (int(part or 0) for part in match.groups())
        spoken = []
        while number < len(lines) and lines[number].strip() and not _TIMES.fullmatch(lines[number].strip()):
            spoken.append(lines[number])
            number += 1
        if number < len(lines) and spoken and spoken[-1].strip().isdigit() and lines[number].strip():
            spoken.pop()  # the number of the next cue, where no blank line is before it
        yield _Cue(hours * 3600 + minutes * 60 + seconds, tuple(filter(None, map(_plain, spoken))))


def _plain(line: str) -> str:
    line = _SUPERSCRIPT.sub(lambda match: mark_superscript(match.group(1)), line)
    line = _TAG.sub("", _VOICE.sub(r"\1: ", line))
    return " ".join(html.unescape(line).split())


def _mark(seconds: int) -> str:
    return f"[{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}]"


def _join(left: str, right: str) -> str:
    if not left:
        return right
    is_chinese = ord(left[-1]) > 0x2E7F and ord(right[0]) > 0x2E7F
    # Chinese subtitles have no marks at the ends of lines
    if is_chinese and not re.search(r"[。！？，、；：…]$", left):
        return f"{left}，{right}"
    return left + ("" if is_chinese else " ") + right
