"""The command `kgrag eval page`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kgrag.terminal import console


def eval_page(run: Annotated[Path, typer.Argument(help="Folder of a run.")]) -> None:
    """Rebuild the page of a run, with the filled-in blind sheet and the labels."""
    from kgrag.cli.eval.report import rebuild_page

    rebuild_page(run)
    console.print_notice(f"{run}/report.html is up to date.")
