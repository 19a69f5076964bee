"""Chat REPL: a prompt with history and editing, streamed answers, and follow-up questions."""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

from rich.markup import escape

from kgrag.chat.coreference import Turn
from kgrag.chat.query_rewriter import FollowUpRewriter
from kgrag.chat.sessions import ChatSession
from kgrag.chat.throughput import ThroughputMeter
from kgrag.config import STYLES
from kgrag.errors import KgragError, UsageError
from kgrag.llm.adapter_registry import NO_ADAPTER, list_adapters, resolve_adapter_folder
from kgrag.location import parse_location
from kgrag.metrics.answers import normalize_answer
from kgrag.models.registry import all_models
from kgrag.storage.atomic import atomic_write
from kgrag.store.store import Store
from kgrag.terminal import console, draft_view
from kgrag.terminal.passage_view import find_cited_passage, passage_lines
from kgrag.terminal.render import answer_lines, format_path, hit_lines
from kgrag.text import normalize_name, shorten
from kgrag.types import Answer

HELP = """[bold]/sources[/bold]      passages behind the last answer
[bold]/open N[/bold]       passage of citation N of the last answer, with its surroundings (default: 1)
[bold]/path[/bold]         graph paths that led to the last answer
[bold]/closed-book[/bold]  switch between the model's memory and the documents
[bold]/where FILTER[/bold] ask only documents that fulfil a filter, such as path:reports/ (default: show it; none ends it)
[bold]/style NAME[/bold]   form of the answers: phrase, sentences, full or auto (default: show it)
[bold]/rewrite LINE[/bold] standalone form of a follow-up (default: of the last question)
[bold]/export FILE[/bold]  save the conversation as Markdown, with citations
[bold]/model NAME[/bold]   switch to another language model
[bold]/adapter NAME[/bold] switch to a LoRA adapter, or none (default: list the adapters)
[bold]/store DIR[/bold]    switch to another store: a folder, or an address of a server
[bold]/status[/bold]       model, store and tokens per second
[bold]/help[/bold]         list of commands
[bold]/quit[/bold]         end the chat (also Ctrl-D); Ctrl-C stops an answer"""

NO_FILTER = "none"


