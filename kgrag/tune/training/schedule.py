"""Schedule of a training: packs, learning rate and evaluations of each step, determined by the settings alone."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from kgrag.tune.training.prefix_packing import PackedSequence
from kgrag.tune.training.settings import TrainingConfig

WARMUP_SHARE = 0.05
"""Share of the training in which the learning rate rises."""
MIN_EVALUATIONS = 4
"""Minimum number of evaluations on the held-out examples."""
MAX_EVALUATION_SHARE = 0.1
"""Maximum share of the work that evaluations may take."""
FORWARD_COST = 1 / 3
"""Cost of a forward pass relative to a training step."""


@dataclass(frozen=True)
class Schedule:
    """The steps of a training; ``steps[i]`` are the pack numbers of step i."""

    steps: Sequence[Sequence[int]]
    evaluation_interval: int
    """Steps between evaluations on the held-out examples; there is one more after the last step."""
    minutes: float = 0.0
    rate: float = field(default=1e-4)

    def progress(self, step: int, seconds: float) -> float:
        """Return the share done after ``step`` steps and ``seconds``, by steps or by minutes, whichever is larger."""
        done = step / len(self.steps)
        return min(max(done, seconds / (60 * self.minutes)) if self.minutes else done, 1.0)

    def learning_rate(self, step: int, seconds: float) -> float:
        """Return the learning rate after ``step`` steps: a warm-up, then half a cosine down to zero."""
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
    """Build all steps: each epoch in another order, each step with packs of ``settings.batch`` examples or more.

    ``count_examples`` returns the number of examples in a pack.
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
