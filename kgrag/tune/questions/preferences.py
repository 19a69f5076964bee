"""Preferences from a finished evaluation: what the model said, and what it had better said to the very same messages.

Right over wrong; where the evidence says the answer, the answer over silence; where it does not, silence over an invention.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass

from kgrag import prompts
from kgrag.evaluate.metrics import token_f1
from kgrag.evidence import Shown
from kgrag.factuality.conditions import Condition
from kgrag.factuality.outcomes import Outcome, outcome
from kgrag.factuality.records import Record
from kgrag.reckon import read
from kgrag.steps import concluded, stepped
from kgrag.tune.example import Preference
from kgrag.tune.questions.asked import answered
from kgrag.tune.questions.held import held_out
from kgrag.types import Hit, Passage

CLOSED = "closed-book"
NEAR = 0.5
"""A wrong answer with this token F1 to an accepted one is half right, and is not held against a model."""


@dataclass(frozen=True)
class Told:
    """An answer to some messages and what became of it."""

    text: str
    became: Outcome


def messages_of(record: Record) -> prompts.Messages | None:
    """What the model was asked, rebuilt from the evidence, the facts and the question of a record.

    None of the arm ``system``, whose records do not have all of its prompt, and where nothing was asked of the model.
    """
    if record["arm"].partition("+")[0] == "system" or record["reader"] != "llm":
        return None
    shown = shown_of(record)
    return prompts.compared(record["question"], [(s.hit.title, s.text) for s in shown], record["facts"])


def shown_of(record: Record) -> list[Shown]:
    """The passages that were shown, by their numbers."""
    rows = sorted((row for row in record["evidence"] if row["number"] is not None), key=lambda row: row["number"])
    found = []
    for row in rows:
        passage = Passage(row["passage_id"], row["document"], row["text"], row["start"], row["end"])
        hit = Hit(passage, row["title"], row["source"], row["score"], row["rank"])
        found.append(Shown(row["number"], hit, tuple((start, end) for start, end in row["spans"])))
    return found


def preferences(records: Sequence[Record], seed: int = 0) -> list[Preference]:
    """At most one preference for each different messages, in the order of the records.

    A question is held out with all of its preferences, as `kgrag.tune.questions.held` decides by its gold documents.
    """
    groups: dict[str, list[Record]] = {}
    for record in records:
        asked = messages_of(record)
        # what an edit did not change is the question as it was, with another answer to it
        if asked is not None and not (record["edit"] and not record["altered"]):
            groups.setdefault(json.dumps(asked, ensure_ascii=False), []).append(record)
    sides = held_out([group[0]["gold"] for group in groups.values()], seed)
    found = []
    for (said, group), side in zip(groups.items(), sides, strict=True):
        pair = _pair(group)
        if pair is not None and side is not None:
            first = group[0]
            name = f"{first['id']}/{first['condition']}/{first['arm']}"
            found.append(Preference(name, json.loads(said), *pair, lang=first["lang"], held=side))
    return found


def balanced(pairs: Sequence[Preference], seed: int = 0) -> list[Preference]:
    """The pairs, in their order, with no more that teach silence than there are that teach an answer, if there are any.

    To most questions whose evidence is hidden a model has an invention, so a run has many pairs that prefer silence; together they
    would teach silence above all. Which ones stay is drawn by chance, of those held out and of the others each.
    """
    left: set[int] = set()
    for held in (False, True):
        side = [number for number, pair in enumerate(pairs) if pair.held is held]
        silent = [number for number in side if prompts.abstains(pairs[number].chosen)]
        answers = len(side) - len(silent)
        if 0 < answers < len(silent):
            left.update(random.Random(seed).sample(silent, len(silent) - answers))
    return [pair for number, pair in enumerate(pairs) if number not in left]


def _pair(group: Sequence[Record]) -> tuple[str, str, str] | None:
    """What is preferred, over what, and why, of answers to the same messages; None where nothing is."""
    first = group[0]
    told = [t for record in group for t in _told(record)]
    right = next((t.text for t in told if t.became == Outcome.CORRECT), "")
    wrong = next((t.text for t in told if t.became == Outcome.WRONG and _far(t.text, first)), "")
    silent = next((t.text for t in told if t.became == Outcome.ABSTAINED), "")
    if first["condition"] != Condition.UNANSWERABLE and _enough(first):
        best = right or _known(first, marked="[" in concluded(wrong or silent).answer)
        if wrong:
            return best, wrong, "the passages say it, and not the other"
        return (best, silent, "the passages say it, and nothing was answered") if silent else None
    if not wrong:
        return None
    if right and first["arm"].partition("+")[0] == CLOSED:
        return right, wrong, "it is right, and the other is not"
    why = "nothing was shown" if first["arm"].partition("+")[0] == CLOSED else "the passages do not say it"
    return silent or prompts.UNKNOWN[first["lang"]], wrong, f"{why}, and the other is invented"


def _told(record: Record) -> list[Told]:
    """The answer of a record and the samples that were drawn to its messages."""
    whole = stepped(record.get("steps", ()), record["answer"], record["lang"])
    said = [Told(whole, Outcome(record["outcome"]))]
    leaked = bool(record["retrieval"] and record["retrieval"]["answer_shown"])
    for text in (record["uncertainty"] or {}).get("samples", ()):
        condition = Condition(record["condition"])
        became = outcome(read(record["question"], text).answer, record["accepted"], condition, said_by_evidence=leaked)
        said.append(Told(text, became))
    return [t for t in said if t.text.strip()]


def _enough(record: Record) -> bool:
    """Whether the answer could have been had from what was shown."""
    return bool(record["retrieval"] and record["retrieval"]["sufficient"] and record["accepted"])


def _far(text: str, record: Record) -> bool:
    return not record["accepted"] or not token_f1(concluded(text).answer, record["accepted"]) >= NEAR


def _known(record: Record, *, marked: bool) -> str:
    """The known answer, with marks only where the other has some: the marks are not what is to be preferred."""
    answer = str(record["accepted"][0])
    if not marked:
        return answer
    gold = [row["passage_id"] for row in record["evidence"] if row["gold"]]
    return answered(record["question"], answer, shown_of(record), gold) or answer
