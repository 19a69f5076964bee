"""Test the indices of a store: vectors, words, names, PageRank, and repair of damaged files."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import sparse

from graphs.gazetteer import Gazetteer, short_forms, without_bracket
from graphs.sqlite.store import SQLiteGraph
from graphs.walk.adjacency import MAX_NAME_PASSAGE_SHARE, TITLE_WEIGHT, Adjacency, build_adjacency
from graphs.walk.pagerank import PersonalizedPageRank, SeedWeights
from indices.bm25_index import BM25Index, index_tokens, top_k
from indices.sentence_index import SentenceBuilder, SentenceIndex
from indices.vector_index import VectorIndex
from kgrag.retrieve.candidates import IndexSet
from kgrag.retrieve.fusion import FUSION_CONSTANT, reciprocal_rank_fusion
from kgrag.retrieve.index_set import open_index_set
from kgrag.storage.atomic import atomic_write
from kgrag.text import normalize_name
from kgrag.types import Mention, Passage
from tests.support.documents import FakeEmbedder, build_document, build_extraction, embed_passages

Floats = NDArray[np.float32]

# --- vectors -----------------------------------------------------------------------------------------------------


def unit_vectors(count: int, seed: int = 0) -> Floats:
    vectors = np.random.default_rng(seed).standard_normal((count, 16)).astype(np.float32)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def test_vector_search_orders_by_cosine() -> None:
    vectors, query = unit_vectors(60), unit_vectors(1, 1)[0]
    rows, cosines = VectorIndex.build(vectors).search(query, 10)
    expected = np.argsort(-(vectors @ query), kind="stable")[:10]
    np.testing.assert_array_equal(rows, expected)
    np.testing.assert_allclose(cosines, (vectors @ query)[expected], atol=1e-6)
    assert (rows.dtype, cosines.dtype) == (np.int64, np.float32)


@pytest.mark.parametrize("k", [1, 3, 50, 100, 150, 299, 300, 1000])
def test_vector_search_orders_ties_by_row_at_the_cut(k: int) -> None:
    distinct = unit_vectors(7)
    vector_of_row = np.random.default_rng(2).integers(0, 7, 300)
    rows, cosines = VectorIndex.build(distinct[vector_of_row]).search(distinct[0], k)
    order = np.argsort(-(distinct @ distinct[0]), kind="stable")
    rank = np.argsort(order)[vector_of_row]  # rank of each row's vector, 0 is the best
    np.testing.assert_array_equal(rows, np.lexsort((np.arange(300), rank))[:k])
    assert len(cosines) == min(k, 300)
    assert (np.diff(cosines) <= 0).all()


def test_vector_search_without_vectors_or_results() -> None:
    empty = VectorIndex.build(np.zeros((0, 0), np.float32))
    assert len(empty) == 0
    for index, k in ((empty, 5), (VectorIndex.build(unit_vectors(3)), 0)):
        rows, cosines = index.search(unit_vectors(1)[0], k)
        assert rows.shape == cosines.shape == (0,)


def test_vector_index_returns_and_saves_rows(tmp_path: Path) -> None:
    vectors, query = unit_vectors(20), unit_vectors(1, 1)[0]
    index = VectorIndex.build(vectors)
    rows = np.array([7, 0, 19, 7])
    np.testing.assert_array_equal(index.vectors(rows), vectors[rows])
    np.testing.assert_allclose(index.scores(query, rows), vectors[rows] @ query, atol=1e-6)
    assert index.vectors(np.zeros(0, np.int64)).shape == (0, 16)
    index.save(tmp_path / "new" / "vectors")
    loaded = VectorIndex.load(tmp_path / "new" / "vectors")
    assert len(loaded) == 20
    for result, loaded_result in zip(index.search(query, 9), loaded.search(query, 9), strict=True):
        np.testing.assert_array_equal(result, loaded_result)


# --- words -------------------------------------------------------------------------------------------------------

TEXTS = (
    "The Analytical Engine was designed by Charles Babbage.",
    "Engines, engines and more engines: Babbage's engine.",
    "北京大学在北京。北京是中国的首都。",
    "上海交通大学在上海；Shanghai has engines too.",
    "of the and",
    "The Analytical Engine was designed by Charles Babbage.",
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The engines of Babbage", ["engin", "babbag"]),
        ("Gödel's ENGINE", ["godel", "engin"]),
        ("北京大学", ["北京", "京大", "大学"]),
        ("北京 大学", ["北京", "大学"]),
        ("他", ["他"]),
        ("我，你", ["我", "你"]),
        ("用GPU训练", ["用", "gpu", "训练"]),
        ("of the and", []),
        ("", []),
    ],
)
def test_index_tokens(text: str, expected: list[str]) -> None:
    assert index_tokens(text) == expected


@pytest.fixture(scope="module")
def words() -> BM25Index:
    return BM25Index.build(TEXTS)


def test_bm25_search_orders_by_score(words: BM25Index) -> None:
    rows, scores = words.search("Babbage engine", 10)
    assert rows.tolist() == [1, 0, 5, 3]  # 0 and 5 are the same text: in row order
    assert scores[1] == scores[2]
    assert (scores > 0).all()
    assert words.search("首都北京", 10)[0].tolist() == [2]
    assert words.search("上海的大学", 10)[0].tolist() == [3, 2]
    assert words.search("Babbage engine", 2)[0].tolist() == [1, 0]
    np.testing.assert_array_equal(np.flatnonzero(words.scores("Babbage engine")), sorted(rows))


@pytest.mark.parametrize("query", ["", "of the", "zeppelin", "！？", "zeppelin 飞艇"])
def test_bm25_search_unknown_words_finds_nothing(words: BM25Index, query: str) -> None:
    assert words.scores(query).tolist() == [0] * len(TEXTS)
    assert len(words.search(query, 5)[0]) == 0


def test_bm25_score_equals_formula(words: BM25Index) -> None:
    """Compare with Okapi BM25 (Robertson and Walker) in Lucene's variant, k1 = 1.2 and b = 0.75, computed by hand."""
    corpus = [index_tokens(text) for text in TEXTS]
    mean = sum(map(len, corpus)) / len(corpus)
    for row, tokens in enumerate(corpus):
        expected = 0.0
        for word in ("babbag", "engin"):
            frequency, document_count = tokens.count(word), sum(word in text_tokens for text_tokens in corpus)
            idf = math.log(1 + (len(corpus) - document_count + 0.5) / (document_count + 0.5))
            expected += idf * frequency / (frequency + 1.2 * (1 - 0.75 + 0.75 * len(tokens) / mean))
        # the words stand alone: their distance adds nothing
        scores = words.scores("Babbage") + words.scores("engine")
        assert scores[row] == pytest.approx(expected, rel=1e-4)


