"""The conversation: a prompt with history and editing, answers that stream, follow-ups that refer back."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from pathlib import Path

from rich.markup import escape

from kgrag import console
from kgrag.answer import shown_paths
from kgrag.app import App
from kgrag.errors import KgragError, UsageError
from kgrag.evaluate.metrics import bare
from kgrag.files import replaced
from kgrag.followups import Turn
from kgrag.llm.shelf import NONE, find_adapter, shelved
from kgrag.meter import Meter
from kgrag.models.registry import all_models
from kgrag.place import place
from kgrag.render import answer_lines, hit_lines, path_line
from kgrag.rewriting import Rewriter
from kgrag.sessions import Session
from kgrag.text import key, shorten
from kgrag.types import Answer

HELP = """[bold]/sources[/bold]      the passages behind the last answer
[bold]/path[/bold]         the paths through the graph that led to it
[bold]/closed-book[/bold]  answer from the model's memory from now on, or from the documents again
[bold]/rewrite LINE[/bold] what a follow-up would be asked as; without a line, what the last one was
[bold]/export FILE[/bold]  write the conversation as Markdown, with its citations
[bold]/model NAME[/bold]   answer by another language model
[bold]/adapter NAME[/bold] add a LoRA adapter to it; none: take it off; without a name, which there are
[bold]/store DIR[/bold]    change to another store, a folder's or a server's
[bold]/status[/bold]       the model, the store, tokens a second
[bold]/help[/bold]         this list
[bold]/quit[/bold]         leave (so does Ctrl-D); Ctrl-C stops an answer"""


class Chat:
    """A conversation over one store; reads standard input line by line where nobody is typing."""

    def __init__(self, app: App, session: Session | None = None) -> None:
        self.app = app
        self.history: list[Turn] = []
        self.last: Answer | None = None
        self.closed_book = False
        self.session = session or Session.new(app.store)
        self.history += [turn.turn for turn in self.session.turns]
        self.meter = Meter()
        self._rewriter = Rewriter(app)
        self._commands: dict[str, Callable[[str], None]] = {
            "/sources": self._sources,
            "/path": self._path,
            "/closed-book": self._closed_book,
            "/rewrite": self._rewrite,
            "/export": self._export,
            "/model": self._model,
            "/adapter": self._adapter,
            "/store": self._store,
            "/status": lambda _: console.say(escape(self.status_line())),
            "/help": lambda _: console.say(HELP),
        }

    def run(self) -> None:
        """Talk until /quit or the end of input. Errors are a sentence, and the conversation goes on."""
        read = self._typed() if sys.stdin.isatty() else self._piped()
        counts = self.app.graph.counts()
        console.say(
            f"[bold]{escape(str(self.app.place))}[/bold]: {console.counted(counts)}. [dim]/help lists commands.[/dim]"
        )
        if self.session.turns:
            last = escape(shorten(self.session.turns[-1].question, 60))
            console.say(
                f"[dim]{escape(self.session.name)}: {len(self.session.turns)} questions, the last: {last}[/dim]"
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
        stream = self.meter.listen(console.stream if console.interactive() else None)
        console.thinking()
        try:
            question = self.full_question(line)
            if question != line:
                console.notice(f"→ {question}")
            if self.closed_book:
                answer = self.app.answerer.from_memory(question, stream)
            else:
                answer = self.app.answerer.ask(question, self.app.config.k, on_text=stream, on_step=self._step)
        finally:
            console.end_progress()
            console.end_stream()
        if answer.reader == "llm" and "llm" in self.app.__dict__:
            self.meter.stop(self.app.llm.count)
        console.lines(answer_lines(answer))
        self.last = answer
        path = next((path for path in answer.paths if path.triples), None)
        bridge = (
            path.names[-2] if path and len(path.names) > 2 and key(path.names[-1]) == key(bare(answer.text)) else ""
        )
        turn = Turn(question, "" if answer.abstained else bare(answer.text), bridge)
        self.history.append(turn)
        self._keep(line, turn, answer)

    def _step(self, text: str) -> None:
        """A step that is looked up, shown where somebody looks; what the model says to it is not the answer yet."""
        if console.interactive():
            console.stream(text)
        self.meter.again()

    def _keep(self, asked: str, turn: Turn, answer: Answer) -> None:
        """Save the conversation; where the store's folder cannot be written, say so once and go on."""
        try:
            self.session.add(asked, turn, answer)
        except OSError as error:
            if len(self.session.turns) == 1:
                console.notice(f"This conversation is not saved ({error.strerror}).")

    def status_line(self) -> str:
        """The model, the adapter, the store, and how fast the last answer came."""
        loaded = self.app.__dict__.get("llm")
        name = loaded.name if loaded is not None else f"{self.app.model} (not loaded yet)"
        adapter = f" + {self._on()}" if self._on() else ""
        return " · ".join([f"{name}{adapter}", str(self.app.store), *self.meter.said()])

    def full_question(self, line: str) -> str:
        """A follow-up that refers back, as a question that stands alone; any other line as it is."""
        return self._rewriter.full_question(line, self.history)

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

    def _rewrite(self, line: str) -> None:
        if line:
            console.say(escape(self.full_question(line)))
            return
        if not self.session.turns:
            raise UsageError("Expected a question before, or one after /rewrite: nothing has been asked yet.")
        last = self.session.turns[-1]
        same = " [dim](as it was)[/dim]" if last.asked == last.question else ""
        console.say(f"{escape(last.question)}{same}")

    def _export(self, name: str) -> None:
        if not self.session.turns:
            raise UsageError("Expected a conversation to export, and nothing has been asked yet: ask something first.")
        path = Path(name or f"{self.session.name}.md").expanduser()
        try:
            with replaced(path) as temporary:
                temporary.write_text(self.session.markdown(), "utf-8")
        except OSError as error:
            raise UsageError(f"{path} cannot be written ({error.strerror}): name another file.") from error
        console.say(f"Wrote {len(self.session.turns)} questions and answers to [bold]{escape(str(path))}[/bold].")

    def _model(self, name: str) -> None:
        if name:
            self._use(lambda: self.app.use(model=name))
        console.say(escape(self.status_line()))

    def _adapter(self, name: str) -> None:
        if name:
            self._use(lambda: self.app.use(adapter="" if name == NONE else name))
        else:
            self._adapters()
        console.say(escape(self.status_line()))

    def _adapters(self) -> None:
        found = shelved(self.app.store)
        for one in found:
            on = "[green]on[/green] " if one.name == self._on() else "   "
            console.say(f"{on}[bold]{escape(one.name)}[/bold] [dim]{escape(str(one.folder))}[/dim]")
        if not found:
            console.say("[dim]There are no adapters here; `kgrag tune` makes one, and a folder can be named.[/dim]")

    def _on(self) -> str:
        """The adapter that is on, "" for none."""
        return Path(self.app.config.adapter).name if self.app.config.adapter else ""

    def completions(self) -> list[str]:
        """What a line may begin with: commands, and models and adapters by their names."""
        adapters = [f"/adapter {name}" for name in (NONE, *(one.name for one in shelved(self.app.store)))]
        return [
            *self._commands,
            "/quit",
            *adapters,
            *(f"/model {model.name}" for model in all_models() if model.kind == "llm"),
        ]

    def _use(self, change: Callable[[], None]) -> None:
        console.thinking()
        try:
            change()
        finally:
            console.end_progress()
        self.meter = Meter()

    def _store(self, name: str) -> None:
        if not name:
            console.say(escape(str(self.app.place)))
            return
        where = place(name)
        where = where.expanduser() if isinstance(where, Path) else where
        other = App(where, self.app.notice, self.app.progress, model=self.app.model)
        counts = other.graph.counts()
        if "llm" in self.app.__dict__:
            other.llm = self.app.llm  # loaded once, with the adapter that is on it
            folder = find_adapter(self.app.config.adapter, self.app.store) if self._on() else ""
            other.config = other.config.model_copy(update={"adapter": str(folder)})
        self.app = other
        self._rewriter = Rewriter(other)
        self.session = Session.new(other.store)
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
            completer=WordCompleter(self.completions, sentence=True),
            complete_while_typing=True,
            bottom_toolbar=self.status_line,
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
