"""Make a right answer wrong by a single change: of a number, a name, an option or a negation."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from kgrag.dev.benchmarks.manuals.negation import negate, reverse_yes_no
from kgrag.dev.benchmarks.manuals.questions import ManualQuestion
from kgrag.text import sentence_spans

ALTERATION_KINDS = ("number", "name", "option", "negation")
NUMBER_WORDS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_NUMBER = re.compile(
    r"(?<![\w.,$/\\^:-])\d+(?:[.:]\d+)*(?![\w/]|[.,:-]\w)"  # alone
    r"|(?<![\w$/])\d+(?=(?:[KMG]i?B|ms|s)\b)"  # with its unit
    r"|(?<=[\u3400-\u9fff])\d+"
    rf"|\b(?:{'|'.join(NUMBER_WORDS)})\b",
    re.IGNORECASE,
)
_LIST_NUMBER = re.compile(r"(?<!\S)\d+\)")
_OPTIONS = (
    re.compile(r"(?<![\w-])--[A-Za-z][\w-]+"),
    re.compile(r"(?<![\w-])-[A-Za-z](?![\w-])"),
    re.compile(r"(?<![\w-])-[A-Za-z]{2,}(?![\w-])"),
)
_NAMES = (
    re.compile(r"(?<![\w.~])(?:/(?!dev/)[A-Za-z][\w.+-]*\w){2,}/?(?!\w)"),  # path; devices are examples
    re.compile(r"\\[A-Za-z]{2,}"),  # macro
    re.compile(r"(?<![\w/.-])[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+(?!\w)"),  # CONSTANT_NAME
    re.compile(r"(?<![\w/.\\-])[a-z][a-z0-9]*(?:_[a-z0-9]+)+(?!\w|\.\w)"),  # snake_case
    re.compile(r"(?<![\w/.\\-])[a-z]{2,}(?:\.(?!(?:csv|db|gz|img|txt)\b)[A-Za-z]{2,})+(?![\w/])"),  # dotted.name
    re.compile(r"(?<=\bgit )[a-z]+(?:-[a-z]+)*"),  # subcommand
    re.compile(r"(?<![\w/.\\-])[A-Z]{3,}(?![\w-])"),  # KEYWORD
    re.compile(r"(?<![\w/.\\-])[A-Za-z]+[a-z][A-Z][A-Za-z]+(?!\w)"),  # camelCase
)
"""Shapes of names and identifiers; a name is only replaced by one of its shape. Names of example files are left alone."""
MAX_CONTEXT = 12
"""Characters on each side of a change that identify it in an answer."""


@dataclass(frozen=True, slots=True)
class Alteration:
    """A wrong answer.

    Attributes:
        kind: one of `ALTERATION_KINDS`.
        text: the whole altered answer.
        original_words: the changed words, with a neighbour on each side, before the change.
        altered_words: the same after the change.
    """

    kind: str
    text: str
    original_words: str
    altered_words: str


class Replacement(NamedTuple):
    """A span of a text, and its replacement."""

    start: int
    end: int
    text: str


class AnswerAlterer:
    """Alters the reference answers of a question set; names and options come from other answers of the same corpus."""

    def __init__(self, questions: Sequence[ManualQuestion]) -> None:
        self._answers_by_corpus: dict[str, list[str]] = {}
        for question in questions:
            if question.is_answerable:
                self._answers_by_corpus.setdefault(question.corpus, []).append(question.answer)

    def alter(self, question: ManualQuestion) -> list[Alteration]:
        """Return one alteration of each kind that applies; none of an unanswerable question.

        Words of the question stay as they are.
        """
        if not question.is_answerable:
            return []
        replacements = {
            "number": self._replace_number(question),
            "name": self._replace_by_shape(question, _NAMES),
            "option": self._replace_by_shape(question, _OPTIONS),
            "negation": self._negate(question),
        }
        return [_alteration(kind, question.answer, found) for kind, found in replacements.items() if found]

    def _replace_number(self, question: ManualQuestion) -> Replacement | None:
        asked = set(re.findall(r"\d+(?:[.:]\d+)*|[a-z]+", question.text.lower()))
        list_numbers = {match.start() for match in _LIST_NUMBER.finditer(question.answer)}
        for match in _NUMBER.finditer(question.answer):
            if match.start() in list_numbers or match.group().lower() in asked:
                continue
            other = _other_number(match.group())
            if other not in asked and not _is_accepted(question, other):
                return Replacement(match.start(), match.end(), other)
        return None

    def _replace_by_shape(self, question: ManualQuestion, shapes: Iterable[re.Pattern[str]]) -> Replacement | None:
        """Return the first name of any shape, replaced by the next name of this shape in the other answers."""
        known = f"{question.text} {question.answer}".casefold()
        for shape in shapes:
            others = [
                name
                for answer in self._rotated_answers(question)
                for name in shape.findall(answer)
                if name.casefold() not in known and not _is_accepted(question, name)
            ]
            for match in shape.finditer(question.answer):
                if others and match.group().casefold() not in question.text.casefold():
                    return Replacement(match.start(), match.end(), others[0])
        return None

    def _rotated_answers(self, question: ManualQuestion) -> list[str]:
        """Return the other answers of the question's corpus, those after its own first."""
        answers = self._answers_by_corpus[question.corpus]
        place = answers.index(question.answer)
        return answers[place + 1 :] + answers[:place]

    def _negate(self, question: ManualQuestion) -> Replacement | None:
        spans = sentence_spans(question.answer)
        for change_statement in (negate, reverse_yes_no):
            for start, end in spans:
                if change := change_statement(question.answer[start:end]):
                    return Replacement(start + change[0], start + change[1], change[2])
        return None


def _other_number(number: str) -> str:
    """Return another number of the same form: another first digit, or the next number word."""
    if not number[0].isdigit():
        words = [*NUMBER_WORDS, NUMBER_WORDS[-2]]
        other = words[words.index(number.lower()) + 1]
        return other.capitalize() if number[0].isupper() else other
    return ("8" if number[0] == "9" else str(int(number[0]) + 1)) + number[1:]


def _is_accepted(question: ManualQuestion, text: str) -> bool:
    """Whether a form of a nugget has a text as a word, so that an answer with it may be right."""
    word = re.compile(rf"(?<!\w){re.escape(text)}(?!\w)", re.IGNORECASE)
    return any(word.search(form) for forms in question.nuggets for form in forms)


def _alteration(kind: str, answer: str, change: Replacement) -> Alteration:
    # the pipeline may keep a statement without its neighbours, so the context ends with the statement
    start, end = next(span for span in sentence_spans(answer) if span[0] <= change.start < span[1])
    before, after = answer[start : change.start], answer[change.end : max(end, change.end)]
    left, right = re.search(r"(?:\S+\s+)?\S*\Z", before), re.match(r"\S*(?:\s+\S+)?", after)
    context = (left.group()[-MAX_CONTEXT:] if left else "", right.group()[:MAX_CONTEXT] if right else "")
    original, altered = (
        f"{context[0]}{middle}{context[1]}" for middle in (answer[change.start : change.end], change.text)
    )
    return Alteration(kind, answer[: change.start] + change.text + answer[change.end :], original, altered)
