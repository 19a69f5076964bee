"""Rows of an answer about many documents: a document or a fact, each with the sentence that says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kgrag.types import Passage

Span = tuple[int, int]


@dataclass(frozen=True)
class DocumentRow:
    """A line of an answer about many documents.

    Attributes:
        label: what is listed: a title, a name, a theme.
        passage: the passage that says so.
        span: the sentence, as offsets into the document's text.
        title: title of the passage's document.
        source: its file.
        note: what is added to the label, such as a date; "" for nothing.
        passages: passages, each with its title and source, from which a language model can write the row up; none for a
            row that says all.
    """

    label: str
    passage: Passage
    span: Span
    title: str
    source: str
    note: str = ""
    passages: tuple[tuple[Passage, str, str], ...] = ()


@dataclass(frozen=True)
class CollectionAnswer:
    """An answer about many documents.

    Attributes:
        summary: what was found, in one line.
        rows: the lines that are shown, at most `kgrag.collection.reader.MAX_ROWS`.
        total: number of lines with those that are not shown.
    """

    summary: str
    rows: Sequence[DocumentRow]
    total: int
