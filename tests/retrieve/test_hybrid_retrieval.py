"""Tests of hybrid retrieval over the example documents, with the real embedder."""

import time
from pathlib import Path

import numpy as np
import pytest

from kgrag.dev.benchmarks.runner import measure_retrieval
from kgrag.errors import UsageError
from kgrag.question_sets import load_questions
from kgrag.retrieve.boosted_trees import TreeEnsemble
from kgrag.retrieve.candidates import COMPONENTS, gather_candidates
from kgrag.retrieve.passage_features import COMPONENT_FEATURES, passage_features
from kgrag.retrieve.sentence_matches import MENTION_PRIOR, match_sentences
from kgrag.store.store import Store
from kgrag.types import Question
from tests.support.paths import ROOT
from tests.support.small_retriever import build_retriever


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = tmp_path_factory.mktemp("house") / ".kgrag"
    opened = Store(store, create=True)
    report = opened.ingest([str(ROOT / "examples")], lambda *_: None)
    assert report.added == 62 and not report.problems
    return opened


def example_questions() -> list[Question]:
    """Return the example questions with absolute paths as ids of the gold documents."""
    from dataclasses import replace

    questions = load_questions(ROOT / "tests" / "data" / "examples.questions.jsonl")
    return [replace(q, gold=tuple((ROOT / g).as_posix() for g in q.gold)) for q in questions]


def test_retrieve_recall_on_examples(app: Store) -> None:
    report = measure_retrieval(app.retriever, example_questions())
    assert report["unscored"] == 5
    assert report["recall@5"]["value"] >= 0.9
    assert report["latency p50 ms"]["value"] < 1000  # guards against hanging; benchmarks measure speed


@pytest.mark.parametrize("where", ["path:examples/zh", "lang:zh", "not lang:en", "path:*ada-lovelace.md"])
def test_filter_leaves_only_its_documents_in_hits_and_paths(app: Store, where: str) -> None:
    wanted = {p.id for p in app.graph_store.document_properties() if ("/zh/" in p.source) or "ada-lov" in p.source}
    for question in ("Where did Ada Lovelace's father die?", "华罗庚的老师是谁？"):
        retriever = app.filtered_retriever(where)
        hits = retriever.retrieve(question, 20)
        shown = {hit.passage.document_id for hit in hits}
        shown |= {t.passage_id.rpartition("#")[0] for hit in hits for path in hit.paths for t in path.triples}
        assert shown <= wanted and not shown & retriever.indices.hidden_documents
    assert len(app.retrieve("Where did Ada Lovelace's father die?", 20, where="lang:en or lang:zh")) == 20


def test_filter_is_applied_before_ranking(app: Store) -> None:
    question = "Where did Ada Lovelace's father die?"
    last = app.retrieve(question, 50)[-1]
    only = app.retrieve(question, 1, where=f'path="{last.source}"')
    assert [hit.source for hit in only] == [last.source]


def test_answer_from_facts_heeds_the_filter(app: Store) -> None:
    question = "Where did Ada Lovelace's father die?"
    assert app.ask(question, reader="graph").text == "Missolonghi"
    assert app.ask(question, reader="graph", where="not path:byron").text != "Missolonghi"


def test_closed_book_answer_takes_no_filter(app: Store) -> None:
    with pytest.raises(UsageError, match="both"):
        app.ask("Where did Ada Lovelace's father die?", closed_book=True, where="lang:en")


def test_builtin_ranker_has_current_features(app: Store) -> None:
    question = "Where did Ada Lovelace's father die?"
    indices = app.retriever.indices
    found = gather_candidates(question, app.retriever.embed_question(question), indices)
    matches = match_sentences(question, found, indices)
    names, rows = passage_features(question, found, matches, indices)
    assert TreeEnsemble.load().feature_names == tuple(names)
    assert rows.shape == (len(found.rows), len(names)) and np.isfinite(rows).all()


@pytest.mark.parametrize("question", ["what is the of", "Who was it?", "是的吗？", "?!"])
def test_retrieve_stop_words_returns_nothing(app: Store, question: str) -> None:
    assert app.retriever.retrieve(question, 5) == []


