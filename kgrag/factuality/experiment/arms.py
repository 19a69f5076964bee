"""Arms of the experiment: the same model, decoding and instruction, with different evidence in each arm.

- ``closed-book``: no evidence.
- ``grounded``: passages of the hybrid retriever, and typed facts that answer the question.
- ``vector``, ``graph``: passages of one part of the hybrid retriever.
- ``gold``: passages of the documents that are known to hold the answer; the upper bound.
- ``placebo``: passages retrieved for another question. It separates the effect of any passages from that of the right
  passages.
- ``system``: `kgrag ask` with its own instruction, thresholds, typed facts and guards.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from kgrag.errors import UsageError
from kgrag.factuality.experiment.conditions import Condition, Edit, EvalCase, apply_condition, apply_edit
from kgrag.graphqa.protocol import GraphQA
from kgrag.graphqa.traversal import GraphAnswer
from kgrag.types import Hit, Path, Question, Triple

DEFAULT_ARMS = ("closed-book", "grounded", "vector", "graph", "gold", "placebo")
"""Arms that run by default."""
ALL_ARMS = (*DEFAULT_ARMS, "system")
ADAPTER_SUFFIX = "+adapter"
"""Suffix of the name of an arm that runs with the adapter."""
HIDDEN_MARGIN = 24
"""Passages retrieved in excess of ``k`` if some of them will be hidden."""
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
    """Sources of evidence, each called with a question.

    ``vector`` returns None if the embedder does not support the question's language.
    """

    hybrid: Callable[[str, int], list[Hit]]
    vector: Callable[[str, int], list[Hit] | None]
    graph: Callable[[str, int], list[Hit]]
    reader: GraphQA
    passages_stating: Callable[[Sequence[Triple]], list[Hit]]
    gold: Callable[[Question], list[Hit]]


@dataclass(frozen=True)
class ArmEvidence:
    """The evidence of an arm for a case.

    ``is_altered`` is whether the edit changed any of it. ``donor_id`` is the question that a placebo was retrieved for.
    """

    hits: tuple[Hit, ...] = ()
    facts: tuple[GraphAnswer, ...] = ()
    is_altered: bool = False
    donor_id: str = ""


def parse_arms(text: str) -> list[str]:
    """Parse ``a,b,c`` into arms, in the same order.

    Raises:
        UsageError: a name is unknown or given twice, or there is none.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in ALL_ARMS:
            raise UsageError(f"Expected --arms to name some of {', '.join(ALL_ARMS)}, found {name!r}.")
    if len({*names}) < len(names) or not names:
        raise UsageError(f"Expected --arms to name at least one arm, and each arm once, found {text!r}.")
    return names


def exclusion_reason(arm: str, case: EvalCase) -> str:
    """Return the reason why a case does not run in an arm, as half a sentence; "" if it runs."""
    if case.condition == Condition.UNANSWERABLE and not case.is_synthetic:
        return "there are no gold passages" if arm == "gold" else ""
    if arm == "gold" and not case.question.gold:
        return "there are no gold passages"
    return _EXCLUSION_REASONS.get(case.condition, {}).get(arm, "")


def arm_evidence(
    arm: str, case: EvalCase, sources: EvidenceSources, k: int, donor: Question | None = None
) -> ArmEvidence | None:
    """Return the evidence of an arm for a case, or None if the arm's retriever does not support the question.

    Args:
        arm: one of `ALL_ARMS`.
        case: a case that `exclusion_reason` does not exclude.
        sources: sources of one store.
        k: maximum number of passages.
        donor: for the placebo, the question whose passages are shown.
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
        tuple(visible),
        edit_facts(facts, case.edit),
        altered,
        donor.id if donor is not None and arm == "placebo" else "",
    )


def edit_facts(facts: Sequence[GraphAnswer], edit: Edit | None) -> tuple[GraphAnswer, ...]:
    """Return answers of the graph with an edit applied to the names on their paths."""
    if edit is None:
        return tuple(facts)

    def edit_path(path: Path) -> Path:
        return replace(path, names=tuple(apply_edit(name, edit) for name in path.names))

    return tuple(
        fact._replace(path=edit_path(fact.path), second_paths=tuple(map(edit_path, fact.second_paths)))
        for fact in facts
    )


def placebo_donors(questions: Sequence[Question], seed: int = 0) -> dict[str, Question]:
    """Return the donor of each question by question id; the donor's passages are the placebo.

    Questions form a ring, ordered by a digest of the seed and the question id. The donor is the next question in the same
    language that shares no gold document. A question without such a neighbour has no donor.
    """
    ring = sorted(questions, key=lambda q: hashlib.sha256(f"{seed}/{q.id}".encode("utf-8", "surrogatepass")).digest())
    donor_by_id = {}
    for position, question in enumerate(ring):
        others = (ring[(position + step) % len(ring)] for step in range(1, len(ring)))
        donor = next((o for o in others if o.lang == question.lang and not {*o.gold} & {*question.gold}), None)
        if donor is not None:
            donor_by_id[question.id] = donor
    return donor_by_id
