"""The files of a run: records, figures, tables, the blind sheet and the manifest; each whole or not there."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from kgrag.factuality import records as kept
from kgrag.factuality.records import RunRecord
from kgrag.factuality.scoring.claim_verification import CLAIM_METRICS
from kgrag.factuality.scoring.outcomes import RATES
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


def write_run(folder: Path, records: Sequence[RunRecord], report: dict[str, Any], manifest: dict[str, Any]) -> None:
    """Write all of them into a folder; the manifest last, so that where it is, the others are.

    Raises:
        OSError: the folder cannot be written.
    """
    write_text(folder / kept.RECORDS_FILE, "".join(kept.record_line(r) + "\n" for r in records))
    write_text(folder / REPORT_FILE, to_json(report))
    write_text(folder / ANSWERS_FILE, answers_csv(records))
    write_text(folder / RATES_FILE, rates_csv(report))
    write_text(folder / MANIFEST_FILE, to_json(manifest))


def write_text(path: Path, content: str) -> None:
    """Write a file, whole or not at all."""
    with atomic_write(path) as temporary:
        temporary.write_text(content, "utf-8", newline="\n")


def to_json(value: Any) -> str:
    """JSON for people to read, with null for what is not defined."""
    return json.dumps(nan_to_none(value), ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def nan_to_none(value: Any) -> Any:
    """``value`` with None for what is not a number."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: nan_to_none(part) for name, part in value.items()}
    return [nan_to_none(part) for part in value] if isinstance(value, list | tuple) else value


def answers_csv(records: Sequence[RunRecord]) -> str:
    """A line for each record: what was asked, said, and became of it, and the measures of its claims."""
    claims = ("claims", "supported", "contradicted", "unverifiable")
    rows = []
    for record in records:
        verdicts = [claim["verdict"] for claim in record["claims"]]
        row = {name: record[name] for name in _ANSWER_COLUMNS} | {"accepted": " | ".join(record["accepted"])}
        row |= {"claims": len(verdicts)} | {name: verdicts.count(name) for name in claims[1:]}
        rows.append(row | {f"measure_{name}": record["measures"][name] for name in CLAIM_METRICS})
    heads = [*_ANSWER_COLUMNS, "accepted", *claims, *(f"measure_{name}" for name in CLAIM_METRICS)]
    return to_csv(heads, rows)


def rates_csv(report: dict[str, Any]) -> str:
    """A line for each condition, arm and measure: its value, interval, and how many questions it is of."""
    rows = []
    for condition, arms in report["rates"].items():
        for arm, figures in arms.items():
            values = {name: figures[name] for name in RATES} | figures["measures"]
            for name, value in values.items():
                row = {"condition": condition, "arm": arm, "measure": name}
                rows.append(row | {k: value[k] for k in ("value", "low", "high")} | {"questions": figures["questions"]})
    return to_csv(["condition", "arm", "measure", "value", "low", "high", "questions"], rows)


def to_csv(heads: Sequence[str], rows: Sequence[dict[str, Any]]) -> str:
    """Rows as CSV; what a spreadsheet would take for a formula is quoted as text."""
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
