"""`kgrag graph`: facts with their sentences, paths, conflicts, sizes, and files for other programs."""

import json
from pathlib import Path

import networkx as nx
import pytest
from shell import Shell

from ingest.patterns import vocabulary
from kgrag.app import App
from kgrag.explore.conflicts import agree, conflicts, date
from kgrag.explore.paths import paths
from kgrag.explore.show import resolve


@pytest.fixture
def app(store: Path) -> App:
    return App(store, lambda _: None)


@pytest.fixture
def read(tmp_path: Path, shell: Shell) -> Path:
    """A store of three documents, two of which contradict each other."""
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "one.md").write_text(
        "# Vera Holm\n\nVera Holm (born 3 March 1912) was a Danish painter. She was born in Aarhus."
    )
    (folder / "two.jsonl").write_text(
        json.dumps({"_id": "two", "title": "Vera Holm", "text": "Vera Holm was born on 5 May 1913 in Odense."})
        + "\n"
        + json.dumps({"_id": "three", "title": "Vera Holm", "text": "Vera Holm (born 1912) was a painter."})
    )
    shell("ingest", str(folder), "--store", str(tmp_path / "read"))
    return tmp_path / "read"


def test_show_prints_facts_with_their_sentences(shell: Shell, store: Path, app: App) -> None:
    code, out, _err = shell("graph", "show", "ada lovelace", "--store", str(store))
    assert code == 0 and "Lord Byron" in out and "Her father was the poet Lord Byron" in out
    shown = json.loads(shell("graph", "show", "Ada Lovelace", "--store", str(store), "--json")[1])
    assert shown["name"] == "Ada Lovelace"
    assert [f["confidence"] for f in shown["facts"]] == sorted((f["confidence"] for f in shown["facts"]), reverse=True)
    for fact in (*shown["facts"], *shown["incoming"]):
        document = app.graph.document(fact["document"])
        assert document is not None
        assert " ".join(document.text[fact["start"] : fact["end"]].split()) == fact["sentence"]


def test_a_name_that_nobody_knows_is_told_its_neighbours(shell: Shell, store: Path) -> None:
    code, _out, err = shell("graph", "show", "Ada Lovelac", "--store", str(store))
    assert code == 2 and "did you mean Ada Lovelace?" in err


def test_a_path_goes_over_facts_the_surest_first(shell: Shell, store: Path, app: App) -> None:
    _code, out, _err = shell("graph", "path", "Ada Lovelace", "Missolonghi", "--store", str(store), "--json")
    found = json.loads(out)
    assert found[0]["names"] == ["Ada Lovelace", "Lord Byron", "Missolonghi"]
    assert [f["predicate"] for f in found[0]["facts"]] == ["father", "place_of_death"]
    facts = app.facts
    for path in paths(facts, resolve(facts, "Ada Lovelace"), resolve(facts, "Missolonghi"), most=5, longest=4):
        assert len(set(path.nodes)) == len(path.nodes) == len(path.triples) + 1 <= 5
        for (a, b), triple in zip(zip(path.nodes, path.nodes[1:], strict=False), path.triples, strict=True):
            assert {a, b} == {triple.subject, triple.object}


def test_no_path_is_said(shell: Shell, store: Path) -> None:
    code, out, _err = shell("graph", "path", "Ada Lovelace", "Missolonghi", "--longest", "1", "--store", str(store))
    assert code == 0 and "No path" in out


def test_two_dates_of_one_birth_are_a_conflict_and_both_stay(shell: Shell, read: Path) -> None:
    found = json.loads(shell("graph", "conflicts", "--store", str(read), "--json")[1])
    births = next(c for c in found if c["predicate"] == "date_of_birth")
    assert sorted(f["object"] for f in births["facts"]) == ["3 March 1912", "5 May 1913"]
    app = App(read, lambda _: None)
    assert {f["object"] for f in births["facts"]} <= {app.facts.name(t.object) for t in app.graph.triples()}
    assert all(f["sentence"] and f["document"] for f in births["facts"])
    assert conflicts(app.graph, app.facts, vocabulary())


