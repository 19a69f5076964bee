"""`kgrag graph`: facts with their sentences, paths, conflicts, statistics and exports."""

import json
import shutil
import subprocess
from pathlib import Path

import networkx as nx
import pytest

from graphs.facts.builder import fact_index_from
from graphs.predicates import load_predicate_schema
from kgrag.explore.conflicts import are_compatible, find_conflicts
from kgrag.explore.entity_paths import find_paths
from kgrag.explore.entity_view import resolve_entities
from kgrag.explore.html_view import TEMPLATE_FILE
from kgrag.explore.stats import GraphStats
from kgrag.store.store import Store
from kgrag.text.dates import normalize_date
from kgrag.types import CLASSIFIER, Triple
from tests.support.cli_shell import Shell


@pytest.fixture
def app(store: Path) -> Store:
    return Store(store, lambda _: None)


@pytest.fixture
def read(tmp_path: Path, shell: Shell) -> Path:
    """Build a store of three documents, two of which contradict each other."""
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


@pytest.mark.parametrize(
    ("name", "called", "other", "sentence"),
    [
        ("ada LOVELACE", "Ada Lovelace", "Lord Byron", "Her father was the poet Lord Byron"),
        ("华罗庚", "华罗庚", "1910年11月12日", "华罗庚1910年11月12日出生于江苏金坛。"),
    ],
)
def test_show_prints_facts_with_their_sentences(
    shell: Shell, store: Path, app: Store, name: str, called: str, other: str, sentence: str
) -> None:
    code, out, _err = shell("graph", "show", name, "--store", str(store))
    assert code == 0 and other in out and sentence in out and "person" in out and "named" in out
    shown = json.loads(shell("graph", "show", name, "--store", str(store), "--json")[1])
    assert (shown["name"], shown["type"]) == (called, "PERSON")
    assert shown["mentions"] >= shown["documents"] >= 1
    assert shown["facts_in_all"] == len(shown["facts"]) > 2 and shown["incoming_in_all"] == len(shown["incoming"])
    born = [fact["value"] for fact in shown["facts"] if fact["predicate"] == "date_of_birth"]
    assert born == ["1815-12-10" if "Ada" in called else "1910-11-12"]
    for fact in (*shown["facts"], *shown["incoming"]):
        document = app.graph_store.document(fact["document"])
        assert document is not None and document.title == fact["title"] and fact["predicate"] != "mentions"
        assert " ".join(document.text[fact["start"] : fact["end"]].split()) == fact["sentence"]


def test_show_groups_facts_by_predicate_and_counts_rest(shell: Shell, store: Path, app: Store) -> None:
    shown = json.loads(shell("graph", "show", "Howard Aiken", "--store", str(store), "--json")[1])
    for facts in (shown["facts"], shown["incoming"]):
        kinds = [f["predicate"] for f in facts]
        assert [kind for kind, before in zip(kinds, ["", *kinds], strict=False) if kind != before] == list(
            dict.fromkeys(kinds)
        )
        for kind in set(kinds):
            sure = [f["confidence"] for f in facts if f["predicate"] == kind]
            assert sure == sorted(sure, reverse=True)
    one = json.loads(shell("graph", "show", "Howard Aiken", "--limit", "1", "--store", str(store), "--json")[1])
    assert len(one["facts"]) == 1 and one["facts_in_all"] == len(shown["facts"])
    assert one["facts"][0]["confidence"] == max(f["confidence"] for f in shown["facts"])
    _code, _out, err = shell("graph", "show", "Howard Aiken", "--limit", "1", "--store", str(store))
    assert f"{len(shown['facts']) - 1} more" in err


def test_show_entity_without_facts(shell: Shell, store: Path, app: Store) -> None:
    spoken = {end for t in app.graph_store.triples() for end in (t.subject, t.object)}
    titled = {entity for entity, _ in app.graph_store.titles().values()}
    entity = next(e for e in app.graph_store.entities() if e.id not in spoken | titled and e.type == "PLACE")
    code, out, _err = shell("graph", "show", entity.name, "--store", str(store))
    assert code == 0 and entity.name in out and "No facts; `kgrag retrieve` finds" in out


