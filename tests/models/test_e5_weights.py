"""The E5S1 file of an encoder: its tensors, its tokenizer, and its conversion to a transformers folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kgrag.embedders import OpenVINOEmbedder, SentenceTransformersEmbedder
from kgrag.models.convert import local_folder, openvino_folder, transformers_folder
from kgrag.models.e5_weights import E5File, build_tokenizer, convert_e5
from kgrag.models.registry import find_model
from tests.support.e5_file import (
    HIDDEN,
    INNER,
    PIECES,
    Packed,
    pack_float32,
    pack_q4,
    random_tensors,
    write_e5_file,
)

NAME = "multilingual-e5-small"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A transformers folder converted from the tiny encoder."""
    path = tmp_path_factory.mktemp("e5")
    write_e5_file(path / "tiny.bin")
    convert_e5(path / "tiny.bin", path / "source")
    return path / "source"


@pytest.fixture
def tokenizer(tmp_path: Path) -> Any:
    write_e5_file(tmp_path / "tiny.bin")
    return build_tokenizer(E5File(tmp_path / "tiny.bin"))


def test_q4_block_has_low_nibbles_first(tmp_path: Path) -> None:
    """Weight j is the low half of byte j, weight j + 16 the high half; 8 is zero."""
    codes = [(j, 15 - j) for j in range(16)]
    block = np.float16(0.5).tobytes() + bytes(low | high << 4 for low, high in codes)
    tensors = {**random_tensors(), "l0.q.w": (1, HIDDEN * HIDDEN, block * HIDDEN)}
    write_e5_file(tmp_path / "tiny.bin", tensors)
    weights = E5File(tmp_path / "tiny.bin").tensors()["encoder.layer.0.attention.self.query.weight"]
    expected = [0.5 * (low - 8) for low, _ in codes] + [0.5 * (high - 8) for _, high in codes]
    assert weights.shape == (HIDDEN, HIDDEN) and weights.dtype == np.float32
    np.testing.assert_array_equal(weights, [expected] * HIDDEN)


def test_q4_rounding_is_within_half_a_step(tmp_path: Path) -> None:
    values = np.linspace(-1, 1, INNER * HIDDEN, dtype=np.float32).reshape(HIDDEN, INNER)
    write_e5_file(tmp_path / "tiny.bin", {**random_tensors(), "l1.fo.w": pack_q4(values)})
    weights = E5File(tmp_path / "tiny.bin").tensors()["encoder.layer.1.output.dense.weight"]
    assert np.abs(weights - values).max() <= 0.5 / 7 + 1e-3


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("query: 法国的首都是哪里", ["▁query", ":", "▁", "法国", "的", "首都", "是", "哪里"]),
        ("passage: Paris is the capital of France.", ["▁passage", ":", "▁Paris", "▁is", "▁the", "▁capital", "▁of", "▁France", "."]),
        ("the\t capital\n\nof\u200bFrance ", ["▁the", "▁capital", "▁of", "▁France"]),
        ("Ａ１？　Ａ\x01１", ["▁", "A", "1", "?", "▁", "A", "1"]),
        ("1～2", ["▁", "1", "～", "2"]),
        ("e\u0301", ["▁", "é"]),
        ("法x国", ["▁", "法", "x", "国"]),
        ("", []),
        (" \n ", []),
    ],
)  # fmt: skip
def test_tokenizer_pieces(tokenizer: Any, text: str, pieces: list[str]) -> None:
    encoding = tokenizer.encode(text)
    assert encoding.tokens == ["<s>", *pieces, "</s>"]
    assert encoding.ids == [PIECES.index(piece) if piece in PIECES else 3 for piece in encoding.tokens]


def test_conversion_has_every_weight_of_bert(folder: Path) -> None:
    from safetensors.numpy import load_file
    from transformers import AutoConfig, BertModel

    config = AutoConfig.from_pretrained(folder)
    model_class: Any = BertModel
    expected = {name: tuple(t.shape) for name, t in model_class(config).state_dict().items()}
    found = {name: tensor.shape for name, tensor in load_file(folder / "model.safetensors").items()}
    assert found == expected and config.layer_norm_eps == pytest.approx(1e-12) and config.pad_token_id == 1


