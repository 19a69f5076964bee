"""What a model's text says in the end. What follows from the steps of a comparison is reckoned here: a small model reads dates and
countries well, and compares them badly. From steps that cannot be, nothing follows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ingest.patterns import vocabulary
from kgrag import prompts
from kgrag.cite import marks, unmarked
from kgrag.reader.compare import alike, earlier, of_death, when
from kgrag.reader.wording import wording
from kgrag.silence import abstains
from kgrag.steps import Step, concluded, step_of
from kgrag.text import is_cjk, key, language, unbracketed

LONGEST = 3
"""Steps from a thing that is compared to its date, or to what both may have."""


class Read(NamedTuple):
    """An answer, the steps before it, and what the model answered instead, where its steps say otherwise; ``because``: why
    nothing follows from them, where nothing does."""

    answer: str
    steps: tuple[str, ...] = ()
    overruled: str = ""
    because: str = ""

    @property
    def why(self) -> list[str]:
        """That it was overruled, in words."""
        if self.because:
            return [f"{self.overruled!r} is withdrawn: {self.because}"]
        return [f"by its steps it is not {self.overruled!r}"] if self.overruled else []


def read(question: str, text: str) -> Read:
    """What a model's text says to a question (`kgrag.steps.concluded`, `reckoned`): silence where its steps are `untenable`."""
    said, steps = concluded(text)
    if not abstains(said) and (because := untenable(question, steps)):
        return Read(prompts.ABSTAIN[language(question)], steps, said, because)
    found = reckoned(question, steps)
    if not found or key(unmarked(found)) == key(unmarked(said)):
        return Read(said, steps)
    return Read(found, steps, said)


def untenable(question: str, steps: Sequence[str]) -> str:
    """Why nothing can follow from steps, in words; "" where something may.

    Nobody is a relative of himself. And of two things that are named, one that has a date is not known to be earlier or
    later than one that has none: to name either is a guess, right half the time.
    """
    facts = [fact for fact in map(step_of, steps) if fact is not None]
    asking = wording(vocabulary()).asking
    for fact in facts:
        asked = asking.get(fact.predicate.replace(" ", "_"))
        if asked is not None and asked.kin and key(fact.subject) == key(fact.object):
            return f"nobody is his own {fact.predicate} ({fact.subject})"
    compared = _compared(question, facts)
    if compared is None or earlier(compared.rest) is None:
        return ""
    undated = [end for _, end in compared.ends if not when(end.object)]
    return f"no date is told of {undated[0].object}" if len(undated) == 1 else ""


def reckoned(question: str, steps: Sequence[str]) -> str:
    """What a comparison comes to, by the steps, with their marks; "" where they do not decide.

    They decide where the question names two things and steps lead from each to an end. Asked which was earlier or later, it is
    the name of one as the steps write it, if the ends are dates by the same predicate of which neither may hold the other; asked
    whether both have the same, and the ends are of what is asked for, "yes" (是) of equal ones and of a country and its people, and
    "no" (否) of two countries.
    """
    compared = _compared(question, [fact for fact in map(step_of, steps) if fact is not None])
    if compared is None:
        return ""
    rest, ((one, first), (other, second)) = compared
    if asked := alike(rest):
        reached = all(end.predicate.replace(" ", "_") in asked for end in (first, second))
        return _same(first, second, zh=is_cjk(question)) if reached else ""
    early, dates = earlier(rest), (when(first.object), when(second.object))
    size = min(map(len, dates))
    fit = key(first.predicate) == key(second.predicate) and of_death(rest) == of_death(first.predicate)
    if early is None or not fit or not size or dates[0][:size] == dates[1][:size]:
        return ""
    winner = one if (dates[0] < dates[1]) == early else other
    return f"{winner.subject} {winner.marks}".strip()


class _Compared(NamedTuple):
    """A question's words without the names of two things, and of each the fact that begins with it and the end of its steps."""

    rest: str
    ends: tuple[tuple[Step, Step], tuple[Step, Step]]


def _compared(question: str, facts: Sequence[Step]) -> _Compared | None:
    """None where a question does not name just two things that steps begin with."""
    said = f" {key(question)} "
    found = [
        (fact, end) for fact in facts if f" {key(unbracketed(fact.subject))} " in said if (end := _end(fact, facts))
    ]
    ends = list({key(fact.subject): (fact, end) for fact, end in found}.values())
    if len(ends) != 2:
        return None
    rest = said
    for fact in sorted((ends[0][0], ends[1][0]), key=lambda f: -len(f.subject)):
        rest = rest.replace(f" {key(fact.subject)} ", " X ").replace(f" {key(unbracketed(fact.subject))} ", " X ")
    # a key has Chinese characters apart
    return _Compared(rest.replace(" ", "") if is_cjk(question) else rest, (ends[0], ends[1]))


def _same(one: Step, other: Step, *, zh: bool) -> str:
    """Whether two ends are the same, with the marks of both."""
    lands = vocabulary().countries
    ends = [lands.get(end.object.lower(), key(end.object)) for end in (one, other)]
    if ends[0] == ends[1]:
        said = "是" if zh else "yes"
    elif all(end in lands.values() for end in ends):
        said = "否" if zh else "no"
    else:
        return ""
    return f"{said} {''.join(f'[{n}]' for n in sorted({*marks(one.marks + other.marks)}))}".strip()


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
