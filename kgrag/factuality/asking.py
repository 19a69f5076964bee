"""Asking a question in an arm: the model with the arm's evidence and the one instruction, or `kgrag ask` as it is."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kgrag import prompts
from kgrag.answer import Answerer, shown_paths
from kgrag.briefing import allowed, fact_lines, room
from kgrag.cite import check
from kgrag.evidence import Shown, select
from kgrag.evidence import stamp as chooses
from kgrag.factuality.arms import Evidence, edited_lines
from kgrag.factuality.conditions import Case, Condition
from kgrag.factuality.kept import Kept, KeptLLM
from kgrag.factuality.records import Record
from kgrag.reckon import read
from kgrag.steps import check_steps
from kgrag.types import Citation, Hit, Path


@dataclass(frozen=True)
class Plan:
    """What is run. ``samples`` of each answer are drawn for its uncertainty; 0: none is measured."""

    arms: tuple[str, ...]
    conditions: tuple[Condition, ...]
    k: int = 8
    samples: int = 0
    seed: int = 0
    evidence_tokens: int = 400
    answer_tokens: int = 96


@dataclass(frozen=True)
class Told:
    """What an arm said, the ``steps`` that it wrote before, and what it was shown; ``messages`` is what the model was
    asked, None where others asked it."""

    text: str
    hits: tuple[Hit, ...]
    shown: tuple[Shown, ...]
    facts: list[str]
    citations: tuple[Citation, ...]
    paths: tuple[Path, ...]
    dropped: list[str]
    model: str
    reader: str = "llm"
    messages: prompts.Messages | None = None
    steps: tuple[str, ...] = ()


@dataclass
class Asking:
    """Asks.

    Args:
        plan: how much evidence is shown, and how long an answer may be.
        system: the arm ``system``: an `Answerer` over a case's view, with a given model.
        kept: where everything asked is kept.
    """

    plan: Plan
    system: Callable[[KeptLLM, Case], Answerer]
    kept: Kept

    def by_model(self, case: Case, llm: KeptLLM, found: Evidence) -> Told:
        """The model's answer from an arm's evidence."""
        question = case.question.text
        shown, dropped = self._select(question, found.hits, llm)
        lines = edited_lines(fact_lines(found.facts, shown), case)
        messages = prompts.compared(question, [(s.hit.title, s.text) for s in shown], lines)
        said = read(question, llm.generate(messages, max_tokens=allowed(llm, self.plan.answer_tokens)))
        # a score is a cosine in one arm and a share of a walk in another: none is too low to be cited
        before = check_steps(question, said.steps, shown, floor=-math.inf)
        checked = check(question, said.answer, shown, floor=-math.inf)
        dropped = [*dropped, *said.why, *before.dropped, *checked.dropped]
        citations = tuple(dict.fromkeys((*before.citations, *checked.citations)))
        sources = {citation.passage_id for citation in citations}
        paths = tuple(
            dict.fromkeys(p for hit in found.hits if hit.passage.id in sources for p in hit.paths if p.triples)
        )
        return Told(
            said.answer,
            found.hits,
            tuple(shown),
            lines,
            citations,
            paths,
            dropped,
            llm.name,
            messages=messages,
            steps=said.steps,
        )

    def by_system(self, case: Case, llm: KeptLLM) -> Told:
        """The answer of `kgrag ask`, with what it rests on as its evidence."""
        answerer = self.system(llm, case)
        answer = answerer.ask(case.question.text, self.plan.k)
        shown: list[Shown] = []
        if answer.reader == "graph":
            by_id = {hit.passage.id: hit for hit in answer.evidence}
            spans: dict[str, list[tuple[int, int]]] = {}
            for citation in answer.citations:
                spans.setdefault(citation.passage_id, []).append((citation.start, citation.end))
            shown = [Shown(n, by_id[i], tuple(sorted(s))) for n, (i, s) in enumerate(spans.items(), 1)]
        elif answer.evidence and answer.model:
            shown, _ = self._select(case.question.text, answer.evidence, llm)
        dropped = list(answer.dropped)
        return Told(answer.text, answer.evidence, tuple(shown), [], answer.citations, shown_paths(answer), dropped, answer.model, answer.reader, steps=answer.steps)  # fmt: skip

    def _select(self, question: str, hits: Sequence[Hit], llm: KeptLLM) -> tuple[list[Shown], list[str]]:
        """`kgrag.evidence.select` within the arm's budget, kept, as counting tokens takes the model."""
        plan = self.plan

        def made() -> object:
            model = llm.model
            budget = room(model, prompts.compared(question, []), plan.evidence_tokens, plan.answer_tokens)
            shown, dropped = select(question, hits, budget, model.count)
            return [[[s.hit.rank, [list(span) for span in s.spans]] for s in shown], dropped]

        if not hits:
            return [], []
        said = [[h.rank, h.passage.id, h.title, h.passage.text, h.passage.start] for h in hits]
        parts = ["select", chooses(), llm.stamp, question, said, plan.evidence_tokens, plan.answer_tokens]
        chosen, dropped = self.kept.get(parts, made)
        by_rank = {hit.rank: hit for hit in hits}
        shown = [Shown(n, by_rank[r], tuple((a, b) for a, b in spans)) for n, (r, spans) in enumerate(chosen, 1)]
        return shown, list(dropped)


def citations_json(told: Told) -> list[Record]:
    """The citations of an answer, each with its document and title."""
    titles = {hit.passage.id: (hit.passage.document_id, hit.title) for hit in told.hits}
    rows = []
    for c in told.citations:
        document, title = titles.get(c.passage_id, ("", ""))
        rows.append({"passage_id": c.passage_id, "document": document, "title": title, "start": c.start, "end": c.end, "quote": c.quote})  # fmt: skip
    return rows
