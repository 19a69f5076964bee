"""Preferences from a finished evaluation: what the model said, and what it had better said to the very same messages.

Right over wrong; where the evidence says the answer, the answer over silence; where it does not, silence over an invention.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass

from kgrag import prompts
from kgrag.answering.guards.comparison import parse_and_verify
from kgrag.answering.reasoning_steps import format_steps, parse_steps
from kgrag.answering.stages.evidence_selection import SelectedPassage
from kgrag.factuality.experiment.conditions import Condition
from kgrag.factuality.records import RunRecord
from kgrag.factuality.scoring.outcomes import Outcome, classify_outcome
from kgrag.metrics.answers import token_f1
from kgrag.tune.data.example import Preference
from kgrag.tune.data.holdout import assign_holdout
from kgrag.tune.data.prompt_format import answer_with_citations
from kgrag.types import Hit, Passage

CLOSED_BOOK = "closed-book"
MIN_PARTIAL_F1 = 0.5
"""A wrong answer with this token F1 to an accepted one is half right, and is not held against a model."""


@dataclass(frozen=True)
class ArmAnswer:
    """An answer to some messages and what became of it."""

    text: str
    outcome: Outcome


def rebuild_prompt(record: RunRecord) -> prompts.Messages | None:
    """What the model was asked, rebuilt from the evidence, the facts and the question of a record.

    None of the arm ``system``, whose records do not have all of its prompt, and where nothing was asked of the model.
    """
    if record["arm"].partition("+")[0] == "system" or record["reader"] != "llm":
        return None
    passages = rebuild_passages(record)
    return prompts.experiment_prompt(record["question"], [(s.hit.title, s.text) for s in passages], record["facts"])


def rebuild_passages(record: RunRecord) -> list[SelectedPassage]:
    """The passages that were shown, by their numbers."""
    rows = sorted((row for row in record["evidence"] if row["number"] is not None), key=lambda row: row["number"])
    passages = []
    for row in rows:
        passage = Passage(row["passage_id"], row["document"], row["text"], row["start"], row["end"])
        hit = Hit(passage, row["title"], row["source"], row["score"], row["rank"])
        passages.append(SelectedPassage(row["number"], hit, tuple((start, end) for start, end in row["spans"])))
    return passages


def build_preferences(records: Sequence[RunRecord], seed: int = 0) -> list[Preference]:
    """At most one preference for each different messages, in the order of the records.

    A question is held out with all of its preferences, as `kgrag.tune.data.holdout` decides by its gold documents.
    """
    groups: dict[str, list[RunRecord]] = {}
    for record in records:
        prompt = rebuild_prompt(record)
        # what an edit did not change is the question as it was, with another answer to it
        if prompt is not None and not (record["edit"] and not record["altered"]):
            groups.setdefault(json.dumps(prompt, ensure_ascii=False), []).append(record)
    sides = assign_holdout([group[0]["gold"] for group in groups.values()], seed)
    built = []
    for (prompt_json, group), is_heldout in zip(groups.items(), sides, strict=True):
        pair = _choose_pair(group)
        if pair is not None and is_heldout is not None:
            first = group[0]
            preference_id = f"{first['id']}/{first['condition']}/{first['arm']}"
            built.append(Preference(preference_id, json.loads(prompt_json), *pair, lang=first["lang"], held=is_heldout))
    return built


def balance_pairs(pairs: Sequence[Preference], seed: int = 0) -> list[Preference]:
    """The pairs, in their order, with no more that teach silence than there are that teach an answer, if there are any.

    To most questions whose evidence is hidden a model has an invention, so a run has many pairs that prefer silence; together they
    would teach silence above all. Which ones stay is drawn by chance, of those held out and of the others each.
    """
    dropped: set[int] = set()
    for is_heldout in (False, True):
        numbers = [number for number, pair in enumerate(pairs) if pair.held is is_heldout]
        abstaining = [number for number in numbers if prompts.is_abstention(pairs[number].chosen)]
        answers = len(numbers) - len(abstaining)
        if 0 < answers < len(abstaining):
            dropped.update(random.Random(seed).sample(abstaining, len(abstaining) - answers))
    return [pair for number, pair in enumerate(pairs) if number not in dropped]


def _choose_pair(group: Sequence[RunRecord]) -> tuple[str, str, str] | None:
    """What is preferred, over what, and why, of answers to the same messages; None where nothing is."""
    first = group[0]
    arm_answers = [t for record in group for t in _arm_answers(record)]
    right = next((t.text for t in arm_answers if t.outcome == Outcome.CORRECT), "")
    wrong = next((t.text for t in arm_answers if t.outcome == Outcome.WRONG and _is_clearly_wrong(t.text, first)), "")
    abstention = next((t.text for t in arm_answers if t.outcome == Outcome.ABSTAINED), "")
    if first["condition"] != Condition.UNANSWERABLE and _is_answerable(first):
        preferred = right or _accepted_answer(first, with_citations="[" in parse_steps(wrong or abstention).answer)
        if wrong:
            return preferred, wrong, "the passages say it, and not the other"
        return (preferred, abstention, "the passages say it, and nothing was answered") if abstention else None
    if not wrong:
        return None
    if right and first["arm"].partition("+")[0] == CLOSED_BOOK:
        return right, wrong, "it is right, and the other is not"
    why = "nothing was shown" if first["arm"].partition("+")[0] == CLOSED_BOOK else "the passages do not say it"
    return abstention or prompts.DONT_KNOW[first["lang"]], wrong, f"{why}, and the other is invented"


def _arm_answers(record: RunRecord) -> list[ArmAnswer]:
    """The answer of a record and the samples that were drawn to its messages."""
    full_answer = format_steps(record.get("steps", ()), record["answer"], record["lang"])
    arm_answers = [ArmAnswer(full_answer, Outcome(record["outcome"]))]
    answer_was_shown = bool(record["retrieval"] and record["retrieval"]["answer_shown"])
    for text in (record["uncertainty"] or {}).get("samples", ()):
        condition = Condition(record["condition"])
        sample_outcome = classify_outcome(
            parse_and_verify(record["question"], text).answer,
            record["accepted"],
            condition,
            is_in_evidence=answer_was_shown,
        )
        arm_answers.append(ArmAnswer(text, sample_outcome))
    return [t for t in arm_answers if t.text.strip()]


def _is_answerable(record: RunRecord) -> bool:
    """Whether the answer could have been had from what was shown."""
    return bool(record["retrieval"] and record["retrieval"]["sufficient"] and record["accepted"])


def _is_clearly_wrong(text: str, record: RunRecord) -> bool:
    return not record["accepted"] or not token_f1(parse_steps(text).answer, record["accepted"]) >= MIN_PARTIAL_F1


def _accepted_answer(record: RunRecord, *, with_citations: bool) -> str:
    """The known answer, with marks only where the other has some: the marks are not what is to be preferred."""
    answer = str(record["accepted"][0])
    if not with_citations:
        return answer
    gold = [row["passage_id"] for row in record["evidence"] if row["gold"]]
    return answer_with_citations(record["question"], answer, rebuild_passages(record), gold) or answer
