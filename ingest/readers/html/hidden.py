"""Find elements of a page that a reader does not see."""

from __future__ import annotations

import re

from ingest.readers.html.parser import Element

INVISIBLE_TAGS = frozenset(
    [
        "script",
        "style",
        "template",
        "noscript",
        "head",
        "iframe",
        "object",
        "embed",
        "applet",
        "canvas",
        "audio",
        "video",
        "map",
        "area",
        "datalist",
        "select",
        "option",
        "optgroup",
        "button",
        "input",
        "textarea",
        "dialog",
        "rp",
        "rt",
        "del",
        "s",
        "strike",
        "frameset",
        "noframes",
        "meter",
        "progress",
        "param",
        "source",
        "track",
        "link",
        "meta",
        "base",
        "title",
    ]
)
"""Elements without text of the page: programs, form controls, media, and text that is struck out."""
_HIDDEN_CLASSES = frozenset(
    [
        "hidden",
        "d-none",
        "sr-only",
        "visually-hidden",
        "visuallyhidden",
        "screen-reader-text",
        "screen-reader-only",
        "element-invisible",
        "is-hidden",
        "display-none",
        "offscreen",
    ]
)
_RESPONSIVE_CLASS = re.compile(r"(?:^|\s)(?:d-(?:sm|md|lg|xl)-|(?:sm|md|lg|xl|2xl):|visible-)")
_DECLARATION = re.compile(r"([\w-]+)\s*:\s*([^;]*)")
_RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
_AT_BLOCK = re.compile(r"@[^{};]*\{(?:[^{}]*\{[^{}]*\})*[^{}]*\}|@[^{};]*;|/\*.*?\*/", re.DOTALL)
_SIMPLE_SELECTOR = re.compile(r"[a-z][a-z0-9]*|(?:[a-z][a-z0-9]*)?[.#][\w-]+", re.IGNORECASE)
_LENGTH = re.compile(r"(-?\d*\.?\d+)\s*(px|em|rem|pt|%|vw|vh|in|cm|mm)?")
_WHITE = frozenset(("white", "#fff", "#ffffff", "rgb(255,255,255)", "rgba(255,255,255,1)"))
MIN_OFFSCREEN_PX = 500
"""Distance to the left or above beyond which an element stands outside every screen."""
_MAX_STYLE_CHARS = 1 << 20
_MAX_ANCESTORS = 32


class HiddenRules:
    """Rules for hidden elements: attributes, inline styles, and simple selectors of the page's own style sheets.

    Args:
        root: the page.
    """

    def __init__(self, root: Element) -> None:
        self._selectors: set[str] = set()
        sheets = "\n".join(style.text or "" for style in root.iter("style") if _is_for_screens(style))
        for selectors, body in _RULE.findall(_AT_BLOCK.sub(" ", sheets[:_MAX_STYLE_CHARS])):
            if _is_hiding(_declarations(body)):
                names = (selector.strip() for selector in selectors.split(","))
                self._selectors.update(name for name in names if _SIMPLE_SELECTOR.fullmatch(name))
        self._selectors -= {"html", "body"}

    def is_hidden(self, element: Element, tag: str) -> bool:
        """Whether a reader of the page does not see the element."""
        if tag in INVISIBLE_TAGS:
            return not (tag == "dialog" and "open" in element.attrib)
        if not element.attrib or tag in ("html", "body"):
            return tag in self._selectors
        attributes = element.attrib
        if "hidden" in attributes and attributes["hidden"].lower() != "until-found":
            return True
        if attributes.get("aria-hidden", "").lower() == "true":
            return True
        classes = attributes.get("class", "")
        if classes and not _HIDDEN_CLASSES.isdisjoint(classes.split()) and not _RESPONSIVE_CLASS.search(classes):
            return True
        style = attributes.get("style")
        if style:
            declarations = _declarations(style)
            if _is_hiding(declarations) and not (_is_text_size_zero(declarations) and _resets_text_size(element)):
                return True
            if _has_color_of_background(element, tag, declarations):
                return True
        elif attributes.get("color", "").lower() in _WHITE and tag == "font":
            return _background(element) in ("", *_WHITE)
        return bool(self._selectors) and not self._selectors.isdisjoint(_names(tag, classes, attributes.get("id", "")))


