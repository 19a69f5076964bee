"""The run: every case in every arm, each answered once, checked, and told in a record."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from kgrag.answer import Answerer
from kgrag.briefing import allowed
from kgrag.errors import ModelError
from kgrag.evaluate.metrics import bare, token_f1
from kgrag.factuality.arms import Evidence, Sources, donors, evidence, excluded
from kgrag.factuality.asking import Asking, Plan, Told, citations_json
from kgrag.factuality.blame import Retrieval, blame, retrieval
from kgrag.factuality.claims import claims
from kgrag.factuality.conditions import Case, Condition, cases, seen
from kgrag.factuality.grounding import Said, standing
from kgrag.factuality.kept import Kept, KeptJudge, KeptLLM
from kgrag.factuality.outcomes import Outcome, matches, outcome
from kgrag.factuality.records import Record, claim_json, evidence_json
from kgrag.factuality.statistics import joined
from kgrag.factuality.support import Checker, judgement_json, measures
from kgrag.factuality.uncertainty import doubt, meaning
from kgrag.protocols import LLM
from kgrag.render import path_json
from kgrag.types import Question

UNASKED_LANGUAGE = "the embedder does not know the question's language"


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

    plan: Plan
    sources: Sources
    models: Mapping[str, tuple[Callable[[], LLM], str]]
    judge: KeptJudge
    graph: Callable[[str, str], Said | None]
    system: Callable[[KeptLLM, Case], Answerer]
    kept: Kept
    clock: Callable[[], float]
    unasked: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """(arm, condition, why) -> questions that were not asked."""

    def run(self, questions: Sequence[Question], tick: Callable[[], None] = lambda: None) -> list[Record]:
        """All records, ordered by question, condition and arm. What was kept from an earlier run is not asked again.

        Raises:
            ModelError: the model failed; the message says where, and what was answered before is kept.
        """
        plan = self.plan
        found = cases(questions, plan.conditions, plan.seed)
        donor = donors(questions, plan.seed) if "placebo" in plan.arms else {}
        clusters = dict(zip((q.id for q in questions), joined([q.gold for q in questions]), strict=True))
        records: dict[tuple[int, int], Record] = {}
        for suffix, (load, stamp) in self.models.items():
            llm = KeptLLM(load, stamp, self.kept, self.clock)
            for place, case in enumerate(found):
                for order, arm in enumerate(plan.arms):
                    try:
                        record = self._record(arm, suffix, case, llm, donor.get(case.question.id))
                    except ModelError as error:
                        raise ModelError(
                            f"The model failed at question {case.question.id} ({arm}{suffix}, {case.condition.value}): {error} "
                            "What was answered before is kept: run the same command again to go on."
                        ) from error
                    if record is not None:
                        record["cluster"] = clusters[case.question.id]
                        records[place, order * len(self.models) + list(self.models).index(suffix)] = record
                    tick()
        return [records[key] for key in sorted(records)]

    def _record(self, arm: str, suffix: str, case: Case, llm: KeptLLM, donor: Question | None) -> Record | None:
        why = excluded(arm, case) or (
            "no other question can be its donor" if arm == "placebo" and donor is None else ""
        )
        found = evidence(arm, case, self.sources, self.plan.k, donor) if not why and arm != "system" else Evidence()
        if why or found is None:
            self.unasked[arm + suffix, case.condition.value, why or UNASKED_LANGUAGE] += 1
            return None
        llm.seconds = 0.0
        asking = Asking(self.plan, self.system, self.kept)
        told = asking.by_system(case, llm) if arm == "system" else asking.by_model(case, llm, found)
        seconds = llm.seconds
        grounded = arm != "closed-book"
        facts = retrieval(case, told.hits, told.shown, told.facts) if grounded else None
        leaked = facts is not None and bool(facts.answer_shown)
        became = outcome(told.text, case.accepted, case.condition, said_by_evidence=leaked)
        record = self._head(arm + suffix, case, told, became, found)
        record |= self._checks(case, told, became, facts)
        record["evidence"] = evidence_json(told.hits, told.shown, told.citations, case.question.gold)
        record["uncertainty"] = self._doubt(case, llm, told, became)
        record["blame"] = blame(case, became, bare(told.text), facts, told.shown) if facts is not None else ""
        record |= {"dropped": told.dropped, "model": told.model, "reader": told.reader, "seconds": round(seconds, 3)}
        return record

    # --- checking --------------------------------------------------------------------------------------------------

    def _checks(self, case: Case, told: Told, became: Outcome, facts: Retrieval | None) -> Record:
        question = case.question
        spoke = became in (Outcome.CORRECT, Outcome.WRONG)
        said = claims(question.text, told.text) if spoke else []
        # the reference is the same for every arm: what is known, whatever the arm was shown of it
        open_case = Case(question, case.condition, case.accepted, edit=case.edit)
        by_facts = self.graph(question.text, told.text) if said and case.edit is None else None
        checker = Checker(
            self.judge,
            lambda text, k: seen(self.sources.hybrid(text, k), open_case),
            lambda: by_facts.judgement if by_facts is not None else None,
            case.accepted or question.answers,
        )
        checked = checker.check(said, seen(self.sources.gold(question), open_case), told.shown, told.citations)
        grounded = facts is not None
        enough = facts is not None and facts.sufficient and case.condition != Condition.UNANSWERABLE
        values = measures(
            checked, len(told.citations), grounded=grounded, sufficient=enough, right=became == Outcome.CORRECT
        )
        texts = [f"{s.hit.title} {s.text}" for s in told.shown] + told.facts
        graph = None
        if by_facts is not None:
            graph = judgement_json(by_facts.judgement) | {"expected": by_facts.expected, "paths": [path_json(p) for p in by_facts.paths]}  # fmt: skip
        return {
            "claims": [claim_json(c) for c in checked],
            "facts": told.facts,
            "citations": citations_json(told),
            "paths": [path_json(path) for path in told.paths],
            "graph": graph,
            "standing": standing(question.text, told.text, texts) if grounded and spoke else None,
            "retrieval": facts.json() if facts is not None else None,
            "measures": {name: None if math.isnan(value) else value for name, value in values.items()},
        }

    def _doubt(self, case: Case, llm: KeptLLM, told: Told, became: Outcome) -> Record | None:
        if not self.plan.samples or told.messages is None or became not in (Outcome.CORRECT, Outcome.WRONG):
            return None
        return doubt(
            llm,
            told.messages,
            case.question.text,
            told.text,
            steps=told.steps,
            samples=self.plan.samples,
            max_tokens=allowed(llm, self.plan.answer_tokens),
            seed=self.plan.seed,
            same=meaning(case.question.text, self.judge),
        )

    def _head(self, arm: str, case: Case, told: Told, became: Outcome, found: Evidence) -> Record:
        question = case.question
        by_heart = case.made and case.condition == Condition.UNANSWERABLE and became == Outcome.WRONG
        f1 = token_f1(bare(told.text), case.accepted) if became != Outcome.ABSTAINED else 0.0
        return {
            "id": question.id,
            "condition": case.condition.value,
            "made": case.made,
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
            "altered": found.altered,
            "donor": found.donor,
            "answer": told.text,
            "steps": list(told.steps),
            "outcome": became.value,
            "from_memory": by_heart and matches(told.text, case.accepted),
            "f1": f1 if case.accepted and not math.isnan(f1) else None,
        }
