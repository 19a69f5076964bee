"""Output of the benchmarks: reports, and checks of output files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kgrag.cli.options import (
    print_json,
)
from kgrag.errors import UsageError
from kgrag.terminal import console


def require_parent_folder(file: Path | None, option: str) -> None:
    if file and not file.parent.is_dir():
        raise UsageError(
            f"Expected a folder for {option}, found none at {file.parent}: create it, or choose another file."
        )


def print_report(report: Mapping[str, Any], json_: bool) -> None:
    if json_:
        print_json(report)
    else:
        console.print_benchmark(report)
