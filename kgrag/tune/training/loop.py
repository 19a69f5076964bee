"""Training loop: steps until they are done, the time is up, or the held-out loss stops improving; resumable."""

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
"""Maximum share of the time spent on saving checkpoints."""
MIN_MINUTES_LEFT = 1e-6
"""Minutes that the schedule gets if the setup used up all of them."""
MIN_SECONDS_BETWEEN_SAVES = 20.0
"""Minimum time between two checkpoints."""


@dataclass(frozen=True)
class TrainingProgress:
    """State of a training, for display; tokens are those of the examples before packing."""

    step: int
    steps: int
    loss: float
    tokens_per_second: float
    seconds_left: float
    heldout_figures: Mapping[str, float]


@dataclass(frozen=True)
class TrainingResult:
    """Result of a phase: ``rows`` are the curves, ``best_step`` is the step whose weights were kept."""

    rows: list[CurveRow]
    steps: int
    best_step: int
    seconds: float
    stop_reason: str


class DivergedError(ModelError):
    """Raised if the loss becomes NaN or infinite; the best weights are in place (``best_step`` 0: untrained)."""

    def __init__(self, result: TrainingResult) -> None:
        super().__init__(
            f"Stopped, because {result.stop_reason}: restart with --fresh and a lower --lr, or check the examples for "
            "malformed text."
        )
        self.result = result


class TimeBudgetExceeded(UsageError):
    """Raised if the minutes are used up before the first step."""


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
    """Train ``parameters`` and leave the best of them in place.

    Args:
        objective: the loss and its packs.
        parameters: the weights to train, by name.
        plan: the steps; its minutes include the setup, and the rate's schedule covers the minutes that remain.
        settings: batch, rate and patience.
        device_plan: precision and loss scaling.
        checkpoint: the file that is saved to and resumed from.
        on_step: called after each step.
        spent: seconds of the time budget that were used up before.
        on_progress: called during the setup before the first step.

    Raises:
        TimeBudgetExceeded: the minutes are used up before the first step.
        DivergedError: the loss is NaN or infinite; the best weights are in place.
        KgragError: a checkpoint cannot be saved; the previous one is kept.
        KeyboardInterrupt: the user stopped it; the checkpoint of the last whole step is kept.
    """
    began_at = time.monotonic() - spent
    train_state = TrainState(parameters, objective, settings, device_plan)
    _restore_or_begin(train_state, objective, plan, checkpoint, began_at, on_progress)
    loop = _TrainingLoop(train_state, objective, plan, settings, checkpoint, on_step)
    loop.save()
    with deferred_interrupt() as should_stop:
        stop_reason = loop.run(should_stop)
        loop.evaluate_last_step()
    loop.update_seconds()
    loop.save()
    train_state.set_weights(train_state.best[2])
    return loop.result(stop_reason)


def _restore_or_begin(
    train_state: TrainState,
    objective: Objective,
    plan: Schedule,
    checkpoint: CheckpointFile,
    began_at: float,
    on_progress: OnProgress,
) -> None:
    """Restore the checkpoint, or evaluate the untrained weights; prepare the objective in both cases."""
    saved_state = checkpoint.load()
    if saved_state is not None:
        train_state.load_state_dict(saved_state)
    is_fresh_start = saved_state is None

    def report_setup(activity: str, share: float) -> None:
        on_progress(activity, share)
        if is_fresh_start and plan.minutes and (passed := time.monotonic() - began_at) > 60 * plan.minutes:
            raise TimeBudgetExceeded(
                f"The {plan.minutes:g} minutes were used up before the first step, by {activity} ({share:.0%} done): pass "
                f"more with --minutes, for example {math.ceil(passed / share / 30)}, or train on less data."
            )

    train_state.initial_state = objective.prepare(None if is_fresh_start else train_state.initial_state, report_setup)
    if is_fresh_start:
        row: CurveRow = {"step": 0}
        train_state.evaluate_heldout(row, report_setup)
        train_state.rows.append(row)
        train_state.seconds_before = time.monotonic() - began_at


