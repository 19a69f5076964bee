"""What is learned, encoded and packed: the phases of a training, each with what it is measured on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kgrag.errors import KgragError
from kgrag.steps import concluded
from kgrag.tune.example import Example, Preference
from kgrag.tune.training.encoding import Encoder
from kgrag.tune.training.measured import choices, hold_out, some
from kgrag.tune.training.objective import Answers, LogProbs, Objective, Preferences
from kgrag.tune.training.packing import Pack, packs
from kgrag.tune.training.settings import Settings


class Work:
    """Makes the phases; ``left`` counts what was longer than ``longest`` tokens and is left out."""

    def __init__(
        self, settings: Settings, logprobs: LogProbs, encoder: Encoder, longest: int, say: Callable[[str], None]
    ) -> None:
        self._settings, self._logprobs, self._encoder, self._longest, self._say = (
            settings,
            logprobs,
            encoder,
            longest,
            say,
        )
        self.left = 0

    def phases(self, examples: Sequence[Example], preferences: Sequence[Preference]) -> dict[str, Objective]:
        """``answers``, then ``preferences``: those of the two that there is something for.

        Raises:
            KgragError: there is nothing for either.
        """
        settings = self._settings
        learned, held = hold_out(examples)
        if examples and not held:
            self._say("nothing is held out, so nothing says when it has learned enough: the last step is kept")
        pairs = [one for one in preferences if not one.held]
        held_pairs = [one for one in preferences if one.held]
        answers = list(dict.fromkeys(concluded(one.answer).answer for one in examples))
        measured = choices(some(held), answers, self._encoder, self._longest, preferences, settings.look)
        found: dict[str, Objective] = {}
        if made := self._examples(learned):
            found["answers"] = Answers(self._logprobs, made, measured)
        if made := self._pairs(pairs, settings.seed):
            waiting = self._pairs(held_pairs, 0)
            found["preferences"] = Preferences(self._logprobs, made, waiting, measured, settings.beta, settings.anchor)
            if not held:
                self._say(
                    "no examples are held out, so nothing tells whether the pairs cost right answers: add --examples"
                )
        if self.left:
            self._say(f"{self.left} left out: longer than {self._longest} tokens with their answer (--tokens)")
        if not found:
            raise KgragError(
                f"There is nothing to learn from: of {len(examples)} examples and {len(preferences)} pairs "
                f"{len(held) + len(held_pairs)} are held out and {self.left} longer than {self._longest} tokens. "
                "Give more, or raise --tokens."
            )
        return found

    def _examples(self, examples: Sequence[Example]) -> list[Pack]:
        encoded = [self._encoder.encode(one.messages, one.answer) for one in examples]
        fits = [one for one in encoded if len(one.ids) <= self._longest]
        self.left += len(encoded) - len(fits)
        return packs(fits, self._settings.tokens, together=self._settings.batch, seed=self._settings.seed)

    def _pairs(self, pairs: Sequence[Preference], seed: int) -> list[Pack]:
        fits = []
        for one in pairs:
            both = [self._encoder.encode(one.messages, text) for text in (one.chosen, one.rejected)]
            if len(both[0].ids) + both[1].answer <= self._longest:
                fits += both
            else:
                self.left += 1
        units = [(number, number + 1) for number in range(0, len(fits), 2)]
        together = 2 * self._settings.batch
        return packs(fits, self._settings.tokens, together=together, seed=seed, units=units) if fits else []
