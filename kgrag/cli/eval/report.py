"""Write the page and the figure of a finished run, and rebuild them with the labels of human raters."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from kgrag.errors import ReadError
from kgrag.factuality.figures import RunReport
from kgrag.factuality.records import RunRecord, load_records
from kgrag.factuality.report.files import REPORT_FILE, to_json, write_text
from kgrag.factuality.report.headline import SYSTEM_ARM, headline_sentences
from kgrag.factuality.report.html import write_report
from kgrag.factuality.scoring import human_labels
from kgrag.terminal import console


def write_pages(folder: Path, records: Sequence[RunRecord], report: RunReport) -> list[Path]:
    """Write ``report.html``, and a figure of the main results if matplotlib is installed; return the paths.

    Raises:
        OSError: the folder cannot be written.
    """
    manifest = report.get("manifest", {})
    seed = int(manifest.get("seed", 0))
    paths = [write_report(folder, records, report, manifest)]
    from kgrag.factuality.report.png_figure import write_figure

    try:
        paths += write_figure(
            folder, report, headline_sentences(report, records, seed=seed)[: 3 if SYSTEM_ARM in report["arms"] else 2]
        )
    except ImportError:
        console.print_notice("The page has no figure beside it, which needs matplotlib (`pip install 'kgrag[bench]'`).")
    return paths


def rebuild_page(folder: Path) -> RunReport:
    """Add human preferences and labels to a run's ``report.json`` and page; return the report.

    Raises:
        UsageError: there is no finished run in ``folder``.
        ReadError: one of its files is damaged.
    """
    records = load_records(folder)
    path = folder / REPORT_FILE
    try:
        report: RunReport = json.loads(path.read_text("utf-8"))
        report["people"] = {
            "claims": human_labels.judge_agreement(records, human_labels.load_labels(folder)),
            "preferences": human_labels.count_preferences(folder),
        }
    except (OSError, ValueError, TypeError) as error:
        raise ReadError(
            f"{path} cannot be read ({error}): run `kgrag eval` again; finished answers are cached."
        ) from error
    write_text(path, to_json(report))
    write_pages(folder, records, report)
    return report
