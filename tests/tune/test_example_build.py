"""Building examples from a store, and stores without enough facts."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from kgrag import prompts
from kgrag.answering.reasoning_steps import parse_steps
from kgrag.errors import UsageError
from kgrag.store.store import Store
from kgrag.tune.data.build import build_examples, load_or_build_examples
from kgrag.tune.data.synthetic_questions import UNANSWERABLE


def count(text: str) -> int:
    return len(text) // 3 + 1


def test_build_examples_covers_both_languages(store: Path) -> None:
    progress: list[tuple[int, int]] = []
    notices: list[str] = []
    app = Store(store, notices.append)
    written = build_examples(
        app, None, number=40, seed=0, tick=lambda done, total: progress.append((done, total)), count=count
    )
    assert {e.lang for e in written.examples} == {"en", "zh"} and 20 <= len(
        written.examples
    ) <= written.possible_questions
    assert progress[-1][0] == progress[-1][1] and [done for done, _ in progress] == sorted(done for done, _ in progress)
    texts = {d.id: d.text for d in app.graph_store.documents()}
    for example in written.examples:
        system, user = example.messages
        assert system["content"].endswith((prompts.ABSTENTION_TEXT[example.lang], prompts.DONT_KNOW[example.lang]))
        assert prompts.LABELS[example.lang]["question"] in user["content"]
        answer = parse_steps(example.answer).answer
        phrase = answer.split(" [")[0]
        if example.kind == UNANSWERABLE:
            assert prompts.is_abstention(answer)
        elif example.kind != "comparison":
            assert any(phrase in text for text in texts.values())
    again = build_examples(Store(store), None, number=40, seed=0, count=count)
    assert again.examples == written.examples


def test_build_examples_single_document_raises(store: Path) -> None:
    app = Store(store)
    for document in list(app.graph_store.documents())[1:]:
        app.graph_store.forget(document.id)
    with pytest.raises(UsageError, match=r"Expected 20 examples or more.* has 1 document for which \d+ questions could be generated, .*--questions FILE"):  # fmt: skip
        build_examples(app, None, number=40, seed=0, count=count)


def test_load_or_build_examples_empty_store_raises(store: Path) -> None:
    app = Store(store)
    for document in list(app.graph_store.documents()):
        app.graph_store.forget(document.id)
    with pytest.raises(UsageError, match="Expected documents in"):
        load_or_build_examples(app, None, number=40, seed=0, tick=lambda done, of: None)


def test_build_examples_without_typed_facts_raises(store: Path) -> None:
    with sqlite3.connect(store / "graph.db") as db:
        db.execute("DELETE FROM triples")
    with pytest.raises(UsageError, match=r"Expected typed facts in .* found none in 5 documents"):
        build_examples(Store(store), None, number=40, seed=0, count=count)


def test_build_examples_missing_store_raises(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Expected a store"):
        build_examples(Store(tmp_path / "none"), None, number=40, seed=0, count=count)
