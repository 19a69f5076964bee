"""Repeated ingest: unchanged files cost nothing, and changed or deleted files are updated."""

from __future__ import annotations

import gzip
import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

import ingest.entities.recognition
import ingest.extraction
import ingest.pipeline
import ingest.steady_reader
from graphs.sqlite.store import SQLiteGraph
from ingest.pipeline import IngestPipeline, IngestReport
from ingest.readers.files.discovery import Source
from kgrag.errors import KgragError
from tests.support.documents import (
    find_capitalized_names,
    find_store_damage,
    read_all_rows,
    read_empty_states,
)
from tests.support.ingest_project import PASSAGE_SIZE, Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.fixture
def light(monkeypatch: pytest.MonkeyPatch) -> None:
    """Recognize names with a simple rule, for tests that do not depend on names."""
    monkeypatch.setattr(ingest.extraction, "recognize_entities", find_capitalized_names)
    monkeypatch.setattr(ingest.extraction, "encode_token_states", read_empty_states)


def bilingual(project: Project) -> None:
    project.write("ada.md", "# Ada Lovelace\n\nAda Lovelace was born in London. Her father was Lord Byron.\n" * 3)
    project.write("deep/吴文俊.txt", "吴文俊出生于上海，是中国数学家。他是陈省身的学生。\n" * 6)
    project.jsonl("rows.jsonl", [(f"row {n}", f"Charles Babbage built engine {n} in London.") for n in range(40)])
    project.write("table.csv", "name,text\n北京,北京是中国的首都。\nParis,Paris is the capital of France.\n")


def counts(report: IngestReport) -> tuple[int, int, int, int]:
    return report.added, report.replaced, report.unchanged, report.removed


# --- the same again ----------------------------------------------------------------------------------------------


def test_two_stores_of_the_same_files_are_equal(tmp_path: Path) -> None:
    stores = []
    for name in ("one", "two"):
        project = Project(tmp_path / name)
        bilingual(project)
        report = project.ingest()
        assert counts(report) == (44, 0, 0, 0)
        assert report.passages == len(read_all_rows(project.path)["passages"]) > 44  # some documents have several
        assert report.problems == report.vanished == []
        assert find_store_damage(project.path) == []
        stores.append(read_all_rows(project.path))
    assert stores[0] == stores[1]
    assert stores[0]["mentions"]
    assert stores[0]["triples"]


def test_unchanged_files_are_not_read_or_embedded(
    project: Project, monkeypatch: pytest.MonkeyPatch, light: None
) -> None:
    bilingual(project)
    project.ingest()
    embedded = project.embedder.texts
    opened: list[str] = []
    reader = ingest.steady_reader.read_source
    monkeypatch.setattr(
        ingest.steady_reader, "read_source", lambda source, *a: opened.append(source.id) or reader(source, *a)
    )
    assert counts(project.ingest()) == (0, 0, 44, 0)
    assert opened == []
    for file in project.files.rglob("*.*"):
        os.utime(file, (1, 1))  # a file that was only touched is the same file
    assert counts(project.ingest()) == (0, 0, 44, 0)
    assert opened == []
    project.write("ada.md", "# Ada Lovelace\n\nShe wrote.")
    assert counts(project.ingest()) == (0, 1, 43, 0)
    assert opened == ["files/ada.md"]
    assert project.embedder.texts == embedded + 1


def test_only_changed_rows_of_a_table_are_embedded(project: Project, light: None) -> None:
    project.jsonl("rows.jsonl", [(str(n), f"Babbage built engine {n}.") for n in range(50)])
    project.ingest()
    project.jsonl("rows.jsonl", [(str(n), f"Babbage built engine {n}{'!' * (n == 7)}.") for n in range(51)])
    embedded = project.embedder.texts
    assert counts(project.ingest()) == (1, 1, 49, 0)
    assert project.embedder.texts == embedded + 2
    assert project.texts["7"] == "Babbage built engine 7!."


# --- what changes ------------------------------------------------------------------------------------------------


def test_store_after_changes_equals_fresh_store(tmp_path: Path) -> None:
    project, fresh = Project(tmp_path / "one"), Project(tmp_path / "two")
    bilingual(project)
    project.ingest()
    for each in (project, fresh):
        if each is fresh:
            bilingual(fresh)
        each.write("ada.md", "# Ada Lovelace\n\nAda Lovelace died in Marylebone.")
        each.jsonl("rows.jsonl", [(f"row {n}", f"Babbage built engine {n} in Paris.") for n in range(30, 45)])
        each.write("new.txt", "丘成桐出生于广东汕头。")
    assert counts(project.ingest()) == (6, 11, 3, 30)
    fresh.ingest()
    assert read_all_rows(project.path) == read_all_rows(fresh.path)


