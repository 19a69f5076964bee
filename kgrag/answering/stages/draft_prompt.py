"""Build the prompt of a draft: under the product's instruction, or under that of experiments."""

from __future__ import annotations

from kgrag import prompts
from kgrag.answering.profiles import Profile
from kgrag.answering.prompt_budget import format_fact_lines
from kgrag.answering.state import AnswerState


def build_draft_prompt(state: AnswerState, profile: Profile) -> prompts.Messages:
    """Build the prompt from the selected passages and the uncertain facts of the graph."""
    passages = [(passage.heading, passage.text) for passage in state.selected]
    fact_lines = format_fact_lines(state.graph_answers, state.selected)
    if profile.is_controlled:
        return prompts.experiment_prompt(state.question, passages, fact_lines)
    return prompts.grounded_prompt(
        state.question, passages, fact_lines, form=state.form, cites_itself=profile.cites_itself
    )
