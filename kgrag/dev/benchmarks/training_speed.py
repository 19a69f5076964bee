"""Training speed compared with a plain peft loop, on the same examples, in one process, one after the other."""

from __future__ import annotations

import copy
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any, TypedDict

from kgrag import prompts
from kgrag.tune.data.example import Example
from kgrag.tune.training.heldout_eval import evidence_text
from kgrag.tune.training.packed_forward import PackedModel
from kgrag.tune.training.peft_model import add_adapter, load_base, trainable_parameters
from kgrag.tune.training.prefix_packing import PackedSequence, build_packs
from kgrag.tune.training.settings import DevicePlan, TrainingConfig
from kgrag.tune.training.tokenization import ChatEncoder, EncodedExample, find_turn_ends

PLAIN_LOOP = "plain loop"
LoopSpeed = TypedDict("LoopSpeed", {"tokens per second": float, "times the plain loop": float, "runs": list[float]})
"""The median speed of a loop, its ratio to the plain loop, and the speed of each run."""
TrainingSpeedReport = TypedDict(
    "TrainingSpeedReport",
    {"examples": int, "tokens": int, "tokens in packs": int, "left out": int, "ways": dict[str, LoopSpeed]},
)
"""Examples that fit, their tokens one by one and in packs, examples that are too long, and the speed of each loop."""
_WORDS = [
    "river",
    "bridge",
    "stone",
    "library",
    "village",
    "engine",
    "school",
    "northern",
    "written",
    "company",
    "garden",
    "winter",
    "music",
    "station",
    "founded",
    "island",
    "history",
    "family",
    "street",
    "market",
    "famous",
    "doctor",
    "painter",
    "council",
    "tower",
    "railway",
    "forest",
    "museum",
    "harbour",
    "paper",
]


def synthetic_examples(
    groups: int = 8, questions_per_group: int = 3, words: int = 50, passages: int = 5, seed: int = 0
) -> list[Example]:
    """Make examples of the usual size: ``questions_per_group`` questions on the same passages of random words.

    A group has ``passages`` passages of ``words`` words each.
    """
    rng = random.Random(seed)
    examples = []
    for group in range(groups):
        passage_list = [(f"Passage {n}", " ".join(rng.choices(_WORDS, k=words))) for n in range(passages)]
        for n in range(questions_per_group):
            question = f"What is the {rng.choice(_WORDS)} of the {rng.choice(_WORDS)} {rng.choice(_WORDS)}?"
            answer = " ".join(rng.choices(_WORDS, k=3))
            examples.append(Example(f"{group}-{n}", prompts.grounded_prompt(question, passage_list), answer))
    return examples


def take_first(examples: Sequence[Example], number: int) -> list[Example]:
    """Return the first examples, about ``number``, with all that share their evidence."""
    chosen: dict[str, None] = {}
    for example in examples:
        if sum(evidence_text(other) in chosen for other in examples) >= number:
            break
        chosen[evidence_text(example)] = None
    return [example for example in examples if evidence_text(example) in chosen]