def test_hits_have_offsets_ranks_and_component_scores(app: Store) -> None:
    hits = app.retriever.retrieve("Where did Ada Lovelace's father die?", 8)
    assert [hit.rank for hit in hits] == list(range(1, 9))
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    for hit in hits:
        document = app.graph_store.document(hit.passage.document_id)
        assert document is not None
        assert document.text[hit.passage.start : hit.passage.end] == hit.passage.text
        assert "ranker" in hit.component_scores and set(hit.component_scores) & {"bm25", "vector", "graph:names"}


def test_two_hop_hit_has_its_path(app: Store) -> None:
    hits = app.retriever.retrieve("Where did Ada Lovelace's father die?", 5)
    byron = next(hit for hit in hits if hit.title == "Lord Byron")
    (path,) = byron.paths
    assert path.names[0] == "Ada Lovelace" and path.names[-1] == "Lord Byron"
    assert [t.predicate for t in path.triples] == ["father"]
    (triple,) = path.triples
    document = app.graph_store.document(
        app.graph_store.passages_by_id([triple.passage_id])[triple.passage_id].document_id
    )  # type: ignore[union-attr]
    assert document is not None and "Her father was the poet Lord Byron" in document.text[triple.start : triple.end]


def test_chinese_question_is_retrieved_without_vectors(app: Store) -> None:
    hits = app.retriever.retrieve("丘成桐的博士导师出生于哪里？", 5)
    assert {"丘成桐", "陈省身"} <= {hit.title for hit in hits[:3]}
    assert all("vector" not in hit.component_scores for hit in hits)


def test_retrieve_is_deterministic(app: Store) -> None:
    first = app.retriever.retrieve("Who designed the Z3?", 10)
    assert first == app.retriever.retrieve("Who designed the Z3?", 10)


@pytest.mark.parametrize(
    "question", ["the of and", "?!", "zzzzqqqq", "\u200b\u202e", "a" * 4000, "的是了", "Göttingen " * 300, "🤖"]
)
def test_retrieve_odd_questions_in_time(app: Store, question: str) -> None:
    app.retriever.retrieve("warm", 5)
    start = time.perf_counter()
    hits = app.retriever.retrieve(question, 5)
    assert len(hits) <= 5 and time.perf_counter() - start < 2


@pytest.mark.parametrize(("question", "k"), [("", 5), ("   ", 5), ("a" * 100_000, 5), ("Who?", 0)])
def test_retrieve_invalid_question_raises_usage_error(app: Store, question: str, k: int) -> None:
    with pytest.raises(UsageError, match="Expected"):
        app.retriever.retrieve(question, k)


def test_retrieve_large_k_returns_at_most_all(app: Store) -> None:
    assert len(app.retriever.retrieve("Who designed the Z3?", 1000)) <= 62


def test_graph_reader_answers_two_hops_in_both_languages(app: Store) -> None:
    for question, answer in (
        ("Where did Ada Lovelace's father die?", "Missolonghi"),
        ("丘成桐的博士导师出生于哪里？", "浙江嘉兴"),
    ):
        answer_found = app.answer_pipeline.answer(question, reader="graph")
        assert answer in answer_found.text and not answer_found.abstained and len(answer_found.paths[0].triples) == 2
        for citation in answer_found.citations:
            assert citation.quote
    assert app.answer_pipeline.answer("How much did it cost to build the Harvard Mark I?", reader="graph").abstained


def test_forgotten_document_is_not_retrieved(tmp_path: Path) -> None:
    for name, text in (("a", "Ada Lovelace was born in London."), ("b", "Lord Byron died in Missolonghi.")):
        (tmp_path / f"{name}.txt").write_text(text)
    app = Store(tmp_path / ".kgrag", create=True)
    app.ingest([str(tmp_path)], lambda *_: None)
    assert app.retriever.retrieve("Where did Lord Byron die?", 5)[0].title == "b"
    assert app.forget(str(tmp_path / "b.txt")) == ["b.txt"]
    assert "b" not in {hit.title for hit in app.retriever.retrieve("Where did Lord Byron die?", 5)}
    assert not any("byron" in entity.id for entity in app.graph_store.entities())
    with pytest.raises(UsageError, match=r"b\.txt"):
        app.forget("b.txt")


