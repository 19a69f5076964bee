"""Conditions of the experiment: questions as they are, with hidden evidence, and with edited evidence.

The store is not changed: passages are hidden or edited after retrieval.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from kgrag.metrics.answers import answer_tokens
from kgrag.text import has_cjk
from kgrag.text.dates import normalize_date
from kgrag.text.polarity import YES_NO_WORDS
from kgrag.text.quantities import parse_quantity
from kgrag.types import Hit, Path, Question


class Condition(StrEnum):
    """The treatment of a question's evidence."""

    ANSWERABLE = "answerable"
    UNANSWERABLE = "unanswerable"
    COUNTERFACTUAL = "counterfactual"


@dataclass(frozen=True, slots=True)
class Edit:
    """A replacement in the evidence: each spelling in ``old`` becomes ``new``."""

    old: tuple[str, ...]
    new: str


@dataclass(frozen=True, slots=True)
class EvalCase:
    """A question under a condition.

    ``accepted`` are the correct answers under the condition, ``hidden`` the ids of the hidden documents, ``edit`` the
    replacement in the evidence. ``is_synthetic`` is whether the experiment created the condition; false if the question
    file has it.
    """

    question: Question
    condition: Condition
    accepted: tuple[str, ...]
    hidden: frozenset[str] = frozenset()
    edit: Edit | None = None
    is_synthetic: bool = False

    @property
    def id(self) -> str:
        """Question id and condition, joined by a slash."""
        return f"{self.question.id}/{self.condition.value}"


def make_cases(questions: Sequence[Question], conditions: Sequence[Condition], seed: int = 0) -> list[EvalCase]:
    """Return every question under every condition that applies to it, in the order of the questions.

    A question without answers is unanswerable as it is. Other questions become unanswerable when their gold documents are
    hidden, if they have any. A question is counterfactual if `counterfactual_edit` finds another answer for it.
    """
    eval_cases = []
    for question in questions:
        if not question.answers:
            if Condition.UNANSWERABLE in conditions:
                eval_cases.append(EvalCase(question, Condition.UNANSWERABLE, ()))
            continue
        if Condition.ANSWERABLE in conditions:
            eval_cases.append(EvalCase(question, Condition.ANSWERABLE, question.answers))
        if Condition.UNANSWERABLE in conditions and question.gold:
            hidden = frozenset(question.gold)
            eval_cases.append(EvalCase(question, Condition.UNANSWERABLE, question.answers, hidden, is_synthetic=True))
        if Condition.COUNTERFACTUAL in conditions and question.gold:
            edit = counterfactual_edit(question, questions, seed)
            if edit is not None:
                eval_cases.append(
                    EvalCase(question, Condition.COUNTERFACTUAL, (edit.new,), edit=edit, is_synthetic=True)
                )
    return eval_cases


def counterfactual_edit(question: Question, others: Sequence[Question], seed: int = 0) -> Edit | None:
    """Return an edit that replaces a question's answer by another answer of the same type, or None if there is none.

    There is none for yes and no, for an answer that occurs in the question itself (to edit it would change the question),
    and if no other question has an answer of the same type.
    """
    old = question.answers[0]
    old_type = answer_type(question, old)
    if old_type == "yes or no" or mentions_answer(old, question.text):
        return None
    accepted_texts = {" ".join(answer_tokens(a)) for a in question.answers}
    pool = sorted(
        {
            other.answers[0]
            for other in others
            if other.answers
            and other.lang == question.lang
            and answer_type(other, other.answers[0]) == old_type
            and " ".join(answer_tokens(other.answers[0])) not in accepted_texts
            and not mentions_answer(other.answers[0], question.text)
        }
    )
    if not pool:
        return None
    digest = hashlib.sha256(f"{seed}/{question.id}/{question.text}".encode("utf-8", "surrogatepass")).digest()
    return Edit(
        tuple(sorted(question.answers, key=len, reverse=True)), pool[int.from_bytes(digest[:8], "big") % len(pool)]
    )


_QUESTION_WORDS = {
    "who": r"\bwho(?:m|se)?\b|谁|哪位|哪个人|何人|什么人",
    "where": r"\bwhere\b|\b(?:city|country|place|town|state|county|continent)\b|哪里|哪儿|何处|哪个(?:国家|城市|省)|哪国|什么地方",
    "when": r"\bwhen\b|\byear\b|\bdate\b|哪年|哪一年|何时|什么时候|几月",
}


