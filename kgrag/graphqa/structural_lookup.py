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
from kgrag.text import STOPWORDS, has_cjk, normalize_name, tokenize
from kgrag.text.stemming import stem_word
from kgrag.types import STRUCTURE, Path, Triple

_IDENTIFIER = re.compile(r"\w*(?:\d\w*[A-Z]|[A-Z]\w*\d|\w[_.:/]+\w)\S*|--?\w[\w-]+|[A-Z]{3,}\w*|%\w")
"""Matches a name that is written as no common word is: 25P02, work_mem, gc.auto, --prune, VACUUM."""
_MEMBERSHIP = frozenset(["part_of", "listed_under", "value_of"])
_SYNONYMS = {"call": "name", "symbol": "name", "mean": "meaning", "stand": "meaning"}
"""Stems of question words -> the header word that they ask for."""
_ASKS_VALUE = re.compile(r"\b(?:what|which|how (?:much|many|long|large|big|high|old|tall))\b", re.IGNORECASE)
_ASKS_OTHER = re.compile(
    r"\b(?:why|who|whom|whose|when|where|whether|besides|than)\b|\bhow (?!much|many|long|large|big|high|old|tall)"
    r"|^\W*(?:is|are|was|were|do|does|did|can|could|should|would|will|has|have|may|please|by)\b",
    re.IGNORECASE,
)
_ASKS_OTHER_ZH = re.compile("为什么|为何|怎么|怎样|如何|是否|吗|谁|哪里|何时")
_ASKED_VALUE_ZH = r"(?:的值)?(?:是|为)?(?:什么|多少|几\S{0,2}|哪\S{0,2})?[?？。]*$"
_STOP_STEMS = frozenset(map(stem_word, STOPWORDS)) | STOPWORDS
_GENERIC_STEMS = frozenset(map(stem_word, ["value", "tell", "please", "give"]))
"""Stems that a question for a value may have besides."""


def asks_for_value(question: str) -> bool:
    """Whether a question can ask for a value that a structure states: what, which, how much, or a phrase.

    Why, how, who and when ask for something else, and so does a question for yes or no.
    """
    if has_cjk(question):
        return not _ASKS_OTHER_ZH.search(question)
    return not _ASKS_OTHER.search(question) and (bool(_ASKS_VALUE.search(question)) or len(question.split()) <= 6)


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
    if not asks_for_value(question):
        return []
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
    sizes = {predicate: _asked_words(predicate, rest, schema) for predicate in by_predicate}
    best = max(sizes, key=lambda predicate: sizes[predicate], default="")
    for triple in by_predicate[best] if sizes.get(best) else ():
        names = facts.display_name(triple.subject), facts.display_name(triple.object)
        yield GraphAnswer(names[1], Path((triple.subject, triple.object), names, (triple,)), triple.confidence)


def _asked_words(predicate: str, rest: str, schema: PredicateSchema) -> int:
    """Return the size of the longest noun of a predicate that the rest of the question asks for; 0 for none.

    In English, the last sentence may have no other content word; in Chinese, the question ends with the noun.
    """
    known = schema.predicates.get(predicate)
    stems = {stem_word(token.text) for token in tokenize(re.split(r"[.!;]\s", rest.rstrip(" ?.!"))[-1])}
    content = {stem for stem in stems if stem not in _STOP_STEMS} - _GENERIC_STEMS
    content = {_SYNONYMS.get(stem, stem) for stem in content}
    sizes = [0]
    for noun in (predicate.replace("_", " "), *(known.nouns if known is not None else ())):
        words = {stem_word(word) for word in noun.split() if not word.isdigit()}
        if has_cjk(noun):
            sizes.append(len(noun) if re.search(re.escape(noun) + _ASKED_VALUE_ZH, rest.strip()) else 0)
        elif words and content and content <= words and (content == words or len(words) == 1):
            sizes.append(len(words))
    return max(sizes)
