"""The style of answers: --style, the key in kgrag.toml, and the argument of `Store.ask`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kgrag.answering.pipeline import AnswerPipeline
from kgrag.cli.options import STYLES as OFFERED_STYLES
from kgrag.config import STYLES, load_config
from kgrag.errors import UsageError
from kgrag.store.store import Store
from kgrag.types import Answer
from tests.support.cli_shell import Shell


@pytest.fixture(autouse=True)
def tells_style(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every answer be the style that the pipeline has."""

    def answer(self: AnswerPipeline, question: str, *_: Any, **__: Any) -> Answer:
        return Answer(question, f"style {self.style}")

    monkeypatch.setattr(AnswerPipeline, "answer", answer)
    monkeypatch.setattr(AnswerPipeline, "answer_closed_book", answer)


def test_option_overrides_configuration(shell: Shell, store: Path) -> None:
    assert OFFERED_STYLES == STYLES
    assert "style auto" in shell("ask", "Who?", "--store", store)[1]
    (store / "kgrag.toml").write_text('style = "phrase"\n')
    assert "style phrase" in shell("ask", "Who?", "--store", store)[1]
    assert "style full" in shell("ask", "Who?", "--store", store, "--style", "full")[1]
    assert "style sentences" in shell("ask", "Who?", "--store", store, "--style", "sentences", "--closed-book")[1]


def test_unknown_style_is_named_with_the_known_ones(shell: Shell, store: Path) -> None:
    code, out, err = shell("ask", "Who?", "--store", store, "--style", "essay")
    assert code == 2 and out == "" and "Expected one of auto, phrase, sentences, full, found 'essay'" in err
    code, _, err = shell("chat", "--store", store, "--style", "essay")
    assert code == 2 and "'essay'" in err
    (store / "kgrag.toml").write_text('style = "essay"\n')
    with pytest.raises(UsageError, match="has style = 'essay'"):
        load_config(store)


def test_ask_takes_a_style(store: Path) -> None:
    with Store(store) as app:
        assert app.ask("Who?").text == "style auto"
        assert app.ask("Who?", style="phrase").text == "style phrase"
        assert app.ask("Who?", style="full", closed_book=True).text == "style full"
        assert app.ask("Who?", style="full", where="path:en/").text == "style full"
        assert app.answer_pipeline.style == "auto", "a question does not change the store"
        with pytest.raises(UsageError, match=r"Expected a style \(auto, phrase, sentences, full\), found 'essay'"):
            app.ask("Who?", style="essay")  # type: ignore[arg-type]