def _is_for_screens(style: Element) -> bool:
    media = (style.get("media") or "all").lower()
    return "all" in media or "screen" in media


def _names(tag: str, classes: str, identifier: str) -> set[str]:
    names = {tag}
    for name in [f".{name}" for name in classes.split()] + ([f"#{identifier}"] if identifier else []):
        names |= {name, tag + name}
    return names


def _declarations(style: str) -> dict[str, str]:
    return {
        name.lower(): " ".join(value.lower().replace("!important", "").split())
        for name, value in _DECLARATION.findall(style)
    }


def _number(value: str) -> float | None:
    match = _LENGTH.match(value)
    if not match:
        return None
    return float(match.group(1)) * (16 if match.group(2) in ("em", "rem") else 1)


def _is_text_size_zero(declarations: dict[str, str]) -> bool:
    size = _number(declarations.get("font-size", ""))
    return size is not None and size <= 1 and not declarations["font-size"].endswith(("em", "%"))


def _resets_text_size(element: Element) -> bool:
    """Whether a child of an element without text size has one: a trick against gaps between boxes."""
    return any("font-size" in (child.get("style") or "") for child in element)


def _is_hiding(declarations: dict[str, str]) -> bool:
    get = declarations.get
    if get("display") == "none" or get("visibility") in ("hidden", "collapse") or get("content-visibility") == "hidden":
        return True
    if _number(get("opacity", "")) == 0 or _is_text_size_zero(declarations) or get("font-size", "") in ("0em", "0%"):
        return True
    if get("overflow", "").startswith(("hidden", "clip")):
        sizes = [_number(get(name, "")) for name in ("width", "height", "max-width", "max-height")]
        if any(size is not None and size <= 1 for size in sizes):
            return True
    if get("position") in ("absolute", "fixed"):
        edges = [_number(get(name, "")) for name in ("left", "top", "right", "bottom")]
        if any(edge is not None and edge <= -MIN_OFFSCREEN_PX for edge in edges):
            return True
    shifts = [_number(get(name, "")) for name in ("text-indent", "margin-left", "margin-top")]
    if any(shift is not None and shift <= -MIN_OFFSCREEN_PX for shift in shifts):
        return True
    return bool(
        re.match(r"rect\(\s*0(?:px)?[ ,]+0(?:px)?[ ,]+0(?:px)?[ ,]+0|rect\(1px", get("clip", ""))
        or re.match(r"inset\((?:50|100)%|circle\(0", get("clip-path", ""))
        or re.search(r"scale\(\s*0\s*[,)]|translate[xy]?\(\s*-\d{3,}", get("transform", ""))
    )


def _has_color_of_background(element: Element, tag: str, declarations: dict[str, str]) -> bool:
    """Whether the text has the color of its background, as far as inline styles tell."""
    color = declarations.get("color", "").replace(" ", "")
    if color == "transparent":
        return "clip" not in declarations.get("background-clip", "") and "-webkit-background-clip" not in declarations
    if not color:
        return False
    background = _background(element)
    if background:
        return background == color or (background in _WHITE and color in _WHITE)
    # a style sheet often gives such elements a dark background
    return color in _WHITE and tag not in ("th", "a", "thead", "header", "tr") and not element.get("class")


def _background(element: Element) -> str:
    """Return the nearest background color of inline styles, or "" if there is none."""
    steps: Element | None = element
    for _ in range(_MAX_ANCESTORS):
        if steps is None:
            break
        declarations = _declarations(steps.get("style") or "")
        background = declarations.get("background-color") or declarations.get("background") or steps.get("bgcolor")
        if background and background not in ("transparent", "none", "inherit"):
            return background.lower().replace(" ", "")
        if steps.get("class") and steps.tag in ("th", "thead", "header", "footer", "table", "tr"):
            return "class"
        steps = steps.getparent()
    return ""