def test_converted_folder_embeds_with_prefixes(folder: Path) -> None:
    """A question and a passage of the same words have different vectors; of equal prefixes, equal ones."""
    model = find_model(str(folder))
    assert (model.kind, model.dimensions, model.query_prefix) == ("embedder", HIDDEN, "")
    plain = SentenceTransformersEmbedder(model, folder, device="cpu")
    prefixed_model = replace(model, query_prefix="query: ", passage_prefix="passage: ")
    prefixed = SentenceTransformersEmbedder(prefixed_model, folder, device="cpu")
    texts = ["法国的首都是哪里", "Paris is the capital of France."]
    vectors = prefixed.embed(texts)
    assert vectors.shape == (2, HIDDEN)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(vectors, plain.embed([f"passage: {text}" for text in texts]), atol=1e-6)
    query = prefixed.embed_query(texts[0])
    np.testing.assert_allclose(query, plain.embed([f"query: {texts[0]}"])[0], atol=1e-6)
    assert float(query @ vectors[0]) < 0.9999


def without(name: str) -> dict[str, Packed]:
    return {key: value for key, value in random_tensors().items() if key != name}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 2}, "expected version 1 in blocks of 32, found version 2"),
        ({"tensors": without("l1.oln.b")}, "expected the tensor l1.oln.b, found none"),
        ({"tensors": {**random_tensors(), "emb.pos": pack_float32(np.zeros(5, np.float32))}}, r"expected emb.pos of \(40, 32\) weights, found 5"),
        ({"tensors": {**random_tensors(), "l0.k.b": (7, HIDDEN, b"")}}, "l0.k.b .* of type 7"),
        ({"vocabulary": 9}, "expected pieces for at most 9 tokens, found 30"),
        ({"pieces": PIECES[:3]}, "found 3 with the special tokens"),
    ],
)  # fmt: skip
def test_e5_file_of_other_content_raises(tmp_path: Path, changes: Mapping[str, Any], message: str) -> None:
    write_e5_file(tmp_path / "tiny.bin", **changes)
    with pytest.raises(ValueError, match=message):
        convert_e5(tmp_path / "tiny.bin", tmp_path / "source")
    assert not (tmp_path / "source").exists()


@pytest.mark.parametrize("size", [0, 3, 4, 20, 60, 300, 700, 2000, -1])
def test_e5_file_cut_short_raises(tmp_path: Path, size: int) -> None:
    write_e5_file(tmp_path / "whole.bin")
    (tmp_path / "cut.bin").write_bytes((tmp_path / "whole.bin").read_bytes()[:size])
    with pytest.raises(ValueError, match=r"expected a file that begins with|ends before its last tensor"):
        convert_e5(tmp_path / "cut.bin", tmp_path / "source")


def test_registered_encoder_ranks_across_languages() -> None:
    """The nearest passage to a question is the one that answers it, in the other language, too."""
    model = find_model(NAME)
    installed = local_folder(model)
    if installed is None:
        pytest.skip(f"{NAME} is not installed: pull it")
    embedder = OpenVINOEmbedder(model, openvino_folder(model, installed))
    passages = [
        "Paris is the capital of France.",
        "Git stores objects in packfiles.",
        "线粒体产生细胞的大部分能量。",
        "地球绕太阳一周需要一年。",
    ]
    vectors = embedder.embed(passages)
    for question, best in (("法国的首都是哪里", 0), ("What makes a cell's energy?", 2), ("Git 把对象存储在哪里?", 1)):
        assert int(np.argmax(vectors @ embedder.embed_query(question))) == best
    assert float(vectors[0] @ embedder.embed_query("法国的首都是哪里")) == pytest.approx(0.83, abs=0.02)
    np.testing.assert_array_equal(embedder.embed(passages[::-1])[::-1], vectors)
    torch_embedder = SentenceTransformersEmbedder(model, transformers_folder(model, installed), device="cpu")
    assert (vectors * torch_embedder.embed(passages)).sum(axis=1).min() > 0.999
