"""The embedder that compares evidence with a question knows the question's language, or none does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import kgrag
from kgrag import embedders
from kgrag.models import convert
from tests.support.documents import FakeEmbedder

Present = Callable[[set[str]], list[str]]


class _EnglishEmbedder(FakeEmbedder):
    languages = frozenset({"en"})


@pytest.fixture
def present(monkeypatch: pytest.MonkeyPatch) -> Present:
    """Make some embedders of the registry the only ones on this machine; return the names that are then loaded."""

    def set_present(names: set[str]) -> list[str]:
        loaded: list[str] = []

        def load(name: str, *_: object) -> FakeEmbedder:
            loaded.append(name)
            return _EnglishEmbedder() if name == "all-MiniLM-L6-v2" else FakeEmbedder()

        monkeypatch.setattr(convert, "local_folder", lambda entry: Path() if entry.name in names else None)
        monkeypatch.setattr(embedders, "load_embedder", load)
        return loaded

    return set_present


def open_store(folder: Path) -> tuple[kgrag.Store, list[str]]:
    notices: list[str] = []
    store = kgrag.open(folder / "s.kgrag", create=True)
    store.notice = notices.append
    return store, notices


def test_language_of_the_store_needs_no_other_embedder(tmp_path: Path, present: Present) -> None:
    loaded = present({"all-MiniLM-L6-v2", "multilingual-e5-small"})
    store, _ = open_store(tmp_path)
    assert store.embedder_for("en") is store.embedder and loaded == ["all-MiniLM-L6-v2"]


def test_other_language_takes_an_embedder_that_is_on_the_machine(tmp_path: Path, present: Present) -> None:
    loaded = present({"all-MiniLM-L6-v2", "multilingual-e5-small"})
    store, notices = open_store(tmp_path)
    other = store.embedder_for("zh")
    assert other is not store.embedder and other is store.embedder_for("zh") and not notices
    assert loaded == ["all-MiniLM-L6-v2", "multilingual-e5-small"], "each is loaded once"


def test_missing_embedder_is_named_once(tmp_path: Path, present: Present) -> None:
    present({"all-MiniLM-L6-v2"})
    store, notices = open_store(tmp_path)
    assert store.embedder_for("zh") is None and store.embedder_for("zh") is None
    assert len(notices) == 1 and "kgrag models pull multilingual-e5-small" in notices[0]


def test_setting_lets_the_model_write(tmp_path: Path) -> None:
    store, _ = open_store(tmp_path)
    assert "quotation" in store.answer_pipeline.profile.stages
    store.config = store.config.model_copy(update={"quotes": False})
    assert "quotation" not in store.answer_pipeline.profile.stages


def test_embedder_of_the_caller_is_never_replaced(tmp_path: Path, present: Present) -> None:
    loaded = present({"multilingual-e5-small"})
    store, notices = open_store(tmp_path)
    store.use(embedder=_EnglishEmbedder())
    assert store.embedder_for("zh") is None and store.embedder_for("en") is store.embedder
    assert not loaded and not notices
