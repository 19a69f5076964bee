"""Files written by the first version (0.1.0) still open: a store with its indices, and a report."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

import kgrag
from kgrag.factuality.records import load_records
from kgrag.llm.adapter_registry import resolve_adapter_folder
from kgrag.llm.lora_adapter import load_adapter
from kgrag.tune.adapters.card import load_card
from tests.support.cli_shell import Shell
from tests.support.paths import DATA


@pytest.fixture
def old_files(tmp_path: Path) -> Path:
    """A folder with ``store`` and ``report`` of the first version."""
    with tarfile.open(DATA / "formats" / "first-version.tar.gz") as archive:
        archive.extractall(tmp_path)
    return tmp_path


def test_old_store_is_upgraded_in_place_and_its_indices_are_built_once(old_files: Path) -> None:
    stamp = old_files / "store" / "indices" / "generation.json"
    before = json.loads(stamp.read_text())
    notices: list[str] = []
    with kgrag.open(old_files / "store", notice=notices.append) as store:
        assert store.graph_store.counts()["documents"] == 5
        assert store.retrieve("Who designed the Harvard Mark I?", k=1)[0].title == "Harvard Mark I"
        answer = store.ask("Who designed the Harvard Mark I?", reader="graph")
        assert answer.text == "Howard Aiken" and answer.citations
        assert {f.object for f in store.graph.entity("Ada Lovelace").facts} >= {"London", "Lord Byron"}
        assert [p.page for p in store.graph_store.passages()] == [None] * store.graph_store.passage_count()
        assert store.retrieve("Who designed the Harvard Mark I?", where="path:nowhere") == []
    assert not notices
    first = stamp.read_bytes()
    with kgrag.open(old_files / "store") as store:
        assert store.retrieve("Who designed the Harvard Mark I?", k=1)
    assert stamp.read_bytes() == first and json.loads(first)["generation"] == before["generation"]


def test_old_store_changes_like_a_new_one(old_files: Path) -> None:
    with kgrag.open(old_files / "store") as store:
        assert store.forget("examples/en/lord-byron.md") == ["examples/en/lord-byron.md"]
        assert "Lord Byron" not in {hit.title for hit in store.retrieve("Where did Lord Byron die?", k=5)}


def test_old_report_is_read_compared_and_rendered(old_files: Path, shell: Shell) -> None:
    report = old_files / "report"
    records = load_records(report)
    assert len({record["question"] for record in records}) == 4
    figures = json.loads((report / "report.json").read_text("utf-8"))
    shell("eval", "page", report)
    assert json.loads((report / "report.json").read_text("utf-8")) == figures
    assert (report / "report.html").stat().st_size > 10_000
    code, out, _ = shell("eval", "compare", report, report)
    assert code == 0 and "grounded" in out


def test_adapter_of_the_first_version_loads_with_its_card() -> None:
    folder = resolve_adapter_folder("reader")
    card = load_card(folder)
    assert load_adapter(folder).is_plain_lora and card is not None and card.base == "qwen2.5-coder-1.5b-instruct"
