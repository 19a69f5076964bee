"""The page and the picture of a finished run, and both again when people have said something of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kgrag import console
from kgrag.errors import ReadError
from kgrag.factuality import people
from kgrag.factuality.headline import SYSTEM, sentences
from kgrag.factuality.records import Record, load
from kgrag.factuality.report import write_report
from kgrag.factuality.write import REPORT, as_json, text


def pages(folder: Path, records: Sequence[Record], report: dict[str, Any]) -> list[Path]:
    """Write ``report.html``, and the picture of its first screen where matplotlib is installed; gives their paths.

    Raises:
        OSError: the folder cannot be written.
    """
    manifest = report.get("manifest", {})
    seed = int(manifest.get("seed", 0))
    made = [write_report(folder, records, report, manifest)]
    from kgrag.factuality.figure import write_figure

    try:
        made += write_figure(
            folder, report, sentences(report, records, seed=seed)[: 3 if SYSTEM in report["arms"] else 2]
        )
    except ImportError:
        console.notice("No picture beside the page: it needs matplotlib (`pip install 'kgrag[bench]'`).")
    return made


def again(folder: Path) -> dict[str, Any]:
    """Bring what people said of a run into its ``report.json`` and its page; gives the report.

    Raises:
        UsageError: there is no finished run in ``folder``.
        ReadError: one of its files is damaged.
    """
    records = load(folder)
    path = folder / REPORT
    try:
        report: dict[str, Any] = json.loads(path.read_text("utf-8"))
        report["people"] = {
            "claims": people.agreement(records, people.load_labels(folder)),
            "preferences": people.preferences(folder),
        }
    except (OSError, ValueError, TypeError) as error:
        raise ReadError(f"{path} cannot be read ({error}): run `kgrag eval` again, which costs little.") from error
    text(path, as_json(report))
    pages(folder, records, report)
    return report
