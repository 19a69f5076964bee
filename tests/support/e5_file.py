"""A tiny encoder in an E5S1 file, with random weights."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

HIDDEN, LAYERS, HEADS, INNER, POSITIONS = 32, 2, 2, 64, 40
SPECIAL_PIECES = ("<s>", "<pad>", "</s>", "<unk>")
PIECES = (
    *SPECIAL_PIECES,
    *("▁", "▁query", "▁passage", ":", "▁the", "▁capital", "▁of", "▁France", "▁Paris", "is", "▁is", "."),
    *("法", "国", "法国", "的", "首都", "是", "哪里", "～", "1", "2", "A", "?", "é", "s"),
)
SCORES = tuple(0.0 if piece in SPECIAL_PIECES else -3.0 - number / 10 for number, piece in enumerate(PIECES))
CHARACTER_MAP = {"\t": " ", "\n": " ", "\u200b": " ", "\x01": "", "Ａ": "A", "１": "1", "\u3000": " ", "？": "?"}
Packed = tuple[int, int, bytes]


def pack_float32(values: NDArray[np.float32]) -> Packed:
    """Return (type, number of weights, bytes)."""
    return 0, values.size, values.astype("<f4").tobytes()


def pack_q4(values: NDArray[np.float32]) -> Packed:
    """Return (type, number of weights, bytes) of weights rounded to 4 bits, in blocks of 32."""
    blocks = values.reshape(-1, 32)
    scales = (np.abs(blocks).max(axis=1) / 7).astype("<f2")
    codes = np.clip(np.rint(blocks / scales.astype(np.float32)[:, None]), -8, 7).astype(np.int8) + 8
    packed = (codes[:, :16] | codes[:, 16:] << 4).astype(np.uint8)
    return 1, values.size, b"".join(s.tobytes() + row.tobytes() for s, row in zip(scales, packed, strict=True))


def random_tensors() -> dict[str, Packed]:
    """Return the tensors of the tiny encoder by their names in the file."""
    rng = np.random.default_rng(3)

    def draw(*shape: int) -> NDArray[np.float32]:
        return rng.normal(0, 0.3, shape).astype(np.float32)

    tensors = {"emb.word": pack_q4(draw(len(PIECES), HIDDEN)), "emb.pos": pack_float32(draw(POSITIONS, HIDDEN))}
    tensors |= {"emb.type": pack_float32(draw(2, HIDDEN)), "emb.ln.w": pack_float32(1 + draw(HIDDEN))}
    tensors["emb.ln.b"] = pack_float32(draw(HIDDEN))
    shapes = {**dict.fromkeys(("q", "k", "v", "ao"), (HIDDEN, HIDDEN)), "fi": (INNER, HIDDEN), "fo": (HIDDEN, INNER)}
    for layer in range(LAYERS):
        for part, shape in shapes.items():
            tensors[f"l{layer}.{part}.w"] = pack_q4(draw(*shape))
            tensors[f"l{layer}.{part}.b"] = pack_float32(draw(shape[0]))
        for part in ("aln", "oln"):
            tensors[f"l{layer}.{part}.w"] = pack_float32(1 + draw(HIDDEN))
            tensors[f"l{layer}.{part}.b"] = pack_float32(draw(HIDDEN))
    return tensors


def write_e5_file(
    path: Path,
    tensors: Mapping[str, Packed] | None = None,
    *,
    version: int = 1,
    pieces: Sequence[str] = PIECES,
    vocabulary: int = len(PIECES),
) -> None:
    """Write an encoder with the given or with random tensors."""
    tensors = random_tensors() if tensors is None else tensors
    encoded = [piece.encode() for piece in pieces]
    ends = np.cumsum([0, *map(len, encoded)])
    head = struct.pack("<4sI7ifi", b"E5S1", version, HIDDEN, LAYERS, HEADS, INNER, vocabulary, POSITIONS, 2, 1e-12, 32)
    head += struct.pack("<5iQ", len(pieces), 0, 2, 1, 3, int(ends[-1]))
    head += ends.astype("<u4").tobytes() + np.array(SCORES[: len(pieces)], "<f4").tobytes() + b"".join(encoded)
    characters = b"".join(
        struct.pack(f"<IB{len(text)}I", ord(character), len(text), *map(ord, text))
        for character, text in CHARACTER_MAP.items()
    )
    head += struct.pack("<iI", len(CHARACTER_MAP), len(characters)) + characters + struct.pack("<i", len(tensors))
    offset = len(head) + sum(2 + len(name) + 21 for name in tensors)
    for name, (kind, count, data) in tensors.items():
        head += struct.pack("<H", len(name)) + name.encode() + struct.pack("<BIQQ", kind, count, offset, len(data))
        offset += len(data)
    path.write_bytes(head + b"".join(data for _, _, data in tensors.values()))
