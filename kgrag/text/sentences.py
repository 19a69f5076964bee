"""Split English and Chinese text into sentences, by character offsets."""

from __future__ import annotations

import re

from kgrag.text.normalize import CJK, STOPWORDS, has_cjk

_LETTER = re.compile(r"[^\W\d_]", re.UNICODE)
_CLOSING_MARKS = "\"'”’」』）)\\]*"
_BOUNDARY = re.compile(  # possessive and anchored, so that a run of a million dots takes linear time
    f"[。！？；]++[.…]*+[{_CLOSING_MARKS}]*+"
    f"|(?<![.!?…])[.!?…]++[{_CLOSING_MARKS}]*+(?:\\[\\d{{1,3}}\\])*(?=\\s++[\"'“‘(\\[*]*+[^\\Wa-z]|\\s*+[{CJK}])"
    "|(?<=[a-z]{3})[.!?](?=[A-Z][a-z]+ )"
    f"|(?<=[{CJK}])[.!?]++[{_CLOSING_MARKS}]*+(?=\\s|[A-Z])"
    "|\\n\\s*+"
)
# These come before a name, so they never end a sentence.
_TITLE_ABBREVIATION = re.compile(
    r"\b(?:Mr|Mrs|Ms|Messrs|Mme|Mlle|Dr|Drs|Prof|vs?|cf|ca|Gen|Maj|Col|Lt|Sgt|Cpl|Capt|Cmdr|Adm|Brig|Pvt|Rev|Hon|Fr|Gov"
    r"|Pres|Sen|Rep|Supt|e\.g|i\.e|viz|approx|pp?|b|c|d|r|fl)$"
)
# These end a sentence only if the next word is a frequent first word.
_ABBREVIATION = re.compile(
    r"(?:\b(?:[A-Z]|Sr|Jr|al|etc|Inc|Ltd|Co|Corp|Bros|Assn|Dept|Univ|St|Ste|Mt|Ft|Ave|Blvd|Rd|[Ee]ds?|Nos?|Vols?|Figs?"
    r"|Eqs?|Op|Ch|Sec|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec|[ap]\.m|Ph\.D)|\.[A-Z])$"
)
_SENTENCE_STARTERS = STOPWORDS | {
    "according",
    "after",
    "although",
    "before",
    "both",
    "despite",
    "during",
    "however",
    "since",
}
_NEXT_WORD = re.compile(r"[\s\"'“‘(\[*]*([A-Z][^\W\d_]*)(?![.\w])")
_ENDS_IN_NUMBER = re.compile(r"[\s:：;；,，(（]\d{1,2}$")
_LIST_MARKER = re.compile(
    r"[#>|•·▪◦]|[-*+–]\s|```|~~~|[(（]?\d{1,3}(?:[)、．）]|\.\s)|[(（]?[A-Ha-h][)、．）]|[一二三四五六七八九十]{1,3}、"
)
_FIELD_LINE = re.compile(r"[^\s:：。.,，][^:：。.,，\n]{0,39}[:：](?:\s|$)")
_UNDERLINE = re.compile(r"[=\-^]{3,}\s*$")


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Return the trimmed spans of sentences: ordered, not overlapping, covering all text but white space.

    A separate line (heading, list item, table row, ``field: value``, short line) is a sentence. A paragraph wrapped at
    a margin is not split at its line ends.
    """
    spans = []
    begin = 0
    for match in _BOUNDARY.finditer(text):
        end = _line_end(text, match) if "\n" in match.group() else _sentence_end(text, begin, match)
        if end is not None:
            spans.append((begin, end))
            begin = end
    spans.append((begin, len(text)))
    trimmed = []
    for start, end in spans:
        piece = text[start:end]
        left = start + len(piece) - len(piece.lstrip())
        right = start + len(piece.rstrip())
        if left < right:
            trimmed.append((left, right))
    return trimmed


def _sentence_end(text: str, begin: int, match: re.Match[str]) -> int | None:
    """Return the end of the sentence from ``begin`` if the matched marks end it, or None.

    Looks back 200 characters at most.
    """
    start, end = match.span()
    before = text[max(begin, start - 200) : start]
    marks = match.group()
    for quote in ('"', "**"):  # same mark at both ends: after an even number of them, this one opens
        if quote in marks and before.count(quote) % 2 == 0:
            end = min(end, start + marks.index(quote))
    is_in_title = before.rfind("《") > before.rfind("》") and "》" in text[end : end + 40]
    if is_in_title or text[begin : begin + 80].lstrip()[:1] == "|":
        return None  # in a title, or in a row of a table
    following = text[end : end + 1]
    if marks[0] in "。！？；":
        return None if following in tuple("，、；：,）)》〉】") else end
    if marks[0] == "…" and not following.isspace():
        return None
    if has_cjk(before[-1:]):
        return end
    next_word = _NEXT_WORD.match(text, end)
    is_starter = next_word is not None and next_word.group(1).lower() in _SENTENCE_STARTERS
    if following.isascii() and not following.isspace():
        return end if is_starter else None
    if not _LETTER.search(before) or (start - begin < 4 and len(before.strip("(（ \t\n")) < 2):
        return None  # the number or letter of a list item
    if marks == ".":
        tail = before[-12:]
        if _TITLE_ABBREVIATION.search(tail) or (_ABBREVIATION.search(tail) and not is_starter):
            return None
        if has_cjk(text[end : end + 3]) and _ENDS_IN_NUMBER.search(before[-4:]):
            return None
    return end


def _line_end(text: str, match: re.Match[str]) -> int | None:
    """Return the end of the line closed by the match, or None if its sentence continues in the next line."""
    start, end = match.span()
    if match.group().count("\n") > 1:
        return start
    line = text[max(start - 200, text.rfind("\n", max(0, start - 200), start) + 1) : start].strip()
    following = text[end : end + 200].split("\n", 1)[0].rstrip()
    if _UNDERLINE.match(following) or not line or not following:
        return None
    if line[0] == following[0] == ">":
        following = following.lstrip("> ") or ">"
    elif _LIST_MARKER.match(following) or line[0] in "#|" or line.startswith(("```", "~~~")) or _UNDERLINE.match(line):
        return start
    width = _display_width(line)
    if width > 120 or (_FIELD_LINE.match(line) and _FIELD_LINE.match(following)):
        return start
    if following[0].islower() or line[-1] in ",，、-(（":
        return None
    return start if width < 40 or width * 10 < _display_width(following) * 6 else None


def _display_width(line: str) -> int:
    """Return the columns that ``line`` takes: two for a Chinese or other wide character."""
    return sum(2 if ord(c) > 0x2E7F else 1 for c in line)
