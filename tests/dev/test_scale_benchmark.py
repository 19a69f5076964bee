"""The synthetic corpus has the frequencies of a real one; measures of the scale benchmark."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from graphs.sqlite.store import SQLiteGraph
from kgrag.cli.bench.scale import _measure_size, _parse_size
from kgrag.dev.benchmarks.scale import (
    GROWTH_MEASURES,
    disk_use,
    fill_store,
    growth_exponents,
    measure_forgetting,
    measure_queries,
    memory_use,
    plot_growth,
    topical_vectors,
)
from kgrag.dev.benchmarks.synthetic_corpus import PitmanYorSampler, SyntheticArticle, SyntheticCorpus, make_word
from kgrag.errors import UsageError
from kgrag.text import normalize_name
from kgrag.types import Question
from tests.support.documents import find_store_damage
from tests.support.fake_retriever import FixedRetriever, make_hit


@pytest.fixture(scope="module")
def articles() -> list[SyntheticArticle]:
    return list(SyntheticCorpus(3).generate_articles(3000))


def test_corpus_same_seed_same_prefix(articles: list[SyntheticArticle]) -> None:
    """The same seed gives the same corpus, and a larger corpus begins with the smaller one."""
    assert list(SyntheticCorpus(3).generate_articles(200)) == articles[:200]
    in_parts = SyntheticCorpus(3)
    assert [*in_parts.generate_articles(50), *in_parts.generate_articles(150)] == articles[:200]
    assert next(SyntheticCorpus(4).generate_articles(1)) != articles[0]


def test_article_spans_and_facts_match_text(articles: list[SyntheticArticle]) -> None:
    for article in articles[:500]:
        text = article.document.text
        assert all(text[start:end] == name for start, end, name, _ in article.spans)
        for _, object_name, start, end in article.facts:
            assert object_name in text[start:end] and text[start:end].rstrip()[-1] in ".。"
            assert not text[:start] or text[:start].rstrip()[-1] in ".。"
        extraction = article.gold_extraction()
        assert extraction.passages[0].text == text
        assert {t.object for t in extraction.triples} == {normalize_name(name) for _, name, _, _ in article.facts}
    languages = Counter(article.document.lang for article in articles)
    assert 0.07 < languages["zh"] / len(articles) < 0.13
    titles = Counter(normalize_name(article.document.title) for article in articles)
    assert len(titles) > 0.99 * len(articles)


def test_corpus_name_frequencies_follow_zipf_and_heaps(articles: list[SyntheticArticle]) -> None:
    """2WikiMultihopQA has 83 % of names that occur once, 10.6 names a passage, 0.59 distinct ones each."""
    uses: Counter[str] = Counter()
    distinct = []
    for article in articles:
        uses.update({normalize_name(name) for _, _, name, kind in article.spans if kind != "DATE"})
        distinct.append(len(uses))
    assert 0.8 < sum(count == 1 for count in uses.values()) / len(uses) < 0.92
    assert 9 < sum(uses.values()) / len(articles) < 12
    heaps = np.polyfit(np.log(np.arange(100, 3000)), np.log(distinct[100:]), 1)[0]
    assert 0.75 < heaps < 1
    words = Counter(w for a in articles if a.document.lang == "en" for w in a.document.text.split() if w.islower())
    ranked = [count for _, count in words.most_common(1000)][30:]
    assert -1.4 < np.polyfit(np.log(np.arange(31, 31 + len(ranked))), np.log(ranked), 1)[0] < -0.7


def test_sampler_without_strength_repeats_first_name() -> None:
    sampler = PitmanYorSampler(0, discount=0.0, strength=1e-9)
    assert {sampler.draw() for _ in range(50)} == {0}
    assert len({make_word(number) for number in range(5000)}) == 5000


def test_generate_questions_have_gold_documents(articles: list[SyntheticArticle]) -> None:
    corpus = SyntheticCorpus(3)
    for _ in corpus.generate_articles(3000):
        pass
    questions = corpus.generate_questions(40)
    assert questions == corpus.generate_questions(40)
    by_id = {article.document.id: article for article in articles}
    for question in questions:
        film = by_id[question.gold[0]]
        assert film.document.title in question.text
        assert len(question.gold) == (2 if question.type == "2 hops" else 1)
        if len(question.gold) == 2:
            director = next(name for predicate, name, _, _ in film.facts if predicate == "director")
            assert by_id[question.gold[1]].document.title == director


def test_fill_store_writes_articles_and_vectors(tmp_path: Path) -> None:
    graph = SQLiteGraph(tmp_path / "store" / "graph.db")
    assert fill_store(graph, SyntheticCorpus(0), 120, 16) > 0
    assert graph.passage_count() == len(list(graph.documents())) == 120
    assert graph.generation == 1  # one transaction
    vectors = graph.embeddings()
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(vectors, next(topical_vectors(16))[:120])
    graph.close()
    assert find_store_damage(tmp_path / "store" / "graph.db") == []
    assert disk_use(tmp_path) > 0 and memory_use()["peak GB"] > 0


def test_measure_queries_and_growth_exponents(tmp_path: Path) -> None:
    figures = measure_queries(
        FixedRetriever(make_hit("a", "A.")), [Question("1", "?", (), ("a",)), Question("2", "?", (), ("a", "b"))]
    )
    assert figures["recall@5"] == 0.75 and 0 <= figures["p50 ms"] <= figures["p95 ms"]
    reports = [{"passages": n, **dict.fromkeys(GROWTH_MEASURES, 3.0 * n**0.5)} for n in (100, 10_000, 1_000_000)]
    assert growth_exponents(reports) == {name: pytest.approx(0.5) for name in GROWTH_MEASURES}
    pytest.importorskip("matplotlib")
    plot_growth(reports, tmp_path / "growth.png")
    assert (tmp_path / "growth.png").stat().st_size > 1000


def test_measure_forgetting_removes_documents(tmp_path: Path) -> None:
    graph = SQLiteGraph(tmp_path / "graph.db")
    fill_store(graph, SyntheticCorpus(0), 20, 4)
    figures = measure_forgetting(graph, [document.id for document in graph.documents()][:5])
    assert graph.passage_count() == 15 and 0 < figures["forget ms"] <= figures["forget ms at most"]
    graph.close()


def test_parse_size_and_reuse_of_measured_size(tmp_path: Path) -> None:
    """A size that was measured with the same settings is not measured again."""
    assert [_parse_size(size) for size in ("10k", " 1M", "7")] == [10_000, 1_000_000, 7]
    for wrong in ("", "k", "ten", "0", "-3k"):
        with pytest.raises(UsageError, match="Expected --sizes"):
            _parse_size(wrong)
    settings = {"documents": 7, "seed": 0, "real": 10_000, "more": 1000, "questions": 200, "forgotten": 50}
    report = {"settings": settings, "passages": 7}
    (tmp_path / "7.json").write_text(json.dumps(report))
    assert _measure_size(tmp_path, 7, 0, None) == report
