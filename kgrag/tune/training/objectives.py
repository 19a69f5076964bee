"""What is to become likelier: right answers, or the chosen one of a pair; and how it stands with what was held out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from kgrag.tune.training.prefix_packing import PackedSequence

if TYPE_CHECKING:
    from torch import Tensor

LogProbsFn = Callable[[PackedSequence], "Tensor"]
"""(n,) of a pack's targets."""
OnProgress = Callable[[str, float], None]
"""What is being computed before anything can be learned, in a few words, and the share of it that is done."""


def ignore_progress(what: str, share: float) -> None:
    """Tells nobody."""


class Objective(Protocol):
    """What the loop makes smaller."""

    packs: Sequence[PackedSequence]
    heldout_tokens: int

    def prepare(
        self, saved_state: Mapping[str, Any] | None, on_progress: OnProgress = ignore_progress
    ) -> dict[str, Any]:
        """Before the first step, or with what it gave then when a run goes on: what must be kept of the beginning."""

    def loss(self, pack: PackedSequence) -> Tensor:
        """The loss of a pack, a sum over what `size` counts."""

    def count_terms(self, pack: PackedSequence) -> int:
        """Of how many terms the loss is."""

    def count_examples(self, pack: PackedSequence) -> int:
        """How many examples a pack teaches."""

    def evaluate(self, on_progress: OnProgress = ignore_progress) -> dict[str, float]:
        """Figures on what was held out, ``held loss`` among them; {} if nothing was."""


def answer_logprobs(values: Tensor, pack: PackedSequence) -> Tensor:
    """(members,): the log-probability of each sequence's answer."""
    import torch

    owner = torch.from_numpy(pack.owner).to(values.device)
    return torch.zeros(len(pack.members), device=values.device).index_add(0, owner, values)


@dataclass(frozen=True)
class HeldoutChoices:
    """Held-out questions, each with its right answer first and others that could be said to it in the same pack.

    ``units``: number of the right answer's sequence -> numbers of the others, ``packs`` of whole units.
    """

    packs: Sequence[PackedSequence]
    alternatives: Mapping[int, Sequence[int]]

    def evaluate(self, logprobs: LogProbsFn, on_progress: OnProgress = ignore_progress) -> dict[str, float]:
        """``held loss``: nats of a token of the right answers; ``factuality``: the share of questions whose right answer is
        likelier than the others, as texts; ``questions``: how many those are. Nothing is generated."""
        import torch

        if not self.packs:
            return {}
        loss = tokens = right_count = question_count = 0.0
        with torch.no_grad():
            for done, pack in enumerate(self.packs, 1):
                values = logprobs(pack)
                on_progress("looking at the questions that are held out", done / len(self.packs))
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
    """The answers of examples: the mean over their tokens."""

    def __init__(self, logprobs: LogProbsFn, packs: Sequence[PackedSequence], heldout: HeldoutChoices) -> None:
        self.packs, self._heldout, self._logprobs = packs, heldout, logprobs
        self.heldout_tokens = sum(map(len, heldout.packs))

    def prepare(
        self, saved_state: Mapping[str, Any] | None, on_progress: OnProgress = ignore_progress
    ) -> dict[str, Any]:
        """Nothing of the beginning is needed later."""
        return {}

    def loss(self, pack: PackedSequence) -> Tensor:
        """Nats of all tokens."""
        return -self._logprobs(pack).sum()

    def count_terms(self, pack: PackedSequence) -> int:
        """Tokens."""
        return len(pack.targets)

    def count_examples(self, pack: PackedSequence) -> int:
        """Examples."""
        return len(pack.members)

    def evaluate(self, on_progress: OnProgress = ignore_progress) -> dict[str, float]:
        """Of what was held out."""
        return self._heldout.evaluate(self._logprobs, on_progress)


class DPOObjective:
    """Direct preference optimisation (Rafailov et al. 2023, arXiv:2305.18290, equation 7).

    Of a pair (w, l) the loss is -log sigmoid(beta ((log p(w) - log p0(w)) - (log p(l) - log p0(l)))), where p0 is the
    model as it was before the first step. So p0 is asked once, at the beginning, and no second model is held. In packs
    the two of a pair follow each other, the chosen one first.

    A pair is told apart as well by making both less likely, and silence, which is chosen again and again, likelier everywhere. So
    the chosen answer is learned, too: ``anchor`` times its nats a token are added (Pang et al. 2024, arXiv:2404.19733).
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

    def prepare(
        self, saved_state: Mapping[str, Any] | None, on_progress: OnProgress = ignore_progress
    ) -> dict[str, Any]:
        """The log-probabilities of the beginning, pack by pack."""
        import torch

        all_packs = [*self.packs, *self._heldout_pairs]
        values = [] if saved_state is None else saved_state["before"]
        with torch.no_grad():
            for pack in all_packs[len(values) :]:
                values.append(answer_logprobs(self._logprobs(pack), pack))
                on_progress("asking the model as it is about every pair", len(values) / len(all_packs))
        self._reference_logprobs = dict(zip(all_packs, values, strict=True))
        return {"before": [one.cpu() for one in values]}

    def rewards(self, pack: PackedSequence) -> tuple[Tensor, Tensor]:
        """(pairs,) each: by how much the chosen one has gained on the other, times beta; and the chosen one's nats a token."""
        import torch

        sequence_logprobs = answer_logprobs(self._logprobs(pack), pack)
        logprob_gains = sequence_logprobs - self._reference_logprobs[pack].to(sequence_logprobs.device)
        length = torch.bincount(torch.from_numpy(pack.owner), minlength=len(pack.members)).to(sequence_logprobs.device)
        return self._beta * (logprob_gains[0::2] - logprob_gains[1::2]), -(sequence_logprobs / length)[0::2]

    def loss(self, pack: PackedSequence) -> Tensor:
        """Of all pairs."""
        import torch

        rewards, nats = self.rewards(pack)
        return (self._anchor * nats - torch.nn.functional.logsigmoid(rewards)).sum()

    def count_terms(self, pack: PackedSequence) -> int:
        """Pairs."""
        return len(pack.members) // 2

    count_examples = count_terms

    def evaluate(self, on_progress: OnProgress = ignore_progress) -> dict[str, float]:
        """``held loss`` and ``margin`` (mean reward) of held-out pairs, ``ahead``: the share of them whose chosen one gained
        more; beside them ``factuality`` and ``answer loss`` of held-out examples."""
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
