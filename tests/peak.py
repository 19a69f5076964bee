"""The peak of memory of one run, measured from outside the planner: ``python tests/peak.py answer|lora MODEL CONTEXT BATCH``.

Prints one JSON line: ``peak`` and ``before`` (with the libraries loaded, no model yet), bytes resident.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from threading import Event, Thread
from typing import Any


def resident(field: str = "VmRSS") -> int:
    """Bytes that this process holds now (``VmRSS``), or held at most (``VmHWM``)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1]) * 1024


def answer(name: str, context: int) -> dict[str, int]:
    """A prompt that fills the context, answered where this machine runs the model."""
    from kgrag.llm.choose import load_llm

    before = resident()
    llm = load_llm(name)
    prompt = "word " * (context - 60)
    while llm.count(prompt) > context - 60:
        prompt = prompt[: int(len(prompt) * 0.95)]
    llm.generate([{"role": "user", "content": prompt}], max_tokens=16)
    return {"before": before, "peak": resident("VmHWM")}


def lora(name: str, context: int, batch: int) -> dict[str, int]:
    """Three steps of LoRA training in fp32 with AdamW on rank 16, every matrix of the layers."""
    import peft
    import torch
    from transformers import AutoModelForCausalLM

    from kgrag.models.convert import ready, transformers_folder
    from kgrag.models.registry import find

    torch.set_num_threads(1)
    model_ = find(name)
    folder = ready(model_, any_precision=True)
    assert folder is not None
    before = resident()
    config: Any = peft.LoraConfig(r=16, target_modules="all-linear", task_type="CAUSAL_LM")
    model: Any = AutoModelForCausalLM.from_pretrained(str(transformers_folder(model_, folder)), dtype=torch.float32)
    model = peft.get_peft_model(model, config)
    model.train()
    loaded = resident("VmHWM")
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad])
    ids = torch.randint(0, 1000, (batch, context))
    highest, done = 0, Event()

    def watch() -> None:
        nonlocal highest
        while not done.wait(0.005):
            highest = max(highest, resident("RssAnon"))

    watcher = Thread(target=watch, daemon=True)
    watcher.start()
    for _ in range(3):
        model(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    done.set()
    watcher.join()
    return {"before": before, "loaded": loaded, "anon": highest, "peak": resident("VmHWM")}


if __name__ == "__main__":
    kind, name, context, batch = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    print(json.dumps(answer(name, context) if kind == "answer" else lora(name, context, batch)))
