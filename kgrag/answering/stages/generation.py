"""Ask the language model for an answer from the selected evidence."""

from __future__ import annotations

import logging
import re
from dataclasses import replace

from kgrag import prompts
from kgrag.answering.draft_checker import DraftChecker
from kgrag.answering.draft_cleaner import DraftCleaner, clean_draft
from kgrag.answering.prompt_budget import format_fact_lines, max_answer_tokens
from kgrag.answering.state import AnswerContext, AnswerState
from kgrag.llm.chat_model import model_label
from kgrag.protocols import LLM, GenerationOptions
from kgrag.text.citation_marks import strip_citation_marks
from kgrag.types import DiagnosticCode

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
    draft = _generate(llm, messages, options, state, context)
    logger.debug("reply: %s", draft)
    if not re.search(r"\w", strip_citation_marks(draft)):
        state = state.add_diagnostics(DiagnosticCode.ANSWER_WITHDRAWN, ["the model wrote no answer"])
    return replace(state, draft=draft, model=model_label(llm))


def _generate(
    llm: LLM, messages: prompts.Messages, options: GenerationOptions, state: AnswerState, context: AnswerContext
) -> str:
    """Return the model's draft, cleaned; show its pieces and its checked statements to those who listen."""
    if context.on_text is None and context.on_statement is None:
        return clean_draft(llm.generate(messages, options))
    cleaner, draft = DraftCleaner(), ""
    checker = None
    if context.on_statement is not None and "citations" in context.profile.guards:
        checker = DraftChecker(state.question, state.selected, context.on_statement)

    def show(text: str) -> bool:
        nonlocal draft
        draft += text
        is_stopped = bool(text and context.on_text is not None and context.on_text(text))
        if checker is not None:
            checker.add(text)
        return is_stopped or cleaner.is_full

    llm.generate(messages, options, on_text=lambda piece: show(cleaner.add(piece)))
    show(cleaner.finish())
    if checker is not None:
        checker.finish()
    return draft
