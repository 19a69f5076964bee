"""``make gpu-check``: check the GPU code on your device, with two tables to paste into a report.

Each row of the first table is a runtime choice (precision, attention, spread) with its results: whether the model loads,
gives the same answer as the others, follows a schema and returns probabilities; seconds, tokens per second, and the peak
GPU memory against the planner's estimate. Each row of the second table is a few training steps by one method.
"""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from kgrag.dev.benchmarks.training_speed import synthetic_examples
from kgrag.errors import KgragError
from kgrag.llm.loader import SMALL_MODEL, weights_folder
from kgrag.models.device import GB, this_device
from kgrag.models.memory_plan import Workload, memory_need
from kgrag.models.precision import PRECISION_BYTES, RuntimeChoice, choose_runtime
from kgrag.models.registry import find_model
from kgrag.protocols import GenerationOptions
from kgrag.tune.training.memory_check import memory_needed
from kgrag.tune.training.settings import METHODS, Method, TrainingConfig
from kgrag.tune.training.settings import plan_for_device as decide_training

TEST_MESSAGES = [{"role": "user", "content": "What is the capital of France? One word."}]
ANSWER_SCHEMA = '{"type": "object", "properties": {"capital": {"type": "string"}}, "required": ["capital"]}'
PROMPT_TOKENS = 1024
TRAINING_STEPS = 8
"""Training steps by each method."""


def main(name: str = SMALL_MODEL) -> int:
    """Print the tables for a model. Return 0 if all available choices work, 1 if one fails, 3 without a GPU."""
    device = this_device()
    print(f"device: {device.kind}, {device.name}, {device.count} of them, {device.memory / GB:.0f} GB, bf16 {device.bf16}, "
          f"flash {device.flash}, bitsandbytes {device.bitsandbytes}")  # fmt: skip
    if device.kind == "cpu":
        print("Expected a GPU that torch can use, found none: nothing to check.")
        return 3
    print("| precision | attention | loads | answer | schema | score | first word | tokens/s | peak | planned |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    has_failed = False
    model = find_model(name)
    for precision in PRECISION_BYTES:
        for attention in ("eager", "sdpa", "flash_attention_2"):
            try:
                choice = choose_runtime(model, device, precision, attention)
            except KgragError as error:
                print(f"| {precision} | {attention} | not available: {str(error)[:60]} | | | | | | | |")
                continue
            cells, is_good = _inference_row(name, choice)
            has_failed = has_failed or not is_good
            print(f"| {precision} | {attention} | {' | '.join(cells)} |", flush=True)
    print("\n| training | in | held-out loss | tokens/s | peak | planned |")
    print("|---|---|---|---|---|---|")
    for method in METHODS:
        try:
            precision_choice = decide_training(method, device)
        except KgragError as error:
            print(f"| {method} | not available: {str(error)[:60]} | | | | |")
            continue
        cells, is_good = _training_row(name, method)
        has_failed = has_failed or not is_good
        print(
            f"| {method} | {precision_choice.compute_dtype or precision_choice.weights} | {' | '.join(cells)} |",
            flush=True,
        )
    return int(has_failed)


def _inference_row(name: str, choice: RuntimeChoice) -> tuple[list[str], bool]:
    """Return the cells of a row, and whether all checks passed."""
    import torch

    from kgrag.llm.transformers_backend import TransformersLLM

    model = find_model(name)
    is_cuda = choice.device == "cuda"
    try:
        if is_cuda:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        started = time.perf_counter()
        llm = TransformersLLM(weights_folder(model), model.name, model.context, choice)
        load_time = f"{time.perf_counter() - started:.1f} s"
        answer = llm.generate(TEST_MESSAGES, GenerationOptions(max_tokens=8)).strip()
        schema_answer = llm.generate(TEST_MESSAGES, GenerationOptions(max_tokens=32, schema=ANSWER_SCHEMA)).strip()
        score = llm.score(TEST_MESSAGES, "Paris")
        times: list[float] = []
        prompt = [{"role": "user", "content": "word " * (PROMPT_TOKENS - 128) + "Write on about words."}]
        started = time.perf_counter()
        text = llm.generate(
            prompt, GenerationOptions(max_tokens=64), on_text=lambda _: times.append(time.perf_counter())
        )
        tokens_per_second = (llm.count(text) - 1) / max(times[-1] - times[0], 1e-9)
        peak: Any = torch.cuda.max_memory_allocated() if is_cuda else 0
        planned_bytes = (
            memory_need(model.shape, choice.precision, Workload(PROMPT_TOKENS), "transformers", choice.device).total
            if model.shape
            else 0
        )
        is_good = "Paris" in answer and schema_answer.startswith("{") and score < 0
        return [load_time, answer, schema_answer, f"{score:.2f}", f"{times[0] - started:.2f} s", f"{tokens_per_second:.0f}", f"{peak / GB:.2f} GB",
                f"{planned_bytes / GB:.2f} GB"], is_good  # fmt: skip
    except Exception as error:  # any error of a GPU library belongs in the table
        return [f"{type(error).__name__}: {str(error)[:80]}", *[""] * 7], False


def _training_row(name: str, method: Method) -> tuple[list[str], bool]:
    """Return the cells of a few training steps by one method, and whether the held-out loss fell."""
    import torch

    from kgrag.tune.training.run import TrainingJob, train_adapter

    settings = TrainingConfig(method=method, rank=8, steps=TRAINING_STEPS, patience=0, look=2000)
    made_up_examples = synthetic_examples(groups=9)
    examples = [replace(one, held=number >= len(made_up_examples) - 3) for number, one in enumerate(made_up_examples)]
    rates: list[float] = []
    try:
        if is_cuda := torch.cuda.is_available():
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        with tempfile.TemporaryDirectory() as folder:
            job = TrainingJob(name, Path(folder) / "trained", settings, examples)
            answer_phase = train_adapter(
                job, lambda _: None, lambda *_: None, lambda _, now: rates.append(now.tokens_per_second)
            )["phases"]["answers"]
        before, after = answer_phase["before"]["held loss"], answer_phase["after"]["held loss"]
        peak = torch.cuda.max_memory_allocated() if is_cuda else 0
        shape, device = find_model(name).shape, this_device()
        planned_bytes = memory_needed(shape, settings, decide_training(method, device)).total if shape else 0
        cells = [
            f"{before:.2f} to {after:.2f}",
            f"{rates[-1]:.0f}",
            f"{peak / GB:.1f} GB",
            f"{planned_bytes / GB:.1f} GB",
        ]
        return cells, after < before
    except Exception as error:  # as above
        return [f"{type(error).__name__}: {str(error)[:80]}", *[""] * 3], False


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
