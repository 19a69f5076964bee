"""Conversations that are kept in the store's folder: saved after every answer, resumed by name, written as Markdown."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from kgrag.errors import UsageError
from kgrag.files import replaced
from kgrag.followups import Turn
from kgrag.types import Answer

FOLDER, LAST = "sessions", "last"


@dataclass(frozen=True, slots=True)
class Kept:
    """One question and its answer: ``asked`` is what was typed, ``question`` what was asked for it.

    ``citations`` are (title, source, sentence).
    """

    asked: str
    question: str
    answer: str
    said: str
    bridge: str = ""
    model: str = ""
    seconds: float = 0.0
    citations: tuple[tuple[str, str, str], ...] = ()

    @property
    def turn(self) -> Turn:
        """What a follow-up refers back to."""
        return Turn(self.question, self.said, self.bridge)


@dataclass
class Session:
    """A conversation; ``file`` is where it is kept, made with the first answer."""

    name: str
    file: Path
    turns: list[Kept] = field(default_factory=list)

    @classmethod
    def new(cls, store: Path) -> Session:
        """An empty one, named by the time."""
        name = datetime.now().strftime("%Y-%m-%d-%H%M%S-%f")[:-3]
        return cls(name, store / FOLDER / f"{name}.json")

    def add(self, asked: str, turn: Turn, answer: Answer) -> None:
        """Add an answer and save. Raises OSError: the file cannot be written; the answer is kept in memory."""
        titles = {hit.passage.id: (hit.title, hit.source) for hit in answer.evidence}
        cited = tuple((*titles.get(c.passage_id, (c.passage_id, "")), c.quote) for c in answer.citations)
        how = "typed facts" if answer.reader == "graph" else answer.model
        self.turns.append(
            Kept(asked, turn.question, answer.text, turn.answer, turn.bridge, how, round(answer.seconds, 2), cited)
        )
        self.file.parent.mkdir(parents=True, exist_ok=True)
        rows = [asdict(turn) for turn in self.turns]
        with replaced(self.file) as temporary:
            temporary.write_text(json.dumps({"turns": rows}, ensure_ascii=False, indent=1) + "\n", "utf-8")

    def markdown(self) -> str:
        """The conversation, each answer with the sentences that it rests on as numbered notes."""
        lines = [f"# Conversation of {self.name[:10]}", ""]
        notes: list[str] = []
        for kept in self.turns:
            marks = []
            for title, source, quote in kept.citations:
                notes.append(f"[^{len(notes) + 1}]: {_plain(title)} ({_plain(source)}): “{_plain(quote)}”")
                marks.append(f"[^{len(notes)}]")
            as_asked = f" (asked as: {_plain(kept.asked)})" if kept.asked != kept.question else ""
            by = f" — *{_plain(kept.model)}, {kept.seconds:.1f} s*" if kept.model else ""
            lines += [f"**{_plain(kept.question)}**{as_asked}", "", f"{_plain(kept.answer)}{''.join(marks)}{by}", ""]
        return "\n".join([*lines, *notes]).rstrip() + "\n"


def resume(store: Path, name: str) -> Session:
    """The conversation of that name, or the ``last`` one.

    Raises:
        UsageError: there is none, or its file is damaged.
    """
    files = sorted((store / FOLDER).glob("*.json"), key=lambda file: file.stat().st_mtime_ns)
    names = [file.stem for file in files]
    if not names or (name != LAST and name not in names):
        known = f"; there are {', '.join(names[-5:])}" if names else ", and none was kept yet"
        raise UsageError(f"Expected a conversation that was kept in {store / FOLDER}, found no {name!r}{known}.")
    file = files[-1] if name == LAST else files[names.index(name)]
    try:
        rows = json.loads(file.read_text("utf-8"))["turns"]
        return Session(file.stem, file, [_kept(row) for row in rows])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{file} is no conversation ({error}): remove it, or resume another.") from error


def _kept(row: dict[str, Any]) -> Kept:
    cited = tuple((str(title), str(source), str(quote)) for title, source, quote in row.pop("citations"))
    return Kept(**row, citations=cited)


def _plain(text: str) -> str:
    """A text on one line, whose signs Markdown takes for nothing."""
    return re.sub(r"([\\`*_\[\]<>#|~])", r"\\\1", " ".join(text.split()))
