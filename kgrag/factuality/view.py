"""A case's view of a store, for who retrieves and reads typed facts by himself (the arm ``system``), and a plain judge."""

from __future__ import annotations

import math
from collections.abc import Sequence

from kgrag.cite import check
from kgrag.evidence import Shown
from kgrag.factuality.arms import MORE, Sources
from kgrag.factuality.conditions import Case, by_way, seen
from kgrag.reader.walk import Candidate
from kgrag.types import Hit, Judgement, Passage, Verdict


class View:
    """A `Retriever` and a reader of typed facts that do not see what is hidden from a case."""

    def __init__(self, sources: Sources, case: Case) -> None:
        self._sources, self._case = sources, case

    def retrieve(self, question: str, k: int) -> list[Hit]:
        """The best ``k`` passages in view."""
        return seen(self._sources.hybrid(question, k + MORE if self._case.hidden else k), self._case)[:k]

    def read(self, question: str) -> list[Candidate]:
        """The answers from typed facts that rest on no hidden document."""
        found = self._sources.facts(question)
        return [c for c in found if not any(by_way(path, self._case.hidden) for path in (c.path, *c.also))]


class CitationJudge:
    """A `SupportJudge` that holds a claim to what `kgrag ask` holds a citation to: its names, numbers and words.

    It never refutes, and gives no probability.
    """

    def judge(self, claim: str, evidence: Sequence[str]) -> Judgement:
        """Supported if at most three sentences have together what is claimed."""
        shown = [
            Shown(n, Hit(Passage(str(n), "", text, 0, len(text)), "", "", 1.0, n), ((0, len(text)),))
            for n, text in enumerate(evidence, 1)
        ]
        checked = check("", claim, shown)
        borne = bool(checked.kept) and not checked.unsupported
        return Judgement(Verdict.SUPPORTED if borne else Verdict.NOT_ENOUGH_INFO, math.nan)
