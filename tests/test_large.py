"""What lets a store grow: lookups, walks and vectors that stay near the question, and arrays read where they are touched."""

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
def test_strings_are_a_sequence(given: list[str]) -> None:
    given = [text.encode("utf-8", "replace").decode() for text in given]
    strings = StringTable.from_strings(given)
    assert list(strings) == given == strings[:] and len(strings) == len(given)
    assert strings == given and strings == StringTable.from_strings(given) and strings != [*given, "more"]
    assert strings[1:3] == given[1:3] and strings[::-1] == given[::-1]
    for place in (len(given), -len(given) - 1):
        with pytest.raises(IndexError, match="Expected"):
            strings[place]


def test_arrays_come_back_from_the_disk_as_they_were(tmp_path: Path) -> None:
    strings = StringTable.from_strings(["Ada", "", "吴文俊"])
    arrays = {"empty": np.zeros((0, 3), np.float32), "one": np.array(7), **pack_strings("who", strings)}
    save_arrays(tmp_path / "some", {"before": np.ones(3)})
    save_arrays(tmp_path / "some", arrays)
    found = load_arrays(tmp_path / "some")
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype and not found[name].flags.writeable
    assert unpack_strings("who", found) == strings
    with pytest.raises(OSError, match="Expected arrays"):
        load_arrays(tmp_path)


# --- names in texts ----------------------------------------------------------------------------------------------


def naive(names: list[str], text: str, *, any_case: bool) -> list[NameMatch]:
    """Every run of tokens beside every name; of all, the longest first, then the first."""
    words = tokenize(text)
    runs = []
    for first in range(len(words)):
        for last in range(first, len(words)):
            name = " ".join(word.text for word in words[first : last + 1])
            if name not in names or len(name) < 2 or name in COMMON_WORDS or name.replace(" ", "").isdigit():
                continue
            if first < last or any_case or has_cjk(name) or not text[words[first].start].islower():
                runs.append((first - last, first, last, names.index(name)))
    found: list[tuple[int, int, int]] = []
    for _, first, last, number in sorted(runs):
        if all(last < one or other < first for one, other, _ in found):
            found.append((first, last, number))
    return [NameMatch(number, words[first].start, words[last].end) for first, last, number in sorted(found)]


pieces = st.sampled_from(["Ada", "ada", "King", "lord", "Byron", "京", "海", "12", "\ufdfa", "of", "O'Neil's", "A"])
phrases = st.lists(pieces, min_size=1, max_size=4).map(" ".join)


@given(st.lists(phrases, max_size=12), st.lists(st.lists(pieces, max_size=12).map(" ".join), max_size=4), st.booleans())
@settings(max_examples=300, deadline=None, derandomize=True)
def test_a_gazetteer_finds_what_looking_at_every_run_finds(names: list[str], texts: list[str], any_case: bool) -> None:
    keys = sorted({normalize_name(name) for name in names} - {""})
    gazetteer = Gazetteer(keys)
    expected = [naive(keys, text, any_case=any_case) for text in texts]
    assert gazetteer.find_all(texts, any_case=any_case) == expected
    assert [
        Gazetteer(StringTable.from_strings(keys), gazetteer.table).find(t, any_case=any_case) for t in texts
    ] == expected


def test_a_hash_that_two_runs_share_is_no_name() -> None:
    gazetteer = Gazetteer(["ada lovelace", "lord byron"])
    assert [f.name for f in gazetteer.find("Ada Lovelace")] == [0]
    assert Gazetteer(["other name", "lord byron"], gazetteer.table).find("Ada Lovelace") == []


# --- walks -------------------------------------------------------------------------------------------------------


def scattered(rows: int, names: int, seed: int = 0) -> sparse.csr_array:
    """Ties of each passage to eight names, common and rare ones."""
    chance = np.random.default_rng(seed)
    columns = (names ** chance.random((rows, 8))).astype(int) - 1
    weights = chance.choice([1.0, 3.0], columns.shape).astype(np.float32)
    made = sparse.coo_array((weights.ravel(), (np.repeat(np.arange(rows), 8), columns.ravel())), shape=(rows, names))
    return sparse.csr_array(made.tocsr().astype(np.float32))


