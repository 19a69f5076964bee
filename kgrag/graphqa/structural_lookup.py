"""Look up what the structure of a document states about an identifier that a question names.

A question about a manual rarely has the form "the X of Y". But if it names an identifier ("SQLSTATE 25P02") and has all words of
one of its predicates ("what is that condition called?": condition name), the cell under that header is the answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from graphs.facts.fact_index import FactIndex
from graphs.predicates import PredicateSchema
from kgrag.graphqa.traversal import GraphAnswer
from kgrag.text import has_cjk, normalize_name, tokenize
from kgrag.text.stemming import stem_word
from kgrag.types import STRUCTURE, Path, Triple

_IDENTIFIER = re.compile(r"\w*(?:\d\w*[A-Z]|[A-Z]\w*\d|\w[_.:/]+\w)\S*|--?\w[\w-]+|[A-Z]{3,}\w*|%\w")
"""Matches a name that is written as no common word is: 25P02, work_mem, gc.auto, --prune, VACUUM."""
_MEMBERSHIP = frozenset(["part_of", "listed_under", "value_of"])
_SYNONYMS = {"call": "name", "symbol": "name", "mean": "meaning", "stand": "meaning", "effect": "meaning"}
"""Stems of question words -> the header word that they ask for."""


def look_up(
    question: str,
    names: Sequence[tuple[str, str]],
    facts: FactIndex,
    schema: PredicateSchema,
    hidden: frozenset[str] = frozenset(),
) -> list[GraphAnswer]:
    """Return the value that a question asks for, if it names one identifier and one predicate of it.

    Args:
        question: in English or Chinese.
        names: known names in the question, normalised, each with its spelling there.
        facts: the typed facts.
        schema: the predicates, with their nouns.
        hidden: ids of documents whose facts are ignored.
    """
    identifiers = {name: spelling for name, spelling in names if _is_identifier(spelling, question)}
    answers = [
        answer
        for name, spelling in identifiers.items()
        for answer in _values(question.replace(spelling, " "), name, facts, schema, hidden)
    ]
    return answers[:1] if len({normalize_name(answer.text) for answer in answers}) == 1 else []


def _is_identifier(name: str, question: str) -> bool:
    if _IDENTIFIER.fullmatch(name):
        return True
    return has_cjk(question) and name.isascii() and any(char.isalpha() for char in name)


def _values(
    rest: str, name: str, facts: FactIndex, schema: PredicateSchema, hidden: frozenset[str]
) -> Iterator[GraphAnswer]:
    """Yield an answer for each fact of a name whose predicate the rest of the question spells out."""
    by_predicate: dict[str, list[Triple]] = {}
    for entity in facts.resolve(name):
        for triple in facts.outgoing(entity):
            is_visible = triple.passage_id.rpartition("#")[0] not in hidden
            if triple.found_by == STRUCTURE and triple.predicate not in _MEMBERSHIP and is_visible:
                by_predicate.setdefault(triple.predicate, []).append(triple)
    stems = {stem_word(token.text) for token in tokenize(rest)}
    asked = stems | {_SYNONYMS[stem] for stem in stems if stem in _SYNONYMS}
    sizes = {predicate: _asked_words(predicate, rest, asked, schema) for predicate in by_predicate}
    best = max(sizes, key=lambda predicate: sizes[predicate], default="")
    for triple in by_predicate[best] if sizes.get(best) else ():
        names = facts.display_name(triple.subject), facts.display_name(triple.object)
        yield GraphAnswer(names[1], Path((triple.subject, triple.object), names, (triple,)), triple.confidence)


def _asked_words(predicate: str, rest: str, asked: set[str], schema: PredicateSchema) -> int:
    """Return the size of the longest noun of a predicate that the rest of the question has; 0 for none."""
    known = schema.predicates.get(predicate)
    sizes = [0]
    for noun in (predicate.replace("_", " "), *(known.nouns if known is not None else ())):
        words = [word for word in noun.split() if not word.isdigit()]
        if has_cjk(noun):
            sizes.append(len(noun) if noun in rest else 0)
        elif words and all(stem_word(word) in asked or word in asked for word in words):
            sizes.append(len(words))
    return max(sizes)
