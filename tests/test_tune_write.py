"""What is learned from, of a store as the program makes it; and stores of which nothing can be learned."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from kgrag import prompts
from kgrag.app import App
from kgrag.errors import UsageError
from kgrag.steps import concluded
from kgrag.tune.questions.made import UNANSWERABLE
from kgrag.tune_write import examples_of, write


def count(text: str) -> int:
    return len(text) // 3 + 1


def test_a_store_asks_itself_in_both_languages(store: Path) -> None:
    told: list[tuple[int, int]] = []
    said: list[str] = []
    app = App(store, said.append)
    written = write(app, None, number=40, seed=0, tick=lambda done, of: told.append((done, of)), count=count)
    assert {e.lang for e in written.examples} == {"en", "zh"} and 20 <= len(written.examples) <= written.possible
    assert told[-1][0] == told[-1][1] and [done for done, _ in told] == sorted(done for done, _ in told)
    texts = {d.id: d.text for d in app.graph.documents()}
    for example in written.examples:
        system, user = example.messages
        assert system["content"].endswith((prompts.ABSTAIN[example.lang], prompts.UNKNOWN[example.lang]))
        assert prompts.LABELS[example.lang]["question"] in user["content"]
        answer = concluded(example.answer).answer
        phrase = answer.split(" [")[0]
        if example.kind == UNANSWERABLE:
            assert prompts.abstains(answer)
        elif example.kind != "comparison":
            assert any(phrase in text for text in texts.values())
    again = write(App(store), None, number=40, seed=0, count=count)
    assert again.examples == written.examples


def test_a_corpus_of_one_page_says_how_many_questions_there_could_be(store: Path) -> None:
    app = App(store)
    for document in list(app.graph.documents())[1:]:
        app.graph.forget(document.id)
    with pytest.raises(UsageError, match=r"Expected 20 examples or more .* has 1 document of which \d+ questions could be made, .*--questions FILE"):  # fmt: skip
        write(app, None, number=40, seed=0, count=count)


def test_an_empty_store_is_refused(store: Path) -> None:
    app = App(store)
    for document in list(app.graph.documents()):
        app.graph.forget(document.id)
    with pytest.raises(UsageError, match="Expected documents in"):
        examples_of(app, None, number=40, seed=0, tick=lambda done, of: None)


def test_a_store_without_typed_facts_is_refused(store: Path) -> None:
    with sqlite3.connect(store / "graph.db") as db:
        db.execute("DELETE FROM triples")
    with pytest.raises(UsageError, match=r"Expected typed facts in .* found none in 5 documents"):
        write(App(store), None, number=40, seed=0, count=count)


def test_no_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Expected a store"):
        write(App(tmp_path / "none"), None, number=40, seed=0, count=count)
