"""The root group of the command line: Ctrl-C, and the help texts of arguments."""

from __future__ import annotations

import inspect
from typing import Any, get_type_hints

from typer.core import TyperGroup
from typer.models import ArgumentInfo

from kgrag.cli.exit_codes import CommandInterruptedError


class RootGroup(TyperGroup):
    """All commands; reports Ctrl-C in a sentence, where typer alone exits without a message."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for command in self.commands.values():
            _restore_argument_help(command)

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as interrupt:
            raise CommandInterruptedError(f"Stopped. {interrupt}".strip()) from interrupt


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