def test_deleted_rows_are_forgotten(project: Project, light: None) -> None:
    project.jsonl("rows.jsonl", [("a", "Ada wrote."), ("b", "Byron wrote."), ("c", "Clara wrote.")])
    project.ingest()
    project.jsonl("rows.jsonl", [("c", "Clara wrote."), ("a", "Ada wrote.")])
    report = project.ingest()
    assert counts(report) == (0, 0, 2, 1)
    assert set(project.texts) == {"a", "c"}
    assert not any("byron" in row for row in read_all_rows(project.path)["mentions"])


def test_missing_file_is_reported_and_its_documents_kept(project: Project, light: None) -> None:
    gone = project.write("deep/gone.txt", "Ada wrote.")
    project.write("stays.txt", "Byron wrote.")
    assert project.ingest().vanished == []
    gone.unlink()
    report = project.ingest()
    assert report.vanished == ["files/deep/gone.txt"]
    assert counts(report) == (0, 0, 1, 0)
    assert "files/deep/gone.txt" in project.texts
    assert project.ingest("stays.txt").vanished == []  # missing files are reported for the given folders only


def test_missing_file_is_reported_if_partly_read(project: Project, light: None) -> None:
    file = project.jsonl("rows.jsonl", [("a", "Ada wrote."), ("b", "Byron wrote.")])
    project.ingest()
    graph = SQLiteGraph(project.path)
    graph.forget("a")
    graph.close()
    file.unlink()
    project.write("other.txt", "Clara wrote.")
    assert project.ingest().vanished == ["files/rows.jsonl"]


def test_missing_file_without_documents_is_removed(project: Project, light: None) -> None:
    empty = project.write("empty.txt", "")
    project.write("stays.txt", "Byron wrote.")
    project.ingest()
    assert [source for source, _, _ in project.problems] == ["files/empty.txt"]
    empty.unlink()
    assert project.ingest().vanished == []
    assert project.problems == []


def test_forgotten_document_returns_with_next_ingest(project: Project, light: None) -> None:
    bilingual(project)
    project.ingest()
    before = read_all_rows(project.path)
    for forgotten in ("files/ada.md", "row 3"):
        graph = SQLiteGraph(project.path)
        assert graph.forget(forgotten)
        graph.close()
        assert forgotten not in project.texts
        assert project.ingest().added == 1
        assert read_all_rows(project.path) == before


# --- what cannot be read -----------------------------------------------------------------------------------------


def test_problems_are_stored_until_the_file_is_fixed(project: Project, light: None) -> None:
    project.write("rows.jsonl", '{"_id": "a", "text": "Ada wrote."}\nnot json\n{"_id": "b"}\n')
    project.write("blank.txt", " \n")
    report = project.ingest()
    assert report.added == 1
    noted = [(p.source_id, p.line, p.message) for p in report.problems]
    assert sorted((s, n) for s, n, _ in noted if n) == [("files/rows.jsonl", 2), ("files/rows.jsonl", 3)]
    assert sorted(project.problems, key=repr) == sorted(noted, key=repr)
    assert project.ingest().problems == []  # unchanged files are not read, so their problems are not reported again
    assert len(project.problems) == 3
    project.write("rows.jsonl", '{"_id": "a", "text": "Ada wrote."}\n{"_id": "c", "text": "Clara."}\nstill not json\n')
    project.write("blank.txt", "Byron wrote.")
    project.ingest()
    assert [(source, line) for source, line, _ in project.problems] == [("files/rows.jsonl", 3)]


def test_unreadable_file_keeps_its_documents(project: Project, light: None) -> None:
    bilingual(project)
    project.ingest()
    before = project.texts
    (project.files / "rows.jsonl").unlink()
    (project.files / "rows.jsonl").mkdir()  # opening it fails for the superuser too
    graph = SQLiteGraph(project.path)
    run = IngestPipeline(graph, project.embedder, passage_size=PASSAGE_SIZE, workers=0, progress=lambda *_: None)
    report = run.run([Source(project.files / "rows.jsonl", "files/rows.jsonl")])
    graph.close()
    assert [problem.source_id for problem in report.problems] == ["files/rows.jsonl"]
    assert "expected a file that can be read" in report.problems[0].message
    assert report.removed == 0
    assert project.texts == before
    (project.files / "rows.jsonl").rmdir()
    bilingual(project)
    assert counts(project.ingest()) == (0, 0, 44, 0)
    assert project.problems == []


