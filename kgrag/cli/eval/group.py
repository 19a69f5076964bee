"""The command group `kgrag eval`, with `run` as its default command."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Any

from typer.core import TyperGroup

DEFAULT_COMMAND = "run"


class EvalGroup(TyperGroup):
    """`kgrag eval QUESTIONS` beside its subcommands: a word that is no command is a file of questions."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Insert the default command if none is given."""
        if (
            args
            and args[0] not in self.commands
            and args[0] not in ("-h", "--help")
            and not self._is_misspelt_command(args[0])
        ):
            args = [DEFAULT_COMMAND, *args]
        return super().parse_args(ctx, args)

    def _is_misspelt_command(self, word: str) -> bool:
        """Whether a word is no file and close to a command's name, so that click can suggest the command."""
        return not Path(word).exists() and bool(get_close_matches(word, self.commands))
