"""Write equations of Office (OMML) as linear text: ``x = (-b ± √(b^2 - 4ac))/(2a)``."""

from __future__ import annotations

from collections.abc import Callable

from ingest.readers.office.xml_elements import Element, child, children, tag_of, value_of

_IGNORED = frozenset(
    ("rPr", "ctrlPr", "fPr", "sSupPr", "sSubPr", "sSubSupPr", "radPr", "naryPr", "dPr", "mPr", "funcPr")
)


def linear_math(element: Element | None) -> str:
    """Return an equation, or a part of one, as a line of text."""
    if element is None:
        return ""
    write = _WRITERS.get(tag_of(element))
    if write:
        return write(element)
    if tag_of(element) in _IGNORED:
        return ""
    return "".join(linear_math(entry) for entry in element)


def _part(element: Element, name: str) -> str:
    return linear_math(child(element, name))


def _group(text: str) -> str:
    """Return a part in parentheses unless it is a single name or number."""
    return text if text.replace(".", "").isalnum() or not text else f"({text})"


def _delimited(element: Element) -> str:
    properties = child(element, "dPr")
    begin, end = value_of(properties, "begChr"), value_of(properties, "endChr")
    has_begin, has_end = (child(properties, name) is not None for name in ("begChr", "endChr"))
    inner = (value_of(properties, "sepChr") or "|").join(linear_math(entry) for entry in children(element, "e"))
    return (begin if has_begin else "(") + inner + (end if has_end else ")")


def _nary(element: Element) -> str:
    sign = value_of(child(element, "naryPr"), "chr") or "∫"
    below, above = _part(element, "sub"), _part(element, "sup")
    return (
        sign
        + (f"_{_group(below)}" if below else "")
        + (f"^{_group(above)}" if above else "")
        + " "
        + _part(element, "e")
    )


def _matrix(element: Element) -> str:
    rows = (", ".join(linear_math(cell) for cell in children(row, "e")) for row in children(element, "mr"))
    return "[" + "; ".join(rows) + "]"


_WRITERS: dict[str, Callable[[Element], str]] = {
    "t": lambda e: e.text or "",
    "f": lambda e: f"{_group(_part(e, 'num'))}/{_group(_part(e, 'den'))}",
    "sSup": lambda e: f"{_part(e, 'e')}^{_group(_part(e, 'sup'))}",
    "sSub": lambda e: f"{_part(e, 'e')}_{_group(_part(e, 'sub'))}",
    "sSubSup": lambda e: f"{_part(e, 'e')}_{_group(_part(e, 'sub'))}^{_group(_part(e, 'sup'))}",
    "rad": lambda e: f"{_part(e, 'deg')}√{_group(_part(e, 'e'))}",
    "d": _delimited,
    "nary": _nary,
    "m": _matrix,
    "limLow": lambda e: f"{_part(e, 'e')}_{_group(_part(e, 'lim'))}",
    "limUpp": lambda e: f"{_part(e, 'e')}^{_group(_part(e, 'lim'))}",
    "func": lambda e: f"{_part(e, 'fName')} {_part(e, 'e')}",
    "eqArr": lambda e: "; ".join(linear_math(entry) for entry in children(e, "e")),
}