@pytest.mark.parametrize("name", ["Ada Lovelac", "Ada Lovelace's", "ADA LÖVELACE"])
def test_unknown_name_suggests_similar_names(shell: Shell, store: Path, name: str) -> None:
    code, out, err = shell("graph", "show", name, "--store", str(store))
    assert (code == 0 and "Ada Lovelace" in out) or (code == 2 and "did you mean Ada Lovelace" in err)


@pytest.mark.parametrize(
    "command", [("show", "Xqzzy"), ("path", "Xqzzy", "Ada Lovelace"), ("show", ""), ("show", "?!")]
)
def test_unknown_name_without_similar_is_error(shell: Shell, store: Path, command: tuple[str, ...]) -> None:
    assert "Expected a name" in shell.expect_error(2, "graph", *command, "--store", str(store))


def test_path_prefers_confident_facts(shell: Shell, store: Path, app: Store) -> None:
    _code, out, _err = shell("graph", "path", "Ada Lovelace", "Missolonghi", "--store", str(store), "--json")
    found = json.loads(out)
    assert found[0]["names"] == ["Ada Lovelace", "Lord Byron", "Missolonghi"]
    assert [f["predicate"] for f in found[0]["facts"]] == ["father", "place_of_death"]
    assert all(f["sentence"] for f in found[0]["facts"])
    start, goal = (resolve_entities(app.graph_store, app.facts, name)[0] for name in ("Ada Lovelace", "Missolonghi"))
    for path in find_paths(app.facts, start, goal, max_paths=5, max_steps=4).paths:
        assert len(set(path.nodes)) == len(path.nodes) == len(path.triples) + 1 <= 5
        for (a, b), triple in zip(zip(path.nodes, path.nodes[1:], strict=False), path.triples, strict=True):
            assert {a, b} == {triple.subject, triple.object}
    out = shell("graph", "path", "Missolonghi", "Ada Lovelace", "--store", str(store))[1]
    assert "Missolonghi ←place of death— Lord Byron ←father— Ada Lovelace" in out


def test_path_falls_back_to_mentions(shell: Shell, store: Path, app: Store) -> None:
    spoken = {end for t in app.graph_store.triples() for end in (t.subject, t.object)}
    titled = {entity for entity, _ in app.graph_store.titles().values()}
    place = next(
        m
        for m in app.graph_store.mentions()
        if m.entity_id not in spoken | titled and m.type == "PLACE" and m.surface.isalpha() and m.surface.isascii()
    )
    passage = app.graph_store.passages_by_id([place.passage_id]).get(place.passage_id)
    subject = app.graph_store.titles()[passage.document_id][1] if passage else ""
    arguments = ("graph", "path", subject, place.surface, "--store", str(store))
    found = json.loads(shell(*arguments, "--json")[1])
    assert found[0]["names"] == [subject, place.surface]
    (fact,) = found[0]["facts"]
    document = app.graph_store.document(fact["document"])
    assert document is not None and fact["predicate"] == "mentions" and fact["start"] <= place.start < fact["end"]
    assert " ".join(document.text[fact["start"] : fact["end"]].split()) == fact["sentence"]
    assert f"{subject} —mentions→ {place.surface}" in shell(*arguments)[1]


def test_missing_path_is_reported(shell: Shell, store: Path) -> None:
    arguments = ("graph", "path", "Ada Lovelace", "华罗庚", "--store", str(store))
    code, out, err = shell(*arguments)
    assert code == 0 and "No path of at most 4 steps" in out and err == ""
    assert json.loads(shell(*arguments, "--json")[1]) == []
    assert "found Ada Lovelace for both" in shell.expect_error(
        2, "graph", "path", "Ada Lovelace", "ada lovelace", "--store", store
    )


