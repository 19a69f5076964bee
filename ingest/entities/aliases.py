"""Aliases of a document's subject, as declared in its first sentence.

"Frederick Barbarossa (1122 – 1190), also known as Frederick I, was …" under the title "Frederick I, Holy Roman
Emperor": other documents call him Barbarossa, and only this one states that both names are one person.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from graphs.gazetteer import short_forms, without_bracket
from ingest.entities.recognition import RecognizedEntity
from kgrag.text import normalize_name, sentence_spans, tokenize
from kgrag.types import VALUE_TYPES, Document

MAX_HEAD_CHARS = 600
"""Number of characters at the start of a document that are searched."""
_BRACKETED_ALIAS = re.compile(
    r"\s*[（(]\s*(?:(?:also\s+)?(?:known|called)\s+as\s+|(?:born|née)\s+|简称|又称|又名|亦称|英文?[名:：]*\s*)?"
    r"[“\"「]?([^（()）,，;；:：“”\"「」]{2,40}+)(?!\s*:)"  # "(Arabic: …" names a language
)
_INCOMPLETE_ALIAS = re.compile(
    r"\b(?:as|for|of|meaning|born|née|lit)\.?$|^(?:French|German|Italian|Spanish|Russian|Hebrew)$"
)
_ENDS_IN_CALLED = re.compile(
    r"\b(?:known|referred to|styled|credited|spelt|spelled)\s+(?:(?:professionally|simply|commonly|mononymously|both)\s+)?"
    r"(?:to\s+)?as\s+(?:simply\s+)?[\"“']?$|\b(?:nicknamed|called|dubbed)\s+[\"“']?$"
)
_ALIAS_ZH = re.compile(
    r"(?:又名|又称|亦称|简称|原名|本名|别名|俗称|也称|全称|旧称|或称|也叫|又叫)(?:为|作|做|是|[:：])?"
    r"[“「《]?([^，。；、（）()“”「」《》：:\s]{2,16})"
)
_COPULA = re.compile(r"\b(?:is|was|are|were)\b")
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


def find_aliases(document: Document, names: Sequence[RecognizedEntity]) -> list[str]:
    """Return the aliases of a document's subject, without duplicates.

    Args:
        document: the document; its title is the known name.
        names: names found in the text, ordered; offsets into `Document.text`.
    """
    head = document.text[:MAX_HEAD_CHARS]
    title_keys = {normalize_name(form) for form in short_forms(document.title)}
    candidates = _bracketed_aliases(document.title, head)
    spans = sentence_spans(head)
    first_sentence = head[spans[0][0] : spans[0][1]] if spans else ""
    sentence_start = spans[0][0] if spans else 0
    if document.lang == "zh":
        candidates += [match.group(1) for match in _ALIAS_ZH.finditer(first_sentence)]
    elif normalize_name(document.title):
        sentence_names = [
            n for n in names if n.end <= sentence_start + len(first_sentence) and n.type not in VALUE_TYPES
        ]
        candidates += _first_sentence_aliases(document.title, first_sentence, sentence_start, sentence_names)
    return [
        alias
        for alias in dict.fromkeys(candidates)
        if normalize_name(alias) and normalize_name(alias) not in title_keys
    ]


def _bracketed_aliases(title: str, head: str) -> list[str]:
    """Return the names in brackets right after the title: "Title (TLA)", 标题（简称某某）."""
    bracketed_names = []
    for form in short_forms(title):
        for match in re.finditer(re.escape(form), head):
            if bracket_match := _BRACKETED_ALIAS.match(head, match.end()):
                name = bracket_match.group(1).strip()
                is_capitalized = name[:1].isupper() or not name.isascii()
                if (
                    is_capitalized
                    and _LETTER.search(name)
                    and not re.search(r"\d", name)
                    and normalize_name(name) not in normalize_name(title)
                ):
                    bracketed_names += [] if _INCOMPLETE_ALIAS.search(name) else [name]
    return bracketed_names


def _first_sentence_aliases(
    title: str, first_sentence: str, sentence_start: int, names: Sequence[RecognizedEntity]
) -> list[str]:
    """Return the first name of the first sentence, if it denotes the subject, and names after "known as"."""
    bare_title = without_bracket(title)
    title_words = _name_words(title)
    starts_with_title = normalize_name(first_sentence).startswith(
        (normalize_name(bare_title), f"the {normalize_name(bare_title)}")
    )
    alias_names = []
    is_about_subject = starts_with_title
    first_name = names[0] if names and names[0].start - sentence_start <= 5 else None
    if first_name is not None and not starts_with_title and _COPULA.search(first_sentence):
        words = _name_words(first_name.text)
        forms = [_name_words(form) for form in short_forms(title)]
        word_overlap = max(len(words & form) / max(1, min(len(words), len(form))) for form in forms)
        is_called_title = any(
            _ENDS_IN_CALLED.search(first_sentence[: n.start - sentence_start])
            and normalize_name(n.text) == normalize_name(bare_title)
            for n in names
        )
        if is_called_title or (word_overlap >= 0.5 and len(tokenize(first_name.text)) > 1):
            is_about_subject = True
            alias_names.append(first_name.text)
    if is_about_subject:
        for name in names:
            is_distinctive = len(tokenize(name.text)) > 1 or _name_words(name.text) & title_words
            if is_distinctive and _ENDS_IN_CALLED.search(first_sentence[: name.start - sentence_start]):
                alias_names.append(name.text)
    return alias_names


def _name_words(name: str) -> set[str]:
    return {token.text for token in tokenize(name)} - _PARTICLES
