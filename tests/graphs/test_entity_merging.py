"""What different documents call differently is one thing where one of them says so, and never against a user's word."""

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
    """A document with mentions (spelling -> type), declared names (entity's name, other name) and facts."""
    declared = tuple((normalize_name(whose), name, "MISC") for whose, name in names)
    made = build_extraction(build_document(id, text, title, f"{id}.txt"), mentions, list(facts), declared)
    graph.put(made, embed_passages(made))


def said(same: bool, *names: str) -> AliasOverride:
    return AliasOverride(same, frozenset(map(normalize_name, names)))


def found(graph: SQLiteGraph, *words: AliasOverride) -> set[tuple[str, str, str]]:
    return {(m.merged_id, m.canonical_id, m.reason) for m in find_entity_merges(graph, words).merges}


def test_a_declared_acronym_is_the_thing_in_other_documents(graph: SQLiteGraph) -> None:
    put(
        graph,
        "a",
        "Trouble",
        "The World Trade Body (WTB) met.",
        {"World Trade Body": "ORGANISATION"},
        (("World Trade Body", "WTB"),),
    )
    put(graph, "b", "Talks", "WTB spoke.", {"WTB": "ORGANISATION"})
    assert found(graph) == {("wtb", "world trade body", DECLARED)}
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
    assert found(graph) == set()  # there are two now


def test_an_acronym_of_other_letters_and_the_title_of_another_document_are_not_taken(graph: SQLiteGraph) -> None:
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
    assert found(graph) == set()


def test_what_a_title_is_without_its_bracket_may_be_another_s(graph: SQLiteGraph) -> None:
    put(
        graph,
        "a",
        "Dark Labyrinth (1984 game)",
        "It is a game.",
        {},
        (("Dark Labyrinth (1984 game)", "Dark Labyrinth"),),
    )
    put(graph, "b", "Films", "Dark Labyrinth was a film.", {"Dark Labyrinth": "WORK"})
    assert found(graph) == set()


def test_a_name_that_is_more_used_than_the_thing_s_own_is_theirs(graph: SQLiteGraph) -> None:
    put(graph, "a", "Yesugei", "Yesugei was his father.", {"Yesugei": "PERSON"}, (("Yesugei", "Genghis Khan"),))
    put(graph, "b", "Mongols", "Genghis Khan rode. " * 5, {"Genghis Khan": "PERSON"})
    assert found(graph) == set()


def test_a_place_and_a_king_s_number_are_no_names_of_others(graph: SQLiteGraph) -> None:
    put(
        graph,
        "a",
        "Ann Hill Bell",
        "Ann Hill Bell was born.",
        {},
        (("Ann Hill Bell", "San Remo"), ("Ann Hill Bell", "Louis I")),
    )
    put(graph, "b", "Trips", "San Remo saw Louis I.", {"San Remo": "PLACE", "Louis I": "PERSON"})
    assert found(graph) == set()


def test_honorifics_and_company_forms(graph: SQLiteGraph) -> None:
    put(
        graph,
        "a",
        "One",
        "Sir Isaac Newton and Acme Works Ltd met.",
        {"Sir Isaac Newton": "PERSON", "Acme Works Ltd": "ORGANISATION"},
    )
    put(graph, "b", "Two", "Isaac Newton and Acme Works met.", {"Isaac Newton": "PERSON", "Acme Works": "ORGANISATION"})
    put(graph, "c", "Three", "Sir Lancelot met Lancelot.", {"Sir Lancelot": "PERSON", "Lancelot": "PERSON"})
    assert found(graph) == {
        ("sir isaac newton", "isaac newton", HONORIFIC),
        ("acme works ltd", "acme works", COMPANY),
    } or found(graph) == {("isaac newton", "sir isaac newton", HONORIFIC), ("acme works", "acme works ltd", COMPANY)}


def tolkiens(graph: SQLiteGraph, neighbour: str = "Exeter College") -> None:
    put(
        graph,
        "a",
        "One",
        "J. R. Tolkien went to Exeter College.",
        {"J. R. Tolkien": "PERSON", "Exeter College": "ORGANISATION"},
    )
    text = f"John Ronald Tolkien was at {neighbour}."
    put(graph, "b", "Two", text, {"John Ronald Tolkien": "PERSON", neighbour: "ORGANISATION"})


def test_initials_of_one_who_is_named_with_the_same_others(graph: SQLiteGraph) -> None:
    tolkiens(graph)
    assert {reason for *_, reason in found(graph)} == {INITIALS}


def test_initials_without_a_neighbour_in_common_or_with_two_who_have_them_say_nothing(graph: SQLiteGraph) -> None:
    tolkiens(graph, "Merton College")
    assert found(graph) == set()
    tolkiens(graph)
    put(
        graph,
        "c",
        "Three",
        "James Rex Tolkien left Exeter College.",
        {"James Rex Tolkien": "PERSON", "Exeter College": "ORGANISATION"},
    )
    assert found(graph) == set()


