"""Mark superscripts in plain text, so that ten to the sixth is not one hundred and six."""

from __future__ import annotations

import re

_MARKED = re.compile(r"[-+−–]?\d[\d.,+\-−–/]*|[-−][a-z\d]+|[a-z*†‡§]", re.IGNORECASE)


def mark_superscript(text: str) -> str:
    """Return a superscript with ``^`` before it if it is a number, a letter or a sign; "th" of "4th" stays as it is."""
    return f"^{text}" if _MARKED.fullmatch(text.strip()) else text
