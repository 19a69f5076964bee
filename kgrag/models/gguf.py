"""A GGUF file to a bf16 transformers folder: ``python -m kgrag.models.gguf FILE FOLDER``, in a process of its own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any


def unpack(file: Path, folder: Path) -> None:
    """Dequantise ``file`` and save it, with its tokenizer and chat template, as bf16 safetensors in ``folder``.

    Raises:
        Exception: whatever transformers raises for a file it cannot read; the caller shows its last lines.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(file.parent), gguf_file=file.name)
    model = AutoModelForCausalLM.from_pretrained(str(file.parent), gguf_file=file.name, dtype=torch.bfloat16)
    head: Any = model.lm_head
    embedding: Any = model.get_input_embeddings()
    if torch.equal(head.weight, embedding.weight):
        # transformers unties what the file stores once; left so, it would be kept, trained and run twice.
        model.config.tie_word_embeddings = True
        model.tie_weights()
    model.save_pretrained(str(folder))
    tokenizer.save_pretrained(str(folder))


if __name__ == "__main__":
    unpack(Path(sys.argv[1]), Path(sys.argv[2]))
