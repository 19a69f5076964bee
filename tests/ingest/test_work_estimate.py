"""Progress in passages: the total is sensible before anything was read, and right at the end."""

from __future__ import annotations

from pathlib import Path

from ingest.readers.files.discovery import Source
from ingest.work_estimate import WorkProgress


def test_total_is_near_from_the_first_file_on(tmp_path: Path) -> None:
    sources = []
    for number in range(50):  # a tenth of their bytes is text, which nothing says beforehand
        path = tmp_path / f"{number}.html"
        path.write_bytes(b"x" * 100_000)
        sources.append(Source(path, path.name))
    calls: list[tuple[int, int, int]] = []
    work = WorkProgress(sources, 1000, lambda *call: calls.append(call))
    work.report()
    for source in sources:
        work.estimate.start(source)
        work.estimate.add_text(10_000)
        work.estimate.finish()
        work.add_document(10_000, 12)
    assert calls[0] == (0, round(0.4 * 5_000_000 / 700), 0)
    assert calls[1][0] == 12
    assert abs(calls[3][1] - 600) < 120
    assert calls[-1] == (600, 600, 50)
    assert [done for done, _, _ in calls] == sorted(done for done, _, _ in calls)
    assert all(done <= total for done, total, _ in calls)


def test_file_that_cannot_be_examined_counts_nothing(tmp_path: Path) -> None:
    calls: list[tuple[int, int, int]] = []
    WorkProgress([Source(tmp_path / "gone.txt", "gone.txt")], 1000, lambda *call: calls.append(call)).report()
    assert calls == [(0, 0, 0)]
