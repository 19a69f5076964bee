"""Typed facts in arrays: what a plain list of triples would say, before and after they are on the disk."""

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


def kept(facts: FactIndex) -> FactIndex:
    """The same facts, written and read again; the arrays outlive the folder that they were mapped from."""
    with TemporaryDirectory() as folder:
        facts.save(Path(folder) / "facts")
        return FactIndex.load(Path(folder) / "facts")


@settings(max_examples=60, deadline=None)
@given(TRIPLES, TITLES)
def test_facts_are_those_of_the_list(triples: list[Triple], titles: dict[str, str]) -> None:
    made = fact_index_from(triples, titles, {"ada": "Ada"})
    typed = [t for t in triples if t.predicate != "mentions"]
    for facts in (made, kept(made)):
        for entity in ["ada", "byron", normalize_name("杨振宁"), "1912", "x", "nobody"]:
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
        assert list(facts.gazetteer.names) == list(made.gazetteer.names) == sorted(set(made.gazetteer.names))
        assert [facts.candidate_entities(e) for e in titles] == [made.candidate_entities(e) for e in titles]


@given(st.dictionaries(st.text(max_size=4), st.lists(st.integers(0, 9), max_size=4)), st.text(max_size=4))
def test_lists_give_what_was_listed(lists: dict[str, list[int]], word: str) -> None:
    packed = Postings.of(lists)
    again = Postings.from_arrays("them", packed.to_arrays("them"))
    for each in [*lists, word]:
        assert packed.get(each) == again.get(each) == lists.get(each, [])
    assert binary_search(sorted(lists), word) == (sorted(lists).index(word) if word in lists else None)


def test_a_fact_of_a_country_is_not_made_to_be_left_out() -> None:
    many = [Triple(f"person {n}", "nationality", "france", "a#0001", 0, 10, 0.9) for n in range(200_000)]
    capital = Triple("paris", "capital_of", "france", "a#0001", 0, 10, 0.9)
    facts = fact_index_from([*many, capital], {}, {})
    assert facts.incoming("france", {"capital_of"}) == [capital]
    assert len(facts.incoming("france")) == 200_001


def test_honorifics_go_but_a_name_stays() -> None:
    assert strip_honorifics(["king", "prince", "harald"]) == ["harald"]
    assert strip_honorifics(["king"]) == ["king"]
    assert normalize_name("King Harald") == "king harald"


@given(st.lists(st.tuples(st.text(max_size=5), st.sampled_from(["a", "b", "文"])), max_size=8))
def test_rows_are_those_that_were_given(pairs: list[tuple[str, str]]) -> None:
    made = RowMap.of(pairs)
    with TemporaryDirectory() as folder:
        made.save(Path(folder) / "rows")
        for rows in (made, RowMap.load(Path(folder) / "rows")):
            assert list(rows) == pairs == rows[:]
            assert len(rows) == len(pairs) and all(isinstance(row, RowKey) for row in rows)
