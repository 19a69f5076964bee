"""The command line `kgrag`: its own options, streams and exit code. `command_table.py` lists the commands."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Annotated

import typer

from kgrag.cli.exit_codes import CommandInterruptedError, run_command
from kgrag.cli.root_group import RootGroup
from kgrag.logs import LOG_VARIABLE, configure_logging

app = typer.Typer(
    suggest_commands=False,  # click suggests
    name="kgrag",
    cls=RootGroup,
    help="Ask questions about your own documents. Every answer cites its sentences and shows its path through the graph.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)


def _version(is_requested: bool) -> None:
    if is_requested:
        from kgrag import __version__

        typer.echo(f"kgrag {__version__}")
        raise typer.Exit


@app.callback()
def root_options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    verbose: Annotated[
        bool,
        typer.Option("--verbose", "-v", help="Log stage timings and prompts to standard error (or set KGRAG_LOG)."),
    ] = False,
) -> None:
    """Ask questions about your own documents. Every answer cites its sentences and shows its path through the graph."""
    level = "debug" if verbose else os.environ.get(LOG_VARIABLE, "")
    if level:
        configure_logging(level)


def main() -> None:
    """Run the command line. User errors become a sentence and an exit code, bugs keep their traceback."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError):  # an unprintable file name must not stop a result
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    code = run_command(app)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # the reader has gone or the disk is full: already reported
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    # threads of the model may still be running; they have nothing to save
    os._exit(code) if "openvino_genai" in sys.modules else sys.exit(code)


__all__ = ["CommandInterruptedError", "app", "main", "run_command"]
