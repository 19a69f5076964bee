"""The commands: where each one is defined, and its line in `kgrag --help`. A command loads when it is used."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple, get_type_hints

import typer
from typer.main import get_command_from_info, get_group_from_info
from typer.models import ArgumentInfo, CommandInfo, TyperInfo


class CommandEntry(NamedTuple):
    """A command or a group of commands that is not loaded yet.

    Attributes:
        place: Module and name of the function or of the `typer.Typer`, with a colon between them.
        summary: First paragraph of its help text; a test compares the two.
    """

    place: str
    summary: str


COMMANDS = {
    "ingest": CommandEntry(
        "kgrag.cli.ingest:ingest",
        "Ingest text, HTML, PDF, office files, mail, tables, code and archives. Run it again to update the store.",
    ),
    "watch": CommandEntry(
        "kgrag.cli.watch:watch",
        "Keep a store in step with files and folders until Ctrl-C, with one line for each batch of changes.",
    ),
    "ask": CommandEntry(
        "kgrag.cli.ask:ask",
        "Answer a question from the store, with the cited sentences and the path through the graph.",
    ),
    "retrieve": CommandEntry(
        "kgrag.cli.retrieve:retrieve",
        "Show the passages that match a question, with the ranks and paths that led to each.",
    ),
    "chat": CommandEntry(
        "kgrag.cli.chat:chat",
        "Ask questions in a conversation. /help lists the commands.",
    ),
    "show": CommandEntry(
        "kgrag.cli.show:show",
        "Show a document as it was read: its structure, passages, names and facts, and what was left out.",
    ),
    "forget": CommandEntry(
        "kgrag.cli.forget:forget",
        "Delete a document with its passages, vectors, names and facts.",
    ),
    "status": CommandEntry(
        "kgrag.cli.status:status",
        "Show a store's content, size and unreadable sources, or the model that would answer.",
    ),
    "copy": CommandEntry(
        "kgrag.cli.copy:copy",
        "Copy a store, for example from a folder to a Neo4j server. Run it again to continue an interrupted copy.",
    ),
    "reindex": CommandEntry(
        "kgrag.cli.reindex:reindex",
        "Compute a store's vectors with another embedder. Run it again to continue an interrupted run.",
    ),
    "plan": CommandEntry(
        "kgrag.cli.models:plan",
        "Show the memory that a model needs in each precision, whether it fits here, and what would make it fit.",
    ),
    "graph": CommandEntry(
        "kgrag.cli.entities:graph",
        "Explore the graph: facts with their sentences, paths, conflicts, statistics, export.",
    ),
    "models": CommandEntry(
        "kgrag.cli.models:models",
        "List the models, or download one.",
    ),
    "adapters": CommandEntry(
        "kgrag.cli.adapters:adapters",
        "List adapters, show one, merge one into its base model, or remove one.",
    ),
    "eval": CommandEntry(
        "kgrag.cli.eval:evaluation",
        "Compare answers with and without retrieved evidence (kgrag eval QUESTIONS), and compare runs.",
    ),
    "tune": CommandEntry(
        "kgrag.cli.tune:tune",
        "Fine-tune the language model on your documents (kgrag tune --store DIR; options: kgrag tune run --help).",
    ),
    "bench": CommandEntry(
        "kgrag.cli.bench:bench",
        "Benchmark retrieval, answers and components, with 95 % intervals.",
    ),
}
"""All commands by name, in the order of `kgrag --help`."""


@cache
def load_command(name: str) -> Any:
    """Import the module of a command, and build the command with its parameters."""
    module, attribute = COMMANDS[name].place.split(":")
    definition = getattr(import_module(module), attribute)
    settings: dict[str, Any] = {"pretty_exceptions_short": True, "rich_markup_mode": "rich"}
    if isinstance(definition, typer.Typer):
        command: Any = get_group_from_info(TyperInfo(definition, name=name), suggest_commands=False, **settings)
    else:
        command = get_command_from_info(CommandInfo(name, callback=definition), **settings)
    _restore_argument_help(command)
    return command


class LoadedCommands(Mapping[str, Any]):
    """The commands of `COMMANDS` by name: reading a value loads the command, names and length load nothing."""

    def __getitem__(self, name: str) -> Any:
        """Load the command ``name``.

        Raises:
            KeyError: there is no command ``name``.
        """
        return load_command(name)

    def __contains__(self, name: object) -> bool:
        """Whether there is a command ``name``."""
        return name in COMMANDS

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names, in the order of `kgrag --help`."""
        return iter(COMMANDS)

    def __len__(self) -> int:
        """Return the number of commands."""
        return len(COMMANDS)


def _restore_argument_help(command: Any) -> None:
    """Set the help texts of a command's arguments, which typer 0.25 loses with click 8.5."""
    for subcommand in getattr(command, "commands", {}).values():
        _restore_argument_help(subcommand)
    if command.callback is None:
        return
    hints = get_type_hints(inspect.unwrap(command.callback), include_extras=True)
    for parameter in command.params:
        if parameter.param_type_name == "argument" and not parameter.help:
            metadata = getattr(hints.get(parameter.name), "__metadata__", ())
            parameter.help = next((info.help for info in metadata if isinstance(info, ArgumentInfo)), None)
