"""Speed benchmarks, and the agreement of the two encoders."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kgrag.cli.main import app, run_command
from kgrag.dev.benchmarks.latency import copy_first_documents, measure_peak_memory
from kgrag.errors import ReadError
from tests.support.paths import ROOT


def test_measure_peak_memory_sees_temporary_allocation() -> None:
    buffers: list[bytearray] = []

    def work() -> None:
        import time

        buffers.append(bytearray(b"x") * (256 << 20))
        time.sleep(0.3)
        buffers.clear()

    _, before = measure_peak_memory(lambda: None, 0.05)
    seconds, peak = measure_peak_memory(work, 0.05)
    assert peak - before > 200e6 and seconds > 0.3
    with pytest.raises(ZeroDivisionError):
        measure_peak_memory(lambda: 1 / 0)


def test_copy_first_documents_of_a_folder(tmp_path: Path) -> None:
    target = tmp_path / "out.jsonl"
    assert copy_first_documents(ROOT / "examples" / "en", 3, target) == 3
    rows = [json.loads(line) for line in target.read_text().splitlines()]
    assert len(rows) == 3 and all(row["_id"] and row["title"] and row["text"] for row in rows)
    (tmp_path / "empty.jsonl").write_text("not json\n")
    with pytest.raises(ReadError, match="found none"):
        copy_first_documents(tmp_path / "empty.jsonl", 3, target)


def test_bench_ingest_reports_speed_and_encoders(capsys: pytest.CaptureFixture[str]) -> None:
    corpus = str(ROOT / "examples" / "en")
    assert run_command(lambda: app(["bench", "ingest", corpus, "--limit", "3", "--json"], prog_name="kgrag")) == 0
    report = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert report["documents"] == 3 and report["passages"] == report["embedder"]["compared"] >= 3
    assert report["documents/s"] == pytest.approx(3 / report["seconds"]) and report["peak MB"] > 50
    ours = report["embedder"]
    assert ours["least cosine"] > 0.999 and min(ours.values()) > 0
    assert ours["ratio"] == pytest.approx(ours["passages/s of the first"] / ours["passages/s of sentence-transformers"])
