"""Benchmarks on retrievers and answers with known results; the ranker's file format."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from kgrag.dev.benchmarks import runner
from kgrag.dev.training.boosted_trees import train_boosted_trees
from kgrag.dev.training.ranker.cross_validation import write_ranker
from kgrag.dev.training.ranker.examples import RankingExample
from kgrag.errors import ModelError, ReadError, UsageError
from kgrag.question_sets import fingerprint, load_questions
from kgrag.retrieve.boosted_trees import TreeEnsemble
from kgrag.types import Answer, Question
from tests.support.fake_retriever import FixedRetriever, make_hit


def find_documents(*titles: str) -> FixedRetriever:
    return FixedRetriever(*(make_hit(title, "text", rank) for rank, title in enumerate(titles, 1)))


def test_measure_retrieval_worked_example() -> None:
    questions = [
        Question("1", "q", gold=("a", "b"), type="bridge"),
        Question("2", "q", gold=("c",)),
        Question("3", "q"),
    ]
    report = runner.measure_retrieval(find_documents("a", "x", "b"), questions)
    assert report["recall@1"]["value"] == pytest.approx(0.25)
    assert report["recall@5"]["value"] == pytest.approx(0.5)
    assert report["mrr"]["value"] == pytest.approx(0.5)
    assert report["all-gold@5"]["value"] == pytest.approx(0.5)
    assert report["questions"] == 3 and report["unscored"] == 1
    assert report["by type"]["bridge"]["recall@5"]["value"] == 1
    assert report["recall@5"]["low"] <= 0.5 <= report["recall@5"]["high"]
    assert report["latency p50 ms"]["value"] >= 0


def test_measure_retrieval_counts_a_document_once() -> None:
    report = runner.measure_retrieval(find_documents("x", "x", "x", "x", "x", "a"), [Question("1", "q", gold=("a",))])
    assert report["recall@2"]["value"] == 1


def test_score_answers_abstention_is_no_wrong_answer() -> None:
    questions = [
        Question("1", "q", answers=("Missolonghi",)),
        Question("2", "q", answers=("Rome",)),
        Question("3", "q", answers=("Oslo",)),
        Question("4", "q"),
    ]
    given = [
        Answer("q", "Missolonghi [1].", seconds=1),
        Answer("q", "Paris", seconds=1),
        Answer("q", "The documents do not say.", abstained=True, seconds=1),
        Answer("q", "The documents do not say.", abstained=True, seconds=1),
    ]
    report = runner.score_answers(questions, given)
    assert report["f1"]["value"] == pytest.approx(1 / 3)
    assert report["em"]["value"] == pytest.approx(1 / 3)
    assert report["abstained"]["value"] == pytest.approx(1 / 3)
    assert report["f1 when answered"]["value"] == pytest.approx(1 / 2)
    assert report["abstained on unanswerable"]["value"] == 1


def test_score_answers_nothing_answerable_is_nan() -> None:
    report = runner.score_answers([Question("1", "q")], [Answer("q", "x")])
    assert math.isnan(report["f1"]["value"])


def test_load_questions_invalid_line_names_its_number(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text('{"_id": "1", "text": "a?", "hops": 2}\n\nnot json\n')
    with pytest.raises(ReadError, match="line 3"):
        load_questions(path)
    assert load_questions(path, limit=1)[0].type == "2 hops"
    path.write_text('{"_id": "1", "text": "a?"}\n{"_id": "2", "text": " "}\n')
    with pytest.raises(ReadError, match="line 2: expected a question"):
        load_questions(path)
    assert [q.text for q in load_questions(path, worded=False)] == ["a?", " "]
    with pytest.raises(UsageError, match="found none"):
        load_questions(tmp_path / "none.jsonl")
    path.write_text("\n")
    with pytest.raises(ReadError, match="no questions"):
        load_questions(path)


TREES = {
    "features": ["a", "b"],
    "trees": [
        {"feature": [0, -1, 1, -1, -1], "threshold": [0.5, 0, 2.0, 0, 0], "left": [1, 0, 3, 0, 0], "right": [2, 0, 4, 0, 0], "value": [0, 1.0, 0, 2.0, 3.0]},
        {"feature": [-1], "threshold": [0], "left": [0], "right": [0], "value": [10.0]},
    ],
}  # fmt: skip


def test_tree_ensemble_loads_training_fingerprints(tmp_path: Path) -> None:
    path = tmp_path / "ranker.json"
    path.write_text(json.dumps(TREES))
    assert TreeEnsemble.load(path).trained_on == ()  # a file may not say
    path.write_text(json.dumps(TREES | {"trained_on": ["0123456789ab"]}))
    assert TreeEnsemble.load(path).trained_on == ("0123456789ab",)
    file = tmp_path / "questions.jsonl"
    file.write_bytes(b"abc")
    assert fingerprint(file) == "ba7816bf8f01"  # the first digits of sha256("abc"), FIPS 180-2


def test_tree_ensemble_scores_worked_example(tmp_path: Path) -> None:
    path = tmp_path / "ranker.json"
    path.write_text(json.dumps(TREES))
    ranker = TreeEnsemble.load(path)
    rows = np.array([[0.5, 9], [0.6, 2], [0.6, 2.1]], np.float32)
    assert ranker.score(["a", "b"], rows).tolist() == [11.0, 12.0, 13.0]
    assert ranker.score(["a", "b"], rows[:0]).tolist() == []
    with pytest.raises(ModelError, match="make ranker"):
        ranker.score(["b", "a"], rows)


def test_write_ranker_scores_as_the_booster(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    sets = {}
    for name in ("one", "two"):
        group = []
        for _ in range(40):
            rows = random.random((20, 3)).astype(np.float32)
            gold = int(rows[:, 1].argmax())
            group.append(RankingExample(rows, tuple(map(str, range(20))), (str(gold),), {}))
        sets[name] = group
    write_ranker(tmp_path / "r.json", ["a", "b", "c"], sets, ["0123456789ab"])
    assert TreeEnsemble.load(tmp_path / "r.json").trained_on == ("0123456789ab",)
    booster = train_boosted_trees(list(sets.values()))
    rows = random.random((50, 3)).astype(np.float32)
    ours = TreeEnsemble.load(tmp_path / "r.json").score(["a", "b", "c"], rows)
    assert np.allclose(ours, booster.predict(rows, raw_score=True), atol=1e-3)
    best = [ours[i] for i in np.argsort(rows[:, 1])]
    assert np.mean(best[-5:]) > np.mean(best[:5])
