"""Phases of a training: encode, pack and hold out the examples, then the preferences."""

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
    """Builder of the phases; ``num_skipped`` counts the examples longer than ``max_tokens``."""

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
        """Build the phases ``answers`` and ``preferences``, in this order, without those that have no data.

        Raises:
            KgragError: there is no data for either.
        """
        settings = self._settings
        training_examples, heldout = split_heldout(examples)
        if examples and not heldout:
            self._notify("no examples are held out, so overfitting cannot be detected: the last step is kept")
        pairs = [pair for pair in preferences if not pair.held]
        heldout_pairs = [pair for pair in preferences if pair.held]
        answers = list(dict.fromkeys(parse_steps(example.answer).answer for example in examples))
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
                    "no examples are held out to check that the pairs do not cost right answers: add --examples"
                )
        if self.num_skipped:
            self._notify(
                f"{self.num_skipped} left out: longer than {self._max_tokens} tokens with their answer (see --tokens)"
            )
        if not objectives:
            raise KgragError(
                f"There is nothing to learn from: {len(heldout) + len(heldout_pairs)} of {len(examples)} examples and "
                f"{len(preferences)} pairs are held out, and {self.num_skipped} are longer than {self._max_tokens} tokens. "
                "Give more examples, or raise --tokens."
            )
        return objectives

    def _pack_examples(self, examples: Sequence[Example]) -> list[PackedSequence]:
        encoded = [self._encoder.encode(example.messages, example.answer) for example in examples]
        fitting = [sequence for sequence in encoded if len(sequence.ids) <= self._max_tokens]
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
