"""The command group `kgrag tune`, with `run` as its default command."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

DEFAULT_COMMAND = "run"


class TuneGroup(TyperGroup):
    """`kgrag tune` beside its subcommands: arguments that begin with an option belong to `run`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Insert the default command if none is given; ``--embedder`` stands for the command embedder."""
        if "--embedder" in args:
            args = ["embedder", *(arg for arg in args if arg != "--embedder")]
        elif args and args[0].startswith("-") and args[0] not in ("-h", "--help"):
            args = [DEFAULT_COMMAND, *args]
        return super().parse_args(ctx, args)
