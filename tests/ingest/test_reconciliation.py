"""Files that move, are copied, overwritten or deleted: the store equals a fresh one, and little is read."""

from __future__ import annotations

import itertools
import os
import random
import shutil
from pathlib import Path

import pytest

import ingest.extraction
import ingest.steady_reader
from graphs.sqlite.store import SQLiteGraph
from ingest.ledger import copies_by_source
from tests.support.documents import (
    find_capitalized_names,
    find_store_damage,
    read_all_rows,
    read_empty_states,
)
from tests.support.ingest_project import Project

ADA = "# Ada Lovelace\n\nAda Lovelace met Charles Babbage in London. " * 4
BYRON = "# Lord Byron\n\nLord Byron left England. Percy Shelley met Lord Byron. " * 5
CLARA = "# Clara\n\nClara wrote of Geneva."


@pytest.fixture(autouse=True)
def light(monkeypatch: pytest.MonkeyPatch) -> None:
    """Recognize names with a simple rule."""
    monkeypatch.setattr(ingest.extraction, "recognize_entities", find_capitalized_names)
    monkeypatch.setattr(ingest.extraction, "encode_token_states", read_empty_states)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the ids of the sources that are read from now on."""
    opened: list[str] = []
    reader = ingest.steady_reader.read_source
    monkeypatch.setattr(
        ingest.steady_reader, "read_source", lambda source, *a: opened.append(source.id) or reader(source, *a)
    )
    return opened


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "one")


def assert_equals_fresh(project: Project) -> None:
    """Assert that the store equals one that is built from the present files."""
    fresh = Project(project.base / "fresh")
    shutil.rmtree(fresh.base)
    fresh.base.mkdir()
    shutil.copytree(project.files, fresh.files, symlinks=True)
    fresh.ingest()
    rows, fresh_rows = read_all_rows(project.path), read_all_rows(fresh.path)
    shutil.rmtree(fresh.base)
    assert rows == fresh_rows
    assert find_store_damage(project.path) == []


# --- moves -------------------------------------------------------------------------------------------------------


def test_moved_folder_is_renamed_without_reading(project: Project, opened: list[str]) -> None:
    project.write("old/ada.md", ADA)
    project.write("old/deep/吴.md", "# 吴文俊\n\n吴文俊生于上海。")
    project.jsonl("old/rows.jsonl", [("a", "Ada wrote."), ("b", "Byron wrote.")])
    project.write("old/table.csv", "name,text\nParis,Paris is the capital of France.\n")
    project.ingest()
    embedded, opened[:] = project.embedder.texts, []
    (project.files / "old").rename(project.files / "new")
    report = project.ingest()
    assert opened == []
    assert project.embedder.texts == embedded
    assert [old.replace("/old/", "/new/") for old, _ in report.moved] == [new for _, new in report.moved]
    assert (len(report.moved), report.added, report.unchanged, report.vanished) == (4, 0, 5, [])
    assert set(project.texts) == {"files/new/ada.md", "files/new/deep/吴.md", "a", "b", "files/new/table.csv:2"}
    assert_equals_fresh(project)
    assert project.ingest().moved == []


def test_renamed_file_with_own_title_is_not_read(project: Project, opened: list[str]) -> None:
    project.write("ada.md", ADA).rename(project.files / "ada.md")
    project.ingest()
    opened[:] = []
    (project.files / "ada.md").rename(project.files / "countess.md")
    assert project.ingest().moved == [("files/ada.md", "files/countess.md")]
    assert opened == []
    assert_equals_fresh(project)


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("old.txt", "new.txt", "Ada wrote."),  # the title comes from the name
        ("notes.txt", "notes.csv", "# Ada,Byron\nAda,Ada met Byron.\n"),  # another reader
    ],
)
def test_renamed_file_is_read_where_its_name_matters(
    project: Project, opened: list[str], old: str, new: str, text: str
) -> None:
    project.write(old, text)
    project.ingest()
    opened[:] = []
    (project.files / old).rename(project.files / new)
    report = project.ingest()
    assert report.moved == [(f"files/{old}", f"files/{new}")]
    assert opened == [f"files/{new}"]
    assert report.vanished == []
    assert_equals_fresh(project)


def test_move_onto_another_file_replaces_it(project: Project, opened: list[str]) -> None:
    project.write("a.md", ADA)
    project.write("b.md", BYRON)
    project.ingest()
    opened[:] = []
    (project.files / "a.md").replace(project.files / "b.md")
    report = project.ingest()
    assert (opened, report.moved) == ([], [("files/a.md", "files/b.md")])
    assert_equals_fresh(project)


def test_rotated_files_are_renamed_in_turn(project: Project, opened: list[str]) -> None:
    for number, text in enumerate((ADA, BYRON, CLARA)):
        project.write(f"log.{number}.md", text)
    project.ingest()
    opened[:] = []
    for number in (2, 1, 0):
        (project.files / f"log.{number}.md").rename(project.files / f"log.{number + 1}.md")
    project.write("log.0.md", "# News\n\nPercy Shelley wrote.")
    report = project.ingest()
    assert (len(report.moved), opened) == (3, ["files/log.0.md"])
    assert_equals_fresh(project)


def test_exchanged_files_are_read_again(project: Project) -> None:
    project.write("a.md", ADA)
    project.write("b.md", BYRON)
    project.ingest()
    project.write("a.md", BYRON)
    project.write("b.md", ADA)
    assert project.ingest().replaced == 2
    assert_equals_fresh(project)


def test_moved_file_does_not_take_the_id_of_a_row(project: Project) -> None:
    project.write("a.md", ADA)
    project.jsonl("rows.jsonl", [("files/z.md", "Byron wrote.")])
    project.ingest()
    (project.files / "a.md").rename(project.files / "z.md")
    report = project.ingest()
    assert project.texts["files/z.md"] == "Byron wrote."
    assert ["an id of its own" in problem.message for problem in report.problems] == [True]


def test_move_killed_between_steps_is_completed(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write("old.txt", "Ada wrote.")
    project.write("ada.md", ADA)
    project.ingest()
    (project.files / "old.txt").rename(project.files / "new.txt")
    (project.files / "ada.md").rename(project.files / "moved.md")
    for method in ("rename_source", "mark_sources_read", "forget"):
        with monkeypatch.context() as patch:

            def stop(*_: object) -> None:
                raise KeyboardInterrupt

            patch.setattr(SQLiteGraph, method, stop)
            with pytest.raises(KeyboardInterrupt):
                project.ingest()
    project.ingest()
    assert_equals_fresh(project)


# --- copies ------------------------------------------------------------------------------------------------------


def test_copies_give_one_document(project: Project, opened: list[str]) -> None:
    for name in ("b.md", "a.md", "deep/c.md"):
        project.write(name, ADA)
    report = project.ingest()
    assert (report.added, opened) == (1, ["files/a.md"])
    assert report.copies == [("files/b.md", "files/a.md"), ("files/deep/c.md", "files/a.md")]
    assert set(project.texts) == {"files/a.md"}
    graph = SQLiteGraph(project.path)
    assert copies_by_source(graph) == {"files/a.md": ["files/b.md", "files/deep/c.md"]}
    graph.close()
    report = project.ingest()
    assert (report.unchanged, report.removed, opened) == (1, 0, ["files/a.md"])


def test_copy_takes_over_from_deleted_file(project: Project, opened: list[str]) -> None:
    for name in ("a.md", "b.md", "c.md"):
        project.write(name, ADA)
    project.ingest()
    opened[:] = []
    (project.files / "a.md").unlink()
    report = project.ingest(prune=True)
    assert (opened, set(project.texts), report.removed) == ([], {"files/b.md"}, 0)
    assert_equals_fresh(project)
    (project.files / "c.md").unlink()
    assert project.ingest(prune=True).vanished == []
    assert_equals_fresh(project)


def test_copy_outside_the_given_folder_takes_over(project: Project) -> None:
    project.write("a/ada.md", ADA)
    project.write("b/ada.md", ADA)
    project.ingest()
    (project.files / "a" / "ada.md").unlink()
    project.write("a/other.md", BYRON)
    project.ingest("a", prune=True)
    assert set(project.texts) == {"files/a/other.md", "files/b/ada.md"}
    assert_equals_fresh(project)


def test_changed_owner_leaves_its_documents_to_the_copy(project: Project) -> None:
    project.write("a.md", ADA)
    project.write("b.md", ADA)
    project.ingest()
    project.write("a.md", BYRON)
    project.ingest("a.md")
    assert project.texts == {"files/a.md": BYRON, "files/b.md": ADA}
    assert_equals_fresh(project)


def test_changed_copy_gets_its_own_document(project: Project) -> None:
    project.write("a.md", ADA)
    project.write("b.md", ADA)
    project.ingest()
    project.write("b.md", BYRON)
    assert project.ingest().added == 1
    assert_equals_fresh(project)
    project.write("b.md", ADA)
    assert project.ingest().removed == 1
    assert_equals_fresh(project)


def test_earlier_copy_takes_the_documents(project: Project, opened: list[str]) -> None:
    project.write("b.md", ADA)
    project.ingest()
    opened[:] = []
    project.write("a.md", ADA)
    report = project.ingest()
    assert (opened, report.moved, report.copies) == ([], [], [("files/b.md", "files/a.md")])
    assert_equals_fresh(project)


def test_copy_of_table_reports_no_duplicate_ids(project: Project) -> None:
    for name in ("a.jsonl", "b.jsonl"):
        project.jsonl(name, [("1", "Ada wrote."), ("2", "Byron wrote.")])
    report = project.ingest()
    assert (report.added, report.problems) == (2, [])


def test_empty_files_are_each_reported(project: Project) -> None:
    for name in ("a.txt", "b.txt", "c.txt"):
        project.write(name, "")
    assert [problem.source_id for problem in project.ingest().problems] == ["files/a.txt", "files/b.txt", "files/c.txt"]


def test_copy_is_read_when_its_owner_disappears_in_the_run(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write("a.md", ADA)
    project.write("b.md", ADA)
    reader = ingest.steady_reader.read_source

    def read_after_deletion(source, *arguments):  # type: ignore[no-untyped-def]
        if source.id == "files/a.md":
            source.path.unlink(missing_ok=True)
        return reader(source, *arguments)

    monkeypatch.setattr(ingest.steady_reader, "read_source", read_after_deletion)
    report = project.ingest()
    assert [problem.source_id for problem in report.problems] == ["files/a.md"]
    assert set(project.texts) == {"files/b.md"}
    project.ingest()
    assert_equals_fresh(project)


def test_reread_all_reads_owners_only(project: Project, opened: list[str]) -> None:
    project.write("a.md", ADA)
    project.write("b.md", ADA)
    project.ingest()
    project.ingest("b.md", reread_all=True)
    assert opened == ["files/a.md", "files/a.md"]
    assert_equals_fresh(project)


# --- any changes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_random_changes_end_in_a_fresh_store(tmp_path: Path, seed: int) -> None:
    project, rng = Project(tmp_path / "one"), random.Random(seed)
    names = [f"{folder}{name}" for folder, name in itertools.product(("", "x/", "y/"), ("a.md", "b.md", "c.txt"))]
    texts = [ADA, BYRON, CLARA, "Percy Shelley wrote to Mary."]
    project.write("stays.md", "# Geneva\n\nGeneva lies in the west.")
    for _ in range(6):
        for _ in range(rng.randrange(1, 5)):
            path = project.files / rng.choice(names)
            existing = [project.files / name for name in names if (project.files / name).exists()]
            action = rng.choice(["write", "write", "copy", "move", "delete"])
            path.parent.mkdir(exist_ok=True)
            if action == "write" or not existing:
                path.write_text(rng.choice(texts))
            elif action == "copy" and (source := rng.choice(existing)) != path:
                shutil.copyfile(source, path)
            elif action == "move":
                os.replace(rng.choice(existing), path)
            elif action == "delete":
                rng.choice(existing).unlink()
        project.ingest(prune=True)
        assert_equals_fresh(project)