def test_a_walk_near_the_seeds_is_the_walk_over_all() -> None:
    ways = LocalTransitions.from_edges(scattered(4000, 6000))
    near, far = PersonalizedPageRank(ways, max_passages=1500), PersonalizedPageRank(ways, max_passages=4000)
    chance = np.random.default_rng(1)
    for _ in range(20):
        rows, names = chance.integers(0, 4000, 3).tolist(), chance.integers(20, 6000, 2).tolist()
        linked = dict.fromkeys(names, 1.0)
        seeds = [
            SeedWeights({}, linked),
            SeedWeights({rows[0]: 1.0}, linked),
            SeedWeights(dict.fromkeys(rows, 0.5), linked, damping=0.8),
        ]
        local, whole = near.pagerank(seeds), far.pagerank(seeds)
        assert ((local > 0).sum(axis=0) <= 1500 + 3).all()
        top = np.maximum(whole.max(axis=0), 1e-9)
        np.testing.assert_allclose(local / top, whole / top, atol=0.02)
        for walk in range(3):
            best = np.argsort(-whole[:, walk], kind="stable")[:10]
            assert np.isin(best, np.argsort(-local[:, walk], kind="stable")[:12]).all()


def test_a_name_of_two_million_passages_takes_no_time() -> None:
    size = 2_000_000
    few = scattered(3000, 4000)
    rows = sparse.coo_array(few)
    hub = np.arange(size)
    ties = sparse.csr_array(
        sparse.coo_array(
            (
                np.concatenate([rows.data, np.where(hub == 77, 3, 1)]).astype(np.float32),
                (np.concatenate([rows.coords[0], hub]), np.concatenate([rows.coords[1], np.full(size, 4000)])),
            ),
            shape=(size, 4001),
        ).tocsr()
    )
    walker = PersonalizedPageRank(LocalTransitions.from_edges(ties))

    def quickest(seeds: SeedWeights) -> float:
        times = []
        for _ in range(5):
            start = time.perf_counter()
            walker.pagerank([seeds] * 4)
            times.append(time.perf_counter() - start)
        return min(times)

    usual = quickest(SeedWeights({5: 1.0}, {1200: 1.0, 300: 1.0}))
    assert quickest(SeedWeights({5: 1.0}, {4000: 1.0, 300: 1.0})) < 2 * usual + 0.005
    scores = walker.pagerank([SeedWeights({}, {4000: 1.0})])[:, 0]
    assert scores.argmax() == 77  # the passage that goes by that name
    assert (scores > 0).sum() <= MAX_PASSAGES_PER_NAME + 8192


def test_of_a_very_common_name_only_the_passages_tied_most_are_looked_at() -> None:
    rows = MAX_PASSAGES_PER_NAME + 500
    heavy = np.arange(rows) % 20 != 0  # 5,225 of 5,500
    ties = sparse.csr_array(np.where(heavy, 2.0, 1.0).astype(np.float32).reshape(-1, 1))
    found = forward_push(LocalTransitions.from_edges(ties), {}, {0: 1.0}, rows, NodeGrouper(rows + 1))
    # all of its mass could go on to each of them; the cap says to how many it does
    assert len(found) == MAX_PASSAGES_PER_NAME
    assert heavy[found].all()


def test_walks_are_saved_and_one_passage_can_be_walked(tmp_path: Path) -> None:
    walker = PersonalizedPageRank.from_adjacency(
        build_adjacency([Passage("a#0001", "a", "Ada met Byron.", 0, 14)], [], {"a": ["Ada"]})
    )
    walker.save(tmp_path / "walk")
    seeds = [SeedWeights({0: 1.0}, {0: 2.0})]
    np.testing.assert_array_equal(PersonalizedPageRank.load(tmp_path / "walk").pagerank(seeds), walker.pagerank(seeds))


def test_slots_group_and_find() -> None:
    slots = NodeGrouper(10)
    distinct, places = slots.group(np.array([3, 7, 3, 1, 7], np.int32))
    assert distinct[places].tolist() == [3, 7, 3, 1, 7] and sorted(distinct) == [1, 3, 7]
    known, where = slots.positions_among(distinct, np.array([9, 1, 3]))
    assert known.tolist() == [False, True, True] and distinct[where].tolist() == [1, 3]
    nodes, ties = expand_ranges(np.array([0, 2, 2, 5], np.int32), np.array([2, 1, 0]), np.array([2, 9, 9]))
    assert nodes.tolist() == [0, 0, 2, 2] and ties.tolist() == [2, 3, 0, 1]


# --- vectors -----------------------------------------------------------------------------------------------------


def clustered(count: int, seed: int = 0, dimensions: int = 32) -> Floats:
    chance = np.random.default_rng(seed)
    centres = np.random.default_rng(9).standard_normal((200, dimensions))
    found = centres[chance.integers(0, 200, count)] + 0.7 * chance.standard_normal((count, dimensions))
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), np.float32)


@pytest.fixture(scope="module")
def many() -> tuple[Floats, VectorIndex]:
    vectors = clustered(20_000)
    return vectors, VectorIndex.build(vectors, exact=1000)


