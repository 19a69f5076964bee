"""Quality checks of names in questions and answers."""

from __future__ import annotations

import re

from graphs.predicates import PredicateSchema
from kgrag.text import has_cjk, normalize_name
from kgrag.text.dates import normalize_date
from kgrag.tune.data.fact import QuestionFact
from kgrag.types import Document

MAX_CHARACTERS, MAX_WORDS = 60, 8
"""Maximum number of characters and words of a name; Chinese names have half the characters."""
_ARTEFACT = re.compile(
    r"[\w.]- \w|\( | \)|\s[,.;:]|  |[\[\]{}<>|_\"“”\n\t]|\.(?:md|txt|pdf|docx?|html?|csv|jsonl?)$|https?:"
)
_CONJUNCTION_AFTER = re.compile(r"\s*(?:,? and |,? or |&|/|、|和|与|及|以及|或)\s*(?=[A-Z\u4e00-\u9fff])")
_CONJUNCTION_BEFORE = re.compile(r"(?:[^\W\d_]\.?,? and |[^\W\d_]\s*[&/、和与及])\s*$")
_AND_MOTHER = re.compile(
    r"[^.;]{0,40} and (?:Queen|Princess|Countess|Duchess|Baroness|Lady|Empress|Archduchess|Margravine|Landgravine|Infanta"
    r"|Electress|Tsarina|Mrs)\b"
)
_AND_SECOND_NAME = re.compile(r"(?:, [^,.;]{3,40})? and (?!his|her|the|a |an |of )\w")
_FEMALE_TITLE = re.compile(r"(?:Queen|Princess|Countess|Duchess|Baroness|Lady|Empress|Archduchess|Infanta)\b")


def describe_title(title: str, plain: str) -> str:
    """Return a title in the form that questions use.

    "Shock Treatment (1995 film)" becomes "the 1995 film Shock Treatment". Return "" if the qualifier in brackets cannot
    precede the name.
    """
    bracket = title[len(plain) :].strip(" ()（）")
    if not bracket or has_cjk(title):
        return title
    return f"the {bracket} {plain}" if re.fullmatch(r"(?:\d{4} )?(?:[A-Z]\w+ )*[a-z]+(?: [a-z]+)?", bracket) else ""


def rejection_reason(fact: QuestionFact, document: Document, schema: PredicateSchema) -> str:
    """Return why a fact cannot be asked for; "" if it can."""
    value_type = schema.predicates[fact.predicate].value
    names = (fact.subject.name, fact.subject.description)
    if not all(is_readable(n, fact.lang) for n in names) or not is_readable(fact.answer, fact.lang, value_type):
        return "a name that does not read well"
    before, after = document.text[fact.triple.start : fact.start], document.text[fact.end : fact.triple.end]
    if re.search(r"\w\s?[-–]$", before) or re.match(r"[-–]\s?\w", after):
        return "a name that is part of another"
    if value_type == "NAME" and fact.lang == "en" and re.match(r"['’]?s? ?[A-Z]", after):
        return "a name that is part of another"
    if fact.predicate in ("father", "mother") and fact.lang == "en":
        if _AND_SECOND_NAME.match(after) and not _AND_MOTHER.match(after) and fact.predicate == "father":
            return "one of several that are named"
        if fact.predicate == "father" and (_FEMALE_TITLE.match(fact.answer) or re.match(rf"[^.;]{{0,20}}{_FEMALE_TITLE.pattern}", after.split(" and ")[0])):  # fmt: skip
            return "a father with a woman's title"
    elif value_type in ("NAME", "PLACE") and (_CONJUNCTION_AFTER.match(after) or _CONJUNCTION_BEFORE.search(before)):
        return "one of several that are named"
    if value_type == "DATE" and not _has_plausible_date(fact):
        return "a date that may be none"
    if value_type == "COUNTRY" and fact.answer.lower() not in schema.countries:
        return "a country that is not known"
    subject_key = f" {normalize_name(fact.subject.description)} "
    if any(len(word) > 3 and f" {word} " in subject_key for word in normalize_name(fact.answer).split()) or fact.answer in fact.subject.name:  # fmt: skip
        return "an answer that the question gives away"
    return ""


def _has_plausible_date(fact: QuestionFact) -> bool:
    """Whether the answer is a date; a year of three digits is accepted only for a person's birth or death."""
    iso_date = normalize_date(fact.answer)
    return (
        len(iso_date) > 4
        or iso_date >= "1000"
        or (bool(iso_date) and fact.predicate in ("date_of_birth", "date_of_death"))
    )


def is_readable(name: str, lang: str, value_type: str = "NAME") -> bool:
    """Whether a name may occur in a question or be an answer: short, complete, in the language's script.

    Args:
        name: the name as written.
        lang: the document's language; Chinese questions may contain Latin names, English ones no Chinese names.
        value_type: NAME, PLACE, COUNTRY, DATE or QUANTITY; the last two need a digit, the others a letter.
    """
    if not 2 <= len(name) <= MAX_CHARACTERS // (2 if has_cjk(name) else 1) or _ARTEFACT.search(name):
        return False
    if lang == "en" and (has_cjk(name) or len(name.split()) > MAX_WORDS):
        return False
    if value_type in ("DATE", "QUANTITY"):
        return any(c.isdigit() for c in name)
    if name.count("(") != name.count(")") or not (name[0].isalnum() or name[0] in "¡¿'"):
        return False
    return any(c.isalpha() for c in name) and (has_cjk(name) or any(c.isupper() or c.isdigit() for c in name))