def test_two_birth_dates_are_conflict_and_both_stay(shell: Shell, read: Path) -> None:
    found = json.loads(shell("graph", "conflicts", "--store", str(read), "--json")[1])
    births = next(c for c in found if c["predicate"] == "date_of_birth")
    assert sorted(f["object"] for f in births["facts"]) == ["3 March 1912", "5 May 1913"]
    app = Store(read, lambda _: None)
    assert {f["object"] for f in births["facts"]} <= {
        app.facts.display_name(t.object) for t in app.graph_store.triples()
    }
    assert all(f["sentence"] and f["document"] for f in births["facts"])
    assert find_conflicts(app.graph_store, app.facts, load_predicate_schema())


@pytest.mark.parametrize(
    ("one", "two", "may"),
    [
        ("1912", "3 march 1912", True),
        ("march 3 1912", "3 march 1912", True),
        ("1912年3月3日", "3 march 1912", True),
        ("1913", "3 march 1912", False),
        ("191", "1912", False),
        ("1912年3月4日", "3 march 1912", False),
        ("american", "united states", True),
        ("paris", "paris france", True),
        ("paris", "rome", False),
    ],
)
def test_compatible_values_are_no_conflict(app: Store, one: str, two: str, may: bool) -> None:
    assert are_compatible(app.facts, load_predicate_schema(), one, two) is may
    assert are_compatible(app.facts, load_predicate_schema(), two, one) is may


@pytest.mark.parametrize(
    ("one", "two", "apart"),
    [
        (("japanese", 0, 0.9), ("danish", 0, 0.9), False),  # one sentence says both
        (("japanese", 0, 0.9), ("danish", 40, 0.9), True),
        (("japanese", 0, 0.9), ("danish", 40, 0.5), False),  # the second was guessed
    ],
)
def test_conflicts_ignore_one_sentence_and_guesses(
    app: Store, one: tuple[str, int, float], two: tuple[str, int, float], apart: bool
) -> None:
    (passage,) = app.graph_store.passages_of_document(next(app.graph_store.documents()).id)

    stated = [(value, passage.start + at, sure) for value, at, sure in (one, two)]
    facts = fact_index_from(
        [Triple("vera holm", "nationality", v, passage.id, s, s + 20, sure) for v, s, sure in stated], {}, {}
    )
    assert bool(find_conflicts(app.graph_store, facts, load_predicate_schema())) is apart


def test_dates_compatible_by_precision() -> None:
    written = {
        "1912年3月3日": "1912-03-03",
        "1912年3月": "1912-03",
        "1912年": "1912",
        "3 march 1912": "1912-03-03",
        "March 3rd, 1912": "1912-03-03",
        "Sept 1912": "1912-09",
        "1912-03-03": "1912-03-03",
        "812": "0812",
        "paris": "",
        "44": "",
        "公元前44年": "",
    }
    assert {name: normalize_date(name) for name in written} == written


def test_less_precise_date_is_no_conflict(shell: Shell, tmp_path: Path) -> None:
    texts = ("Vera Holm (born 3 March 1912) was a painter.", "Vera Holm (born 1912) was a painter.")
    rows = [json.dumps({"_id": str(n), "title": "Vera Holm", "text": text}) for n, text in enumerate(texts)]
    (tmp_path / "rows.jsonl").write_text("\n".join(rows))
    assert shell("ingest", tmp_path / "rows.jsonl", "--store", tmp_path / "s")[0] == 0
    births = [t for t in Store(tmp_path / "s").graph_store.triples() if t.predicate == "date_of_birth"]
    assert {t.object for t in births} == {"1912 03 03", "1912"}
    assert json.loads(shell("graph", "conflicts", "--store", tmp_path / "s", "--json")[1]) == []
    assert shell("graph", "conflicts", "--store", tmp_path / "s")[1].strip() == "No contradicting facts."


