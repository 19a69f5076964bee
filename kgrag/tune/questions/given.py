"""Questions that people have: of a file, with passages of their own or with the store's as evidence.

Two forms, both JSON lines: those of `kgrag.evaluate.questions` (``_id, text, answers, gold``), whose evidence is the store's,
and rows that bring their own (``passages``: a list of ``{title, text, gold}``), which need no store.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kgrag.errors import ReadError, UsageError
from kgrag.evaluate.questions import load_questions
from kgrag.factuality.conditions import spoken
from kgrag.text import content_words
from kgrag.tune.questions.made import digest
from kgrag.types import Hit, Passage

PASSAGES = 8
"""How many are shown at most."""
Search = Callable[[str, int], list[Hit]]


@dataclass(frozen=True)
class Given:
    """A question with accepted ``answers`` and its ``gold`` and other passages (``others``: a function, since to find them may take a search)."""

    id: str
    text: str
    answers: tuple[str, ...]
    gold: tuple[Hit, ...]
    others: Callable[[], list[Hit]]

    @property
    def documents(self) -> tuple[str, ...]:
        """The gold documents, each once."""
        return tuple(dict.fromkeys(hit.passage.document_id for hit in self.gold))


def read(path: Path, search: Search | None, gold: Callable[[Any], list[Hit]] | None, left: Counter[str]) -> list[Given]:
    """The questions of a file that have answers and evidence; ``left`` counts the others.

    Args:
        path: jsonl or jsonl.gz, of either form.
        search: brings passages of the store for a question; None without a store.
        gold: the passages of a question's gold documents; None without a store.
        left: counts, in words, what is left out.

    Raises:
        UsageError: there is no such file, no question has an answer, or they need a store and there is none.
        ReadError: a line is no question.
    """
    if not path.is_file():
        raise UsageError(f"Expected a file of questions at {path} and found none: check the path.")
    rows = list(numbered(path)) if _brings_passages(path) else None
    if rows is None and (search is None or gold is None):
        raise UsageError(
            f"The questions of {path} bring no passages, so they are asked of a store: name it with --store."
        )
    found = []
    if rows is not None:
        found = [_with_passages(path, number, row) for number, row in rows]
    elif search is not None and gold is not None:
        found = [_with_store(q, search, gold) for q in load_questions(path, worded=False)]
    answered_ones = [q for q in found if q.answers]
    if not answered_ones:
        raise UsageError(
            f"None of the {len(found)} questions of {path} has an answer, and what is to be learned is answers: "
            'add "answers" to them, or leave the file out, so that questions are written from the store.'
        )
    if len(answered_ones) < len(found):
        left["a question without an answer"] += len(found) - len(answered_ones)
    worded = [q for q in answered_ones if q.text.strip()]
    if len(worded) < len(answered_ones):
        left["an answer without a question"] += len(answered_ones) - len(worded)
    return worded


def _brings_passages(path: Path) -> bool:
    _, first = next(numbered(path), (0, {}))
    return isinstance(first, dict) and "passages" in first


def numbered(path: Path) -> Iterator[tuple[int, Any]]:
    """The objects of a file of JSON lines, gzip or plain, each with the number of its line.

    Raises:
        ReadError: it cannot be read to its end, or a line is no JSON.
    """
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    try:
                        yield number, json.loads(line)
                    except ValueError as error:
                        raise ReadError(
                            f"{path}, line {number}: expected a JSON object, found another ({error})."
                        ) from error
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise ReadError(f"{path} could not be read to its end ({error}).") from error


def _with_passages(path: Path, number: int, row: Any) -> Given:
    try:
        hits = [_hit(p["title"], p["text"]) for p in row["passages"]]
        right = [bool(p.get("gold")) for p in row["passages"]]
        answers = tuple(str(a) for a in row.get("answers", ()) if str(a).strip())
        gold = tuple(hit for hit, is_gold in zip(hits, right, strict=True) if is_gold)
        others = [hit for hit, is_gold in zip(hits, right, strict=True) if not is_gold]
        return Given(str(row.get("_id", number)), str(row["text"]), answers, gold, lambda: others)
    except (KeyError, TypeError, AttributeError) as error:
        raise ReadError(
            f'{path}, line {number}: expected a JSON object with "text", "answers" and "passages" (each with "title", "text" '
            f'and "gold"; {type(error).__name__}: {error}); mend that line.'
        ) from error


def _hit(title: Any, text: Any) -> Hit:
    """A passage that is of no store; its document is known by what it says."""
    if not isinstance(title, str) or not isinstance(text, str):
        raise TypeError("title and text are texts")
    document = f"{digest(title, text):064x}"[:16]
    return Hit(Passage(f"{document}#0001", document, text, 0, len(text)), title, "", 1.0, 1)


def _with_store(question: Any, search: Search, gold: Callable[[Any], list[Hit]]) -> Given:
    return Given(
        question.id, question.text, question.answers, tuple(gold(question)), lambda: search(question.text, PASSAGES + 8)
    )


def settled(questions: Sequence[Given]) -> list[Given]:
    """Questions with gold passages: where nobody says which they are, those that were found, say an answer, and have the most
    of the question's words."""
    found = []
    for question in questions:
        if not question.gold:
            hits = question.others()
            telling = [h for h in hits[:PASSAGES] if any(spoken(a, h.passage.text) for a in question.answers)]
            asked = {*content_words(question.text)}
            shared = [len(asked & {*content_words(f"{h.title} {h.passage.text}")}) for h in telling]
            gold = tuple(h for h, words in zip(telling, shared, strict=True) if words == max(shared))
            question = replace(question, gold=gold[:3], others=_given(hits))
        found.append(question)
    return found


def _given(hits: list[Hit]) -> Callable[[], list[Hit]]:
    return lambda: hits
