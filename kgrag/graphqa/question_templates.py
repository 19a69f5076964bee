"""The words in which facts are asked for: phrasings of one step, of a step within a longer question, of comparisons.

They are data (`kgrag/data/question_words.toml`); the nouns among them are those by which the graph reader knows the predicate.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

from graphs.predicates import Predicate, PredicateSchema
from kgrag.text import has_cjk

_DESCRIPTION_END = re.compile(
    r"by|in|about|from|of|who|which|that|for|with|at|on|to|is|was|set|near|directed|written|starring|released|produced|based"
    r"|located|recorded|performed|composed|published|created|made|adapted|designed|distributed|filmed|\w+ing"
)
"""What stands after the words that say what a thing is."""
Forms = Mapping[str, tuple[str, ...]]
"""Language -> forms of a question, with X for what is asked about."""


@dataclass(frozen=True)
class PredicateTemplates:
    """How a predicate is asked for. ``whole`` are questions, ``of`` the same as part of one; ``about`` and ``gives`` say
    which step can follow which (nothing said: any), ``work`` whether "the film X" may stand for X, and ``strict`` that what is
    asked about must be known to be of such a sort, not only not known to be of another."""

    questions: Forms
    noun_phrases: Forms
    subject_types: frozenset[str]
    object_type: str
    can_name_work_type: bool = False
    is_strict: bool = False

    @property
    def is_kinship(self) -> bool:
        """Whether it leads from a person to another: a sentence may name several of them, so that it must say which is meant."""
        return self.object_type == "person" and self.subject_types == {"person"}


@dataclass(frozen=True)
class ComparisonTemplates:
    """How two things are compared by a predicate: which has the ``first`` or the ``last`` of two values, or whether the
    values are the ``same``."""

    predicate: str
    first: Forms
    last: Forms
    same: Forms


@dataclass(frozen=True)
class QuestionTemplates:
    """All of it: ``kin`` has two predicates -> questions, ``kinds`` what a thing is called -> the word in a question and
    what it is (work, place, organisation, thing); who has one of the predicates ``people`` is a person."""

    by_predicate: Mapping[str, PredicateTemplates]
    compound_questions: Mapping[tuple[str, ...], Forms]
    comparisons: tuple[ComparisonTemplates, ...]
    type_words: Mapping[str, tuple[str, str]]
    person_predicates: frozenset[str]

    def document_type(self, sentence: str) -> tuple[str, str]:
        """What a document's first sentence says its subject is: ("film", "work") of "X is a 1946 Indian film by ..."; else
        two empty texts."""
        description = re.search(r"\b(?:is|was|are|were) (?:an?|the) (.{3,120})", sentence)
        words = re.findall(r"[A-Za-z]+", description.group(1).lower()) if description else []
        # what comes after "by", "in" or "about" is another thing
        end = next((n for n, word in enumerate(words) if _DESCRIPTION_END.fullmatch(word)), len(words))
        # of "film director" and "film and television writer" the last word says what it is
        return self.type_words.get(words[end - 1], ("", "")) if end else ("", "")


def load_templates(schema: PredicateSchema) -> QuestionTemplates:
    """The words for the predicates of a vocabulary."""
    data = _load_toml()
    by_predicate = {}
    for name, predicate in schema.predicates.items():
        row = data["predicate"].get(name)
        if row is None and not (predicate.functional and predicate.nouns):
            continue
        row = row or data["other"]
        by_predicate[name] = PredicateTemplates(
            {lang: _fill_noun(row.get(lang, ()), _noun_for(row, predicate, lang)) for lang in ("en", "zh")},
            _forms(row.get("of", {})),
            frozenset(row.get("about", ())),
            str(row.get("gives", "")),
            bool(row.get("work", False)),
            bool(row.get("strict", False)),
        )
    compound_questions = {tuple(row["path"]): _forms(row) for row in data["kin"]}
    comparisons = tuple(
        ComparisonTemplates(row["predicate"], *(_forms(row.get(side, {})) for side in ("first", "last", "same")))
        for row in data["comparison"]
    )
    type_words = {word: (str(row[0]), str(row[1])) for word, row in data["kinds"].items()}
    return QuestionTemplates(
        by_predicate, compound_questions, comparisons, type_words, frozenset(data["people"]["predicates"])
    )


@lru_cache(maxsize=1)
def _load_toml() -> dict[str, Any]:
    return tomllib.loads(files("kgrag.data").joinpath("question_words.toml").read_text("utf-8"))


def _forms(row: Mapping[str, Any]) -> Forms:
    return {lang: tuple(row.get(lang, ())) for lang in ("en", "zh")}


def _noun_for(row: Mapping[str, Any], predicate: Predicate, lang: str) -> str:
    configured_noun = row.get("noun", {}).get(lang)
    return (
        configured_noun
        if configured_noun is not None
        else next((n for n in predicate.nouns if has_cjk(n) == (lang == "zh")), "")
    )


def _fill_noun(forms: Sequence[str], noun: str) -> tuple[str, ...]:
    return tuple(re.sub(r"(?<![A-Za-z])N(?![A-Za-z])", noun, form) for form in forms if noun or not _has_noun(form))


def _has_noun(form: str) -> bool:
    return re.search(r"(?<![A-Za-z])N(?![A-Za-z])", form) is not None


def fill_template(form: str, **names: str) -> str:
    """A form with names for its letters X, Y, K and Ks, all at once: a name may have such a letter itself."""
    letters = "|".join(names)
    text = re.sub(rf"(?<![A-Za-z])(?:{letters})(?![A-Za-z])", lambda m: names[m.group()], form)
    return re.sub(r"\?\?$", "?", text)  # of a title that is a question


def templates_for_date(forms: Sequence[str], day: str) -> list[str]:
    """The forms that ask for no more and no less than a date (`kgrag.text.dates.date`, "" for none) says."""
    return [
        form
        for form in forms
        if not (day and re.search(r"\bdate\b|日期|哪天", form) and len(day) < 10)
        and not (day and re.search(r"\byear\b|哪一?年", form) and len(day) > 4)
    ]


def pluralize(kind: str) -> str:
    """Several of a kind: "films", "companies"."""
    return kind if kind.endswith("series") else re.sub(r"(?<=[^aeiou])y$", "ie", kind) + "s"
