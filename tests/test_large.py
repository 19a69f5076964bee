"""Behaviour at scale: lookups, walks and vector searches stay local, and arrays are memory-mapped."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import sparse

from graphs.gazetteer import COMMON_WORDS, Gazetteer, NameMatch
from graphs.walk.adjacency import build_adjacency
from graphs.walk.forward_push import MAX_PASSAGES_PER_NAME, NodeGrouper, forward_push
from graphs.walk.pagerank import PersonalizedPageRank, SeedWeights
from graphs.walk.transitions import LocalTransitions
from indices.vector_index import VectorIndex, to_device
from kgrag.storage.arrays import expand_ranges, load_arrays, pack_strings, save_arrays, unpack_strings
from kgrag.storage.string_table import StringTable
from kgrag.text import has_cjk, normalize_name, tokenize
from kgrag.types import Passage

Floats = NDArray[np.float32]

# --- strings and arrays ------------------------------------------------------------------------------------------


@given(st.lists(st.text(max_size=8), max_size=30))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_string_table_is_a_sequence(given: list[str]) -> None:
    given = [text.encode("utf-8", "replace").decode() for text in given]
    strings = StringTable.from_strings(given)
    assert list(strings) == given == strings[:] and len(strings) == len(given)
    assert strings == given and strings == StringTable.from_strings(given) and strings != [*given, "more"]
    assert strings[1:3] == given[1:3] and strings[::-1] == given[::-1]
    for index in (len(given), -len(given) - 1):
        with pytest.raises(IndexError, match="Expected"):
            strings[index]


def test_arrays_round_trip_through_disk(tmp_path: Path) -> None:
    strings = StringTable.from_strings(["Ada", "", "吴文俊"])
    arrays = {"empty": np.zeros((0, 3), np.float32), "one": np.array(7), **pack_strings("who", strings)}
    save_arrays(tmp_path / "some", {"before": np.ones(3)})
    save_arrays(tmp_path / "some", arrays)
    loaded = load_arrays(tmp_path / "some")
    assert loaded.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(loaded[name], array)
        assert loaded[name].dtype == array.dtype and not loaded[name].flags.writeable
    assert unpack_strings("who", loaded) == strings
    with pytest.raises(OSError, match="Expected arrays"):
        load_arrays(tmp_path)


# --- names in texts ----------------------------------------------------------------------------------------------


def naive(names: list[str], text: str, *, any_case: bool) -> list[NameMatch]:
    """Match every run of tokens with every name, and select the longest, then the first."""
    words = tokenize(text)
    runs = []
    for first in range(len(words)):
        for last in range(first, len(words)):
            name = " ".join(word.text for word in words[first : last + 1])
            if name not in names or len(name) < 2 or name in COMMON_WORDS or name.replace(" ", "").isdigit():
                continue
            if first < last or any_case or has_cjk(name) or not text[words[first].start].islower():
                runs.append((first - last, first, last, names.index(name)))
    selected: list[tuple[int, int, int]] = []
    for _, first, last, number in sorted(runs):
        if all(last < selected_first or selected_last < first for selected_first, selected_last, _ in selected):
            selected.append((first, last, number))
    return [NameMatch(number, words[first].start, words[last].end) for first, last, number in sorted(selected)]


pieces = st.sampled_from(["Ada", "ada", "King", "lord", "Byron", "京", "海", "12", "\ufdfa", "of", "O'Neil's", "A"])
phrases = st.lists(pieces, min_size=1, max_size=4).map(" ".join)


@given(st.lists(phrases, max_size=12), st.lists(st.lists(pieces, max_size=12).map(" ".join), max_size=4), st.booleans())
@settings(max_examples=300, deadline=None, derandomize=True)
def test_gazetteer_matches_exhaustive_search(names: list[str], texts: list[str], any_case: bool) -> None:
    keys = sorted({normalize_name(name) for name in names} - {""})
    gazetteer = Gazetteer(keys)
    expected = [naive(keys, text, any_case=any_case) for text in texts]
    assert gazetteer.find_all(texts, any_case=any_case) == expected
    assert [
        Gazetteer(StringTable.from_strings(keys), gazetteer.table).find(t, any_case=any_case) for t in texts
    ] == expected


def test_gazetteer_hash_collision_is_not_a_match() -> None:
    gazetteer = Gazetteer(["ada lovelace", "lord byron"])
    assert [f.name for f in gazetteer.find("Ada Lovelace")] == [0]
    assert Gazetteer(["other name", "lord byron"], gazetteer.table).find("Ada Lovelace") == []


# --- walks -------------------------------------------------------------------------------------------------------


def scattered(rows: int, names: int, seed: int = 0) -> sparse.csr_array:
    """Return weighted edges of each passage to eight names, frequent and rare ones."""
    rng = np.random.default_rng(seed)
    columns = (names ** rng.random((rows, 8))).astype(int) - 1
    weights = rng.choice([1.0, 3.0], columns.shape).astype(np.float32)
    edges = sparse.coo_array((weights.ravel(), (np.repeat(np.arange(rows), 8), columns.ravel())), shape=(rows, names))
    return sparse.csr_array(edges.tocsr().astype(np.float32))


def test_local_walk_approximates_full_walk() -> None:
    transitions = LocalTransitions.from_edges(scattered(4000, 6000))
    local_walker, full_walker = (
        PersonalizedPageRank(transitions, max_passages=1500),
        PersonalizedPageRank(transitions, max_passages=4000),
    )
    rng = np.random.default_rng(1)
    for _ in range(20):
        rows, names = rng.integers(0, 4000, 3).tolist(), rng.integers(20, 6000, 2).tolist()
        linked = dict.fromkeys(names, 1.0)
        seeds = [
            SeedWeights({}, linked),
            SeedWeights({rows[0]: 1.0}, linked),
            SeedWeights(dict.fromkeys(rows, 0.5), linked, damping=0.8),
        ]
        local_scores, full_scores = local_walker.pagerank(seeds), full_walker.pagerank(seeds)
        assert ((local_scores > 0).sum(axis=0) <= 1500 + 3).all()
        top = np.maximum(full_scores.max(axis=0), 1e-9)
        np.testing.assert_allclose(local_scores / top, full_scores / top, atol=0.02)
        for walk in range(3):
            best = np.argsort(-full_scores[:, walk], kind="stable")[:10]
            assert np.isin(best, np.argsort(-local_scores[:, walk], kind="stable")[:12]).all()


def test_walk_from_very_frequent_name_is_fast() -> None:
    size = 2_000_000
    base_edges = scattered(3000, 4000)
    rows = sparse.coo_array(base_edges)
    hub = np.arange(size)
    edges = sparse.csr_array(
        sparse.coo_array(
            (
                np.concatenate([rows.data, np.where(hub == 77, 3, 1)]).astype(np.float32),
                (np.concatenate([rows.coords[0], hub]), np.concatenate([rows.coords[1], np.full(size, 4000)])),
            ),
            shape=(size, 4001),
        ).tocsr()
    )
    walker = PersonalizedPageRank(LocalTransitions.from_edges(edges))

    def shortest_time(seeds: SeedWeights) -> float:
        times = []
        for _ in range(5):
            start = time.perf_counter()
            walker.pagerank([seeds] * 4)
            times.append(time.perf_counter() - start)
        return min(times)

    usual_time = shortest_time(SeedWeights({5: 1.0}, {1200: 1.0, 300: 1.0}))
    assert shortest_time(SeedWeights({5: 1.0}, {4000: 1.0, 300: 1.0})) < 2 * usual_time + 0.005
    scores = walker.pagerank([SeedWeights({}, {4000: 1.0})])[:, 0]
    assert scores.argmax() == 77  # the passage with the heaviest edge to that name
    assert (scores > 0).sum() <= MAX_PASSAGES_PER_NAME + 8192


def test_frequent_name_reaches_heaviest_passages_only() -> None:
    rows = MAX_PASSAGES_PER_NAME + 500
    heavy = np.arange(rows) % 20 != 0  # 5,225 of 5,500
    edges = sparse.csr_array(np.where(heavy, 2.0, 1.0).astype(np.float32).reshape(-1, 1))
    passages = forward_push(LocalTransitions.from_edges(edges), {}, {0: 1.0}, rows, NodeGrouper(rows + 1))
    # every passage has enough mass; only the cap limits their number
    assert len(passages) == MAX_PASSAGES_PER_NAME
    assert heavy[passages].all()


def test_pagerank_round_trip_with_one_passage(tmp_path: Path) -> None:
    walker = PersonalizedPageRank.from_adjacency(
        build_adjacency([Passage("a#0001", "a", "Ada met Byron.", 0, 14)], [], {"a": ["Ada"]})
    )
    walker.save(tmp_path / "walk")
    seeds = [SeedWeights({0: 1.0}, {0: 2.0})]
    np.testing.assert_array_equal(PersonalizedPageRank.load(tmp_path / "walk").pagerank(seeds), walker.pagerank(seeds))


def test_node_grouper_groups_and_finds() -> None:
    grouper = NodeGrouper(10)
    distinct, positions = grouper.group(np.array([3, 7, 3, 1, 7], np.int32))
    assert distinct[positions].tolist() == [3, 7, 3, 1, 7] and sorted(distinct) == [1, 3, 7]
    is_member, member_positions = grouper.positions_among(distinct, np.array([9, 1, 3]))
    assert is_member.tolist() == [False, True, True] and distinct[member_positions].tolist() == [1, 3]
    nodes, items = expand_ranges(np.array([0, 2, 2, 5], np.int32), np.array([2, 1, 0]), np.array([2, 9, 9]))
    assert nodes.tolist() == [0, 0, 2, 2] and items.tolist() == [2, 3, 0, 1]


# --- vectors -----------------------------------------------------------------------------------------------------


def clustered(count: int, seed: int = 0, dimensions: int = 32) -> Floats:
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(9).standard_normal((200, dimensions))
    points = centres[rng.integers(0, 200, count)] + 0.7 * rng.standard_normal((count, dimensions))
    return np.asarray(points / np.linalg.norm(points, axis=1, keepdims=True), np.float32)


@pytest.fixture(scope="module")
def large_index() -> tuple[Floats, VectorIndex]:
    vectors = clustered(20_000)
    return vectors, VectorIndex.build(vectors, exact=1000)


def test_inverted_lists_find_nearest_neighbours(large_index: tuple[Floats, VectorIndex]) -> None:
    vectors, index = large_index
    recalls = []
    for query in clustered(50, 1):
        rows, cosines = index.search(query, 100)
        np.testing.assert_allclose(cosines, vectors[rows] @ query, atol=1e-5)
        assert (np.diff(cosines) <= 0).all()
        recalls.append(np.isin(np.argsort(-(vectors @ query))[:100], rows).mean())
    assert np.mean(recalls) > 0.97


@pytest.mark.parametrize("exact", [10, 10**9], ids=["lists", "all"])
def test_vector_index_contract(exact: int, tmp_path: Path) -> None:
    vectors = clustered(3000)
    vectors[1000:2000] = vectors[5]  # a thousand equal vectors
    index = VectorIndex.build(vectors, exact=exact)
    query = vectors[7]
    index.save(tmp_path / "vectors")
    loaded = VectorIndex.load(tmp_path / "vectors")
    rebuilt = VectorIndex.build(vectors, exact=exact)
    for k in (1, 10, 150, 3000, 10_000):
        rows, cosines = index.search(query, k)
        assert len(rows) == len(cosines) == len(set(rows.tolist())) <= min(k, 3000)
        assert rows[0] == 7 and rows.dtype == np.int64 and cosines.dtype == np.float32
        equal = np.flatnonzero(np.diff(cosines) == 0)
        assert (rows[equal] < rows[equal + 1]).all()
        for equal_index in (loaded, rebuilt):
            np.testing.assert_array_equal(equal_index.search(query, k)[0], rows)
    some_rows = np.array([2999, 0, 2999])
    np.testing.assert_array_equal(loaded.vectors(some_rows), vectors[some_rows])
    np.testing.assert_allclose(loaded.scores(query, some_rows), vectors[some_rows] @ query, atol=1e-6)


class SearchOnlyIndex:
    """An index on a GPU, which supports search only."""

    def __init__(self, index: Any) -> None:
        self._index, self.searched = index, 0

    def search(self, queries: Floats, k: int) -> Any:
        """Search the moved index."""
        self.searched += 1
        return self._index.search(queries, k)


@pytest.mark.parametrize("exact", [10, 10**9], ids=["lists", "all"])
def test_moved_index_is_searched_on_its_device(exact: int, tmp_path: Path) -> None:
    vectors = clustered(2000)
    moved: list[SearchOnlyIndex] = []

    def transfer(index: Any) -> SearchOnlyIndex:
        moved.append(SearchOnlyIndex(index))
        return moved[-1]

    index = VectorIndex.build(vectors, exact=exact, transfer=transfer)
    index.save(tmp_path / "vectors")
    loaded = VectorIndex.load(tmp_path / "vectors", transfer=transfer)
    local_index = VectorIndex.build(vectors, exact=exact)
    for moved_index in (index, loaded):
        np.testing.assert_array_equal(moved_index.search(vectors[3], 20)[0], local_index.search(vectors[3], 20)[0])
        np.testing.assert_array_equal(moved_index.vectors(np.array([4])), vectors[[4]])
    assert [transferred.searched for transferred in moved] == [1, 1]


class FakeFaiss:
    """The part of FAISS that a transfer needs."""

    def __init__(self, gpus: int, fails: bool = False) -> None:
        self._gpus, self._fails = gpus, fails

    def get_num_gpus(self) -> int:
        """Return the number of GPUs."""
        return self._gpus

    def StandardGpuResources(self) -> str:
        """Return the resources for a transfer."""
        return "resources"

    def index_cpu_to_gpu(self, resources: str, device: int, index: str) -> str:
        """Return the transferred index, or raise FAISS's error."""
        if self._fails:
            raise RuntimeError("Error in ...\nout of memory")
        return f"{index} on {device} with {resources}"


def test_failed_transfer_is_reported_and_index_stays() -> None:
    notices: list[str] = []
    assert to_device("index", notices.append, FakeFaiss(0)) == "index"
    assert to_device("index", notices.append, FakeFaiss(1)) == "index on 0 with resources"
    assert notices == []
    assert to_device("index", notices.append, FakeFaiss(1, fails=True)) == "index"
    assert len(notices) == 1 and "out of memory" in notices[0] and "CPU" in notices[0]


def test_gpu_search_matches_cpu_search() -> None:
    import faiss

    if not faiss.get_num_gpus():
        pytest.skip("FAISS knows no GPU here (faiss-cpu, or none in the machine)")
    vectors = clustered(5000)
    for exact in (10, 10**9):
        cpu_index, gpu_index = (
            VectorIndex.build(vectors, exact=exact, transfer=t) for t in (lambda index: index, to_device)
        )
        for query in clustered(20, 3):
            assert np.isin(cpu_index.search(query, 50)[0], gpu_index.search(query, 50)[0]).mean() > 0.97
