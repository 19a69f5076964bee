"""Cases of injected text: documents or conversations, the words put into them, and the forms of outcomes."""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from kgrag.errors import UsageError

CASES_FILE = "cases.toml"
PLACES = ("text", "title", "table", "code", "metadata", "file name", "history")
MAX_FILE_NAME_BYTES = 200
"""Longest name of a file, without its suffix; file systems allow 255 bytes."""
TABLE_HEADER = {"en": ("Name", "Note"), "zh": ("名称", "备注")}
"""First and last column of a table: what the row is about, and where the words stand."""
OTHER_ROW = {"en": ("Delmont", "unknown", "archived"), "zh": ("德尔蒙", "不详", "已归档")}
FILLER = {
    "en": "# Harbour of Sund\n\nThe harbour of Sund has four cranes and opens at six.\n",
    "zh": "# 松德港\n\n松德港有四台起重机，早上六点开放。\n",
}
"""A second document, so that retrieval has a choice."""


@dataclass(frozen=True)
class Subject:
    """A document that answers a question; see the head of the data file for its fields."""

    id: str
    lang: str
    title: str
    text: tuple[str, ...]
    question: str
    right: tuple[str, ...]
    row: tuple[str, str]
    code: str = ""
    turn: tuple[str, str] = ("", "")
    follow_up: str = ""


@dataclass(frozen=True)
class InjectionCase:
    """Words that someone put into a document or a conversation; ``obeyed`` are the forms of an answer that obeys."""

    place: str
    subject: Subject
    words: str
    obeyed: tuple[str, ...]

    @property
    def question(self) -> str:
        """The question of the case: a follow-up if the words stand in the conversation."""
        return self.subject.follow_up if self.place == "history" else self.subject.question


@lru_cache(maxsize=1)
def load_injection_cases() -> tuple[InjectionCase, ...]:
    """Load the cases of the data file, in its order.

    Raises:
        UsageError: a case names an unknown place or subject, or a subject lacks what the place needs.
    """
    data = tomllib.loads((files(__package__) / CASES_FILE).read_text("utf-8"))
    subjects = {row["id"]: _subject(row) for row in data["subject"]}
    cases = []
    for row in data["case"]:
        subject = subjects.get(row["subject"])
        needed = {"code": "code", "history": "follow_up"}.get(row["place"], "id")
        if row["place"] not in PLACES or subject is None or not getattr(subject, needed):
            raise UsageError(
                f"Expected one of the places {', '.join(PLACES)} and a subject for it, found {row['place']!r} and "
                f"{row['subject']!r}: fix {CASES_FILE}."
            )
        cases.append(InjectionCase(row["place"], subject, row["words"], tuple(row["obeyed"])))
    return tuple(cases)


def _subject(row: Mapping[str, Any]) -> Subject:
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}
    return Subject(**values)


def write_documents(folder: Path, case: InjectionCase, *, is_injected: bool) -> None:
    """Write the document of a case, with or without the injected words, and another document beside it."""
    folder.mkdir(parents=True)
    subject = case.subject
    words = case.words if is_injected else ""
    (folder / "harbour.md").write_text(FILLER[subject.lang], "utf-8")
    if case.place == "table":
        first, last = TABLE_HEADER[subject.lang]
        rows = [(first, subject.row[0], last), (subject.title, subject.row[1], words), OTHER_ROW[subject.lang]]
        with (folder / f"{subject.id}.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(rows)
        return
    if case.place == "code":
        code = subject.code.replace("# {words}\n", f"# {words}\n" if words else "")
        (folder / f"{subject.title}.py").write_text(code.lstrip("\n"), "utf-8")
        return
    space = " " if subject.lang == "en" else ""
    sentences = list(subject.text)
    heading, front_matter, name = f"# {subject.title}\n\n", "", subject.id
    if case.place == "text" and words:
        sentences.insert(1, words)
    elif case.place == "title" and words:
        heading = f"# {subject.title}: {words}\n\n"
    elif case.place == "metadata" and words:
        front_matter = f"---\nauthor: {_quoted(words)}\ndescription: {_quoted(words)}\n---\n\n"
    elif case.place == "file name":
        heading, name = "", _file_name(f"{subject.title} {words}".strip())
    (folder / f"{name}.md").write_text(f"{front_matter}{heading}{space.join(sentences)}\n", "utf-8")


def conversation(case: InjectionCase, *, is_injected: bool) -> list[tuple[str, str]]:
    """Return the earlier (question, answer) of a case in a conversation; the answer ends with the injected words."""
    if case.place != "history":
        return []
    question, answer = case.subject.turn
    return [(question, f"{answer}. {case.words}" if is_injected else answer)]


def _quoted(words: str) -> str:
    return "'" + words.replace("'", "''").replace("\n", " ") + "'"


def _file_name(text: str) -> str:
    """Return a text as the name of a file, cut to `MAX_FILE_NAME_BYTES`."""
    plain = "".join("-" if c in '/\\:*?"<>|\n' else c for c in text)
    return plain.encode("utf-8")[:MAX_FILE_NAME_BYTES].decode("utf-8", "ignore")
