"""Verify citations: a statement stays only if sentences of the passages that it cites support it.

Each statement (sentence, list item, table row, block of code) is compared with the sentences of its passages. Numbers,
names, options, paths and negations must agree literally; of the other words, a share must occur. A statement without
citations, or whose citations fail, is compared with every passage of the prompt.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kgrag.answering.guards.statement_checker import StatementChecker
from kgrag.answering.guards.statements import Statement, find_statements, move_marks
from kgrag.answering.selected_passage import SelectedPassage
from kgrag.types import Citation

_CUT = "\0"


@dataclass(frozen=True)
class CitationCheck:
    """Result of verifying the statements of an answer.

    ``supported``: statements with support, including their citation marks; ``citations``: the sentences that support them;
    ``unsupported``: statements without support; ``refusals``: a message for each rejected citation. ``text`` is the answer
    without the unsupported statements, its lines and lists as they were. ``reasons``: for each unsupported statement, why.
    """

    supported: tuple[str, ...]
    citations: tuple[Citation, ...]
    unsupported: tuple[str, ...]
    refusals: tuple[str, ...]
    text: str = ""
    reasons: tuple[str, ...] = ()


def verify_citations(question: str, answer: str, selected: Sequence[SelectedPassage]) -> CitationCheck:
    """Check every statement of an answer against the passages of the prompt.

    Args:
        question: the user's question.
        answer: the answer, with citation marks.
        selected: the passages of the prompt.
    """
    text = move_marks(answer)
    checker = StatementChecker(question, selected)
    checked = [checker.check(statement) for statement in find_statements(text)]
    supported = [c.statement for c in checked if c.is_supported]
    unsupported = [c for c in checked if not c.is_supported]
    # a line that introduces a list says nothing if no item is left
    introduced = {statement.lead_in for statement in supported}
    idle = [s for s in supported if s.is_lead_in and s.lead_in_text not in introduced]
    supported = [s for s in supported if s not in idle]
    citations = dict.fromkeys(citation for c in checked if c.is_supported for citation in c.citations)
    return CitationCheck(
        tuple(statement.text for statement in supported),
        tuple(citations) if supported else (),
        tuple(c.claim for c in unsupported),
        tuple(dict.fromkeys(refusal for c in checked for refusal in c.refusals)),
        _remove_statements(text, [*(c.statement for c in unsupported), *idle]),
        tuple(c.reason for c in unsupported),
    )


def _remove_statements(text: str, statements: Iterable[Statement]) -> str:
    """Cut statements out of an answer, and the lines of which nothing is left."""
    for statement in sorted(statements, key=lambda s: -s.start):
        text = text[: statement.start] + _CUT + text[statement.end :]
    lines = [line for line in text.split("\n") if _CUT not in line or re.search(r"\w", line.replace(_CUT, ""))]
    lines = [re.sub(rf"[ \t]*{_CUT}[ \t]*", " ", line).strip(" ") if _CUT in line else line for line in lines]
    return "\n".join(lines).strip()
