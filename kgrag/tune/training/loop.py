"""The loop: steps until they are done, the time is up, or nothing gets better; it goes on from any stop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kgrag.errors import ModelError, UsageError
from kgrag.tune.training.checkpoint import CheckpointFile
from kgrag.tune.training.interrupts import deferred_interrupt
from kgrag.tune.training.objectives import Objective, OnProgress, ignore_progress
from kgrag.tune.training.schedule import Schedule
from kgrag.tune.training.settings import DevicePlan, TrainingConfig
from kgrag.tune.training.train_state import CurveRow, TrainState

if TYPE_CHECKING:
    from torch.nn import Parameter

MAX_SAVING_SHARE = 0.02
"""The part of the time that saving may take."""
MIN_MINUTES_LEFT = 1e-6
"""Minutes that remain, at the least, when they are used up."""
MIN_SECONDS_BETWEEN_SAVES = 20.0
"""Seconds between two savings, at the least."""


@dataclass(frozen=True)
class TrainingProgress:
    """Where a training is: for whoever shows it. ``left`` is in seconds, ``rate`` in tokens of separate examples a second."""

    step: int
    steps: int
    loss: float
    tokens_per_second: float
    seconds_left: float
    heldout_figures: Mapping[str, float]


@dataclass(frozen=True)
class TrainingResult:
    """``rows`` are the curves; ``best`` is the step whose weights were kept; ``why`` it ended, in half a sentence."""

    rows: list[CurveRow]
    steps: int
    best_step: int
    seconds: float
    stop_reason: str


class DivergedError(ModelError):
    """The loss became NaN or infinite. The best weights are in place; ``outcome`` says of which step, 0: untrained ones."""

    def __init__(self, result: TrainingResult) -> None:
        super().__init__(
            f"Stopped, since {result.stop_reason}: begin anew with --fresh and a lower --lr, or look for an example with odd text."
        )
        self.result = result


class TimeBudgetExceeded(UsageError):
    """The minutes were used up before the first step."""


def run_training_loop(
    objective: Objective,
    parameters: Mapping[str, Parameter],
    plan: Schedule,
    settings: TrainingConfig,
    device_plan: DevicePlan,
    checkpoint: CheckpointFile,
    on_step: Callable[[TrainingProgress], None] = lambda now: None,
    spent: float = 0.0,
    on_progress: OnProgress = ignore_progress,
) -> TrainingResult:
    """Train ``parameters``, and leave the best of them in place.

    ``spent``: seconds that were used up before. ``heard`` is told of what is computed before the first step; that counts among
    the minutes, and the rate rises and falls in those that remain.

    Raises:
        NoTime: the minutes are used up before the first step.
        NotANumber: the loss is no number any more; the best weights are in place.
        KgragError: a state cannot be saved; the one before is kept.
        KeyboardInterrupt: it was asked to stop; the state of the last whole step is kept.
    """
    entered_at, minutes = time.monotonic(), plan.minutes
    train_state = TrainState(parameters, objective, settings, device_plan)
    saved_state = checkpoint.load()
    if saved_state is not None:
        train_state.load_state_dict(saved_state)
    is_fresh_start = saved_state is None

    def report_setup(what: str, share: float) -> None:
        on_progress(what, share)
        if is_fresh_start and plan.minutes and (passed := spent + time.monotonic() - entered_at) > 60 * plan.minutes:
            raise TimeBudgetExceeded(
                f"The {plan.minutes:g} minutes were used up before the first step, by {what} ({share:.0%} done): give more with "
                f"--minutes, {math.ceil(passed / share / 30)} say, or less to learn from."
            )

    train_state.initial_state = objective.prepare(None if is_fresh_start else train_state.initial_state, report_setup)
    if is_fresh_start:
        row: CurveRow = {"step": 0}
        train_state.evaluate_heldout(row, report_setup)
        train_state.rows.append(row)
        train_state.seconds_before = spent + time.monotonic() - entered_at
    if plan.minutes:
        plan = replace(plan, minutes=max(plan.minutes - train_state.seconds_before / 60, MIN_MINUTES_LEFT))
    began_at = time.monotonic() - train_state.seconds_training
    saved_at, save_seconds, longest_step, tokens, busy_seconds, stop_reason = (
        time.monotonic(),
        0.0,
        0.0,
        0,
        0.0,
        "all steps are done",
    )

    def save() -> None:
        nonlocal saved_at, save_seconds
        start = time.monotonic()
        checkpoint.save(train_state.state_dict())
        saved_at = time.monotonic()
        save_seconds = saved_at - start

    save()
    with deferred_interrupt() as should_stop:
        while train_state.step < len(plan.steps):
            if settings.patience and train_state.evaluations_since_best >= settings.patience:
                stop_reason = f"the held-out loss did not fall any more in {train_state.evaluations_since_best} looks"
                break
            train_state.seconds_training = time.monotonic() - began_at
            if plan.minutes and train_state.step and train_state.seconds_training + longest_step > 60 * plan.minutes:
                stop_reason = f"the {minutes:g} minutes were used up"
                break
            start = time.monotonic()
            lr = plan.learning_rate(train_state.step, train_state.seconds_training)
            try:
                loss = train_state.train_step(plan.steps[train_state.step], lr, should_stop)
            except ArithmeticError as error:
                train_state.seconds_training = time.monotonic() - began_at
                train_state.set_weights(train_state.best[2])
                stop_reason = f"the {error} after step {train_state.step}"
                raise DivergedError(
                    TrainingResult(
                        train_state.rows,
                        train_state.step,
                        train_state.best[0],
                        train_state.total_seconds(),
                        stop_reason,
                    )
                ) from error
            except KeyboardInterrupt:
                save()
                raise
            train_state.step += 1
            busy_seconds += time.monotonic() - start
            tokens += sum(objective.packs[number].unpacked_tokens for number in plan.steps[train_state.step - 1])
            row = {"step": train_state.step, "loss": loss, "lr": lr}
            if train_state.step % plan.evaluation_interval == 0 or train_state.step == len(plan.steps):
                train_state.evaluate_heldout(row)
            train_state.seconds_training = time.monotonic() - began_at
            longest_step = max(longest_step, time.monotonic() - start)
            train_state.rows.append(row | {"seconds": round(train_state.total_seconds(), 1)})
            share_done = plan.progress(train_state.step, train_state.seconds_training)
            on_step(
                TrainingProgress(
                    train_state.step,
                    len(plan.steps),
                    loss,
                    tokens / busy_seconds,
                    train_state.seconds_training / share_done * (1 - share_done),
                    row,
                )
            )
            if time.monotonic() - saved_at > max(MIN_SECONDS_BETWEEN_SAVES, save_seconds / MAX_SAVING_SHARE):
                save()
        if train_state.step != int(train_state.rows[-1]["step"]) or "held loss" not in train_state.rows[-1]:
            train_state.evaluate_heldout(train_state.rows[-1])
    train_state.seconds_training = time.monotonic() - began_at
    save()
    train_state.set_weights(train_state.best[2])
    return TrainingResult(
        train_state.rows, train_state.step, train_state.best[0], train_state.total_seconds(), stop_reason
    )
