"""The conditions of the experiment: questions as they are, without their evidence, and with evidence that was edited.

Nothing is written to the store: evidence is taken out of what a retriever brings, or edited there.
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
from kgrag.text.quantities import parse_quantity
from kgrag.types import Hit, Path, Question


class Condition(StrEnum):
    """What was done to a question's evidence."""

    ANSWERABLE = "answerable"
    UNANSWERABLE = "unanswerable"
    COUNTERFACTUAL = "counterfactual"


@dataclass(frozen=True, slots=True)
class Edit:
    """Each of ``old``, which all say the same, is replaced by ``new`` wherever evidence says it."""

    old: tuple[str, ...]
    new: str


@dataclass(frozen=True, slots=True)
class EvalCase:
    """A question under a condition.

    ``accepted`` is what is right under it; ``hidden`` are the documents that are out of view; ``edit`` is what was done
    to the evidence; ``made`` says that the condition was made here, not found in the file.
    """

    question: Question
    condition: Condition
    accepted: tuple[str, ...]
    hidden: frozenset[str] = frozenset()
    edit: Edit | None = None
    is_synthetic: bool = False

    @property
    def id(self) -> str:
        """The question's id and the condition."""
        return f"{self.question.id}/{self.condition.value}"


def make_cases(questions: Sequence[Question], conditions: Sequence[Condition], seed: int = 0) -> list[EvalCase]:
    """Every question under every condition that it can be put under, in the order of the questions.

    A question without answers is unanswerable as it is. The others are made so by hiding their gold documents, if they
    have any. Counterfactual are those whose answer can be exchanged for another's; see `exchange`.
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
    """The answer's place in the evidence, for another answer of its kind; None where that cannot be done.

    It cannot for yes and no, for answers that stand in the question itself (to edit them would be to ask something
    else), and where no other question has an answer of the kind.
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
"""Where somebody learned or worked is no town."""


def answer_type(question: Question, answer: str) -> str:
    """What sort of thing an answer is: a date as exact, a number, yes or no, or a name by the word that asks for it."""
    text = " ".join(answer_tokens(answer))
    if text in {"yes", "no", "是", "不 是", "否"}:
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
    """What a question asks for, by the first of its words that asks: "which film has the director who ..." asks for a film."""
    matches = [
        (match.start(), name) for name, pattern in _QUESTION_WORDS.items() if (match := re.search(pattern, text))
    ]
    if noun := _ASKED_NOUN.search(text):
        matches.append((noun.start(), noun[1]))
    question_type = min(matches, default=(0, "other"))[1]
    return "school" if question_type == "where" and _SCHOOL_VERBS.search(text) else question_type


def mentions_answer(answer: str, text: str) -> bool:
    """Whether a text says an answer: word for word, or the same date written otherwise."""
    answer_words, text_words = answer_tokens(answer), answer_tokens(text)
    if answer_words and any(
        text_words[n : n + len(answer_words)] == answer_words for n in range(len(text_words) - len(answer_words) + 1)
    ):
        return True
    day = normalize_date(answer)
    if len(day) < 7:
        return False  # a year is written in one way
    width = 12 if has_cjk(text) else 4  # 1912年12月23日 is a token for each character and number
    spans = (text_words[n : n + size] for n in range(len(text_words)) for size in range(2, width + 1))
    return any(normalize_date(" ".join(span)).startswith(day) for span in spans)


def path_uses(path: Path, documents: frozenset[str]) -> bool:
    """Whether a path rests on a sentence of one of some documents; a passage's id begins with its document's."""
    return any(triple.passage_id.rpartition("#")[0] in documents for triple in path.triples)


def apply_edit(text: str, edit: Edit) -> str:
    """A text with an edit made, as whole words, capitals alike or not."""
    for old in edit.old:
        boundary = ("", "") if has_cjk(old) else (r"(?<!\w)", r"(?!\w)")
        text = re.sub(boundary[0] + re.escape(old) + boundary[1], lambda _: edit.new, text, flags=re.IGNORECASE)
    return text


def apply_condition(hits: Sequence[Hit], case: EvalCase) -> list[Hit]:
    """What is left of hits in a case's view, ranked anew: without hidden documents and paths by way of them, and edited.

    The offsets of an edited passage are those of its edited text, from where the passage begins.
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
                hit = replace(hit, passage=passage, paths=())  # the paths cite sentences that are no longer there
            hit = replace(hit, title=apply_edit(hit.title, case.edit))
        visible.append(replace(hit, rank=len(visible) + 1))
    return visible
