"""Training objectives, on answers and on preferences, and their evaluation on held-out examples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypedDict

from kgrag.tune.training.prefix_packing import PackedSequence

if TYPE_CHECKING:
    from torch import Tensor

LogProbsFn = Callable[[PackedSequence], "Tensor"]
"""Pack -> log-probabilities of its targets, (n,)."""
OnProgress = Callable[[str, float], None]
"""Called before the first step with the current activity and the share of it that is done."""


def ignore_progress(activity: str, share: float) -> None:
    """Ignore progress."""


class ReferenceState(TypedDict, total=False):
    """State of an objective before the first step, as a checkpoint keeps it; empty if it needs none."""

    before: list[Tensor]
    """Log-probabilities of the untrained model, pack by pack."""


class Objective(Protocol):
    """A loss that the loop minimises."""

    packs: Sequence[PackedSequence]
    heldout_tokens: int

    def prepare(self, saved_state: ReferenceState | None, on_progress: OnProgress = ignore_progress) -> ReferenceState:
        """Compute the state before the first step, or restore a saved one; return it for the checkpoint."""

    def loss(self, pack: PackedSequence) -> Tensor:
        """Return the loss of a pack, a sum over the terms that `count_terms` counts."""

    def count_terms(self, pack: PackedSequence) -> int:
        """Return the number of terms of a pack's loss."""

    def count_examples(self, pack: PackedSequence) -> int:
        """Return the number of examples in a pack."""

    def evaluate(self, on_progress: OnProgress = ignore_progress) -> dict[str, float]:
        """Return figures on the held-out data, with ``held loss`` among them; {} without held-out data."""


def answer_logprobs(values: Tensor, pack: PackedSequence) -> Tensor:
    """Return the log-probability of each sequence's answer, (members,)."""
    import torch

    owner = torch.from_numpy(pack.owner).to(values.device)
    return torch.zeros(len(pack.members), device=values.device).index_add(0, owner, values)


@dataclass(frozen=True)
class HeldoutChoices:
    """Held-out questions, each with its right answer and alternative answers in the same pack.

    ``alternatives``: number of the right answer's sequence -> numbers of the other answers' sequences.
    """

    packs: Sequence[PackedSequence]
    alternatives: Mapping[int, Sequence[int]]

    def evaluate(self, logprobs: LogProbsFn, on_progress: OnProgress = ignore_progress) -> dict[str, float]:
        """Return the held-out figures; nothing is generated.

        ``held loss`` is the mean loss (nats per token) of the right answers. ``factuality`` is the share of questions
        whose right answer is likelier than all alternatives; ``questions`` is the number of questions with
        alternatives.
        """
        import torch

        if not self.packs:
            return {}
        loss = tokens = right_count = question_count = 0.0
        with torch.no_grad():
            for done, pack in enumerate(self.packs, 1):
                values = logprobs(pack)
                on_progress("evaluating the held-out questions", done / len(self.packs))
                sequence_logprobs = answer_logprobs(values, pack).tolist()
                logprob_by_sequence = dict(zip(pack.members, sequence_logprobs, strict=True))
                length = [0] * len(pack.members)
                for owner in pack.owner:
                    length[owner] += 1
                for index, number in enumerate(pack.members):
                    if number not in self.alternatives:
                        continue
                    loss -= sequence_logprobs[index]
                    tokens += length[index]
                    if others := self.alternatives[number]:
                        question_count += 1
                        right_count += all(logprob_by_sequence[number] > logprob_by_sequence[other] for other in others)
        figures = {"held loss": loss / tokens}
        return figures | (
            {"factuality": right_count / question_count, "questions": question_count} if question_count else {}
        )


class AnswerObjective:
    """Cross-entropy of the examples' answers, averaged over their tokens."""

    def __init__(self, logprobs: LogProbsFn, packs: Sequence[PackedSequence], heldout: HeldoutChoices) -> None:
        self.packs, self._heldout, self._logprobs = packs, heldout, logprobs
        self.heldout_tokens = sum(map(len, heldout.packs))

    def prepare(self, saved_state: ReferenceState | None, on_progress: OnProgress = ignore_progress) -> ReferenceState:
        """Return an empty state: this objective needs none."""
        return {}

    def loss(self, pack: PackedSequence) -> Tensor:
        """Return the sum of nats over all target tokens."""
        return -self._logprobs(pack).sum()

    def count_terms(self, pack: PackedSequence) -> int:
        """Return the number of target tokens."""
        return len(pack.targets)

    def count_examples(self, pack: PackedSequence) -> int:
        """Return the number of examples."""
        return len(pack.members)

    def evaluate(self, on_progress: OnProgress = ignore_progress) -> dict[str, float]:
        """Return the figures on the held-out questions."""
        return self._heldout.evaluate(self._logprobs, on_progress)


