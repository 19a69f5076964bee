"""The conversation: a prompt with history and editing, answers that stream, follow-ups that refer back."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

from rich.markup import escape

from kgrag import console, prompts
from kgrag.app import App
from kgrag.errors import KgragError, UsageError
from kgrag.render import answer_lines, hit_lines, path_line
from kgrag.text import is_cjk, tokens
from kgrag.types import Answer

HELP = """[bold]/sources[/bold]      the passages behind the last answer
[bold]/path[/bold]         the paths through the graph that led to it
[bold]/closed-book[/bold]  answer from the model's memory from now on, or from the documents again
[bold]/store DIR[/bold]    change to another store
[bold]/help[/bold]         this list
[bold]/quit[/bold]         leave (so does Ctrl-D); Ctrl-C stops an answer"""
_REFERS = re.compile(
    r"^\s*(?:and|what about|how about|but|so)\b|\b(?:he|she|it|they|him|her|his|hers|its|them|their|this|that|those|these"
    r"|there|then|one)\b|^(?:那|那么|然后|还有)|[他她它]们?|(?:这|那|该)(?:个|位|部|所|家|里|时|台|种)?|其",
    re.IGNORECASE,
)


class Chat:
    """A conversation over one store; reads standard input line by line where nobody is typing."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.history: list[tuple[str, str]] = []
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
            f"[bold]{escape(str(self.app.store))}[/bold]: {console.counted(counts)}. [dim]/help lists commands.[/dim]"
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
                console.end_progress()
                console.error(str(error))
            except KeyboardInterrupt:
                console.end_progress()
                console.end_stream()
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
        question = self.full_question(line)
        if question != line:
            console.notice(f"→ {question}")
        stream = console.stream if console.interactive() else None
        if self.closed_book:
            answer = self.app.answerer.from_memory(question, stream)
        else:
            answer = self.app.answerer.ask(question, self.app.config.k, on_text=stream)
        console.end_progress()
        console.end_stream()
        console.lines(answer_lines(answer))
        self.last = answer
        self.history.append((question, answer.text))

    def full_question(self, line: str) -> str:
        """A follow-up that refers back, as a question that stands alone; any other line as it is.

        A pronoun is replaced by the name that the last question was about, when there is exactly one; otherwise the
        language model rewrites the question, and what it makes is used only if it brings no name of its own.
        """
        if not self.history or not _REFERS.search(line):
            return line
        names = self._names(line)
        previous, answer = self.history[-1]
        if names and not re.match(r"\s*(?:and|what about|how about|那|那么)", line, re.IGNORECASE):
            return line
        rewritten = self.app.llm.generate(prompts.rewrite(self.history, line), max_tokens=64)
        rewritten = rewritten.strip().splitlines()[0].removeprefix("Q:").strip() if rewritten.strip() else line
        said = {t.text for text in (line, *(t for turn in self.history[-3:] for t in turn)) for t in tokens(text)}
        brought = [
            t for t in tokens(rewritten) if t.text not in said and (rewritten[t.start].isupper() or is_cjk(t.text))
        ]
        faithful = len(rewritten) < 400 and len([t for t in brought if not is_cjk(t.text) and t.start > 0]) == 0
        if faithful and self._names(rewritten):
            return rewritten
        subject = self._names(previous) or self._names(answer)
        return f"{line.rstrip('?？')} ({subject[-1]})?" if subject else line

    def _names(self, text: str) -> list[str]:
        """The names of the store that a text has."""
        graph = self.app.retriever.indices.graph
        return [
            text[f.start : f.end] for f in graph.gazetteer.find(text, any_case=text.islower()) if graph.idf[f.name] > 0
        ]

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
        paths = list(dict.fromkeys([*self._answer().paths, *(p for h in self._answer().evidence for p in h.paths)]))
        shown = [path for path in paths if path.triples]
        console.lines([f"[green]↳[/green] {path_line(path)}" for path in shown] or ["[dim]No path led there.[/dim]"])

    def _closed_book(self, _: str) -> None:
        self.closed_book = not self.closed_book
        console.say("From memory, without the documents." if self.closed_book else "From the documents again.")

    def _store(self, name: str) -> None:
        if not name:
            console.say(escape(str(self.app.store)))
            return
        self.app = App(Path(name).expanduser(), self.app.notice, self.app.progress, model=self.app.model)
        self.history.clear()
        self.last = None
        console.say(f"[bold]{escape(name)}[/bold]: {console.counted(self.app.graph.counts())}.")

    # --- where lines come from -------------------------------------------------------------------------------------

    def _typed(self) -> Callable[[], str]:
        from prompt_toolkit import PromptSession
        from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
        from prompt_toolkit.completion import WordCompleter
        from prompt_toolkit.history import FileHistory

        session: PromptSession[str] = PromptSession(
            history=FileHistory(str(self.app.store / "chat_history")),
            auto_suggest=AutoSuggestFromHistory(),
            completer=WordCompleter([*self._commands, "/quit"], sentence=True),
            complete_while_typing=True,
        )
        return lambda: session.prompt("? ")

    @staticmethod
    def _piped() -> Callable[[], str]:
        def read() -> str:
            line = sys.stdin.readline()
            if not line:
                raise EOFError
            return line

        return read
