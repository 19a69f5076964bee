"""Test the contract of `GraphStore` for each implementation."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest

from ingest.readers.content import make_document
from kgrag.protocols import GraphStore
from kgrag.tree import Block, BlockKind, DocumentTree, Link, PageLine
from kgrag.types import DocumentHeader, DocumentProperties, Extraction, Passage
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


def test_put_documents_are_read_back(graph: GraphStore) -> None:
    extractions = [ada_extraction(), wu_extraction()]
    put_extractions(graph, *extractions)
    assert list(graph.documents()) == [e.document for e in extractions]
    assert list(graph.passages()) == [p for e in extractions for p in e.passages]
    assert list(graph.mentions()) == sorted(
        (m for e in extractions for m in e.mentions), key=lambda m: (m.passage_id, m.start, m.end)
    )
    assert list(graph.triples()) == [t for e in extractions for t in e.triples]
    assert graph.titles() == {"ada": ("ada lovelace", "Ada Lovelace"), "吴": ("吴 文 俊", "吴文俊")}
    assert graph.document_hashes() == {e.document.id: e.document.sha256 for e in extractions}
    assert graph.document("ada") == extractions[0].document
    assert graph.document("unknown") is None
    vectors = graph.embeddings()
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors, np.concatenate([embed_passages(e) for e in extractions]))


def test_structure_and_metadata_are_read_back(graph: GraphStore) -> None:
    tree = DocumentTree(
        (Block(BlockKind.HEADING, 0, 7, 2, "Setup"), Block(BlockKind.CODE, 9, 20, 0, "sh")),
        (Link(9, 12, "https://example.org/"),),
        (PageLine(0, 7, 3, (72.0, 90.5, 200.0, 101.0)), PageLine(9, 20, 4, None, 0.87)),
    )
    metadata = {"author": "Ada", "tags": ("q3", "终稿"), "pages": 12}
    document = make_document("guide", "Guide", "# Setup\n\nmake install now", "guide.pdf", tree, metadata)
    passage = Passage("guide#0001", "guide", document.text, 0, len(document.text), ("Part", "部分"), ((0, 3), (9, 4)))
    extraction = Extraction(document, (passage,), (("guide", "Guide", "MISC"),), (), ())
    put_extractions(graph, extraction, wu_extraction())
    assert graph.document("guide") == document
    assert next(d for d in graph.documents() if d.id == "guide") == document
    assert graph.passages_of_document("guide") == [passage] == [*graph.passages_by_id(["guide#0001"]).values()]
    assert (passage.page, passage.page_at(8), passage.page_at(9)) == (3, 3, 4)
    properties = {p.id: p for p in graph.document_properties()}
    assert properties["guide"] == DocumentProperties("guide", "Guide", "guide.pdf", "en", metadata)
    assert properties["吴"].metadata == {}


def test_reopened_store_has_same_content(open_store: StoreFactory) -> None:
    first = open_store()
    put_extractions(first, ada_extraction(), wu_extraction())
    before = (list(first.documents()), list(first.passages()), list(first.entities()), first.generation)
    first.close()
    second = open_store()
    assert (list(second.documents()), list(second.passages()), list(second.entities()), second.generation) == before


def test_empty_store_returns_nothing(graph: GraphStore) -> None:
    assert graph.generation == 0
    assert [*graph.documents(), *graph.passages(), *graph.entities(), *graph.mentions(), *graph.triples()] == []
    assert len(graph.embeddings()) == 0
    assert graph.document_hashes() == {} == graph.titles()


def test_put_same_id_replaces_only_that_document(graph: GraphStore) -> None:
    put_extractions(graph, ada_extraction(), wu_extraction())
    wu_passages = [p for p in graph.passages() if p.document_id == "吴"]
    put_extractions(graph, new := ada_extraction("Ada Lovelace wrote. She met Byron. She met Somerville."))
    assert graph.document("ada") == new.document
    assert [p for p in graph.passages() if p.document_id == "ada"] == list(new.passages)
    assert [p for p in graph.passages() if p.document_id == "吴"] == wu_passages
    assert {m.entity_id for m in graph.mentions()} == {"ada lovelace", "上 海", "陈 省 身"}
    assert list(graph.triples()) == []
    assert len(graph.embeddings()) == len(list(graph.passages())) == 5
    assert "babbage" not in {entity.id for entity in graph.entities()}


def test_forget_leaves_store_as_without_document(graph: GraphStore) -> None:
    put_extractions(graph, wu_extraction())
    before = [*graph.documents(), *graph.passages(), *graph.mentions(), *graph.triples(), *graph.entities()]
    put_extractions(graph, ada_extraction())
    assert graph.forget("ada") is True
    after = [*graph.documents(), *graph.passages(), *graph.mentions(), *graph.triples(), *graph.entities()]
    assert after == before
    assert len(graph.embeddings()) == 2
    assert graph.forget("ada") is False


def test_entity_exists_while_a_document_names_it(graph: GraphStore) -> None:
    put_extractions(graph, ada_extraction(id="one"), ada_extraction(id="two"))
    graph.forget("one")
    assert "babbage" in {e.id for e in graph.entities()}
    graph.forget("two")
    assert list(graph.entities()) == []


def test_generation_counts_content_changes_only(graph: GraphStore) -> None:
    generations = [graph.generation]
    for change in (
        lambda: put_extractions(graph, ada_extraction()),
        lambda: put_extractions(graph, ada_extraction()),
        lambda: graph.forget("ada"),
    ):
        change()
        generations.append(graph.generation)
    assert all(earlier < later for earlier, later in itertools.pairwise(generations))
    graph.forget("unknown")
    graph.set_meta("embedder", "fake")
    graph.mark_sources_read([("people.jsonl", "0" * 64, [])])
    assert graph.generation == generations[-1]


def test_put_with_missing_vector_changes_nothing(graph: GraphStore) -> None:
    put_extractions(graph, ada_extraction(), wu_extraction())
    before = (list(graph.passages()), list(graph.mentions()), graph.generation)
    new = ada_extraction("Ada Lovelace wrote. She met Byron.")
    with pytest.raises(ValueError):
        graph.put(new, embed_passages(new)[:1])  # a vector is missing
    assert (list(graph.passages()), list(graph.mentions()), graph.generation) == before


def test_order_does_not_depend_on_insertion_order(new_store: Callable[[], GraphStore]) -> None:
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
        some_ids = [p.id for p in passages[::2]]
        assert graph.passages_by_id([*some_ids, "unknown#0001"]) == {p.id: p for p in passages[::2]}
        vectors_by_row = graph.embeddings()
        expected = [embed_passages(build_extraction(graph.document(p.document_id))) for p in passages]  # type: ignore[arg-type]
        for row, (passage, rows_) in enumerate(zip(passages, expected, strict=True)):
            np.testing.assert_array_equal(vectors_by_row[row], rows_[int(passage.id[-4:]) - 1])
        stores.append((passages, list(graph.entities()), list(graph.mentions()), vectors_by_row.tobytes()))
    assert all(store == stores[0] for store in stores)


def test_display_name_is_most_frequent_spelling(graph: GraphStore) -> None:
    spellings = {"BEIJING": "PLACE", "Beijing": "PLACE", "beijing": "MISC"}
    put_extractions(
        graph, build_extraction(build_document("a", "BEIJING and Beijing. Then Beijing and beijing."), spellings)
    )
    entity = next(e for e in graph.entities() if e.id == "beijing")
    assert (entity.name, entity.type, entity.aliases) == ("Beijing", "PLACE", ("BEIJING", "beijing"))


def test_display_name_tie_is_alphabetical(graph: GraphStore) -> None:
    put_extractions(
        graph, build_extraction(build_document("a", "It is Öl here. It is Ol there."), {"Öl": "MISC", "Ol": "MISC"})
    )
    assert next(e for e in graph.entities() if e.id == "ol").name == "Ol"


def test_display_name_prefers_declared_name(graph: GraphStore) -> None:
    text = "UN here. UN there. UN again. United Nations (UN) it is."
    declared = [("united nations", "UN", "ORGANISATION")]
    extraction = build_extraction(
        build_document("u", text, "United Nations"), {"United Nations": "ORGANISATION"}, names=declared
    )
    put_extractions(
        graph, extraction, build_extraction(build_document("v", "united nations. " * 20), {"united nations": "MISC"})
    )
    entity = next(e for e in graph.entities() if e.id == "united nations")
    assert entity.name in ("UN", "United Nations")
    assert set(entity.aliases) == {"UN", "United Nations", "united nations"} - {entity.name}
    assert entity.type == "ORGANISATION"


def test_triples_in_orders_by_passage_and_offset(graph: GraphStore) -> None:
    text = "Ada met Byron. Nobody came. Ada left Byron."
    for id in ("b", "a"):  # ordered by offset alone, the triples of the two documents would alternate
        put_extractions(
            graph,
            build_extraction(
                build_document(id, text), {"Ada": "PERSON", "Byron": "PERSON"}, [("Ada", "knew", "Byron")]
            ),
        )
    passage_ids = ["a#0001", "a#0003", "b#0001", "b#0003"]
    triples = graph.triples_in(reversed(["a#0002", *passage_ids, "unknown#0001"]))
    assert [t.passage_id for t in triples] == passage_ids and triples == list(graph.triples())
    assert [t.passage_id for t in graph.triples_in(["b#0003", "a#0003"])] == ["a#0003", "b#0003"]


def test_lookups_by_document_and_passage(graph: GraphStore) -> None:
    put_extractions(graph, extraction := ada_extraction(), wu_extraction())
    assert graph.passages_of_document("ada") == list(extraction.passages)
    assert graph.triples_in(["ada#0001"]) == list(extraction.triples)
    assert graph.triples_in(["ada#0002"]) == graph.triples_in([]) == []
    assert graph.passages_by_id(["ada#0009"]) == graph.passages_by_id([]) == {}
    title = extraction.document.title
    assert graph.document_headers(["ada", "unknown"]) == {
        "ada": DocumentHeader(extraction.names[0][0], title, extraction.document.source)
    }
    assert graph.document_headers([]) == {}
    assert graph.counts()["documents"] == 2
    assert graph.counts()["passages"] == 4
    assert graph.counts()["entities"] == len(list(graph.entities()))


def test_snapshot_ends_on_error(open_store: StoreFactory) -> None:
    writer, reader = open_store(), open_store()
    with pytest.raises(KeyError), reader.snapshot():
        raise KeyError
    put_extractions(writer, ada_extraction())
    assert reader.generation == 1
    with reader.snapshot():
        assert [d.id for d in reader.documents()] == ["ada"]


def test_unfinished_iterator_blocks_no_writer(open_store: StoreFactory) -> None:
    writer, reader = open_store(), open_store()
    put_extractions(writer, ada_extraction(), wu_extraction())
    next(reader.passages())
    put_extractions(writer, ada_extraction("Ada Lovelace wrote."))
    assert next(reader.passages()).text == "Ada Lovelace wrote."


# --- sources -----------------------------------------------------------------------------------------------------


def test_mark_sources_read_replaces_problems(graph: GraphStore) -> None:
    graph.mark_sources_read([("a.jsonl", "1" * 64, [(3, "no text"), (None, "odd")])])
    graph.mark_sources_read([("b.jsonl", "2" * 64, [(1, "no text")])])
    assert graph.sources() == {"a.jsonl": "1" * 64, "b.jsonl": "2" * 64}
    assert graph.problems() == [("a.jsonl", None, "odd"), ("a.jsonl", 3, "no text"), ("b.jsonl", 1, "no text")]
    graph.mark_sources_read([("a.jsonl", "3" * 64, [(4, "no text")])])
    assert graph.problems() == [("a.jsonl", 4, "no text"), ("b.jsonl", 1, "no text")]
    graph.forget_source("a.jsonl")
    assert graph.sources() == {"b.jsonl": "2" * 64}
    assert graph.problems() == [("b.jsonl", 1, "no text")]


def test_forget_marks_its_source_unread(graph: GraphStore) -> None:
    put_extractions(graph, ada_extraction(id="one"), ada_extraction(id="two"))
    graph.mark_sources_read([("people.jsonl", "1" * 64, [(3, "no text")])])
    graph.forget("one")
    assert graph.sources() == {}
    assert graph.problems() != []  # the file still has a document in the store
    graph.forget("two")
    assert graph.problems() == []


def test_put_from_other_source_marks_former_unread(graph: GraphStore) -> None:
    put_extractions(graph, ada_extraction())
    graph.mark_sources_read([("people.jsonl", "1" * 64, [])])
    put_extractions(graph, build_extraction(build_document("ada", "Ada wrote.", source="other.jsonl")))
    assert graph.sources() == {}
    assert graph.document_ids_by_source(["people.jsonl", "other.jsonl"]) == {"people.jsonl": [], "other.jsonl": ["ada"]}


def test_rename_source_changes_ids_alone(graph: GraphStore) -> None:
    text, old, new = "Ada met Byron. Nobody came. Ada left Byron.", "old/ß.txt", "new/吴 1.txt"
    ids = {old: new, f"{old}/part.md": f"{new}/part.md", "row": "row"}
    for document_id in ids:
        put_extractions(
            graph,
            build_extraction(
                build_document(document_id, text, "Ada", old),
                {"Ada": "PERSON", "Byron": "PERSON"},
                [("Ada", "knew", "Byron")],
            ),
        )
    put_extractions(graph, wu_extraction())
    graph.mark_sources_read([(old, "1" * 64, [(3, "no text")]), (new, "2" * 64, [])])

    def renamed_passage(passage_id: str) -> str:
        document_id, _, number = passage_id.rpartition("#")
        return f"{ids.get(document_id, document_id)}#{number}"

    def vectors() -> dict[str, bytes]:
        rows = zip(graph.passages(), graph.embeddings(), strict=True)
        return {passage.id: vector.tobytes() for passage, vector in rows}

    def spans() -> list[tuple[str, int, int]]:
        return [(item.passage_id, item.start, item.end) for item in (*graph.mentions(), *graph.triples())]

    generation, entities = graph.generation, list(graph.entities())
    texts = {renamed_passage(p.id): p.text for p in graph.passages()}
    expected_vectors = {renamed_passage(i): vector for i, vector in vectors().items()}
    expected_spans = sorted((renamed_passage(i), start, end) for i, start, end in spans())
    graph.rename_source(old, new, ids)
    assert graph.generation > generation
    assert (graph.sources(), graph.problems()) == ({new: "1" * 64}, [(new, 3, "no text")])
    assert graph.document_ids_by_source([new, old]) == {new: sorted(ids.values()), old: []}
    assert {p.id: p.text for p in graph.passages()} == texts
    assert vectors() == expected_vectors
    assert sorted(spans()) == expected_spans
    assert list(graph.entities()) == entities
    for document_id in [*ids.values(), "吴"]:
        assert graph.forget(document_id)
    assert list(graph.entities()) == []
