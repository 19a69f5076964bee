"""What is measured on: examples that are never trained on, each with what else could be said to it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from kgrag import prompts
from kgrag.silence import abstains
from kgrag.steps import concluded, stepped
from kgrag.tune.example import Example, Preference
from kgrag.tune.training.encoding import Encoded, Encoder
from kgrag.tune.training.objective import Choices
from kgrag.tune.training.packing import packs

TENTH = 10
HELD = 96
"""Examples that are looked at while it trains, at the most: more would cost more than they say."""


def hold_out(examples: Sequence[Example]) -> tuple[list[Example], list[Example]]:
    """(to train on, to measure on): as the examples say, or a tenth of the evidence, if none of them is set aside.

    Questions on the same evidence are on the same side, so that nothing of what is measured was seen.
    """
    if any(one.held for one in examples):
        return [one for one in examples if not one.held], [one for one in examples if one.held]
    train: list[Example] = []
    held: list[Example] = []
    for one in examples:
        number = int(hashlib.sha256(evidence(one).encode()).hexdigest()[:8], 16)
        (held if number % TENTH == 0 else train).append(one)
    return train, held


def some(held: Sequence[Example], number: int = HELD) -> list[Example]:
    """At most ``number`` of them, whole groups of the same evidence, drawn by their text: the same ones every time."""
    groups: dict[str, list[Example]] = {}
    for one in held:
        groups.setdefault(evidence(one), []).append(one)
    chosen: list[Example] = []
    for name in sorted(groups, key=lambda text: hashlib.sha256(text.encode()).digest()):
        if not chosen or len(chosen) + len(groups[name]) <= number:
            chosen += groups[name]
    return chosen


def evidence(example: Example | Preference) -> str:
    """What stands before the question."""
    last = str(example.messages[-1]["content"])
    before, _, _ = last.rpartition("\n")
    return before or last


def choices(
    held: Sequence[Example],
    answers: Sequence[str],
    encoder: Encoder,
    tokens: int,
    preferences: Sequence[Preference] = (),
    limit: int = 10**9,
) -> Choices:
    """Held-out examples, each beside an abstention and a wrong answer (or, where silence is right, beside an answer).

    The wrong answer is what was rejected for the question, if that is known; else one of ``answers`` that stands in its
    evidence; else any other. ``tokens`` is what a pack holds; after ``limit`` tokens in all,
    evidence that is not begun yet is left out.
    """
    rejected = {_asked(one): one.rejected for one in preferences}
    sequences: list[Encoded] = []
    units: dict[int, list[int]] = {}
    total, before = 0, ""
    for one in held:
        same = evidence(one) == before
        if not same and total >= limit:
            break
        before = evidence(one)
        right, steps = concluded(one.answer)
        others = [] if abstains(right) else [prompts.ABSTAIN.get(one.lang, prompts.ABSTAIN["en"])]
        wrong = concluded(rejected.get(_asked(one), "")).answer or _wrong(one, right, answers)
        others += [wrong] if wrong and wrong not in (right, *others) else []
        # after the right steps: what is measured is which answer follows them
        said = [one.answer, *(stepped(steps, other, one.lang) for other in others)]
        encoded = [encoder.encode(one.messages, text) for text in said]
        if sum(len(text.ids) for text in encoded) - (len(said) - 1) * encoded[0].start > tokens:
            continue
        total += sum(text.answer for text in encoded) + (0 if same else encoded[0].start)
        first = len(sequences)
        sequences += encoded
        units[first] = list(range(first + 1, len(sequences)))
    made = packs(sequences, tokens, together=10**6, units=[(first, *others) for first, others in units.items()])
    return Choices(made, units)


def _asked(one: Example | Preference) -> str:
    return str(one.messages[-1]["content"])


def _wrong(example: Example, right: str, answers: Sequence[str]) -> str:
    """An answer to something else: in the evidence, if one is; the same one every time."""
    right, text = right.casefold().strip(" .。"), evidence(example).casefold()
    asked = _asked(example)[len(evidence(example)) :].casefold()
    others = [
        one
        for one in answers
        if not abstains(one)
        and (other := one.casefold().strip(" .。"))
        and other not in right
        and right not in other
        and other not in asked
    ]
    near = [one for one in others if len(one) > 2 and one.casefold().strip(" .。") in text]
    mark = hashlib.sha256(example.id.encode()).hexdigest()
    return min(near or others, key=lambda one: hashlib.sha256((mark + one).encode()).digest(), default="")
