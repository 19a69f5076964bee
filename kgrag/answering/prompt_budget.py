"""Compute the token budgets of a prompt and of its answer within the model's context."""

from __future__ import annotations

from collections.abc import Sequence

from kgrag import prompts
from kgrag.answering.reasoning_steps import MAX_STEP_TOKENS
from kgrag.answering.selected_passage import SelectedPassage
from kgrag.graphqa.traversal import GraphAnswer
from kgrag.protocols import LLM
from kgrag.text.injected_text import is_injected

ASSUMED_CONTEXT = 4096
"""Context of a server that does not state its own: the smallest that servers have by default."""
PROMPT_OVERHEAD_TOKENS = 128
"""Tokens reserved for the parts that are not counted: chat template, passage numbers, titles and facts."""


def evidence_budget(llm: LLM, prompt: prompts.Messages, evidence_tokens: int, answer_tokens: int) -> int:
    """Return the number of tokens available for evidence, at most ``evidence_tokens``.

    It is smaller if the model's context cannot hold the prompt, the evidence and the answer together.

    Args:
        llm: the model; a ``context`` of 0 means unknown, and `ASSUMED_CONTEXT` is assumed.
        prompt: the messages without any evidence.
        evidence_tokens: wanted tokens of evidence.
        answer_tokens: tokens to reserve for the answer.
    """
    context = llm.context or ASSUMED_CONTEXT
    prompt_tokens = sum(llm.count(message["content"]) for message in prompt)
    return max(min(evidence_tokens, context - answer_tokens - prompt_tokens - PROMPT_OVERHEAD_TOKENS), 0)


def max_answer_tokens(llm: LLM, tokens: int) -> int:
    """Return the limit of generated tokens: a model with an adapter may write reasoning steps before its answer."""
    return tokens + MAX_STEP_TOKENS if llm.adapter else tokens


def format_fact_lines(graph_answers: Sequence[GraphAnswer], selected: Sequence[SelectedPassage]) -> list[str]:
    """Format the paths of uncertain graph answers as lines for the prompt."""
    passage_numbers = {s.hit.passage.id: s.number for s in selected}
    lines = []
    for graph_answer in graph_answers[:3]:
        for path in (graph_answer.path, *graph_answer.second_paths):
            for triple, left, right, end in zip(path.triples, path.names, path.names[1:], path.nodes[1:], strict=False):
                # the document may use another name for the start of a step, but not for its end
                ends = (left, right) if triple.object == end else (right, left)
                mark = f" [{passage_numbers[triple.passage_id]}]" if triple.passage_id in passage_numbers else ""
                fact = f"{ends[0]} – {triple.predicate.replace('_', ' ')}: {ends[1]}"
                if not is_injected(fact):
                    lines.append(prompts.quote_untrusted(fact) + mark)
    return list(dict.fromkeys(lines))
