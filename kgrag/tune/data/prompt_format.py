"""How the product asks, and how it is to be answered: the one place that knows the instruction that is learned."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from kgrag import prompts
from kgrag.answering.guards.citations import verify_citations
from kgrag.answering.prompt_budget import format_fact_lines
from kgrag.answering.stages.evidence_selection import SelectedPassage, select_evidence
from kgrag.graphqa.traversal import GraphAnswer
from kgrag.text import detect_language, normalize_name
from kgrag.types import Hit

CountTokens = Callable[[str], int]
"""Tokens of a text."""


def build_prompt(
    question: str,
    passages: Sequence[SelectedPassage],
    fact_lines_shown: Sequence[str] = (),
    *,
    experiment_prompt: bool = False,
) -> prompts.Messages:
    """What the model is asked, as `kgrag.answering.pipeline` asks it; ``lines`` are those of `kgrag.answering.prompt_budget.fact_lines`.

    With ``compared`` it is asked as an experiment asks (`kgrag.prompts.compared`): what is learned under one instruction
    should hold under another.
    """
    prompt_builder = prompts.experiment_prompt if experiment_prompt else prompts.grounded_prompt
    return prompt_builder(question, [(s.hit.title, s.text) for s in passages], fact_lines_shown)


def abstention_for(question: str, *, experiment_prompt: bool = False) -> str:
    """What the instruction of `messages` says to reply where the passages do not say."""
    return (prompts.DONT_KNOW if experiment_prompt else prompts.ABSTENTION_TEXT)[detect_language(question)]


def visible_steps(question: str, walk: GraphAnswer, passages: Sequence[SelectedPassage]) -> list[str]:
    """The facts of an answer's walks as lines with marks, where it takes several and all of them are shown; else none.

    Of what is compared first comes what the question names first: the order must not give away which it is.
    """
    question_key = normalize_name(question)
    paths = sorted((walk.path, *walk.second_paths), key=lambda path: question_key.find(normalize_name(path.names[0])))
    lines = format_fact_lines([walk._replace(path=paths[0], second_paths=tuple(paths[1:]))], passages)
    return lines if len(lines) > 1 and all(line.endswith("]") for line in lines) else []


def answer_with_citations(
    question: str, answer: str, passages: Sequence[SelectedPassage], gold: Collection[str], answer_passage_id: str = ""
) -> str:
    """An answer with marks of the gold passages that it rests on: those whose citation stands (`kgrag.answering.guards.citations`).

    "" where none stands, or where the answer would be borne out by other passages than the gold ones.

    Args:
        question: what is asked.
        answer: a phrase.
        shown: numbered as they are shown; a citation must stand by what of them is shown.
        gold: ids of the gold passages.
        first: the one that says the answer; cited alone where that stands.
    """
    number = {s.hit.passage.id: s.number for s in passages}
    visible_passages = [_visible_part(s) for s in passages]
    for cited_ids in ([answer_passage_id], [*gold]) if answer_passage_id in number else ([*gold],):
        marks = "".join(f"[{number[passage]}]" for passage in cited_ids if passage in number)
        citation_check = verify_citations(question, f"{answer} {marks}", visible_passages)
        cited = {c.passage_id for c in citation_check.citations}
        if cited and cited <= {*cited_ids} and not citation_check.unsupported:
            return f"{answer} {''.join(f'[{n}]' for n in sorted(number[passage] for passage in cited))}"
    return ""


def _visible_part(selected: SelectedPassage) -> SelectedPassage:
    """A passage that has nothing but what is shown of it."""
    passage = replace(selected.hit.passage, text=selected.text, start=0, end=len(selected.text))
    return SelectedPassage(selected.number, replace(selected.hit, passage=passage), ((0, len(selected.text)),))


def select_for_training(
    questions: Sequence[str],
    hits: Sequence[Hit],
    required_spans: Sequence[tuple[str, int, int]],
    budget: int,
    count: CountTokens,
) -> list[SelectedPassage]:
    """The sentences that several questions are shown together, numbered in the order of ``hits``.

    What must be seen is; what is left of the budget goes to what the questions share most with (`kgrag.answering.stages.evidence_selection.select`).

    Args:
        questions: one or more.
        hits: best first.
        must: (passage id, start, end) of sentences, offsets in the document's text; all in ``hits``.
        budget: tokens, for all sentences together.
        count: tokens of a text.
    """
    by_id = {hit.passage.id: hit for hit in hits}
    spans: dict[str, set[tuple[int, int]]] = {}
    for passage_id, start, end in required_spans:
        spans.setdefault(passage_id, set()).add((start, end))
    required_tokens = sum(
        count(_span_text(by_id[i], *span)) + 8
        for i, passage_spans_so_far in spans.items()
        for span in passage_spans_so_far
    )
    extra_passages, _ = (
        select_evidence(" ".join(questions), hits, max(budget - required_tokens, 0), count)
        if required_tokens < budget
        else ([], [])
    )
    for s in extra_passages:
        passage_spans = spans.setdefault(s.hit.passage.id, set())
        passage_spans |= {(a, b) for a, b in s.spans if not any(a < end and start < b for start, end in passage_spans)}
    selected_hits = [hit for hit in hits if hit.passage.id in spans]
    return [SelectedPassage(n, hit, tuple(sorted(spans[hit.passage.id]))) for n, hit in enumerate(selected_hits, 1)]


def _span_text(hit: Hit, start: int, end: int) -> str:
    return hit.passage.text[start - hit.passage.start : end - hit.passage.start]
