"""What is derived from a store: vectors, words, names and the walk, and that damage to their files does no harm."""

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
from kgrag.retrieve.candidates import FUSION_CONSTANT, IndexSet, reciprocal_rank_fusion
from kgrag.retrieve.index_set import open_index_set
from kgrag.storage.atomic import atomic_write
from kgrag.text import normalize_name
from kgrag.types import Mention, Passage
from tests.support.documents import FakeEmbedder, build_document, build_extraction, embed_passages

Floats = NDArray[np.float32]

# --- vectors -----------------------------------------------------------------------------------------------------


def unit(count: int, seed: int = 0) -> Floats:
    found = np.random.default_rng(seed).standard_normal((count, 16)).astype(np.float32)
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), np.float32)


def test_vectors_are_found_by_cosine_best_first() -> None:
    given, query = unit(60), unit(1, 1)[0]
    rows, cosines = VectorIndex.build(given).search(query, 10)
    expected = np.argsort(-(given @ query), kind="stable")[:10]
    np.testing.assert_array_equal(rows, expected)
    np.testing.assert_allclose(cosines, (given @ query)[expected], atol=1e-6)
    assert (rows.dtype, cosines.dtype) == (np.int64, np.float32)


@pytest.mark.parametrize("k", [1, 3, 50, 100, 150, 299, 300, 1000])
def test_equal_vectors_are_in_row_order_also_at_the_cut(k: int) -> None:
    few = unit(7)
    which = np.random.default_rng(2).integers(0, 7, 300)
    rows, cosines = VectorIndex.build(few[which]).search(few[0], k)
    order = np.argsort(-(few @ few[0]), kind="stable")
    place = np.argsort(order)[which]  # how good the vector of each row is, 0 the best
    np.testing.assert_array_equal(rows, np.lexsort((np.arange(300), place))[:k])
    assert len(cosines) == min(k, 300)
    assert (np.diff(cosines) <= 0).all()


def test_no_vectors_and_none_wanted() -> None:
    empty = VectorIndex.build(np.zeros((0, 0), np.float32))
    assert len(empty) == 0
    for index, k in ((empty, 5), (VectorIndex.build(unit(3)), 0)):
        rows, cosines = index.search(unit(1)[0], k)
        assert rows.shape == cosines.shape == (0,)


def test_vectors_of_rows(tmp_path: Path) -> None:
    given, query = unit(20), unit(1, 1)[0]
    index = VectorIndex.build(given)
    rows = np.array([7, 0, 19, 7])
    np.testing.assert_array_equal(index.vectors(rows), given[rows])
    np.testing.assert_allclose(index.scores(query, rows), given[rows] @ query, atol=1e-6)
    assert index.vectors(np.zeros(0, np.int64)).shape == (0, 16)
    index.save(tmp_path / "new" / "vectors")
    loaded = VectorIndex.load(tmp_path / "new" / "vectors")
    assert len(loaded) == 20
    for one, other in zip(index.search(query, 9), loaded.search(query, 9), strict=True):
        np.testing.assert_array_equal(one, other)


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
def test_search_tokens(text: str, expected: list[str]) -> None:
    assert index_tokens(text) == expected


@pytest.fixture(scope="module")
def words() -> BM25Index:
    return BM25Index.build(TEXTS)


def test_words_find_what_shares_them_best_first(words: BM25Index) -> None:
    rows, scores = words.search("Babbage engine", 10)
    assert rows.tolist() == [1, 0, 5, 3]  # 0 and 5 are the same text: in row order
    assert scores[1] == scores[2]
    assert (scores > 0).all()
    assert words.search("首都北京", 10)[0].tolist() == [2]
    assert words.search("上海的大学", 10)[0].tolist() == [3, 2]
    assert words.search("Babbage engine", 2)[0].tolist() == [1, 0]
    np.testing.assert_array_equal(np.flatnonzero(words.scores("Babbage engine")), sorted(rows))


@pytest.mark.parametrize("query", ["", "of the", "zeppelin", "！？", "zeppelin 飞艇"])
def test_words_that_no_text_has_find_nothing(words: BM25Index, query: str) -> None:
    assert words.scores(query).tolist() == [0] * len(TEXTS)
    assert len(words.search(query, 5)[0]) == 0


