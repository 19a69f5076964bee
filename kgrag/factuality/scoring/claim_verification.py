"""Whether claims are borne out: by the same reference for every arm, by what was shown, and by what was cited."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from kgrag.answering.stages.evidence_selection import SelectedPassage
from kgrag.factuality.scoring.claims import Claim
from kgrag.factuality.scoring.outcomes import answer_matches
from kgrag.metrics.answers import answer_tokens
from kgrag.protocols import SupportJudge
from kgrag.text.dates import normalize_date
from kgrag.types import Citation, ClaimVerdict, Hit, Verdict

VERDICT_LABELS = {
    Verdict.SUPPORTED: "supported",
    Verdict.REFUTED: "contradicted",
    Verdict.NOT_ENOUGH_INFO: "unverifiable",
}
"""What a judge's verdicts are called in a report."""
REFERENCE_SOURCES = ("known", "gold", "retrieved", "graph")
"""What the reference is made of, in the order in which it is believed: the known answers before any judge."""
CLAIM_PASSAGES = 4
"""Passages that are retrieved for a claim."""


@dataclass(frozen=True, slots=True)
class VerifiedClaim:
    """A claim and what each source says of it: ``checks`` has judgements by ``known``, ``gold``, ``retrieved``, ``graph`` and
    ``shown`` (those that were asked). ``cited`` are the citations, by their place, that bear it out alone;
    ``cited_together`` says whether all of its answer's citations do, None where there are none. ``found`` is what was
    retrieved for it."""

    claim: Claim
    checks: dict[str, ClaimVerdict]
    supporting_citations: tuple[int, ...] = ()
    is_cited_together: bool | None = None
    retrieved: tuple[Hit, ...] = ()

    @property
    def reference_judgement(self) -> ClaimVerdict:
        """What the reference says: the first of `SOURCES` that is decided, else what the first said."""
        judgements = [self.checks[name] for name in REFERENCE_SOURCES if name in self.checks]
        decided = [j for j in judgements if j.verdict != Verdict.NOT_ENOUGH_INFO]
        return (decided or judgements or [ClaimVerdict(Verdict.NOT_ENOUGH_INFO, math.nan)])[0]

    @property
    def verdict(self) -> str:
        """``supported``, ``contradicted`` or ``unverifiable``."""
        return VERDICT_LABELS[self.reference_judgement.verdict]

    @property
    def source(self) -> str:
        """Which source decided it; "" where none did."""
        names = [n for n in REFERENCE_SOURCES if n in self.checks]
        return next((n for n in names if self.checks[n].verdict != Verdict.NOT_ENOUGH_INFO), "")


@dataclass
class ClaimVerifier:
    """Checks claims.

    Args:
        judge: says whether texts bear out a claim.
        retrieve: finds passages for a claim, as the case has them.
        graph: what the graph says of an answer to a question, or None where it cannot be asked.
        answers: those known to be right.
    """

    judge: SupportJudge
    retrieve: Callable[[str, int], list[Hit]]
    graph_judgement: Callable[[], ClaimVerdict | None] = field(default=lambda: None)
    known_answers: Sequence[str] = ()

    def verify(
        self,
        claims: Sequence[Claim],
        gold: Sequence[Hit],
        shown: Sequence[SelectedPassage],
        citations: Sequence[Citation],
    ) -> list[VerifiedClaim]:
        """Every claim against every source; what there is none of is not asked."""
        verified = []
        graph = self.graph_judgement() if claims else None
        for claim in claims:
            hits = self.retrieve(claim.text, CLAIM_PASSAGES)
            checks = {}
            if (known_judgement := judge_by_known_answers(claim, self.known_answers)) is not None:
                checks["known"] = known_judgement
            if gold:
                checks["gold"] = self.judge.judge(claim.text, [passage_with_title(hit) for hit in gold])
            checks["retrieved"] = self.judge.judge(claim.text, [passage_with_title(hit) for hit in hits])
            if graph is not None:
                checks["graph"] = graph
            if shown:
                checks["shown"] = self.judge.judge(claim.text, [with_title(s.hit.title, s.text) for s in shown])
            titles = {s.hit.passage.id: s.hit.title for s in shown}
            quotes = [with_title(titles.get(c.passage_id, ""), c.quote) for c in citations]
            supporting = [n for n, quote in enumerate(quotes) if self._is_supported(claim.text, [quote])]
            is_cited_together = self._is_supported(claim.text, quotes) if quotes else None
            verified.append(VerifiedClaim(claim, checks, tuple(supporting), is_cited_together, tuple(hits)))
        return verified

    def _is_supported(self, claim: str, texts: list[str]) -> bool:
        return self.judge.judge(claim, texts).verdict == Verdict.SUPPORTED


