"""Adding, replacing and forgetting in any order ends where building the last state once would have ended."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graphs.sqlite.store import SQLiteGraph
from graphs.walk.adjacency import Adjacency
from ingest.extraction import extract_documents
from kgrag.retrieve.index_set import open_index_set
from kgrag.types import Document, Extraction
from tests.support.documents import FakeEmbedder, build_document, read_all_rows

SIZE = 120
"""Characters of a passage, so that some of these documents have several."""
VERSIONS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "ada": (
        ("Ada Lovelace", "Ada Lovelace was born in London. Her father was Lord Byron. She knew Charles Babbage."),
        ("Ada Lovelace", "Ada Lovelace, daughter of Lord Byron, died in Marylebone.\n\nShe wrote of the Engine. " * 2),
    ),
    "byron": (
        ("Lord Byron", "Lord Byron was an English poet. He died in Missolonghi. Ada Lovelace was his daughter."),
        ("Byron (poet)", "Byron was born in London. BYRON left England in 1816 and met Percy Shelley in Geneva."),
    ),
    "lords": (("Lord Byron (disambiguation)", "Lord Byron may mean the poet, or John Byron, who sailed to London."),),
    "friends": (("Friends", "Friends is a series set in New York. Its friends meet in London once."),),
    "吴": (
        ("吴文俊", "吴文俊出生于上海，是中国数学家。他是陈省身的学生，毕业于上海交通大学。"),
        ("吴文俊", "吴文俊，祖籍浙江嘉兴。陈省身称赞过他。吴文俊在巴黎学习。"),
    ),
    "陈": (("陈省身", "陈省身出生于浙江嘉兴，后来在清华大学学习。他的学生有吴文俊和丘成桐。"),),
    "mixed": (("清华大学", "清华大学（Tsinghua University）在北京。Ada Lovelace 没有来过北京。"),),
    "shanghai": (
        ("Shanghai", "Shanghai (上海) lies in the east. Chen Xingshen was never called Lord Byron in Shanghai."),
    ),
}
CHOICES = [(id, version) for id, versions in VERSIONS.items() for version in range(len(versions))]


def of(id: str, version: int) -> Document:
    title, text = VERSIONS[id][version]
    return build_document(id, text, title, f"{id}.txt")


@cache
def alone(id: str, version: int) -> Extraction:
    """Read by itself, as when a single file is added to a store."""
    return extract_documents([of(id, version)], SIZE)[0]


def put(graph: SQLiteGraph, extraction: Extraction) -> None:
    title = extraction.document.title
    graph.put(extraction, FakeEmbedder().embed([f"{title}. {passage.text}" for passage in extraction.passages]))


def derived(graph: SQLiteGraph) -> Adjacency:
    return open_index_set(graph, graph.path.parent / "indices", lambda _: None, persist=False).graph


def assert_equal(one: Adjacency, other: Adjacency) -> None:
    assert one.names == other.names
    np.testing.assert_array_equal(one.idf, other.idf)
    for left, right in ((one.edges, other.edges), (one.titles, other.titles)):
        assert left.shape == right.shape
        np.testing.assert_array_equal(left.indptr, right.indptr)
        np.testing.assert_array_equal(left.indices, right.indices)
        np.testing.assert_array_equal(left.data, right.data)


steps = st.lists(
    st.one_of(st.sampled_from(CHOICES), st.sampled_from(sorted(VERSIONS)).map(lambda id: (id, None))),
    min_size=1,
    max_size=14,
)


@settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(steps)
def test_the_last_state_alone_decides(steps: list[tuple[str, int | None]]) -> None:
    """``steps``: (id, version to put), or (id, None) to forget it."""
    state: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as folder:
        walked = SQLiteGraph(Path(folder) / "walked" / "graph.db")
        for id, version in steps:
            if version is None:
                assert walked.forget(id) is (state.pop(id, None) is not None)
            else:
                put(walked, alone(id, version))
                state[id] = version
        built = SQLiteGraph(Path(folder) / "built" / "graph.db")
        for extraction in extract_documents([of(id, version) for id, version in sorted(state.items())], SIZE):
            put(built, extraction)
        assert read_all_rows(walked.path) == read_all_rows(built.path)
        assert list(walked.entities()) == list(built.entities())
        assert_equal(derived(walked), derived(built))
        walked.close()
        built.close()


def test_the_documents_here_are_worth_the_trouble(tmp_path: Path) -> None:
    """They share names, in both languages, and some have several passages: else the test above says little."""
    graph = SQLiteGraph(tmp_path / "graph.db")
    for id in VERSIONS:
        put(graph, alone(id, len(VERSIONS[id]) - 1))
    shared = derived(graph)
    frequency = dict(zip(shared.names, np.diff(shared.edges.tocsc().indptr), strict=True))
    assert frequency["lord byron"] > 1
    assert frequency["陈 省 身"] > 1
    assert len(list(graph.passages())) > len(VERSIONS)
    assert list(graph.triples())
    graph.close()
