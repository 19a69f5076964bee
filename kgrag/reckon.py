"""What a model's text says in the end. What follows from the dates of its steps is reckoned here: a small model reads dates well,
and compares them badly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from kgrag.cite import unmarked
from kgrag.reader.compare import earlier, of_death, when
from kgrag.steps import Step, concluded, step_of
from kgrag.text import key, unbracketed

LONGEST = 3
"""Steps from a thing that is compared to its date."""


class Read(NamedTuple):
    """An answer, the steps before it, and what the model answered instead, where the dates of its steps say otherwise."""

    answer: str
    steps: tuple[str, ...] = ()
    overruled: str = ""

    @property
    def why(self) -> list[str]:
        """That it was overruled, in words."""
        return [f"by the dates of its steps it is not {self.overruled!r}"] if self.overruled else []


def read(question: str, text: str) -> Read:
    """What a model's text says to a question (`kgrag.steps.concluded`, `reckoned`)."""
    said, steps = concluded(text)
    found = reckoned(question, steps)
    if not found or key(unmarked(found)) == key(unmarked(said)):
        return Read(said, steps)
    return Read(found, steps, said)


def reckoned(question: str, steps: Sequence[str]) -> str:
    """Which of two was first or last, by the steps: its name as they write it, with its mark; "" where they do not decide.

    They decide where the question asks for what was earlier or later and names two things, from each of which steps lead to a
    date by the same predicate. Dates of which one is less exact and holds the other decide nothing.
    """
    facts = [fact for fact in map(step_of, steps) if fact is not None]
    said = f" {key(question)} "
    ends = [
        (fact, end) for fact in facts if f" {key(unbracketed(fact.subject))} " in said if (end := _end(fact, facts))
    ]
    ends = list({key(fact.subject): (fact, end) for fact, end in ends}.values())
    if len(ends) != 2:
        return ""
    (one, first), (other, second) = ends
    rest = said
    for fact in sorted((one, other), key=lambda f: -len(f.subject)):
        rest = rest.replace(f" {key(fact.subject)} ", " X ").replace(f" {key(unbracketed(fact.subject))} ", " X ")
    early, dates = earlier(rest), (when(first.object), when(second.object))
    size = min(map(len, dates))
    alike = key(first.predicate) == key(second.predicate) and of_death(rest) == of_death(first.predicate)
    if early is None or not alike or not size or dates[0][:size] == dates[1][:size]:
        return ""
    winner = one if (dates[0] < dates[1]) == early else other
    return f"{winner.subject} {winner.marks}".strip()


def _end(fact: Step, facts: Sequence[Step]) -> Step | None:
    """The last of the steps that lead on from a fact; None where they go in a circle, or two lead on."""
    for _ in range(LONGEST):
        after = [f for f in facts if key(unbracketed(f.subject)) == key(unbracketed(fact.object))]
        if not after:
            return fact
        if len(after) > 1:
            return None
        fact = after[0]
    return None
