"""Read the characters of a PDF page and group them into pieces of text."""

from __future__ import annotations

import ctypes
import math
import re
from collections import Counter
from ctypes import addressof
from dataclasses import dataclass, field
from typing import Any

from ingest.readers.pdf.geometry import turn_point
from ingest.readers.pdf.pages import MAX_PIECE_GAP, MIN_WORD_GAP, Piece, Style
from ingest.readers.pdf.text import expand_character, is_cjk, is_unreadable
from kgrag.tree import Box

_BOLD = re.compile(r"bold|black|heavy|semibd|demi|cmbx|cmssbx|ecbx|sfbx|lmroman\w*-bold|-bd", re.IGNORECASE)
_MONO = re.compile(
    r"mono|courier|consol|typewriter|cmtt|cmsltt|cmitt|ectt|sftt|lmtt|menlo|nimbusm|fixed|inconsolata|sourcecode|"
    r"andale|lucidacons|terminal",
    re.IGNORECASE,
)
_FLAG_FIXED, _FLAG_FORCE_BOLD = 1, 1 << 18
_PROSE = re.compile(r"\b(?:the|of|and|to|in|is|for|that|with)\b")


@dataclass(slots=True)
class _Run:
    """A piece that grows."""

    baseline: float
    size: float
    turn: int
    is_unmapped: bool
    right: float
    chars: list[str] = field(default_factory=list)
    lefts: list[float] = field(default_factory=list)
    styles: Counter[Style] = field(default_factory=Counter)
    mark: str = ""

    def add(self, text: str, left: float) -> None:
        self.chars.extend(text)
        self.lefts.extend([left] * len(text))


class _FontCache:
    """Names and properties of fonts by their address, for one page."""

    def __init__(self, pdfium: Any) -> None:
        self._pdfium = pdfium
        self._fonts: dict[int, tuple[bool, bool]] = {}

    def look_up(self, text_object: Any) -> tuple[bool, bool]:
        """Return whether the font of a text object is bold, and whether it is monospaced."""
        font = self._pdfium.FPDFTextObj_GetFont(text_object)
        if not font:
            return False, False
        address = ctypes.addressof(font.contents)
        if address not in self._fonts:
            buffer = ctypes.create_string_buffer(256)
            self._pdfium.FPDFFont_GetBaseFontName(font, buffer, 256)
            name = buffer.value.decode("utf-8", "replace").partition("+")[2] or buffer.value.decode("utf-8", "replace")
            flags = max(self._pdfium.FPDFFont_GetFlags(font), 0)
            is_bold = bool(
                _BOLD.search(name) or flags & _FLAG_FORCE_BOLD or self._pdfium.FPDFFont_GetWeight(font) > 600
            )
            self._fonts[address] = is_bold, bool(_MONO.search(name) or flags & _FLAG_FIXED)
        return self._fonts[address]


