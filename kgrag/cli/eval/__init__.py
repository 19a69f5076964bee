"""The commands of `kgrag eval`: run an experiment, compare two runs, label claims, rebuild the page."""

from __future__ import annotations

import typer

from kgrag.cli.eval.compare import eval_compare
from kgrag.cli.eval.group import DEFAULT_COMMAND, EvalGroup
from kgrag.cli.eval.label import eval_label
from kgrag.cli.eval.page import eval_page
from kgrag.cli.eval.run import eval_run

evaluation = typer.Typer(
    suggest_commands=False,  # click suggests
    cls=EvalGroup,
    help="Compare answers with and without retrieved evidence (kgrag eval QUESTIONS), and compare runs.",
    no_args_is_help=True,
)
evaluation.command(DEFAULT_COMMAND)(eval_run)
evaluation.command("compare")(eval_compare)
evaluation.command("label")(eval_label)
evaluation.command("page")(eval_page)
