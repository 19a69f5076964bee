"""Verify claims against the reference (the same for every arm), the shown evidence, and the citations."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from graphs.predicates import PredicateSchema
from kgrag.answering.selected_passage import SelectedPassage
from kgrag.factuality.records import JudgementRecord
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
"""Names of a judge's verdicts in a report."""
REFERENCE_SOURCES = ("known", "gold", "retrieved", "graph")
"""Sources of the reference in order of priority: the known answers come before any judge."""
CLAIM_PASSAGES = 4
"""Number of passages retrieved for a claim."""


@dataclass(frozen=True, slots=True)
class VerifiedClaim:
    """A claim with the judgement of each source.

    ``checks`` has judgements by ``known``, ``gold``, ``retrieved``, ``graph`` and ``shown``, as far as each was asked.
    ``supporting_citations`` are the indices of the citations that support the claim alone. ``is_cited_together`` is
    whether all citations of the answer together support it, None without citations. ``retrieved`` are the passages
    retrieved for the claim.
    """

    claim: Claim
    checks: dict[str, ClaimVerdict]
    supporting_citations: tuple[int, ...] = ()
    is_cited_together: bool | None = None
    retrieved: tuple[Hit, ...] = ()

    @property
    def reference_judgement(self) -> ClaimVerdict:
        """The judgement of the first of `REFERENCE_SOURCES` that decides, or else of the first one asked."""
        judgements = [self.checks[name] for name in REFERENCE_SOURCES if name in self.checks]
        decided = [j for j in judgements if j.verdict != Verdict.NOT_ENOUGH_INFO]
        return (decided or judgements or [ClaimVerdict(Verdict.NOT_ENOUGH_INFO, math.nan)])[0]

    @property
    def verdict(self) -> str:
        """``supported``, ``contradicted`` or ``unverifiable``."""
        return VERDICT_LABELS[self.reference_judgement.verdict]

    @property
    def source(self) -> str:
        """The source that decided the claim; "" if none did."""
        names = [n for n in REFERENCE_SOURCES if n in self.checks]
        return next((n for n in names if self.checks[n].verdict != Verdict.NOT_ENOUGH_INFO), "")


@dataclass
class ClaimVerifier:
    """Verifies the claims of an answer.

    Args:
        judge: judges whether texts support a claim.
        retrieve: called with a claim and a number; returns passages as the case has them.
        graph_judgement: returns the judgement of typed facts on the answer, or None if they do not cover it.
        known_answers: answers known to be correct.
        schema: predicate schema with the store's countries; the shipped one by default.
    """

    judge: SupportJudge
    retrieve: Callable[[str, int], list[Hit]]
    graph_judgement: Callable[[], ClaimVerdict | None] = field(default=lambda: None)
    known_answers: Sequence[str] = ()
    schema: PredicateSchema | None = None

    def verify(
        self,
        claims: Sequence[Claim],
        gold: Sequence[Hit],
        shown: Sequence[SelectedPassage],
        citations: Sequence[Citation],
    ) -> list[VerifiedClaim]:
        """Verify every claim against every source that has evidence."""
        verified = []
        graph = self.graph_judgement() if claims else None
        for claim in claims:
            hits = self.retrieve(claim.text, CLAIM_PASSAGES)
            checks = {}
            if (known_judgement := judge_by_known_answers(claim, self.known_answers, self.schema)) is not None:
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


def judge_by_known_answers(
    claim: Claim, answers: Sequence[str], schema: PredicateSchema | None = None
) -> ClaimVerdict | None:
    """Judge an answer of one phrase by the known answers: support is 1 if it equals one of them, else 0.

    None for a sentence, for an answer that is less or more exact than a known one ("1948" for a day in 1948), and if no
    answer is known.
    """
    if not claim.is_short or not answers:
        return None
    if answer_matches(claim.statement, answers, schema):
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
    """Return a passage with its title, as a judge reads it."""
    return with_title(hit.title, hit.passage.text)


def with_title(title: str, text: str) -> str:
    """Return a text with its title before it, unless the text begins with the title."""
    return text if not title or title in text[: len(title) + 40] else f"{title}: {text}"


def claim_metrics(verified_claims: Sequence[VerifiedClaim], citations: int, *, grounded: bool, sufficient: bool, right: bool) -> dict[str, float]:  # fmt: skip
    """Return the metrics of one answer's claims, each in [0, 1]; NaN if undefined.

    - ``factual_precision``: claims that the reference supports (Min et al. 2023).
    - ``contradicted``: claims that the reference contradicts.
    - ``faithfulness``: claims that the shown evidence supports (Es et al. 2024).
    - ``noise_sensitivity``: claims that the shown evidence supports and the reference does not (Ru et al. 2024).
    - ``context_use``: whether the answer is correct, if the shown evidence states an accepted answer.
    - ``citation_precision``: citations that support a claim alone; ``citation_recall``: claims that the citations
      support together (Gao et al. 2023).

    Args:
        verified_claims: the claims of the answer.
        citations: number of its citations.
        grounded: whether the arm was shown evidence.
        sufficient: whether that evidence states an accepted answer.
        right: whether the answer is correct.
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
"""Names of the metrics of `claim_metrics`."""


def judgement_json(judgement: ClaimVerdict) -> JudgementRecord:
    """Return a judgement as a record; its support is None if the judge gives none."""
    support = None if math.isnan(judgement.support) else judgement.support
    return {"verdict": VERDICT_LABELS[judgement.verdict], "support": support, "parts": dict(judgement.component_scores)}
