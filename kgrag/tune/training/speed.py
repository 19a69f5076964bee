"""How fast it learns: beside a plain loop of peft, on the same examples, in the same process, one after the other."""

from __future__ import annotations

import copy
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from kgrag import prompts
from kgrag.tune.example import Example
from kgrag.tune.training.encoding import Encoded, Encoder, turn_ends
from kgrag.tune.training.measured import evidence
from kgrag.tune.training.methods import load_base, trained, with_adapter
from kgrag.tune.training.network import Network
from kgrag.tune.training.packing import Pack, packs
from kgrag.tune.training.settings import Settings, Way

PLAIN = "plain loop"
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


def made_up(groups: int = 8, each: int = 3, words: int = 50, passages: int = 5, seed: int = 0) -> list[Example]:
    """Examples of the usual size: ``each`` questions on the same ``passages`` of ``words`` words that say nothing."""
    draw = random.Random(seed)
    found = []
    for group in range(groups):
        given = [(f"Passage {n}", " ".join(draw.choices(_WORDS, k=words))) for n in range(passages)]
        for n in range(each):
            asked = f"What is the {draw.choice(_WORDS)} of the {draw.choice(_WORDS)} {draw.choice(_WORDS)}?"
            answer = " ".join(draw.choices(_WORDS, k=3))
            found.append(Example(f"{group}-{n}", prompts.grounded(asked, given), answer))
    return found


def first(examples: Sequence[Example], number: int) -> list[Example]:
    """The first of them, about ``number``, with all that have the same evidence."""
    chosen: dict[str, None] = {}
    for one in examples:
        if sum(evidence(other) in chosen for other in examples) >= number:
            break
        chosen[evidence(one)] = None
    return [one for one in examples if evidence(one) in chosen]


def speed(
    folder: Path,
    name: str,
    examples: Sequence[Example],
    settings: Settings,
    way: Way,
    *,
    repeats: int = 2,
    keep: int = 2 * 10**9,
    tick: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Tokens of separate examples that are learned from in a second, each way.

    The plain loop: LoRA of the same rank on all projections of all layers, one example at a time, logits and labels at
    every token as transformers computes its loss, the optimiser after each ``settings.batch`` examples, the same
    precision. The others: packs, with LoRA in all layers and in those of ``settings``, in the first round and in later
    ones (which find what the frozen layers made).

    Returns:
        ``examples``, ``tokens`` (one by one), ``tokens in packs``, ``left out`` (too long), and ``ways``: name -> ``tokens per
        second`` (median of ``runs``), ``times the plain loop``.
    """
    tokenizer, base = load_base(folder, name, way)
    encoder = Encoder(tokenizer, turn_ends(folder, tokenizer), name)
    encoded = [encoder.encode(one.messages, one.answer) for one in examples]
    fits = [one for one in encoded if len(one.ids) <= settings.tokens]
    made = packs(fits, settings.tokens, together=settings.batch, seed=settings.seed)
    plain = with_adapter(_twin(base), replace(settings, layers="all"))
    ways: dict[str, Callable[[], float]] = {PLAIN: lambda: _plain(plain, fits, settings)}
    every = Network(with_adapter(_twin(base), replace(settings, layers="all")), half=way.half)
    ways["packs, all layers"] = lambda: _packed(every, made, settings)
    if settings.layers != "all":
        frozen = settings.first(int(base.config.num_hidden_layers))
        upper = Network(with_adapter(_twin(base), settings), frozen=frozen, half=way.half, keep=keep)
        label = f"packs, upper {settings.layers}"

        def anew() -> float:
            upper.forget()
            return _packed(upper, made, settings)

        ways[f"{label}, first round"] = anew
        ways[f"{label}, later rounds"] = lambda: _packed(upper, made, settings)
    tokens = sum(len(one.ids) for one in fits)
    runs: dict[str, list[float]] = {label: [] for label in ways}
    _plain(plain, fits[:1], settings)  # what the first of all costs beside: threads, buffers
    for _ in range(repeats):
        for label, run in ways.items():
            start = time.perf_counter()
            run()
            runs[label].append(tokens / (time.perf_counter() - start))
            tick()
    speeds = {label: median(one) for label, one in runs.items()}
    return {
        "examples": len(fits),
        "tokens": tokens,
        "tokens in packs": sum(map(len, made)),
        "left out": len(encoded) - len(fits),
        "ways": {
            label: {"tokens per second": speeds[label], "times the plain loop": speeds[label] / speeds[PLAIN], "runs": runs[label]}
            for label in ways
        },
    }  # fmt: skip


def _plain(model: Any, sequences: Sequence[Encoded], settings: Settings) -> float:
    """As everybody writes it; the mean loss of an example."""
    import torch

    with _learning(model, settings) as step:
        total = 0.0
        for number, one in enumerate(sequences, 1):
            ids = torch.tensor([one.ids], device=model.device)
            labels = ids.clone()
            labels[0, : one.start] = -100
            loss = model(input_ids=ids, labels=labels).loss
            (loss / settings.batch).backward()
            total += loss.item()
            if number % settings.batch == 0 or number == len(sequences):
                step()
    return total / len(sequences)


def _packed(network: Network, made: Sequence[Pack], settings: Settings) -> float:
    """As `kgrag.tune.training.loop` does it; the mean loss of a token."""
    with _learning(network.model, settings) as step:
        total, seen = 0.0, 0
        for number, pack in enumerate(made, 1):
            loss = -network.logprobs(pack).sum() / len(pack.targets)
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.item()
            seen += len(pack.members)
            if seen >= settings.batch or number == len(made):
                step()
                seen = 0
    return total / len(made)


@contextmanager
def _learning(model: Any, settings: Settings) -> Iterator[Callable[[], None]]:
    """The optimiser's step, clipped as in the loop."""
    import torch

    parameters = list(trained(model).values())
    optimizer = torch.optim.AdamW(parameters, lr=settings.rate, weight_decay=0.0)
    model.train()

    def step() -> None:
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    yield step
    optimizer.zero_grad(set_to_none=True)


def _twin(model: Any) -> Any:
    """Another model on the same weights: its layers can be wrapped by themselves, and the memory is needed once."""
    shared = [*model.parameters(), *model.buffers()]
    return copy.deepcopy(model, {id(one): one for one in shared})
