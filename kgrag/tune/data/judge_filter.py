"""Filter generated questions with the support judge: gold sentences must support the answer as a statement.

Comparisons are judged by their facts, because the judge does not compare values. Judged as a whole, nearly all that are
answered with "no" were rejected (83 of 89), which would have left only the answers "yes" to learn from.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from kgrag.factuality.scoring.claim_verification import with_title
from kgrag.factuality.scoring.claims import to_declarative
from kgrag.graphqa.question_templates import QuestionTemplates, fill_template
from kgrag.protocols import SupportJudge
from kgrag.tune.data.fact import QuestionFact
from kgrag.tune.data.synthetic_questions import COMPARISON, SyntheticQuestion
from kgrag.types import Verdict


def filter_by_judge(
    questions: Iterable[SyntheticQuestion], judge: SupportJudge, templates: QuestionTemplates, skipped: Counter[str]
) -> Iterator[SyntheticQuestion]:
    """Yield the questions whose answers the judge supports; ``skipped`` counts the others by kind and verdict."""
    for question in questions:
        refusal = _judge_refusal(question, judge, templates)
        if refusal is None:
            yield question
        else:
            skipped[f"the judge does not agree ({question.kind}: {refusal.value})"] += 1


def _judge_refusal(question: SyntheticQuestion, judge: SupportJudge, templates: QuestionTemplates) -> Verdict | None:
    """Return the first verdict other than ``supported``; None if there is none."""
    claims = [(to_declarative(question.text, question.answer), list(question.facts))]
    if question.kind == COMPARISON:
        claims = [(_fact_as_claim(fact, templates), [fact]) for fact in question.facts]
    verdicts = (judge.judge(claim, [with_title(f.title, f.sentence) for f in facts]).verdict for claim, facts in claims)
    return next((verdict for verdict in verdicts if verdict != Verdict.SUPPORTED), None)


def _fact_as_claim(fact: QuestionFact, templates: QuestionTemplates) -> str:
    """Return a fact as a statement: the answer inserted into the first question template of its predicate."""
    return to_declarative(
        fill_template(templates.by_predicate[fact.predicate].questions[fact.lang][0], X=fact.subject.description),
        fact.answer,
    )
