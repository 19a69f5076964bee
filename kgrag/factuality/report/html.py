"""Render the report as one HTML page that needs no network, from the template ``kgrag/data/report.html``.

Jinja2 escapes all text of questions, documents and models. The page's content security policy allows its one script and
loads nothing.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from kgrag.factuality.figures import Manifest, RunReport
from kgrag.factuality.records import RunRecord
from kgrag.factuality.report import tables
from kgrag.factuality.report.headline import headline_sentences
from kgrag.factuality.report.labels import ERROR_CAUSE_NOTES, OUTCOMES, VERDICTS, as_percent_points
from kgrag.factuality.report.question_cards import question_cards
from kgrag.factuality.report.sections import build_sections
from kgrag.storage.atomic import atomic_write

PAGE_FILE = "report.html"
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
"""Characters that a page cannot hold: control characters and lone surrogates."""
_ABSENT_SECTIONS = {
    "differences": "differences (they need two arms)",
    "slices": "slices (all questions have one language, type and number of steps)",
    "claims": "claims",
    "doubt": "uncertainty (`--samples 10` measures it)",
    "blame": "error causes (no arm with evidence failed)",
}


def write_report(folder: Path, records: Sequence[RunRecord], report: RunReport, manifest: Manifest) -> Path:
    """Write `PAGE_FILE` into a folder, whole or not at all, and return its path; equal runs give equal bytes.

    Args:
        folder: folder of the run; created if missing.
        records: records of the run, in their order.
        report: figures of the run; an undefined figure may be NaN or None.
        manifest: settings that decide the run.

    Raises:
        OSError: the folder cannot be written.
    """
    text = render_page(records, report, manifest)
    path = folder / PAGE_FILE
    with atomic_write(path) as temporary:
        temporary.write_text(text, "utf-8", newline="\n")
    return path


def render_page(records: Sequence[RunRecord], report: RunReport, manifest: Manifest) -> str:
    """Render the page as text."""
    cards = question_cards(records)
    anchors = {(case.head["id"], case.head["condition"]): (case.anchor, case.number) for case in cards}
    report_sections = build_sections(report, manifest, anchors)
    section_ids = {section.id for section in report_sections}
    style, script = (_read_asset(name) for name in ("report.css", "report.js"))
    choices = [
        ("condition", "Condition", sorted({r["condition"] for r in records if r["condition"]})),
        ("lang", "Language", sorted({r["lang"] for r in records if r["lang"]})),
        ("type", "Type", sorted({r["type"] for r in records if r["type"]})),
        ("blame", "Error cause", sorted({r["blame"] for r in records if r["blame"]})),
    ]
    conditions = list(report["rates"])
    first = conditions[:1] if "answerable" in conditions else []
    text = _jinja_environment().get_template(PAGE_FILE).render(
        title=", ".join(_title_parts(report, manifest)),
        style=Markup(style),
        style_hash=_csp_hash(style),
        script=Markup(script),
        script_hash=_csp_hash(script),
        sentences=headline_sentences(report, records, seed=int(manifest.get("seed") or 0)),
        first=[part for c in first for part in (tables.outcome_table(report, c), tables.rate_table(report, c))],
        outcomes=[(kind, kind) for kind in OUTCOMES],
        sections=report_sections,
        keys={
            "conditions": [(k, k) for k in OUTCOMES],
            "slices": [(k, k) for k in OUTCOMES],
            "claims": [(v, v) for v in VERDICTS],
            "blame": [(k.replace(" ", "-"), k) for k in ERROR_CAUSE_NOTES],
        },
        absent=[why for name, why in _ABSENT_SECTIONS.items() if name not in section_ids],
        cases=cards,
        choices=choices,
        arms=report["arms"],
        kinds=OUTCOMES,
        blames=ERROR_CAUSE_NOTES,
        hundred=as_percent_points,
    )  # fmt: skip
    return _UNPRINTABLE.sub("\ufffd", text)


def _jinja_environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("kgrag", "data"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.tests["drawing"] = lambda cell: isinstance(cell, Markup)
    return environment


def _title_parts(report: RunReport, manifest: Manifest) -> list[str]:
    """Return question file, number of questions, and model."""
    model = manifest.get("model")
    name = model.get("name") if isinstance(model, Mapping) else model
    return [str(part) for part in (manifest.get("questions"), f"{report['questions']:,} questions", name) if part]


def _read_asset(name: str) -> str:
    return files("kgrag").joinpath(f"data/{name}").read_text("utf-8")


def _csp_hash(text: str) -> str:
    """Return the hash of an inline script or style for the content security policy."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
