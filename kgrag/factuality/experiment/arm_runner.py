"""Answer a question in an arm: the model with the arm's evidence, or the pipeline of `kgrag ask`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from graphs.predicates import PredicateSchema, load_predicate_schema
from kgrag import prompts
from kgrag.answering.guards.citations import verify_citations
from kgrag.answering.guards.comparison import parse_and_verify
from kgrag.answering.pipeline import AnswerPipeline
from kgrag.answering.prompt_budget import evidence_budget, format_fact_lines, max_answer_tokens
from kgrag.answering.reasoning_steps import verify_steps
from kgrag.answering.selected_passage import SelectedPassage
from kgrag.answering.stages.evidence_selection import select_evidence, selector_fingerprint
from kgrag.factuality.experiment.arms import ArmEvidence, edit_fact_lines
from kgrag.factuality.experiment.conditions import Condition, EvalCase
from kgrag.factuality.experiment.response_cache import CachedLLM, ResponseCache
from kgrag.protocols import GenerationOptions
from kgrag.types import Citation, Hit, Path


@dataclass(frozen=True)
class ExperimentPlan:
    """Arms, conditions and limits of a run.

    ``k`` passages are retrieved per question. ``samples`` answers are drawn to measure the uncertainty of each answer;
    0 measures none. ``evidence_tokens`` and ``answer_tokens`` limit the prompt and the answer.
    """

    arms: tuple[str, ...]
    conditions: tuple[Condition, ...]
    k: int = 8
    samples: int = 0
    seed: int = 0
    evidence_tokens: int = 400
    answer_tokens: int = 96


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
        make_pipeline: builds the `AnswerPipeline` of the arm ``system`` for a model and a case.
        cache: cache of responses.
        schema: the store's predicates.
    """

    plan: ExperimentPlan
    make_pipeline: Callable[[CachedLLM, EvalCase], AnswerPipeline]
    cache: ResponseCache
    schema: PredicateSchema = field(default_factory=load_predicate_schema)

    def run_model_arm(self, case: EvalCase, llm: CachedLLM, evidence: ArmEvidence) -> ArmResponse:
        """Answer a case with the model from an arm's evidence."""
        question = case.question.text
        shown, dropped = self._select_evidence(question, evidence.hits, llm)
        lines = edit_fact_lines(format_fact_lines(evidence.facts, shown), case)
        messages = prompts.experiment_prompt(question, [(s.hit.title, s.text) for s in shown], lines)
        parsed = parse_and_verify(
            question,
            llm.generate(messages, GenerationOptions(max_tokens=max_answer_tokens(llm, self.plan.answer_tokens))),
            self.schema,
        )
        # a score is a cosine in one arm and a share of a random walk in another, so no score is too low for a citation
        step_check = verify_steps(question, parsed.steps, shown)
        citation_check = verify_citations(question, parsed.answer, shown)
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
        """Answer a case with the pipeline of `kgrag ask`; its evidence is the evidence of the answer."""
        pipeline = self.make_pipeline(llm, case)
        answer = pipeline.answer(case.question.text, self.plan.k)
        shown: list[SelectedPassage] = []
        if answer.reader != "llm":  # what it cites is all that it is from
            by_id = {hit.passage.id: hit for hit in answer.evidence}
            spans: dict[str, list[tuple[int, int]]] = {}
            for citation in answer.citations:
                spans.setdefault(citation.passage_id, []).append((citation.start, citation.end))
            shown = [SelectedPassage(n, by_id[i], tuple(sorted(s))) for n, (i, s) in enumerate(spans.items(), 1)]
        elif answer.evidence and answer.model:
            shown, _ = self._select_evidence(case.question.text, answer.evidence, llm)
        return ArmResponse(
            answer.text,
            answer.evidence,
            tuple(shown),
            [],
            answer.citations,
            answer.non_empty_paths,
            [diagnostic.message for diagnostic in answer.diagnostics],
            answer.model,
            answer.reader,
            steps=answer.steps,
        )

    def _select_evidence(
        self, question: str, hits: Sequence[Hit], llm: CachedLLM
    ) -> tuple[list[SelectedPassage], list[str]]:
        """Select evidence within the arm's budget; cached, because counting tokens needs the loaded model."""
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