class DPOObjective:
    """Direct preference optimisation (Rafailov et al. 2023, arXiv:2305.18290, equation 7).

    The loss of a pair (w, l) is -log sigmoid(beta ((log p(w) - log p0(w)) - (log p(l) - log p0(l)))), where p0 is the
    model before the first step. p0 is computed once, at the beginning, so that no second model is needed. In packs the
    two sequences of a pair follow each other, the chosen one first.

    This loss also falls if both answers become less likely, and the abstention, which is chosen again and again,
    becomes likelier everywhere. Therefore ``anchor`` times the chosen answer's nats per token are added (Pang et al.
    2024, arXiv:2404.19733).
    """

    def __init__(
        self,
        logprobs: LogProbsFn,
        packs: Sequence[PackedSequence],
        heldout_pairs: Sequence[PackedSequence],
        heldout: HeldoutChoices,
        beta: float,
        anchor: float,
    ) -> None:
        self.packs, self._heldout_pairs, self._heldout, self._logprobs = packs, heldout_pairs, heldout, logprobs
        self._beta, self._anchor = beta, anchor
        self._reference_logprobs: dict[PackedSequence, Tensor] = {}
        self.heldout_tokens = sum(map(len, heldout_pairs)) + sum(map(len, heldout.packs))

    def prepare(self, saved_state: ReferenceState | None, on_progress: OnProgress = ignore_progress) -> ReferenceState:
        """Compute the untrained model's log-probabilities, pack by pack."""
        import torch

        all_packs = [*self.packs, *self._heldout_pairs]
        values: list[Tensor] = [] if saved_state is None else saved_state["before"]
        with torch.no_grad():
            for pack in all_packs[len(values) :]:
                values.append(answer_logprobs(self._logprobs(pack), pack))
                on_progress("scoring all pairs with the untrained model", len(values) / len(all_packs))
        self._reference_logprobs = dict(zip(all_packs, values, strict=True))
        return {"before": [value.cpu() for value in values]}

    def rewards(self, pack: PackedSequence) -> tuple[Tensor, Tensor]:
        """Return (pairs,) each: beta times the chosen answer's gain over the rejected one, and its nats per token."""
        import torch

        sequence_logprobs = answer_logprobs(self._logprobs(pack), pack)
        logprob_gains = sequence_logprobs - self._reference_logprobs[pack].to(sequence_logprobs.device)
        length = torch.bincount(torch.from_numpy(pack.owner), minlength=len(pack.members)).to(sequence_logprobs.device)
        return self._beta * (logprob_gains[0::2] - logprob_gains[1::2]), -(sequence_logprobs / length)[0::2]

    def loss(self, pack: PackedSequence) -> Tensor:
        """Return the sum over all pairs."""
        import torch

        rewards, nats = self.rewards(pack)
        return (self._anchor * nats - torch.nn.functional.logsigmoid(rewards)).sum()

    def count_terms(self, pack: PackedSequence) -> int:
        """Return the number of pairs."""
        return len(pack.members) // 2

    count_examples = count_terms

    def evaluate(self, on_progress: OnProgress = ignore_progress) -> dict[str, float]:
        """Return figures on held-out pairs and examples.

        ``held loss`` and ``margin`` (mean reward) are those of the pairs, ``ahead`` is the share of pairs whose chosen
        answer gained more. ``factuality`` and ``answer loss`` are those of the examples.
        """
        import torch

        example_figures = self._heldout.evaluate(self._logprobs, on_progress)
        if "held loss" in example_figures:
            example_figures["answer loss"] = example_figures.pop("held loss")
        if not self._heldout_pairs:
            return example_figures
        with torch.no_grad():
            margins = torch.cat([self.rewards(pack)[0] for pack in self._heldout_pairs])
        loss = -torch.nn.functional.logsigmoid(margins).mean()
        figures = {"held loss": loss, "margin": margins.mean(), "ahead": (margins > 0).float().mean()}
        return (
            {name: float(value) for name, value in figures.items()} | {"pairs": float(len(margins))} | example_figures
        )
