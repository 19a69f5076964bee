"""Read answers off typed facts; return none if the facts and lookups do not cover the question."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol

from graphs.facts.fact_index import FactIndex
from graphs.gazetteer import NameMatch
from graphs.predicates import PredicateSchema
from kgrag.graphqa.comparison import ComparisonReader
from kgrag.graphqa.protocol import NO_DOCUMENTS, DecomposedQuestion, RelationPath
from kgrag.graphqa.question_parser import QuestionParser, mask_entity, strip_possessive, strip_preamble
from kgrag.graphqa.question_templates import fill_template
from kgrag.graphqa.structural_lookup import asks_for_value, look_up
from kgrag.graphqa.traversal import FactLookupFn, GraphAnswer, PartialPath, PathExecutor
from kgrag.text import has_cjk, normalize_name, strip_disambiguation, to_simplified
from kgrag.types import STRUCTURE

PARTIAL_LIST_CONFIDENCE = 0.45
"""Confidence factor of a single fact for a question that asks for several: it is only a hint."""
_ASKS_FOR_SEVERAL = re.compile(
    r"哪[两二三四五六几]|哪些|\b(?:which|what) (?:two|three|four|five|several)\b", re.IGNORECASE
)


class NameFinder(Protocol):
    """Finds known names in a text (implemented by `graphs.gazetteer.Gazetteer`)."""

    names: Sequence[str]

    def find(self, text: str, *, any_case: bool = False) -> list[NameMatch]:
        """Return the names in a text in order of position, the longest where they overlap."""


class GraphQAReader:
    """Answers questions from the facts of a store.

    Args:
        facts: the typed facts.
        schema: the predicates, with the nouns and patterns that ask for them.
        finder: finds known names in a question; the facts' own gazetteer by default.
        hidden: ids of documents whose facts are ignored in every question.
    """

    def __init__(
        self,
        facts: FactIndex,
        schema: PredicateSchema,
        finder: NameFinder | None = None,
        hidden: frozenset[str] = NO_DOCUMENTS,
    ) -> None:
        self._facts, self._hidden = facts, hidden
        self._schema = schema
        self._finder: NameFinder = finder or facts.gazetteer
        self._parser = QuestionParser(schema)

    def answer(
        self, question: str, lookup: FactLookupFn | None = None, hidden: frozenset[str] = NO_DOCUMENTS
    ) -> list[GraphAnswer]:
        """Return answers, best first; empty if the facts do not cover the question.

        Args:
            question: in English or Chinese.
            lookup: called for missing steps if the facts give no answer and the question takes more than one step.
            hidden: ids of documents whose facts are ignored.
        """
        hidden |= self._hidden
        answers = self._find_answers(question, PathExecutor(self._facts, self._schema, hidden=hidden))
        if not asks_for_value(question):
            answers = [a for a in answers if all(t.found_by != STRUCTURE for t in a.path.triples)]
        if not answers:
            answers = self._look_up(question, hidden)
        if not answers and lookup is not None:
            answers = self._find_answers(question, PathExecutor(self._facts, self._schema, lookup, hidden), min_steps=2)
        return _deduplicate(answers)[:5]

    def _look_up(self, question: str, hidden: frozenset[str]) -> list[GraphAnswer]:
        """Return what the structure of a document states about an identifier in the question."""
        text = to_simplified(question)
        names = [
            (self._finder.names[match.name], text[match.start : match.end])
            for match in self._finder.find(text, any_case=has_cjk(text))
        ]
        return look_up(text, names, self._facts, self._schema, hidden)

    def is_comparison(self, question: str) -> bool:
        """Whether a question compares two known names: which was first, or whether both share an attribute."""
        text, matches = self._find_names(question)
        return self._comparison_reader(PathExecutor(self._facts, self._schema)).is_comparison(text, matches)

    def _find_names(self, question: str) -> tuple[str, list[NameMatch]]:
        """Return the question without its preamble, and the names in it."""
        text = strip_preamble(to_simplified(question))
        matches = self._finder.find(text)
        return text, [
            strip_possessive(f, text) for f in matches if self._finder.names[f.name] not in self._parser.reserved_words
        ]

    def _comparison_reader(self, executor: PathExecutor) -> ComparisonReader:
        return ComparisonReader(self._schema, executor, self._parser, self._finder.names)

    def _find_answers(self, question: str, executor: PathExecutor, min_steps: int = 1) -> list[GraphAnswer]:
        """Return the answers of comparisons, or else of paths with at least ``min_steps`` steps."""
        text, matches = self._find_names(question)
        answers = self._comparison_reader(executor).answer(text, matches)
        if not answers:
            for match in sorted(matches, key=lambda f: f.start - f.end):
                answers += self._answers_from_name(text, match, executor, min_steps)
        return answers

    def parse(self, question: str) -> list[RelationPath]:
        """Return the possible readings of a question: each name with the chain of predicates asked for."""
        text, matches = self._find_names(question)
        return [
            RelationPath(text[match.start : match.end], tuple(steps))
            for match in sorted(matches, key=lambda f: f.start - f.end)
            for steps in self._relation_chains(text, match)[0]
        ]

    def decompose(
        self, question: str, lookup: FactLookupFn | None = None, hidden: frozenset[str] = NO_DOCUMENTS
    ) -> list[DecomposedQuestion]:
        """Replace the part of a question that the predicates cover by its answer, if they do not cover the whole.

        Returns the rewritten questions, most confident first; empty if the facts and ``lookup`` do not know the part. The
        arguments are those of `answer`.
        """
        if self.parse(question):
            return []
        text, matches = self._find_names(question)
        executor = PathExecutor(self._facts, self._schema, lookup, hidden | self._hidden)
        for match in sorted(matches, key=lambda f: f.start - f.end):
            steps, rest = self._parser.split_innermost(mask_entity(text, match))
            if steps:
                ends = executor.follow(self._finder.names[match.name], steps)
                parts = _deduplicate(
                    [self._answer_from_path(executor, path, steps[-1], "country", 1.0) for path in ends]
                )
                return [
                    DecomposedQuestion(fill_template(rest + ("？" if has_cjk(rest) else "?"), X=part.text), part)
                    for part in parts
                ]
        return []

    def _relation_chains(self, text: str, match: NameMatch) -> tuple[list[list[str]], float]:
        """Return the predicate chains that a question may ask for from a name, and the confidence of this reading."""
        chain, final_predicates, confidence = self._parser.parse_relation_path(mask_entity(text, match))
        chains = [[*chain, step] for step in final_predicates] if final_predicates else [chain]
        return [steps for steps in chains if steps], confidence

    def _answers_from_name(
        self, text: str, match: NameMatch, executor: PathExecutor, min_steps: int
    ) -> list[GraphAnswer]:
        """Return the answers that paths from one name give."""
        chains, confidence = self._relation_chains(text, match)
        confidence *= PARTIAL_LIST_CONFIDENCE if _ASKS_FOR_SEVERAL.search(text) else 1.0
        answers = []
        for steps in chains:
            if len(steps) >= min_steps:
                for path in executor.follow(self._finder.names[match.name], steps):
                    answers.append(self._answer_from_path(executor, path, steps[-1], text, confidence))
        return answers

    def _answer_from_path(
        self, executor: PathExecutor, path: PartialPath, predicate: str, text: str, factor: float
    ) -> GraphAnswer:
        """Build the answer at the end of a path; name a country as such if the question asks for a country."""
        confidence = max(0.01, min(1.0, path.confidence * factor))
        value = executor.name(path.nodes[-1])
        if self._facts.title(path.nodes[-1]):
            value = strip_disambiguation(value)
        if self._schema.predicates[predicate].value == "COUNTRY" and re.search(
            r"\bcountry\b|国家", text, re.IGNORECASE
        ):
            value = self._schema.countries.get(value.lower(), value) if not has_cjk(value) else value
        return GraphAnswer(value, executor.path(path), confidence)


def _deduplicate(answers: Sequence[GraphAnswer]) -> list[GraphAnswer]:
    """Return each distinct answer once, with its most confident path, most confident first."""
    best: dict[str, GraphAnswer] = {}
    for answer in sorted(answers, key=lambda a: -a.confidence):
        best.setdefault(normalize_name(answer.text), answer)
    return list(best.values())
