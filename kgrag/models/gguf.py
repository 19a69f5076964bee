"""Convert a GGUF file to a bf16 transformers folder: ``python -m kgrag.models.gguf FILE FOLDER``.

transformers reads such files too, but parses them five times over and holds every weight in float32 (91 s and 11 GB
for a 1.5B model). This module reads, dequantises and writes one tensor at a time. It supports Qwen2 and Llama.
"""

from __future__ import annotations

import json
import mmap
import re
import struct
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kgrag.models.architecture import ModelArchitecture, architecture_from_config

SUPPORTED_ARCHITECTURES = ("qwen2", "llama")
_SCALAR_FORMATS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING_TYPE, _ARRAY_TYPE = 8, 9
_CONTROL_TOKEN = 3
_ROWS_PER_STEP = 4096

_TENSOR_NAMES = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_CONFIG_FIELDS = {
    "context_length": "max_position_embeddings",
    "block_count": "num_hidden_layers",
    "feed_forward_length": "intermediate_size",
    "embedding_length": "hidden_size",
    "attention.head_count": "num_attention_heads",
    "attention.head_count_kv": "num_key_value_heads",
    "attention.layer_norm_rms_epsilon": "rms_norm_eps",
}


class PackedTensor(NamedTuple):
    """A tensor as stored in the file: ``data`` is (rows, bytes per row), ``packing`` is GGML's type number."""

    shape: tuple[int, ...]
    packing: int
    data: NDArray[np.uint8]


