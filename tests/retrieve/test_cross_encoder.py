"""Tests of reranking with a fake cross-encoder and with a tiny untrained one from a folder."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from kgrag.errors import ModelError
from kgrag.retrieve.cross_encoder import RERANK_DEPTH, CrossEncoderReranker, fuse_with_ranker
from kgrag.retrieve.hybrid import HybridRetriever
from kgrag.store.store import Store

QUESTION = "Where did Ada Lovelace's father die?"


class ReversingReranker:
    """Reverses the order of the passages, and records them."""

    name = "backwards"

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    def score(self, question: str, texts: Sequence[str]) -> NDArray[np.float64]:
        self.calls.append(list(texts))
        return np.arange(len(texts), dtype=float)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("house") / ".kgrag"
    Store(folder, create=True).ingest([str(Path(__file__).parents[2] / "examples")], lambda *_: None)
    return folder


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_cross_encoder(tmp_path_factory.mktemp("encoder"), 1)


def build_tiny_cross_encoder(folder: Path, outputs: int) -> Path:
    """Save a cross-encoder of about 30,000 random weights in the transformers format."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    torch.manual_seed(0)
    letters = [*"abcdefghijklmnopqrstuvwxyz0123456789.,'?()"]
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    (folder / "vocab.txt").write_text("\n".join(words))
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=256,
        num_labels=outputs,
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    return folder


def with_reranker(app: Store, reranker: ReversingReranker) -> HybridRetriever:
    plain = app.retriever
    return HybridRetriever(
        app.graph_store, plain.indices, app.embedder, plain._load_ranker, plain._explainer, lambda: reranker
    )


def test_rerank_reorders_only_the_top_passages(store: Path) -> None:
    app, reranker = Store(store), ReversingReranker()
    before = [hit.passage.id for hit in app.retriever.retrieve(QUESTION, 40)]
    hits = with_reranker(app, reranker).retrieve(QUESTION, 40)
    after = [hit.passage.id for hit in hits]
    assert (
        sorted(after[:RERANK_DEPTH]) == sorted(before[:RERANK_DEPTH]) and after[:RERANK_DEPTH] != before[:RERANK_DEPTH]
    )
    assert after[RERANK_DEPTH:] == before[RERANK_DEPTH:] and len(after) > RERANK_DEPTH
    assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))
    assert len(reranker.calls) == 1 and len(reranker.calls[0]) == RERANK_DEPTH
    assert reranker.calls[0][0].startswith(app.retriever.retrieve(QUESTION, 1)[0].title + ". ")
    assert all(("cross" in hit.component_scores) == (rank <= RERANK_DEPTH) for rank, hit in enumerate(hits, 1))
    assert with_reranker(app, ReversingReranker()).retrieve(QUESTION, 5) == hits[:5]


@given(st.lists(st.floats(-9, 9), max_size=RERANK_DEPTH))
def test_fuse_with_ranker_is_a_permutation(scores: list[float]) -> None:
    order = fuse_with_ranker(np.array(scores))
    assert sorted(order.tolist()) == list(range(len(scores)))
    assert fuse_with_ranker(-np.arange(len(scores), dtype=float)).tolist() == list(range(len(scores)))
    assert fuse_with_ranker(np.zeros(len(scores))).tolist() == list(range(len(scores)))


def test_fuse_with_ranker_keeps_agreed_first() -> None:
    assert fuse_with_ranker(np.array([5.0, 1.0, 2.0, 3.0]))[0] == 0
    assert fuse_with_ranker(np.array([0.0, 9.0, 1.0]))[0] == 1


def test_configured_cross_encoder_reranks(store: Path, encoder: Path) -> None:
    (store / "kgrag.toml").write_text(f'reranker = "{encoder.as_posix()}"\n')
    try:
        hits = Store(store).retriever.retrieve(QUESTION, 5)
        assert all("cross rank" in hit.component_scores for hit in hits)
        assert Store(store).retriever.retrieve(QUESTION, 5) == hits
    finally:
        (store / "kgrag.toml").unlink()
    assert "cross" not in Store(store).retriever.retrieve(QUESTION, 1)[0].component_scores


def test_score_is_independent_of_text_order(encoder: Path) -> None:
    model = CrossEncoderReranker(str(encoder))
    texts = ["ada was born in london.", "a", "the father of ada, lord byron, died in greece " * 3]
    scores = model.score("where?", texts)
    assert scores.shape == (3,) and np.isfinite(scores).all() and len(set(scores.round(6))) == 3
    np.testing.assert_allclose(model.score("where?", texts[::-1])[::-1], scores, atol=1e-5)
    assert model.score("where?", []).shape == (0,)


def test_load_wrong_model_raises_model_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"Expected a cross-encoder .*: give its folder, or delete that line"):
        CrossEncoderReranker(str(tmp_path))
    with pytest.raises(ModelError, match="found 3 outputs"):
        CrossEncoderReranker(str(build_tiny_cross_encoder(tmp_path, 3)))