def test_retrieve_from_equal_passages_is_deterministic(tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("Ada Lovelace was born in London.")
    app = Store(tmp_path / ".kgrag", create=True)
    app.ingest([str(tmp_path / "one.txt")], lambda *_: None)
    assert len(app.retriever.retrieve("Where was Ada Lovelace born?", 5)) == 1
    lines = "".join(
        f'{{"_id": "{n:04}", "title": "Ada Lovelace", "text": "She was born in London."}}\n' for n in range(200)
    )
    (tmp_path / "many.jsonl").write_text(lines)
    app.ingest([str(tmp_path / "many.jsonl")], lambda *_: None)
    hits = app.retriever.retrieve("Where was Ada Lovelace born?", 5)
    assert len(hits) == 2 and hits == app.retriever.retrieve("Where was Ada Lovelace born?", 5)
    assert sorted(len(hit.copies) for hit in hits) == [0, 199]


def test_open_store_sees_later_writes(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Ada Lovelace was born in London.")
    writer = Store(tmp_path / ".kgrag", create=True)
    writer.ingest([str(tmp_path / "a.txt")], lambda *_: None)
    reader = Store(tmp_path / ".kgrag")
    assert len(reader.retriever.retrieve("Ada Lovelace", 5)) == 1
    (tmp_path / "b.txt").write_text("Ada Lovelace met Charles Babbage.")
    writer.ingest([str(tmp_path / "b.txt")], lambda *_: None)
    assert len(reader.retriever.retrieve("Ada Lovelace", 5)) == 2


@pytest.mark.parametrize("part", COMPONENTS)
def test_disabled_component_has_no_scores(app: Store, part: str) -> None:
    question = "Where did Ada Lovelace's father die?"
    indices = app.retriever.indices
    found = gather_candidates(question, app.retriever.embed_question(question), indices, frozenset(COMPONENTS) - {part})
    matches = match_sentences(question, found, indices)
    names, rows = passage_features(question, found, matches, indices)
    disabled_values = {
        "words": [found.bm25, matches.has_word],
        "vectors": [np.nan_to_num(found.cosine)],
        "graph": [found.walk_scores, matches.names_candidate],
        "sentences": [matches.has_word, matches.names_candidate],
    }[part]
    assert not any(np.asarray(each).any() for each in disabled_values)
    assert not any(rows[:, names.index(name)].any() for name in COMPONENT_FEATURES.get(part, ()))


def test_bridge_scores_link_to_named_candidate(app: Store) -> None:
    question = "Where did Ada Lovelace's father die?"
    indices = app.retriever.indices
    found = gather_candidates(question, app.retriever.embed_question(question), indices)
    matches = match_sentences(question, found, indices)
    titles = [app.graph_store.titles()[app.retriever.document_id_of_row(row)][1] for row in found.rows]
    source, target = titles.index("Ada Lovelace"), titles.index("Lord Byron")
    bridges = matches.bridge_scores()
    assert (
        bridges[source, target] > MENTION_PRIOR
    )  # "the only legitimate child of Lord Byron": her father is named, and how
    assert not bridges.diagonal().any()
    source_words = matches.has_word[matches.sentence_owners == source]
    assert source_words.any() and source_words.shape[1] == len(matches.word_weights)
    assert matches.word_weights.sum() == pytest.approx(1)


def test_vote_moves_passages_and_scores_fall_with_the_rank(tmp_path: Path) -> None:
    """The ranker prefers the worst match by words; where no title is named, words and vectors put it behind."""
    pages = [(f"p{n}", f"Page {n}", "gears " * (n + 1) + f"turn {'slowly ' * (9 - n)}") for n in range(9)]
    retriever = build_retriever(tmp_path, pages, weight=-1)
    hits = retriever.retrieve("How do gears turn?", 9)
    own_scores = [hit.component_scores["ranker"] for hit in hits]
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert own_scores != sorted(own_scores, reverse=True)


@pytest.mark.parametrize(("question", "found"), [("What is IT?", True), ("WHO", True), ("What is it?", False)])
def test_stop_word_in_capitals_is_asked_for(tmp_path: Path, question: str, found: bool) -> None:
    pages = [("a", "Departments", "The IT department works with the WHO."), ("b", "Tea", "Tea is a drink.")]
    hits = build_retriever(tmp_path, pages).retrieve(question, 1)
    assert [hit.passage.document_id for hit in hits] == (["a"] if found else [])
