"""LangChain integration in both directions, and its example."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.fake_llm import FakeLLM
from tests.support.fake_openai_server import serve_fake_openai

pytest.importorskip("langchain_core", reason="pip install 'kgrag[langchain]'")

from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from kgrag.errors import ModelError
from kgrag.langchain import KgragChat, KgragRetriever, LangChainLLM, cited_chain
from kgrag.protocols import GenerationOptions
from kgrag.store.store import Store

ROOT = Path(__file__).parent.parent
ASKED = [SystemMessage("Be brief."), HumanMessage("what is the capital of France?")]


def test_retriever_returns_hits_as_documents(store: Path) -> None:
    app = Store(store)
    hits = app.retriever.retrieve("Where did Lord Byron die?", 3)
    found = KgragRetriever.from_store(app, 3).invoke("Where did Lord Byron die?")
    assert [d.page_content for d in found] == [hit.passage.text for hit in hits] and found[0].id == hits[0].passage.id
    first = found[0].metadata
    assert first["title"] == "Lord Byron" and first["rank"] == 1 and first["score"] == hits[0].score
    assert len(KgragRetriever.from_store(app).invoke("Ada Lovelace")) <= app.config.k


def test_chat_model_answers_and_streams() -> None:
    llm = FakeLLM(default_answer="Paris is the capital.")
    chat = KgragChat(llm=llm)
    assert chat.invoke(ASKED).content == "Paris is the capital."
    assert llm.calls[0] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "what is the capital of France?"},
    ]
    pieces = [chunk.content for chunk in chat.stream([*ASKED, AIMessage("Rome?"), HumanMessage("no")])]
    assert "".join(pieces) == "Paris is the capital." and len([p for p in pieces if p]) > 5  # type: ignore[arg-type]
    assert chat.invoke(ASKED, max_tokens=5).content == "Paris"
    assert [m.content for m in chat.batch([ASKED, ASKED])] == ["Paris is the capital."] * 2


@pytest.mark.parametrize(
    ("stop", "said"), [([" is"], "Paris"), (["capital", "the"], "Paris is "), (["zzz"], "Paris is the capital.")]
)
def test_chat_model_ends_before_stop_string(stop: list[str], said: str) -> None:
    chat = KgragChat(llm=FakeLLM(default_answer="Paris is the capital."))
    assert chat.invoke(ASKED, stop=stop).content == said
    assert "".join(chunk.content for chunk in chat.stream(ASKED, stop=stop)) == said  # type: ignore[misc]


def test_chat_model_raises_errors_and_rejects_tools() -> None:
    chat = KgragChat(llm=FakeLLM())
    with pytest.raises(ModelError, match="prompt has"):
        chat.invoke("x" * 5000)
    with pytest.raises(ModelError, match="prompt has"):
        list(chat.stream("x" * 5000))
    with pytest.raises(ModelError, match="found tool"):
        chat.invoke([*ASKED, ToolMessage("x", tool_call_id="1")])


def test_cited_chain_checks_citations(store: Path) -> None:
    app = Store(store)
    app.use(llm=FakeLLM(default_answer="Atlantis"))
    answer = cited_chain(app).invoke("How much did the Harvard Mark I weigh?")
    assert answer.abstained or answer.citations, "Atlantis stands in no passage"
    assert "Atlantis" not in answer.text
    facts = cited_chain(app).invoke("Where did Ada Lovelace's father die?")
    assert facts.text == "Missolonghi" and facts.citations


def test_langchain_model_works_as_llm(store: Path) -> None:
    llm = LangChainLLM(FakeListChatModel(responses=["London and more"]), context=99)
    messages = [{"role": "user", "content": "where?"}]
    heard: list[str] = []
    assert llm.generate(messages, on_text=heard.append) == "".join(heard) == "London and more"
    assert llm.generate(messages, on_text=lambda piece: piece == "d") == "Lond", "True stops it"
    assert llm.batch([messages, messages]) == ["London and more"] * 2
    assert (llm.context, llm.count("")) == (99, 0) and 0 < llm.count("London") < llm.count("London and more")
    with pytest.raises(ModelError, match="cannot score a given text"):
        llm.score(messages, "London")
    with pytest.raises(ModelError, match="failed while answering"):
        llm.generate(messages, GenerationOptions(schema='{"type": "object"}'))
    app = Store(store)
    app.use(llm=llm)
    assert app.answer_pipeline.answer_closed_book("Where was Ada born?").text == "London and more"


def test_round_trip_through_langchain() -> None:
    llm = LangChainLLM(KgragChat(llm=FakeLLM()), name="ours")
    assert llm.name == "ours"
    assert llm.generate([{"role": "user", "content": "x"}], GenerationOptions(max_tokens=5)) == "Paris"
    assert (
        llm.generate([{"role": "assistant", "content": "x"}, {"role": "user", "content": "y"}])
        == FakeLLM().default_answer
    )


def test_example_runs(store: Path) -> None:
    with serve_fake_openai(FakeLLM(default_answer="Missolonghi", token="word")) as server:
        environment = {**os.environ, "KGRAG_MODEL": f"{server.url}#fake", "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "docs/langchain_example.py", str(store), "Where did Lord Byron die?"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=200)
    assert done.returncode == 0, done.stderr
    assert "own chain: Missolonghi" in done.stdout and "cited chain: Missolonghi" in done.stdout and "•" in done.stdout