def test_the_score_is_okapi_s(words: BM25Index) -> None:
    """Robertson and Walker, in Lucene's form, with k1 = 1.2 and b = 0.75, worked out by hand."""
    corpus = [index_tokens(text) for text in TEXTS]
    mean = sum(map(len, corpus)) / len(corpus)
    for row, tokens in enumerate(corpus):
        expected = 0.0
        for word in ("babbag", "engin"):
            frequency, known = tokens.count(word), sum(word in each for each in corpus)
            idf = math.log(1 + (len(corpus) - known + 0.5) / (known + 0.5))
            expected += idf * frequency / (frequency + 1.2 * (1 - 0.75 + 0.75 * len(tokens) / mean))
        assert words.scores("Babbage engine")[row] == pytest.approx(expected, rel=1e-4)


held_words = st.sampled_from(["alpha", "beta", "gamma", "delta", "北京", "上海", "的", "of"])
asked_words = st.sampled_from(["alpha", "beta", "gamma", "omega", "北京", "海", "of"])


@given(
    st.lists(st.lists(held_words, max_size=9), max_size=12), st.lists(asked_words, max_size=6), st.integers(0, 2**32)
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_matches_add_up_to_scores(texts: list[list[str]], query: list[str], seed: int) -> None:
    index = BM25Index.build(" ".join(text) for text in texts)
    asked = " ".join(query)
    rows = np.random.default_rng(seed).permutation(len(texts)).astype(np.int64)
    matches = index.scores_by_word(index_tokens(asked), rows)
    assert matches.shape == (len(texts), len(index_tokens(asked)))
    np.testing.assert_allclose(matches.sum(axis=1), index.scores(asked)[rows], rtol=1e-5, atol=1e-6)
    for place, row in enumerate(rows):
        held = [word in index_tokens(" ".join(texts[row])) for word in index_tokens(asked)]
        assert (matches[place] > 0).tolist() == held


def test_rare_words_weigh_more(words: BM25Index) -> None:
    assert words.idf("zeppelin") > words.idf("babbag") > words.idf("engin") > 0


@pytest.mark.parametrize("texts", [TEXTS, (), ("", "of the", "！")], ids=["texts", "none", "no words"])
def test_words_are_saved_whole_and_over_what_was_there(tmp_path: Path, texts: tuple[str, ...]) -> None:
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
def test_the_best_are_those_above_zero_in_order(values: list[int], k: int) -> None:
    scores = np.array(values, np.float32)
    rows, found = top_k(scores, k)
    assert rows.tolist() == sorted((r for r, v in enumerate(values) if v > 0), key=lambda r: (-values[r], r))[:k]
    assert found.tolist() == [values[row] for row in rows]


# --- names in texts ----------------------------------------------------------------------------------------------


def found(names: list[str], text: str, *, any_case: bool = False) -> list[tuple[str, str]]:
    """(name, what it was in the text), as a gazetteer finds them."""
    gazetteer = Gazetteer([normalize_name(name) for name in names])
    return [(names[f.name], text[f.start : f.end]) for f in gazetteer.find(text, any_case=any_case)]


def test_the_longest_name_is_found() -> None:
    names = ["Byron", "Lord Byron", "Byron Bay", "Lord Byron Bay Hotel"]
    assert found(names, "Lord Byron saw Byron.") == [("Lord Byron", "Lord Byron"), ("Byron", "Byron")]
    assert found(names, "the LORD BYRON BAY Hotel") == [("Lord Byron Bay Hotel", "LORD BYRON BAY Hotel")]
    assert found(names, "Lord Byron Bay") == [("Lord Byron", "Lord Byron")]  # of equal ones, the first
    assert found(["上海", "上海交通大学", "交通"], "他在上海交通大学，不在上海。") == [
        ("上海交通大学", "上海交通大学"),
        ("上海", "上海"),
    ]


def test_a_single_word_needs_a_capital_unless_the_question_has_none() -> None:
    assert found(["Friends"], "the friends met") == []
    assert found(["Friends"], "the friends met", any_case=True) == [("Friends", "friends")]
    assert found(["Friends"], "They saw Friends, FRIENDS.") == [("Friends", "Friends"), ("Friends", "FRIENDS")]
    assert found(["Lord Byron"], "lord byron") == [("Lord Byron", "lord byron")]  # two words are no accident
    assert found(["上海"], "在上海") == [("上海", "上海")]


def test_names_are_whole_words_and_offsets_are_of_the_text() -> None:
    assert found(["Ada"], "Adam, Nada, Ada: Ada") == [("Ada", "Ada"), ("Ada", "Ada")]
    assert [name for name, _ in found(["Ada"], "Ada's notes, ADA’s notes")] == ["Ada", "Ada"]
    assert found(["Godel"], "  Kurt Gödel  ") == [("Godel", "Gödel")]
    assert found(["Kurt Gödel"], "Kurt\n  GÖDEL!") == [("Kurt Gödel", "Kurt\n  GÖDEL")]
    assert found(["Jean-Luc Picard"], "Jean Luc Picard") == [("Jean-Luc Picard", "Jean Luc Picard")]


def test_what_is_no_name_is_never_found() -> None:
    names = ["A", "The", "1984", "12 10", "Film", ""]
    assert found(names, "A The 1984 12 10 Film") == []
    assert found([], "Ada") == []
    assert found(["Ada"], "") == found(["Ada"], " …!") == []


def test_a_character_that_stands_for_words_is_no_place_to_begin() -> None:
    assert normalize_name("\ufdfa").count(" ") > 0
    inner = normalize_name("\ufdfa").split()[1]
    assert found([inner, "Ada"], "Ada \ufdfa Ada") == [("Ada", "Ada"), ("Ada", "Ada")]
    assert found(["\ufdfa"], "He said \ufdfa.") == [("\ufdfa", "\ufdfa")]


@given(
    st.lists(st.text("ABab 京海", min_size=1, max_size=6), max_size=6),
    st.text("ABab 京海,.", max_size=40),
)
@settings(max_examples=150, deadline=None, derandomize=True)
def test_found_names_are_there_in_order_and_apart(names: list[str], text: str) -> None:
    keys = sorted({normalize_name(name) for name in names})
    last = 0
    for name, start, end in Gazetteer(keys).find(text, any_case=True):
        assert last <= start < end
        assert normalize_name(text[start:end]) == keys[name]
        last = end


def test_spoken_forms_are_shorter_and_never_empty() -> None:
    assert short_forms("Labyrinth (1984 video game)") == ["Labyrinth (1984 video game)", "Labyrinth"]
    assert short_forms("Springfield, Illinois") == ["Springfield, Illinois", "Springfield"]
    assert short_forms("Ada") == ["Ada"]
    assert short_forms("107计算机（北京）") == ["107计算机（北京）", "107计算机"]
    assert without_bracket("(sic)") == "(sic)"


# --- passages and names ------------------------------------------------------------------------------------------


def passages(*texts: str) -> list[Passage]:
    return [Passage(f"d{n:03}#0001", f"d{n:03}", text, 0, len(text)) for n, text in enumerate(texts)]


def tie(graph: Adjacency, row: int, name: str) -> float:
    return float(graph.edges[[row], :].toarray()[0, graph.names.index(name)])


def test_a_passage_is_tied_to_the_names_in_it_and_most_to_its_own() -> None:
    given = passages("Ada Lovelace wrote.", "Byron met Ada Lovelace.", "Nobody came in 1816.", "Nothing.")
    mentions = [
        Mention("byron", "d001#0001", 0, 5, "PERSON", "Byron"),
        Mention("1816", "d002#0001", 15, 19, "DATE", "1816"),
    ]
    graph = build_adjacency(given, mentions, {"d000": ["Ada Lovelace"], "d003": ["Nothing"]})
    assert graph.names == ("ada lovelace", "byron", "nothing")  # sorted, and without the date
    idf = {name: math.log(5 / (count + 1)) for name, count in (("ada lovelace", 2), ("byron", 1), ("nothing", 1))}
    assert graph.idf.tolist() == pytest.approx([idf[name] for name in graph.names])
    assert tie(graph, 0, "ada lovelace") == pytest.approx(TITLE_WEIGHT * idf["ada lovelace"])
    assert tie(graph, 1, "ada lovelace") == pytest.approx(idf["ada lovelace"])
    assert tie(graph, 1, "byron") == pytest.approx(idf["byron"])
    assert graph.edges.nnz == 4
    assert graph.titles.nnz == 2
    assert graph.titles[[0], :].toarray()[0].tolist() == [1, 0, 0]


def test_a_name_that_a_document_has_is_found_in_all_others() -> None:
    given = passages("她说丘成桐在上海。", "丘成桐来过。", "Other words.", "And others.")
    graph = build_adjacency(given, [Mention("丘 成 桐", "d000#0001", 2, 5, "PERSON", "丘成桐")], {})
    assert tie(graph, 1, "丘 成 桐") == tie(graph, 0, "丘 成 桐") > 0


@pytest.mark.parametrize(("with_name", "capped"), [(52, True), (50, False)])
def test_a_name_in_too_many_passages_joins_nothing(with_name: int, capped: bool) -> None:
    count = 240
    given = passages(*(f"Hub and Thing{n}." if n < with_name else f"Thing{n}." for n in range(count)))
    graph = build_adjacency(given, [], {p.document_id: [f"Thing{n}"] for n, p in enumerate(given)} | {"x": ["Hub"]})
    assert with_name > MAX_NAME_PASSAGE_SHARE * count
    column = graph.names.index("hub")
    assert bool(graph.idf[column] > 0) is not capped
    assert (graph.edges[:, [column]].nnz == 0) is capped
    assert tie(graph, 0, "thing0") > 0


def test_a_name_in_every_passage_joins_nothing_either() -> None:
    graph = build_adjacency(passages("Ada here.", "Ada there."), [], {"x": ["Ada"], "d001": ["Zed"]})
    assert graph.idf[graph.names.index("ada")] == pytest.approx(0)
    assert tie(graph, 1, "zed") > 0


@pytest.mark.parametrize("texts", [(), ("Ada met Byron.", "Byron left."), ("nothing",)])
def test_the_graph_is_saved_and_loaded(tmp_path: Path, texts: tuple[str, ...]) -> None:
    graph = build_adjacency(passages(*texts), [], {"d000": ["Ada"], "x": ["Byron", "吴文俊"]} if len(texts) > 1 else {})
    graph.save(tmp_path / "names")
    loaded = Adjacency.load(tmp_path / "names")
    assert loaded.names == graph.names
    for one, other in ((loaded.edges, graph.edges), (loaded.titles, graph.titles)):
        assert one.shape == other.shape
        np.testing.assert_array_equal(one.toarray(), other.toarray())
    np.testing.assert_array_equal(loaded.idf, graph.idf)


# --- the walk ----------------------------------------------------------------------------------------------------


def dense_pagerank(ties: Floats, seeds: SeedWeights, steps: int) -> NDArray[np.float64]:
    """Over all passages and all names, one node after the other; (passages,)."""
    rows, columns = ties.shape
    out_of_passage, out_of_name = ties.sum(axis=1, dtype=float), ties.sum(axis=0, dtype=float)
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
                if ties[row, column]:
                    new_n[column] += seeds.damping * at_p[row] * ties[row, column] / out_of_passage[row]
                    new_p[row] += seeds.damping * at_n[column] * ties[row, column] / out_of_name[column]
        at_p, at_n = new_p, new_n
    return at_p


def graph_of(ties: Floats) -> Adjacency:
    matrix = sparse.csr_array(ties)
    names = tuple(f"name{n:02}" for n in range(ties.shape[1]))
    return Adjacency(names, matrix, sparse.csr_array(ties.shape), np.ones(ties.shape[1], np.float32))


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
def test_the_walk_is_personalised_pagerank(given: tuple[Floats, list[SeedWeights]]) -> None:
    ties, seedings = given
    walker = PersonalizedPageRank.from_adjacency(graph_of(ties))
    settled, quick = walker.pagerank(seedings, steps=60), walker.pagerank(seedings)
    assert settled.shape == quick.shape == (len(ties), len(seedings))
    for walk, seeds in enumerate(seedings):
        expected = dense_pagerank(ties, seeds, 120)
        np.testing.assert_allclose(settled[:, walk], expected, rtol=1e-4, atol=1e-5)
        neglected = seeds.damping**16 / (1 - seeds.damping)
        assert np.abs(quick[:, walk] - expected).sum() <= neglected + 1e-4


def test_the_walk_without_seeds_or_ties_stays_at_zero() -> None:
    walker = PersonalizedPageRank.from_adjacency(graph_of(np.array([[1, 0, 0], [1, 1, 0]], np.float32)))
    scores = walker.pagerank([SeedWeights({}, {}), SeedWeights({}, {2: 1.0}), SeedWeights({0: 1.0}, {})])
    assert scores[:, :2].tolist() == [[0, 0], [0, 0]]
    assert scores[0, 2] > scores[1, 2] > 0
    empty = PersonalizedPageRank.from_adjacency(build_adjacency([], [], {}))
    assert empty.pagerank([SeedWeights({}, {})]).shape == (0, 1)


def test_a_walk_goes_further_along_rarer_names() -> None:
    ties = np.array([[2, 1, 0], [2, 0, 0], [0, 1, 1], [0, 0, 1]], np.float32)
    scores = PersonalizedPageRank.from_adjacency(graph_of(ties)).pagerank([SeedWeights({0: 1.0}, {})])[:, 0]
    assert scores[0] > scores[1] > scores[2] > scores[3] > 0


# --- fusion ------------------------------------------------------------------------------------------------------

rankings = st.lists(st.lists(st.integers(0, 15), unique=True, max_size=8), max_size=4)


@given(rankings)
@settings(max_examples=100, deadline=None, derandomize=True)
def test_fusion_is_the_sum_of_inverse_ranks(given: list[list[int]]) -> None:
    fused = reciprocal_rank_fusion([np.array(ranking, np.int64) for ranking in given])
    assert set(fused) == {row for ranking in given for row in ranking}
    for row, score in fused.items():
        assert score == pytest.approx(sum(1 / (FUSION_CONSTANT + r.index(row) + 1) for r in given if row in r))


@given(rankings, st.integers(0, 15))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_fusion_rewards_a_row_for_every_ranking_that_has_it(given: list[list[int]], row: int) -> None:
    arrays = [np.array(ranking, np.int64) for ranking in given]
    before = reciprocal_rank_fusion(arrays).get(row, 0.0)
    assert reciprocal_rank_fusion([*arrays, np.array([row])])[row] > before
    first = reciprocal_rank_fusion([*arrays, np.array([row, 99])])
    second = reciprocal_rank_fusion([*arrays, np.array([99, row])])
    assert first[row] > second[row]


# --- files -------------------------------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SQLiteGraph]:
    graph = SQLiteGraph(tmp_path / "graph.db")
    for number, text in enumerate(("Ada met Byron in London.", "吴文俊生于上海。他敬佩陈省身。", "Byron left London.")):
        one = build_extraction(
            build_document(f"d{number}", text), {"Byron": "PERSON", "London": "PLACE", "陈省身": "PERSON"}
        )
        graph.put(one, embed_passages(one))
    yield graph
    graph.close()


def same(one: IndexSet, other: IndexSet) -> bool:
    """Whether two sets of indices answer alike."""
    query = FakeEmbedder().embed_query("Byron")
    return (
        one.graph.names == other.graph.names
        and np.array_equal(one.graph.edges.toarray(), other.graph.edges.toarray())
        and all(np.array_equal(one.words.scores(q), other.words.scores(q)) for q in ("Byron", "陈省身 London"))
        and all(map(np.array_equal, one.vectors.search(query, 9), other.vectors.search(query, 9)))
    )


def reads(store: SQLiteGraph, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Fills with a word whenever something is built from the store."""
    built: list[str] = []
    real = store.embeddings
    monkeypatch.setattr(store, "embeddings", lambda: built.append("built") or real())
    return built


def test_indices_are_written_once_and_then_read(store: SQLiteGraph, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = store.path.parent / "indices"
    built = reads(store, monkeypatch)
    first = open_index_set(store, folder, lambda _: None, persist=True)
    again = open_index_set(store, folder, lambda _: None, persist=True)
    assert built == ["built"]
    assert same(first, again)
    assert len(first.words) == len(first.vectors) == first.graph.edges.shape[0] == len(list(store.passages()))


def test_indices_follow_the_store(store: SQLiteGraph) -> None:
    folder = store.path.parent / "indices"
    open_index_set(store, folder, lambda _: None, persist=True)
    store.forget("d0")
    without = open_index_set(store, folder, lambda _: None, persist=False)
    assert len(without.words) == 3
    assert not without.words.scores("Ada").any()
    assert "d0" not in without.graph.names
    assert same(open_index_set(store, folder, lambda _: None, persist=True), without)


def test_an_empty_store_has_empty_indices(tmp_path: Path) -> None:
    graph = SQLiteGraph(tmp_path / "graph.db")
    for _ in range(2):
        indices = open_index_set(graph, tmp_path / "indices", lambda _: None, persist=True)
        assert len(indices.words) == len(indices.vectors) == 0
        assert indices.walker.pagerank([SeedWeights({}, {})]).shape == (0, 1)
    graph.close()


def test_indices_of_another_store_are_not_taken(store: SQLiteGraph) -> None:
    """As when a store's file is removed and made anew, from other files, in as many commits."""
    folder = store.path.parent / "indices"
    open_index_set(store, folder, lambda _: None, persist=True)
    other = SQLiteGraph(store.path.parent / "other.db")
    for number, text in enumerate(("Clara met Dora.", "丘成桐来了。他走了。", "Dora left.")):
        one = build_extraction(build_document(f"d{number}", text), {"Dora": "PERSON"})
        other.put(one, embed_passages(one))
    assert (other.generation, len(list(other.passages()))) == (store.generation, len(list(store.passages())))
    assert open_index_set(other, folder, lambda _: None, persist=False).words.scores("Dora").any()
    other.close()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) * 2 // 3] ^= 0x40
    path.write_bytes(content)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "emptied": lambda path: path.write_bytes(b""),
    "cut": cut,
    "one bit": flip,
    "other": lambda path: path.write_bytes(b"something else altogether " * 40),
    "gone": Path.unlink,
}


