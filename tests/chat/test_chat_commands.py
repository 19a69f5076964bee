"""/open shows a citation where it stands, /style sets the form of the answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from kgrag.chat.repl import Chat
from kgrag.errors import UsageError
from kgrag.store.store import Store
from kgrag.types import Answer, Citation, Hit
from tests.chat.test_chat_repl import make_chat, piped


@pytest.fixture
def chat(store: Path) -> Chat:
    """A chat over a real store whose last answer cites one English and one Chinese sentence."""
    app = Store(store)
    hits: list[Hit] = []
    for document, quote in (("lord-byron", "Missolonghi"), ("hua-luogeng", "华罗庚")):
        passages = [p for p in app.graph_store.passages() if document in p.document_id and quote in p.text]
        hits.append(Hit(passages[0], document, f"{document}.md", 0.9, len(hits) + 1))
    citations = []
    for hit, word in zip(hits, ("Missolonghi", "华罗庚"), strict=True):
        start = hit.passage.start + hit.passage.text.index(word)
        citations.append(Citation(hit.passage.id, start, start + len(word), word))
    conversation = Chat(app)
    conversation.last_answer = Answer("Where?", "There.", tuple(hits), tuple(citations))
    return conversation


def test_open_shows_cited_sentence_in_both_languages(chat: Chat, capsys: pytest.CaptureFixture[str]) -> None:
    chat.handle_line("/open 1")
    out = capsys.readouterr().out
    assert out.startswith("Lord Byron (") and "lord-byron.md, 1/" in out and "»Missolonghi«" in out
    chat.handle_line("/open")
    assert capsys.readouterr().out == out, "the first is the default"
    chat.handle_line("/open 2")
    assert "»华罗庚«" in capsys.readouterr().out


@pytest.mark.parametrize("number", ["3", "0", "-1", "two", "1 2", "9" * 30])
def test_open_of_no_citation_is_an_error(chat: Chat, number: str) -> None:
    with pytest.raises(UsageError, match="Expected the number of a citation"):
        chat.handle_line(f"/open {number}")


def test_open_before_an_answer_is_an_error() -> None:
    with pytest.raises(UsageError, match="Expected an answer before this command, found none"):
        make_chat().handle_line("/open 1")


def test_open_of_forgotten_passage_is_an_error(chat: Chat) -> None:
    assert chat.last_answer is not None
    chat.last_answer = Answer("Q?", "A", (), (Citation("gone.md#0001", 0, 1, "x"),))
    with pytest.raises(UsageError, match=r"Expected the passage gone.md#0001 in the store, found none"):
        chat.handle_line("/open 1")


def test_style_applies_to_the_next_answers(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    piped(monkeypatch, "/style", "one?", "/style full", "two?", "/style nonsense", "/closed-book", "three?")
    conversation = make_chat()
    conversation.run()
    out, err = capsys.readouterr()
    assert "Style of the answers: auto." in out and "Style of the answers: full." in out
    assert "error: Expected a style." in err and conversation.style == "full"
    assert conversation.app.styles == [None, "full", "full", "full"]  # type: ignore[attr-defined]
    assert {"/style phrase", "/style full"} <= set(conversation.completions())
