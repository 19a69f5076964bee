"""What a model is told beside a question, and how much: within what it can hold."""

from __future__ import annotations

from collections.abc import Sequence

from kgrag import prompts
from kgrag.evidence import Shown
from kgrag.protocols import LLM
from kgrag.reader.walk import Candidate
from kgrag.steps import ROOM

AROUND = 128
"""Tokens that a chat template, the numbers and titles of passages, and facts may take beside what is counted."""


def room(llm: LLM, prompt: prompts.Messages, evidence: int, answer: int) -> int:
    """Tokens for evidence: ``evidence``, and less where the model's context has no room for it beside a prompt that has
    none yet, and an answer of ``answer`` tokens."""
    if not llm.context:
        return evidence
    fixed = sum(llm.count(message["content"]) for message in prompt)
    return max(min(evidence, llm.context - answer - fixed - AROUND), 0)


def allowed(llm: LLM, tokens: int) -> int:
    """Tokens that a model may write for an answer of ``tokens``: one with an adapter may have learned to show its steps."""
    return tokens + ROOM if getattr(llm, "adapter", "") else tokens


def called(llm: LLM) -> str:
    """Who answered: the model, and the adapter that is on."""
    adapter = getattr(llm, "adapter", "")
    return f"{llm.name} + {adapter}" if adapter else llm.name


def fact_lines(candidates: Sequence[Candidate], shown: Sequence[Shown]) -> list[str]:
    """The walks of the graph's unsure answers, as lines for the prompt."""
    number = {s.hit.passage.id: s.number for s in shown}
    lines = []
    for candidate in candidates[:3]:
        for path in (candidate.path, *candidate.also):
            for triple, left, right, end in zip(path.triples, path.names, path.names[1:], path.nodes[1:], strict=False):
                # where a step begins may be called otherwise by the document that takes it; where it ends may not
                ends = (left, right) if triple.object == end else (right, left)
                mark = f" [{number[triple.passage_id]}]" if triple.passage_id in number else ""
                fact = f"{ends[0]} – {triple.predicate.replace('_', ' ')}: {ends[1]}"
                lines.append(prompts.quoted(fact) + mark)
    return list(dict.fromkeys(lines))
