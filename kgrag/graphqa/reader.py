"""Answers read off typed facts, and silence where neither they nor what is looked up covers the question."""

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
from kgrag.graphqa.traversal import FactLookupFn, GraphAnswer, PartialPath, PathExecutor
from kgrag.text import has_cjk, normalize_name, strip_disambiguation, to_simplified

PARTIAL_LIST_CONFIDENCE = 0.45
"""How sure a single fact can make an answer to a question for several: it is a hint."""
_ASKS_FOR_SEVERAL = re.compile(
    r"哪[两二三四五六几]|哪些|\b(?:which|what) (?:two|three|four|five|several)\b", re.IGNORECASE
)


class NameFinder(Protocol):
    """Finds known names in a text (`graphs.gazetteer.Gazetteer`)."""

    names: Sequence[str]

    def find(self, text: str, *, any_case: bool = False) -> list[NameMatch]:
        """The names in a text, ordered by place, longest first where they overlap."""


class GraphQAReader:
    """Reads answers off the facts of a store.

    Args:
        facts: the typed facts.
        vocabulary: the predicates and the words that ask for them.
        finder: finds the names that ``facts`` knows in a question; by default their own gazetteer.
    """

    def __init__(self, facts: FactIndex, vocabulary: PredicateSchema, finder: NameFinder | None = None) -> None:
        self._facts = facts
        self._vocabulary = vocabulary
        self._finder: NameFinder = finder or facts.gazetteer
        self._parser = QuestionParser(vocabulary)

    def answer(
        self, question: str, lookup: FactLookupFn | None = None, hidden: frozenset[str] = NO_DOCUMENTS
    ) -> list[GraphAnswer]:
        """Answers, best first; none where the facts do not cover what is asked.

        Args:
            question: in English or Chinese.
            lookup: asked for the steps that the facts lack, where they give no answer and the question takes more than one.
            hidden: documents whose facts are out of view.
        """
        answers = self._find_answers(question, PathExecutor(self._facts, self._vocabulary, hidden=hidden))
        if not answers and lookup is not None:
            answers = self._find_answers(
                question, PathExecutor(self._facts, self._vocabulary, lookup, hidden), min_steps=2
            )
        return _deduplicate(answers)[:5]

    def is_comparison(self, question: str) -> bool:
        """Whether a question sets two names that the facts know side by side: it asks which was first, or if they have the same."""
        text, matches = self._find_names(question)
        return self._comparison_reader(PathExecutor(self._facts, self._vocabulary)).is_comparison(text, matches)

    def _find_names(self, question: str) -> tuple[str, list[NameMatch]]:
        """A question without its frame, and the names in it."""
        text = strip_preamble(to_simplified(question))
        matches = self._finder.find(text)
        return text, [
            strip_possessive(f, text) for f in matches if self._finder.names[f.name] not in self._parser.reserved_words
        ]

    def _comparison_reader(self, walker: PathExecutor) -> ComparisonReader:
        return ComparisonReader(self._vocabulary, walker, self._parser, self._finder.names)

    def _find_answers(self, question: str, walker: PathExecutor, min_steps: int = 1) -> list[GraphAnswer]:
        """What walks of ``least`` steps or more give, or two of any number side by side."""
        text, matches = self._find_names(question)
        answers = self._comparison_reader(walker).answer(text, matches)
        if not answers:
            for match in sorted(matches, key=lambda f: f.start - f.end):
                answers += self._answers_from_name(text, match, walker, min_steps)
        return answers

    def parse(self, question: str) -> list[RelationPath]:
        """What a question may ask for: the steps from each name that it asks of, in the words of the vocabulary."""
        text, matches = self._find_names(question)
        return [
            RelationPath(text[match.start : match.end], tuple(steps))
            for match in sorted(matches, key=lambda f: f.start - f.end)
            for steps in self._relation_chains(text, match)[0]
        ]

    def decompose(
        self, question: str, lookup: FactLookupFn | None = None, hidden: frozenset[str] = NO_DOCUMENTS
    ) -> list[DecomposedQuestion]:
        """A question that the vocabulary has no words for as a whole, with a part of it put in that it has words for; surest
        first, none where the facts or ``lookup`` do not know that part. The arguments are those of `read`."""
        if self.parse(question):
            return []
        text, matches = self._find_names(question)
        walker = PathExecutor(self._facts, self._vocabulary, lookup, hidden)
        for match in sorted(matches, key=lambda f: f.start - f.end):
            steps, rest = self._parser.split_innermost(mask_entity(text, match))
            if steps:
                ends = walker.follow(self._finder.names[match.name], steps)
                parts = _deduplicate([self._answer_from_path(walker, walk, steps[-1], "country", 1.0) for walk in ends])
                return [
                    DecomposedQuestion(fill_template(rest + ("？" if has_cjk(rest) else "?"), X=part.text), part)
                    for part in parts
                ]
        return []

    def _relation_chains(self, text: str, match: NameMatch) -> tuple[list[list[str]], float]:
        """The steps that a question may ask for from a name outward, and how sure; none where it asks for something else."""
        chain, final_predicates, confidence = self._parser.parse_relation_path(mask_entity(text, match))
        chains = [[*chain, step] for step in final_predicates] if final_predicates else [chain]
        return [steps for steps in chains if steps], confidence

    def _answers_from_name(
        self, text: str, match: NameMatch, walker: PathExecutor, min_steps: int
    ) -> list[GraphAnswer]:
        chains, confidence = self._relation_chains(text, match)
        confidence *= PARTIAL_LIST_CONFIDENCE if _ASKS_FOR_SEVERAL.search(text) else 1.0
        answers = []
        for steps in chains:
            if len(steps) >= min_steps:
                for walk in walker.follow(self._finder.names[match.name], steps):
                    answers.append(self._answer_from_path(walker, walk, steps[-1], text, confidence))
        return answers

    def _answer_from_path(
        self, walker: PathExecutor, walk: PartialPath, predicate: str, text: str, factor: float
    ) -> GraphAnswer:
        confidence = max(0.01, min(1.0, walk.confidence * factor))
        value = walker.name(walk.nodes[-1])
        if self._facts.title(walk.nodes[-1]):
            value = strip_disambiguation(value)
        if self._vocabulary.predicates[predicate].value == "COUNTRY" and re.search(
            r"\bcountry\b|国家", text, re.IGNORECASE
        ):
            value = self._vocabulary.countries.get(value.lower(), value) if not has_cjk(value) else value
        return GraphAnswer(value, walker.path(walk), confidence)


def _deduplicate(answers: Sequence[GraphAnswer]) -> list[GraphAnswer]:
    """Each answer once, by its surest walk, the surest first."""
    best: dict[str, GraphAnswer] = {}
    for answer in sorted(answers, key=lambda a: -a.confidence):
        best.setdefault(normalize_name(answer.text), answer)
    return list(best.values())