class _TrainingLoop:
    """The steps of one phase, with their timing and checkpoints."""

    def __init__(
        self,
        train_state: TrainState,
        objective: Objective,
        plan: Schedule,
        settings: TrainingConfig,
        checkpoint: CheckpointFile,
        on_step: Callable[[TrainingProgress], None],
    ) -> None:
        self._state, self._objective, self._checkpoint, self._on_step = train_state, objective, checkpoint, on_step
        self._patience, self._budget_minutes = settings.patience, plan.minutes
        if plan.minutes:
            plan = replace(plan, minutes=max(plan.minutes - train_state.seconds_before / 60, MIN_MINUTES_LEFT))
        self._plan = plan
        self._began_at = time.monotonic() - train_state.seconds_training
        self._saved_at, self._save_seconds = time.monotonic(), 0.0
        self._longest_step, self._busy_seconds, self._tokens = 0.0, 0.0, 0

    def run(self, should_stop: Callable[[], bool]) -> str:
        """Take steps until one of the limits is reached; return the reason."""
        while self._state.step < len(self._plan.steps):
            if stop_reason := self._stop_reason():
                return stop_reason
            self._take_step(should_stop)
            if time.monotonic() - self._saved_at > max(
                MIN_SECONDS_BETWEEN_SAVES, self._save_seconds / MAX_SAVING_SHARE
            ):
                self.save()
        return "all steps are done"

    def save(self) -> None:
        """Save a checkpoint and note how long that took."""
        start = time.monotonic()
        self._checkpoint.save(self._state.state_dict())
        self._saved_at = time.monotonic()
        self._save_seconds = self._saved_at - start

    def update_seconds(self) -> None:
        """Set the state's training time to now."""
        self._state.seconds_training = time.monotonic() - self._began_at

    def evaluate_last_step(self) -> None:
        """Evaluate the held-out examples after the last step, unless that has been done."""
        last_row = self._state.rows[-1]
        if self._state.step != int(last_row["step"]) or "held loss" not in last_row:
            self._state.evaluate_heldout(last_row)

    def result(self, stop_reason: str) -> TrainingResult:
        """Return the result so far."""
        state = self._state
        return TrainingResult(state.rows, state.step, state.best[0], state.total_seconds(), stop_reason)

    def _stop_reason(self) -> str:
        """Return why no further step may be taken, or "" if one may."""
        state = self._state
        if self._patience and state.evaluations_since_best >= self._patience:
            return f"the held-out loss did not improve in {state.evaluations_since_best} evaluations"
        self.update_seconds()
        if self._plan.minutes and state.step and state.seconds_training + self._longest_step > 60 * self._plan.minutes:
            return f"the {self._budget_minutes:g} minutes were used up"
        return ""

    def _take_step(self, should_stop: Callable[[], bool]) -> None:
        """Train one step, evaluate if it is due, and report the progress."""
        state, start = self._state, time.monotonic()
        pack_numbers = self._plan.steps[state.step]
        lr = self._plan.learning_rate(state.step, state.seconds_training)
        loss = self._train_step(list(pack_numbers), lr, should_stop)
        state.step += 1
        self._busy_seconds += time.monotonic() - start
        self._tokens += sum(self._objective.packs[number].unpacked_tokens for number in pack_numbers)
        row: CurveRow = {"step": state.step, "loss": loss, "lr": lr}
        if state.step % self._plan.evaluation_interval == 0 or state.step == len(self._plan.steps):
            state.evaluate_heldout(row)
        self.update_seconds()
        self._longest_step = max(self._longest_step, time.monotonic() - start)
        state.rows.append(row | {"seconds": round(state.total_seconds(), 1)})
        self._report_progress(loss, row)

    def _train_step(self, pack_numbers: list[int], lr: float, should_stop: Callable[[], bool]) -> float:
        """Train on some packs and return the loss; on divergence restore the best weights, on Ctrl-C save."""
        state = self._state
        try:
            return state.train_step(pack_numbers, lr, should_stop)
        except ArithmeticError as error:
            self.update_seconds()
            state.set_weights(state.best[2])
            raise DivergedError(self.result(f"the {error} after step {state.step}")) from error
        except KeyboardInterrupt:
            self.save()
            raise

    def _report_progress(self, loss: float, row: CurveRow) -> None:
        state = self._state
        share_done = self._plan.progress(state.step, state.seconds_training)
        seconds_left = state.seconds_training / share_done * (1 - share_done)
        speed = self._tokens / self._busy_seconds
        self._on_step(TrainingProgress(state.step, len(self._plan.steps), loss, speed, seconds_left, row))