def test_stats_count_entities_and_facts(shell: Shell, store: Path, app: Store) -> None:
    stated = json.loads(shell("graph", "stats", "--store", str(store), "--json")[1])
    found = json.loads(shell("graph", "stats", "--store", str(store), "--guesses", "--json")[1])
    typed = [t for t in app.graph_store.triples() if t.predicate != "mentions"]
    assert stated["facts_used"] == sum(t.found_by != CLASSIFIER for t in typed) < stated["typed_facts"]
    entities = {end for t in typed for end in (t.subject, t.object)}
    assert list(found) == list(GraphStats.__dataclass_fields__)
    assert sum(found["facts_by_predicate"].values()) == len(typed) == found["typed_facts"] == found["facts_used"]
    assert found["entities_in_facts"] == len(entities) >= found["largest_component"] > 0 < found["mentions_edges"]
    assert found["degree_mean"] == pytest.approx(2 * len(typed) / len(entities))
    assert found["hubs"][0]["degree"] == found["degree_max"] and len(found["hubs"]) == 10
    sizes = [one["size"] for one in found["largest_communities"]]
    assert sizes == sorted(sizes, reverse=True) and len(sizes) <= found["communities"] and 0 < found["modularity"] < 1
    assert all(0 < len(one["names"]) <= 3 for one in found["largest_communities"])
    code, out, _err = shell("graph", "stats", "--guesses", "--sure", "0.9", "--store", str(store))
    assert code == 0 and f"{sum(t.confidence >= 0.9 for t in typed)}" in out


def test_store_without_facts_works_in_every_command(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("nothing to see here")
    assert shell("ingest", tmp_path / "a.txt", "--store", tmp_path / "s")[0] == 0
    found = json.loads(shell("graph", "stats", "--store", tmp_path / "s", "--json")[1])
    assert found["typed_facts"] == found["communities"] == 0 and found["modularity"] is None
    assert shell("graph", "stats", "--store", tmp_path / "s")[0] == 0
    assert "found none to export" in shell.expect_error(
        2, "graph", "export", tmp_path / "g.html", "--store", tmp_path / "s"
    )


def test_exports_can_be_read_back(shell: Shell, store: Path, tmp_path: Path, app: Store) -> None:
    assert shell("graph", "export", str(tmp_path / "g.graphml"), "--store", str(store))[0] == 0
    read = nx.read_graphml(tmp_path / "g.graphml")
    typed = [t for t in app.graph_store.triples() if t.predicate != "mentions" and t.found_by != CLASSIFIER]
    assert read.number_of_edges() == len(typed), "guesses are no facts"
    assert all(data["sentence"] for _, _, data in read.edges(data=True))
    assert shell("graph", "export", str(tmp_path / "all.json"), "--store", str(store))[0] == 0
    found = json.loads((tmp_path / "all.json").read_text("utf-8"))
    graph = nx.node_link_graph(found, edges="edges")
    assert dict(graph.degree()) == {node["id"]: node["degree"] for node in found["nodes"]}
    assert set(found["nodes"][0]) == {"id", "name", "type", "documents", "degree"}
    ends = {(t.subject, t.predicate, t.object, t.start, t.end) for t in typed}
    assert {(e["source"], e["predicate"], e["target"], e["start"], e["end"]) for e in found["edges"]} == ends
    for edge in found["edges"]:
        document = app.graph_store.document(edge["document"])
        assert document is not None
        assert " ".join(document.text[edge["start"] : edge["end"]].split()) == edge["sentence"]


def test_export_reports_left_out_entities(shell: Shell, store: Path, tmp_path: Path) -> None:
    out = tmp_path / "g.json"
    whole = shell("graph", "export", out, "--store", store)
    assert whole[0] == 0 and whole[2] == ""
    degrees = {node["id"]: node["degree"] for node in json.loads(out.read_text("utf-8"))["nodes"]}
    _code, said, err = shell("graph", "export", out, "--store", store, "--most", "5")
    kept = {node["id"] for node in json.loads(out.read_text("utf-8"))["nodes"]}
    assert said.startswith("Wrote 5 entities and ") and f"Left out: {len(degrees) - 5} entities" in err
    assert kept == set(sorted(degrees, key=lambda node: (-degrees[node], node))[:5])
    near = ("--around", "Ada Lovelace", "--hops", "1")
    assert shell("graph", "export", out, "--store", store, *near, "--most", "3")[0] == 0
    few = json.loads(out.read_text("utf-8"))
    assert "ada lovelace" in {node["id"] for node in few["nodes"]} and len(few["nodes"]) == 3
    assert shell("graph", "export", out, "--store", store, *near)[0] == 0
    some = json.loads(out.read_text("utf-8"))
    assert not [e for e in some["edges"] if e["predicate"] == "mentions"]
    assert shell("graph", "export", out, "--store", store, *near, "--mentions")[0] == 0
    more = json.loads(out.read_text("utf-8"))
    mentions = [e for e in more["edges"] if e["predicate"] == "mentions"]
    assert mentions and len(more["nodes"]) > len(some["nodes"])
    places = [(m.entity_id, m.passage_id.rpartition("#")[0], m.start) for m in Store(store).graph_store.mentions()]
    for edge in mentions:
        assert any(
            entity == edge["target"] and edge["document"] in passage and edge["start"] <= start < edge["end"]
            for entity, passage, start in places
        )
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith((".json", ".part"))] == ["g.json"]


