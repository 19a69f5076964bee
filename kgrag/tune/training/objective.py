"""What is to become likelier: right answers, or the chosen one of a pair; and how it stands with what was held out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from kgrag.tune.training.packing import Pack

if TYPE_CHECKING:
    from torch import Tensor

LogProbs = Callable[[Pack], "Tensor"]
"""(n,) of a pack's targets."""
Heard = Callable[[str, float], None]
"""What is being computed before anything can be learned, in a few words, and the share of it that is done."""


def unheard(what: str, share: float) -> None:
    """Tells nobody."""


class Objective(Protocol):
    """What the loop makes smaller."""

    packs: Sequence[Pack]
    held_tokens: int

    def begin(self, kept: Mapping[str, Any] | None, heard: Heard = unheard) -> dict[str, Any]:
        """Before the first step, or with what it gave then when a run goes on: what must be kept of the beginning."""

    def loss(self, pack: Pack) -> Tensor:
        """The loss of a pack, a sum over what `size` counts."""

    def size(self, pack: Pack) -> int:
        """Of how many terms the loss is."""

    def number(self, pack: Pack) -> int:
        """How many examples a pack teaches."""

    def evaluate(self, heard: Heard = unheard) -> dict[str, float]:
        """Figures on what was held out, ``held loss`` among them; {} if nothing was."""


def sums(values: Tensor, pack: Pack) -> Tensor:
    """(members,): the log-probability of each sequence's answer."""
    import torch

    owner = torch.from_numpy(pack.owner).to(values.device)
    return torch.zeros(len(pack.members), device=values.device).index_add(0, owner, values)


@dataclass(frozen=True)
class Choices:
    """Held-out questions, each with its right answer first and others that could be said to it in the same pack.

    ``units``: number of the right answer's sequence -> numbers of the others, ``packs`` of whole units.
    """

    packs: Sequence[Pack]
    units: Mapping[int, Sequence[int]]

    def evaluate(self, logprobs: LogProbs, heard: Heard = unheard) -> dict[str, float]:
        """``held loss``: nats of a token of the right answers; ``factuality``: the share of questions whose right answer is
        likelier than the others, as texts; ``questions``: how many those are. Nothing is generated."""
        import torch

        if not self.packs:
            return {}
        loss = tokens = right = asked = 0.0
        with torch.no_grad():
            for done, pack in enumerate(self.packs, 1):
                values = logprobs(pack)
                heard("looking at the questions that are held out", done / len(self.packs))
                texts = sums(values, pack).tolist()
                said = dict(zip(pack.members, texts, strict=True))
                length = [0] * len(pack.members)
                for owner in pack.owner:
                    length[owner] += 1
                for place, number in enumerate(pack.members):
                    if number not in self.units:
                        continue
                    loss -= texts[place]
                    tokens += length[place]
                    if others := self.units[number]:
                        asked += 1
                        right += all(said[number] > said[other] for other in others)
        found = {"held loss": loss / tokens}
        return found | ({"factuality": right / asked, "questions": asked} if asked else {})


class Answers:
    """The answers of examples: the mean over their tokens."""

    def __init__(self, logprobs: LogProbs, packs: Sequence[Pack], held: Choices) -> None:
        self.packs, self._held, self._logprobs = packs, held, logprobs
        self.held_tokens = sum(map(len, held.packs))

    def begin(self, kept: Mapping[str, Any] | None, heard: Heard = unheard) -> dict[str, Any]:
        """Nothing of the beginning is needed later."""
        return {}

    def loss(self, pack: Pack) -> Tensor:
        """Nats of all tokens."""
        return -self._logprobs(pack).sum()

    def size(self, pack: Pack) -> int:
        """Tokens."""
        return len(pack.targets)

    def number(self, pack: Pack) -> int:
        """Examples."""
        return len(pack.members)

    def evaluate(self, heard: Heard = unheard) -> dict[str, float]:
        """Of what was held out."""
        return self._held.evaluate(self._logprobs, heard)


class Preferences:
    """Direct preference optimisation (Rafailov et al. 2023, arXiv:2305.18290, equation 7).

    Of a pair (w, l) the loss is -log sigmoid(beta ((log p(w) - log p0(w)) - (log p(l) - log p0(l)))), where p0 is the
    model as it was before the first step. So p0 is asked once, at the beginning, and no second model is held. In packs
    the two of a pair follow each other, the chosen one first.

    A pair is told apart as well by making both less likely, and silence, which is chosen again and again, likelier everywhere. So
    the chosen answer is learned, too: ``anchor`` times its nats a token are added (Pang et al. 2024, arXiv:2404.19733).
    """

    def __init__(
        self,
        logprobs: LogProbs,
        packs: Sequence[Pack],
        held_pairs: Sequence[Pack],
        held: Choices,
        beta: float,
        anchor: float,
    ) -> None:
        self.packs, self._pairs, self._held, self._logprobs = packs, held_pairs, held, logprobs
        self._beta, self._anchor = beta, anchor
        self._before: dict[Pack, Tensor] = {}
        self.held_tokens = sum(map(len, held_pairs)) + sum(map(len, held.packs))

    def begin(self, kept: Mapping[str, Any] | None, heard: Heard = unheard) -> dict[str, Any]:
        """The log-probabilities of the beginning, pack by pack."""
        import torch

        every = [*self.packs, *self._pairs]
        values = [] if kept is None else kept["before"]
        with torch.no_grad():
            for pack in every[len(values) :]:
                values.append(sums(self._logprobs(pack), pack))
                heard("asking the model as it is about every pair", len(values) / len(every))
        self._before = dict(zip(every, values, strict=True))
        return {"before": [one.cpu() for one in values]}

    def rewards(self, pack: Pack) -> tuple[Tensor, Tensor]:
        """(pairs,) each: by how much the chosen one has gained on the other, times beta; and the chosen one's nats a token."""
        import torch

        texts = sums(self._logprobs(pack), pack)
        gained = texts - self._before[pack].to(texts.device)
        length = torch.bincount(torch.from_numpy(pack.owner), minlength=len(pack.members)).to(texts.device)
        return self._beta * (gained[0::2] - gained[1::2]), -(texts / length)[0::2]

    def loss(self, pack: Pack) -> Tensor:
        """Of all pairs."""
        import torch

        rewards, nats = self.rewards(pack)
        return (self._anchor * nats - torch.nn.functional.logsigmoid(rewards)).sum()

    def size(self, pack: Pack) -> int:
        """Pairs."""
        return len(pack.members) // 2

    number = size

    def evaluate(self, heard: Heard = unheard) -> dict[str, float]:
        """``held loss`` and ``margin`` (mean reward) of held-out pairs, ``ahead``: the share of them whose chosen one gained
        more; beside them ``factuality`` and ``answer loss`` of held-out examples."""
        import torch

        examples = self._held.evaluate(self._logprobs, heard)
        if "held loss" in examples:
            examples["answer loss"] = examples.pop("held loss")
        if not self._pairs:
            return examples
        with torch.no_grad():
            margins = torch.cat([self.rewards(pack)[0] for pack in self._pairs])
        loss = -torch.nn.functional.logsigmoid(margins).mean()
        found = {"held loss": loss, "margin": margins.mean(), "ahead": (margins > 0).float().mean()}
        return {name: float(value) for name, value in found.items()} | {"pairs": float(len(margins))} | examples