def judge_by_known_answers(claim: Claim, answers: Sequence[str]) -> ClaimVerdict | None:
    """What the known answers say of an answer that is one phrase: it is one of them, or another; support is 1 or 0.

    None of a sentence, of one that says less or more than they do ("1948" of a day in it), and where no answer is known.
    """
    if not claim.is_short or not answers:
        return None
    if answer_matches(claim.statement, answers):
        return ClaimVerdict(Verdict.SUPPORTED, 1.0)
    claim_tokens, claim_date = {*answer_tokens(claim.statement)}, normalize_date(claim.statement)
    for answer in answers:
        answer_words, answer_date = {*answer_tokens(answer)}, normalize_date(answer)
        if (
            claim_tokens <= answer_words
            or answer_words <= claim_tokens
            or (
                claim_date
                and answer_date
                and (claim_date.startswith(answer_date) or answer_date.startswith(claim_date))
            )
        ):
            return None
    return ClaimVerdict(Verdict.REFUTED, 0.0)


def passage_with_title(hit: Hit) -> str:
    """A passage as a judge reads it."""
    return with_title(hit.title, hit.passage.text)


def with_title(title: str, text: str) -> str:
    """A text under its title, unless it says it itself at its beginning."""
    return text if not title or title in text[: len(title) + 40] else f"{title}: {text}"


def claim_metrics(verified_claims: Sequence[VerifiedClaim], citations: int, *, grounded: bool, sufficient: bool, right: bool) -> dict[str, float]:  # fmt: skip
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
    n = len(verified_claims)

    def share(predicate: Callable[[VerifiedClaim], bool]) -> float:
        return sum(predicate(c) for c in verified_claims) / n if n else math.nan

    def is_shown_supported(c: VerifiedClaim) -> bool:
        return "shown" in c.checks and c.checks["shown"].verdict == Verdict.SUPPORTED

    metrics = {
        "factual_precision": share(lambda c: c.verdict == "supported"),
        "contradicted": share(lambda c: c.verdict == "contradicted"),
        "faithfulness": share(is_shown_supported) if grounded else math.nan,
        "noise_sensitivity": share(lambda c: is_shown_supported(c) and c.verdict != "supported")
        if grounded
        else math.nan,
        "context_use": float(right) if grounded and sufficient else math.nan,
        "citation_precision": math.nan,
        "citation_recall": share(lambda c: bool(c.is_cited_together)) if grounded else math.nan,
    }
    if citations and n:
        metrics["citation_precision"] = (
            len({place for c in verified_claims for place in c.supporting_citations}) / citations
        )
    return metrics


CLAIM_METRICS = tuple(claim_metrics((), 0, grounded=False, sufficient=False, right=False))
"""The names of `measures`."""


def judgement_json(judgement: ClaimVerdict) -> dict[str, Any]:
    """A judgement as {"verdict", "support"}, the support None where the judge gives none."""
    support = None if math.isnan(judgement.support) else judgement.support
    return {"verdict": VERDICT_LABELS[judgement.verdict], "support": support, "parts": dict(judgement.component_scores)}
