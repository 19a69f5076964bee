"""Run the experiment: answer every case in every arm once, verify the answer, and record it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypedDict

from graphs.predicates import PredicateSchema, load_predicate_schema
from kgrag.answering.pipeline import AnswerPipeline
from kgrag.answering.prompt_budget import max_answer_tokens
from kgrag.errors import ModelError
from kgrag.factuality.experiment.arm_runner import ArmResponse, ArmRunner, ExperimentPlan
from kgrag.factuality.experiment.arms import (
    ArmEvidence,
    EvidenceSources,
    arm_evidence,
    exclusion_reason,
    placebo_donors,
)
from kgrag.factuality.experiment.conditions import Condition, EvalCase, apply_condition, make_cases
from kgrag.factuality.experiment.record_builder import citations_json, claim_json, evidence_json, graph_json, paths_json
from kgrag.factuality.experiment.response_cache import CachedJudge, CachedLLM, ResponseCache
from kgrag.factuality.records import (
    CitationRecord,
    ClaimRecord,
    GraphRecord,
    PathRecord,
    RetrievalRecord,
    RunRecord,
    TokenRecord,
    UncertaintyRecord,
)
from kgrag.factuality.scoring.claim_verification import ClaimVerifier, claim_metrics
from kgrag.factuality.scoring.claims import extract_claims
from kgrag.factuality.scoring.error_attribution import EvidenceCoverage, attribute_error, evidence_coverage
from kgrag.factuality.scoring.graph_check import GraphVerdict, ungrounded_tokens
from kgrag.factuality.scoring.outcomes import Outcome, answer_matches, classify_outcome
from kgrag.factuality.scoring.uncertainty import same_meaning, uncertainty_scores
from kgrag.metrics.answers import normalize_answer, token_f1
from kgrag.metrics.clusters import connected_components
from kgrag.protocols import LLM
from kgrag.types import Question

UNSUPPORTED_LANGUAGE = "the embedder does not know the question's language"


class _Verification(TypedDict):
    """The keys of a record that verification fills."""

    claims: list[ClaimRecord]
    facts: list[str]
    citations: list[CitationRecord]
    paths: list[PathRecord]
    graph: GraphRecord | None
    standing: TokenRecord | None
    retrieval: RetrievalRecord | None
    measures: dict[str, float | None]


@dataclass
class Experiment:
    """Runs a plan over one store.

    Args:
        plan: arms, conditions and limits.
        sources: sources of evidence.
        models: for each suffix of arm names ("" or `ADAPTER_SUFFIX`), a loader of the model and the model's fingerprint.
        judge: judges whether texts support a claim.
        graph_verifier: called with a question and an answer; returns the judgement of typed facts, or None.
        make_pipeline: builds the `AnswerPipeline` of `kgrag ask` for a model and a case.
        cache: cache of responses.
        clock: returns the time in seconds.
    """

    plan: ExperimentPlan
    sources: EvidenceSources
    models: Mapping[str, tuple[Callable[[], LLM], str]]
    judge: CachedJudge
    graph_verifier: Callable[[str, str], GraphVerdict | None]
    make_pipeline: Callable[[CachedLLM, EvalCase], AnswerPipeline]
    cache: ResponseCache
    clock: Callable[[], float]
    skipped: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """Number of questions that did not run, by (arm, condition, reason)."""

    schema: PredicateSchema = field(default_factory=load_predicate_schema)
    """The store's predicates and countries."""

    def run(self, questions: Sequence[Question], on_progress: Callable[[], None] = lambda: None) -> list[RunRecord]:
        """Return all records, ordered by question, condition and arm. Cached answers are not generated again.

        Raises:
            ModelError: the model failed; the message names the case. Earlier answers stay in the cache.
        """
        plan = self.plan
        eval_cases = make_cases(questions, plan.conditions, plan.seed)
        donor_by_id = placebo_donors(questions, plan.seed) if "placebo" in plan.arms else {}
        clusters = dict(zip((q.id for q in questions), connected_components([q.gold for q in questions]), strict=True))
        records: dict[tuple[int, int], RunRecord] = {}
        for suffix, (load, fingerprint) in self.models.items():
            llm = CachedLLM(load, fingerprint, self.cache, self.clock)
            for case_index, case in enumerate(eval_cases):
                for arm_index, arm in enumerate(plan.arms):
                    try:
                        donor = donor_by_id.get(case.question.id)
                        record = self._run_case(arm, suffix, case, llm, donor, clusters[case.question.id])
                    except ModelError as error:
                        raise ModelError(
                            f"The model failed at question {case.question.id} ({arm}{suffix}, {case.condition.value}): {error} "
                            "Earlier answers are kept: run the same command again to continue."
                        ) from error
                    if record is not None:
                        records[case_index, arm_index * len(self.models) + list(self.models).index(suffix)] = record
                    on_progress()
        return [records[key] for key in sorted(records)]

    def _run_case(
        self, arm: str, suffix: str, case: EvalCase, llm: CachedLLM, donor: Question | None, cluster: str
    ) -> RunRecord | None:
        reason = exclusion_reason(arm, case) or (
            "no other question can be its donor" if arm == "placebo" and donor is None else ""
        )
        shown_evidence = (
            arm_evidence(arm, case, self.sources, self.plan.k, donor)
            if not reason and arm != "system"
            else ArmEvidence()
        )
        if reason or shown_evidence is None:
            self.skipped[arm + suffix, case.condition.value, reason or UNSUPPORTED_LANGUAGE] += 1
            return None
        llm.seconds = 0.0
        runner = ArmRunner(self.plan, self.make_pipeline, self.schema)
        response = (
            runner.run_system_arm(case, llm) if arm == "system" else runner.run_model_arm(case, llm, shown_evidence)
        )
        seconds = llm.seconds
        grounded = arm != "closed-book"
        coverage = evidence_coverage(case, response.hits, response.shown, response.facts) if grounded else None
        is_leaked = coverage is not None and bool(coverage.answer_shown)
        result = classify_outcome(
            response.text, case.accepted, case.condition, is_in_evidence=is_leaked, schema=self.schema
        )
        error_cause = (
            attribute_error(case, result, normalize_answer(response.text), coverage, response.shown)
            if coverage is not None
            else ""
        )
        question = case.question
        may_be_memory = case.is_synthetic and case.condition == Condition.UNANSWERABLE and result == Outcome.WRONG
        f1 = token_f1(normalize_answer(response.text), case.accepted) if result != Outcome.ABSTAINED else 0.0
        return {
            "id": question.id,
            "condition": case.condition.value,
            "made": case.is_synthetic,
            "arm": arm + suffix,
            "question": question.text,
            "answers": list(question.answers),
            "accepted": list(case.accepted),
            "gold": list(question.gold),
            "lang": question.lang,
            "hops": question.hops,
            "type": question.type,
            "cluster": cluster,
            "hidden": sorted(case.hidden),
            "edit": {"old": list(case.edit.old), "new": case.edit.new} if case.edit is not None else None,
            "altered": shown_evidence.is_altered,
            "donor": shown_evidence.donor_id,
            "answer": response.text,
            "steps": list(response.steps),
            "outcome": result.value,
            "from_memory": may_be_memory and answer_matches(response.text, case.accepted),
            "f1": f1 if case.accepted and not math.isnan(f1) else None,
            **self._verify_claims(case, response, result, coverage),
            "evidence": evidence_json(response.hits, response.shown, response.citations, question.gold),
            "uncertainty": self._uncertainty(case, llm, response, result),
            "blame": error_cause,
            "dropped": response.diagnostics,
            "model": response.model,
            "reader": response.reader,
            "seconds": round(seconds, 3),
        }

    def _verify_claims(
        self, case: EvalCase, response: ArmResponse, result: Outcome, coverage: EvidenceCoverage | None
    ) -> _Verification:
        question = case.question
        is_answered = result in (Outcome.CORRECT, Outcome.WRONG)
        answer_claims = extract_claims(question.text, response.text) if is_answered else []
        # every arm has the same reference: all known evidence, even if the arm was shown only a part of it
        open_case = EvalCase(question, case.condition, case.accepted, edit=case.edit)
        graph_verdict = (
            self.graph_verifier(question.text, response.text) if answer_claims and case.edit is None else None
        )
        verifier = ClaimVerifier(
            self.judge,
            lambda text, k: apply_condition(self.sources.hybrid(text, k), open_case),
            lambda: graph_verdict.judgement if graph_verdict is not None else None,
            case.accepted or question.answers,
            self.schema,
        )
        verified = verifier.verify(
            answer_claims, apply_condition(self.sources.gold(question), open_case), response.shown, response.citations
        )
        is_grounded = coverage is not None
        is_sufficient = coverage is not None and coverage.is_sufficient and case.condition != Condition.UNANSWERABLE
        values = claim_metrics(
            verified,
            len(response.citations),
            grounded=is_grounded,
            sufficient=is_sufficient,
            right=result == Outcome.CORRECT,
        )
        texts = [f"{s.hit.title} {s.text}" for s in response.shown] + response.facts
        return {
            "claims": [claim_json(c) for c in verified],
            "facts": response.facts,
            "citations": citations_json(response.citations, response.hits),
            "paths": paths_json(response.paths),
            "graph": graph_json(graph_verdict) if graph_verdict is not None else None,
            "standing": ungrounded_tokens(question.text, response.text, texts) if is_grounded and is_answered else None,
            "retrieval": coverage.json() if coverage is not None else None,
            "measures": {name: None if math.isnan(value) else value for name, value in values.items()},
        }

    def _uncertainty(
        self, case: EvalCase, llm: CachedLLM, response: ArmResponse, result: Outcome
    ) -> UncertaintyRecord | None:
        if not self.plan.samples or response.messages is None or result not in (Outcome.CORRECT, Outcome.WRONG):
            return None
        return uncertainty_scores(
            llm,
            response.messages,
            case.question.text,
            response.text,
            steps=response.steps,
            samples=self.plan.samples,
            max_tokens=max_answer_tokens(llm, self.plan.answer_tokens),
            seed=self.plan.seed,
            is_same=same_meaning(case.question.text, self.judge, self.schema),
            schema=self.schema,
        )
