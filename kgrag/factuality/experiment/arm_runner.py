"""Asking a question in an arm: the model with the arm's evidence and the one instruction, or `kgrag ask` as it is."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kgrag import prompts
from kgrag.answering.guards.citations import verify_citations
from kgrag.answering.guards.comparison import parse_and_verify
from kgrag.answering.pipeline import AnswerPipeline
from kgrag.answering.prompt_budget import evidence_budget, format_fact_lines, max_answer_tokens
from kgrag.answering.reasoning_steps import verify_steps
from kgrag.answering.stages.evidence_selection import SelectedPassage, select_evidence, selector_fingerprint
from kgrag.factuality.experiment.arms import ArmEvidence, edit_fact_lines
from kgrag.factuality.experiment.conditions import Condition, EvalCase
from kgrag.factuality.experiment.response_cache import CachedLLM, ResponseCache
from kgrag.factuality.records import RunRecord
from kgrag.types import Citation, Hit, Path


@dataclass(frozen=True)
class ExperimentPlan:
    """What is run. ``samples`` of each answer are drawn for its uncertainty; 0: none is measured."""

    arms: tuple[str, ...]
    conditions: tuple[Condition, ...]
    k: int = 8
    samples: int = 0
    seed: int = 0
    evidence_tokens: int = 400
    answer_tokens: int = 96


@dataclass(frozen=True)
class ArmResponse:
    """What an arm said, the ``steps`` that it wrote before, and what it was shown; ``messages`` is what the model was
    asked, None where others asked it."""

    text: str
    hits: tuple[Hit, ...]
    shown: tuple[SelectedPassage, ...]
    facts: list[str]
    citations: tuple[Citation, ...]
    paths: tuple[Path, ...]
    diagnostics: list[str]
    model: str
    reader: str = "llm"
    messages: prompts.Messages | None = None
    steps: tuple[str, ...] = ()


@dataclass
class ArmRunner:
    """Asks.

    Args:
        plan: how much evidence is shown, and how long an answer may be.
        system: the arm ``system``: an `Answerer` over a case's view, with a given model.
        kept: where everything asked is kept.
    """

    plan: ExperimentPlan
    make_pipeline: Callable[[CachedLLM, EvalCase], AnswerPipeline]
    cache: ResponseCache

    def run_model_arm(self, case: EvalCase, llm: CachedLLM, evidence: ArmEvidence) -> ArmResponse:
        """The model's answer from an arm's evidence."""
        question = case.question.text
        shown, dropped = self._select_evidence(question, evidence.hits, llm)
        lines = edit_fact_lines(format_fact_lines(evidence.facts, shown), case)
        messages = prompts.experiment_prompt(question, [(s.hit.title, s.text) for s in shown], lines)
        parsed = parse_and_verify(
            question, llm.generate(messages, max_tokens=max_answer_tokens(llm, self.plan.answer_tokens))
        )
        # a score is a cosine in one arm and a share of a walk in another: none is too low to be cited
        step_check = verify_steps(question, parsed.steps, shown, min_score=-math.inf)
        citation_check = verify_citations(question, parsed.answer, shown, min_score=-math.inf)
        dropped = [*dropped, *parsed.diagnostics, *step_check.refusals, *citation_check.refusals]
        citations = tuple(dict.fromkeys((*step_check.citations, *citation_check.citations)))
        cited_ids = {citation.passage_id for citation in citations}
        paths = tuple(
            dict.fromkeys(p for hit in evidence.hits if hit.passage.id in cited_ids for p in hit.paths if p.triples)
        )
        return ArmResponse(
            parsed.answer,
            evidence.hits,
            tuple(shown),
            lines,
            citations,
            paths,
            dropped,
            llm.name,
            messages=messages,
            steps=parsed.steps,
        )

    def run_system_arm(self, case: EvalCase, llm: CachedLLM) -> ArmResponse:
        """The answer of `kgrag ask`, with what it rests on as its evidence."""
        answerer = self.make_pipeline(llm, case)
        answer = answerer.answer(case.question.text, self.plan.k)
        shown: list[SelectedPassage] = []
        if answer.reader == "graph":
            by_id = {hit.passage.id: hit for hit in answer.evidence}
            spans: dict[str, list[tuple[int, int]]] = {}
            for citation in answer.citations:
                spans.setdefault(citation.passage_id, []).append((citation.start, citation.end))
            shown = [SelectedPassage(n, by_id[i], tuple(sorted(s))) for n, (i, s) in enumerate(spans.items(), 1)]
        elif answer.evidence and answer.model:
            shown, _ = self._select_evidence(case.question.text, answer.evidence, llm)
        dropped = list(answer.diagnostics)
        return ArmResponse(answer.text, answer.evidence, tuple(shown), [], answer.citations, answer.non_empty_paths, dropped, answer.model, answer.reader, steps=answer.steps)  # fmt: skip

    def _select_evidence(
        self, question: str, hits: Sequence[Hit], llm: CachedLLM
    ) -> tuple[list[SelectedPassage], list[str]]:
        """`kgrag.answering.stages.evidence_selection.select` within the arm's budget, kept, as counting tokens takes the model."""
        plan = self.plan

        def compute_selection() -> object:
            model = llm.model
            budget = evidence_budget(
                model, prompts.experiment_prompt(question, []), plan.evidence_tokens, plan.answer_tokens
            )
            shown, dropped = select_evidence(question, hits, budget, model.count)
            return [[[s.hit.rank, [list(span) for span in s.spans]] for s in shown], dropped]

        if not hits:
            return [], []
        hit_rows = [[h.rank, h.passage.id, h.title, h.passage.text, h.passage.start] for h in hits]
        parts = [
            "select",
            selector_fingerprint(),
            llm.fingerprint,
            question,
            hit_rows,
            plan.evidence_tokens,
            plan.answer_tokens,
        ]
        selection, dropped = self.cache.get_or_compute(parts, compute_selection)
        by_rank = {hit.rank: hit for hit in hits}
        shown = [
            SelectedPassage(n, by_rank[r], tuple((a, b) for a, b in spans)) for n, (r, spans) in enumerate(selection, 1)
        ]
        return shown, list(dropped)


def citations_json(response: ArmResponse) -> list[RunRecord]:
    """The citations of an answer, each with its document and title."""
    titles = {hit.passage.id: (hit.passage.document_id, hit.title) for hit in response.hits}
    rows = []
    for c in response.citations:
        document, title = titles.get(c.passage_id, ("", ""))
        rows.append({"passage_id": c.passage_id, "document": document, "title": title, "start": c.start, "end": c.end, "quote": c.quote})  # fmt: skip
    return rows
