"""The loop: steps until they are done, the time is up, or nothing gets better; it goes on from any stop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kgrag.errors import ModelError
from kgrag.tune.training.objective import Heard, Objective, unheard
from kgrag.tune.training.schedule import Schedule
from kgrag.tune.training.settings import Settings, Way
from kgrag.tune.training.state import Keeper
from kgrag.tune.training.stops import interruptible

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Parameter

CLIP = 1.0
"""The longest gradient."""
SAVING = 0.02
"""The part of the time that saving may take."""
SOONEST = 20.0
"""Seconds between two savings, at the least."""
Row = dict[str, float]


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


class _Run:
    """What changes while it trains, and how it is kept."""

    def __init__(self, parameters: Mapping[str, Parameter], objective: Objective, settings: Settings, way: Way) -> None:
        import torch

        self.parameters, self.objective, self.scaled = parameters, objective, way.scaled
        self.optimizer = torch.optim.AdamW(list(parameters.values()), lr=settings.rate, weight_decay=0.0)
        self.scaler = torch.amp.GradScaler(way.device, enabled=way.scaled)
        self.step, self.seconds, self.stale = 0, 0.0, 0
        self.rows: list[Row] = []
        self.best: tuple[int, float, dict[str, Tensor]] = (0, math.inf, self.weights())
        self.beginning: dict[str, Any] = {}

    def weights(self) -> dict[str, Tensor]:
        return {name: one.detach().to("cpu", copy=True) for name, one in self.parameters.items()}

    def state(self) -> dict[str, Any]:
        import torch

        return {
            "step": self.step,
            "seconds": self.seconds,
            "stale": self.stale,
            "rows": self.rows,
            "best": list(self.best),
            "beginning": self.beginning,
            "weights": self.weights(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "random": torch.get_rng_state(),
            "random of GPUs": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        import torch

        self.step, self.seconds, self.stale = state["step"], state["seconds"], state["stale"]
        self.rows, self.beginning = list(state["rows"]), state["beginning"]
        step, loss, weights = state["best"]
        self.best = (step, loss, weights)
        self.set(state["weights"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.scaled:
            self.scaler.load_state_dict(state["scaler"])
        torch.set_rng_state(state["random"])
        if state["random of GPUs"]:
            torch.cuda.set_rng_state_all(state["random of GPUs"])

    def set(self, weights: Mapping[str, Tensor]) -> None:
        import torch

        with torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.copy_(weights[name])

    def learn(self, numbers: list[int] | Any, lr: float, stopped: Callable[[], bool]) -> float:
        """One step; its loss. Raises KeyboardInterrupt between two packs if it was asked to stop: nothing has changed then."""
        import torch

        packs = [self.objective.packs[number] for number in numbers]
        terms = sum(self.objective.size(pack) for pack in packs)
        total = 0.0
        self.optimizer.zero_grad(set_to_none=True)
        for pack in packs:
            if stopped():
                raise KeyboardInterrupt
            loss = self.objective.loss(pack) / terms
            self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
            total += loss.item()
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.scaler.unscale_(self.optimizer)
        length = float(torch.nn.utils.clip_grad_norm_(list(self.parameters.values()), CLIP))
        # a scaled gradient may overflow: the scaler leaves that step out and scales less
        if not math.isfinite(total) or not (math.isfinite(length) or self.scaled):
            raise ArithmeticError(f"{'loss' if not math.isfinite(total) else 'gradient'} is no number")
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return total

    def look(self, row: Row, heard: Heard = unheard) -> None:
        """Evaluate, and keep the weights if they are the best so far; without held-out examples the last are."""
        found = self.objective.evaluate(heard)
        row.update(found)
        loss = found.get("held loss")
        if loss is None or loss < self.best[1]:
            self.best = (self.step, math.inf if loss is None else loss, self.weights())
            self.stale = 0
        else:
            self.stale += 1


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

    ``spent``: seconds that were used up before. ``heard`` is told of what is computed before the first step.

    Raises:
        NotANumber: the loss is no number any more; the best weights are in place.
        KgragError: a state cannot be saved; the one before is kept.
        KeyboardInterrupt: it was asked to stop; the state of the last whole step is kept.
    """
    entered = time.monotonic()
    run = _Run(parameters, objective, settings, way)
    held = keeper.load()
    if held is not None:
        run.restore(held)
    run.beginning = objective.begin(run.beginning if held is not None else None, heard)
    began = time.monotonic() - run.seconds if held is not None else entered - spent
    if held is None:
        row: Row = {"step": 0}
        run.look(row, heard)
        run.rows.append(row)
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
                why = f"the {plan.minutes:g} minutes were used up"
                break
            start = time.monotonic()
            lr = plan.lr(run.step, run.seconds)
            try:
                loss = run.learn(plan.steps[run.step], lr, stopped)
            except ArithmeticError as error:
                run.seconds = time.monotonic() - began
                run.set(run.best[2])
                why = f"the {error} after step {run.step}"
                raise NotANumber(Outcome(run.rows, run.step, run.best[0], run.seconds, why)) from error
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
            run.rows.append(row | {"seconds": round(run.seconds, 1)})
            done = plan.progress(run.step, run.seconds)
            tick(Now(run.step, len(plan.steps), loss, tokens / busy, run.seconds / done * (1 - done), row))
            if time.monotonic() - saved > max(SOONEST, saving / SAVING):
                save()
        if run.step != int(run.rows[-1]["step"]) or "held loss" not in run.rows[-1]:
            run.look(run.rows[-1])
    run.seconds = time.monotonic() - began
    save()
    run.set(run.best[2])
    return Outcome(run.rows, run.step, run.best[0], run.seconds, why)
