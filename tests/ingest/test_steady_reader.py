"""Files that change or disappear while they are read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import ingest.steady_reader
from ingest.readers.content import ReadProblem
from ingest.readers.files.discovery import Source
from ingest.steady_reader import MAX_READINGS, Reread, SourceDone, read_steadily
from kgrag.storage.checksums import file_sha256
from kgrag.types import Document


def change_after_opening(monkeypatch: pytest.MonkeyPatch, change: Callable[[Source, int], None]) -> None:
    """Call ``change`` with the source and the number of the reading, after its first item."""
    reader, readings = ingest.steady_reader.read_source, [0]

    def read(source: Source, *arguments):  # type: ignore[no-untyped-def]
        readings[0] += 1
        items = list(reader(source, *arguments))
        yield from items[:1]
        change(source, readings[0])
        yield from items[1:]

    monkeypatch.setattr(ingest.steady_reader, "read_source", read)


def read_all(path: Path) -> list[object]:
    return list(read_steadily(Source(path, path.name), lambda _: None))


def test_file_changed_after_reading_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    path.write_text("Ada wro")
    change_after_opening(monkeypatch, lambda source, n: source.path.write_text("Ada wrote.") if n == 1 else None)
    items = read_all(path)
    assert [item.text for item in items if isinstance(item, Document)] == ["Ada wro", "Ada wrote."]
    assert isinstance(items[1], Reread)
    assert isinstance(items[-1], SourceDone) and items[-1].digest == file_sha256(path)


def test_half_written_file_is_not_yielded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    path.write_text("Ada wro")
    reader = ingest.steady_reader.read_source

    def read_while_written(source: Source, *arguments):  # type: ignore[no-untyped-def]
        items = list(reader(source, *arguments))
        if source.path.read_text() == "Ada wro":
            source.path.write_text("Ada wrote.")
        return iter(items)

    monkeypatch.setattr(ingest.steady_reader, "read_source", read_while_written)
    assert [item.text for item in read_all(path) if isinstance(item, Document)] == ["Ada wrote."]


def test_file_that_never_rests_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"_id": "1", "text": "Ada wrote."}\n')
    change_after_opening(monkeypatch, lambda source, n: source.path.write_bytes(source.path.read_bytes() * 2))
    items = read_all(path)
    assert sum(isinstance(item, Reread) for item in items) == MAX_READINGS
    problem, done = items[-2:]
    assert isinstance(problem, ReadProblem) and "stays as it is" in problem.message
    assert isinstance(done, SourceDone) and done.digest == ""


def test_file_that_is_gone_is_one_problem(tmp_path: Path) -> None:
    problem, done = read_all(tmp_path / "gone.txt")
    assert isinstance(problem, ReadProblem) and "no such file" in problem.message
    assert isinstance(done, SourceDone) and done.digest == ""


def test_touched_file_keeps_its_digest(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("Ada wrote.")
    os.utime(path, (1, 1))
    assert [type(item) for item in read_all(path)] == [Document, SourceDone]
