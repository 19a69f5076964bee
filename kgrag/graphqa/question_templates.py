"""Question templates: wordings that ask for one predicate, for a part of a longer question, and for comparisons.

They are data (`kgrag/data/question_words.toml`). A predicate's noun in them is one that the graph reader knows.
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
"""Matches the words that end the description of an entity's type."""
Forms = Mapping[str, tuple[str, ...]]
"""Language -> question templates, with X for the entity that the question is about."""


@dataclass(frozen=True)
class PredicateTemplates:
    """Templates that ask for one predicate.

    ``questions`` are whole questions, ``noun_phrases`` the same as part of a longer question. ``subject_types`` and
    ``object_type`` limit which step may follow which (empty: any). ``can_name_work_type``: whether "the film X" may
    replace X. ``is_strict``: whether the subject's type must be known to be one of ``subject_types``, not merely not known
    to be another.
    """

    questions: Forms
    noun_phrases: Forms
    subject_types: frozenset[str]
    object_type: str
    can_name_work_type: bool = False
    is_strict: bool = False

    @property
    def is_kinship(self) -> bool:
        """Whether the predicate relates two persons: a sentence may name several, so it must state the relation."""
        return self.object_type == "person" and self.subject_types == {"person"}


@dataclass(frozen=True)
class ComparisonTemplates:
    """Templates that compare two entities by one predicate.

    ``first`` and ``last`` ask for the entity with the earlier or later value, ``same`` whether both values are equal.
    """

    predicate: str
    first: Forms
    last: Forms
    same: Forms


@dataclass(frozen=True)
class QuestionTemplates:
    """All templates.

    ``compound_questions``: two predicates -> questions. ``type_words``: a type in a document's first sentence -> the word
    for it in a question, and its kind (``work``, ``place``, ``organisation`` or ``thing``). ``person_predicates``: only
    persons have these.
    """

    by_predicate: Mapping[str, PredicateTemplates]
    compound_questions: Mapping[tuple[str, ...], Forms]
    comparisons: tuple[ComparisonTemplates, ...]
    type_words: Mapping[str, tuple[str, str]]
    person_predicates: frozenset[str]

    def document_type(self, sentence: str) -> tuple[str, str]:
        """Return the type that a document's first sentence gives its subject, as (word, kind).

        For example ("film", "work") for "X is a 1946 Indian film by ..."; two empty strings if there is none.
        """
        description = re.search(r"\b(?:is|was|are|were) (?:an?|the) (.{3,120})", sentence)
        words = re.findall(r"[A-Za-z]+", description.group(1).lower()) if description else []
        # the words after "by", "in" or "about" name something else
        end = next((n for n, word in enumerate(words) if _DESCRIPTION_END.fullmatch(word)), len(words))
        # the last word of "film director" or "film and television writer" is the type
        return self.type_words.get(words[end - 1], ("", "")) if end else ("", "")


def load_templates(schema: PredicateSchema) -> QuestionTemplates:
    """Load the templates for the predicates of a schema."""
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
    """Replace the placeholders X, Y, K and Ks of a template, all at once: a name may contain such a letter itself."""
    letters = "|".join(names)
    text = re.sub(rf"(?<![A-Za-z])(?:{letters})(?![A-Za-z])", lambda m: names[m.group()], form)
    return re.sub(r"\?\?$", "?", text)  # a title may end with a question mark


def templates_for_date(forms: Sequence[str], day: str) -> list[str]:
    """Return the templates that ask for the precision of a date (``day`` as in `normalize_date`, "" for no date)."""
    return [
        form
        for form in forms
        if not (day and re.search(r"\bdate\b|日期|哪天", form) and len(day) < 10)
        and not (day and re.search(r"\byear\b|哪一?年", form) and len(day) > 4)
    ]


def pluralize(kind: str) -> str:
    """Return the plural of a type: "films", "companies"."""
    return kind if kind.endswith("series") else re.sub(r"(?<=[^aeiou])y$", "ie", kind) + "s"
