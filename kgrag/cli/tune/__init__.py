"""The commands of `kgrag tune`: fine-tune a model on your own documents, or write its training examples."""

from __future__ import annotations

import typer

from kgrag.cli.tune.embedder import tune_embedder_command
from kgrag.cli.tune.group import DEFAULT_COMMAND, TuneGroup
from kgrag.cli.tune.run import tune_run
from kgrag.cli.tune.write import tune_write

tune = typer.Typer(
    suggest_commands=False,  # click suggests
    cls=TuneGroup,
    help="Fine-tune the language model on your documents (kgrag tune --store DIR; options: kgrag tune run --help).",
    no_args_is_help=True,
)
tune.command(DEFAULT_COMMAND)(tune_run)
tune.command("write")(tune_write)
tune.command("embedder")(tune_embedder_command)
