"""Load questions with gold quotes and nuggets from JSON Lines files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from kgrag.dev.benchmarks.manuals.quote_words import quote_words
from kgrag.errors import ReadError, UsageError
from kgrag.question_sets import load_questions
from kgrag.storage.text_files import open_text_file
from kgrag.types import Question

UNANSWERABLE = "unanswerable"
"""The kind of a question that the documents do not answer."""
_KEYS = frozenset(
    [
        "_id",
        "corpus",
        "lang",
        "kind",
        "text",
        "answer",
        "answers",
        "nuggets",
        "gold",
        "wrong",
        "page",
        "history",
        "cross",
    ]
)
"""Keys of a row; ``answers`` and ``cross`` are for readers."""


@dataclass(frozen=True, slots=True)
class GoldQuote:
    """A verbatim quote of a file that holds the answer; ``page`` counts from 1, None if the file has no pages."""

    file: str
    quote: str
    page: int | None = None


@dataclass(frozen=True, slots=True)
class ManualQuestion:
    """A question about technical documents.

    Attributes:
        id: Identifier, unique in its file.
        text: The question as the user types it.
        corpus: Name of the folder of documents.
        lang: Language of the question.
        kind: Kind of the question, such as ``table`` or `UNANSWERABLE`.
        gold: Quotes that hold the answer.
        nuggets: Parts of a correct answer, each as alternative forms.
        wrong: Forms that show a wrong answer.
        history: Earlier turns of a follow-up question, as (question, answer).
        answer: A reference answer; may be empty.
    """

    id: str
    text: str
    corpus: str
    lang: str
    kind: str
    gold: tuple[GoldQuote, ...] = ()
    nuggets: tuple[tuple[str, ...], ...] = ()
    wrong: tuple[str, ...] = ()
    history: tuple[tuple[str, str], ...] = ()
    answer: str = ""

    @property
    def is_answerable(self) -> bool:
        """Whether the documents hold the answer."""
        return self.kind != UNANSWERABLE


def load_any_questions(path: Path, limit: int | None = None) -> tuple[list[Question], list[ManualQuestion]]:
    """Load questions of either format: that with nuggets if the first row has ``nuggets``.

    Returns:
        the questions of the two formats, one of them empty.

    Raises:
        UsageError: the file does not exist.
        ReadError: a line is not a valid row; the message has its number.
    """
    return ([], load_manual_questions(path, limit)) if _has_nuggets(path) else (load_questions(path, limit), [])


def _has_nuggets(path: Path) -> bool:
    if not path.is_file():
        return False  # the other loader reports it
    try:
        _, line = next(_numbered_lines(path))
        return "nuggets" in json.loads(line)
    except (StopIteration, ReadError, ValueError, TypeError):
        return False


def load_manual_questions(path: Path, limit: int | None = None) -> list[ManualQuestion]:
    """Load questions with quotes and nuggets from a JSON Lines file (jsonl or jsonl.gz).

    A row is ``{"_id", "corpus", "lang", "kind", "text", "nuggets", "gold", "answer"?, "wrong"?, "page"?, "history"?}``; a
    gold entry is ``{"file", "quote", "page"?}``. The row's page is the page of its first quote.

    Args:
        path: the file.
        limit: maximum number of questions; None for all.

    Raises:
        UsageError: the file does not exist.
        ReadError: a line is not a valid row, or an ``_id`` occurs twice; the message has the line's number.
    """
    if not path.is_file():
        raise UsageError(f"Expected a file of questions at {path} and found none: check the path.")
    questions: dict[str, ManualQuestion] = {}
    for number, line in _numbered_lines(path):
        if limit is not None and len(questions) >= limit:
            break
        try:
            question = _parse_question(json.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ReadError(
                f'{path}, line {number}: expected a JSON object with "_id", "corpus", "lang", "kind", "text", "nuggets" '
                f'and "gold" ({type(error).__name__}: {error}); fix that line.'
            ) from error
        if question.id in questions:
            raise ReadError(
                f"{path}, line {number}: expected an _id of its own, found {question.id!r} twice; renumber."
            )
        questions[question.id] = question
    if not questions:
        raise ReadError(f"{path} holds no questions: expected JSON lines with _id, text, nuggets and gold.")
    return list(questions.values())


def _numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines that are not white space, with their numbers from 1."""
    try:
        with open_text_file(path) as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield number, line
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise ReadError(f"{path} could not be read to its end ({error}).") from error


def _parse_question(row: dict[str, Any]) -> ManualQuestion:
    if not all(isinstance(row[name], str) for name in ("_id", "text", "kind", "corpus", "lang")):
        raise TypeError("_id, text, kind, corpus and lang are texts")
    for key in row.keys() - _KEYS:
        if meant := get_close_matches(key, _KEYS - row.keys(), 1, cutoff=0.75):
            raise ValueError(f"{key!r} is no key: rename it to {meant[0]!r}")
    text, kind = row["text"], row["kind"]
    nuggets = tuple(tuple(map(str, _list(forms))) for forms in _list(row["nuggets"]))
    gold = tuple(
        GoldQuote(str(entry["file"]), str(entry["quote"]), entry.get("page", row.get("page") if number == 0 else None))
        for number, entry in enumerate(_list(row["gold"]))
    )
    if not text.strip():
        raise ValueError("text is white space")
    if (kind != UNANSWERABLE) != bool(nuggets):
        raise ValueError(f"a question of kind {kind!r} has {len(nuggets)} nuggets")
    if not all(forms and all(form.strip() for form in forms) for forms in nuggets):
        raise ValueError("a nugget has no form, or an empty one")
    for quote in gold:
        if not quote_words(quote.quote):
            raise ValueError(f"the quote {quote.quote!r} has no words")
        if not (quote.page is None or (isinstance(quote.page, int) and quote.page >= 1)):
            raise ValueError(f"the page {quote.page!r} is no number from 1")
    history = tuple((str(asked), str(answer)) for asked, answer in _list(row.get("history", [])))
    wrong = tuple(map(str, _list(row.get("wrong", []))))
    names = (row["_id"], text, row["corpus"], row["lang"], kind)
    return ManualQuestion(*names, gold, nuggets, wrong, history, str(row.get("answer") or ""))


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r} is no list")
    return value