def test_export_is_deterministic(shell: Shell, store: Path, tmp_path: Path) -> None:
    for kind in ("html", "json", "graphml"):
        for name in ("a", "b"):
            assert shell("graph", "export", tmp_path / f"{name}.{kind}", "--store", store)[0] == 0
        assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()


@pytest.mark.parametrize("name", ["g.xyz", "g", "folder.json"])
def test_export_unknown_suffix_is_rejected(shell: Shell, store: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.json").mkdir()
    error = shell.expect_error(2, "graph", "export", tmp_path / name, "--store", store)
    assert all(kind in error for kind in (".graphml", ".json", ".html")) or "folder" in error
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.parent in (tmp_path, tmp_path / name)]


EVIL = "Eve Stone (born 3 March 1912) was a painter</script><script>alert(1)</script><!-- from Oslo, Norway."


@pytest.fixture
def evil(tmp_path: Path, shell: Shell) -> Path:
    row = {"_id": "<b>", "title": "Eve Stone", "text": EVIL}
    (tmp_path / "evil.jsonl").write_text(json.dumps(row) + "\n")
    assert shell("ingest", str(tmp_path / "evil.jsonl"), "--store", str(tmp_path / "s"))[0] == 0
    return tmp_path / "s"


def test_page_is_offline_and_escapes_text(shell: Shell, evil: Path, tmp_path: Path) -> None:
    assert shell("graph", "export", str(tmp_path / "g.html"), "--store", str(evil))[0] == 0
    page = (tmp_path / "g.html").read_text("utf-8")
    assert page.count("</script>") == 2 and "<script>alert" not in page and "<!--" not in page
    assert "http://" not in page and "https://" not in page and "default-src 'none'" in page
    assert "innerHTML" not in page and "DATA" not in page
    data = json.loads(page.split('id="data">')[1].split("</script>")[0])
    assert any("</script><script>alert(1)" in edge["sentence"] for edge in data["edges"])
    assert all(isinstance(node[axis], float) for node in data["nodes"] for axis in "xy")


def test_graphml_keeps_markup_in_text(shell: Shell, evil: Path, tmp_path: Path) -> None:
    assert shell("graph", "export", tmp_path / "g.graphml", "--store", evil)[0] == 0
    sentences = [data["sentence"] for _, _, data in nx.read_graphml(tmp_path / "g.graphml").edges(data=True)]
    assert any("</script><script>alert(1)" in sentence for sentence in sentences)


@pytest.mark.skipif(shutil.which("node") is None, reason="node reads the script of the page")
def test_page_script_is_valid(tmp_path: Path) -> None:
    script = TEMPLATE_FILE.read_text("utf-8").split("<script>")[1].split("</script>")[0]
    (tmp_path / "page.js").write_text(script, "utf-8")
    done = subprocess.run(["node", "--check", str(tmp_path / "page.js")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
