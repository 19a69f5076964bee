"""The conditions of the experiment: questions as they are, without their evidence, and with evidence that was edited.

Nothing is written to the store: evidence is taken out of what a retriever brings, or edited there.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from kgrag.dates import date
from kgrag.evaluate.metrics import answer_tokens
from kgrag.quantities import quantity
from kgrag.text import is_cjk
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
class Case:
    """A question under a condition.

    ``accepted`` is what is right under it; ``hidden`` are the documents that are out of view; ``edit`` is what was done
    to the evidence; ``made`` says that the condition was made here, not found in the file.
    """

    question: Question
    condition: Condition
    accepted: tuple[str, ...]
    hidden: frozenset[str] = frozenset()
    edit: Edit | None = None
    made: bool = False

    @property
    def id(self) -> str:
        """The question's id and the condition."""
        return f"{self.question.id}/{self.condition.value}"


def cases(questions: Sequence[Question], conditions: Sequence[Condition], seed: int = 0) -> list[Case]:
    """Every question under every condition that it can be put under, in the order of the questions.

    A question without answers is unanswerable as it is. The others are made so by hiding their gold documents, if they
    have any. Counterfactual are those whose answer can be exchanged for another's; see `exchange`.
    """
    found = []
    for question in questions:
        if not question.answers:
            if Condition.UNANSWERABLE in conditions:
                found.append(Case(question, Condition.UNANSWERABLE, ()))
            continue
        if Condition.ANSWERABLE in conditions:
            found.append(Case(question, Condition.ANSWERABLE, question.answers))
        if Condition.UNANSWERABLE in conditions and question.gold:
            hidden = frozenset(question.gold)
            found.append(Case(question, Condition.UNANSWERABLE, question.answers, hidden, made=True))
        if Condition.COUNTERFACTUAL in conditions and question.gold:
            edit = exchange(question, questions, seed)
            if edit is not None:
                found.append(Case(question, Condition.COUNTERFACTUAL, (edit.new,), edit=edit, made=True))
    return found


def exchange(question: Question, others: Sequence[Question], seed: int = 0) -> Edit | None:
    """The answer's place in the evidence, for another answer of its kind; None where that cannot be done.

    It cannot for yes and no, for answers that stand in the question itself (to edit them would be to ask something
    else), and where no other question has an answer of the kind.
    """
    old = question.answers[0]
    sort = kind(question, old)
    if sort == "yes or no" or spoken(old, question.text):
        return None
    known = {" ".join(answer_tokens(a)) for a in question.answers}
    pool = sorted(
        {
            other.answers[0]
            for other in others
            if other.answers
            and other.lang == question.lang
            and kind(other, other.answers[0]) == sort
            and " ".join(answer_tokens(other.answers[0])) not in known
            and not spoken(other.answers[0], question.text)
        }
    )
    if not pool:
        return None
    digest = hashlib.sha256(f"{seed}/{question.id}/{question.text}".encode("utf-8", "surrogatepass")).digest()
    return Edit(
        tuple(sorted(question.answers, key=len, reverse=True)), pool[int.from_bytes(digest[:8], "big") % len(pool)]
    )


_ASKED = {
    "who": r"\bwho(?:m|se)?\b|谁|哪位|哪个人|何人|什么人",
    "where": r"\bwhere\b|\b(?:city|country|place|town|state|county|continent)\b|哪里|哪儿|何处|哪个(?:国家|城市|省)|哪国|什么地方",
    "when": r"\bwhen\b|\byear\b|\bdate\b|哪年|哪一年|何时|什么时候|几月",
}


_NOUN = re.compile(
    r"\b(?:which|what) (?!is\b|was\b|are\b|were\b|did\b|does\b|do\b|has\b|had\b|city\b|country\b|place\b|town\b|state\b|year\b|date\b)(\w+)"
)
_SCHOOL = re.compile(r"\b(?:stud(?:y|ied)|educated|graduated?|work(?:s|ed)?)\b|毕业|就读|任教|工作")
"""Where somebody learned or worked is no town."""


def kind(question: Question, answer: str) -> str:
    """What sort of thing an answer is: a date as exact, a number, yes or no, or a name by the word that asks for it."""
    text = " ".join(answer_tokens(answer))
    if text in {"yes", "no", "是", "不 是", "否"}:
        return "yes or no"
    if day := date(answer):
        return f"date {len(day)}"
    if (size := quantity(answer)) is not None:
        return f"number {size.unit}"
    if text.replace(" ", "").isdigit():
        return "number"
    asked = _asked(question.text.lower())
    return (
        f"{asked} {'zh' if is_cjk(answer) else 'en'} {min(len(answer_tokens(answer)), 4) if asked == 'other' else ''}"
    )


def _asked(text: str) -> str:
    """What a question asks for, by the first of its words that asks: "which film has the director who ..." asks for a film."""
    found = [(match.start(), name) for name, find in _ASKED.items() if (match := re.search(find, text))]
    if noun := _NOUN.search(text):
        found.append((noun.start(), noun[1]))
    asked = min(found, default=(0, "other"))[1]
    return "school" if asked == "where" and _SCHOOL.search(text) else asked


def spoken(answer: str, text: str) -> bool:
    """Whether a text says an answer: word for word, or the same date written otherwise."""
    part, whole = answer_tokens(answer), answer_tokens(text)
    if part and any(whole[n : n + len(part)] == part for n in range(len(whole) - len(part) + 1)):
        return True
    day = date(answer)
    if len(day) < 7:
        return False  # a year is written in one way
    width = 12 if is_cjk(text) else 4  # 1912年12月23日 is a token for each character and number
    spans = (whole[n : n + size] for n in range(len(whole)) for size in range(2, width + 1))
    return any(date(" ".join(span)).startswith(day) for span in spans)


def by_way(path: Path, documents: frozenset[str]) -> bool:
    """Whether a path rests on a sentence of one of some documents; a passage's id begins with its document's."""
    return any(triple.passage_id.rpartition("#")[0] in documents for triple in path.triples)


def edited(text: str, edit: Edit) -> str:
    """A text with an edit made, as whole words, capitals alike or not."""
    for old in edit.old:
        edge = ("", "") if is_cjk(old) else (r"(?<!\w)", r"(?!\w)")
        text = re.sub(edge[0] + re.escape(old) + edge[1], lambda _: edit.new, text, flags=re.IGNORECASE)
    return text


def seen(hits: Sequence[Hit], case: Case) -> list[Hit]:
    """What is left of hits in a case's view, ranked anew: without hidden documents and paths by way of them, and edited.

    The offsets of an edited passage are those of its edited text, from where the passage begins.
    """
    kept: list[Hit] = []
    for hit in hits:
        if hit.passage.document_id in case.hidden:
            continue
        if case.hidden:
            hit = replace(hit, paths=tuple(path for path in hit.paths if not by_way(path, case.hidden)))
        if case.edit is not None:
            text = edited(hit.passage.text, case.edit)
            if text != hit.passage.text:
                passage = replace(hit.passage, text=text, end=hit.passage.start + len(text))
                hit = replace(hit, passage=passage, paths=())  # the paths cite sentences that are no longer there
            hit = replace(hit, title=edited(hit.title, case.edit))
        kept.append(replace(hit, rank=len(kept) + 1))
    return kept
