"""Measure the peak memory of one run: ``python tests/support/peak_memory.py answer|lora MODEL CONTEXT BATCH``.

Prints one JSON line: ``peak`` and ``before`` (with the libraries loaded, no model yet), resident bytes. The memory
planner's estimates are compared with it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from threading import Event, Thread
from typing import Any


def resident_bytes(field: str = "VmRSS") -> int:
    """Return the bytes that this process holds now (``VmRSS``), or its maximum so far (``VmHWM``)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1]) * 1024


def measure_answering(name: str, context: int) -> dict[str, int]:
    """Measure the answer to a prompt that fills the context, on the device that this machine uses for the model."""
    from kgrag.llm.loader import load_llm
    from kgrag.protocols import GenerationOptions

    before = resident_bytes()
    llm = load_llm(name)
    prompt = "word " * (context - 60)
    while llm.count(prompt) > context - 60:
        prompt = prompt[: int(len(prompt) * 0.95)]
    llm.generate([{"role": "user", "content": prompt}], GenerationOptions(max_tokens=16))
    return {"before": before, "peak": resident_bytes("VmHWM")}


def measure_lora_training(name: str, context: int, batch: int) -> dict[str, int]:
    """Three steps of LoRA training in fp32 with AdamW on rank 16, every matrix of the layers."""
    import peft
    import torch
    from transformers import AutoModelForCausalLM

    from kgrag.models.convert import local_folder, transformers_folder
    from kgrag.models.registry import find_model

    torch.set_num_threads(1)
    registry_entry = find_model(name)
    folder = local_folder(registry_entry, any_precision=True)
    assert folder is not None
    before = resident_bytes()
    config: Any = peft.LoraConfig(r=16, target_modules="all-linear", task_type="CAUSAL_LM")
    model: Any = AutoModelForCausalLM.from_pretrained(
        str(transformers_folder(registry_entry, folder)), dtype=torch.float32
    )
    model = peft.get_peft_model(model, config)
    model.train()
    peak_after_load = resident_bytes("VmHWM")
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad])
    ids = torch.randint(0, 1000, (batch, context))
    peak_anonymous, finished = 0, Event()

    def sample_memory() -> None:
        nonlocal peak_anonymous
        while not finished.wait(0.005):
            peak_anonymous = max(peak_anonymous, resident_bytes("RssAnon"))

    sampler = Thread(target=sample_memory, daemon=True)
    sampler.start()
    for _ in range(3):
        model(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    finished.set()
    sampler.join()
    return {"before": before, "loaded": peak_after_load, "anon": peak_anonymous, "peak": resident_bytes("VmHWM")}


if __name__ == "__main__":
    kind, name, context, batch = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    print(
        json.dumps(
            measure_answering(name, context) if kind == "answer" else measure_lora_training(name, context, batch)
        )
    )
