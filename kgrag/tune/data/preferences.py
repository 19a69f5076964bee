"""Build preferences from a finished evaluation: a better and a worse answer to the same prompt.

A right answer is preferred over a wrong one. If the evidence supports an answer, it is preferred over an abstention; if
it does not, the abstention is preferred over a made-up answer.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass

from graphs.predicates import load_predicate_schema
from kgrag import prompts
from kgrag.answering.guards.comparison import parse_and_verify
from kgrag.answering.reasoning_steps import format_steps, parse_steps
from kgrag.answering.selected_passage import SelectedPassage
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
"""A wrong answer with this token F1 to an accepted one is half right, and is not used as a rejected answer."""


@dataclass(frozen=True)
class ArmAnswer:
    """An answer to a prompt, with its outcome."""

    text: str
    outcome: Outcome


def rebuild_prompt(record: RunRecord) -> prompts.Messages | None:
    """Rebuild the model's prompt from the evidence, the facts and the question of a record.

    Return None for the arm ``system``, whose records lack part of the prompt, and if the model was not called.
    """
    if record["arm"].partition("+")[0] == "system" or record["reader"] != "llm":
        return None
    passages = rebuild_passages(record)
    return prompts.experiment_prompt(record["question"], [(s.hit.title, s.text) for s in passages], record["facts"])


def rebuild_passages(record: RunRecord) -> list[SelectedPassage]:
    """Rebuild the shown passages, in the order of their numbers."""
    numbered_rows = [(number, row) for row in record["evidence"] if (number := row["number"]) is not None]
    passages = []
    for number, row in sorted(numbered_rows, key=lambda numbered: numbered[0]):
        passage = Passage(row["passage_id"], row["document"], row["text"], row["start"], row["end"])
        hit = Hit(passage, row.get("heading", row["title"]), row["source"], row["score"], row["rank"])
        passages.append(SelectedPassage(number, hit, tuple((start, end) for start, end in row["spans"])))
    return passages


def build_preferences(records: Sequence[RunRecord], seed: int = 0) -> list[Preference]:
    """Build at most one preference for each distinct prompt, in the order of the records.

    A question is held out with all of its preferences, by its gold documents (`kgrag.tune.data.holdout`).
    """
    groups: dict[str, list[RunRecord]] = {}
    for record in records:
        prompt = rebuild_prompt(record)
        # an edit that changed nothing leaves the original question, for which another answer is expected
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
    """Drop pairs that prefer an abstention until they do not outnumber those that prefer an answer, if any.

    Models make up an answer to most questions whose evidence is hidden, so a run has many such pairs, which together
    would mainly teach abstaining. The dropped pairs are drawn at random, separately for held-out and training pairs.
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
    """Return (chosen, rejected, reason) among the answers to one prompt; None if there is no preference."""
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
    """Return a record's answer and the answers sampled for its prompt."""
    full_answer = format_steps(record.get("steps", ()), record["answer"], record["lang"])
    arm_answers = [ArmAnswer(full_answer, Outcome(record["outcome"]))]
    answer_was_shown = bool(record["retrieval"] and record["retrieval"]["answer_shown"])
    uncertainty = record["uncertainty"]
    for text in uncertainty.get("samples", []) if uncertainty else []:
        condition = Condition(record["condition"])
        sample_outcome = classify_outcome(
            parse_and_verify(record["question"], text, load_predicate_schema()).answer,
            record["accepted"],
            condition,
            is_in_evidence=answer_was_shown,
        )
        arm_answers.append(ArmAnswer(text, sample_outcome))
    return [t for t in arm_answers if t.text.strip()]


def _is_answerable(record: RunRecord) -> bool:
    """Whether the evidence was sufficient for an accepted answer."""
    return bool(record["retrieval"] and record["retrieval"]["sufficient"] and record["accepted"])


def _is_clearly_wrong(text: str, record: RunRecord) -> bool:
    return not record["accepted"] or not token_f1(parse_steps(text).answer, record["accepted"]) >= MIN_PARTIAL_F1


def _accepted_answer(record: RunRecord, *, with_citations: bool) -> str:
    """Return an accepted answer, with citations only if the rejected one has some, so that they are not preferred."""
    answer = str(record["accepted"][0])
    if not with_citations:
        return answer
    gold = [row["passage_id"] for row in record["evidence"] if row["gold"]]
    return answer_with_citations(record["question"], answer, rebuild_passages(record), gold) or answer
