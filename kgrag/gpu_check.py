"""``make gpu-check``: what the code for GPUs does on yours, as two tables to paste into a report.

Each line of the first is a decision (which precision, attention, spread) and what came of it: whether the model loads, answers like
the others, follows a schema, gives probabilities; seconds, tokens a second, and the GPU's peak against the planner's. Each line
of the second is a few steps of training by one method.
"""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from kgrag.errors import KgragError
from kgrag.llm.choose import SMALL, weights_of
from kgrag.models.device import GB, this_device
from kgrag.models.plan import Task, need
from kgrag.models.precision import BYTES, Choice, decide
from kgrag.models.registry import find
from kgrag.tune.training.memory import needed
from kgrag.tune.training.settings import METHODS, Method, Settings
from kgrag.tune.training.settings import decide as decide_training
from kgrag.tune.training.speed import made_up

ASKED = [{"role": "user", "content": "What is the capital of France? One word."}]
SCHEMA = '{"type": "object", "properties": {"capital": {"type": "string"}}, "required": ["capital"]}'
LONG = 1024
STEPS = 8
"""Of training, by each method."""


def main(name: str = SMALL) -> int:
    """Print the tables for a model; 0 if all that can be had works, 1 if something does not, 3 if there is no GPU."""
    device = this_device()
    print(f"device: {device.kind}, {device.name}, {device.count} of them, {device.memory / GB:.0f} GB, bf16 {device.bf16}, "
          f"flash {device.flash}, bitsandbytes {device.bitsandbytes}")  # fmt: skip
    if device.kind == "cpu":
        print("There is no GPU that torch can use: nothing to check.")
        return 3
    print("| precision | attention | loads | answer | schema | score | first word | tokens/s | peak | planned |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    failed = False
    model = find(name)
    for precision in BYTES:
        for attention in ("eager", "sdpa", "flash_attention_2"):
            try:
                choice = decide(model, device, precision, attention)
            except KgragError as error:
                print(f"| {precision} | {attention} | not here: {str(error)[:60]} | | | | | | | |")
                continue
            cells, good = _cells(name, choice)
            failed = failed or not good
            print(f"| {precision} | {attention} | {' | '.join(cells)} |", flush=True)
    print("\n| training | in | held-out loss | tokens/s | peak | planned |")
    print("|---|---|---|---|---|---|")
    for method in METHODS:
        try:
            way = decide_training(method, device)
        except KgragError as error:
            print(f"| {method} | not here: {str(error)[:60]} | | | | |")
            continue
        cells, good = _trained(name, method)
        failed = failed or not good
        print(f"| {method} | {way.half or way.weights} | {' | '.join(cells)} |", flush=True)
    return int(failed)


def _cells(name: str, choice: Choice) -> tuple[list[str], bool]:
    """The cells of one line, and whether all of it is as it should be."""
    import torch

    from kgrag.llm.transformers import TransformersLLM

    model = find(name)
    counts = choice.device == "cuda"
    try:
        if counts:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        began = time.perf_counter()
        llm = TransformersLLM(weights_of(model), model.name, model.context, choice)
        loaded = f"{time.perf_counter() - began:.1f} s"
        answer = llm.generate(ASKED, max_tokens=8).strip()
        held = llm.generate(ASKED, max_tokens=32, schema=SCHEMA).strip()
        score = llm.score(ASKED, "Paris")
        times: list[float] = []
        prompt = [{"role": "user", "content": "word " * (LONG - 128) + "Write on about words."}]
        began = time.perf_counter()
        text = llm.generate(prompt, max_tokens=64, on_text=lambda _: times.append(time.perf_counter()))
        rate = (llm.count(text) - 1) / max(times[-1] - times[0], 1e-9)
        peak: Any = torch.cuda.max_memory_allocated() if counts else 0
        planned = (
            need(model.shape, choice.precision, Task(LONG), "transformers", choice.device).total if model.shape else 0
        )
        good = "Paris" in answer and held.startswith("{") and score < 0
        return [loaded, answer, held, f"{score:.2f}", f"{times[0] - began:.2f} s", f"{rate:.0f}", f"{peak / GB:.2f} GB",
                f"{planned / GB:.2f} GB"], good  # fmt: skip
    except Exception as error:  # whatever a GPU's libraries raise belongs in the table
        return [f"{type(error).__name__}: {str(error)[:80]}", *[""] * 7], False


def _trained(name: str, method: Method) -> tuple[list[str], bool]:
    """The cells of a few steps by one method, and whether what was held out became likelier."""
    import torch

    from kgrag.tune_run import Job, run

    settings = Settings(method=method, rank=8, steps=STEPS, patience=0, look=2000)
    made = made_up(groups=9)
    examples = [replace(one, held=number >= len(made) - 3) for number, one in enumerate(made)]
    rates: list[float] = []
    try:
        if counts := torch.cuda.is_available():
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        with tempfile.TemporaryDirectory() as folder:
            job = Job(name, Path(folder) / "trained", settings, examples)
            found = run(job, lambda _: None, lambda *_: None, lambda _, now: rates.append(now.rate))["phases"][
                "answers"
            ]
        before, after = found["before"]["held loss"], found["after"]["held loss"]
        peak = torch.cuda.max_memory_allocated() if counts else 0
        shape, device = find(name).shape, this_device()
        planned = needed(shape, settings, decide_training(method, device)).total if shape else 0
        cells = [f"{before:.2f} to {after:.2f}", f"{rates[-1]:.0f}", f"{peak / GB:.1f} GB", f"{planned / GB:.1f} GB"]
        return cells, after < before
    except Exception as error:  # as above
        return [f"{type(error).__name__}: {str(error)[:80]}", *[""] * 3], False


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