def measure_training_speed(
    folder: Path,
    name: str,
    examples: Sequence[Example],
    settings: TrainingConfig,
    device_plan: DevicePlan,
    *,
    repeats: int = 2,
    cache_bytes: int = 2 * 10**9,
    on_progress: Callable[[], None] = lambda: None,
) -> TrainingSpeedReport:
    """Measure the tokens of separate examples that each training loop learns in a second.

    The plain loop: LoRA of the same rank on all projections of all layers, one example at a time, logits and labels at
    every token as transformers computes its loss, the optimiser after each ``settings.batch`` examples, the same
    precision. The others: packs, with LoRA in all layers and in those of ``settings``, in the first round and in later
    ones (which reuse the cached output of the frozen layers).

    Args:
        folder: of the transformers model.
        name: of the model.
        examples: to learn from.
        settings: of the training.
        device_plan: precision and device.
        repeats: runs of each loop; the report has their median.
        cache_bytes: memory for the output of the frozen layers.
        on_progress: called after each run.
    """
    tokenizer, base = load_base(folder, name, device_plan)
    encoder = ChatEncoder(tokenizer, find_turn_ends(folder, tokenizer), name)
    encoded = [encoder.encode(example.messages, example.answer) for example in examples]
    fitting = [sequence for sequence in encoded if len(sequence.ids) <= settings.tokens]
    built_packs = build_packs(fitting, settings.tokens, max_sequences=settings.batch, seed=settings.seed)
    plain_model = add_adapter(_copy_sharing_weights(base), replace(settings, layers="all"))
    runners: dict[str, Callable[[], float]] = {PLAIN_LOOP: lambda: _run_plain_loop(plain_model, fitting, settings)}
    full_model = PackedModel(
        add_adapter(_copy_sharing_weights(base), replace(settings, layers="all")), half_dtype=device_plan.compute_dtype
    )
    runners["packs, all layers"] = lambda: _run_packed(full_model, built_packs, settings)
    if settings.layers != "all":
        frozen = settings.first_trained_layer(int(base.config.num_hidden_layers))
        frozen_model = PackedModel(
            add_adapter(_copy_sharing_weights(base), settings),
            frozen_layers=frozen,
            half_dtype=device_plan.compute_dtype,
            cache_bytes=cache_bytes,
        )
        label = f"packs, upper {settings.layers}"

        def first_round() -> float:
            frozen_model.clear_cache()
            return _run_packed(frozen_model, built_packs, settings)

        runners[f"{label}, first round"] = first_round
        runners[f"{label}, later rounds"] = lambda: _run_packed(frozen_model, built_packs, settings)
    tokens = sum(len(sequence.ids) for sequence in fitting)
    runs: dict[str, list[float]] = {label: [] for label in runners}
    _run_plain_loop(plain_model, fitting[:1], settings)  # warm up: the first run starts threads and allocates buffers
    for _ in range(repeats):
        for label, run in runners.items():
            start = time.perf_counter()
            run()
            runs[label].append(tokens / (time.perf_counter() - start))
            on_progress()
    speeds = {label: median(rates) for label, rates in runs.items()}
    return {
        "examples": len(fitting),
        "tokens": tokens,
        "tokens in packs": sum(map(len, built_packs)),
        "left out": len(encoded) - len(fitting),
        "ways": {
            label: {"tokens per second": speeds[label], "times the plain loop": speeds[label] / speeds[PLAIN_LOOP], "runs": runs[label]}
            for label in runners
        },
    }  # fmt: skip


def _run_plain_loop(model: Any, sequences: Sequence[EncodedExample], settings: TrainingConfig) -> float:
    """Run the usual loop; return the mean loss of an example."""
    import torch

    with _optimizer_step(model, settings) as step:
        total = 0.0
        for number, sequence in enumerate(sequences, 1):
            ids = torch.tensor([sequence.ids], device=model.device)
            labels = ids.clone()
            labels[0, : sequence.answer_start] = -100
            loss = model(input_ids=ids, labels=labels).loss
            (loss / settings.batch).backward()
            total += loss.item()
            if number % settings.batch == 0 or number == len(sequences):
                step()
    return total / len(sequences)


def _run_packed(network: PackedModel, training_packs: Sequence[PackedSequence], settings: TrainingConfig) -> float:
    """Run packs as `kgrag.tune.training.loop` does; return the mean loss of a token."""
    with _optimizer_step(network.model, settings) as step:
        total, examples_since_step = 0.0, 0
        for number, pack in enumerate(training_packs, 1):
            loss = -network.logprobs(pack).sum() / len(pack.targets)
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.item()
            examples_since_step += len(pack.members)
            if examples_since_step >= settings.batch or number == len(training_packs):
                step()
                examples_since_step = 0
    return total / len(training_packs)


@contextmanager
def _optimizer_step(model: Any, settings: TrainingConfig) -> Iterator[Callable[[], None]]:
    """Provide the optimiser's step, with gradients clipped as in the loop."""
    import torch

    parameters = list(trainable_parameters(model).values())
    optimizer = torch.optim.AdamW(parameters, lr=settings.rate, weight_decay=0.0)
    model.train()

    def step() -> None:
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    yield step
    optimizer.zero_grad(set_to_none=True)


def _copy_sharing_weights(model: Any) -> Any:
    """Copy a model but share its weights: its layers can be wrapped separately, and the memory is needed once."""
    shared = [*model.parameters(), *model.buffers()]
    return copy.deepcopy(model, {id(tensor): tensor for tensor in shared})