text_words = st.sampled_from(["alpha", "beta", "gamma", "delta", "北京", "上海", "的", "of"])
query_words = st.sampled_from(["alpha", "beta", "gamma", "omega", "北京", "海", "of"])


@given(
    st.lists(st.lists(text_words, max_size=9), max_size=12), st.lists(query_words, max_size=6), st.integers(0, 2**32)
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_bm25_scores_by_word_add_up_to_scores(texts: list[list[str]], query: list[str], seed: int) -> None:
    index = BM25Index.build(" ".join(text) for text in texts)
    tokens = [token for word in query for token in index_tokens(word)]
    rows = np.random.default_rng(seed).permutation(len(texts)).astype(np.int64)
    word_scores = index.scores_by_word(tokens, rows)
    assert word_scores.shape == (len(texts), len(tokens))
    scores = sum((index.scores(word) for word in query), np.zeros(len(texts), np.float32))
    np.testing.assert_allclose(word_scores.sum(axis=1), scores[rows], rtol=1e-5, atol=1e-6)
    for position, row in enumerate(rows):
        has_word = [word in index_tokens(" ".join(texts[row])) for word in tokens]
        assert (word_scores[position] > 0).tolist() == has_word


def test_bm25_idf_is_higher_for_rare_words(words: BM25Index) -> None:
    assert words.idf("zeppelin") > words.idf("babbag") > words.idf("engin") > 0


@pytest.mark.parametrize("texts", [TEXTS, (), ("", "of the", "！")], ids=["texts", "none", "no words"])
def test_bm25_save_replaces_existing_index(tmp_path: Path, texts: tuple[str, ...]) -> None:
    BM25Index.build(["something else", "and more"]).save(tmp_path / "bm25")
    index = BM25Index.build(texts)
    index.save(tmp_path / "bm25")
    loaded = BM25Index.load(tmp_path / "bm25")
    assert len(loaded) == len(texts)
    for query in ("Babbage engine", "北京 大学 engine", "else", ""):
        np.testing.assert_array_equal(loaded.scores(query), index.scores(query))
        assert len(loaded.search(query, 3)[0]) == len(index.search(query, 3)[0])
    assert [path.name for path in tmp_path.iterdir()] == ["bm25"]


@given(st.lists(st.integers(0, 4), max_size=60), st.integers(0, 70))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_top_k_returns_positive_scores_in_order(values: list[int], k: int) -> None:
    scores = np.array(values, np.float32)
    rows, top_scores = top_k(scores, k)
    assert rows.tolist() == sorted((r for r, v in enumerate(values) if v > 0), key=lambda r: (-values[r], r))[:k]
    assert top_scores.tolist() == [values[row] for row in rows]


# --- names in texts ----------------------------------------------------------------------------------------------


def find_names(names: list[str], text: str, *, any_case: bool = False) -> list[tuple[str, str]]:
    """Return (name, its spelling in the text) for each match of a gazetteer."""
    gazetteer = Gazetteer([normalize_name(name) for name in names])
    matches = gazetteer.find(text, any_case=any_case)
    return [(names[match.name], text[match.start : match.end]) for match in matches]


def test_gazetteer_finds_longest_name() -> None:
    names = ["Byron", "Lord Byron", "Byron Bay", "Lord Byron Bay Hotel"]
    assert find_names(names, "Lord Byron saw Byron.") == [("Lord Byron", "Lord Byron"), ("Byron", "Byron")]
    assert find_names(names, "the LORD BYRON BAY Hotel") == [("Lord Byron Bay Hotel", "LORD BYRON BAY Hotel")]
    assert find_names(names, "Lord Byron Bay") == [("Lord Byron", "Lord Byron")]  # of equal lengths, the first
    assert find_names(["上海", "上海交通大学", "交通"], "他在上海交通大学，不在上海。") == [
        ("上海交通大学", "上海交通大学"),
        ("上海", "上海"),
    ]


def test_gazetteer_single_word_needs_capital() -> None:
    assert find_names(["Friends"], "the friends met") == []
    assert find_names(["Friends"], "the friends met", any_case=True) == [("Friends", "friends")]
    assert find_names(["Friends"], "They saw Friends, FRIENDS.") == [("Friends", "Friends"), ("Friends", "FRIENDS")]
    assert find_names(["Lord Byron"], "lord byron") == [("Lord Byron", "lord byron")]  # several words need no capital
    assert find_names(["上海"], "在上海") == [("上海", "上海")]


def test_gazetteer_matches_whole_words_with_text_offsets() -> None:
    assert find_names(["Ada"], "Adam, Nada, Ada: Ada") == [("Ada", "Ada"), ("Ada", "Ada")]
    assert [name for name, _ in find_names(["Ada"], "Ada's notes, ADA’s notes")] == ["Ada", "Ada"]
    assert find_names(["Godel"], "  Kurt Gödel  ") == [("Godel", "Gödel")]
    assert find_names(["Kurt Gödel"], "Kurt\n  GÖDEL!") == [("Kurt Gödel", "Kurt\n  GÖDEL")]
    assert find_names(["Jean-Luc Picard"], "Jean Luc Picard") == [("Jean-Luc Picard", "Jean Luc Picard")]


def test_gazetteer_ignores_letters_stop_words_and_digits() -> None:
    names = ["A", "The", "1984", "12 10", "Film", ""]
    assert find_names(names, "A The 1984 12 10 Film") == []
    assert find_names([], "Ada") == []
    assert find_names(["Ada"], "") == find_names(["Ada"], " …!") == []


def test_gazetteer_does_not_match_inside_a_ligature() -> None:
    assert normalize_name("\ufdfa").count(" ") > 0
    inner = normalize_name("\ufdfa").split()[1]
    assert find_names([inner, "Ada"], "Ada \ufdfa Ada") == [("Ada", "Ada"), ("Ada", "Ada")]
    assert find_names(["\ufdfa"], "He said \ufdfa.") == [("\ufdfa", "\ufdfa")]


@given(
    st.lists(st.text("ABab 京海", min_size=1, max_size=6), max_size=6),
    st.text("ABab 京海,.", max_size=40),
)
@settings(max_examples=150, deadline=None, derandomize=True)
def test_gazetteer_matches_are_ordered_and_disjoint(names: list[str], text: str) -> None:
    keys = sorted({normalize_name(name) for name in names})
    last = 0
    for name, start, end in Gazetteer(keys).find(text, any_case=True):
        assert last <= start < end
        assert normalize_name(text[start:end]) == keys[name]
        last = end


def test_short_forms() -> None:
    assert short_forms("Labyrinth (1984 video game)") == ["Labyrinth (1984 video game)", "Labyrinth"]
    assert short_forms("Springfield, Illinois") == ["Springfield, Illinois", "Springfield"]
    assert short_forms("Ada") == ["Ada"]
    assert short_forms("107计算机（北京）") == ["107计算机（北京）", "107计算机"]
    assert without_bracket("(sic)") == "(sic)"


# --- passages and names ------------------------------------------------------------------------------------------


def build_passages(*texts: str) -> list[Passage]:
    return [Passage(f"d{n:03}#0001", f"d{n:03}", text, 0, len(text)) for n, text in enumerate(texts)]


def edge_weight(graph: Adjacency, row: int, name: str) -> float:
    return float(graph.edges[[row], :].toarray()[0, graph.names.index(name)])


def test_adjacency_weighs_names_by_idf_and_title() -> None:
    passages = build_passages("Ada Lovelace wrote.", "Byron met Ada Lovelace.", "Nobody came in 1816.", "Nothing.")
    mentions = [
        Mention("byron", "d001#0001", 0, 5, "PERSON", "Byron"),
        Mention("1816", "d002#0001", 15, 19, "DATE", "1816"),
    ]
    graph = build_adjacency(passages, mentions, {"d000": ["Ada Lovelace"], "d003": ["Nothing"]})
    assert graph.names == ("ada lovelace", "byron", "nothing")  # sorted, and without the date
    idf = {name: math.log(5 / (count + 1)) for name, count in (("ada lovelace", 2), ("byron", 1), ("nothing", 1))}
    assert graph.idf.tolist() == pytest.approx([idf[name] for name in graph.names])
    assert edge_weight(graph, 0, "ada lovelace") == pytest.approx(TITLE_WEIGHT * idf["ada lovelace"])
    assert edge_weight(graph, 1, "ada lovelace") == pytest.approx(idf["ada lovelace"])
    assert edge_weight(graph, 1, "byron") == pytest.approx(idf["byron"])
    assert graph.edges.nnz == 4
    assert graph.titles.nnz == 2
    assert graph.titles[[0], :].toarray()[0].tolist() == [1, 0, 0]


def test_adjacency_finds_known_names_in_other_passages() -> None:
    passages = build_passages("她说丘成桐在上海。", "丘成桐来过。", "Other words.", "And others.")
    graph = build_adjacency(passages, [Mention("丘 成 桐", "d000#0001", 2, 5, "PERSON", "丘成桐")], {})
    assert edge_weight(graph, 1, "丘 成 桐") == edge_weight(graph, 0, "丘 成 桐") > 0


@pytest.mark.parametrize(("with_name", "capped"), [(52, True), (50, False)])
def test_adjacency_drops_names_in_too_many_passages(with_name: int, capped: bool) -> None:
    count = 240
    passages = build_passages(*(f"Hub and Thing{n}." if n < with_name else f"Thing{n}." for n in range(count)))
    titles = {passage.document_id: [f"Thing{n}"] for n, passage in enumerate(passages)} | {"x": ["Hub"]}
    graph = build_adjacency(passages, [], titles)
    assert with_name > MAX_NAME_PASSAGE_SHARE * count
    column = graph.names.index("hub")
    assert bool(graph.idf[column] > 0) is not capped
    assert (graph.edges[:, [column]].nnz == 0) is capped
    assert edge_weight(graph, 0, "thing0") > 0


def test_adjacency_name_in_every_passage_has_no_weight() -> None:
    graph = build_adjacency(build_passages("Ada here.", "Ada there."), [], {"x": ["Ada"], "d001": ["Zed"]})
    assert graph.idf[graph.names.index("ada")] == pytest.approx(0)
    assert edge_weight(graph, 1, "zed") > 0


@pytest.mark.parametrize("texts", [(), ("Ada met Byron.", "Byron left."), ("nothing",)])
def test_adjacency_save_and_load(tmp_path: Path, texts: tuple[str, ...]) -> None:
    graph = build_adjacency(
        build_passages(*texts), [], {"d000": ["Ada"], "x": ["Byron", "吴文俊"]} if len(texts) > 1 else {}
    )
    graph.save(tmp_path / "names")
    loaded = Adjacency.load(tmp_path / "names")
    assert loaded.names == graph.names
    for loaded_matrix, matrix in ((loaded.edges, graph.edges), (loaded.titles, graph.titles)):
        assert loaded_matrix.shape == matrix.shape
        np.testing.assert_array_equal(loaded_matrix.toarray(), matrix.toarray())
    np.testing.assert_array_equal(loaded.idf, graph.idf)


# --- the walk ----------------------------------------------------------------------------------------------------


def dense_pagerank(edges: Floats, seeds: SeedWeights, steps: int) -> NDArray[np.float64]:
    """Compute PageRank over all passages and names, node by node; return (passages,)."""
    rows, columns = edges.shape
    out_of_passage, out_of_name = edges.sum(axis=1, dtype=float), edges.sum(axis=0, dtype=float)
    total = sum(seeds.passages.values()) + sum(seeds.names.values())
    start_p, start_n = np.zeros(rows), np.zeros(columns)
    for row, weight in seeds.passages.items():
        start_p[row] = weight / total
    for column, weight in seeds.names.items():
        start_n[column] = weight / total
    at_p, at_n = start_p.copy(), start_n.copy()
    for _ in range(steps):
        new_p, new_n = start_p.copy(), start_n.copy()
        for row in range(rows):
            for column in range(columns):
                if edges[row, column]:
                    new_n[column] += seeds.damping * at_p[row] * edges[row, column] / out_of_passage[row]
                    new_p[row] += seeds.damping * at_n[column] * edges[row, column] / out_of_name[column]
        at_p, at_n = new_p, new_n
    return at_p


def graph_of(edges: Floats) -> Adjacency:
    matrix = sparse.csr_array(edges)
    names = tuple(f"name{n:02}" for n in range(edges.shape[1]))
    return Adjacency(names, matrix, sparse.csr_array(edges.shape), np.ones(edges.shape[1], np.float32))


@st.composite
def graphs(draw: st.DrawFn) -> tuple[Floats, list[SeedWeights]]:
    rows, columns = draw(st.integers(1, 7)), draw(st.integers(1, 8))
    weight = st.sampled_from([0.0, 0.0, 0.0, 0.5, 1.0, 3.0])
    cells = draw(st.lists(weight, min_size=rows * columns, max_size=rows * columns))
    weights = st.floats(0.1, 5)
    seedings = st.builds(
        SeedWeights,
        st.dictionaries(st.integers(0, rows - 1), weights, max_size=3),
        st.dictionaries(st.integers(0, columns - 1), weights, max_size=3),
        st.sampled_from([0.2, 0.5, 0.8]),
    )
    return np.array(cells, np.float32).reshape(rows, columns), draw(st.lists(seedings, min_size=1, max_size=4))


@given(graphs())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_pagerank_equals_dense_computation(given: tuple[Floats, list[SeedWeights]]) -> None:
    edges, seedings = given
    walker = PersonalizedPageRank.from_adjacency(graph_of(edges))
    converged, default = walker.pagerank(seedings, steps=60), walker.pagerank(seedings)
    assert converged.shape == default.shape == (len(edges), len(seedings))
    for walk, seeds in enumerate(seedings):
        expected = dense_pagerank(edges, seeds, 120)
        np.testing.assert_allclose(converged[:, walk], expected, rtol=1e-4, atol=1e-5)
        neglected = seeds.damping**16 / (1 - seeds.damping)
        assert np.abs(default[:, walk] - expected).sum() <= neglected + 1e-4


def test_pagerank_without_seeds_or_edges_is_zero() -> None:
    walker = PersonalizedPageRank.from_adjacency(graph_of(np.array([[1, 0, 0], [1, 1, 0]], np.float32)))
    scores = walker.pagerank([SeedWeights({}, {}), SeedWeights({}, {2: 1.0}), SeedWeights({0: 1.0}, {})])
    assert scores[:, :2].tolist() == [[0, 0], [0, 0]]
    assert scores[0, 2] > scores[1, 2] > 0
    empty = PersonalizedPageRank.from_adjacency(build_adjacency([], [], {}))
    assert empty.pagerank([SeedWeights({}, {})]).shape == (0, 1)


def test_pagerank_decreases_with_distance() -> None:
    edges = np.array([[2, 1, 0], [2, 0, 0], [0, 1, 1], [0, 0, 1]], np.float32)
    scores = PersonalizedPageRank.from_adjacency(graph_of(edges)).pagerank([SeedWeights({0: 1.0}, {})])[:, 0]
    assert scores[0] > scores[1] > scores[2] > scores[3] > 0


# --- fusion ------------------------------------------------------------------------------------------------------

rankings = st.lists(st.lists(st.integers(0, 15), unique=True, max_size=8), max_size=4)


@given(rankings)
@settings(max_examples=100, deadline=None, derandomize=True)
def test_fusion_sums_inverse_ranks(given: list[list[int]]) -> None:
    fused = reciprocal_rank_fusion([np.array(ranking, np.int64) for ranking in given], 16)
    assert set(np.flatnonzero(fused)) == {row for ranking in given for row in ranking}
    for row, score in enumerate(fused):
        assert score == pytest.approx(sum(1 / (FUSION_CONSTANT + r.index(row) + 1) for r in given if row in r))


@given(rankings, st.integers(0, 15))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_fusion_rewards_each_ranking_of_a_row(given: list[list[int]], row: int) -> None:
    arrays = [np.array(ranking, np.int64) for ranking in given]
    before = reciprocal_rank_fusion(arrays, 100)[row]
    assert reciprocal_rank_fusion([*arrays, np.array([row])], 100)[row] > before
    first = reciprocal_rank_fusion([*arrays, np.array([row, 99])], 100)
    second = reciprocal_rank_fusion([*arrays, np.array([99, row])], 100)
    assert first[row] > second[row]


# --- files -------------------------------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SQLiteGraph]:
    graph = SQLiteGraph(tmp_path / "graph.db")
    for number, text in enumerate(("Ada met Byron in London.", "吴文俊生于上海。他敬佩陈省身。", "Byron left London.")):
        extraction = build_extraction(
            build_document(f"d{number}", text), {"Byron": "PERSON", "London": "PLACE", "陈省身": "PERSON"}
        )
        graph.put(extraction, embed_passages(extraction))
    yield graph
    graph.close()


def indices_equal(first: IndexSet, second: IndexSet) -> bool:
    """Whether two sets of indices give the same results."""
    query = FakeEmbedder().embed_query("Byron")
    return (
        first.graph.names == second.graph.names
        and np.array_equal(first.graph.edges.toarray(), second.graph.edges.toarray())
        and all(np.array_equal(first.words.scores(q), second.words.scores(q)) for q in ("Byron", "陈省身 London"))
        and all(map(np.array_equal, first.vectors.search(query, 9), second.vectors.search(query, 9)))
    )


def record_builds(store: SQLiteGraph, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that gets an item whenever indices are built from the store."""
    built: list[str] = []
    embeddings = store.embeddings
    monkeypatch.setattr(store, "embeddings", lambda: built.append("built") or embeddings())
    return built


def test_open_index_set_builds_once(store: SQLiteGraph, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = store.path.parent / "indices"
    built = record_builds(store, monkeypatch)
    first = open_index_set(store, folder, lambda _: None, persist=True)
    again = open_index_set(store, folder, lambda _: None, persist=True)
    assert built == ["built"]
    assert indices_equal(first, again)
    assert len(first.words) == len(first.vectors) == first.graph.edges.shape[0] == len(list(store.passages()))


def test_open_index_set_follows_the_store(store: SQLiteGraph) -> None:
    folder = store.path.parent / "indices"
    open_index_set(store, folder, lambda _: None, persist=True)
    store.forget("d0")
    rebuilt = open_index_set(store, folder, lambda _: None, persist=False)
    assert len(rebuilt.words) == 3
    assert not rebuilt.words.scores("Ada").any()
    assert "d0" not in rebuilt.graph.names
    assert indices_equal(open_index_set(store, folder, lambda _: None, persist=True), rebuilt)


def test_open_index_set_of_empty_store(tmp_path: Path) -> None:
    graph = SQLiteGraph(tmp_path / "graph.db")
    for _ in range(2):
        indices = open_index_set(graph, tmp_path / "indices", lambda _: None, persist=True)
        assert len(indices.words) == len(indices.vectors) == 0
        assert indices.walker.pagerank([SeedWeights({}, {})]).shape == (0, 1)
    graph.close()


def test_open_index_set_ignores_indices_of_another_store(store: SQLiteGraph) -> None:
    """Simulate a store's file that was deleted and created again from other files, in as many transactions."""
    folder = store.path.parent / "indices"
    open_index_set(store, folder, lambda _: None, persist=True)
    other = SQLiteGraph(store.path.parent / "other.db")
    for number, text in enumerate(("Clara met Dora.", "丘成桐来了。他走了。", "Dora left.")):
        extraction = build_extraction(build_document(f"d{number}", text), {"Dora": "PERSON"})
        other.put(extraction, embed_passages(extraction))
    assert (other.generation, len(list(other.passages()))) == (store.generation, len(list(store.passages())))
    assert open_index_set(other, folder, lambda _: None, persist=False).words.scores("Dora").any()
    other.close()


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) * 2 // 3] ^= 0x40
    path.write_bytes(content)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "emptied": lambda path: path.write_bytes(b""),
    "cut": truncate,
    "one bit": flip_bit,
    "other": lambda path: path.write_bytes(b"something else altogether " * 40),
    "gone": Path.unlink,
}


