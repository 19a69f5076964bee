"""The loop: steps until they are done, the time is up, or nothing gets better; it goes on from any stop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kgrag.errors import ModelError, UsageError
from kgrag.tune.training.learner import Learner, Row
from kgrag.tune.training.objective import Heard, Objective, unheard
from kgrag.tune.training.schedule import Schedule
from kgrag.tune.training.settings import Settings, Way
from kgrag.tune.training.state import Keeper
from kgrag.tune.training.stops import interruptible

if TYPE_CHECKING:
    from torch.nn import Parameter

SAVING = 0.02
"""The part of the time that saving may take."""
LEAST = 1e-6
"""Minutes that remain, at the least, when they are used up."""
SOONEST = 20.0
"""Seconds between two savings, at the least."""


@dataclass(frozen=True)
class Now:
    """Where a training is: for whoever shows it. ``left`` is in seconds, ``rate`` in tokens of separate examples a second."""

    step: int
    steps: int
    loss: float
    rate: float
    left: float
    held: Mapping[str, float]


@dataclass(frozen=True)
class Outcome:
    """``rows`` are the curves; ``best`` is the step whose weights were kept; ``why`` it ended, in half a sentence."""

    rows: list[Row]
    steps: int
    best: int
    seconds: float
    why: str


class NotANumber(ModelError):
    """The loss became NaN or infinite. The best weights are in place; ``outcome`` says of which step, 0: untrained ones."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(
            f"Stopped, since {outcome.why}: begin anew with --fresh and a lower --lr, or look for an example with odd text."
        )
        self.outcome = outcome


class NoTime(UsageError):
    """The minutes were used up before the first step."""


def train(
    objective: Objective,
    parameters: Mapping[str, Parameter],
    plan: Schedule,
    settings: Settings,
    way: Way,
    keeper: Keeper,
    tick: Callable[[Now], None] = lambda now: None,
    spent: float = 0.0,
    heard: Heard = unheard,
) -> Outcome:
    """Train ``parameters``, and leave the best of them in place.

    ``spent``: seconds that were used up before. ``heard`` is told of what is computed before the first step; that counts among
    the minutes, and the rate rises and falls in those that remain.

    Raises:
        NoTime: the minutes are used up before the first step.
        NotANumber: the loss is no number any more; the best weights are in place.
        KgragError: a state cannot be saved; the one before is kept.
        KeyboardInterrupt: it was asked to stop; the state of the last whole step is kept.
    """
    entered, minutes = time.monotonic(), plan.minutes
    run = Learner(parameters, objective, settings, way)
    held = keeper.load()
    if held is not None:
        run.restore(held)
    first = held is None

    def waiting(what: str, share: float) -> None:
        heard(what, share)
        if first and plan.minutes and (passed := spent + time.monotonic() - entered) > 60 * plan.minutes:
            raise NoTime(
                f"The {plan.minutes:g} minutes were used up before the first step, by {what} ({share:.0%} done): give more with "
                f"--minutes, {math.ceil(passed / share / 30)} say, or less to learn from."
            )

    run.beginning = objective.begin(None if first else run.beginning, waiting)
    if first:
        row: Row = {"step": 0}
        run.look(row, waiting)
        run.rows.append(row)
        run.before = spent + time.monotonic() - entered
    if plan.minutes:
        plan = replace(plan, minutes=max(plan.minutes - run.before / 60, LEAST))
    began = time.monotonic() - run.seconds
    saved, saving, longest, tokens, busy, why = time.monotonic(), 0.0, 0.0, 0, 0.0, "all steps are done"

    def save() -> None:
        nonlocal saved, saving
        start = time.monotonic()
        keeper.save(run.state())
        saved = time.monotonic()
        saving = saved - start

    save()
    with interruptible() as stopped:
        while run.step < len(plan.steps):
            if settings.patience and run.stale >= settings.patience:
                why = f"the held-out loss did not fall any more in {run.stale} looks"
                break
            run.seconds = time.monotonic() - began
            if plan.minutes and run.step and run.seconds + longest > 60 * plan.minutes:
                why = f"the {minutes:g} minutes were used up"
                break
            start = time.monotonic()
            lr = plan.lr(run.step, run.seconds)
            try:
                loss = run.learn(plan.steps[run.step], lr, stopped)
            except ArithmeticError as error:
                run.seconds = time.monotonic() - began
                run.set(run.best[2])
                why = f"the {error} after step {run.step}"
                raise NotANumber(Outcome(run.rows, run.step, run.best[0], run.spent(), why)) from error
            except KeyboardInterrupt:
                save()
                raise
            run.step += 1
            busy += time.monotonic() - start
            tokens += sum(objective.packs[number].plain for number in plan.steps[run.step - 1])
            row = {"step": run.step, "loss": loss, "lr": lr}
            if run.step % plan.every == 0 or run.step == len(plan.steps):
                run.look(row)
            run.seconds = time.monotonic() - began
            longest = max(longest, time.monotonic() - start)
            run.rows.append(row | {"seconds": round(run.spent(), 1)})
            done = plan.progress(run.step, run.seconds)
            tick(Now(run.step, len(plan.steps), loss, tokens / busy, run.seconds / done * (1 - done), row))
            if time.monotonic() - saved > max(SOONEST, saving / SAVING):
                save()
        if run.step != int(run.rows[-1]["step"]) or "held loss" not in run.rows[-1]:
            run.look(run.rows[-1])
    run.seconds = time.monotonic() - began
    save()
    run.set(run.best[2])
    return Outcome(run.rows, run.step, run.best[0], run.spent(), why)
