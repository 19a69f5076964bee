"""Read the runs of a Word paragraph: final text of tracked changes, fields, links, notes, drawings, equations."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ingest.readers.office.docx_styles import Style, StyleSheet, font_of, is_monospaced
from ingest.readers.office.inline_text import InlineText
from ingest.readers.office.office_math import linear_math
from ingest.readers.office.ooxml_package import Relationship
from ingest.readers.office.xml_elements import Element, attribute, child, is_on, tag_of, value_of

_TRANSPARENT = frozenset(
    ("ins", "moveTo", "smartTag", "sdtContent", "customXml", "bdo", "dir", "ruby", "rubyBase", "Choice", "fldSimple")
)
_BREAKS = {"br": "\n", "cr": "\n", "tab": "\t", "ptab": "\t", "noBreakHyphen": "-"}
_HYPERLINK = re.compile(r'\s*HYPERLINK\s+(?:\\l\s+"([^"]*)"|"([^"]*)")')
_PAGE_FIELD = re.compile(r"\s*(?:PAGE|NUMPAGES|SECTIONPAGES|SECTION)\b", re.IGNORECASE)
_SYMBOL_LETTERS = dict(
    zip(
        range(0x41, 0x5B),
        "ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ",
        strict=True,
    )
) | dict(zip(range(0x61, 0x7B), "αβχδεφγηιϕκλμνοπθρστυϖωξψζ", strict=True))
_SYMBOL_SIGNS = {0xA3: "≤", 0xB3: "≥", 0xB0: "°", 0xB1: "±", 0xB4: "×", 0xB9: "≠", 0xBB: "≈", 0xA5: "∞", 0xD6: "√"}
_SYMBOL_SIGNS |= {0xB7: "•", 0xAE: "→", 0xAC: "←", 0xE5: "∑", 0xF2: "∫", 0xB8: "÷", 0xD7: "⋅", 0xB6: "∂", 0x2D: "−"}
_WINGDINGS = {0xFC: "✓", 0xFB: "✗", 0xFE: "☑", 0xFD: "☒", 0xA8: "☐", 0x6F: "☐", 0x78: "☒", 0xE0: "→", 0xDF: "←"}
_IGNORED_ALT_TEXT = re.compile(
    r"\s*(?:description automatically generated|自动生成的说明).*", re.IGNORECASE | re.DOTALL
)


@dataclass(slots=True)
class Attachment:
    """Content that is anchored in a paragraph and follows it.

    Attributes:
        kind: ``box`` (text box), ``footnote``, ``endnote``, ``comment``, ``caption`` (alternative text), or ``part``
            (chart or diagram).
        value: Id of the note or the part, or the text.
        element: Content of a text box.
    """

    kind: str
    value: str = ""
    element: Element | None = None


@dataclass(slots=True)
class _Field:
    instruction: str = ""
    shows_result: bool = False
    start: int = 0


@dataclass(slots=True)
class RunReader:
    """Reader of paragraphs of one part of a document; fields continue from one paragraph to the next.

    Attributes:
        styles: Styles of the document.
        relationships: Relationships of the part, for links.
        drops_page_numbers: Whether page numbers are left out, as in headers and footers.
        note_mark: Returns the mark of a note by its kind and id.
        attachments: Anchored content since the caller last emptied it.
    """

    styles: StyleSheet
    relationships: Mapping[str, Relationship]
    note_mark: Callable[[str, str], str]
    drops_page_numbers: bool = False
    attachments: list[Attachment] = field(default_factory=list)
    _fields: list[_Field] = field(default_factory=list)

    def begin_paragraph(self) -> None:
        """Keep the fields whose result continues; an instruction ends with its paragraph."""
        self._fields = [_Field(entry.instruction, True) for entry in self._fields if entry.shows_result]

    def read(self, container: Element, inline: InlineText, style: Style) -> None:
        """Add the visible text of a paragraph, or of an element inside one, to ``inline``."""
        for element in container:
            tag = tag_of(element)
            if tag == "r":
                self._read_run(element, inline, style)
            elif tag == "hyperlink":
                start = inline.length()
                self.read(element, inline, style)
                inline.add_link(start, self._target(element))
            elif tag == "sdt":
                if not is_on(element, "sdtPr", "showingPlcHdr"):
                    self.read(element, inline, style)
            elif tag == "AlternateContent":
                self.read(first_alternative(element), inline, style)
            elif tag in ("oMath", "oMathPara"):
                self._add(inline, linear_math(element))
            elif tag == "commentReference":
                self.attachments.append(Attachment("comment", attribute(element, "id")))
            elif tag == "fldSimple" and self._is_dropped(attribute(element, "instr")):
                continue
            elif tag in _TRANSPARENT:
                self.read(element, inline, style)

    def _read_run(self, run: Element, inline: InlineText, style: Style) -> None:
        properties = child(run, "rPr")
        style_id = value_of(properties, "rStyle")
        run_style = self.styles.style(style_id) if style_id else None
        is_hidden = is_on(properties, "vanish") if child(properties, "vanish") is not None else False
        if (
            is_hidden
            or (run_style and run_style.is_hidden)
            or (style.is_hidden and child(properties, "vanish") is None)
        ):
            return
        font = font_of(properties)
        is_code = is_monospaced(font) if font else style.is_monospaced or bool(run_style and run_style.is_monospaced)
        bold = child(properties, "b")
        is_bold = is_on(properties, "b") if bold is not None else style.is_bold or bool(run_style and run_style.is_bold)
        is_superscript = value_of(properties, "vertAlign") == "superscript"
        for element in run:
            tag = tag_of(element)
            if tag == "t":
                self._add(inline, element.text or "", is_superscript, is_code, is_bold)
            elif tag in _BREAKS:
                if tag != "br" or attribute(element, "type", "textWrapping") == "textWrapping":
                    self._add(inline, _BREAKS[tag])
            elif tag == "sym":
                self._add(inline, symbol_char(attribute(element, "font"), attribute(element, "char")))
            elif tag == "fldChar":
                self._change_field(attribute(element, "fldCharType"), inline)
            elif tag == "instrText" and self._fields:
                self._fields[-1].instruction += element.text or ""
            elif tag in ("footnoteReference", "endnoteReference"):
                kind = tag.removesuffix("Reference")
                self._add(inline, f"[{self.note_mark(kind, attribute(element, 'id'))}]")
                self.attachments.append(Attachment(kind, attribute(element, "id")))
            elif tag == "commentReference":
                self.attachments.append(Attachment("comment", attribute(element, "id")))
            elif tag in ("drawing", "pict", "object"):
                self._read_drawing(element)
            elif tag == "AlternateContent":
                self._read_drawing(first_alternative(element))
            elif tag in ("ruby", "rubyBase"):
                self.read(element, inline, style)

    def _add(
        self,
        inline: InlineText,
        text: str,
        is_superscript: bool = False,
        is_code: bool = False,
        is_bold: bool = False,
    ) -> None:
        if all(entry.shows_result and not self._is_dropped(entry.instruction) for entry in self._fields):
            inline.add(text, is_superscript=is_superscript, is_code=is_code, is_bold=is_bold)

    def _is_dropped(self, instruction: str) -> bool:
        return self.drops_page_numbers and bool(_PAGE_FIELD.match(instruction))

    def _change_field(self, change: str, inline: InlineText) -> None:
        if change == "begin":
            self._fields.append(_Field(start=inline.length()))
        elif change == "separate" and self._fields:
            self._fields[-1].shows_result = True
            self._fields[-1].start = inline.length()
        elif change == "end" and self._fields:
            ended = self._fields.pop()
            if match := _HYPERLINK.match(ended.instruction):
                inline.add_link(ended.start, f"#{match.group(1)}" if match.group(1) else match.group(2))

    def _target(self, hyperlink: Element) -> str:
        relationship = self.relationships.get(attribute(hyperlink, "id"))
        anchor = attribute(hyperlink, "anchor")
        return (relationship.target if relationship else "") + (f"#{anchor}" if anchor else "")

    def _read_drawing(self, drawing: Element | None) -> None:
        """Note the text boxes, the alternative text, the charts and the diagrams of a drawing."""
        if drawing is None:
            return
        tag = tag_of(drawing)
        if tag == "txbxContent":
            self.attachments.append(Attachment("box", element=drawing))
            return
        text = ""
        if tag in ("docPr", "shape", "rect"):
            text = attribute(drawing, "descr") or attribute(drawing, "alt") or attribute(drawing, "title")
        elif tag == "textpath":
            text = attribute(drawing, "string")
        elif tag == "chart" and attribute(drawing, "id"):
            self.attachments.append(Attachment("part", attribute(drawing, "id")))
        elif tag == "relIds":
            self.attachments.append(Attachment("part", attribute(drawing, "dm")))
        if text := useful_alt_text(text):
            self.attachments.append(Attachment("caption", text))
        for element in [first_alternative(drawing)] if tag == "AlternateContent" else drawing:
            self._read_drawing(element)


def first_alternative(element: Element) -> Element:
    """Return the content of ``mc:AlternateContent`` to read: the choice for newer programs, or else the fallback."""
    choice, fallback = child(element, "Choice"), child(element, "Fallback")
    chosen = choice if choice is not None and len(choice) else fallback
    return element.makeelement("none") if chosen is None else chosen


def useful_alt_text(text: str) -> str:
    """Return an alternative text without a program's remark; "" for a file name."""
    text = " ".join(_IGNORED_ALT_TEXT.sub("", text).split())
    return (
        "" if re.fullmatch(r"\S+\.(?:png|jpe?g|gif|bmp|tiff?|emf|wmf|svg)|https?://\S+", text, re.IGNORECASE) else text
    )


def symbol_char(font: str, code: str) -> str:
    """Return a character of the fonts Symbol and Wingdings in Unicode, or "" for an ornament."""
    try:
        number = int(code, 16)
    except ValueError:
        return ""
    low = number & 0xFF if 0xF000 <= number <= 0xF0FF else number
    if font.lower().startswith("wingdings"):
        return _WINGDINGS.get(low, "")
    if font.lower() == "symbol":
        return _SYMBOL_LETTERS.get(low) or _SYMBOL_SIGNS.get(low) or (chr(low) if 0x20 <= low < 0x7F else "")
    return "" if 0xE000 <= number <= 0xF8FF or number > 0x10FFFF else chr(number)
