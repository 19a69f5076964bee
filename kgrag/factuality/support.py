"""Whether claims are borne out: by the same reference for every arm, by what was shown, and by what was cited."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from kgrag.dates import date
from kgrag.evaluate.metrics import answer_tokens
from kgrag.evidence import Shown
from kgrag.factuality.claims import Claim
from kgrag.factuality.outcomes import matches
from kgrag.protocols import SupportJudge
from kgrag.types import Citation, Hit, Judgement, Verdict

VERDICTS = {Verdict.SUPPORTED: "supported", Verdict.REFUTED: "contradicted", Verdict.NOT_ENOUGH_INFO: "unverifiable"}
"""What a judge's verdicts are called in a report."""
SOURCES = ("known", "gold", "retrieved", "graph")
"""What the reference is made of, in the order in which it is believed: the known answers before any judge."""
FOUND = 4
"""Passages that are retrieved for a claim."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A claim and what each source says of it: ``checks`` has judgements by ``known``, ``gold``, ``retrieved``, ``graph`` and
    ``shown`` (those that were asked). ``cited`` are the citations, by their place, that bear it out alone;
    ``cited_together`` says whether all of its answer's citations do, None where there are none. ``found`` is what was
    retrieved for it."""

    claim: Claim
    checks: dict[str, Judgement]
    cited: tuple[int, ...] = ()
    cited_together: bool | None = None
    found: tuple[Hit, ...] = ()

    @property
    def judged(self) -> Judgement:
        """What the reference says: the first of `SOURCES` that is decided, else what the first said."""
        asked = [self.checks[name] for name in SOURCES if name in self.checks]
        decided = [j for j in asked if j.verdict != Verdict.NOT_ENOUGH_INFO]
        return (decided or asked or [Judgement(Verdict.NOT_ENOUGH_INFO, math.nan)])[0]

    @property
    def verdict(self) -> str:
        """``supported``, ``contradicted`` or ``unverifiable``."""
        return VERDICTS[self.judged.verdict]

    @property
    def source(self) -> str:
        """Which source decided it; "" where none did."""
        names = [n for n in SOURCES if n in self.checks]
        return next((n for n in names if self.checks[n].verdict != Verdict.NOT_ENOUGH_INFO), "")


@dataclass
class Checker:
    """Checks claims.

    Args:
        judge: says whether texts bear out a claim.
        retrieve: finds passages for a claim, as the case has them.
        graph: what the graph says of an answer to a question, or None where it cannot be asked.
        answers: those known to be right.
    """

    judge: SupportJudge
    retrieve: Callable[[str, int], list[Hit]]
    graph: Callable[[], Judgement | None] = field(default=lambda: None)
    answers: Sequence[str] = ()

    def check(
        self, claims: Sequence[Claim], gold: Sequence[Hit], shown: Sequence[Shown], citations: Sequence[Citation]
    ) -> list[Checked]:
        """Every claim against every source; what there is none of is not asked."""
        done = []
        graph = self.graph() if claims else None
        for claim in claims:
            found = self.retrieve(claim.text, FOUND)
            checks = {}
            if (said := by_answers(claim, self.answers)) is not None:
                checks["known"] = said
            if gold:
                checks["gold"] = self.judge.judge(claim.text, [told(hit) for hit in gold])
            checks["retrieved"] = self.judge.judge(claim.text, [told(hit) for hit in found])
            if graph is not None:
                checks["graph"] = graph
            if shown:
                checks["shown"] = self.judge.judge(claim.text, [titled(s.hit.title, s.text) for s in shown])
            titles = {s.hit.passage.id: s.hit.title for s in shown}
            quotes = [titled(titles.get(c.passage_id, ""), c.quote) for c in citations]
            alone = [n for n, quote in enumerate(quotes) if self._bears(claim.text, [quote])]
            together = self._bears(claim.text, quotes) if quotes else None
            done.append(Checked(claim, checks, tuple(alone), together, tuple(found)))
        return done

    def _bears(self, claim: str, texts: list[str]) -> bool:
        return self.judge.judge(claim, texts).verdict == Verdict.SUPPORTED


def by_answers(claim: Claim, answers: Sequence[str]) -> Judgement | None:
    """What the known answers say of an answer that is one phrase: it is one of them, or another; support is 1 or 0.

    None of a sentence, of one that says less or more than they do ("1948" of a day in it), and where no answer is known.
    """
    if not claim.phrase or not answers:
        return None
    if matches(claim.statement, answers):
        return Judgement(Verdict.SUPPORTED, 1.0)
    said, day = {*answer_tokens(claim.statement)}, date(claim.statement)
    for answer in answers:
        wanted, then = {*answer_tokens(answer)}, date(answer)
        if said <= wanted or wanted <= said or (day and then and (day.startswith(then) or then.startswith(day))):
            return None
    return Judgement(Verdict.REFUTED, 0.0)


def told(hit: Hit) -> str:
    """A passage as a judge reads it."""
    return titled(hit.title, hit.passage.text)


def titled(title: str, text: str) -> str:
    """A text under its title, unless it says it itself at its beginning."""
    return text if not title or title in text[: len(title) + 40] else f"{title}: {text}"


def measures(checked: Sequence[Checked], citations: int, *, grounded: bool, sufficient: bool, right: bool) -> dict[str, float]:  # fmt: skip
    """The measures of one answer's claims, each in [0, 1]; NaN where it is not defined.

    - ``factual_precision``: claims that the reference supports (Min et al. 2023).
    - ``contradicted``: claims that it contradicts.
    - ``faithfulness``: claims that what was shown supports (Es et al. 2024).
    - ``noise_sensitivity``: claims that what was shown supports and the reference does not (Ru et al. 2024).
    - ``context_use``: of an answer whose evidence says what was asked, whether it says it.
    - ``citation_precision``: citations that bear out a claim alone; ``citation_recall``: claims that the citations bear
      out together (Gao et al. 2023).

    Args:
        checked: the claims of the answer.
        citations: how many it has.
        grounded: whether it was shown evidence.
        sufficient: whether that evidence says an accepted answer.
        right: whether the answer does.
    """
    n = len(checked)

    def share(of: Callable[[Checked], bool]) -> float:
        return sum(of(c) for c in checked) / n if n else math.nan

    def shown(c: Checked) -> bool:
        return "shown" in c.checks and c.checks["shown"].verdict == Verdict.SUPPORTED

    found = {
        "factual_precision": share(lambda c: c.verdict == "supported"),
        "contradicted": share(lambda c: c.verdict == "contradicted"),
        "faithfulness": share(shown) if grounded else math.nan,
        "noise_sensitivity": share(lambda c: shown(c) and c.verdict != "supported") if grounded else math.nan,
        "context_use": float(right) if grounded and sufficient else math.nan,
        "citation_precision": math.nan,
        "citation_recall": share(lambda c: bool(c.cited_together)) if grounded else math.nan,
    }
    if citations and n:
        found["citation_precision"] = len({place for c in checked for place in c.cited}) / citations
    return found


MEASURES = tuple(measures((), 0, grounded=False, sufficient=False, right=False))
"""The names of `measures`."""


def judgement_json(judgement: Judgement) -> dict[str, Any]:
    """A judgement as {"verdict", "support"}, the support None where the judge gives none."""
    support = None if math.isnan(judgement.support) else judgement.support
    return {"verdict": VERDICTS[judgement.verdict], "support": support, "parts": dict(judgement.parts)}
