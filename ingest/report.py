"""Result and progress of an ingest."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Protocol

from ingest.readers.content import ReadProblem
from ingest.relations.llm_extractor import LLMExtractionStats


class IngestProgress(Protocol):
    """Callback for progress, for example a terminal bar."""

    def __call__(self, done: int, total: int, documents: int, /) -> None:
        """Report that ``done`` of about ``total`` passages, and ``documents`` documents, are in the store or checked.

        The total is an estimate from the bytes that are left to read, and changes as files are read.
        """


@dataclass
class IngestReport:
    """Result of an ingest run.

    Attributes:
        added: New documents.
        replaced: Changed documents.
        unchanged: Documents that were already in the store, under this name or another.
        removed: Documents deleted since their source no longer has them, or has vanished.
        passages: Passages embedded.
        problems: Files and rows that could not be read.
        notes: Sentences about other encodings and cleaned characters.
        moved: Former and present id of each source that has moved.
        copies: Ids of sources with the same bytes as another source, and the id of that source.
        vanished: Sources of documents in the store whose file is gone, or left out by an ignore file.
        skipped: Number of files left out, by reason.
        llm_stats: Statistics of the language model, if one was used.
    """

    added: int = 0
    replaced: int = 0
    unchanged: int = 0
    removed: int = 0
    passages: int = 0
    problems: list[ReadProblem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    moved: list[tuple[str, str]] = field(default_factory=list)
    copies: list[tuple[str, str]] = field(default_factory=list)
    vanished: list[str] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    llm_stats: LLMExtractionStats | None = None


def format_duration(seconds: float) -> str:
    """Format seconds for display: "40 s", "12 min", "3.5 h"."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
