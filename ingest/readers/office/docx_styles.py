"""Styles and list numbering of Word documents."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ingest.readers.office.xml_elements import Element, attribute, child, children, is_on, value_of

_HEADING = re.compile(
    r"(?:heading|head|überschrift|titre|título|titulo|titolo|标题|標題|見出し|제목|заголовок|nagłówek|kop|rubrik|"
    r"overskrift|otsikko|başlık|nadpis|cabeçalho|encabezado)\s*([1-9])",
    re.IGNORECASE,
)
_TITLE = re.compile(r"title|titel|titre|título|titolo|标题|標題|表題|제목|название|tytuł|otsikko|nadpis", re.IGNORECASE)
_CAPTION = re.compile(r"caption|beschriftung|légende|leyenda|didascalia|题注|標號|図表番号|캡션", re.IGNORECASE)
_CONTENTS = re.compile(r"(?:toc|目录|verzeichnis|tm|index)\s*\d|table of (?:figures|authorities)", re.IGNORECASE)
_CODE = re.compile(
    r"(?:source ?)?code.*|.*(?:code|source) (?:block|listing|text)|(?:html )?preformatted.*|listing|macro(?: text)?|代码.*|quellcode.*",
    re.IGNORECASE,
)
_LIST_STYLE = re.compile(r"list (?:bullet|number|paragraph \w+)\s*(\d?)", re.IGNORECASE)
_MONOSPACED = re.compile(
    r"courier.*|consolas.*|menlo|monaco|.*\bmono\b.*|lucida console|.* code(?: pro)?|andale.*|fixedsys|cascadia.*|inconsolata",
    re.IGNORECASE,
)
_DIGITS = "〇一二三四五六七八九"
_ROMAN = (
    (1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"), (10, "x"),
    (9, "ix"), (5, "v"), (4, "iv"), (1, "i"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Style:
    """Properties of a paragraph style or a text style, inherited ones included.

    Attributes:
        role: ``heading``, ``title``, ``caption``, ``contents`` (of a table of contents), ``code``, ``list``, or "".
        level: Level of a heading, depth of a list, from 1; otherwise 0.
        num_id: Id of its list numbering; "" if it has none.
        indent: Level of its list numbering, from 0.
        is_monospaced: Whether its font is one of code.
        is_bold: Whether its text is bold.
        is_hidden: Whether its text is hidden.
    """

    role: str = ""
    level: int = 0
    num_id: str = ""
    indent: int = 0
    is_monospaced: bool = False
    is_bold: bool = False
    is_hidden: bool = False


class StyleSheet:
    """The styles of a document by their ids.

    Args:
        root: root of the styles part, or None.
    """

    def __init__(self, root: Element | None) -> None:
        self._elements = {attribute(entry, "styleId"): entry for entry in children(root, "style")}
        self._styles: dict[str, Style] = {"": Style()}

    def style(self, style_id: str) -> Style:
        """Return a style; an unknown one says nothing."""
        if style_id not in self._styles:
            self._styles[style_id] = self._resolve(style_id)
        return self._styles[style_id]

    def _resolve(self, style_id: str) -> Style:
        chain: list[Element] = []
        next_id = style_id
        while next_id in self._elements and self._elements[next_id] not in chain:
            chain.append(self._elements[next_id])
            next_id = value_of(chain[-1], "basedOn")
        role, level, num_id, indent, font, is_bold, is_hidden = "", 0, "", 0, "", False, False
        for element in reversed(chain):  # the root first, so that a style overrides what it is based on
            own_role, own_level = role_of_name(value_of(element, "name") or attribute(element, "styleId"))
            if own_role:
                role, level = own_role, own_level
            properties, run = child(element, "pPr"), child(element, "rPr")
            outline = value_of(properties, "outlineLvl")
            if outline.isdecimal() and role not in ("title", "contents"):
                role, level = ("heading", int(outline) + 1) if int(outline) < 9 else ("", 0)
            num_id = value_of(properties, "numPr", "numId") or num_id
            indent = int(value_of(properties, "numPr", "ilvl") or indent)
            font = font_of(run) or font
            is_bold = is_on(run, "b") if child(run, "b") is not None else is_bold
            is_hidden = is_on(run, "vanish") if child(run, "vanish") is not None else is_hidden
        if not chain:
            role, level = role_of_name(style_id)
        return Style(role, level, num_id, indent, is_monospaced(font), is_bold, is_hidden)


def font_of(run_properties: Element | None) -> str:
    """Return the font of Latin text of run properties, or ""."""
    return attribute(child(run_properties, "rFonts"), "ascii")


def is_monospaced(font: str) -> bool:
    """Whether a font is one of those used for code."""
    return bool(_MONOSPACED.fullmatch(font))


def role_of_name(name: str) -> tuple[str, int]:
    """Return the role that the name of a style states in one of several languages, and its level."""
    if match := _HEADING.fullmatch(name):
        return "heading", int(match.group(1))
    if _TITLE.fullmatch(name):
        return "title", 1
    if _CAPTION.fullmatch(name):
        return "caption", 0
    if _CONTENTS.fullmatch(name):
        return "contents", 0
    if _CODE.fullmatch(name):
        return "code", 0
    if match := _LIST_STYLE.fullmatch(name):
        return "list", int(match.group(1) or 1)
    return "", 0


@dataclass(slots=True)
class _Level:
    form: str
    text: str
    start: int


class Numbering:
    """The lists of a document; it counts their items as the paragraphs are read.

    Args:
        root: root of the numbering part, or None.
    """

    def __init__(self, root: Element | None) -> None:
        abstract = {attribute(entry, "abstractNumId"): entry for entry in children(root, "abstractNum")}
        self._levels: dict[str, dict[int, _Level]] = {}
        self._counter_of: dict[str, dict[int, int]] = {}
        shared: dict[str, dict[int, int]] = {}
        for entry in children(root, "num"):
            num_id, abstract_id = attribute(entry, "numId"), value_of(entry, "abstractNumId")
            levels = {_index(level): _read_level(level) for level in children(abstract.get(abstract_id), "lvl")}
            restarts = False
            for override in children(entry, "lvlOverride"):
                replaced, start = child(override, "lvl"), value_of(override, "startOverride")
                if replaced is not None:
                    levels[_index(override)] = _read_level(replaced)
                if start.isdecimal() and _index(override) in levels:
                    restarts = True
                    levels[_index(override)].start = int(start)
            self._levels[num_id] = levels
            self._counter_of[num_id] = {} if restarts else shared.setdefault(abstract_id, {})

    def next_marker(self, num_id: str, indent: int) -> str:
        """Count an item, and return its marker: ``-`` for a bullet, a number as shown, or "" outside of lists."""
        level = self._levels.get(num_id, {}).get(indent)
        if level is None:
            return "" if num_id in ("", "0") or num_id not in self._levels else "-"
        values = self._counter_of[num_id]
        values[indent] = values.get(indent, level.start - 1) + 1
        for deeper in [other for other in values if other > indent]:
            del values[deeper]
        if level.form == "bullet":
            return "-"
        if level.form == "none":
            return ""
        levels = self._levels[num_id]

        def show(match: re.Match[str]) -> str:
            index = int(match.group(1)) - 1
            shown = levels.get(index, level)
            return format_counter(values.get(index, shown.start), shown.form)

        return re.sub(r"%([1-9])", show, level.text)


def _index(level: Element) -> int:
    value = attribute(level, "ilvl", "0")
    return int(value) if value.isdecimal() else 0


def _read_level(level: Element) -> _Level:
    start = value_of(level, "start")
    return _Level(
        value_of(level, "numFmt") or "decimal", value_of(level, "lvlText"), int(start) if start.isdecimal() else 1
    )


def format_counter(number: int, form: str) -> str:
    """Return a number in a format of Word's lists; in digits for a rare one."""
    if form in ("lowerLetter", "upperLetter") and number > 0:
        letters = chr(ord("a") + (number - 1) % 26) * min((number - 1) // 26 + 1, 9)
        return letters if form == "lowerLetter" else letters.upper()
    if form in ("lowerRoman", "upperRoman") and 0 < number < 4000:
        roman = ""
        for value, letters in _ROMAN:
            roman += letters * (number // value)
            number %= value
        return roman if form == "lowerRoman" else roman.upper()
    if form.startswith(("chinese", "japanese", "taiwanese", "ideograph")) and 0 < number < 100:
        tens, ones = divmod(number, 10)
        return ("" if not tens else "十" if tens == 1 else _DIGITS[tens] + "十") + (_DIGITS[ones] if ones else "")
    if form == "decimalZero":
        return f"{number:02}"
    return str(number)