_ASKED_NOUN = re.compile(
    r"\b(?:which|what) (?!is\b|was\b|are\b|were\b|did\b|does\b|do\b|has\b|had\b|city\b|country\b|place\b|town\b|state\b|year\b|date\b)(\w+)"
)
_SCHOOL_VERBS = re.compile(r"\b(?:stud(?:y|ied)|educated|graduated?|work(?:s|ed)?)\b|毕业|就读|任教|工作")
"""A question where a person studied or worked asks for a school or an employer, not for a town."""


def answer_type(question: Question, answer: str) -> str:
    """Return the type of an answer: date with its precision, number, yes or no, or name by question word."""
    text = " ".join(answer_tokens(answer))
    if text in YES_NO_WORDS:
        return "yes or no"
    if day := normalize_date(answer):
        return f"date {len(day)}"
    if (size := parse_quantity(answer)) is not None:
        return f"number {size.unit}"
    if text.replace(" ", "").isdigit():
        return "number"
    question_type = _asked_type(question.text.lower())
    return f"{question_type} {'zh' if has_cjk(answer) else 'en'} {min(len(answer_tokens(answer)), 4) if question_type == 'other' else ''}"


def _asked_type(text: str) -> str:
    """Return the type that the first question word asks for: "which film has the director who ..." asks for a film."""
    matches = [
        (match.start(), name) for name, pattern in _QUESTION_WORDS.items() if (match := re.search(pattern, text))
    ]
    if noun := _ASKED_NOUN.search(text):
        matches.append((noun.start(), noun[1]))
    question_type = min(matches, default=(0, "other"))[1]
    return "school" if question_type == "where" and _SCHOOL_VERBS.search(text) else question_type


def mentions_answer(answer: str, text: str) -> bool:
    """Whether a text contains an answer, word for word or as the same date in another format."""
    answer_words, text_words = answer_tokens(answer), answer_tokens(text)
    if answer_words and any(
        text_words[n : n + len(answer_words)] == answer_words for n in range(len(text_words) - len(answer_words) + 1)
    ):
        return True
    day = normalize_date(answer)
    if len(day) < 7:
        return False  # a year has one format only
    width = 12 if has_cjk(text) else 4  # 1912年12月23日 has one token per character and number
    spans = (text_words[n : n + size] for n in range(len(text_words)) for size in range(2, width + 1))
    return any(normalize_date(" ".join(span)).startswith(day) for span in spans)


def path_uses(path: Path, documents: frozenset[str]) -> bool:
    """Whether any fact of a path is stated in one of some documents; a passage id begins with its document's id."""
    return any(triple.passage_id.rpartition("#")[0] in documents for triple in path.triples)


def apply_edit(text: str, edit: Edit) -> str:
    """Apply an edit to a text: whole words, case-insensitive."""
    for old in edit.old:
        boundary = ("", "") if has_cjk(old) else (r"(?<!\w)", r"(?!\w)")
        text = re.sub(boundary[0] + re.escape(old) + boundary[1], lambda _: edit.new, text, flags=re.IGNORECASE)
    return text


def apply_condition(hits: Sequence[Hit], case: EvalCase) -> list[Hit]:
    """Return hits without a case's hidden documents and the paths through them, edited, with new ranks.

    The offsets of an edited passage count in its edited text, from the start of the passage.
    """
    visible: list[Hit] = []
    for hit in hits:
        if hit.passage.document_id in case.hidden:
            continue
        if case.hidden:
            hit = replace(hit, paths=tuple(path for path in hit.paths if not path_uses(path, case.hidden)))
        if case.edit is not None:
            text = apply_edit(hit.passage.text, case.edit)
            if text != hit.passage.text:
                passage = replace(hit.passage, text=text, end=hit.passage.start + len(text))
                hit = replace(hit, passage=passage, paths=())  # the paths cite sentences that no longer exist
            hit = replace(hit, title=apply_edit(hit.title, case.edit))
        visible.append(replace(hit, rank=len(visible) + 1))
    return visible
