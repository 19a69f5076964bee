"""Which packs a step learns from, how large it is, and when something is looked at: from settings alone, so it repeats."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from kgrag.tune.training.prefix_packing import PackedSequence
from kgrag.tune.training.settings import TrainingConfig

WARMUP_SHARE = 0.05
"""The part of a training in which the rate rises."""
MIN_EVALUATIONS = 4
"""How often the held-out examples are looked at, at the least."""
MAX_EVALUATION_SHARE = 0.1
"""The part of the work that looking at them may take, at the most."""
FORWARD_COST = 1 / 3
"""What computing a loss costs of what learning from it does."""


@dataclass(frozen=True)
class Schedule:
    """The steps of a training: ``steps[i]`` are the numbers of the packs of step i."""

    steps: Sequence[Sequence[int]]
    evaluation_interval: int
    """A look at the held-out examples after so many steps, and after the last one."""
    minutes: float = 0.0
    rate: float = field(default=1e-4)

    def progress(self, step: int, seconds: float) -> float:
        """How far it is after ``step`` steps and ``seconds``: by what is nearer its end, the steps or the minutes."""
        done = step / len(self.steps)
        return min(max(done, seconds / (60 * self.minutes)) if self.minutes else done, 1.0)

    def learning_rate(self, step: int, seconds: float) -> float:
        """The rate of the step after ``step`` others: a rise, then half a cosine down to nothing."""
        done = max(self.progress(step, seconds), 0.5 / len(self.steps))
        if done < WARMUP_SHARE:
            return self.rate * done / WARMUP_SHARE
        return self.rate * 0.5 * (1 + math.cos(math.pi * (done - WARMUP_SHARE) / (1 - WARMUP_SHARE)))


def build_schedule(
    packs: Sequence[PackedSequence],
    settings: TrainingConfig,
    count_examples: Callable[[PackedSequence], int],
    held_tokens: int = 0,
) -> Schedule:
    """All steps: each round in another order, a step of as many packs as have ``settings.batch`` examples.

    ``number`` says how many examples a pack teaches.
    """
    steps: list[list[int]] = []
    epoch = 0
    while (len(steps) < settings.steps) if settings.steps else (epoch < settings.epochs):
        order = list(range(len(packs)))
        random.Random(f"{settings.seed} {epoch}").shuffle(order)
        step, examples = list[int](), 0
        for pack_number in order:
            step.append(pack_number)
            examples += count_examples(packs[pack_number])
            if examples >= settings.batch:
                steps.append(step)
                step, examples = [], 0
        if step:
            steps.append(step)
        epoch += 1
    steps = steps[: settings.steps or None]
    tokens = sum(len(packs[place]) for step in steps for place in step) / len(steps)
    evaluation_interval = math.ceil(held_tokens * FORWARD_COST / (MAX_EVALUATION_SHARE * tokens))
    return Schedule(
        steps,
        max(1, min(evaluation_interval, math.ceil(len(steps) / MIN_EVALUATIONS))),
        settings.minutes,
        settings.rate,
    )
