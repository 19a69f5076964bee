"""Load user questions from a file, with passages of their own or with the store's as evidence.

There are two formats, both JSON lines: that of `kgrag.question_sets` (``_id, text, answers, gold``), whose evidence
comes from the store, and rows with ``passages`` (a list of ``{title, text, gold}``), which need no store.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kgrag.errors import ReadError, UsageError
from kgrag.factuality.experiment.conditions import mentions_answer
from kgrag.question_sets import load_questions
from kgrag.storage.text_files import open_text_file
from kgrag.text import content_words
from kgrag.tune.data.synthetic_questions import seeded_digest
from kgrag.types import Hit, Passage

MAX_SHOWN_PASSAGES = 8
"""Maximum number of shown passages."""
SearchPassages = Callable[[str, int], list[Hit]]


@dataclass(frozen=True)
class UserQuestion:
    """A question with accepted ``answers``, ``gold`` passages, and a function for others, which may need a search."""

    id: str
    text: str
    answers: tuple[str, ...]
    gold: tuple[Hit, ...]
    other_passages: Callable[[], list[Hit]]

    @property
    def documents(self) -> tuple[str, ...]:
        """Return the gold documents, each once."""
        return tuple(dict.fromkeys(hit.passage.document_id for hit in self.gold))


def load_user_questions(
    path: Path, search: SearchPassages | None, gold_passages: Callable[[Any], list[Hit]] | None, skipped: Counter[str]
) -> list[UserQuestion]:
    """Load the questions of a file that have answers and evidence.

    Args:
        path: jsonl or jsonl.gz, in either format.
        search: retrieves passages of the store for a question; None without a store.
        gold_passages: returns the passages of a question's gold documents; None without a store.
        skipped: counts the questions that are left out, by reason.

    Raises:
        UsageError: there is no such file, no question has an answer, or the questions need a store.
        ReadError: a line is not a question.
    """
    if not path.is_file():
        raise UsageError(f"Expected a file of questions at {path}, found none: check the path.")
    rows = list(read_numbered_rows(path)) if _has_passages(path) else None
    if rows is None and (search is None or gold_passages is None):
        raise UsageError(f"The questions of {path} have no passages, so they need a store: pass it with --store.")
    questions = []
    if rows is not None:
        questions = [_question_with_passages(path, number, row) for number, row in rows]
    elif search is not None and gold_passages is not None:
        questions = [_question_from_store(q, search, gold_passages) for q in load_questions(path, worded=False)]
    answerable = [q for q in questions if q.answers]
    if not answerable:
        raise UsageError(
            f"None of the {len(questions)} questions of {path} has an answer to learn from: "
            'add "answers" to them, or leave the file out to generate questions from the store.'
        )
    if len(answerable) < len(questions):
        skipped["a question without an answer"] += len(questions) - len(answerable)
    worded = [q for q in answerable if q.text.strip()]
    if len(worded) < len(answerable):
        skipped["an answer without a question"] += len(answerable) - len(worded)
    return worded


def _has_passages(path: Path) -> bool:
    _, first = next(read_numbered_rows(path), (0, {}))
    return isinstance(first, dict) and "passages" in first


def read_numbered_rows(path: Path) -> Iterator[tuple[int, Any]]:
    """Yield (line number, object) of a file of JSON lines, gzip or plain.

    Raises:
        ReadError: the file cannot be read to its end, or a line is not JSON.
    """
    try:
        with open_text_file(path) as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    try:
                        yield number, json.loads(line)
                    except ValueError as error:
                        raise ReadError(
                            f"{path}, line {number}: expected a JSON object, found another value ({error}): fix that line."
                        ) from error
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise ReadError(
            f"{path} could not be read to its end ({error}): check the path, or copy the file again."
        ) from error


def _question_with_passages(path: Path, number: int, row: Any) -> UserQuestion:
    try:
        hits = [_standalone_hit(p["title"], p["text"]) for p in row["passages"]]
        is_gold_flags = [bool(p.get("gold")) for p in row["passages"]]
        answers = tuple(str(a) for a in row.get("answers", ()) if str(a).strip())
        gold = tuple(hit for hit, is_gold in zip(hits, is_gold_flags, strict=True) if is_gold)
        others = [hit for hit, is_gold in zip(hits, is_gold_flags, strict=True) if not is_gold]
        return UserQuestion(str(row.get("_id", number)), str(row["text"]), answers, gold, lambda: others)
    except (KeyError, TypeError, AttributeError) as error:
        raise ReadError(
            f'{path}, line {number}: expected a JSON object with "text", "answers" and "passages" (each with "title", "text" '
            f'and "gold"; {type(error).__name__}: {error}); fix that line.'
        ) from error


def _standalone_hit(title: Any, text: Any) -> Hit:
    """Return a passage that belongs to no store; a digest of its content is the document's id."""
    if not isinstance(title, str) or not isinstance(text, str):
        raise TypeError("title and text must be strings")
    document = f"{seeded_digest(title, text):064x}"[:16]
    return Hit(Passage(f"{document}#0001", document, text, 0, len(text)), title, "", 1.0, 1)


def _question_from_store(question: Any, search: SearchPassages, gold: Callable[[Any], list[Hit]]) -> UserQuestion:
    return UserQuestion(
        question.id,
        question.text,
        question.answers,
        tuple(gold(question)),
        lambda: search(question.text, MAX_SHOWN_PASSAGES + 8),
    )


def infer_gold_passages(questions: Sequence[UserQuestion]) -> list[UserQuestion]:
    """Return the questions with gold passages; unknown ones are inferred from the other passages.

    Inferred gold passages contain an answer and share the most words with the question.
    """
    completed_questions = []
    for question in questions:
        if not question.gold:
            hits = question.other_passages()
            answer_hits = [
                h
                for h in hits[:MAX_SHOWN_PASSAGES]
                if any(mentions_answer(a, h.passage.text) for a in question.answers)
            ]
            question_words = {*content_words(question.text)}
            shared_counts = [len(question_words & {*content_words(f"{h.title} {h.passage.text}")}) for h in answer_hits]
            gold = tuple(h for h, words in zip(answer_hits, shared_counts, strict=True) if words == max(shared_counts))
            question = replace(question, gold=gold[:3], other_passages=_constant_hits(hits))
        completed_questions.append(question)
    return completed_questions


def _constant_hits(hits: list[Hit]) -> Callable[[], list[Hit]]:
    return lambda: hits