# each file is damaged in one way, and in the slow tests in every way
@pytest.mark.parametrize("apart", [len(DAMAGE), pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("how", DAMAGE)
def test_damaged_files_are_built_again(
    store: SQLiteGraph, how: str, apart: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = store.path.parent / "indices"
    whole = open_index_set(store, folder, lambda _: None, persist=True)
    names = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    assert len(names) >= 7
    built = reads(store, monkeypatch)
    for number, name in enumerate(names[list(DAMAGE).index(how) % apart :: apart]):
        DAMAGE[how](folder / name)
        for keep in (False, True):
            assert same(open_index_set(store, folder, lambda _: None, persist=keep), whole), name
        assert len(built) == 2 * number + 2, name
        assert same(open_index_set(store, folder, lambda _: None, persist=True), whole), name
        assert len(built) == 2 * number + 2, name  # mended


def test_indices_that_cannot_be_written_serve_all_the_same(store: SQLiteGraph) -> None:
    folder = store.path.parent / "indices"
    folder.write_text("a file in the way")
    said: list[str] = []
    indices = open_index_set(store, folder, said.append, persist=True)
    assert indices.words.scores("Byron").any()
    assert len(said) == 1
    assert "could not be written" in said[0]


def test_a_file_is_replaced_whole_or_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.txt"
    with atomic_write(path) as beside:
        beside.write_text("one")
        assert not path.exists()
    with pytest.raises(KeyError), atomic_write(path) as beside:
        beside.write_text("two")
        raise KeyError
    assert path.read_text() == "one"
    with atomic_write(path) as beside:
        beside.write_text("three")
    assert path.read_text() == "three"
    (tmp_path / "ordinary").touch()
    assert path.stat().st_mode == (tmp_path / "ordinary").stat().st_mode
    assert [p.name for p in path.parent.iterdir()] == ["file.txt"]


def test_a_title_is_found_within_a_longer_name() -> None:
    names = ["abdulaziz", "bayezid ii", "oxford", "sultan bayezid ii", "university of oxford"]
    titles = np.array([True, True, True, False, True])
    text = "Sultan Bayezid II met Sultan Abdülaziz at the University of Oxford."

    def found(gazetteer: Gazetteer) -> list[str]:
        return [names[name.name] for name in gazetteer.find(text)]

    assert found(Gazetteer(names)) == ["sultan bayezid ii", "abdulaziz", "university of oxford"]
    # within a name that is a title itself nothing more is looked for
    inside = found(Gazetteer(names, titles=titles))
    assert sorted(inside) == ["abdulaziz", "bayezid ii", "sultan bayezid ii", "university of oxford"]


def test_sentences_know_their_words_and_names(tmp_path: Path) -> None:
    builder = SentenceBuilder()
    builder.add("First", "Ada met Byron. He wrote verses.", [(4, 0, 3), (7, 8, 13)])
    builder.add("Empty", "", [])
    builder.add("Last thing", "Nobody wrote.", [(4, 0, 6)])
    builder.build().save(tmp_path / "s")
    index = SentenceIndex.load(tmp_path / "s")
    assert len(index) == 3
    seen = index.rows_for(np.array([2, 0, 1]), index_tokens("wrote verses thing byron unknown"))
    assert seen.owner.tolist() == [0, 0, 1, 1, 1, 2]
    assert seen.words.astype(int).tolist() == [
        [0, 0, 1, 0, 0],  # the title itself
        [1, 0, 1, 0, 0],  # the title's word counts for each sentence
        [0, 0, 0, 0, 0],
        [0, 0, 0, 1, 0],
        [1, 1, 0, 0, 0],
        [0, 0, 0, 0, 0],
    ]
    named = [seen.names[a:b].tolist() for a, b in zip(seen.begin, seen.begin[1:], strict=False)]
    assert named == [[], [4], [], [4, 7], [], []]
    nothing = index.rows_for(np.zeros(0, np.int64), [])
    assert nothing.words.shape == (0, 0) and not len(nothing.owner)
