"""What a model is told beside a question, and how much: within what it can hold."""

from __future__ import annotations

from collections.abc import Sequence

from kgrag import prompts
from kgrag.answering.reasoning_steps import MAX_STEP_TOKENS
from kgrag.answering.stages.evidence_selection import SelectedPassage
from kgrag.graphqa.traversal import GraphAnswer
from kgrag.protocols import LLM

PROMPT_OVERHEAD_TOKENS = 128
"""Tokens that a chat template, the numbers and titles of passages, and facts may take beside what is counted."""


def evidence_budget(llm: LLM, prompt: prompts.Messages, evidence_tokens: int, answer_tokens: int) -> int:
    """Tokens for evidence: ``evidence``, and less where the model's context has no room for it beside a prompt that has
    none yet, and an answer of ``answer`` tokens."""
    if not llm.context:
        return evidence_tokens
    prompt_tokens = sum(llm.count(message["content"]) for message in prompt)
    return max(min(evidence_tokens, llm.context - answer_tokens - prompt_tokens - PROMPT_OVERHEAD_TOKENS), 0)


def max_answer_tokens(llm: LLM, tokens: int) -> int:
    """Tokens that a model may write for an answer of ``tokens``: one with an adapter may have learned to show its steps."""
    return tokens + MAX_STEP_TOKENS if getattr(llm, "adapter", "") else tokens


def model_label(llm: LLM) -> str:
    """Who answered: the model, and the adapter that is on."""
    adapter = getattr(llm, "adapter", "")
    return f"{llm.name} + {adapter}" if adapter else llm.name


def format_fact_lines(graph_answers: Sequence[GraphAnswer], selected: Sequence[SelectedPassage]) -> list[str]:
    """The walks of the graph's unsure answers, as lines for the prompt."""
    passage_numbers = {s.hit.passage.id: s.number for s in selected}
    lines = []
    for graph_answer in graph_answers[:3]:
        for path in (graph_answer.path, *graph_answer.second_paths):
            for triple, left, right, end in zip(path.triples, path.names, path.names[1:], path.nodes[1:], strict=False):
                # where a step begins may be called otherwise by the document that takes it; where it ends may not
                ends = (left, right) if triple.object == end else (right, left)
                mark = f" [{passage_numbers[triple.passage_id]}]" if triple.passage_id in passage_numbers else ""
                fact = f"{ends[0]} – {triple.predicate.replace('_', ' ')}: {ends[1]}"
                lines.append(prompts.quote_untrusted(fact) + mark)
    return list(dict.fromkeys(lines))
