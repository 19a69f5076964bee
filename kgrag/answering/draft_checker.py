"""Check a draft while the model writes it: each statement as soon as the next one begins."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from kgrag import prompts
from kgrag.answering.guards.statement_checker import StatementChecker
from kgrag.answering.guards.statements import find_statements, move_marks
from kgrag.answering.reasoning_steps import parse_step
from kgrag.answering.selected_passage import SelectedPassage
from kgrag.types import DraftStatement

OnStatement = Callable[[DraftStatement], object]
"""Called with each checked statement of a draft."""
MIN_NEW_CHARS = 32
"""Characters between two looks at a draft: each look reads all of it."""

_PARTIAL_MARK = re.compile(r"[\[［【][\d,，、\s]*\Z")


class DraftChecker:
    """Checks the statements of a growing draft, and reports them in order.

    The check of the whole answer follows and decides: a guard may still withdraw or replace what is reported as supported
    here. A draft with reasoning steps is not reported, since its steps are no statements of the answer.

    Args:
        question: the user's question.
        selected: the passages of the prompt.
        on_statement: called with each statement.
    """

    def __init__(self, question: str, selected: Sequence[SelectedPassage], on_statement: OnStatement) -> None:
        self._checker = StatementChecker(question, selected)
        self._on_statement = on_statement
        self._draft = ""
        self._seen_chars = self._reported_count = self._reported_end = 0

    def add(self, piece: str) -> None:
        """Take the next piece of the draft, and report the statements that are complete with it."""
        self._draft += piece
        if self._seen_chars + MIN_NEW_CHARS <= len(self._draft):
            self._report(is_complete=False)

    def finish(self) -> None:
        """Report the rest of the draft, unless it is an abstention."""
        if not prompts.is_abstention(self._draft):
            self._report(is_complete=True)

    def _report(self, *, is_complete: bool) -> None:
        self._seen_chars = len(self._draft)
        text = move_marks(_PARTIAL_MARK.sub("", self._draft))
        statements = find_statements(text)
        if not is_complete:
            statements = statements[:-1]  # the next piece may be part of the last one
        if parse_step(text.split("\n", 1)[0]):
            return
        for statement in statements[self._reported_count :]:
            checked = self._checker.check(statement)
            end = _offset_after(self._draft, len(re.sub(r"\s", "", text[: statement.end])))
            written, self._reported_end = self._draft[self._reported_end : end].strip(), end
            self._reported_count += 1
            self._on_statement(DraftStatement(written, checked.is_supported, checked.citations, checked.reason))


def _offset_after(text: str, number: int) -> int:
    """Return the offset after so many characters that are no white space: `move_marks` moves marks, and adds spaces."""
    for match in re.finditer(r"\S", text):
        number -= 1
        if number <= 0:
            return match.end()
    return len(text)