class Gguf:
    """The metadata (``fields``) and tensors (by GGUF name) of a memory-mapped file."""

    def __init__(self, path: Path) -> None:
        """Read the header of ``path``.

        Raises:
            ValueError: the file is not GGUF version 2 or 3, or is incomplete.
        """
        if not path.stat().st_size:
            raise ValueError("expected GGUF version 2 or 3, found an empty file: download it again")
        with path.open("rb") as file:
            self._mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._position = 0
        magic, version, tensors, fields = self._unpack("4sIQQ")
        if magic != b"GGUF" or version not in (2, 3):
            raise ValueError(f"expected GGUF version 2 or 3, found {magic!r} version {version}: choose another file")
        self.fields: dict[str, Any] = {}
        for _ in range(fields):
            name = self._read_string()
            self.fields[name] = self._read_value(self._unpack("I")[0])
        tensor_headers = [self._read_tensor_header() for _ in range(tensors)]
        alignment = int(self.fields.get("general.alignment", 32))
        base = -(-self._position // alignment) * alignment
        self.tensors = {
            name: self._map_tensor(shape, kind, base + offset) for name, shape, kind, offset in tensor_headers
        }

    def architecture(self) -> ModelArchitecture:
        """Return the model's layer sizes.

        Raises:
            ValueError: the architecture is not supported.
        """
        architecture_name = str(self.fields.get("general.architecture"))
        if architecture_name not in SUPPORTED_ARCHITECTURES:
            raise ValueError(
                f"expected architecture {' or '.join(SUPPORTED_ARCHITECTURES)}, found {architecture_name}: get the "
                "model as safetensors, or serve it with llama.cpp and pass the server's address"
            )
        config = {
            name: self.fields[f"{architecture_name}.{key}"]
            for key, name in _CONFIG_FIELDS.items()
            if f"{architecture_name}.{key}" in self.fields
        }
        config |= {"vocab_size": self.tensors["token_embd.weight"].shape[0], "model_type": architecture_name}
        return architecture_from_config(
            config | {"tie_word_embeddings": _tie_embeddings(dict(self.tensors))}, "the file"
        )

    def _unpack(self, layout: str) -> tuple[Any, ...]:
        end = self._position + struct.calcsize("<" + layout)
        if end > len(self._mapping):
            raise ValueError(
                "expected GGUF version 2 or 3, found a file that ends within its header: download it again"
            )
        values = struct.unpack_from("<" + layout, self._mapping, self._position)
        self._position = end
        return values

    def _read_string(self) -> str:
        (length,) = self._unpack("Q")
        self._position += length
        return self._mapping[self._position - length : self._position].decode("utf-8", "replace")

    def _read_value(self, value_type: int) -> Any:
        if value_type == _STRING_TYPE:
            return self._read_string()
        if value_type != _ARRAY_TYPE:
            return self._unpack(_SCALAR_FORMATS[value_type])[0]
        item_type, length = self._unpack("IQ")
        if item_type in (_STRING_TYPE, _ARRAY_TYPE):
            return [self._read_value(item_type) for _ in range(length)]
        return list(self._unpack(f"{length}{_SCALAR_FORMATS[item_type]}"))

    def _read_tensor_header(self) -> tuple[str, tuple[int, ...], int, int]:
        name = self._read_string()
        (dimensions,) = self._unpack("I")
        shape = self._unpack(f"{dimensions}Q")[::-1]
        kind, offset = self._unpack("IQ")
        return name, shape, kind, offset

    def _map_tensor(self, shape: tuple[int, ...], kind: int, start: int) -> PackedTensor:
        from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

        block, size = GGML_QUANT_SIZES[GGMLQuantizationType(kind)]
        rows = int(np.prod(shape[:-1], dtype=np.int64))
        width = shape[-1] // block * size
        if start + rows * width > len(self._mapping):
            raise ValueError("found a file that ends before its last tensor: it is incomplete, download it again")
        flat = np.frombuffer(self._mapping, np.uint8, rows * width, start)
        return PackedTensor(shape, kind, flat.reshape(rows, width))


def dequantize_rows(tensor: PackedTensor, start: int, end: int) -> NDArray[np.float32]:
    """Return rows ``start`` to ``end`` of a tensor as float32, (rows, columns)."""
    from gguf import GGMLQuantizationType, dequantize

    packed = tensor.data[start:end]
    kind = GGMLQuantizationType(tensor.packing)
    if kind in (GGMLQuantizationType.F32, GGMLQuantizationType.F16):
        return packed.view(np.float32 if kind == GGMLQuantizationType.F32 else np.float16).astype(np.float32)
    values: NDArray[np.float32] = dequantize(packed, kind)
    return values


def convert_gguf(file: Path, folder: Path) -> None:
    """Save ``file`` with its tokenizer and chat template in ``folder``: config.json, model.safetensors and the rest.

    Raises:
        ValueError: the file is not in GGUF format, or its architecture is not supported.
    """
    gguf = Gguf(file)
    gguf.architecture()
    architecture = str(gguf.fields["general.architecture"])
    folder.mkdir(parents=True, exist_ok=True)
    tensors = dict(gguf.tensors)
    tensors.pop("rope_freqs.weight", None)
    tied = _tie_embeddings(tensors)
    _save_config(gguf, architecture, tied, folder)
    _save_tokenizer(gguf, architecture, folder)
    heads = int(gguf.fields[f"{architecture}.attention.head_count"])
    pairs = {"attn_q": heads, "attn_k": int(gguf.fields[f"{architecture}.attention.head_count_kv"])}
    _save_weights(tensors, pairs if architecture == "llama" else {}, folder / "model.safetensors")


def _tie_embeddings(tensors: dict[str, PackedTensor]) -> bool:
    """Drop the output embedding if it equals the input embedding; return whether they are tied.

    Tied models are often packed with two copies of different precision, which then differ slightly.
    """
    last, first = tensors.get("output.weight"), tensors["token_embd.weight"]
    if last is None:
        return True
    first_rows, last_rows = dequantize_rows(first, 0, 256), dequantize_rows(last, 0, 256)
    if (
        first_rows.shape != last_rows.shape
        or float(
            (first_rows * last_rows).sum() / np.sqrt((first_rows * first_rows).sum() * (last_rows * last_rows).sum())
        )
        < 0.98
    ):
        return False
    finer = last if last.data.shape[1] > first.data.shape[1] else first
    tensors["token_embd.weight"] = finer
    del tensors["output.weight"]
    return True


def _save_config(gguf: Gguf, architecture: str, tied: bool, folder: Path) -> None:
    from transformers import AutoConfig, GenerationConfig

    fields = gguf.fields
    config_fields = {
        name: fields[f"{architecture}.{key}"]
        for key, name in _CONFIG_FIELDS.items()
        if f"{architecture}.{key}" in fields
    }
    eos_id = fields.get("tokenizer.ggml.eos_token_id")
    config: Any = AutoConfig.for_model(
        architecture,
        **config_fields,
        vocab_size=gguf.tensors["token_embd.weight"].shape[0],
        rope_parameters={
            "rope_type": "default",
            "rope_theta": float(fields.get(f"{architecture}.rope.freq_base", 10000.0)),
        },
        tie_word_embeddings=tied,
        bos_token_id=fields.get("tokenizer.ggml.bos_token_id"),
        eos_token_id=eos_id,
        pad_token_id=fields.get("tokenizer.ggml.padding_token_id"),
        architectures=["Qwen2ForCausalLM" if architecture == "qwen2" else "LlamaForCausalLM"],
        dtype="bfloat16",
    )
    config.save_pretrained(str(folder))
    GenerationConfig.from_model_config(config).save_pretrained(str(folder))


def _save_tokenizer(gguf: Gguf, architecture: str, folder: Path) -> None:
    from transformers import PreTrainedTokenizerFast
    from transformers.integrations.ggml import convert_gguf_tokenizer

    prefix = "tokenizer.ggml."
    fields = {name[len(prefix) :]: value for name, value in gguf.fields.items() if name.startswith(prefix)}
    vocabulary = fields["tokens"]
    # Llama-type models with a byte-pair tokenizer use GPT-2's converter, whatever their architecture.
    kind = architecture if architecture == "qwen2" else "gpt2" if fields.get("model") == "gpt2" else "llama"
    backend_tokenizer, _ = convert_gguf_tokenizer(kind, {"tokens": vocabulary, "merges": fields["merges"]})
    control = [
        word for word, type_ in zip(vocabulary, fields.get("token_type", []), strict=False) if type_ == _CONTROL_TOKEN
    ]
    backend_tokenizer.add_special_tokens(control)
    special = {"eos_token": "eos_token_id", "bos_token": "bos_token_id", "pad_token": "padding_token_id"}
    tokenizer_class: Any = PreTrainedTokenizerFast  # untyped
    tokenizer = tokenizer_class(
        tokenizer_object=backend_tokenizer,
        model_max_length=int(gguf.fields[f"{architecture}.context_length"]),
        clean_up_tokenization_spaces=False,
        chat_template=gguf.fields.get("tokenizer.chat_template"),
        **{name: vocabulary[fields[key]] for name, key in special.items() if key in fields},
    )
    tokenizer.save_pretrained(str(folder))


def _save_weights(tensors: dict[str, PackedTensor], interleaved_heads: dict[str, int], path: Path) -> None:
    """Write safetensors piece by piece. ``interleaved_heads``: tensors with interleaved rotary halves -> heads."""
    import torch

    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name, tensor in tensors.items():
        size = 2 * int(np.prod(tensor.shape, dtype=np.int64))
        header[_transformers_name(name)] = {
            "dtype": "BF16",
            "shape": list(tensor.shape),
            "data_offsets": [offset, offset + size],
        }
        offset += size
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    with path.open("wb") as out:
        out.write(struct.pack("<Q", len(head)) + head)
        for name, tensor in tensors.items():
            count = tensor.data.shape[0]
            part = name.split(".")[-2]
            step = count if part in interleaved_heads else _ROWS_PER_STEP
            for start in range(0, count, step):
                values = dequantize_rows(tensor, start, min(count, start + step))
                if part in interleaved_heads:
                    split = values.reshape(interleaved_heads[part], -1, 2, values.shape[-1])
                    values = np.ascontiguousarray(split.swapaxes(1, 2)).reshape(values.shape)
                bf16_values = torch.from_numpy(np.ascontiguousarray(values)).to(torch.bfloat16)
                out.write(bf16_values.view(torch.int16).numpy().tobytes())


def _transformers_name(name: str) -> str:
    """Return transformers' name of a tensor."""
    match = re.fullmatch(r"(?:blk\.(\d+)\.)?(\w+)\.(weight|bias)", name)
    if match is None or match[2] not in _TENSOR_NAMES:
        raise ValueError(f"found the unknown tensor {name}: convert the file with another tool")
    layer = "" if match[1] is None else f"model.layers.{match[1]}."
    return f"{layer}{_TENSOR_NAMES[match[2]]}.{match[3]}"


if __name__ == "__main__":
    convert_gguf(Path(sys.argv[1]), Path(sys.argv[2]))
