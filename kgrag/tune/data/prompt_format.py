"""Prompts and answers of the training data, in the format of `kgrag ask` and of the experiments."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from kgrag import prompts
from kgrag.answering.guards.citations import verify_citations
from kgrag.answering.prompt_budget import format_fact_lines
from kgrag.answering.selected_passage import SelectedPassage
from kgrag.answering.stages.evidence_selection import evidence_language, select_evidence
from kgrag.graphqa.traversal import GraphAnswer
from kgrag.protocols import Embedder
from kgrag.text import detect_language, normalize_name
from kgrag.types import Hit

CountTokens = Callable[[str], int]
"""Text -> its number of tokens."""


def build_prompt(
    question: str,
    passages: Sequence[SelectedPassage],
    fact_lines_shown: Sequence[str] = (),
    *,
    experiment_prompt: bool = False,
) -> prompts.Messages:
    """Build the prompt that `kgrag.answering.pipeline` sends, with lines of `kgrag.answering.prompt_budget`.

    With ``experiment_prompt`` the instruction is that of the experiments (`kgrag.prompts.experiment_prompt`), so that
    the adapter works with both instructions.
    """
    prompt_builder = prompts.experiment_prompt if experiment_prompt else prompts.grounded_prompt
    return prompt_builder(question, [(s.hit.title, s.text) for s in passages], fact_lines_shown)


def abstention_for(question: str, *, experiment_prompt: bool = False) -> str:
    """Return the reply that the instruction of `build_prompt` demands if the passages do not support an answer."""
    return (prompts.DONT_KNOW if experiment_prompt else prompts.ABSTENTION_TEXT)[detect_language(question)]


def visible_steps(question: str, walk: GraphAnswer, passages: Sequence[SelectedPassage]) -> list[str]:
    """Return an answer's facts as lines with citations, if there are several and all of them are shown; else [].

    The paths of a comparison are in the order of the question, so that the order does not reveal the answer.
    """
    question_key = normalize_name(question)
    paths = sorted((walk.path, *walk.second_paths), key=lambda path: question_key.find(normalize_name(path.names[0])))
    lines = format_fact_lines([walk._replace(path=paths[0], second_paths=tuple(paths[1:]))], passages)
    return lines if len(lines) > 1 and all(line.endswith("]") for line in lines) else []


def answer_with_citations(
    question: str, answer: str, passages: Sequence[SelectedPassage], gold: Collection[str], answer_passage_id: str = ""
) -> str:
    """Return an answer with citations of the gold passages that support it (`kgrag.answering.guards.citations`).

    Return "" if no citation passes the check, or if other passages than the gold ones support the answer.

    Args:
        question: the question.
        answer: a phrase.
        passages: the numbered passages; only their shown sentences can support a citation.
        gold: ids of the gold passages.
        answer_passage_id: the passage that states the answer; it is cited alone if its citation passes the check.
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
    """Return a passage reduced to its shown sentences."""
    passage = replace(selected.hit.passage, text=selected.text, start=0, end=len(selected.text))
    return SelectedPassage(selected.number, replace(selected.hit, passage=passage), ((0, len(selected.text)),))


def select_for_training(
    questions: Sequence[str],
    hits: Sequence[Hit],
    required_spans: Sequence[tuple[str, int, int]],
    budget: int,
    count: CountTokens,
    embedder_for: Callable[[str], Embedder | None] = lambda language: None,
) -> list[SelectedPassage]:
    """Select the sentences that several questions share as evidence, numbered in the order of ``hits``.

    Required sentences are always included; the rest of the budget goes to the sentences that share most with the
    questions (`kgrag.answering.stages.evidence_selection.select_evidence`).

    Args:
        questions: one or more.
        hits: best first.
        required_spans: (passage id, start, end) of sentences, offsets in the document's text; all in ``hits``.
        budget: tokens of all sentences together.
        count: counts the tokens of a text.
        embedder_for: returns the embedder of a language, which compares sentences with the questions as `kgrag ask` does.
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
    extra_passages: list[SelectedPassage] = []
    if required_tokens < budget:
        text = " ".join(questions)
        embedder = embedder_for(evidence_language(text, hits))
        extra_passages, _ = select_evidence(text, hits, budget - required_tokens, count, embedder)
    for s in extra_passages:
        passage_spans = spans.setdefault(s.hit.passage.id, set())
        passage_spans |= {(a, b) for a, b in s.spans if not any(a < end and start < b for start, end in passage_spans)}
    selected_hits = [hit for hit in hits if hit.passage.id in spans]
    return [SelectedPassage(n, hit, tuple(sorted(spans[hit.passage.id]))) for n, hit in enumerate(selected_hits, 1)]


def _span_text(hit: Hit, start: int, end: int) -> str:
    return hit.passage.text[start - hit.passage.start : end - hit.passage.start]
