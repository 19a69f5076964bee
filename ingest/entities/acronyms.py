"""Short names declared in brackets: "Recording Industry Association of America (RIAA)", 世界贸易组织（简称世贸组织）.

An acronym is accepted only if its letters begin the words of the preceding name, in order. This is the alignment of
Schwartz and Hearst (2003), made stricter: each letter of an acronym begins a word or follows a capital.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ingest.entities.recognition import RecognizedEntity

_BRACKETED_ACRONYM = re.compile(
    r"\s*[(（]\s*(?:(?:also|commonly|now|or)\s+)?(?:(?:known|abbreviated|referred to)\s+as\s+|abbreviated\s+|or\s+|the\s+)*[\"“‘']?"
    r"([A-Z][A-Za-z0-9&./-]{1,11}?)s?[\"”’']?\s*[,;)）]"
)
_BRACKETED_SHORT_NAME_ZH = re.compile(
    r"\s*[(（][^()（）]{0,40}?(?:简称|缩写|缩写为|又称|又名|亦称|英文简称)[为作是]?[：:]?\s*[“「《\"]?"
    r"([^\s，。；、（）()“”「」《》：:]{2,16})"
)
_DECLARED_SHORT_NAME_ZH = re.compile(
    '[，,](?:简称|缩写为|英文缩写为?|又称|又名|亦称)[为作是]?[：:]?\\s*[“「《"]?([^\\s，。；、（）()“”「」《》：:]{2,16})'
)
_BRACKETED_FOREIGN_NAME = re.compile(
    r"\s*[(（]\s*(?:英[文语国][名称]*[:：为]?\s*)?([A-Z][A-Za-z.'’-]+(?: [A-Za-z.'’-]+){0,5})\s*[,，;；)）]"
)
_FUNCTION_WORDS = frozenset(
    ["of", "the", "and", "for", "in", "on", "de", "du", "des", "la", "le", "to", "a", "an", "at", "by", "&"]
)
_WORD = re.compile(r"[^\W_]+|&")
MAX_ACRONYM_WORDS = 12
"""Maximum number of words that an acronym can stand for."""


def initials(name: str) -> list[str]:
    """Return the possible initials of a name with several words: with and without those of function words."""
    words = _WORD.findall(name)
    if not 1 < len(words) <= MAX_ACRONYM_WORDS:
        return []
    all_initials = "".join(w[0] for w in words).upper()
    content_initials = "".join(w[0] for w in words if w.lower() not in _FUNCTION_WORDS).upper()
    return [letters for letters in dict.fromkeys((content_initials, all_initials)) if len(letters) > 1]


def declared_acronyms(text: str, names: Sequence[RecognizedEntity]) -> dict[str, str]:
    """Return the short names that a text declares, each with its full name.

    Args:
        text: the text.
        names: names in the text; a bracket counts if it follows one of them as spelled.
    """
    full_names: dict[str, str] = {}
    for full in dict.fromkeys(n.text for n in names if len(n.text) > 3):
        position = text.find(full)
        while position >= 0:
            end = position + len(full)
            if match := _BRACKETED_ACRONYM.match(text, end):
                if _is_acronym_of(match.group(1), full):
                    full_names.setdefault(match.group(1), full)
            elif (
                match := _BRACKETED_SHORT_NAME_ZH.match(text, end) or _DECLARED_SHORT_NAME_ZH.match(text, end)
            ) and match.group(1) != full:
                full_names.setdefault(match.group(1), full)
            if "\u4e00" <= full[0] <= "\u9fff" and (match := _BRACKETED_FOREIGN_NAME.match(text, end)):
                full_names.setdefault(match.group(1), full)
            position = text.find(full, end)
    return full_names


def _is_acronym_of(short: str, full: str) -> bool:
    """Whether the capitals of ``short`` begin words of ``full`` in order, starting with its first word."""
    capitals = [c for c in short if c.isupper() or c.isdigit()]
    word_initials = [w[0].upper() for w in re.findall(r"[^\W_]+", full)] if len(capitals) > 1 else []
    if not word_initials or capitals[0] != word_initials[0] or short == full:
        return False
    remaining_initials = iter(word_initials)
    return all(c in remaining_initials for c in capitals)
