"""Test merges of entities across documents, and the user's overrides."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphs.facts.builder import build_fact_index
from graphs.merging.merge_sets import COMPANY, DECLARED, HONORIFIC, INITIALS, USER, Merge, Merges, MergeSets
from graphs.merging.merged_view import with_merges
from graphs.merging.rules import MAX_SHARED_NEIGHBOUR_MENTIONS, AliasOverride, find_entity_merges
from graphs.sqlite.store import SQLiteGraph
from graphs.walk.adjacency import build_adjacency
from kgrag.text import normalize_name
from kgrag.types import Mention, Passage
from tests.support.documents import build_document, build_extraction, embed_passages


@pytest.fixture
def graph(tmp_path: Path) -> Iterator[SQLiteGraph]:
    with closing(SQLiteGraph(tmp_path / "graph.db")) as graph:
        yield graph


def put(
    graph: SQLiteGraph,
    id: str,
    title: str,
    text: str,
    mentions: dict[str, str],
    names: tuple[tuple[str, str], ...] = (),
    facts: tuple[tuple[str, str, str], ...] = (),
) -> None:
    """Put a document with mentions (spelling -> type), declared names (entity's name, other name) and facts."""
    declared = tuple((normalize_name(entity), name, "MISC") for entity, name in names)
    extraction = build_extraction(build_document(id, text, title, f"{id}.txt"), mentions, list(facts), declared)
    graph.put(extraction, embed_passages(extraction))


def override(same: bool, *names: str) -> AliasOverride:
    return AliasOverride(same, frozenset(map(normalize_name, names)))


def merge_set(graph: SQLiteGraph, *overrides: AliasOverride) -> set[tuple[str, str, str]]:
    return {(m.merged_id, m.canonical_id, m.reason) for m in find_entity_merges(graph, overrides).merges}


def test_merge_declared_acronym_across_documents(graph: SQLiteGraph) -> None:
    put(
        graph,
        "a",
        "Trouble",
        "The World Trade Body (WTB) met.",
        {"World Trade Body": "ORGANISATION"},
        (("World Trade Body", "WTB"),),
    )
    put(graph, "b", "Talks", "WTB spoke.", {"WTB": "ORGANISATION"})
    assert merge_set(graph) == {("wtb", "world trade body", DECLARED)}
    (merge,) = find_entity_merges(graph).merges
    assert merge.document == "a"
    put(
        graph,
        "c",
        "Wines",
        "The Wine Tasters Board (WTB) drank.",
        {"Wine Tasters Board": "ORGANISATION"},
        (("Wine Tasters Board", "WTB"),),
    )
    assert merge_set(graph) == set()  # the acronym is ambiguous now


def test_merge_rejects_wrong_acronym_and_other_title(graph: SQLiteGraph) -> None:
    put(
        graph,
        "a",
        "George Pearson",
        "George Pearson (OBE) made films.",
        {"George Pearson": "PERSON"},
        (("George Pearson", "OBE"),),
    )
    put(graph, "b", "Honours", "He got an OBE.", {"OBE": "ORGANISATION"})
    put(graph, "c", "Frederick Barbarossa", "Frederick Barbarossa ruled.", {"Frederick Barbarossa": "PERSON"})
    put(graph, "d", "Frederick the Great", "He ruled.", {}, (("Frederick the Great", "Frederick Barbarossa"),))
    assert merge_set(graph) == set()


def test_merge_rejects_title_without_bracket(graph: SQLiteGraph) -> None:
    put(
        graph,
        "a",
        "Dark Labyrinth (1984 game)",
        "It is a game.",
        {},
        (("Dark Labyrinth (1984 game)", "Dark Labyrinth"),),
    )
    put(graph, "b", "Films", "Dark Labyrinth was a film.", {"Dark Labyrinth": "WORK"})
    assert merge_set(graph) == set()


def test_merge_rejects_more_frequent_alias(graph: SQLiteGraph) -> None:
    put(graph, "a", "Yesugei", "Yesugei was his father.", {"Yesugei": "PERSON"}, (("Yesugei", "Genghis Khan"),))
    put(graph, "b", "Mongols", "Genghis Khan rode. " * 5, {"Genghis Khan": "PERSON"})
    assert merge_set(graph) == set()


def test_merge_rejects_place_and_regnal_number(graph: SQLiteGraph) -> None:
    put(
        graph,
        "a",
        "Ann Hill Bell",
        "Ann Hill Bell was born.",
        {},
        (("Ann Hill Bell", "San Remo"), ("Ann Hill Bell", "Louis I")),
    )
    put(graph, "b", "Trips", "San Remo saw Louis I.", {"San Remo": "PLACE", "Louis I": "PERSON"})
    assert merge_set(graph) == set()


def test_merge_honorifics_and_company_forms(graph: SQLiteGraph) -> None:
    put(
        graph,
        "a",
        "One",
        "Sir Isaac Newton and Acme Works Ltd met.",
        {"Sir Isaac Newton": "PERSON", "Acme Works Ltd": "ORGANISATION"},
    )
    put(graph, "b", "Two", "Isaac Newton and Acme Works met.", {"Isaac Newton": "PERSON", "Acme Works": "ORGANISATION"})
    put(graph, "c", "Three", "Sir Lancelot met Lancelot.", {"Sir Lancelot": "PERSON", "Lancelot": "PERSON"})
    assert merge_set(graph) == {
        ("sir isaac newton", "isaac newton", HONORIFIC),
        ("acme works ltd", "acme works", COMPANY),
    } or merge_set(graph) == {
        ("isaac newton", "sir isaac newton", HONORIFIC),
        ("acme works", "acme works ltd", COMPANY),
    }


def put_tolkiens(graph: SQLiteGraph, neighbour: str = "Exeter College") -> None:
    put(
        graph,
        "a",
        "One",
        "J. R. Tolkien went to Exeter College.",
        {"J. R. Tolkien": "PERSON", "Exeter College": "ORGANISATION"},
    )
    text = f"John Ronald Tolkien was at {neighbour}."
    put(graph, "b", "Two", text, {"John Ronald Tolkien": "PERSON", neighbour: "ORGANISATION"})


def test_merge_initials_with_shared_neighbour(graph: SQLiteGraph) -> None:
    put_tolkiens(graph)
    assert {reason for *_, reason in merge_set(graph)} == {INITIALS}


def test_merge_rejects_ambiguous_or_unrelated_initials(graph: SQLiteGraph) -> None:
    put_tolkiens(graph, "Merton College")
    assert merge_set(graph) == set()
    put_tolkiens(graph)
    put(
        graph,
        "c",
        "Three",
        "James Rex Tolkien left Exeter College.",
        {"James Rex Tolkien": "PERSON", "Exeter College": "ORGANISATION"},
    )
    assert merge_set(graph) == set()


def test_merge_rejects_conflicting_birth_dates(graph: SQLiteGraph) -> None:
    put_tolkiens(graph)
    for id, name, day in (("d", "J. R. Tolkien", "3 May 1912"), ("e", "John Ronald Tolkien", "4 May 1913")):
        put(
            graph,
            id,
            f"Life {id}",
            f"{name} was born on {day}.",
            {name: "PERSON", day: "DATE"},
            (),
            ((name, "date_of_birth", day),),
        )
    assert merge_set(graph) == set()


def test_merge_rejects_jr_and_regnal_numbers(graph: SQLiteGraph) -> None:
    for id, name in (("a", "John Bell"), ("b", "John F. Bell Jr."), ("c", "Louis Xavier Bell"), ("d", "Louis XV Bell")):
        put(
            graph,
            id,
            id,
            f"{name} went to Exeter College and Yale Park.",
            {name: "PERSON", "Exeter College": "ORGANISATION", "Yale Park": "PLACE"},
        )
    assert merge_set(graph) == set()


def test_overrides_win_and_last_one_counts(graph: SQLiteGraph) -> None:
    put_tolkiens(graph)
    different = override(False, "J. R. Tolkien", "John Ronald Tolkien")
    assert merge_set(graph, different) == set()
    assert {r for *_, r in merge_set(graph, different, different._replace(same=True))} == {USER}
    assert merge_set(graph, different._replace(same=True), different) == set()
    assert {r for *_, r in merge_set(graph, override(True, "Exeter College", "the beautiful place"))} == {
        USER,
        INITIALS,
    }


PAIRS = st.lists(st.frozensets(st.sampled_from("abcdefgh"), min_size=2, max_size=2), max_size=12)


@given(PAIRS, PAIRS)
def test_merge_sets_join_pairs_except_never_merge(
    pairs: list[frozenset[str]], never_merge: list[frozenset[str]]
) -> None:
    merge_sets = MergeSets({"c": (True, 1), "d": (False, 9)}, never_merge)
    for pair in pairs:
        merge_sets.union(*sorted(pair), USER)
    canonical_ids = {m.merged_id: m.canonical_id for m in merge_sets.merges()}
    assert not set(canonical_ids) & set(canonical_ids.values())
    root = {letter: canonical_ids.get(letter, letter) for letter in "abcdefgh"}
    assert all(root[a] != root[b] for a, b in map(sorted, never_merge))
    if not never_merge:
        assert all(root[a] == root[b] for a, b in map(sorted, pairs))
    assert root["c"] == "c"  # the entity of a title is always canonical


def test_merged_view_uses_canonical_ids_everywhere(graph: SQLiteGraph, tmp_path: Path) -> None:
    put(
        graph,
        "a",
        "Body",
        "World Trade Body met Ada Bell.",
        {"World Trade Body": "ORGANISATION", "Ada Bell": "PERSON"},
        (),
        (("World Trade Body", "member", "Ada Bell"),),
    )
    put(
        graph,
        "b",
        "Talks",
        "WTB left Bern. WTB is World Trade Body.",
        {"WTB": "MISC", "Bern": "PLACE", "World Trade Body": "ORGANISATION"},
        (),
        (("WTB", "left", "Bern"), ("WTB", "is", "World Trade Body")),
    )
    merges = Merges([Merge("wtb", "world trade body", USER)])
    merges.save(tmp_path / "merges")
    assert Merges.load(tmp_path / "merges").merges == merges.merges
    view = with_merges(graph, merges)
    entities = {e.id: e for e in view.entities()}
    assert "wtb" not in entities and entities["world trade body"].aliases == ("WTB",)
    assert entities["world trade body"].type == "ORGANISATION"
    for entity_ids in ({"world trade body"}, {"world trade body": 1}):
        assert [e.id for e in view.entities(entity_ids)] == ["world trade body"]
        assert next(view.entities(entity_ids)).aliases == ("WTB",)
    assert {(t.subject, t.predicate, t.object) for t in view.triples()} == {
        ("world trade body", "member", "ada bell"),
        ("world trade body", "left", "bern"),
    }
    assert {m.entity_id for m in view.mentions() if m.surface == "WTB"} == {"world trade body"}
    assert view.mention_counts("world trade body") == (4, 2)
    assert view.entities_by_surface_form("wtb") == ["world trade body"]
    assert ("wtb", "MISC", 2) in graph.entity_type_counts()
    assert list(view.entity_type_counts()) == [
        ("ada bell", "PERSON", 1),
        ("bern", "PLACE", 1),
        ("world trade body", "MISC", 2),
        ("world trade body", "ORGANISATION", 2),
    ]
    assert view.counts() == graph.counts() and list(view.documents()) == list(graph.documents())
    assert not hasattr(view, "put")
    facts = build_fact_index(view)
    assert {t.predicate for t in facts.outgoing("world trade body")} == {"member", "left"}
    assert facts.resolve("WTB") == ["world trade body"]


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.sampled_from(["ann", "bob", "cid", "dot", "eve"])), min_size=1, max_size=14
    )
)
def test_adjacency_with_merges_connects_all_names(cells: list[tuple[int, str]]) -> None:
    passages = [Passage(f"d{row}#1", f"d{row}", "nothing", 0, 7) for row in range(40)]
    mentions = [Mention(name, f"d{row}#1", 0, 1, "PERSON", name) for row, name in cells]
    titles = {f"d{row}": [""] for row in range(40)}
    plain = build_adjacency(passages, mentions, titles)
    merged = build_adjacency(passages, mentions, titles, merges={"bob": "ann", "cid": "ann", "zoe": "eve"})
    group = {"ann", "bob", "cid"} & set(plain.names)
    expected = {(row, member) for row, name in cells for member in (group if name in group else {name})}
    rows, columns = merged.edges.nonzero()
    assert {(int(row), merged.names[column]) for row, column in zip(rows, columns, strict=True)} == expected
    assert list(merged.names) == list(plain.names)


def test_merge_ignores_frequent_neighbour(graph: SQLiteGraph) -> None:
    put_tolkiens(graph)
    assert merge_set(graph)
    put(
        graph,
        "many",
        "Colleges",
        "Exeter College. " * (MAX_SHARED_NEIGHBOUR_MENTIONS + 1),
        {"Exeter College": "ORGANISATION"},
    )
    assert merge_set(graph) == set()


def test_resolve_partial_alias_without_document_is_empty(graph: SQLiteGraph) -> None:
    put(
        graph,
        "a",
        "One",
        "Ann Bell met Bell Works (BW).",
        {"Ann Bell": "PERSON", "Bell Works": "ORGANISATION"},
        (),
        (("Ann Bell", "met", "Bell Works"),),
    )
    merges = Merges([Merge("bell", "ann bell", USER), Merge("bw", "bell works", USER)])
    put(graph, "b", "Two", "Bell left BW.", {"Bell": "PERSON", "BW": "ORGANISATION"})
    facts = build_fact_index(with_merges(graph, merges))
    assert facts.resolve("BW") == ["bell works"] and facts.resolve("Bell") == []
