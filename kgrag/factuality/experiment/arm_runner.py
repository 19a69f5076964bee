"""Answer a question in an arm: the model with the arm's evidence, or the pipeline of `kgrag ask`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from graphs.predicates import PredicateSchema, load_predicate_schema
from kgrag import prompts
from kgrag.answering.guards.citations import verify_citations
from kgrag.answering.guards.comparison import parse_and_verify
from kgrag.answering.pipeline import AnswerPipeline
from kgrag.answering.profiles import EXPERIMENT
from kgrag.answering.prompt_budget import format_fact_lines
from kgrag.answering.reasoning_steps import verify_steps
from kgrag.answering.selected_passage import SelectedPassage
from kgrag.factuality.experiment.arms import ArmEvidence
from kgrag.factuality.experiment.conditions import Condition, EvalCase
from kgrag.factuality.experiment.response_cache import CachedLLM
from kgrag.text.question_form import AnswerForm
from kgrag.types import Answer, Citation, Hit, Path


@dataclass(frozen=True)
class ExperimentPlan:
    """Arms, conditions and limits of a run.

    ``k`` passages are retrieved per question. ``samples`` answers are drawn to measure the uncertainty of each answer;
    0 measures none. ``evidence_tokens`` and ``answer_tokens`` limit the prompt and the answer; by default those of a
    short answer of `kgrag ask`.
    """

    arms: tuple[str, ...]
    conditions: tuple[Condition, ...]
    k: int = 8
    samples: int = 0
    seed: int = 0
    evidence_tokens: int = EXPERIMENT.evidence_tokens[AnswerForm.PHRASE]
    answer_tokens: int = EXPERIMENT.answer_tokens[AnswerForm.PHRASE]


@dataclass(frozen=True)
class ArmResponse:
    """The answer of an arm with its evidence.

    ``steps`` are the reasoning steps before the answer, ``facts`` the lines of typed facts in the prompt. ``messages`` is
    the prompt, None for the arm ``system``, which builds its own.
    """

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
    """Answers cases in one arm.

    Args:
        plan: limits of the evidence and of the answer.
        make_pipeline: builds the `AnswerPipeline` of `kgrag ask` for a model and a case.
        schema: the store's predicates.
    """

    plan: ExperimentPlan
    make_pipeline: Callable[[CachedLLM, EvalCase], AnswerPipeline]
    schema: PredicateSchema = field(default_factory=load_predicate_schema)

    def run_model_arm(self, case: EvalCase, llm: CachedLLM, evidence: ArmEvidence) -> ArmResponse:
        """Answer a case with the model from an arm's evidence, and check the draft without changing it."""
        question, plan = case.question.text, self.plan
        pipeline = replace(
            self.make_pipeline(llm, case),
            profile=EXPERIMENT,
            style="auto",
            evidence_tokens=plan.evidence_tokens,
            answer_tokens=plan.answer_tokens,
        )
        state, messages = pipeline.draft_from_evidence(question, evidence.hits, evidence.facts)
        shown = state.selected
        parsed = parse_and_verify(question, state.draft or "", self.schema)
        # a score is a cosine in one arm and a share of a random walk in another, so no score is too low for a citation
        step_check = verify_steps(question, parsed.steps, shown)
        citation_check = verify_citations(question, parsed.answer, shown)
        remarks = [diagnostic.message for diagnostic in state.diagnostics]
        citations = tuple(dict.fromkeys((*step_check.citations, *citation_check.citations)))
        cited_ids = {citation.passage_id for citation in citations}
        paths = tuple(
            dict.fromkeys(p for hit in evidence.hits if hit.passage.id in cited_ids for p in hit.paths if p.triples)
        )
        return ArmResponse(
            parsed.answer,
            evidence.hits,
            shown,
            format_fact_lines(evidence.facts, shown),
            citations,
            paths,
            [*remarks, *parsed.diagnostics, *step_check.refusals, *citation_check.refusals],
            llm.name,
            messages=messages,
            steps=parsed.steps,
        )

    def run_system_arm(self, case: EvalCase, llm: CachedLLM) -> ArmResponse:
        """Answer a case with the pipeline of `kgrag ask`; what it shows is the model's prompt, or else what it cites."""
        answer = self.make_pipeline(llm, case).answer(case.question.text, self.plan.k)
        return ArmResponse(
            answer.text,
            answer.evidence,
            _shown_passages(answer),
            [],
            answer.citations,
            answer.non_empty_paths,
            [diagnostic.message for diagnostic in answer.diagnostics],
            answer.model,
            answer.reader,
            steps=answer.steps,
        )


def _shown_passages(answer: Answer) -> tuple[SelectedPassage, ...]:
    """Return the passages that an answer rests on, with their sentences."""
    hits = {hit.passage.id: hit for hit in answer.evidence}
    spans: dict[str, list[tuple[int, int]]] = {}
    for citation in (answer.shown if answer.reader == "llm" else ()) or answer.citations:
        spans.setdefault(citation.passage_id, []).append((citation.start, citation.end))
    return tuple(SelectedPassage(n, hits[i], tuple(sorted(s))) for n, (i, s) in enumerate(spans.items(), 1))
