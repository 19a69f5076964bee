"""What is learned, encoded and packed: the phases of a training, each with what it is measured on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kgrag.answering.reasoning_steps import parse_steps
from kgrag.errors import KgragError
from kgrag.tune.data.example import Example, Preference
from kgrag.tune.training.heldout_eval import heldout_choices, sample_heldout, split_heldout
from kgrag.tune.training.objectives import AnswerObjective, DPOObjective, LogProbsFn, Objective
from kgrag.tune.training.prefix_packing import PackedSequence, build_packs
from kgrag.tune.training.settings import TrainingConfig
from kgrag.tune.training.tokenization import ChatEncoder


class TrainingPhases:
    """Makes the phases; ``left`` counts what was longer than ``longest`` tokens and is left out."""

    def __init__(
        self,
        settings: TrainingConfig,
        logprobs: LogProbsFn,
        encoder: ChatEncoder,
        max_tokens: int,
        notify: Callable[[str], None],
    ) -> None:
        self._settings, self._logprobs, self._encoder, self._max_tokens, self._notify = (
            settings,
            logprobs,
            encoder,
            max_tokens,
            notify,
        )
        self.num_skipped = 0

    def build_phases(self, examples: Sequence[Example], preferences: Sequence[Preference]) -> dict[str, Objective]:
        """``answers``, then ``preferences``: those of the two that there is something for.

        Raises:
            KgragError: there is nothing for either.
        """
        settings = self._settings
        training_examples, heldout = split_heldout(examples)
        if examples and not heldout:
            self._notify("nothing is held out, so nothing says when it has learned enough: the last step is kept")
        pairs = [one for one in preferences if not one.held]
        heldout_pairs = [one for one in preferences if one.held]
        answers = list(dict.fromkeys(parse_steps(one.answer).answer for one in examples))
        heldout_set = heldout_choices(
            sample_heldout(heldout), answers, self._encoder, self._max_tokens, preferences, settings.look
        )
        objectives: dict[str, Objective] = {}
        if training_packs := self._pack_examples(training_examples):
            objectives["answers"] = AnswerObjective(self._logprobs, training_packs, heldout_set)
        if training_packs := self._pack_pairs(pairs, settings.seed):
            heldout_pair_packs = self._pack_pairs(heldout_pairs, 0)
            objectives["preferences"] = DPOObjective(
                self._logprobs, training_packs, heldout_pair_packs, heldout_set, settings.beta, settings.anchor
            )
            if not heldout:
                self._notify(
                    "no examples are held out, so nothing tells whether the pairs cost right answers: add --examples"
                )
        if self.num_skipped:
            self._notify(
                f"{self.num_skipped} left out: longer than {self._max_tokens} tokens with their answer (--tokens)"
            )
        if not objectives:
            raise KgragError(
                f"There is nothing to learn from: of {len(examples)} examples and {len(preferences)} pairs "
                f"{len(heldout) + len(heldout_pairs)} are held out and {self.num_skipped} longer than {self._max_tokens} tokens. "
                "Give more, or raise --tokens."
            )
        return objectives

    def _pack_examples(self, examples: Sequence[Example]) -> list[PackedSequence]:
        encoded = [self._encoder.encode(one.messages, one.answer) for one in examples]
        fitting = [one for one in encoded if len(one.ids) <= self._max_tokens]
        self.num_skipped += len(encoded) - len(fitting)
        return build_packs(fitting, self._settings.tokens, max_sequences=self._settings.batch, seed=self._settings.seed)

    def _pack_pairs(self, pairs: Sequence[Preference], seed: int) -> list[PackedSequence]:
        fitting = []
        for preference in pairs:
            encoded_pair = [
                self._encoder.encode(preference.messages, text) for text in (preference.chosen, preference.rejected)
            ]
            if len(encoded_pair[0].ids) + encoded_pair[1].answer_length <= self._max_tokens:
                fitting += encoded_pair
            else:
                self.num_skipped += 1
        units = [(number, number + 1) for number in range(0, len(fitting), 2)]
        together = 2 * self._settings.batch
        return (
            build_packs(fitting, self._settings.tokens, max_sequences=together, seed=seed, units=units)
            if fitting
            else []
        )
