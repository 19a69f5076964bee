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
from kgrag.factuality.experiment.conditions import Condition, EvalCase, apply_condition, apply_edit
from kgrag.graphqa.protocol import GraphQA
from kgrag.graphqa.traversal import GraphAnswer
from kgrag.types import Hit, Question, Triple

DEFAULT_ARMS = ("closed-book", "grounded", "vector", "graph", "gold", "placebo")
"""Those that are run by default."""
ALL_ARMS = (*DEFAULT_ARMS, "system")
ADAPTER_SUFFIX = "+adapter"
"""What the name of an arm ends in that is run with the adapter."""
HIDDEN_MARGIN = 24
"""Passages asked for beyond those wanted where some will be out of view."""
_EXCLUSION_REASONS = {
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
class EvidenceSources:
    """Where evidence comes from. All of it is asked by question; ``vector`` gives None where the question's language is
    not the embedder's."""

    hybrid: Callable[[str, int], list[Hit]]
    vector: Callable[[str, int], list[Hit] | None]
    graph: Callable[[str, int], list[Hit]]
    reader: GraphQA
    passages_stating: Callable[[Sequence[Triple]], list[Hit]]
    gold: Callable[[Question], list[Hit]]


@dataclass(frozen=True)
class ArmEvidence:
    """What an arm shows of a case. ``altered``: an edit changed some of it; ``donor``: the question that it was found for."""

    hits: tuple[Hit, ...] = ()
    facts: tuple[GraphAnswer, ...] = ()
    is_altered: bool = False
    donor_id: str = ""


def parse_arms(text: str) -> list[str]:
    """The arms that ``a,b,c`` names, in its order.

    Raises:
        UsageError: one of them is none, or is named twice.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in ALL_ARMS:
            raise UsageError(f"Expected --arms to name some of {', '.join(ALL_ARMS)}, found {name!r}.")
    if len({*names}) < len(names) or not names:
        raise UsageError(f"Expected --arms to name each arm once, and one at least, found {text!r}.")
    return names


def exclusion_reason(arm: str, case: EvalCase) -> str:
    """Why an arm is not asked a case, in half a sentence; "" where it is."""
    if case.condition == Condition.UNANSWERABLE and not case.is_synthetic:
        return "there are no gold passages" if arm == "gold" else ""
    if arm == "gold" and not case.question.gold:
        return "there are no gold passages"
    return _EXCLUSION_REASONS.get(case.condition, {}).get(arm, "")


def arm_evidence(
    arm: str, case: EvalCase, sources: EvidenceSources, k: int, donor: Question | None = None
) -> ArmEvidence | None:
    """What an arm shows of a case, at most ``k`` passages; None where it has no way to look for any.

    Args:
        arm: one of `ARMS`.
        case: see `excluded` for those that are not asked.
        sources: of one store.
        k: passages.
        donor: of the placebo: another question.
    """
    question = case.question
    limit = k + HIDDEN_MARGIN if case.hidden else k
    hits: list[Hit] | None = []
    facts: Sequence[GraphAnswer] = ()
    if arm == "grounded":
        hits, facts = sources.hybrid(question.text, limit), sources.reader.answer(question.text, None, case.hidden)
    elif arm == "vector":
        hits = sources.vector(question.text, limit)
    elif arm == "graph":
        facts = sources.reader.answer(question.text, None, case.hidden)
        stating_hits = sources.passages_stating(
            [t for c in facts for path in (c.path, *c.second_paths) for t in path.triples]
        )
        stating_ids = {hit.passage.id for hit in stating_hits}
        hits = [
            *stating_hits,
            *(hit for hit in sources.graph(question.text, limit) if hit.passage.id not in stating_ids),
        ]
    elif arm == "gold":
        hits = sources.gold(question)
    elif arm == "placebo" and donor is not None:
        own_gold = frozenset(question.gold)
        hits = apply_condition(sources.hybrid(donor.text, k + HIDDEN_MARGIN), replace(case, hidden=own_gold))
    if hits is None:
        return None
    visible = apply_condition(hits, case)[:k]
    original_texts = {hit.passage.id: hit.passage.text for hit in hits}
    altered = any(hit.passage.text != original_texts[hit.passage.id] for hit in visible)
    return ArmEvidence(
        tuple(visible), tuple(facts), altered, donor.id if donor is not None and arm == "placebo" else ""
    )


def edit_fact_lines(lines: Sequence[str], case: EvalCase) -> list[str]:
    """Lines of facts as a case has them."""
    return [apply_edit(line, case.edit) for line in lines] if case.edit is not None else list(lines)


def placebo_donors(questions: Sequence[Question], seed: int = 0) -> dict[str, Question]:
    """For each question's id another one in its language whose passages are its placebo.

    Questions are put in a ring by a digest of their ids and the seed; the donor is the next one that shares no gold
    document. A question that is alone in its language has none.
    """
    ring = sorted(questions, key=lambda q: hashlib.sha256(f"{seed}/{q.id}".encode("utf-8", "surrogatepass")).digest())
    donor_by_id = {}
    for position, question in enumerate(ring):
        others = (ring[(position + step) % len(ring)] for step in range(1, len(ring)))
        donor = next((o for o in others if o.lang == question.lang and not {*o.gold} & {*question.gold}), None)
        if donor is not None:
            donor_by_id[question.id] = donor
    return donor_by_id
