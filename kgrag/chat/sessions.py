"""Saved conversations in the store's folder: written after every answer, resumed by name, exported as Markdown."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path

from kgrag.chat.coreference import Turn
from kgrag.errors import UsageError
from kgrag.serialize import JsonObject
from kgrag.storage.atomic import atomic_write
from kgrag.types import Answer

SESSIONS_FOLDER, LAST_SESSION = "sessions", "last"


@dataclass(frozen=True, slots=True)
class ChatTurn:
    """A question and its answer, as saved.

    Attributes:
        asked: the line as typed.
        question: its standalone form.
        answer: the text of the answer.
        said: the answer that follow-ups refer to; "" for an abstention.
        bridge: the last name on the path to the answer.
        model: name of the model, or "typed facts".
        seconds: time to answer.
        citations: (title, source, sentence) of each citation.
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
        """The turn that follow-ups refer to."""
        return Turn(self.question, self.said, self.bridge)


@dataclass
class ChatSession:
    """A conversation; ``file`` is created with the first answer."""

    name: str
    file: Path
    turns: list[ChatTurn] = field(default_factory=list)

    @classmethod
    def create(cls, store: Path) -> ChatSession:
        """Create an empty conversation, named by the current time."""
        name = datetime.now().strftime("%Y-%m-%d-%H%M%S-%f")[:-3]
        return cls(name, store / SESSIONS_FOLDER / f"{name}.json")

    def add_turn(self, typed_line: str, turn: Turn, answer: Answer) -> None:
        """Add an answer and save. Raises OSError: the file cannot be written; the answer stays in memory."""
        titles = {hit.passage.id: (hit.title, hit.source) for hit in answer.evidence}
        citations = tuple((*titles.get(c.passage_id, (c.passage_id, "")), c.quote) for c in answer.citations)
        model_label = {
            "graph": "typed facts",
            "table": "a table",
            "collection": "all documents",
            "quote": "quotations",
        }.get(answer.reader, answer.model)
        self.turns.append(
            ChatTurn(
                typed_line,
                turn.question,
                answer.text,
                turn.answer,
                turn.bridge_entity,
                model_label,
                round(answer.seconds, 2),
                citations,
            )
        )
        self.file.parent.mkdir(parents=True, exist_ok=True)
        rows = [asdict(turn) for turn in self.turns]
        with atomic_write(self.file) as temporary:
            temporary.write_text(json.dumps({"turns": rows}, ensure_ascii=False, indent=1) + "\n", "utf-8")

    def to_markdown(self) -> str:
        """Return the conversation as Markdown, with the cited sentences as footnotes."""
        lines = [f"# Conversation of {self.name[:10]}", ""]
        notes: list[str] = []
        for turn in self.turns:
            footnotes = []
            for title, source, quote in turn.citations:
                notes.append(
                    f"[^{len(notes) + 1}]: {_escape_markdown(title)} ({_escape_markdown(source)}): “{_escape_markdown(quote)}”"
                )
                footnotes.append(f"[^{len(notes)}]")
            typed_note = f" (asked as: {_escape_markdown(turn.asked)})" if turn.asked != turn.question else ""
            model_note = f" — *{_escape_markdown(turn.model)}, {turn.seconds:.1f} s*" if turn.model else ""
            lines += [
                f"**{_escape_markdown(turn.question)}**{typed_note}",
                "",
                f"{_escape_markdown(turn.answer)}{''.join(footnotes)}{model_note}",
                "",
            ]
        return "\n".join([*lines, *notes]).rstrip() + "\n"


def load_session(store: Path, name: str) -> ChatSession:
    """Load the conversation ``name``, or the most recent one for `LAST_SESSION`.

    Raises:
        UsageError: there is none, or its file is damaged.
    """
    files = sorted((store / SESSIONS_FOLDER).glob("*.json"), key=lambda file: file.stat().st_mtime_ns)
    names = [file.stem for file in files]
    if not names or (name != LAST_SESSION and name not in names):
        known_names = f": choose one such as {', '.join(names[-5:])}" if names else ", because none is saved yet"
        raise UsageError(f"Expected a saved conversation in {store / SESSIONS_FOLDER}, found no {name!r}{known_names}.")
    file = files[-1] if name == LAST_SESSION else files[names.index(name)]
    try:
        rows = json.loads(file.read_text("utf-8"))["turns"]
        return ChatSession(file.stem, file, [_turn_from_row(row) for row in rows])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{file} is not a conversation ({error}): delete it, or resume another one.") from error


def _turn_from_row(row: JsonObject) -> ChatTurn:
    citations = tuple((str(title), str(source), str(quote)) for title, source, quote in row.pop("citations"))
    return ChatTurn(**row, citations=citations)


def _escape_markdown(text: str) -> str:
    """Return a text on one line, with Markdown's special characters escaped."""
    return re.sub(r"([\\`*_\[\]<>#|~])", r"\\\1", " ".join(text.split()))
