"""The root group of the command line: commands that load when they are used, their list, and Ctrl-C."""

from __future__ import annotations

from typing import Any

from click import Command
from click.shell_completion import CompletionItem
from typer.core import TyperGroup

from kgrag.cli.command_table import COMMANDS, LoadedCommands
from kgrag.cli.exit_codes import CommandInterruptedError


class RootGroup(TyperGroup):
    """All commands; reports Ctrl-C in a sentence, where typer alone exits without a message."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands: Any = LoadedCommands()

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all commands, in the order of `kgrag --help`."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Load a command; None if there is none of this name."""
        if cmd_name not in self.commands:
            return None
        return self.commands[cmd_name]

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help page without loading a command."""
        from kgrag.cli.root_help import print_root_help

        print_root_help(ctx, {name: entry.summary for name, entry in COMMANDS.items()})

    def shell_complete(self, ctx: Any, incomplete: str) -> list[CompletionItem]:
        """Return the commands and options that begin with ``incomplete``, without loading a command."""
        commands = [
            CompletionItem(name, help=Command(name, help=entry.summary).get_short_help_str())
            for name, entry in COMMANDS.items()
            if name.startswith(incomplete)
        ]
        return [*commands, *Command.shell_complete(self, ctx, incomplete)]

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as interrupt:
            raise CommandInterruptedError(f"Stopped. {interrupt}".strip()) from interrupt
