"""Test that the fact index equals a plain list of triples, in memory and from disk."""

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from graphs.facts.builder import fact_index_from
from graphs.facts.fact_index import FactIndex, strip_honorifics
from graphs.facts.postings import Postings, binary_search
from indices.row_map import RowKey, RowMap
from kgrag.text import normalize_name
from kgrag.types import CLASSIFIER, PATTERN, Triple

ENTITIES = st.sampled_from(
    ["ada", "byron", "lord byron", "harald of norway", normalize_name("杨振宁"), "1912", "x", "king harald"]
)
PREDICATES = st.sampled_from(["father", "date_of_birth", "also_known_as", "mentions"])
TRIPLES = st.lists(
    st.builds(
        Triple,
        ENTITIES,
        PREDICATES,
        ENTITIES,
        st.sampled_from(["a#0001", "b#0001"]),
        st.integers(0, 9),
        st.integers(10, 2**31 - 1),
        st.floats(0.01, 1.0),
        st.sampled_from([PATTERN, CLASSIFIER]),
    ),
    max_size=12,
)
TITLES = st.dictionaries(ENTITIES, st.sampled_from(["Ada", "Lord Byron", "Harald of Norway", "杨振宁", "Byron, Lord"]))


def save_and_load(facts: FactIndex) -> FactIndex:
    """Save and load an index; the arrays outlive the folder that they are mapped from."""
    with TemporaryDirectory() as folder:
        facts.save(Path(folder) / "facts")
        return FactIndex.load(Path(folder) / "facts")


@settings(max_examples=60, deadline=None)
@given(TRIPLES, TITLES)
def test_fact_index_equals_list_of_triples(triples: list[Triple], titles: dict[str, str]) -> None:
    built = fact_index_from(triples, titles, {"ada": "Ada"})
    typed = [t for t in triples if t.predicate != "mentions"]
    for facts in (built, save_and_load(built)):
        for entity in ["ada", "byron", normalize_name("杨振宁"), "1912", "x", "unknown"]:
            assert facts.outgoing(entity) == [t for t in typed if t.subject == entity]
            assert sorted(facts.incoming(entity), key=repr) == sorted(
                (t for t in typed if t.object == entity), key=repr
            )
            assert facts.outgoing(entity, {"father"}) == [
                t for t in typed if (t.subject, t.predicate) == (entity, "father")
            ]
            assert facts.title(entity) == titles.get(entity, "")
            if entity in titles or any(entity in (t.subject, t.object) for t in typed):
                assert facts.display_name(entity) == (titles.get(entity) or {"ada": "Ada"}.get(entity, entity))
            if any(entity in (t.subject, t.object) for t in typed):
                assert entity in facts.resolve(entity)
        for entity, title in titles.items():
            assert entity in facts.resolve(title)
        assert list(facts.gazetteer.names) == list(built.gazetteer.names) == sorted(set(built.gazetteer.names))
        assert [facts.candidate_entities(e) for e in titles] == [built.candidate_entities(e) for e in titles]


@given(st.dictionaries(st.text(max_size=4), st.lists(st.integers(0, 9), max_size=4)), st.text(max_size=4))
def test_postings_return_packed_lists(lists: dict[str, list[int]], word: str) -> None:
    packed = Postings.of(lists)
    loaded = Postings.from_arrays("lists", packed.to_arrays("lists"))
    for key in [*lists, word]:
        assert packed.get(key) == loaded.get(key) == lists.get(key, [])
    assert binary_search(sorted(lists), word) == (sorted(lists).index(word) if word in lists else None)


def test_incoming_filters_before_building_triples() -> None:
    many = [Triple(f"person {n}", "nationality", "france", "a#0001", 0, 10, 0.9) for n in range(200_000)]
    capital = Triple("paris", "capital_of", "france", "a#0001", 0, 10, 0.9)
    facts = fact_index_from([*many, capital], {}, {})
    assert facts.incoming("france", {"capital_of"}) == [capital]
    assert len(facts.incoming("france")) == 200_001


def test_strip_honorifics_keeps_last_word() -> None:
    assert strip_honorifics(["king", "prince", "harald"]) == ["harald"]
    assert strip_honorifics(["king"]) == ["king"]
    assert normalize_name("King Harald") == "king harald"


@given(st.lists(st.tuples(st.text(max_size=5), st.sampled_from(["a", "b", "文"])), max_size=8))
def test_row_map_returns_given_rows(pairs: list[tuple[str, str]]) -> None:
    packed = RowMap.of(pairs)
    with TemporaryDirectory() as folder:
        packed.save(Path(folder) / "rows")
        for rows in (packed, RowMap.load(Path(folder) / "rows")):
            assert list(rows) == pairs == rows[:]
            assert len(rows) == len(pairs) and all(isinstance(row, RowKey) for row in rows)
