"""Whether names read well: what may stand in a question, and what may be an answer."""

from __future__ import annotations

import re

from graphs.vocabulary import Vocabulary
from kgrag.dates import date
from kgrag.text import is_cjk, key
from kgrag.tune.questions.fact import Fact
from kgrag.types import Document

LETTERS, WORDS = 60, 8
"""The most characters and words of a name; of a Chinese one half the characters."""
_ARTEFACT = re.compile(
    r"[\w.]- \w|\( | \)|\s[,.;:]|  |[\[\]{}<>|_\"“”\n\t]|\.(?:md|txt|pdf|docx?|html?|csv|jsonl?)$|https?:"
)
_MORE = re.compile(r"\s*(?:,? and |,? or |&|/|、|和|与|及|以及|或)\s*(?=[A-Z\u4e00-\u9fff])")
_BEFORE = re.compile(r"(?:[^\W\d_]\.?,? and |[^\W\d_]\s*[&/、和与及])\s*$")
_PARENTS = re.compile(
    r"[^.;]{0,40} and (?:Queen|Princess|Countess|Duchess|Baroness|Lady|Empress|Archduchess|Margravine|Landgravine|Infanta"
    r"|Electress|Tsarina|Mrs)\b"
)
_TWO = re.compile(r"(?:, [^,.;]{3,40})? and (?!his|her|the|a |an |of )\w")
_WOMAN = re.compile(r"(?:Queen|Princess|Countess|Duchess|Baroness|Lady|Empress|Archduchess|Infanta)\b")


def described(title: str, plain: str) -> str:
    """A title as a question says it: "Shock Treatment (1995 film)" is the 1995 film Shock Treatment; "" where what is in
    its bracket cannot be said before its name."""
    bracket = title[len(plain) :].strip(" ()（）")
    if not bracket or is_cjk(title):
        return title
    return f"the {bracket} {plain}" if re.fullmatch(r"(?:\d{4} )?(?:[A-Z]\w+ )*[a-z]+(?: [a-z]+)?", bracket) else ""


def unfit(fact: Fact, document: Document, known: Vocabulary) -> str:
    """Why a fact cannot be asked for; "" where it can."""
    value = known.predicates[fact.predicate].value
    names = (fact.subject.name, fact.subject.described)
    if not all(readable(n, fact.lang) for n in names) or not readable(fact.answer, fact.lang, value):
        return "a name that does not read well"
    before, after = document.text[fact.triple.start : fact.start], document.text[fact.end : fact.triple.end]
    if re.search(r"\w\s?[-–]$", before) or re.match(r"[-–]\s?\w", after):
        return "a name that is part of another"
    if value == "NAME" and fact.lang == "en" and re.match(r"['’]?s? ?[A-Z]", after):
        return "a name that is part of another"
    if fact.predicate in ("father", "mother") and fact.lang == "en":
        if _TWO.match(after) and not _PARENTS.match(after) and fact.predicate == "father":
            return "one of several that are named"
        if fact.predicate == "father" and (_WOMAN.match(fact.answer) or re.match(rf"[^.;]{{0,20}}{_WOMAN.pattern}", after.split(" and ")[0])):  # fmt: skip
            return "a father with a woman's title"
    elif value in ("NAME", "PLACE") and (_MORE.match(after) or _BEFORE.search(before)):
        return "one of several that are named"
    if value == "DATE" and not _dated(fact):
        return "a date that may be none"
    if value == "COUNTRY" and fact.answer.lower() not in known.countries:
        return "a country that is not known"
    given = f" {key(fact.subject.described)} "
    if any(len(word) > 3 and f" {word} " in given for word in key(fact.answer).split()) or fact.answer in fact.subject.name:  # fmt: skip
        return "an answer that the question gives away"
    return ""


def _dated(fact: Fact) -> bool:
    """Whether the answer is a date: of three digits alone, only what a person was born or died in."""
    day = date(fact.answer)
    return len(day) > 4 or day >= "1000" or (bool(day) and fact.predicate in ("date_of_birth", "date_of_death"))


def readable(name: str, lang: str, value: str = "NAME") -> bool:
    """Whether a name may stand in a question or be an answer: short, whole, in the language's letters.

    Args:
        name: as it is written.
        lang: of the document; a Chinese question may name a thing in Latin letters, an English one none in Chinese.
        value: NAME, PLACE, COUNTRY, DATE or QUANTITY; the last two need a digit, the others a letter.
    """
    if not 2 <= len(name) <= LETTERS // (2 if is_cjk(name) else 1) or _ARTEFACT.search(name):
        return False
    if lang == "en" and (is_cjk(name) or len(name.split()) > WORDS):
        return False
    if value in ("DATE", "QUANTITY"):
        return any(c.isdigit() for c in name)
    if name.count("(") != name.count(")") or not (name[0].isalnum() or name[0] in "¡¿'"):
        return False
    return any(c.isalpha() for c in name) and (is_cjk(name) or any(c.isupper() or c.isdigit() for c in name))
