"""Ask the language model for an answer from the selected evidence."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial

from kgrag import prompts
from kgrag.answering.draft_checker import DraftChecker
from kgrag.answering.prompt_budget import format_fact_lines, max_answer_tokens
from kgrag.answering.state import AnswerContext, AnswerState
from kgrag.llm.chat_model import model_label
from kgrag.protocols import GenerationOptions, OnText

logger = logging.getLogger(__name__)


def draft_answer(state: AnswerState, context: AnswerContext) -> AnswerState:
    """Let the model write a draft from the selected passages and the uncertain facts of the graph."""
    llm, profile = context.resources.llm(), context.profile
    messages = prompts.grounded_prompt(
        state.question,
        [(passage.heading, passage.text) for passage in state.selected],
        format_fact_lines(state.graph_answers, state.selected),
        form=state.form,
        cites_itself=profile.cites_itself,
    )
    options = GenerationOptions(max_tokens=max_answer_tokens(llm, profile.answer_tokens[state.form]))
    logger.debug("prompt: %s", messages)
    if context.on_statement is None or "citations" not in profile.guards:
        text = llm.generate(messages, options, on_text=context.on_text)
    else:
        checker = DraftChecker(state.question, state.selected, context.on_statement)
        text = llm.generate(messages, options, on_text=partial(_pass_on, checker, context.on_text))
        checker.finish()
    logger.debug("reply: %s", text)
    return replace(state, draft=text, model=model_label(llm))


def _pass_on(checker: DraftChecker, on_text: OnText | None, piece: str) -> bool | None:
    """Show a piece of the draft, then check it; return True to stop the generation."""
    is_stopped = on_text(piece) if on_text is not None else None
    checker.add(piece)
    return is_stopped
