"""`kgrag watch`: what it does with batches of changes, and with a batch that fails."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import ingest.extraction
import kgrag.cli.watch
from ingest.pipeline import IngestReport
from kgrag.cli.watch import Watcher
from kgrag.errors import UsageError
from kgrag.storage.locks import acquire_lock
from kgrag.store.store import Store
from tests.support.documents import FakeEmbedder, find_capitalized_names, read_all_rows, read_empty_states


@pytest.fixture(autouse=True)
def light(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Recognize names with a simple rule, in a folder of its own."""
    monkeypatch.setattr(ingest.extraction, "recognize_entities", find_capitalized_names)
    monkeypatch.setattr(ingest.extraction, "encode_token_states", read_empty_states)
    monkeypatch.setattr("kgrag.models.convert.pull_model", lambda *_: None)
    monkeypatch.setattr(kgrag.cli.watch, "RETRY_SECONDS", 0.0)
    monkeypatch.chdir(tmp_path)
    Path("docs").mkdir()


@pytest.fixture
def store() -> Iterator[Store]:
    with Store("store", create=True) as opened:
        opened.use(embedder=FakeEmbedder())
        yield opened


def write(name: str, text: str) -> str:
    Path(name).parent.mkdir(exist_ok=True)
    Path(name).write_text(text)
    return os.path.abspath(name)


def figures(report: IngestReport) -> tuple[int, int, int, int]:
    return report.added, report.replaced, report.removed, len(report.moved)


def test_batches_of_changes_are_applied(store: Store) -> None:
    reports: list[IngestReport] = []
    ada, byron = write("docs/ada.md", "# Ada\n\nAda wrote."), write("docs/byron.md", "# Byron\n\nByron left.")

    def changes() -> Iterator[list[str]]:
        yield []
        write("docs/ada.md", "# Ada\n\nAda wrote much.")
        Path("docs/new").mkdir()
        os.replace(byron, "docs/new/byron.md")
        yield [ada, byron, os.path.abspath("docs/new")]
        os.remove(ada)
        yield [ada]
        yield [ada, os.path.abspath("store/graph.db"), os.path.abspath("docs/.swp")]
        write("docs/.kgragignore", "new/\n")
        yield [os.path.abspath("docs/.kgragignore")]

    Watcher(store, ["docs"], lambda report, _: reports.append(report)).run(changes())
    assert [figures(report) for report in reports] == [(2, 0, 0, 0), (0, 1, 0, 1), (0, 0, 1, 0), (0, 0, 1, 0)]
    assert not any(rows for table, rows in read_all_rows(Path("store/graph.db")).items() if table != "meta")


def test_only_changed_files_are_read(store: Store) -> None:
    paths = [write(f"docs/{name}.md", f"# {name}\n\nAda wrote.") for name in ("a", "b", "c")]
    reports: list[IngestReport] = []

    def changes() -> Iterator[list[str]]:
        yield []
        for path in paths:
            Path(path).write_text("# New\n\nByron wrote " + path)
        yield paths[:1]

    Watcher(store, ["docs"], lambda report, _: reports.append(report)).run(changes())
    assert [report.replaced for report in reports] == [0, 1]


def test_editor_that_renames_replaces_the_document(store: Store) -> None:
    ada = write("docs/ada.md", "# Ada\n\nAda wrote.")
    reports: list[IngestReport] = []

    def changes() -> Iterator[list[str]]:
        yield []
        new = write("docs/.ada.md.tmp", "# Ada\n\nAda wrote much.")
        os.replace(new, ada)
        yield [new, ada]

    watcher = Watcher(store, ["docs/ada.md"], lambda report, _: reports.append(report))
    assert watcher.roots == [os.path.abspath("docs")]
    watcher.run(changes())
    assert [figures(report) for report in reports] == [(1, 0, 0, 0), (0, 1, 0, 0)]


def test_failed_batch_is_tried_again(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    reports: list[IngestReport] = []

    def changes() -> Iterator[list[str]]:
        yield []
        ada = write("docs/ada.md", "# Ada\n\nAda wrote.")
        with acquire_lock(Path("store/lock"), "busy"):
            yield [ada]
        assert not reports
        yield []

    Watcher(store, ["docs"], lambda report, _: reports.append(report)).run(changes())
    assert [report.added for report in reports] == [1]
    assert "another process" in capsys.readouterr().err


def test_store_is_not_locked_between_batches(store: Store) -> None:
    acquired = []

    def changes() -> Iterator[list[str]]:
        yield [write("docs/ada.md", "# Ada\n\nAda wrote.")]
        with acquire_lock(Path("store/lock"), "busy"):
            acquired.append(list(store.graph_store.document_hashes()))

    Watcher(store, ["docs"], lambda *_: None).run(changes())
    assert acquired == [["docs/ada.md"]]


def test_folder_that_is_gone_keeps_its_documents(store: Store) -> None:
    write("docs/ada.md", "# Ada\n\nAda wrote.")

    def changes() -> Iterator[list[str] | None]:
        yield []
        os.rename("docs", "elsewhere")
        yield None
        raise AssertionError("asked for more changes")

    Watcher(store, ["docs"], lambda *_: None).run(changes())
    assert list(store.graph_store.document_hashes()) == ["docs/ada.md"]


@pytest.mark.parametrize("path", ["nothing", "docs/nothing.md", "-", ""])
def test_path_that_cannot_be_watched_is_refused(store: Store, path: str) -> None:
    with pytest.raises(UsageError):
        Watcher(store, [path], lambda *_: None)
