"""`view_document` finds a document by id, path end or title, and shows its structure, names, facts and problems."""

from pathlib import Path

import pytest
from rich.text import Text

from graphs.sqlite.store import SQLiteGraph
from ingest.readers.content import make_document
from ingest.readers.tree_builder import TreeBuilder
from ingest.splitter import split_document
from kgrag.cli.document_lines import document_lines
from kgrag.errors import UsageError
from kgrag.explore.document_view import view_document
from kgrag.tree import PageLine
from kgrag.types import Extraction, Mention, Triple
from tests.support.documents import embed_passages


@pytest.fixture
def store(tmp_path: Path) -> SQLiteGraph:
    graph = SQLiteGraph(tmp_path / "graph.db")
    for name, page in (("docs/a/guide.pdf", 1), ("docs/b/guide.pdf", 7)):
        builder = TreeBuilder()
        for number in range(2):
            builder.add_heading(f"Part {number}", 1, lines=[PageLine(0, 6, page + number)])
            body = f"Ada Lovelace wrote [note {number}]. " * 10
            builder.add_paragraph(body, lines=[PageLine(0, len(body), page + number)])
            builder.add_table([("work_mem", "4MB")], ("Name", "Default"))
        text, tree = builder.build()
        document = make_document(name, f"Guide {name[5]}", text, name, tree, {"author": "Ada", "tags": ("x", "y")})
        passages = tuple(split_document(document, 400))
        first = passages[0]
        start = text.index("Ada Lovelace")
        mention = Mention("ada lovelace", first.id, start, start + 12, "PERSON", "Ada Lovelace")
        triple = Triple("ada lovelace", "author_of", "note 0", first.id, start, start + 30, 0.9)
        extraction = Extraction(document, passages, (("g", document.title, "WORK"),), (mention,), (triple,))
        graph.put(extraction, embed_passages(extraction))
    graph.mark_sources_read([("docs/a/guide.pdf", "0", [(None, "page 9 has no text")])])
    return graph


def plain(view_lines: object) -> str:
    return "\n".join(Text.from_markup(line).plain for line in view_lines)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["docs/a/guide.pdf", "a/guide.pdf", "./a/guide.pdf", "guide A"])
def test_document_is_found_by_id_end_of_path_and_title(store: SQLiteGraph, name: str) -> None:
    assert view_document(store, name).document.id == "docs/a/guide.pdf"


def test_view_shows_structure_names_facts_and_problems(store: SQLiteGraph) -> None:
    view = view_document(store, "a/guide.pdf")
    shown = plain(document_lines(view))
    assert "author: Ada" in shown and "tags: x, y" in shown and "page 9 has no text" in shown
    assert "# Part 1" in shown and "Name: work_mem; Default: 4MB" in shown and "[note 0]" in shown
    assert "ada lovelace —author of→ note 0 0.90, pattern" in shown and "#0001 · p. 1 · Part 0" in shown
    assert "[underline cyan]Ada Lovelace[/underline cyan]" in "".join(document_lines(view))
    assert "".join(shown.split()).count("AdaLovelacewrote") == 20  # nothing twice, nothing lost


def test_page_selects_a_passage_that_goes_on_over_pages(tmp_path: Path) -> None:
    builder = TreeBuilder()
    for number, body in enumerate(("One is first.", "Two is second.", "Three is third."), 1):
        builder.add_paragraph(body, lines=[PageLine(0, len(body), number)])
    text, tree = builder.build()
    document = make_document("short.pdf", "Short", text, "short.pdf", tree)
    extraction = Extraction(document, tuple(split_document(document, 400)), (), (), ())
    graph = SQLiteGraph(tmp_path / "graph.db")
    graph.put(extraction, embed_passages(extraction))
    view = view_document(graph, "short.pdf", page=2)
    assert [p.page_starts for p in view.passages] == [((0, 1), (15, 2), (31, 3))]
    assert "#0001 · pp. 1–3 · 46 characters" in plain(document_lines(view))
    with pytest.raises(UsageError, match="pages 1 to 3, found 4"):
        view_document(graph, "short.pdf", page=4)


def test_page_selects_the_passages_with_text_on_it(store: SQLiteGraph) -> None:
    view = view_document(store, "b/guide.pdf", page=8)
    assert {p.page for p in view.passages} == {8} and view.mentions == ()
    with pytest.raises(UsageError, match="which has pages 7 to 8, found 3"):
        view_document(store, "b/guide.pdf", page=3)


def test_file_is_found_by_its_document_and_one_that_was_not_read_says_why(tmp_path: Path) -> None:
    graph = SQLiteGraph(tmp_path / "graph.db")
    for name, source in (("in/a.eml/message", "in/a.eml"), ("in/b.csv:2", "in/b.csv"), ("in/b.csv:3", "in/b.csv")):
        document = make_document(name, f"Title {name}", "The pump runs.", source)
        extraction = Extraction(document, tuple(split_document(document, 400)), (), (), ())
        graph.put(extraction, embed_passages(extraction))
    graph.mark_sources_read([("in/empty.txt", "0", [(None, "expected text, found an empty file")])])
    assert view_document(graph, "a.eml").document.id == "in/a.eml/message"
    with pytest.raises(UsageError, match=r"found 2 called 'b.csv': in/b.csv:2, in/b.csv:3"):
        view_document(graph, "b.csv")
    with pytest.raises(UsageError, match=r"in/empty.txt was not read: expected text, found an empty file"):
        view_document(graph, "empty.txt")


@pytest.mark.parametrize(
    ("name", "hint"), [("guide.pdf", "found 2 called"), ("giude a", "did you mean"), ("?", "status")]
)
def test_unclear_name_is_refused_with_a_hint(store: SQLiteGraph, name: str, hint: str) -> None:
    with pytest.raises(UsageError, match=hint):
        view_document(store, name)
