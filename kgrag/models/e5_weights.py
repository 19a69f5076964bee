"""Convert an E5S1 file to a transformers folder: ``python -m kgrag.models.e5_weights FILE FOLDER``.

The file holds a BERT encoder: a header, the pieces of a unigram tokenizer with their scores, a map of characters for
normalisation, and tensors in float32 or in Q4_0 (blocks of 32 weights: a scale in half precision, then 16 bytes of two
weights each).
"""

from __future__ import annotations

import json
import struct
import sys
import unicodedata
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

MAGIC = b"E5S1"
VERSION = 1
_BLOCK = 32
_FLOAT32, _Q4_0 = 0, 1
_Q4_0_DTYPE = np.dtype([("scale", "<f2"), ("weights", "u1", _BLOCK // 2)])
_PRIVATE_USE = 0x10FF00
"""First of the code points that stand for characters which must pass NFKC unchanged; no text uses them."""

_TENSOR_NAMES = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln.w": "embeddings.LayerNorm.weight",
    "emb.ln.b": "embeddings.LayerNorm.bias",
}
_LAYER_PARTS = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
_SENTENCE_MODULES = [
    {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
    {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
]
"""Parts by which sentence-transformers knows that a vector is the mean of the tokens' states, scaled to length 1."""


class E5Header(NamedTuple):
    """Sizes of the encoder; the fields are in the order of the file."""

    hidden: int
    layers: int
    heads: int
    inner: int
    vocabulary: int
    positions: int
    types: int
    epsilon: float
    block: int


class E5File:
    """The header, tokenizer and tensors of an E5S1 file.

    ``pieces`` and ``scores`` give the tokenizer's pieces by token id. ``special`` holds the ids of <s>, </s>, <pad> and
    <unk>. ``character_map`` maps a character to the text that replaces it.
    """

    def __init__(self, path: Path) -> None:
        """Read ``path``, whose tensors stay packed until `tensor`.

        Raises:
            ValueError: the file is not in this format, or is incomplete.
        """
        self._bytes = path.read_bytes()
        self._position = 0
        if self._bytes[:4] != MAGIC:
            raise ValueError(f"expected a file that begins with {MAGIC!r}, found {self._bytes[:4]!r}: get it again")
        (_, version), fields = self._unpack("4sI"), self._unpack("7ifi")
        self.header = E5Header(*fields)
        if version != VERSION or self.header.block != _BLOCK:
            raise ValueError(
                f"expected version {VERSION} in blocks of {_BLOCK}, found version {version} in blocks of "
                f"{self.header.block}: choose another file"
            )
        self._read_tokenizer()
        self.character_map = self._read_character_map()
        (number,) = self._unpack("i")
        self._directory = dict(self._read_entry() for _ in range(number))

    def _unpack(self, layout: str) -> tuple[Any, ...]:
        data = self._take(struct.calcsize("<" + layout))
        return struct.unpack("<" + layout, data)

    def _take(self, size: int) -> bytes:
        end = self._position + size
        if size < 0 or end > len(self._bytes):
            raise ValueError("found a file that ends before its last tensor: it is incomplete, get it again")
        data = self._bytes[self._position : end]
        self._position = end
        return data

    def _read_tokenizer(self) -> None:
        number, *self.special, size = self._unpack("5iQ")
        if not 0 < number <= self.header.vocabulary or not all(0 <= token < number for token in self.special):
            raise ValueError(
                f"expected pieces for at most {self.header.vocabulary} tokens, found {number} with the special tokens "
                f"{self.special}: choose another file"
            )
        ends = np.frombuffer(self._take(4 * (number + 1)), "<u4").tolist()
        self.scores: list[float] = np.frombuffer(self._take(4 * number), "<f4").tolist()
        text = self._take(size)
        self.pieces = [text[ends[i] : ends[i + 1]].decode() for i in range(number)]

    def _read_character_map(self) -> dict[str, str]:
        number, _ = self._unpack("iI")
        characters = {}
        for _ in range(number):
            code, length = self._unpack("IB")
            characters[chr(code)] = "".join(map(chr, self._unpack(f"{length}I")))
        return characters

    def _read_entry(self) -> tuple[str, tuple[int, int, int]]:
        (length,) = self._unpack("H")
        name = self._take(length).decode()
        kind, count, offset, _ = self._unpack("BIQQ")
        return name, (kind, count, offset)

    def tensors(self) -> dict[str, NDArray[np.float32]]:
        """Return every tensor in float32 by its name in transformers."""
        h = self.header
        shapes = {"emb.word": (h.vocabulary, h.hidden), "emb.pos": (h.positions, h.hidden)}
        shapes["emb.type"] = (h.types, h.hidden)
        matrices = {"q": h.hidden, "k": h.hidden, "v": h.hidden, "ao": h.hidden, "fi": h.inner, "fo": h.hidden}
        named = {_TENSOR_NAMES[name]: self._tensor(name, shapes.get(name, (h.hidden,))) for name in _TENSOR_NAMES}
        for layer in range(h.layers):
            for part, target in _LAYER_PARTS.items():
                rows = matrices.get(part, h.hidden)
                columns = () if part not in matrices else (h.inner if part == "fo" else h.hidden,)
                base = f"encoder.layer.{layer}.{target}"
                named[f"{base}.weight"] = self._tensor(f"l{layer}.{part}.w", (rows, *columns))
                named[f"{base}.bias"] = self._tensor(f"l{layer}.{part}.b", (rows,))
        # BERT's pooler, which the mean of the states does not use; without it, transformers warns at every start
        named["pooler.dense.weight"] = np.zeros((h.hidden, h.hidden), np.float32)
        named["pooler.dense.bias"] = np.zeros(h.hidden, np.float32)
        return named

    def _tensor(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        if name not in self._directory:
            raise ValueError(f"expected the tensor {name}, found none: choose another file")
        kind, count, offset = self._directory[name]
        if count != int(np.prod(shape)) or kind not in (_FLOAT32, _Q4_0):
            raise ValueError(f"expected {name} of {shape} weights, found {count} of type {kind}: choose another file")
        self._position = offset
        if kind == _FLOAT32:
            return np.frombuffer(self._take(4 * count), "<f4").astype(np.float32).reshape(shape)
        blocks = np.frombuffer(self._take(count // _BLOCK * _Q4_0_DTYPE.itemsize), _Q4_0_DTYPE)
        nibbles = np.concatenate([blocks["weights"] & 15, blocks["weights"] >> 4], axis=1).astype(np.int8) - 8
        return (nibbles * blocks["scale"].astype(np.float32)[:, None]).astype(np.float32).reshape(shape)


def build_tokenizer(file: E5File) -> Any:
    """Return the file's tokenizer: NFKC with the exceptions of `character_map`, then a unigram model over words."""
    import tokenizers  # type: ignore[import-untyped, unused-ignore]
    from tokenizers import normalizers, pre_tokenizers

    bos, eos, pad, unknown = file.special
    tokenizer = tokenizers.Tokenizer(
        tokenizers.models.Unigram(list(zip(file.pieces, file.scores, strict=True)), unknown, False)
    )
    groups: dict[str, list[str]] = defaultdict(list)
    for character, text in file.character_map.items():
        if unicodedata.normalize("NFKC", character) != text:
            groups[text].append(character)
    # Regex classes take the place of one Replace per character, which costs a pass over the text each.
    exceptions = [
        normalizers.Replace(tokenizers.Regex("[" + "".join(f"\\x{{{ord(c):x}}}" for c in characters) + "]"), text)
        for text, characters in groups.items()
    ]
    changed = {c for piece in file.pieces for c in piece if unicodedata.normalize("NFKC", c) != c}
    kept = sorted(changed - set(file.character_map))
    placeholders = [chr(_PRIVATE_USE + number) for number in range(len(kept))]
    protections = [normalizers.Replace(*pair) for pair in zip(kept, placeholders, strict=True)]
    restorations = [normalizers.Replace(*pair) for pair in zip(placeholders, kept, strict=True)]
    tokenizer.normalizer = normalizers.Sequence([*exceptions, *protections, normalizers.NFKC(), *restorations])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")]
    )
    first, last = file.pieces[bos], file.pieces[eos]
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single=f"{first} $A {last}",
        pair=f"{first} $A {last} {last} $B {last}",
        special_tokens=[(first, bos), (last, eos)],
    )
    tokenizer.add_special_tokens([file.pieces[number] for number in (bos, pad, eos, unknown)])
    return tokenizer


def convert_e5(path: Path, folder: Path) -> None:
    """Save the encoder and the tokenizer of ``path`` in ``folder``: config.json, model.safetensors, tokenizer.json.

    Raises:
        ValueError: the file is not in E5S1 format, or is incomplete.
    """
    from safetensors.numpy import save_file
    from transformers import BertConfig, PreTrainedTokenizerFast

    file = E5File(path)
    header = file.header
    tensors = file.tensors()
    folder.mkdir(parents=True, exist_ok=True)
    bos, eos, pad, unknown = file.special
    config_class: Any = BertConfig  # untyped, as is the tokenizer
    config = config_class(
        vocab_size=header.vocabulary,
        hidden_size=header.hidden,
        num_hidden_layers=header.layers,
        num_attention_heads=header.heads,
        intermediate_size=header.inner,
        max_position_embeddings=header.positions,
        type_vocab_size=header.types,
        layer_norm_eps=header.epsilon,
        pad_token_id=pad,
        architectures=["BertModel"],
        dtype="float32",
    )
    config.save_pretrained(str(folder))
    tokenizer_class: Any = PreTrainedTokenizerFast
    tokenizer = tokenizer_class(
        tokenizer_object=build_tokenizer(file),
        model_max_length=header.positions,
        clean_up_tokenization_spaces=False,
        bos_token=file.pieces[bos],
        cls_token=file.pieces[bos],
        eos_token=file.pieces[eos],
        sep_token=file.pieces[eos],
        pad_token=file.pieces[pad],
        unk_token=file.pieces[unknown],
    )
    tokenizer.save_pretrained(str(folder))
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    pooling = {"word_embedding_dimension": header.hidden, "pooling_mode_mean_tokens": True}
    for name, content in (("modules.json", _SENTENCE_MODULES), ("1_Pooling/config.json", pooling)):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps(content, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    convert_e5(Path(sys.argv[1]), Path(sys.argv[2]))