def read_pieces(text_page: Any, crop_box: Box) -> tuple[list[Piece], int]:
    """Return the pieces of a page, each in the layout of its own turn, and the number of unreadable characters.

    Args:
        text_page: PDFium's text page.
        crop_box: left, bottom, right, top of the page in user space.
    """
    import pypdfium2.raw as pdfium

    left0, bottom0, right0, top0 = crop_box
    width, height = right0 - left0, top0 - bottom0
    fonts = _FontCache(pdfium)
    rect, matrix = pdfium.FS_RECTF(), pdfium.FS_MATRIX()
    x, y = ctypes.c_double(), ctypes.c_double()
    runs: list[_Run] = []
    run: _Run | None = None
    last_object, space_count, lost_count = 0, 0, 0
    style, turn, baseline, raised = Style(1.0), 0, 0.0, ""
    texts: dict[int, str] = {}
    unreadable: set[int] = set()
    get_code, get_object = pdfium.FPDFText_GetUnicode, pdfium.FPDFText_GetTextObject
    get_box, has_map_error = pdfium.FPDFText_GetLooseCharBox, pdfium.FPDFText_HasUnicodeMapError
    for place in range(pdfium.FPDFText_CountChars(text_page)):
        code = get_code(text_page, place)
        if code in (0x20, 0xA0, 0x09, 0x3000, 0x0A, 0x0D):
            space_count += 1
            continue
        text_object = get_object(text_page, place)
        if not text_object:
            continue
        address = addressof(text_object.contents)
        is_new = address != last_object
        if is_new:
            last_object = address
            pdfium.FPDFText_GetMatrix(text_page, place, matrix)
            size = pdfium.FPDFText_GetFontSize(text_page, place) * math.hypot(matrix.c, matrix.d)
            style = Style(round(size * 2) / 2 or 0.5, *fonts.look_up(text_object))
            turn = _quarter_turns(math.atan2(matrix.b, matrix.a))
            pdfium.FPDFText_GetCharOrigin(text_page, place, x, y)
            baseline = turn_point(x.value - left0, y.value - bottom0, width, height, max(turn, 0))[1]
        get_box(text_page, place, rect)
        if turn <= 0:
            left, right = rect.left - left0, rect.right - left0
        else:
            left = turn_point(rect.left - left0, rect.bottom - bottom0, width, height, turn)[0]
            right = turn_point(rect.right - left0, rect.top - bottom0, width, height, turn)[0]
        if left > right:
            left, right = right, left
        is_unmapped = bool(has_map_error(text_page, place))
        if (known := texts.get(code)) is None:
            known = texts[code] = "-" if code == 2 else expand_character(code)
            if is_unreadable(known):
                unreadable.add(code)
        text = known
        if code in unreadable and not is_unmapped:
            lost_count += 1
            continue
        if run is not None and not is_new and not space_count and is_unmapped == run.is_unmapped:
            gap = left - run.right
            if -0.3 * style.size < gap < 0.15 * style.size:  # the usual case: the next letter of a word
                run.chars += text
                run.lefts += [left] * len(text)
                run.right = max(run.right, right)
                if not raised:
                    run.styles[style] += len(text)
                continue
        if run is not None and is_new:
            raised = _raised_text(run, left, baseline, style.size, turn)
        is_ligature = run is not None and not is_new and run.lefts[-1] == left and place > 0  # one box, two letters
        if is_ligature and run is not None:
            run.add(text, left)
            continue
        if run is None or not _continues(run, left, baseline, style.size, turn, is_unmapped, bool(raised)):
            run = _Run(baseline, style.size, turn, is_unmapped, right)
            runs.append(run)
            raised = ""
        else:
            gap = left - run.right
            if _is_space(run.chars[-1], text, gap, max(style.size, 1), space_count, style.is_mono):
                count = max(1, round(gap / (0.6 * style.size))) if style.is_mono and space_count > 1 else 1
                run.add(" " * count, run.right)
        if raised == "^" and (text[0].isupper() or run.chars[-1] == " "):
            raised = "+"
        if raised == "^":
            # a raised number after a word is the mark of a footnote, after a number or a unit it is an exponent
            word = re.search(r"[^\W\d_]*$", "".join(run.chars[-12:]))
            is_mark = (word and len(word.group()) > 2) or run.chars[-1] in '.,;:!?)"”’。，；、：）」』》'
            run.add("\ue000" if is_mark else "^", left)
            raised = "+"
        run.add(text, left)
        run.right = max(run.right, right)
        if not raised:
            run.styles[style] += len(text)
        space_count = 0
    pieces, unmapped = [], [r for r in runs if r.is_unmapped]
    # fonts of old documents have no mapping although their codes are ASCII; the text itself shows it
    unmapped_text = " ".join("".join(r.chars) for r in unmapped)
    keeps_unmapped = len(_PROSE.findall(unmapped_text)) * 12 >= len(unmapped_text.split()) > 5
    for run in runs:
        if run.is_unmapped and not keeps_unmapped:
            lost_count += len(run.chars)
        else:
            pieces.append(_finish(run))
    return pieces, lost_count


def _quarter_turns(angle: float) -> int:
    turns = angle / (math.pi / 2)
    return round(turns) % 4 if abs(turns - round(turns)) < 0.05 else -1


def _raised_text(run: _Run, left: float, baseline: float, size: float, turn: int) -> str:
    """Return "^" if the next characters are raised above those of the run, and small."""
    is_raised = (
        turn == run.turn
        and size <= 0.85 * run.size
        and 0.12 * run.size < run.baseline - baseline < 0.8 * run.size
        and abs(left - run.right) < 0.35 * run.size
    )
    return "^" if is_raised else ""


def _continues(
    run: _Run, left: float, baseline: float, size: float, turn: int, is_unmapped: bool, is_raised: bool
) -> bool:
    gap = (left - run.right) / max(run.size, size)
    if turn != run.turn or is_unmapped != run.is_unmapped or not -0.6 < gap < MAX_PIECE_GAP:
        return False
    if turn < 0 or is_raised:
        return True
    shift = abs(baseline - run.baseline)
    # a first character that is small and raised is the mark of a footnote, and the text after it is the line
    if len(run.chars) <= 3 and size > run.size * 1.1 and 0.05 * size < baseline - run.baseline < 0.8 * size:
        run.mark = "".join(run.chars)
        run.baseline, run.size = baseline, size
        run.add(" ", run.right)
        run.styles.clear()
        return True
    is_small = size <= 0.85 * run.size and baseline > run.baseline  # an index below the line
    return shift < 0.12 * max(size, run.size) or (is_small and shift < 0.4 * run.size)


def _is_space(last: str, text: str, gap: float, size: float, space_count: int, is_mono: bool) -> bool:
    if last == " ":
        return False
    if is_cjk(last) and is_cjk(text):
        return gap > 0.8 * size
    if space_count:
        return not (is_cjk(last) or is_cjk(text)) or gap > 0.1 * size
    return gap > (0.4 if is_mono else MIN_WORD_GAP) * size and not is_cjk(last) and not is_cjk(text)


def _finish(run: _Run) -> Piece:
    style = run.styles.most_common(1)[0][0] if run.styles else Style(run.size)
    if style.is_bold or style.is_mono:  # a piece is bold or monospaced if nearly all of it is
        total = sum(run.styles.values())
        bold = sum(count for key, count in run.styles.items() if key.is_bold)
        mono = sum(count for key, count in run.styles.items() if key.is_mono)
        style = Style(style.size, bold >= 0.9 * total, mono >= 0.9 * total)
    return Piece(
        "".join(run.chars), run.lefts, run.lefts[0], run.right, run.baseline, style, run.turn, run.mark.strip()
    )
