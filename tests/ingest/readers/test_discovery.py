"""Which files an argument names: ignore files, globs, links, names in any encoding, and what has vanished."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from graphs.sqlite.store import SQLiteGraph
from ingest.readers.content import ReadProblem
from ingest.readers.files.discovery import discover_sources
from ingest.readers.files.search_scope import SearchScope
from ingest.readers.files.source_ids import existing_path, matches_pattern
from kgrag.errors import UsageError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(*names: str) -> None:
    for name in names:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("text")


def ids(*arguments: str, base: Path = Path(), skipped: Counter[str] | None = None) -> list[str]:
    return [source.id for source in discover_sources(arguments, base, skipped)]


# --- ignore files ------------------------------------------------------------------------------------------------


def test_ignore_files_leave_out_files_and_folders(folder: Path) -> None:
    write("a.md", "b.txt", "node_modules/x/readme.md", "deep/build/c.md", "deep/d.md", "deep/keep.txt", "deep/e.txt")
    Path(".gitignore").write_text("# comment\n\nnode_modules/\nbuild\n*.txt\n")
    Path("deep/.gitignore").write_text("!keep.txt\n/d.md\n")
    skipped: Counter[str] = Counter()
    assert ids(".", skipped=skipped) == ["a.md", "deep/keep.txt"]
    assert skipped["left out by .gitignore"] == 5


def test_kgragignore_overrides_gitignore(folder: Path) -> None:
    write("a.md", "build/b.md", "secret.md")
    Path(".gitignore").write_text("build/\n")
    Path(".kgragignore").write_bytes("\ufeffsecret.md\r\n!build/\n".encode())
    assert ids(".") == ["a.md", "build/b.md"]


def test_named_file_and_folder_override_ignore_files(folder: Path) -> None:
    write("build/a.md", "build/drafts/b.md", "secret.md")
    Path(".gitignore").write_text("build/\nsecret.md\ndrafts/\n")
    assert ids("secret.md") == ["secret.md"]
    assert ids("build") == ["build/a.md"]
    assert ids(".", "build/a.md") == ["build/a.md"]


def test_ignore_files_above_hold_up_to_the_repository(folder: Path) -> None:
    write("repository/docs/a.md", "repository/docs/b.md", "repository/.git/HEAD")
    Path("repository/.gitignore").write_text("docs/b.md\n")
    Path(".gitignore").write_text("a.md\n")
    assert ids("repository/docs", base=folder / "elsewhere") == [f"{folder.as_posix()}/repository/docs/a.md"]


def test_globs_heed_ignore_files(folder: Path) -> None:
    write("docs/a.md", "docs/b.md", "docs/deep/c.md")
    Path("docs/.kgragignore").write_text("b.md\n")
    assert ids("docs/*.md") == ["docs/a.md"]
    assert ids("docs/**/*.md") == ["docs/a.md", "docs/deep/c.md"]


def test_invalid_pattern_is_reported_and_the_rest_holds(folder: Path) -> None:
    write("a.md", "b.md")
    Path(".gitignore").write_text("!\nb.md\n")
    problems: list[ReadProblem] = []
    assert [s.id for s in discover_sources(["."], Path(), None, problems)] == ["a.md"]
    assert [str(problem) for problem in problems] == [
        ".gitignore: expected a pattern, found '!': fix or remove the line"
    ]


# --- links, names, folders that cannot be opened -----------------------------------------------------------------


def test_glob_in_a_loop_of_links_ends(folder: Path) -> None:
    write("docs/a.txt", "docs/deep/b.txt")
    for name in ("one", "two", "deep/three"):
        Path("docs", name).symlink_to(folder / "docs")
    assert ids("docs/**/*.txt") == ["docs/a.txt", "docs/deep/b.txt"]
    assert ids("**") == ["docs/a.txt", "docs/deep/b.txt"]


def test_names_that_are_not_unicode_are_found_again(folder: Path) -> None:
    try:
        os.mkdir(b"\xe9t\xe9")
        for name in (b"\xe9t\xe9/\xff.txt", b"back\\x41.txt"):
            with open(name, "w") as file:
                file.write("text")
    except OSError:
        pytest.skip("this file system has Unicode names only")
    assert ids(".") == ["\\xe9t\\xe9/\\xff.txt", "back\\x41.txt"]
    for source in ids("."):
        assert existing_path(source, folder) is not None
        assert not SearchScope(["."], folder).lacks(source)
    os.remove(b"\xe9t\xe9/\xff.txt")
    assert SearchScope(["."], folder).lacks("\\xe9t\\xe9/\\xff.txt")


def test_folder_that_cannot_be_opened_is_reported(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write("docs/a.txt", "docs/locked/b.txt")
    scandir = os.scandir

    def refuse(path: str):  # type: ignore[no-untyped-def]
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    problems: list[ReadProblem] = []
    assert [source.id for source in discover_sources(["docs"], Path(), None, problems)] == ["docs/a.txt"]
    assert [problem.source_id for problem in problems] == ["docs/locked"]
    assert "permission denied" in problems[0].message


def test_folder_of_a_store_is_left_out(folder: Path) -> None:
    write("a.txt", "notes/graph.db", "notes/b.txt")
    graph = SQLiteGraph(Path("store/graph.db"))
    graph.close()
    write("store/c.txt")
    assert ids(".") == ["a.txt", "notes/b.txt"]


# --- what has vanished -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argument", "source", "is_covered"),
    [
        ("docs", "docs/gone.txt", True),
        ("docs", "docs2/gone.txt", False),
        ("docs/*.txt", "docs/gone.txt", True),
        ("docs/*.txt", "docs/gone.md", False),
        ("docs/*.txt", "docs/deep/gone.txt", False),
        ("docs/*", "docs/old/gone.txt", True),  # a folder that a glob matches is read as a whole
        ("docs/**/*.txt", "docs/gone.txt", True),
        ("docs/**/*.txt", "docs/deep/er/gone.txt", True),
        ("docs/**", "docs/deep/gone.md", True),
        ("d[ao]cs/?.txt", "docs/g.txt", True),
        ("docs/gone.txt", "docs/gone.txt", True),
        ("*.txt", ".hidden.txt", False),
        ("docs", "-", False),
    ],
)
def test_scope_covers_what_arguments_would_find(folder: Path, argument: str, source: str, is_covered: bool) -> None:
    write("docs/a.txt")
    scope = SearchScope([argument], folder)
    assert (scope.covers(source), scope.lacks(source)) == (is_covered, is_covered)
    assert not scope.lacks("docs/a.txt")


def test_scope_lacks_what_an_ignore_file_leaves_out(folder: Path) -> None:
    write("docs/a.txt", "docs/b.txt")
    Path("docs/.kgragignore").write_text("b.txt\n")
    scope = SearchScope(["docs"], folder)
    assert [scope.lacks(source) for source in ("docs/a.txt", "docs/b.txt")] == [False, True]
    assert not SearchScope(["docs/b.txt"], folder).lacks("docs/b.txt")


def test_file_that_cannot_be_examined_is_not_gone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "stat", refuse)
    assert existing_path("docs/a.txt", folder) is not None


def test_argument_without_files_is_accepted_if_known(folder: Path) -> None:
    for argument in ("gone", "gone/*.txt"):
        assert discover_sources([argument], folder, is_known=lambda _: True) == []
        with pytest.raises(UsageError):
            discover_sources([argument], folder)


def test_double_star_stands_for_no_folder_and_many() -> None:
    assert matches_pattern(["a", "x.md"], ["**", "a", "**", "*.md"])
    assert matches_pattern(["q", "a", "b", "c", "x.md"], ["**", "a", "**", "*.md"])
    assert not matches_pattern(["q", "x.md"], ["**", "a", "**", "*.md"])


def test_file_whose_extra_is_missing_is_skipped_with_the_command(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write("a.txt", "photo.png", "tool.py")
    monkeypatch.setattr("ingest.readers.formats.find_spec", lambda name: None)
    skipped: Counter[str] = Counter()
    assert ids(".", skipped=skipped) == ["a.txt"]
    assert skipped == {".png needs `pip install 'kgrag[ocr]'`": 1, ".py needs `pip install 'kgrag[code]'`": 1}
