"""The run: every case in every arm, each answered once, checked, and told in a record."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from kgrag.answering.pipeline import AnswerPipeline
from kgrag.answering.prompt_budget import max_answer_tokens
from kgrag.errors import ModelError
from kgrag.factuality.experiment.arm_runner import ArmResponse, ArmRunner, ExperimentPlan, citations_json
from kgrag.factuality.experiment.arms import (
    ArmEvidence,
    EvidenceSources,
    arm_evidence,
    exclusion_reason,
    placebo_donors,
)
from kgrag.factuality.experiment.conditions import Condition, EvalCase, apply_condition, make_cases
from kgrag.factuality.experiment.response_cache import CachedJudge, CachedLLM, ResponseCache
from kgrag.factuality.records import RunRecord, claim_json, evidence_json
from kgrag.factuality.scoring.claim_verification import ClaimVerifier, claim_metrics, judgement_json
from kgrag.factuality.scoring.claims import extract_claims
from kgrag.factuality.scoring.error_attribution import EvidenceCoverage, attribute_error, evidence_coverage
from kgrag.factuality.scoring.graph_check import GraphVerdict, ungrounded_tokens
from kgrag.factuality.scoring.outcomes import Outcome, answer_matches, classify_outcome
from kgrag.factuality.scoring.uncertainty import same_meaning, uncertainty_scores
from kgrag.metrics.answers import normalize_answer, token_f1
from kgrag.metrics.significance import connected_components
from kgrag.protocols import LLM
from kgrag.serialize import path_json
from kgrag.types import Question

UNSUPPORTED_LANGUAGE = "the embedder does not know the question's language"


@dataclass
class Experiment:
    """Runs a plan over one store.

    Args:
        plan: what is run.
        sources: where evidence comes from.
        models: what arms' names end in ("", or that it has an adapter) -> how the model is loaded, and what tells it from others.
        judge: whether texts bear out claims.
        graph: what typed facts say of an answer to a question.
        system: the arm ``system``: an `Answerer` over a case's view, with a given model.
        kept: where everything asked is kept.
        clock: seconds.
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
    """(arm, condition, why) -> questions that were not asked."""

    def run(self, questions: Sequence[Question], on_progress: Callable[[], None] = lambda: None) -> list[RunRecord]:
        """All records, ordered by question, condition and arm. What was kept from an earlier run is not asked again.

        Raises:
            ModelError: the model failed; the message says where, and what was answered before is kept.
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
                        record = self._run_case(arm, suffix, case, llm, donor_by_id.get(case.question.id))
                    except ModelError as error:
                        raise ModelError(
                            f"The model failed at question {case.question.id} ({arm}{suffix}, {case.condition.value}): {error} "
                            "What was answered before is kept: run the same command again to go on."
                        ) from error
                    if record is not None:
                        record["cluster"] = clusters[case.question.id]
                        records[case_index, arm_index * len(self.models) + list(self.models).index(suffix)] = record
                    on_progress()
        return [records[key] for key in sorted(records)]

    def _run_case(
        self, arm: str, suffix: str, case: EvalCase, llm: CachedLLM, donor: Question | None
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
        runner = ArmRunner(self.plan, self.make_pipeline, self.cache)
        response = (
            runner.run_system_arm(case, llm) if arm == "system" else runner.run_model_arm(case, llm, shown_evidence)
        )
        seconds = llm.seconds
        grounded = arm != "closed-book"
        coverage = evidence_coverage(case, response.hits, response.shown, response.facts) if grounded else None
        is_leaked = coverage is not None and bool(coverage.answer_shown)
        result = classify_outcome(response.text, case.accepted, case.condition, is_in_evidence=is_leaked)
        record = self._record_head(arm + suffix, case, response, result, shown_evidence)
        record |= self._verify_claims(case, response, result, coverage)
        record["evidence"] = evidence_json(response.hits, response.shown, response.citations, case.question.gold)
        record["uncertainty"] = self._uncertainty(case, llm, response, result)
        record["blame"] = (
            attribute_error(case, result, normalize_answer(response.text), coverage, response.shown)
            if coverage is not None
            else ""
        )
        record |= {
            "dropped": response.diagnostics,
            "model": response.model,
            "reader": response.reader,
            "seconds": round(seconds, 3),
        }
        return record

    # --- checking --------------------------------------------------------------------------------------------------

    def _verify_claims(
        self, case: EvalCase, response: ArmResponse, result: Outcome, coverage: EvidenceCoverage | None
    ) -> RunRecord:
        question = case.question
        is_answered = result in (Outcome.CORRECT, Outcome.WRONG)
        answer_claims = extract_claims(question.text, response.text) if is_answered else []
        # the reference is the same for every arm: what is known, whatever the arm was shown of it
        open_case = EvalCase(question, case.condition, case.accepted, edit=case.edit)
        graph_verdict = (
            self.graph_verifier(question.text, response.text) if answer_claims and case.edit is None else None
        )
        verifier = ClaimVerifier(
            self.judge,
            lambda text, k: apply_condition(self.sources.hybrid(text, k), open_case),
            lambda: graph_verdict.judgement if graph_verdict is not None else None,
            case.accepted or question.answers,
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
        graph = None
        if graph_verdict is not None:
            graph = judgement_json(graph_verdict.judgement) | {"expected": graph_verdict.expected_answer, "paths": [path_json(p) for p in graph_verdict.paths]}  # fmt: skip
        return {
            "claims": [claim_json(c) for c in verified],
            "facts": response.facts,
            "citations": citations_json(response),
            "paths": [path_json(path) for path in response.paths],
            "graph": graph,
            "standing": ungrounded_tokens(question.text, response.text, texts) if is_grounded and is_answered else None,
            "retrieval": coverage.json() if coverage is not None else None,
            "measures": {name: None if math.isnan(value) else value for name, value in values.items()},
        }

    def _uncertainty(self, case: EvalCase, llm: CachedLLM, response: ArmResponse, result: Outcome) -> RunRecord | None:
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
            is_same=same_meaning(case.question.text, self.judge),
        )

    def _record_head(
        self, arm: str, case: EvalCase, response: ArmResponse, result: Outcome, shown_evidence: ArmEvidence
    ) -> RunRecord:
        question = case.question
        may_be_memory = case.is_synthetic and case.condition == Condition.UNANSWERABLE and result == Outcome.WRONG
        f1 = token_f1(normalize_answer(response.text), case.accepted) if result != Outcome.ABSTAINED else 0.0
        return {
            "id": question.id,
            "condition": case.condition.value,
            "made": case.is_synthetic,
            "arm": arm,
            "question": question.text,
            "answers": list(question.answers),
            "accepted": list(case.accepted),
            "gold": list(question.gold),
            "lang": question.lang,
            "hops": question.hops,
            "type": question.type,
            "cluster": "",
            "hidden": sorted(case.hidden),
            "edit": {"old": list(case.edit.old), "new": case.edit.new} if case.edit is not None else None,
            "altered": shown_evidence.is_altered,
            "donor": shown_evidence.donor_id,
            "answer": response.text,
            "steps": list(response.steps),
            "outcome": result.value,
            "from_memory": may_be_memory and answer_matches(response.text, case.accepted),
            "f1": f1 if case.accepted and not math.isnan(f1) else None,
        }
