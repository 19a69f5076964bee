"""The command `kgrag eval compare`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kgrag.cli.options import (
    JsonOption,
    print_json,
)
from kgrag.errors import UsageError

if TYPE_CHECKING:
    from kgrag.factuality.figures import Manifest


def eval_compare(
    a: Annotated[Path, typer.Argument(help="Folder of a run.")],
    b: Annotated[Path, typer.Argument(help="Folder of another run.")],
    json_: JsonOption = False,
) -> None:
    """Compare two runs, arm by arm, on the questions that both have."""
    from kgrag.cli.eval.view import print_comparison
    from kgrag.factuality.records import load_records
    from kgrag.factuality.report.run_diff import compare_runs

    comparison = compare_runs(load_records(a), load_records(b), manifests=(_read_manifest(a), _read_manifest(b)))
    if not comparison["differences"]:
        raise UsageError(
            f"Expected common questions, conditions and arms in {a} and {b}, found none: run both with the same --arms."
        )
    print_json(comparison) if json_ else print_comparison(comparison)


def _read_manifest(folder: Path) -> Manifest:
    from kgrag.factuality.report.files import MANIFEST_FILE

    try:
        manifest = json.loads((folder / MANIFEST_FILE).read_text("utf-8"))
        return manifest if isinstance(manifest, dict) else {}
    except (OSError, ValueError):
        return {}
