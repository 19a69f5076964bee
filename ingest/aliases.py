"""What else a document's subject is called, as its own first sentence says.

"Frederick Barbarossa (1122 – 1190), also known as Frederick I, was …" under the title "Frederick I, Holy Roman
Emperor": other documents say Barbarossa, and only this one knows that the two are one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from graphs.gazetteer import spoken_forms, without_bracket
from ingest.names import Name
from kgrag.text import key, sentences, tokens
from kgrag.types import VALUES, Document

HEAD = 600
"""Characters of a document that are looked at."""
_BRACKET = re.compile(
    r"\s*[（(]\s*(?:(?:also\s+)?(?:known|called)\s+as\s+|(?:born|née)\s+|简称|又称|又名|亦称|英文?[名:：]*\s*)?"
    r"[“\"「]?([^（()）,，;；:：“”\"「」]{2,40}+)(?!\s*:)"  # "(Arabic: …" names a language
)
_UNFINISHED = re.compile(r"\b(?:as|for|of|meaning|born|née|lit)\.?$|^(?:French|German|Italian|Spanish|Russian|Hebrew)$")
_CALLED = re.compile(
    r"\b(?:known|referred to|styled|credited|spelt|spelled)\s+(?:(?:professionally|simply|commonly|mononymously|both)\s+)?"
    r"(?:to\s+)?as\s+(?:simply\s+)?[\"“']?$|\b(?:nicknamed|called|dubbed)\s+[\"“']?$"
)
_CALLED_ZH = re.compile(
    r"(?:又名|又称|亦称|简称|原名|本名|别名|俗称|也称|全称|旧称|或称|也叫|又叫)(?:为|作|做|是|[:：])?"
    r"[“「《]?([^，。；、（）()“”「」《》：:\s]{2,16})"
)
_IS = re.compile(r"\b(?:is|was|are|were)\b")
_LETTER = re.compile(r"[^\W\d_]")
_PARTICLES = frozenset(
    [
        "de",
        "la",
        "le",
        "du",
        "von",
        "van",
        "der",
        "den",
        "di",
        "da",
        "del",
        "della",
        "bin",
        "ibn",
        "al",
        "el",
        "the",
        "of",
        "and",
        "y",
        "d",
        "s",
    ]
)


def aliases(document: Document, names: Sequence[Name]) -> list[str]:
    """Other names of a document's subject, each once.

    Args:
        document: its title is the name that is known already.
        names: found in the text, ordered by place; offsets into `Document.text`.
    """
    head = document.text[:HEAD]
    own = {key(form) for form in spoken_forms(document.title)}
    found = _bracketed(document.title, head)
    spans = sentences(head)
    first = head[spans[0][0] : spans[0][1]] if spans else ""
    at = spans[0][0] if spans else 0
    if document.lang == "zh":
        found += [match.group(1) for match in _CALLED_ZH.finditer(first)]
    elif key(document.title):
        here = [n for n in names if n.end <= at + len(first) and n.type not in VALUES]
        found += _opening(document.title, first, at, here)
    return [alias for alias in dict.fromkeys(found) if key(alias) and key(alias) not in own]


def _bracketed(title: str, head: str) -> list[str]:
    """The name in brackets right after the title: "Title (TLA)", 标题（简称某某）."""
    found = []
    for form in spoken_forms(title):
        for match in re.finditer(re.escape(form), head):
            if alias := _BRACKET.match(head, match.end()):
                name = alias.group(1).strip()
                capital = name[:1].isupper() or not name.isascii()
                if capital and _LETTER.search(name) and not re.search(r"\d", name) and key(name) not in key(title):
                    found += [] if _UNFINISHED.search(name) else [name]
    return found


def _opening(title: str, first: str, at: int, names: Sequence[Name]) -> list[str]:
    """The name that the first sentence begins with, if it is the title's subject; and what it is "known as"."""
    bare = without_bracket(title)
    wanted = _words(title)
    begins = key(first).startswith((key(bare), f"the {key(bare)}"))
    found = []
    subject = begins
    opening = names[0] if names and names[0].start - at <= 5 else None
    if opening is not None and not begins and _IS.search(first):
        words = _words(opening.text)
        forms = [_words(form) for form in spoken_forms(title)]
        shared = max(len(words & form) / max(1, min(len(words), len(form))) for form in forms)
        said = any(_CALLED.search(first[: n.start - at]) and key(n.text) == key(bare) for n in names)
        if said or (shared >= 0.5 and len(tokens(opening.text)) > 1):
            subject = True
            found.append(opening.text)
    if subject:
        for name in names:
            more = len(tokens(name.text)) > 1 or _words(name.text) & wanted
            if more and _CALLED.search(first[: name.start - at]):
                found.append(name.text)
    return found


def _words(name: str) -> set[str]:
    return {token.text for token in tokens(name)} - _PARTICLES
