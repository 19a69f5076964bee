"""Ask the language model for an answer from the selected evidence."""

from __future__ import annotations

import logging
import re
from dataclasses import replace

from kgrag.answering.draft_checker import DraftChecker
from kgrag.answering.draft_cleaner import generate_draft
from kgrag.answering.prompt_budget import max_answer_tokens
from kgrag.answering.stages.draft_prompt import build_draft_prompt
from kgrag.answering.state import AnswerContext, AnswerState
from kgrag.llm.chat_model import model_label
from kgrag.protocols import GenerationOptions, OnText
from kgrag.text.citation_marks import strip_citation_marks
from kgrag.types import DiagnosticCode

logger = logging.getLogger(__name__)


def draft_answer(state: AnswerState, context: AnswerContext) -> AnswerState:
    """Let the model write a draft from the selected passages and the uncertain facts of the graph."""
    llm, profile = context.resources.llm(), context.profile
    messages = build_draft_prompt(state, profile)
    options = GenerationOptions(max_tokens=max_answer_tokens(llm, profile.answer_tokens[state.form]))
    logger.debug("prompt: %s", messages)
    checker = None
    if context.on_statement is not None and "citations" in profile.guards:
        checker = DraftChecker(state.question, state.selected, context.on_statement)
    draft = generate_draft(llm, messages, options, _listener(context.on_text, checker))
    if checker is not None:
        checker.finish()
    logger.debug("reply: %s", draft)
    if not re.search(r"\w", strip_citation_marks(draft)):
        state = state.add_diagnostics(DiagnosticCode.ANSWER_WITHDRAWN, ["the model wrote no answer"])
    return replace(state, draft=draft, model=model_label(llm))


def _listener(on_text: OnText | None, checker: DraftChecker | None) -> OnText | None:
    """Return what receives the pieces of the draft: the caller, and then the checker of its statements."""
    if checker is None:
        return on_text

    def listen(piece: str) -> bool | None:
        is_stopped = on_text(piece) if on_text is not None else None
        checker.add(piece)
        return is_stopped

    return listen