def test_lists_find_nearly_all_that_is_nearest(many: tuple[Floats, VectorIndex]) -> None:
    vectors, index = many
    kept = []
    for query in clustered(50, 1):
        rows, cosines = index.search(query, 100)
        np.testing.assert_allclose(cosines, vectors[rows] @ query, atol=1e-5)
        assert (np.diff(cosines) <= 0).all()
        kept.append(np.isin(np.argsort(-(vectors @ query))[:100], rows).mean())
    assert np.mean(kept) > 0.97


@pytest.mark.parametrize("exact", [10, 10**9], ids=["lists", "all"])
def test_both_kinds_keep_the_contract(exact: int, tmp_path: Path) -> None:
    vectors = clustered(3000)
    vectors[1000:2000] = vectors[5]  # a thousand that are the same
    index = VectorIndex.build(vectors, exact=exact)
    query = vectors[7]
    index.save(tmp_path / "vectors")
    loaded = VectorIndex.load(tmp_path / "vectors")
    again = VectorIndex.build(vectors, exact=exact)
    for k in (1, 10, 150, 3000, 10_000):
        rows, cosines = index.search(query, k)
        assert len(rows) == len(cosines) == len(set(rows.tolist())) <= min(k, 3000)
        assert rows[0] == 7 and rows.dtype == np.int64 and cosines.dtype == np.float32
        equal = np.flatnonzero(np.diff(cosines) == 0)
        assert (rows[equal] < rows[equal + 1]).all()
        for other in (loaded, again):
            np.testing.assert_array_equal(other.search(query, k)[0], rows)
    wanted = np.array([2999, 0, 2999])
    np.testing.assert_array_equal(loaded.vectors(wanted), vectors[wanted])
    np.testing.assert_allclose(loaded.scores(query, wanted), vectors[wanted] @ query, atol=1e-6)


class Elsewhere:
    """An index as a GPU's: it can be searched, and nothing else."""

    def __init__(self, index: Any) -> None:
        self._index, self.searched = index, 0

    def search(self, queries: Floats, k: int) -> Any:
        """As the index that was moved."""
        self.searched += 1
        return self._index.search(queries, k)


@pytest.mark.parametrize("exact", [10, 10**9], ids=["lists", "all"])
def test_an_index_is_searched_where_it_was_moved_to(exact: int, tmp_path: Path) -> None:
    vectors = clustered(2000)
    moved: list[Elsewhere] = []

    def transfer(index: Any) -> Elsewhere:
        moved.append(Elsewhere(index))
        return moved[-1]

    index = VectorIndex.build(vectors, exact=exact, transfer=transfer)
    index.save(tmp_path / "vectors")
    loaded = VectorIndex.load(tmp_path / "vectors", transfer=transfer)
    here = VectorIndex.build(vectors, exact=exact)
    for one in (index, loaded):
        np.testing.assert_array_equal(one.search(vectors[3], 20)[0], here.search(vectors[3], 20)[0])
        np.testing.assert_array_equal(one.vectors(np.array([4])), vectors[[4]])
    assert [each.searched for each in moved] == [1, 1]


class Faiss:
    """As much of FAISS as moving an index takes."""

    def __init__(self, gpus: int, fails: bool = False) -> None:
        self._gpus, self._fails = gpus, fails

    def get_num_gpus(self) -> int:
        """How many there are."""
        return self._gpus

    def StandardGpuResources(self) -> str:
        """What the transfer needs."""
        return "resources"

    def index_cpu_to_gpu(self, resources: str, device: int, index: str) -> str:
        """The index there, or what FAISS raises."""
        if self._fails:
            raise RuntimeError("Error in ...\nout of memory")
        return f"{index} on {device} with {resources}"


def test_a_transfer_that_fails_says_so_and_leaves_the_index_here() -> None:
    said: list[str] = []
    assert to_device("index", said.append, Faiss(0)) == "index"
    assert to_device("index", said.append, Faiss(1)) == "index on 0 with resources"
    assert said == []
    assert to_device("index", said.append, Faiss(1, fails=True)) == "index"
    assert len(said) == 1 and "out of memory" in said[0] and "processor" in said[0]


def test_a_gpu_finds_what_a_processor_finds() -> None:
    import faiss

    if not faiss.get_num_gpus():
        pytest.skip("FAISS knows no GPU here (faiss-cpu, or none in the machine)")
    vectors = clustered(5000)
    for exact in (10, 10**9):
        here, there = (VectorIndex.build(vectors, exact=exact, transfer=t) for t in (lambda index: index, to_device))
        for query in clustered(20, 3):
            assert np.isin(here.search(query, 50)[0], there.search(query, 50)[0]).mean() > 0.97
