"""The report as one HTML page that needs no network: the template of ``kgrag/data/report.html`` with a run's figures.

Whatever questions, documents and models say is text there: Jinja2 escapes all of it, and the page's own policy lets
nothing run but its one script, and nothing load at all.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from kgrag.factuality.report import tables
from kgrag.factuality.report.headline import headline_sentences
from kgrag.factuality.report.labels import ERROR_CAUSE_NOTES, OUTCOMES, VERDICTS, as_percent_points
from kgrag.factuality.report.question_cards import question_cards
from kgrag.factuality.report.sections import build_sections
from kgrag.storage.atomic import atomic_write

PAGE_FILE = "report.html"
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
"""What no page can hold: control characters, and halves of characters."""
_ABSENT_SECTIONS = {
    "differences": "differences, which need two arms",
    "slices": "slices, as all questions are of one language, type and number of steps",
    "claims": "claims",
    "doubt": "calibration (`--samples 10` measures it)",
    "blame": "blame, as no arm with evidence failed",
}


def write_report(
    folder: Path, records: Sequence[Mapping[str, Any]], report: Mapping[str, Any], manifest: Mapping[str, Any]
) -> Path:
    """Write `PAGE` into a folder, whole or not at all, and give its path; equal runs give equal bytes.

    Args:
        folder: of the run; made if there is none.
        records: of the run, in their order.
        report: every figure of it, as ``report.json`` has them; what is not defined may be NaN or None.
        manifest: what decided it.

    Raises:
        OSError: the folder cannot be written.
    """
    text = render_page(records, report, manifest)
    path = folder / PAGE_FILE
    with atomic_write(path) as temporary:
        temporary.write_text(text, "utf-8", newline="\n")
    return path


def render_page(records: Sequence[Mapping[str, Any]], report: Mapping[str, Any], manifest: Mapping[str, Any]) -> str:
    """The page as text."""
    rows, figures = [dict(r) for r in records], dict(report)
    cards = question_cards(rows)
    anchors = {(case.head["id"], case.head["condition"]): (case.anchor, case.number) for case in cards}
    report_sections = build_sections(figures, manifest, anchors)
    section_ids = {section.id for section in report_sections}
    style, script = (_read_asset(name) for name in ("report.css", "report.js"))
    choices = [
        (name, said, sorted({str(r[name]) for r in rows if r[name]}))
        for name, said in (("condition", "Condition"), ("lang", "Language"), ("type", "Type"), ("blame", "To blame"))
    ]
    conditions = list(figures["rates"])
    first = conditions[:1] if "answerable" in conditions else []
    text = _jinja_environment().get_template(PAGE_FILE).render(
        title=", ".join(_title_parts(figures, manifest)),
        style=Markup(style),
        style_hash=_csp_hash(style),
        script=Markup(script),
        script_hash=_csp_hash(script),
        sentences=headline_sentences(figures, rows, seed=int(manifest.get("seed") or 0)),
        first=[part for c in first for part in (tables.outcome_table(figures, c), tables.rate_table(figures, c))],
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
        arms=figures["arms"],
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


def _title_parts(report: Mapping[str, Any], manifest: Mapping[str, Any]) -> list[str]:
    """What was asked of whom."""
    model = manifest.get("model")
    name = model.get("name") if isinstance(model, Mapping) else model
    return [str(part) for part in (manifest.get("questions"), f"{report['questions']:,} questions", name) if part]


def _read_asset(name: str) -> str:
    return files("kgrag").joinpath(f"data/{name}").read_text("utf-8")


def _csp_hash(text: str) -> str:
    """As a page's policy names an inline script or style that may be used."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