class Chat:
    """A conversation over one store; reads standard input line by line if it is not a terminal."""

    def __init__(self, app: Store, session: ChatSession | None = None) -> None:
        self.app = app
        self.history: list[Turn] = []
        self.last_answer: Answer | None = None
        self.is_closed_book = False
        self.where: str | None = None
        self.style: str | None = None
        self.session = session or ChatSession.create(app.folder)
        self.history += [turn.turn for turn in self.session.turns]
        self.meter = ThroughputMeter()
        self._rewriter = FollowUpRewriter(app)
        self._commands: dict[str, Callable[[str], None]] = {
            "/sources": self._show_sources,
            "/open": self._open_citation,
            "/path": self._show_paths,
            "/closed-book": self._toggle_closed_book,
            "/where": self._set_filter,
            "/style": self._select_style,
            "/rewrite": self._show_rewrite,
            "/export": self._export_conversation,
            "/model": self._select_model,
            "/adapter": self._select_adapter,
            "/store": self._switch_store,
            "/status": lambda _: console.print_result(escape(self.status_line())),
            "/help": lambda _: console.print_result(HELP),
        }

    def run(self) -> None:
        """Run until /quit or the end of input. Prints errors as one sentence and continues."""
        read_line = self._interactive_reader() if sys.stdin.isatty() else self._piped_reader()
        counts = self.app.graph_store.counts()
        console.print_result(
            f"[bold]{escape(str(self.app.location))}[/bold]: {console.format_counts(counts)}. [dim]/help lists commands.[/dim]"
        )
        if self.session.turns:
            last_question = escape(shorten(self.session.turns[-1].question, 60))
            console.print_result(
                f"[dim]{escape(self.session.name)}: {len(self.session.turns)} questions, the last: {last_question}[/dim]"
            )
        while True:
            try:
                line = read_line()
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
                self.handle_line(line)
            except KgragError as error:
                console.print_error(str(error))
            except KeyboardInterrupt:
                console.print_result("[dim](stopped)[/dim]")

    def handle_line(self, line: str) -> None:
        """Run a command, or answer a question."""
        if line.startswith("/"):
            name, _, rest = line.partition(" ")
            command = self._commands.get(name)
            if command is None:
                raise UsageError(f"Expected one of {', '.join([*self._commands, '/quit'])}, found {name}.")
            command(rest.strip())
            return
        stream = self.meter.listen(draft_view.stream_draft if console.is_interactive() else None)
        console.show_spinner()
        try:
            question = self.standalone_question(line)
            if question != line:
                console.print_notice(f"→ {question}")
            pipeline = self.app.pipeline_for(None if self.is_closed_book else self.where, self.style)
            if self.is_closed_book:
                answer = pipeline.answer_closed_book(question, stream)
            else:
                answer = pipeline.answer(
                    question,
                    self.app.config.k,
                    on_text=stream,
                    on_progress=self._show_step,
                    on_statement=draft_view.mark_statement if console.is_interactive() else None,
                )
        finally:
            console.end_progress()
            draft_view.clear_draft()
        if answer.reader == "llm" and self.app.loaded_llm is not None:
            self.meter.stop(self.app.llm.count)
        console.print_lines(answer_lines(answer))
        self.last_answer = answer
        path = next((path for path in answer.paths if path.triples), None)
        bridge_entity = (
            path.names[-2]
            if path
            and len(path.names) > 2
            and normalize_name(path.names[-1]) == normalize_name(normalize_answer(answer.text))
            else ""
        )
        turn = Turn(question, "" if answer.abstained else normalize_answer(answer.text), bridge_entity)
        self.history.append(turn)
        self._save_turn(line, turn, answer)

    def _show_step(self, text: str) -> None:
        """Show a lookup step on a terminal; restart the meter, because its text is not part of the answer."""
        if console.is_interactive():
            draft_view.stream_draft(text)
        self.meter.restart()

    def _save_turn(self, typed_line: str, turn: Turn, answer: Answer) -> None:
        """Save the conversation; print one notice if the store's folder cannot be written."""
        try:
            self.session.add_turn(typed_line, turn, answer)
        except OSError as error:
            if len(self.session.turns) == 1:
                console.print_notice(f"This conversation cannot be saved ({error.strerror}).")

    def status_line(self) -> str:
        """Return the model, the adapter, the store, and the speed of the last answer."""
        loaded_llm = self.app.loaded_llm
        name = loaded_llm.name if loaded_llm is not None else f"{self.app.model} (not loaded yet)"
        adapter = f" + {self._active_adapter()}" if self._active_adapter() else ""
        return " · ".join([f"{name}{adapter}", str(self.app.folder), *self.meter.summary()])

    def standalone_question(self, line: str) -> str:
        """Return a follow-up as a standalone question; any other line unchanged."""
        return self._rewriter.standalone_question(line, self.history)

    # --- commands --------------------------------------------------------------------------------------------------

    def _require_answer(self) -> Answer:
        if self.last_answer is None:
            raise UsageError("Expected an answer before this command, found none: ask a question first.")
        return self.last_answer

    def _show_sources(self, _: str) -> None:
        answer = self._require_answer()
        for hit in answer.evidence:
            console.print_lines(hit_lines(hit))
        for diagnostic in answer.diagnostics:
            console.print_notice(diagnostic.message)
        if not answer.evidence:
            console.print_result("[dim]The last answer came from the model's memory: it has no sources.[/dim]")

    def _open_citation(self, number: str) -> None:
        answer = self._require_answer()
        if number and not re.fullmatch(r"\d{1,6}", number):
            raise UsageError(f"Expected the number of a citation, such as /open 2, found {number!r}.")
        passage_id, cited = find_cited_passage(answer, int(number or 1))
        passage = self.app.graph_store.passages_by_id([passage_id]).get(passage_id)
        if passage is None:
            raise UsageError(
                f"Expected the passage {passage_id} in the store, found none: it was forgotten, ask again."
            )
        header = self.app.graph_store.document_headers([passage.document_id])[passage.document_id]
        neighbours = self.app.graph_store.passages_of_document(passage.document_id)
        console.print_lines(passage_lines(passage, header.title, header.source, cited, neighbours))

    def _show_paths(self, _: str) -> None:
        answer = self._require_answer()
        paths = answer.non_empty_paths or dict.fromkeys(p for hit in answer.evidence for p in hit.paths if p.triples)
        console.print_lines(
            [f"[green]↳[/green] {format_path(path)}" for path in paths]
            or ["[dim]The last answer has no graph path.[/dim]"]
        )

    def _toggle_closed_book(self, _: str) -> None:
        self.is_closed_book = not self.is_closed_book
        console.print_result(
            "Answering from the model's memory, without the documents."
            if self.is_closed_book
            else "Answering from the documents."
        )

    def _set_filter(self, where: str) -> None:
        if where:
            self.set_filter(None if where == NO_FILTER else where)
        console.print_result(
            f"Answering from the documents with {escape(self.where)}."
            if self.where
            else "Answering from all documents."
        )

    def _select_style(self, name: str) -> None:
        if name:
            self.app.pipeline_for(style=name)
            self.style = name
        console.print_result(f"Style of the answers: {self.style or self.app.config.style}.")

    def set_filter(self, where: str | None) -> None:
        """Answer only from documents that fulfil a filter; from all for None.

        Raises:
            UsageError: the filter is none, or names a field that no document has.
        """
        self.app.filtered_retriever(where)
        self.where = where

    def _show_rewrite(self, line: str) -> None:
        if line:
            console.print_result(escape(self.standalone_question(line)))
            return
        if not self.session.turns:
            raise UsageError("Expected a question before /rewrite or after it, found none: ask a question first.")
        last_turn = self.session.turns[-1]
        unchanged_note = " [dim](unchanged)[/dim]" if last_turn.asked == last_turn.question else ""
        console.print_result(f"{escape(last_turn.question)}{unchanged_note}")

    def _export_conversation(self, name: str) -> None:
        if not self.session.turns:
            raise UsageError("Expected a conversation to export, found none: ask a question first.")
        path = Path(name or f"{self.session.name}.md").expanduser()
        try:
            with atomic_write(path) as temporary:
                temporary.write_text(self.session.to_markdown(), "utf-8")
        except OSError as error:
            raise UsageError(f"{path} cannot be written ({error.strerror}): choose another file.") from error
        console.print_result(
            f"Wrote {len(self.session.turns)} questions and answers to [bold]{escape(str(path))}[/bold]."
        )

    def _select_model(self, name: str) -> None:
        if name:
            self._apply_change(lambda: self.app.set_model(model=name))
        console.print_result(escape(self.status_line()))

    def _select_adapter(self, name: str) -> None:
        if name:
            self._apply_change(lambda: self.app.set_model(adapter="" if name == NO_ADAPTER else name))
        else:
            self._print_adapters()
        console.print_result(escape(self.status_line()))

    def _print_adapters(self) -> None:
        adapters = list_adapters(self.app.folder)
        for adapter in adapters:
            active_label = "[green]on[/green] " if adapter.name == self._active_adapter() else "   "
            console.print_result(
                f"{active_label}[bold]{escape(adapter.name)}[/bold] [dim]{escape(str(adapter.folder))}[/dim]"
            )
        if not adapters:
            console.print_result("[dim]No adapters here: `kgrag tune` trains one; /adapter also takes a folder.[/dim]")

    def _active_adapter(self) -> str:
        """Return the name of the active adapter; "" without one."""
        return Path(self.app.config.adapter).name if self.app.config.adapter else ""

    def completions(self) -> list[str]:
        """Return the completions of a line: commands, adapters and models."""
        adapters = [
            f"/adapter {name}" for name in (NO_ADAPTER, *(adapter.name for adapter in list_adapters(self.app.folder)))
        ]
        return [
            *self._commands,
            "/quit",
            *adapters,
            *(f"/style {name}" for name in STYLES),
            *(f"/model {model.name}" for model in all_models() if model.kind == "llm"),
        ]

    def _apply_change(self, change: Callable[[], None]) -> None:
        console.show_spinner()
        try:
            change()
        finally:
            console.end_progress()
        self.meter = ThroughputMeter()

    def _switch_store(self, name: str) -> None:
        if not name:
            console.print_result(escape(str(self.app.location)))
            return
        location = parse_location(name)
        location = location.expanduser() if isinstance(location, Path) else location
        new_app = Store(location, self.app.notice, self.app.progress, model=self.app.model)
        counts = new_app.graph_store.counts()
        if self.app.loaded_llm is not None:
            new_app.use(llm=self.app.llm)  # loaded once, with its adapter
            folder = resolve_adapter_folder(self.app.config.adapter, self.app.folder) if self._active_adapter() else ""
            new_app.config = new_app.config.model_copy(update={"adapter": str(folder)})
        self.app = new_app
        self._rewriter = FollowUpRewriter(new_app)
        self.session = ChatSession.create(new_app.folder)
        self.history.clear()
        self.last_answer = None
        console.print_result(f"[bold]{escape(name)}[/bold]: {console.format_counts(counts)}.")

    # --- where lines come from -------------------------------------------------------------------------------------

    def _interactive_reader(self) -> Callable[[], str]:
        from prompt_toolkit import PromptSession
        from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
        from prompt_toolkit.completion import WordCompleter
        from prompt_toolkit.history import FileHistory, InMemoryHistory

        file = self.app.folder / "chat_history"
        session: PromptSession[str] = PromptSession(
            history=FileHistory(str(file)) if _is_writable(file) else InMemoryHistory(),
            auto_suggest=AutoSuggestFromHistory(),
            completer=WordCompleter(self.completions, sentence=True),
            complete_while_typing=True,
            bottom_toolbar=self.status_line,
        )
        return lambda: session.prompt("? ")

    @staticmethod
    def _piped_reader() -> Callable[[], str]:
        if isinstance(sys.stdin, io.TextIOWrapper):
            sys.stdin.reconfigure(errors="replace")

        def read_line() -> str:
            line = sys.stdin.readline()
            if not line:
                raise EOFError
            return line

        return read_line


def _is_writable(file: Path) -> bool:
    """Whether a file can be written; a store may be read-only for this user."""
    return os.access(file if file.exists() else file.parent, os.W_OK)