def test_two_dates_of_birth_are_two_persons(graph: SQLiteGraph) -> None:
    tolkiens(graph)
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
    assert found(graph) == set()


def test_jr_and_numbers_tell_persons_apart(graph: SQLiteGraph) -> None:
    for id, name in (("a", "John Bell"), ("b", "John F. Bell Jr."), ("c", "Louis Xavier Bell"), ("d", "Louis XV Bell")):
        put(
            graph,
            id,
            id,
            f"{name} went to Exeter College and Yale Park.",
            {name: "PERSON", "Exeter College": "ORGANISATION", "Yale Park": "PLACE"},
        )
    assert found(graph) == set()


def test_a_user_s_word_wins_and_the_last_one_counts(graph: SQLiteGraph) -> None:
    tolkiens(graph)
    apart = said(False, "J. R. Tolkien", "John Ronald Tolkien")
    assert found(graph, apart) == set()
    assert {r for *_, r in found(graph, apart, apart._replace(same=True))} == {USER}
    assert found(graph, apart._replace(same=True), apart) == set()
    assert {r for *_, r in found(graph, said(True, "Exeter College", "the beautiful place"))} == {USER, INITIALS}


PAIRS = st.lists(st.frozensets(st.sampled_from("abcdefgh"), min_size=2, max_size=2), max_size=12)


@given(PAIRS, PAIRS)
def test_groups_join_what_is_joined_and_never_what_is_kept_apart(
    pairs: list[frozenset[str]], apart: list[frozenset[str]]
) -> None:
    groups = MergeSets({"c": (True, 1), "d": (False, 9)}, apart)
    for pair in pairs:
        groups.union(*sorted(pair), USER)
    into = {m.merged_id: m.canonical_id for m in groups.merges()}
    assert not set(into) & set(into.values())
    one = {letter: into.get(letter, letter) for letter in "abcdefgh"}
    assert all(one[a] != one[b] for a, b in map(sorted, apart))
    if not apart:
        assert all(one[a] == one[b] for a, b in map(sorted, pairs))
    assert one["c"] == "c"  # a title's entity never gives way


def test_merged_is_one_everywhere(graph: SQLiteGraph, tmp_path: Path) -> None:
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
    read = with_merges(graph, merges)
    entities = {e.id: e for e in read.entities()}
    assert "wtb" not in entities and entities["world trade body"].aliases == ("WTB",)
    assert entities["world trade body"].type == "ORGANISATION"
    for among in ({"world trade body"}, {"world trade body": 1}):
        assert [e.id for e in read.entities(among)] == ["world trade body"]
        assert next(read.entities(among)).aliases == ("WTB",)
    assert {(t.subject, t.predicate, t.object) for t in read.triples()} == {
        ("world trade body", "member", "ada bell"),
        ("world trade body", "left", "bern"),
    }
    assert {m.entity_id for m in read.mentions() if m.surface == "WTB"} == {"world trade body"}
    assert read.mention_counts("world trade body") == (4, 2)
    assert read.entities_by_surface_form("wtb") == ["world trade body"] and read.generation == graph.generation
    facts = build_fact_index(read)
    assert {t.predicate for t in facts.outgoing("world trade body")} == {"member", "left"}
    assert facts.resolve("WTB") == ["world trade body"]


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.sampled_from(["ann", "bob", "cid", "dot", "eve"])), min_size=1, max_size=14
    )
)
def test_a_passage_that_has_one_name_is_tied_to_all_names_of_the_thing(cells: list[tuple[int, str]]) -> None:
    passages = [Passage(f"d{row}#1", f"d{row}", "nothing", 0, 7) for row in range(40)]
    mentions = [Mention(name, f"d{row}#1", 0, 1, "PERSON", name) for row, name in cells]
    titles = {f"d{row}": [""] for row in range(40)}
    plain = build_adjacency(passages, mentions, titles)
    merged = build_adjacency(passages, mentions, titles, merges={"bob": "ann", "cid": "ann", "zoe": "eve"})
    group = {"ann", "bob", "cid"}

    def ties(made: object) -> set[tuple[int, str]]:
        rows, columns = made.ties.nonzero()  # type: ignore[attr-defined]
        return {(int(r), made.names[c]) for r, c in zip(rows, columns, strict=True)}  # type: ignore[attr-defined]

    here = set(plain.names)
    wanted = {(row, other) for row, name in cells for other in (group & here if name in group else {name})}
    assert ties(merged) == wanted
    assert list(merged.names) == list(plain.names)


def test_a_neighbour_that_everybody_has_says_nothing(graph: SQLiteGraph) -> None:
    tolkiens(graph)
    assert found(graph)
    put(
        graph,
        "many",
        "Colleges",
        "Exeter College. " * (MAX_SHARED_NEIGHBOUR_MENTIONS + 1),
        {"Exeter College": "ORGANISATION"},
    )
    assert found(graph) == set()


def test_part_of_a_name_that_no_document_is_about_means_nobody(graph: SQLiteGraph) -> None:
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