@pytest.mark.parametrize(
    ("one", "two", "may"),
    [
        ("1912", "3 march 1912", True),
        ("march 3 1912", "3 march 1912", True),
        ("1912年3月3日", "3 march 1912", True),
        ("1913", "3 march 1912", False),
        ("american", "united states", True),
        ("paris", "paris france", True),
        ("paris", "rome", False),
    ],
)
def test_what_may_both_be_right(app: App, one: str, two: str, may: bool) -> None:
    assert agree(app.facts, vocabulary(), one, two) is may
    assert agree(app.facts, vocabulary(), two, one) is may


def test_dates() -> None:
    assert [date(d) for d in ("1912年3月3日", "1912年", "3 march 1912", "paris")] == [
        "1912-03-03",
        "1912",
        "1912-03-03",
        "",
    ]


def test_stats_count_what_is_there(shell: Shell, store: Path, app: App) -> None:
    found = json.loads(shell("graph", "stats", "--store", str(store), "--json")[1])
    typed = [t for t in app.graph.triples() if t.predicate != "mentions"]
    assert sum(found["predicates"].values()) == len(typed)
    assert sum(size for size, _ in found["communities"]) == len({e for t in typed for e in (t.subject, t.object)})
    assert found["components"][1] <= len({e for t in typed for e in (t.subject, t.object)})
    assert shell("graph", "stats", "--store", str(store))[0] == 0


def test_exports_are_read_back(shell: Shell, store: Path, tmp_path: Path, app: App) -> None:
    assert shell("graph", "export", str(tmp_path / "g.graphml"), "--store", str(store))[0] == 0
    read = nx.read_graphml(tmp_path / "g.graphml")
    typed = sum(t.predicate != "mentions" for t in app.graph.triples())
    assert read.number_of_edges() == typed
    assert all(data["sentence"] for _, _, data in read.edges(data=True))
    _code, _out, err = shell("graph", "export", str(tmp_path / "g.json"), "--store", str(store), "--most", "5")
    found = json.loads((tmp_path / "g.json").read_text("utf-8"))
    assert len(found["nodes"]) == 5 and "left out" in err
    near, _, _ = shell(
        "graph", "export", str(tmp_path / "n.json"), "--store", str(store), "--around", "Ada Lovelace", "--hops", "1"
    )
    assert near == 0
    assert "ada lovelace" in {n["id"] for n in json.loads((tmp_path / "n.json").read_text("utf-8"))["nodes"]}


def test_another_ending_is_refused(shell: Shell, store: Path, tmp_path: Path) -> None:
    code, _out, err = shell("graph", "export", str(tmp_path / "g.xyz"), "--store", str(store))
    assert code == 2 and ".graphml" in err and not list(tmp_path.glob("g.*"))


def test_a_page_needs_no_network_and_no_text_of_a_document_breaks_out_of_it(shell: Shell, tmp_path: Path) -> None:
    evil = "Eve Stone (born 3 March 1912) was a painter</script><script>alert(1)</script> from Oslo, Norway."
    (tmp_path / "evil.jsonl").write_text(json.dumps({"_id": "<b>", "title": "Eve Stone", "text": evil}) + "\n")
    assert shell("ingest", str(tmp_path / "evil.jsonl"), "--store", str(tmp_path / "s"))[0] == 0
    assert shell("graph", "export", str(tmp_path / "g.html"), "--store", str(tmp_path / "s"))[0] == 0
    page = (tmp_path / "g.html").read_text("utf-8")
    assert page.count("</script>") == 2 and "<script>alert" not in page
    assert not [w for w in page.split('"') if w.startswith("http") and w != "http://www.w3.org/2000/svg"]
    data = json.loads(page.split('id="data">')[1].split("</script>")[0])
    assert any("alert(1)" in edge["sentence"] for edge in data["edges"])
    assert all(-1 <= node["x"] <= 1001 and -1 <= node["y"] <= 1001 for node in data["nodes"])
