"""What changes while a model is trained: its weights, the optimiser, how far it is; and how all of it is kept."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from kgrag.tune.training.curves import fell
from kgrag.tune.training.objective import Heard, Objective, unheard
from kgrag.tune.training.settings import Settings, Way

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Parameter

CLIP = 1.0
"""The longest gradient."""
Row = dict[str, float]
"""A step of the curves: loss and rate, and at a look what was measured on what is held out."""


class Learner:
    """A training under way; `state` is all of it, and `restore` goes on from there.

    ``before``: seconds before the first step, ``seconds``: since. ``best``: the step whose weights did best on what is held out, its
    loss, and the weights. ``stale``: looks since then.
    """

    def __init__(self, parameters: Mapping[str, Parameter], objective: Objective, settings: Settings, way: Way) -> None:
        import torch

        self.parameters, self.objective, self.scaled = parameters, objective, way.scaled
        self.optimizer = torch.optim.AdamW(list(parameters.values()), lr=settings.rate, weight_decay=0.0)
        self.scaler = torch.amp.GradScaler(way.device, enabled=way.scaled)
        self.step, self.before, self.seconds, self.stale = 0, 0.0, 0.0, 0
        self.rows: list[Row] = []
        self.best: tuple[int, float, dict[str, Tensor]] = (0, math.inf, self.weights())
        self.beginning: dict[str, Any] = {}

    def weights(self) -> dict[str, Tensor]:
        return {name: one.detach().to("cpu", copy=True) for name, one in self.parameters.items()}

    def state(self) -> dict[str, Any]:
        import torch

        return {
            "step": self.step,
            "before": self.before,
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

        self.step, self.stale = state["step"], state["stale"]
        self.before, self.seconds = state["before"], state["seconds"]
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

    def spent(self) -> float:
        """Seconds, of all that it took so far."""
        return self.before + self.seconds

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
        """Evaluate, and keep the weights if they are the best so far; without held-out examples the last are.

        Pairs that are told apart better are not better if fewer answers are right than before the first step.
        """
        found = self.objective.evaluate(heard)
        row.update(found)
        loss = found.get("held loss")
        astray = "margin" in found and bool(self.rows) and fell(self.rows[0], found)
        if loss is None or (loss < self.best[1] and not astray):
            self.best = (self.step, math.inf if loss is None else loss, self.weights())
            self.stale = 0
        else:
            self.stale += 1
