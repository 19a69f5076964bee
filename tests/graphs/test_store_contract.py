"""What every `Graph` promises, asked of each implementation."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest

from kgrag.protocols import GraphStore
from kgrag.types import DocumentHeader
from tests.support.documents import (
    ada_extraction,
    build_document,
    build_extraction,
    embed_passages,
    put_extractions,
    wu_extraction,
)
from tests.support.graph_stores import StoreFactory


@pytest.fixture
def graph(open_store: StoreFactory) -> GraphStore:
    return open_store()


# --- the contract ------------------------------------------------------------------------------------------------


def test_what_was_put_is_read_back_as_it_was(graph: GraphStore) -> None:
    given = [ada_extraction(), wu_extraction()]
    put_extractions(graph, *given)
    assert list(graph.documents()) == [e.document for e in given]
    assert list(graph.passages()) == [p for e in given for p in e.passages]
    assert list(graph.mentions()) == sorted(
        (m for e in given for m in e.mentions), key=lambda m: (m.passage_id, m.start, m.end)
    )
    assert list(graph.triples()) == [t for e in given for t in e.triples]
    assert graph.titles() == {"ada": ("ada lovelace", "Ada Lovelace"), "吴": ("吴 文 俊", "吴文俊")}
    assert graph.document_hashes() == {e.document.id: e.document.sha256 for e in given}
    assert graph.document("ada") == given[0].document
    assert graph.document("nobody") is None
    stored = graph.embeddings()
    assert stored.dtype == np.float32
    np.testing.assert_array_equal(stored, np.concatenate([embed_passages(e) for e in given]))


def test_a_closed_store_opens_again_with_all_it_had(open_store: StoreFactory) -> None:
    first = open_store()
    put_extractions(first, ada_extraction(), wu_extraction())
    before = (list(first.documents()), list(first.passages()), list(first.entities()), first.generation)
    first.close()
    second = open_store()
    assert (list(second.documents()), list(second.passages()), list(second.entities()), second.generation) == before


def test_an_empty_store_has_nothing(graph: GraphStore) -> None:
    assert graph.generation == 0
    assert [*graph.documents(), *graph.passages(), *graph.entities(), *graph.mentions(), *graph.triples()] == []
    assert len(graph.embeddings()) == 0
    assert graph.document_hashes() == {} == graph.titles()


def test_putting_again_replaces_all_of_a_document_and_nothing_else(graph: GraphStore) -> None:
    put_extractions(graph, ada_extraction(), wu_extraction())
    others = [p for p in graph.passages() if p.document_id == "吴"]
    put_extractions(graph, new := ada_extraction("Ada Lovelace wrote. She met Byron. She met Somerville."))
    assert graph.document("ada") == new.document
    assert [p for p in graph.passages() if p.document_id == "ada"] == list(new.passages)
    assert [p for p in graph.passages() if p.document_id == "吴"] == others
    assert {m.entity_id for m in graph.mentions()} == {"ada lovelace", "上 海", "陈 省 身"}
    assert list(graph.triples()) == []
    assert len(graph.embeddings()) == len(list(graph.passages())) == 5
    assert "babbage" not in {entity.id for entity in graph.entities()}


def test_forgetting_leaves_the_store_that_never_knew_it(graph: GraphStore) -> None:
    put_extractions(graph, wu_extraction())
    before = [*graph.documents(), *graph.passages(), *graph.mentions(), *graph.triples(), *graph.entities()]
    put_extractions(graph, ada_extraction())
    assert graph.forget("ada") is True
    after = [*graph.documents(), *graph.passages(), *graph.mentions(), *graph.triples(), *graph.entities()]
    assert after == before
    assert len(graph.embeddings()) == 2
    assert graph.forget("ada") is False


def test_an_entity_stays_as_long_as_one_document_names_it(graph: GraphStore) -> None:
    put_extractions(graph, ada_extraction(id="one"), ada_extraction(id="two"))
    graph.forget("one")
    assert "babbage" in {e.id for e in graph.entities()}
    graph.forget("two")
    assert list(graph.entities()) == []


def test_the_generation_counts_what_changed_the_content(graph: GraphStore) -> None:
    seen = [graph.generation]
    for change in (
        lambda: put_extractions(graph, ada_extraction()),
        lambda: put_extractions(graph, ada_extraction()),
        lambda: graph.forget("ada"),
    ):
        change()
        seen.append(graph.generation)
    assert all(earlier < later for earlier, later in itertools.pairwise(seen))
    graph.forget("nobody")
    graph.set_meta("embedder", "fake")
    graph.mark_sources_read([("people.jsonl", "0" * 64, [])])
    assert graph.generation == seen[-1]


def test_a_refused_document_changes_nothing(graph: GraphStore) -> None:
    put_extractions(graph, ada_extraction(), wu_extraction())
    before = (list(graph.passages()), list(graph.mentions()), graph.generation)
    new = ada_extraction("Ada Lovelace wrote. She met Byron.")
    with pytest.raises(ValueError):
        graph.put(new, embed_passages(new)[:1])  # a vector is missing
    assert (list(graph.passages()), list(graph.mentions()), graph.generation) == before


def test_everything_comes_in_one_order_whatever_the_order_it_came_in(new_store: Callable[[], GraphStore]) -> None:
    texts = {
        "b": "Byron met Ada. Ada met Byron.",
        "a": "Ada wrote.",
        "a#": "Ada left.",
        "乙": "上海在东。",
        "Z": "Zed.",
        "\U00020bb7": "Ada met Byron.",
        "\uff5e": "Ada met Byron.",
    }
    stores = []
    for order in itertools.islice(itertools.permutations(texts), 0, 120, 23):
        graph = new_store()
        for id in order:
            put_extractions(
                graph,
                build_extraction(build_document(id, texts[id]), {"Ada": "PERSON", "Byron": "PERSON", "上海": "PLACE"}),
            )
        passages = list(graph.passages())
        assert [p.id for p in passages] == sorted(p.id for p in passages)
        assert [d.id for d in graph.documents()] == sorted(texts)
        assert [e.id for e in graph.entities()] == sorted(e.id for e in graph.entities())
        mentions = [(m.passage_id, m.start, m.end) for m in graph.mentions()]
        assert mentions == sorted(mentions)
        assert graph.passage_keys() == [(p.id, p.document_id) for p in passages]
        assert graph.passages_by_id(p.id for p in passages) == {p.id: p for p in passages}
        some = [p.id for p in passages[::2]]
        assert graph.passages_by_id([*some, "nowhere#0001"]) == {p.id: p for p in passages[::2]}
        vectors_by_row = graph.embeddings()
        expected = [embed_passages(build_extraction(graph.document(p.document_id))) for p in passages]  # type: ignore[arg-type]
        for row, (passage, rows_) in enumerate(zip(passages, expected, strict=True)):
            np.testing.assert_array_equal(vectors_by_row[row], rows_[int(passage.id[-4:]) - 1])
        stores.append((passages, list(graph.entities()), list(graph.mentions()), vectors_by_row.tobytes()))
    assert all(store == stores[0] for store in stores)


def test_an_entity_is_called_by_its_commonest_spelling(graph: GraphStore) -> None:
    spellings = {"BEIJING": "PLACE", "Beijing": "PLACE", "beijing": "MISC"}
    put_extractions(
        graph, build_extraction(build_document("a", "BEIJING and Beijing. Then Beijing and beijing."), spellings)
    )
    entity = next(e for e in graph.entities() if e.id == "beijing")
    assert (entity.name, entity.type, entity.aliases) == ("Beijing", "PLACE", ("BEIJING", "beijing"))


def test_of_two_spellings_as_common_the_first_of_the_alphabet_is_taken(graph: GraphStore) -> None:
    put_extractions(
        graph, build_extraction(build_document("a", "It is Öl here. It is Ol there."), {"Öl": "MISC", "Ol": "MISC"})
    )
    assert next(e for e in graph.entities() if e.id == "ol").name == "Ol"


def test_a_declared_name_beats_any_number_of_mentions(graph: GraphStore) -> None:
    text = "UN here. UN there. UN again. United Nations (UN) it is."
    declared = [("united nations", "UN", "ORGANISATION")]
    given = build_extraction(
        build_document("u", text, "United Nations"), {"United Nations": "ORGANISATION"}, names=declared
    )
    put_extractions(
        graph, given, build_extraction(build_document("v", "united nations. " * 20), {"united nations": "MISC"})
    )
    entity = next(e for e in graph.entities() if e.id == "united nations")
    assert entity.name in ("UN", "United Nations")
    assert set(entity.aliases) == {"UN", "United Nations", "united nations"} - {entity.name}
    assert entity.type == "ORGANISATION"


def test_facts_of_some_passages_are_ordered_by_passage_and_offset(graph: GraphStore) -> None:
    text = "Ada met Byron. Nobody came. Ada left Byron."
    for id in ("b", "a"):  # ordered by offset alone those of the two would stand between each other
        put_extractions(
            graph,
            build_extraction(
                build_document(id, text), {"Ada": "PERSON", "Byron": "PERSON"}, [("Ada", "knew", "Byron")]
            ),
        )
    stating = ["a#0001", "a#0003", "b#0001", "b#0003"]
    found = graph.triples_in(reversed(["a#0002", *stating, "nowhere#0001"]))
    assert [t.passage_id for t in found] == stating and found == list(graph.triples())
    assert [t.passage_id for t in graph.triples_in(["b#0003", "a#0003"])] == ["a#0003", "b#0003"]


def test_passages_of_a_document_and_facts_of_a_passage(graph: GraphStore) -> None:
    put_extractions(graph, given := ada_extraction(), wu_extraction())
    assert graph.passages_of_document("ada") == list(given.passages)
    assert graph.triples_in(["ada#0001"]) == list(given.triples)
    assert graph.triples_in(["ada#0002"]) == graph.triples_in([]) == []
    assert graph.passages_by_id(["ada#0009"]) == graph.passages_by_id([]) == {}
    title = given.document.title
    assert graph.document_headers(["ada", "nobody"]) == {
        "ada": DocumentHeader(given.names[0][0], title, given.document.source)
    }
    assert graph.document_headers([]) == {}
    assert graph.counts()["documents"] == 2
    assert graph.counts()["passages"] == 4
    assert graph.counts()["entities"] == len(list(graph.entities()))


def test_a_snapshot_ends_with_an_error_in_it(open_store: StoreFactory) -> None:
    writer, reader = open_store(), open_store()
    with pytest.raises(KeyError), reader.snapshot():
        raise KeyError
    put_extractions(writer, ada_extraction())
    assert reader.generation == 1
    with reader.snapshot():
        assert [d.id for d in reader.documents()] == ["ada"]


def test_an_iterator_left_halfway_holds_nobody_up(open_store: StoreFactory) -> None:
    writer, reader = open_store(), open_store()
    put_extractions(writer, ada_extraction(), wu_extraction())
    next(reader.passages())
    put_extractions(writer, ada_extraction("Ada Lovelace wrote."))
    assert next(reader.passages()).text == "Ada Lovelace wrote."


# --- files that were read ----------------------------------------------------------------------------------------


def test_a_file_is_noted_with_its_problems_and_noted_anew(graph: GraphStore) -> None:
    graph.mark_sources_read([("a.jsonl", "1" * 64, [(3, "no text"), (None, "odd")])])
    graph.mark_sources_read([("b.jsonl", "2" * 64, [(1, "no text")])])
    assert graph.sources() == {"a.jsonl": "1" * 64, "b.jsonl": "2" * 64}
    assert graph.problems() == [("a.jsonl", None, "odd"), ("a.jsonl", 3, "no text"), ("b.jsonl", 1, "no text")]
    graph.mark_sources_read([("a.jsonl", "3" * 64, [(4, "no text")])])
    assert graph.problems() == [("a.jsonl", 4, "no text"), ("b.jsonl", 1, "no text")]
    graph.forget_source("a.jsonl")
    assert graph.sources() == {"b.jsonl": "2" * 64}
    assert graph.problems() == [("b.jsonl", 1, "no text")]


def test_a_file_that_lost_a_document_counts_as_unread(graph: GraphStore) -> None:
    put_extractions(graph, ada_extraction(id="one"), ada_extraction(id="two"))
    graph.mark_sources_read([("people.jsonl", "1" * 64, [(3, "no text")])])
    graph.forget("one")
    assert graph.sources() == {}
    assert graph.problems() != []  # the file still has a document here
    graph.forget("two")
    assert graph.problems() == []


def test_a_file_whose_document_another_file_took_counts_as_unread(graph: GraphStore) -> None:
    put_extractions(graph, ada_extraction())
    graph.mark_sources_read([("people.jsonl", "1" * 64, [])])
    put_extractions(graph, build_extraction(build_document("ada", "Ada wrote.", source="other.jsonl")))
    assert graph.sources() == {}
    assert graph.document_ids_by_source(["people.jsonl", "other.jsonl"]) == {"people.jsonl": [], "other.jsonl": ["ada"]}
