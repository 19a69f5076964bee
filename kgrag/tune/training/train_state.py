"""State of a training: weights, optimiser, progress and best weights, with saving and restoring."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypedDict

from kgrag.tune.training.curves import factuality_fell
from kgrag.tune.training.objectives import Objective, OnProgress, ReferenceState, ignore_progress
from kgrag.tune.training.settings import DevicePlan, TrainingConfig

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Parameter

MAX_GRADIENT_NORM = 1.0
"""Maximum norm of the gradient; longer ones are clipped."""
CurveRow = dict[str, float]
"""A row of the curves: step, loss and learning rate, and after an evaluation the held-out figures."""
CheckpointState = TypedDict(
    "CheckpointState",
    {
        "step": int,
        "before": float,
        "seconds": float,
        "stale": int,
        "rows": list[CurveRow],
        "best": list[Any],
        "beginning": ReferenceState,
        "weights": "dict[str, Tensor]",
        "optimizer": dict[str, object],
        "scaler": dict[str, object],
        "random": "Tensor",
        "random of GPUs": "list[Tensor]",
    },
)
"""Content of a checkpoint; ``best`` is `TrainState.best`, ``beginning`` is the objective's state before training."""


class TrainState:
    """A training under way.

    ``seconds_before`` were spent before the first step, ``seconds_training`` since. ``best`` is the step with the
    lowest held-out loss, that loss, and the weights; ``evaluations_since_best`` counts the evaluations since then.
    """

    def __init__(
        self,
        parameters: Mapping[str, Parameter],
        objective: Objective,
        settings: TrainingConfig,
        device_plan: DevicePlan,
    ) -> None:
        import torch

        self.parameters, self.objective, self.uses_loss_scaling = parameters, objective, device_plan.uses_loss_scaling
        self.optimizer = torch.optim.AdamW(list(parameters.values()), lr=settings.rate, weight_decay=0.0)
        self.scaler = torch.amp.GradScaler(device_plan.device, enabled=device_plan.uses_loss_scaling)
        self.step, self.seconds_before, self.seconds_training, self.evaluations_since_best = 0, 0.0, 0.0, 0
        self.rows: list[CurveRow] = []
        self.best: tuple[int, float, dict[str, Tensor]] = (0, math.inf, self.copy_weights())
        self.initial_state: ReferenceState = {}

    def copy_weights(self) -> dict[str, Tensor]:
        """Return a copy of the weights on the CPU."""
        return {name: parameter.detach().to("cpu", copy=True) for name, parameter in self.parameters.items()}

    def state_dict(self) -> CheckpointState:
        """Return all that a checkpoint needs to resume this training."""
        import torch

        return {
            "step": self.step,
            "before": self.seconds_before,
            "seconds": self.seconds_training,
            "stale": self.evaluations_since_best,
            "rows": self.rows,
            "best": list(self.best),
            "beginning": self.initial_state,
            "weights": self.copy_weights(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "random": torch.get_rng_state(),
            "random of GPUs": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        }

    def load_state_dict(self, state: CheckpointState) -> None:
        """Restore a checkpoint."""
        import torch

        self.step, self.evaluations_since_best = state["step"], state["stale"]
        self.seconds_before, self.seconds_training = state["before"], state["seconds"]
        self.rows, self.initial_state = list(state["rows"]), state["beginning"]
        step, loss, weights = state["best"]
        self.best = (step, loss, weights)
        self.set_weights(state["weights"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.uses_loss_scaling:
            self.scaler.load_state_dict(state["scaler"])
        torch.set_rng_state(state["random"])
        if state["random of GPUs"]:
            torch.cuda.set_rng_state_all(state["random of GPUs"])

    def total_seconds(self) -> float:
        """Return the seconds spent so far, setup included."""
        return self.seconds_before + self.seconds_training

    def set_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Set the trained parameters to ``weights``."""
        import torch

        with torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.copy_(weights[name])

    def train_step(self, pack_numbers: list[int], lr: float, should_stop: Callable[[], bool]) -> float:
        """Train on some packs and return the loss.

        Raises:
            KeyboardInterrupt: ``should_stop`` returned True between two packs; the weights have not changed.
            ArithmeticError: the loss or the gradient is NaN or infinite.
        """
        import torch

        packs = [self.objective.packs[number] for number in pack_numbers]
        terms = sum(self.objective.count_terms(pack) for pack in packs)
        total = 0.0
        self.optimizer.zero_grad(set_to_none=True)
        for pack in packs:
            if should_stop():
                raise KeyboardInterrupt
            loss = self.objective.loss(pack) / terms
            self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
            total += loss.item()
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.scaler.unscale_(self.optimizer)
        gradient_norm = float(torch.nn.utils.clip_grad_norm_(list(self.parameters.values()), MAX_GRADIENT_NORM))
        # a scaled gradient may overflow: the scaler then skips the step and reduces its scale
        if not math.isfinite(total) or not (math.isfinite(gradient_norm) or self.uses_loss_scaling):
            raise ArithmeticError(f"{'loss' if not math.isfinite(total) else 'gradient'} is not a number")
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return total

    def evaluate_heldout(self, row: CurveRow, on_progress: OnProgress = ignore_progress) -> None:
        """Evaluate the held-out examples and keep the weights if they are the best so far.

        Without held-out examples the last weights are the best. A lower loss on pairs does not count if fewer answers
        are right than before the first step.
        """
        figures = self.objective.evaluate(on_progress)
        row.update(figures)
        loss = figures.get("held loss")
        lost_factuality = "margin" in figures and bool(self.rows) and factuality_fell(self.rows[0], figures)
        if loss is None or (loss < self.best[1] and not lost_factuality):
            self.best = (self.step, math.inf if loss is None else loss, self.copy_weights())
            self.evaluations_since_best = 0
        else:
            self.evaluations_since_best += 1
