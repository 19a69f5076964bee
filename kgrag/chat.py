"""The conversation: a prompt with history and editing, answers that stream, follow-ups that refer back."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from rich.markup import escape

from kgrag import console, prompts
from kgrag.answer import shown_paths
from kgrag.app import App
from kgrag.errors import KgragError, UsageError
from kgrag.evaluate.metrics import bare
from kgrag.followups import ASKS, CAPITALS, FollowUps, Turn
from kgrag.place import place
from kgrag.render import answer_lines, hit_lines, path_line
from kgrag.text import content_words, is_cjk, key, tokens
from kgrag.types import Answer

HELP = """[bold]/sources[/bold]      the passages behind the last answer
[bold]/path[/bold]         the paths through the graph that led to it
[bold]/closed-book[/bold]  answer from the model's memory from now on, or from the documents again
[bold]/store DIR[/bold]    change to another store, a folder's or a server's
[bold]/help[/bold]         this list
[bold]/quit[/bold]         leave (so does Ctrl-D); Ctrl-C stops an answer"""


class Chat:
    """A conversation over one store; reads standard input line by line where nobody is typing."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.history: list[Turn] = []
        self.last: Answer | None = None
        self.closed_book = False
        self._commands: dict[str, Callable[[str], None]] = {
            "/sources": self._sources,
            "/path": self._path,
            "/closed-book": self._closed_book,
            "/store": self._store,
            "/help": lambda _: console.say(HELP),
        }

    def run(self) -> None:
        """Talk until /quit or the end of input. Errors are a sentence, and the conversation goes on."""
        read = self._typed() if sys.stdin.isatty() else self._piped()
        counts = self.app.graph.counts()
        console.say(
            f"[bold]{escape(str(self.app.place))}[/bold]: {console.counted(counts)}. [dim]/help lists commands.[/dim]"
        )
        while True:
            try:
                line = read()
            except KeyboardInterrupt:
                continue
            except EOFError:
                return
            line = line.strip()
            if not line:
                continue
            if line in ("/quit", "/exit"):
                return
            try:
                self.turn(line)
            except KgragError as error:
                console.error(str(error))
            except KeyboardInterrupt:
                console.say("[dim](stopped)[/dim]")

    def turn(self, line: str) -> None:
        """A command, or a question."""
        if line.startswith("/"):
            name, _, rest = line.partition(" ")
            command = self._commands.get(name)
            if command is None:
                raise UsageError(f"Expected one of {', '.join([*self._commands, '/quit'])}, found {name}.")
            command(rest.strip())
            return
        stream = console.stream if console.interactive() else None
        console.thinking()
        try:
            question = self.full_question(line)
            if question != line:
                console.notice(f"→ {question}")
            if self.closed_book:
                answer = self.app.answerer.from_memory(question, stream)
            else:
                answer = self.app.answerer.ask(question, self.app.config.k, on_text=stream)
        finally:
            console.end_progress()
            console.end_stream()
        console.lines(answer_lines(answer))
        self.last = answer
        path = next((path for path in answer.paths if path.triples), None)
        bridge = (
            path.names[-2] if path and len(path.names) > 2 and key(path.names[-1]) == key(bare(answer.text)) else ""
        )
        self.history.append(Turn(question, "" if answer.abstained else bare(answer.text), bridge))

    def full_question(self, line: str) -> str:
        """A follow-up that refers back, as a question that stands alone; any other line as it is.

        The name that a pronoun stands for is put in its place. Where no rule says which, the language model rewrites
        the question, and what it makes is used only if it keeps the question's words and brings no name of its own.
        """
        resolved = self._follow_ups.resolve(line, self.history)
        if resolved is not None:
            return resolved
        said = self.app.llm.generate(prompts.rewrite([turn[:2] for turn in self.history], line), max_tokens=64)
        rewritten = (said.strip().splitlines() or [""])[0].removeprefix("Q:").strip()
        known = {t.text for text in (line, *(t for turn in self.history[-3:] for t in turn)) for t in tokens(text)}
        made = {t.text for t in tokens(rewritten)}
        brought = [
            t for t in tokens(rewritten) if t.text not in known and (rewritten[t.start].isupper() or is_cjk(t.text))
        ]
        asked = set(content_words(line))
        kept = asked and asked <= made and rewritten != self.history[-1].question
        if rewritten and len(rewritten) < 400 and kept and not [t for t in brought if is_cjk(t.text) or t.start > 0]:
            return rewritten
        names = [name for turn in reversed(self.history) for name in self._names(turn.question)]
        if not names:
            return line
        return f"{line.rstrip('？')}（{names[0]}）？" if is_cjk(line) else f"{line.rstrip('?')} ({names[0]})?"

    @cached_property
    def _kinds(self) -> dict[str, str]:
        return {entity.id: entity.type for entity in self.app.graph.entities()}

    @property
    def _follow_ups(self) -> FollowUps:
        return FollowUps(self._spans, lambda name: self._kinds.get(key(name), ""))

    def _spans(self, text: str) -> list[tuple[int, int]]:
        """Where the names of the store stand in a text; if there are none, what is written with capitals."""
        graph = self.app.retriever.indices.graph
        found = graph.gazetteer.find(text, any_case=text.islower())
        spans = [(f.start, f.end) for f in found if graph.idf[f.name] > 0]
        return spans or [m.span() for m in CAPITALS.finditer(text) if not ASKS.fullmatch(m.group())]

    def _names(self, text: str) -> list[str]:
        return [text[start:end] for start, end in self._spans(text)]

    # --- commands --------------------------------------------------------------------------------------------------

    def _answer(self) -> Answer:
        if self.last is None:
            raise UsageError("Expected an answer to look behind, and nothing has been asked yet: ask something first.")
        return self.last

    def _sources(self, _: str) -> None:
        answer = self._answer()
        for hit in answer.evidence:
            console.lines(hit_lines(hit))
        for dropped in answer.dropped:
            console.notice(dropped)
        if not answer.evidence:
            console.say("[dim]The last answer was from memory: it has no sources.[/dim]")

    def _path(self, _: str) -> None:
        answer = self._answer()
        paths = shown_paths(answer) or dict.fromkeys(p for hit in answer.evidence for p in hit.paths if p.triples)
        console.lines([f"[green]↳[/green] {path_line(path)}" for path in paths] or ["[dim]No path led there.[/dim]"])

    def _closed_book(self, _: str) -> None:
        self.closed_book = not self.closed_book
        console.say("From memory, without the documents." if self.closed_book else "From the documents again.")

    def _store(self, name: str) -> None:
        if not name:
            console.say(escape(str(self.app.place)))
            return
        where = place(name)
        where = where.expanduser() if isinstance(where, Path) else where
        other = App(where, self.app.notice, self.app.progress, model=self.app.model)
        counts = other.graph.counts()
        if "llm" in self.app.__dict__:
            other.llm = self.app.llm  # loaded once
        self.app = other
        self.__dict__.pop("_kinds", None)
        self.history.clear()
        self.last = None
        console.say(f"[bold]{escape(name)}[/bold]: {console.counted(counts)}.")

    # --- where lines come from -------------------------------------------------------------------------------------

    def _typed(self) -> Callable[[], str]:
        from prompt_toolkit import PromptSession
        from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
        from prompt_toolkit.completion import WordCompleter
        from prompt_toolkit.history import FileHistory, InMemoryHistory

        file = self.app.store / "chat_history"
        session: PromptSession[str] = PromptSession(
            history=FileHistory(str(file)) if _writable(file) else InMemoryHistory(),
            auto_suggest=AutoSuggestFromHistory(),
            completer=WordCompleter([*self._commands, "/quit"], sentence=True),
            complete_while_typing=True,
        )
        return lambda: session.prompt("? ")

    @staticmethod
    def _piped() -> Callable[[], str]:
        if isinstance(sys.stdin, io.TextIOWrapper):
            sys.stdin.reconfigure(errors="replace")

        def read() -> str:
            line = sys.stdin.readline()
            if not line:
                raise EOFError
            return line

        return read


def _writable(file: Path) -> bool:
    """Whether a file could be written: a store may be one's to read only."""
    return os.access(file if file.exists() else file.parent, os.W_OK)
