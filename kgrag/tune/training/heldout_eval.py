"""Held-out examples for evaluation, each with alternative answers."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from kgrag import prompts
from kgrag.answering.reasoning_steps import format_steps, parse_steps
from kgrag.text.abstention import is_abstention
from kgrag.tune.data.example import Example, Preference
from kgrag.tune.training.objectives import HeldoutChoices
from kgrag.tune.training.prefix_packing import build_packs
from kgrag.tune.training.tokenization import ChatEncoder, EncodedExample

HOLDOUT_DIVISOR = 10
MAX_HELDOUT_EXAMPLES = 96
"""Maximum number of examples per evaluation during training; more would not pay for their time."""


def split_heldout(examples: Sequence[Example]) -> tuple[list[Example], list[Example]]:
    """Split examples into (training, held-out): as they are marked, or else a tenth of the evidence is held out.

    Questions on the same evidence are on the same side, so that no evidence of the evaluation was seen in training.
    """
    if any(example.held for example in examples):
        return [example for example in examples if not example.held], [example for example in examples if example.held]
    train: list[Example] = []
    heldout: list[Example] = []
    for example in examples:
        evidence_hash = int(hashlib.sha256(evidence_text(example).encode()).hexdigest()[:8], 16)
        (heldout if evidence_hash % HOLDOUT_DIVISOR == 0 else train).append(example)
    return train, heldout


def sample_heldout(heldout: Sequence[Example], number: int = MAX_HELDOUT_EXAMPLES) -> list[Example]:
    """Return at most ``number`` examples in whole groups of the same evidence, drawn deterministically by its hash."""
    groups: dict[str, list[Example]] = {}
    for example in heldout:
        groups.setdefault(evidence_text(example), []).append(example)
    chosen: list[Example] = []
    for name in sorted(groups, key=lambda text: hashlib.sha256(text.encode()).digest()):
        if not chosen or len(chosen) + len(groups[name]) <= number:
            chosen += groups[name]
    return chosen


def evidence_text(example: Example | Preference) -> str:
    """Return the part of the prompt before the question."""
    last_message = str(example.messages[-1]["content"])
    above_question, _, _ = last_message.rpartition("\n")
    return above_question or last_message


def heldout_choices(
    heldout: Sequence[Example],
    answers: Sequence[str],
    encoder: ChatEncoder,
    max_pack_tokens: int,
    preferences: Sequence[Preference] = (),
    max_total_tokens: int = 10**9,
) -> HeldoutChoices:
    """Build held-out questions with alternatives: an abstention and a wrong answer (or only an answer).

    If abstaining is right, the alternative is an answer. The wrong answer is the rejected one for the question, if
    known; else one of ``answers`` that occurs in its evidence; else any other.

    Args:
        heldout: the held-out examples.
        answers: candidates for wrong answers.
        encoder: the model's chat encoder.
        max_pack_tokens: tokens of a pack.
        preferences: pairs whose rejected answers are used as wrong answers.
        max_total_tokens: no further evidence is begun after this many tokens in all.
    """
    rejected = {_last_message(pair): pair.rejected for pair in preferences}
    sequences: list[EncodedExample] = []
    units: dict[int, list[int]] = {}
    total, previous_evidence = 0, ""
    for example in heldout:
        same_evidence = evidence_text(example) == previous_evidence
        if not same_evidence and total >= max_total_tokens:
            break
        previous_evidence = evidence_text(example)
        right_answer, steps = parse_steps(example.answer)
        alternatives = (
            []
            if is_abstention(right_answer)
            else [prompts.ABSTENTION_TEXT.get(example.lang, prompts.ABSTENTION_TEXT["en"])]
        )
        wrong_answer = parse_steps(rejected.get(_last_message(example), "")).answer or _choose_wrong_answer(
            example, right_answer, answers
        )
        alternatives += [wrong_answer] if wrong_answer and wrong_answer not in (right_answer, *alternatives) else []
        # alternatives follow the right steps, because the final answer is measured
        replies = [example.answer, *(format_steps(steps, other, example.lang) for other in alternatives)]
        encoded = [encoder.encode(example.messages, text) for text in replies]
        if sum(len(text.ids) for text in encoded) - (len(replies) - 1) * encoded[0].answer_start > max_pack_tokens:
            continue
        total += sum(text.answer_length for text in encoded) + (0 if same_evidence else encoded[0].answer_start)
        right_index = len(sequences)
        sequences += encoded
        units[right_index] = list(range(right_index + 1, len(sequences)))
    built_packs = build_packs(
        sequences, max_pack_tokens, max_sequences=10**6, units=[(first, *others) for first, others in units.items()]
    )
    return HeldoutChoices(built_packs, units)


def _last_message(example: Example | Preference) -> str:
    return str(example.messages[-1]["content"])


def _choose_wrong_answer(example: Example, right_answer: str, answers: Sequence[str]) -> str:
    """Return the answer to another question, preferably one in the evidence; deterministic."""
    right_answer, evidence_key = right_answer.casefold().strip(" .。"), evidence_text(example).casefold()
    question_key = _last_message(example)[len(evidence_text(example)) :].casefold()
    candidates = [
        answer
        for answer in answers
        if not is_abstention(answer)
        and (answer_key := answer.casefold().strip(" .。"))
        and answer_key not in right_answer
        and right_answer not in answer_key
        and answer_key not in question_key
    ]
    in_evidence = [a for a in candidates if len(a) > 2 and a.casefold().strip(" .。") in evidence_key]
    id_hash = hashlib.sha256(example.id.encode()).hexdigest()
    return min(in_evidence or candidates, key=lambda a: hashlib.sha256((id_hash + a).encode()).digest(), default="")
