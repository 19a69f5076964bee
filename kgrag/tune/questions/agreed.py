"""Which questions the support judge agrees with: their answers, as statements, must be borne out by their gold sentences.

A comparison is judged by what it compares: the judge reads, and does not reckon. As wholes, it refused nearly all that are
answered with "no" (83 of 89), which would have left the yeses to learn from.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from kgrag.factuality.claims import folded
from kgrag.factuality.support import titled
from kgrag.protocols import SupportJudge
from kgrag.reader.wording import Wording, filled
from kgrag.tune.questions.fact import Fact
from kgrag.tune.questions.made import COMPARISON, Made
from kgrag.types import Verdict


def agreed(questions: Iterable[Made], judge: SupportJudge, words: Wording, left: Counter[str]) -> Iterator[Made]:
    """The questions whose answers the judge takes for supported; ``left`` counts the others by kind and verdict."""
    for question in questions:
        refused = _refused(question, judge, words)
        if refused is None:
            yield question
        else:
            left[f"the judge does not agree ({question.kind}: {refused.value})"] += 1


def _refused(question: Made, judge: SupportJudge, words: Wording) -> Verdict | None:
    """The first verdict that is not ``supported``; None where there is none."""
    asked = [(folded(question.text, question.answer), list(question.facts))]
    if question.kind == COMPARISON:
        asked = [(_stated(fact, words), [fact]) for fact in question.facts]
    verdicts = (judge.judge(claim, [titled(f.title, f.sentence) for f in facts]).verdict for claim, facts in asked)
    return next((verdict for verdict in verdicts if verdict != Verdict.SUPPORTED), None)


def _stated(fact: Fact, words: Wording) -> str:
    """A fact as a statement: the answer with the first of the questions for it around it."""
    return folded(filled(words.asking[fact.predicate].whole[fact.lang][0], X=fact.subject.described), fact.answer)
