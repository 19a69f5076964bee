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
from kgrag.factuality.outcomes import RATES
from kgrag.factuality.records import Record
from kgrag.factuality.support import MEASURES
from kgrag.files import replaced

REPORT, MANIFEST, ANSWERS, FIGURES = "report.json", "manifest.json", "answers.csv", "rates.csv"
_FLAT = (
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


def write(folder: Path, records: Sequence[Record], report: dict[str, Any], manifest: dict[str, Any]) -> None:
    """Write all of them into a folder; the manifest last, so that where it is, the others are.

    Raises:
        OSError: the folder cannot be written.
    """
    text(folder / kept.FILE, "".join(kept.line(r) + "\n" for r in records))
    text(folder / REPORT, as_json(report))
    text(folder / ANSWERS, answers_csv(records))
    text(folder / FIGURES, rates_csv(report))
    text(folder / MANIFEST, as_json(manifest))


def text(path: Path, content: str) -> None:
    """Write a file, whole or not at all."""
    with replaced(path) as beside:
        beside.write_text(content, "utf-8", newline="\n")


def as_json(value: Any) -> str:
    """JSON for people to read, with null for what is not defined."""
    return json.dumps(defined(value), ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def defined(value: Any) -> Any:
    """``value`` with None for what is not a number."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: defined(part) for name, part in value.items()}
    return [defined(part) for part in value] if isinstance(value, list | tuple) else value


def answers_csv(records: Sequence[Record]) -> str:
    """A line for each record: what was asked, said, and became of it, and the measures of its claims."""
    claims = ("claims", "supported", "contradicted", "unverifiable")
    rows = []
    for record in records:
        verdicts = [claim["verdict"] for claim in record["claims"]]
        row = {name: record[name] for name in _FLAT} | {"accepted": " | ".join(record["accepted"])}
        row |= {"claims": len(verdicts)} | {name: verdicts.count(name) for name in claims[1:]}
        rows.append(row | {f"measure_{name}": record["measures"][name] for name in MEASURES})
    heads = [*_FLAT, "accepted", *claims, *(f"measure_{name}" for name in MEASURES)]
    return table(heads, rows)


def rates_csv(report: dict[str, Any]) -> str:
    """A line for each condition, arm and measure: its value, interval, and how many questions it is of."""
    rows = []
    for condition, arms in report["rates"].items():
        for arm, figures in arms.items():
            values = {name: figures[name] for name in RATES} | figures["measures"]
            for name, value in values.items():
                row = {"condition": condition, "arm": arm, "measure": name}
                rows.append(row | {k: value[k] for k in ("value", "low", "high")} | {"questions": figures["questions"]})
    return table(["condition", "arm", "measure", "value", "low", "high", "questions"], rows)


def table(heads: Sequence[str], rows: Sequence[dict[str, Any]]) -> str:
    """Rows as CSV; what a spreadsheet would take for a formula is quoted as text."""
    out = StringIO()
    writer = csv.DictWriter(out, heads, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _cell(value) for name, value in row.items()})
    return out.getvalue()


def _cell(value: Any) -> Any:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t"):
        return "'" + value
    return value