def test_duplicate_id_stays_with_first_file(project: Project, light: None) -> None:
    project.jsonl("a.jsonl", [("same", "Ada wrote.")])
    project.jsonl("b.jsonl", [("same", "Byron wrote."), ("own", "Clara wrote.")])
    report = project.ingest()
    assert project.texts == {"same": "Ada wrote.", "own": "Clara wrote."}
    assert [problem.source_id for problem in report.problems] == ["files/b.jsonl"]
    assert "'same'" in report.problems[0].message
    assert "files/a.jsonl" in report.problems[0].message
    # a.jsonl is not read again but still owns its document
    project.jsonl("b.jsonl", [("same", "Byron wrote much."), ("own", "Clara wrote.")])
    report = project.ingest()
    assert project.texts["same"] == "Ada wrote."
    assert [problem.source_id for problem in report.problems] == ["files/b.jsonl"]


def test_duplicate_id_is_reported_on_later_runs(project: Project, light: None) -> None:
    project.jsonl("a.jsonl", [("same", "Ada wrote."), ("own", "Ada left.")])
    project.jsonl("b.jsonl", [("same", "Byron wrote.")])
    project.ingest("a.jsonl")
    project.ingest("b.jsonl")
    report = project.ingest()
    assert ["'same'" in problem.message for problem in report.problems] == [True]
    assert project.ingest().problems == []
    assert set(project.texts) == {"same", "own"}


def test_models_of_unused_language_are_not_loaded(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def wanted() -> None:
        raise AssertionError("loaded the English pipeline")

    monkeypatch.setattr(ingest.entities.recognition, "_load_spacy", wanted)
    project.write("吴文俊.txt", "吴文俊出生于上海。")
    assert project.ingest().added == 1
    project.write("ada.txt", "Ada Lovelace was born in London.")
    with pytest.raises(AssertionError):
        project.ingest()


# --- processes ---------------------------------------------------------------------------------------------------


def test_workers_give_same_rows_as_one_process(tmp_path: Path) -> None:
    stores = []
    for workers in (0, 2):
        project = Project(tmp_path / str(workers))
        bilingual(project)
        table = project.jsonl("more.jsonl", [(f"数学家{n}", f"陈省身在上海教过{n}人。") for n in range(60)])
        (project.files / "more.jsonl.gz").write_bytes(gzip.compress(table.read_bytes(), mtime=0))
        table.unlink()
        calls: list[tuple[int, int, int]] = []
        project.ingest(workers=workers, progress=lambda *call, calls=calls: calls.append(call))
        assert [documents for _, _, documents in calls] == list(range(105))
        assert [done for done, _, _ in calls] == sorted(done for done, _, _ in calls)
        assert all(done <= total for done, total, _ in calls)
        assert calls[-1][0] == calls[-1][1]
        stores.append(read_all_rows(project.path))
    assert stores[0] == stores[1]
    assert multiprocessing.active_children() == []


def test_killed_worker_keeps_committed_documents(project: Project) -> None:
    project.jsonl("rows.jsonl", [(f"{n:03}", f"陈省身在上海教过{n}个学生，吴文俊是其中之一。" * 3) for n in range(320)])
    committed: list[int] = []

    def kill_one(done: int, total: int, documents: int) -> None:
        committed[:] = range(documents)
        if len(committed) == 40:
            os.kill(multiprocessing.active_children()[0].pid or 0, signal.SIGKILL)

    with pytest.raises(KgragError) as found:
        project.ingest(workers=2, progress=kill_one)
    assert "run the command again" in str(found.value)
    assert 40 <= len(committed) < 320
    assert len(project.texts) == len(committed)
    assert find_store_damage(project.path) == []
    deadline = time.monotonic() + 5
    while multiprocessing.active_children() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert multiprocessing.active_children() == []

    assert counts(project.ingest()) == (320 - len(committed), 0, len(committed), 0)
    fresh = Project(project.base / "fresh")
    (fresh.files / "rows.jsonl").write_bytes((project.files / "rows.jsonl").read_bytes())
    fresh.ingest()
    assert read_all_rows(project.path) == read_all_rows(fresh.path)
