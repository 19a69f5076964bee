"""The arms of the experiment: one model, one decoding, one instruction, and in each of them other evidence.

``closed-book`` has none; ``grounded`` what the hybrid retriever brings, and the facts that lead there; ``vector`` and
``graph`` what one of its parts brings alone; ``gold`` the passages of the documents that are known to hold the answer,
the ceiling; ``placebo`` what was found for another question, so that having any passages at all can be told from having
the right ones. ``system`` is what `kgrag ask` does, with its own instruction, thresholds, typed facts and withdrawals.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from kgrag.errors import UsageError
from kgrag.factuality.conditions import Case, Condition, edited, seen
from kgrag.reader.reads import Reads
from kgrag.reader.walk import Candidate
from kgrag.types import Hit, Question, Triple

ARMS = ("closed-book", "grounded", "vector", "graph", "gold", "placebo")
"""Those that are run by default."""
EVERY = (*ARMS, "system")
ADAPTED = "+adapter"
"""What the name of an arm ends in that is run with the adapter."""
MORE = 24
"""Passages asked for beyond those wanted where some will be out of view."""
_EXCLUDED = {
    Condition.UNANSWERABLE: {
        "closed-book": "it sees no documents, so that hiding some changes nothing",
        "gold": "its evidence is what is hidden",
        "placebo": "it never sees the evidence, so that hiding it changes nothing",
    },
    Condition.COUNTERFACTUAL: {
        "closed-book": "it sees no evidence that could be edited",
        "placebo": "it sees no evidence that could be edited",
        "system": "its typed facts are the store's, which is not edited",
    },
}


@dataclass(frozen=True)
class Sources:
    """Where evidence comes from. All of it is asked by question; ``vector`` gives None where the question's language is
    not the embedder's."""

    hybrid: Callable[[str, int], list[Hit]]
    vector: Callable[[str, int], list[Hit] | None]
    graph: Callable[[str, int], list[Hit]]
    reader: Reads
    stating: Callable[[Sequence[Triple]], list[Hit]]
    gold: Callable[[Question], list[Hit]]


@dataclass(frozen=True)
class Evidence:
    """What an arm shows of a case. ``altered``: an edit changed some of it; ``donor``: the question that it was found for."""

    hits: tuple[Hit, ...] = ()
    facts: tuple[Candidate, ...] = ()
    altered: bool = False
    donor: str = ""


def chosen(text: str) -> list[str]:
    """The arms that ``a,b,c`` names, in its order.

    Raises:
        UsageError: one of them is none, or is named twice.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in EVERY:
            raise UsageError(f"Expected --arms to name some of {', '.join(EVERY)}, found {name!r}.")
    if len({*names}) < len(names) or not names:
        raise UsageError(f"Expected --arms to name each arm once, and one at least, found {text!r}.")
    return names


def excluded(arm: str, case: Case) -> str:
    """Why an arm is not asked a case, in half a sentence; "" where it is."""
    if case.condition == Condition.UNANSWERABLE and not case.made:
        return "there are no gold passages" if arm == "gold" else ""
    if arm == "gold" and not case.question.gold:
        return "there are no gold passages"
    return _EXCLUDED.get(case.condition, {}).get(arm, "")


def evidence(arm: str, case: Case, sources: Sources, k: int, donor: Question | None = None) -> Evidence | None:
    """What an arm shows of a case, at most ``k`` passages; None where it has no way to look for any.

    Args:
        arm: one of `ARMS`.
        case: see `excluded` for those that are not asked.
        sources: of one store.
        k: passages.
        donor: of the placebo: another question.
    """
    question = case.question
    wanted = k + MORE if case.hidden else k
    hits: list[Hit] | None = []
    facts: Sequence[Candidate] = ()
    if arm == "grounded":
        hits, facts = sources.hybrid(question.text, wanted), sources.reader.read(question.text, None, case.hidden)
    elif arm == "vector":
        hits = sources.vector(question.text, wanted)
    elif arm == "graph":
        facts = sources.reader.read(question.text, None, case.hidden)
        stated = sources.stating([t for c in facts for path in (c.path, *c.also) for t in path.triples])
        known = {hit.passage.id for hit in stated}
        hits = [*stated, *(hit for hit in sources.graph(question.text, wanted) if hit.passage.id not in known)]
    elif arm == "gold":
        hits = sources.gold(question)
    elif arm == "placebo" and donor is not None:
        own = frozenset(question.gold)
        hits = seen(sources.hybrid(donor.text, k + MORE), replace(case, hidden=own))
    if hits is None:
        return None
    shown = seen(hits, case)[:k]
    before = {hit.passage.id: hit.passage.text for hit in hits}
    altered = any(hit.passage.text != before[hit.passage.id] for hit in shown)
    return Evidence(tuple(shown), tuple(facts), altered, donor.id if donor is not None and arm == "placebo" else "")


def edited_lines(lines: Sequence[str], case: Case) -> list[str]:
    """Lines of facts as a case has them."""
    return [edited(line, case.edit) for line in lines] if case.edit is not None else list(lines)


def donors(questions: Sequence[Question], seed: int = 0) -> dict[str, Question]:
    """For each question's id another one in its language whose passages are its placebo.

    Questions are put in a ring by a digest of their ids and the seed; the donor is the next one that shares no gold
    document. A question that is alone in its language has none.
    """
    ring = sorted(questions, key=lambda q: hashlib.sha256(f"{seed}/{q.id}".encode("utf-8", "surrogatepass")).digest())
    found = {}
    for place, question in enumerate(ring):
        others = (ring[(place + step) % len(ring)] for step in range(1, len(ring)))
        donor = next((o for o in others if o.lang == question.lang and not {*o.gold} & {*question.gold}), None)
        if donor is not None:
            found[question.id] = donor
    return found
