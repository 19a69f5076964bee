"""The embedder protocol, on every implementation that this machine can run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kgrag.embedders import OpenVINOEmbedder, SentenceTransformersEmbedder, load_embedder
from kgrag.errors import ModelError
from kgrag.models import token_batches
from kgrag.models.convert import local_folder, openvino_folder, transformers_folder
from kgrag.models.registry import find_model
from kgrag.protocols import Embedder, TokenEmbedder

NAME = "all-MiniLM-L6-v2"
TEXTS = [
    "The capital of France is Paris.",
    "Paris is the capital city of France.",
    "Mitochondria make most of a cell's energy.",
    "A very short one",
    "",
    "word " * 700,
    "北京是中国的首都。",
]


@pytest.fixture(scope="module", params=["openvino", "sentence-transformers"])
def embedder(request: pytest.FixtureRequest) -> Iterator[Embedder]:
    model = find_model(NAME)
    folder = local_folder(model)
    if folder is None:
        pytest.skip(f"{NAME} is not installed: pull it")
    if request.param == "openvino":
        yield OpenVINOEmbedder(model, openvino_folder(model, folder))
    else:
        yield SentenceTransformersEmbedder(model, transformers_folder(model, folder), device="cpu")


def test_embed_shape_type_and_length(embedder: Embedder) -> None:
    vectors = embedder.embed(TEXTS)
    assert vectors.shape == (len(TEXTS), embedder.dimensions) == (7, 384)
    assert vectors.dtype == np.float32 and np.isfinite(vectors).all()
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    query = embedder.embed_query(TEXTS[0])
    assert query.shape == (384,) and query.dtype == np.float32


def test_embedder_name_and_languages(embedder: Embedder) -> None:
    assert embedder.name == NAME and embedder.languages == {"en"}


def test_embed_no_texts_gives_no_rows(embedder: Embedder) -> None:
    assert embedder.embed([]).shape == (0, 384)


def test_embed_orders_by_meaning(embedder: Embedder) -> None:
    vectors = embedder.embed(TEXTS)
    cosines = vectors @ embedder.embed_query("Which city is the capital of France?")
    assert {int(i) for i in np.argsort(-cosines)[:2]} == {0, 1}
    reverse = embedder.embed(TEXTS[::-1])[::-1]
    np.testing.assert_allclose((vectors * reverse).sum(axis=1), 1.0, atol=1e-3)


def test_embed_truncates_long_text(embedder: Embedder) -> None:
    long = "word " * 400
    np.testing.assert_array_equal(embedder.embed([long])[0], embedder.embed([long + "and then something else"])[0])


def test_embed_agrees_with_sentence_transformers() -> None:
    model = find_model(NAME)
    folder = local_folder(model)
    if folder is None:
        pytest.skip(f"{NAME} is not installed: pull it")
    ours = OpenVINOEmbedder(model, openvino_folder(model, folder)).embed(TEXTS)
    theirs = SentenceTransformersEmbedder(model, transformers_folder(model, folder), device="cpu").embed(TEXTS)
    assert (ours * theirs).sum(axis=1).min() > 0.999


def test_embed_vector_depends_on_its_text_alone() -> None:
    model = find_model(NAME)
    folder = local_folder(model)
    if folder is None:
        pytest.skip(f"{NAME} is not installed: pull it")
    embedder = OpenVINOEmbedder(model, openvino_folder(model, folder))
    rng = np.random.default_rng(0)
    words = [
        *["graph", "passage", "names", "every", "entity"],
        "rests",
        "on",
        "7",
        "1984",
        "évidence",
        "knowledge-based",
    ]
    texts = [" ".join(rng.choice(words, size=int(rng.integers(1, 150)))) for _ in range(40)]
    vectors = embedder.embed(texts)
    order = rng.permutation(len(texts))
    shuffled = embedder.embed([texts[i] for i in order])
    np.testing.assert_array_equal(shuffled, vectors[order])
    for row in range(0, len(texts), 10):
        np.testing.assert_array_equal(embedder.embed([texts[row]])[0], vectors[row])
        np.testing.assert_array_equal(embedder.embed_query(texts[row]), vectors[row])
    again = OpenVINOEmbedder(model, openvino_folder(model, folder)).embed(texts)
    np.testing.assert_array_equal(again, vectors)


def test_questions_and_passages_are_read_after_their_prefixes() -> None:
    model = find_model(NAME)
    folder = local_folder(model)
    if folder is None:
        pytest.skip(f"{NAME} is not installed: pull it")
    plain = OpenVINOEmbedder(model, openvino_folder(model, folder))
    prefixed_model = replace(model, query_prefix="query: ", passage_prefix="passage: ")
    prefixed = OpenVINOEmbedder(prefixed_model, openvino_folder(model, folder))
    np.testing.assert_array_equal(prefixed.embed(TEXTS), plain.embed([f"passage: {text}" for text in TEXTS]))
    np.testing.assert_array_equal(prefixed.embed_query(TEXTS[0]), plain.embed_query(f"query: {TEXTS[0]}"))
    for is_query, prefix in ((True, "query"), (False, "passage")):
        tokens = prefixed.embed_tokens(TEXTS[:1], is_query=is_query)[0]
        np.testing.assert_array_equal(tokens, plain.embed_tokens([f"{prefix}: {TEXTS[0]}"])[0])


def test_vectors_of_tokens_have_the_texts_vector_as_their_mean(embedder: Embedder) -> None:
    assert isinstance(embedder, TokenEmbedder)
    tokens = embedder.embed_tokens(TEXTS)
    assert [each.shape[1] for each in tokens] == [embedder.dimensions] * len(TEXTS)
    assert len(tokens[0]) > len(tokens[3]) > len(tokens[4]) >= 1 and tokens[0].dtype == np.float32
    means = np.stack([each.mean(axis=0) for each in tokens])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    np.testing.assert_allclose(means, embedder.embed(TEXTS), atol=2e-3)
    query = embedder.embed_tokens([TEXTS[0]], is_query=True)[0].mean(axis=0)
    np.testing.assert_allclose(query / np.linalg.norm(query), embedder.embed_query(TEXTS[0]), atol=2e-3)
    assert embedder.embed_tokens([]) == []


def test_bucket_batches_have_every_row_once() -> None:
    lengths = [1, 300, 16, 17, 15, 256, 0] + [40] * 200
    batches = list(token_batches.bucket_batches(lengths))
    assert sorted(row for rows, _ in batches for row in rows) == list(range(len(lengths)))
    for rows, width in batches:
        assert len(rows) * width <= token_batches.MAX_BATCH_TOKENS
        assert all(width - token_batches.BUCKET_TOKENS < max(lengths[row], 1) <= width for row in rows)


def test_load_embedder_of_language_model_is_refused() -> None:
    with pytest.raises(ModelError, match="Expected an embedder"):
        load_embedder("qwen2.5-coder-0.5b-instruct")


def test_openvino_embedder_damaged_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelError, match=r"cannot be loaded.*pull all-MiniLM-L6-v2 again"):
        OpenVINOEmbedder(find_model(NAME), tmp_path)