# each file is damaged in one way; in the slow tests in every way
@pytest.mark.parametrize("step_size", [len(DAMAGE), pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("damage", DAMAGE)
def test_open_index_set_rebuilds_damaged_files(
    store: SQLiteGraph, damage: str, step_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = store.path.parent / "indices"
    whole = open_index_set(store, folder, lambda _: None, persist=True)
    names = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    assert len(names) >= 7
    built = record_builds(store, monkeypatch)
    for number, name in enumerate(names[list(DAMAGE).index(damage) % step_size :: step_size]):
        DAMAGE[damage](folder / name)
        for persist in (False, True):
            assert indices_equal(open_index_set(store, folder, lambda _: None, persist=persist), whole), name
        assert len(built) == 2 * number + 2, name
        assert indices_equal(open_index_set(store, folder, lambda _: None, persist=True), whole), name
        assert len(built) == 2 * number + 2, name  # loaded, not built again


def test_open_index_set_in_unwritable_folder_works(store: SQLiteGraph) -> None:
    folder = store.path.parent / "indices"
    folder.write_text("a file in the way")
    notices: list[str] = []
    indices = open_index_set(store, folder, notices.append, persist=True)
    assert indices.words.scores("Byron").any()
    assert len(notices) == 1
    assert "Cannot write the indices" in notices[0]


def test_atomic_write_replaces_file_or_leaves_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.txt"
    with atomic_write(path) as temporary:
        temporary.write_text("one")
        assert not path.exists()
    with pytest.raises(KeyError), atomic_write(path) as temporary:
        temporary.write_text("two")
        raise KeyError
    assert path.read_text() == "one"
    with atomic_write(path) as temporary:
        temporary.write_text("three")
    assert path.read_text() == "three"
    (tmp_path / "ordinary").touch()
    assert path.stat().st_mode == (tmp_path / "ordinary").stat().st_mode
    assert [p.name for p in path.parent.iterdir()] == ["file.txt"]


def test_gazetteer_finds_title_inside_longer_name() -> None:
    names = ["abdulaziz", "bayezid ii", "oxford", "sultan bayezid ii", "university of oxford"]
    titles = np.array([True, True, True, False, True])
    text = "Sultan Bayezid II met Sultan Abdülaziz at the University of Oxford."

    def names_in_text(gazetteer: Gazetteer) -> list[str]:
        return [names[match.name] for match in gazetteer.find(text)]

    assert names_in_text(Gazetteer(names)) == ["sultan bayezid ii", "abdulaziz", "university of oxford"]
    # no title is searched inside a name that is itself a title
    with_titles = names_in_text(Gazetteer(names, titles=titles))
    assert sorted(with_titles) == ["abdulaziz", "bayezid ii", "sultan bayezid ii", "university of oxford"]


def test_sentence_index_returns_words_and_names(tmp_path: Path) -> None:
    builder = SentenceBuilder()
    builder.add("First", "Ada met Byron. He wrote verses.", [(4, 0, 3), (7, 8, 13)])
    builder.add("Empty", "", [])
    builder.add("Last thing", "Nobody wrote.", [(4, 0, 6)])
    builder.build().save(tmp_path / "s")
    index = SentenceIndex.load(tmp_path / "s")
    assert len(index) == 3
    result = index.rows_for(np.array([2, 0, 1]), index_tokens("wrote verses thing byron unknown"))
    assert result.owner.tolist() == [0, 0, 1, 1, 1, 2]
    assert result.words.astype(int).tolist() == [
        [0, 0, 1, 0, 0],  # the title itself
        [1, 0, 1, 0, 0],  # the title's word counts for each sentence
        [0, 0, 0, 0, 0],
        [0, 0, 0, 1, 0],
        [1, 1, 0, 0, 0],
        [0, 0, 0, 0, 0],
    ]
    names_by_sentence = [result.names[a:b].tolist() for a, b in zip(result.begin, result.begin[1:], strict=False)]
    assert names_by_sentence == [[], [4], [], [4, 7], [], []]
    empty = index.rows_for(np.zeros(0, np.int64), [])
    assert empty.words.shape == (0, 0) and not len(empty.owner)
