"""Files of a run: records, figures, tables and the manifest; each file is written whole or not at all."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from kgrag.factuality.figures import IntervalFigures, Manifest, RunReport
from kgrag.factuality.records import RECORDS_FILE, RunRecord, record_line
from kgrag.factuality.report.labels import rate_figures
from kgrag.factuality.scoring.claim_verification import CLAIM_METRICS
from kgrag.factuality.scoring.outcomes import RATES
from kgrag.serialize import nan_to_none
from kgrag.storage.atomic import atomic_write

REPORT_FILE, MANIFEST_FILE, ANSWERS_FILE, RATES_FILE = "report.json", "manifest.json", "answers.csv", "rates.csv"
_ANSWER_COLUMNS = (
    "id",
    "condition",
    "arm",
    "lang",
    "hops",
    "type",
    "question",
    "answer",
    "outcome",
    "f1",
    "blame",
    "model",
    "seconds",
)


def write_run(folder: Path, records: Sequence[RunRecord], report: RunReport, manifest: Manifest) -> None:
    """Write all files of a run into a folder; the manifest comes last, so its presence marks a complete run.

    Raises:
        OSError: the folder cannot be written.
    """
    write_text(folder / RECORDS_FILE, "".join(record_line(r) + "\n" for r in records))
    write_text(folder / REPORT_FILE, to_json(report))
    write_text(folder / ANSWERS_FILE, answers_csv(records))
    write_text(folder / RATES_FILE, rates_csv(report))
    write_text(folder / MANIFEST_FILE, to_json(manifest))


def write_text(path: Path, content: str) -> None:
    """Write a text file, whole or not at all."""
    with atomic_write(path) as temporary:
        temporary.write_text(content, "utf-8", newline="\n")


def to_json(value: Any) -> str:
    """Return indented JSON, with null for NaN and infinity."""
    return json.dumps(nan_to_none(value), ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def answers_csv(records: Sequence[RunRecord]) -> str:
    """Return one CSV line per record: question, answer, outcome, and the metrics of its claims."""
    claims = ("claims", "supported", "contradicted", "unverifiable")
    rows = []
    for record in records:
        verdicts = [claim["verdict"] for claim in record["claims"]]
        values: Mapping[str, object] = record
        row = {name: values[name] for name in _ANSWER_COLUMNS} | {"accepted": " | ".join(record["accepted"])}
        row |= {"claims": len(verdicts)} | {name: verdicts.count(name) for name in claims[1:]}
        rows.append(row | {f"measure_{name}": record["measures"][name] for name in CLAIM_METRICS})
    heads = [*_ANSWER_COLUMNS, "accepted", *claims, *(f"measure_{name}" for name in CLAIM_METRICS)]
    return to_csv(heads, rows)


def rates_csv(report: RunReport) -> str:
    """Return one CSV line per condition, arm and measure: value, interval, and number of questions."""
    rows: list[Mapping[str, object]] = []
    for condition, arms in report["rates"].items():
        for arm, figures in arms.items():
            intervals: dict[str, IntervalFigures] = {name: rate_figures(figures, name) for name in RATES}
            intervals |= figures["measures"]
            for name, interval in intervals.items():
                rows.append(
                    {
                        "condition": condition,
                        "arm": arm,
                        "measure": name,
                        "value": interval["value"],
                        "low": interval["low"],
                        "high": interval["high"],
                        "questions": figures["questions"],
                    }
                )
    return to_csv(["condition", "arm", "measure", "value", "low", "high", "questions"], rows)


def to_csv(heads: Sequence[str], rows: Sequence[Mapping[str, object]]) -> str:
    """Return rows as CSV; a cell that a spreadsheet would read as a formula is quoted as text."""
    out = StringIO()
    writer = csv.DictWriter(out, heads, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _csv_cell(value) for name, value in row.items()})
    return out.getvalue()


def _csv_cell(value: Any) -> Any:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t"):
        return "'" + value
    return value
