"""Verify citations: a statement stays only if sentences of the passages that it cites support it.

Each statement (sentence, list item, table row, block of code) is compared with the sentences of its passages. Numbers,
names, options, paths and negations must agree literally; of the other words, a share must occur. A statement without
citations, or whose citations fail, is compared with every passage of the prompt.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kgrag.answering.guards.statement_checker import CheckedStatement, StatementChecker
from kgrag.answering.guards.statements import Statement, find_statements, move_marks
from kgrag.answering.selected_passage import SelectedPassage
from kgrag.text.citation_marks import SPACE_AND_MARK, citation_numbers
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
    kept = [c for c in checked if c.is_supported]
    supported = [c.statement for c in kept]
    unsupported = [c for c in checked if not c.is_supported]
    # a line that introduces a list says nothing if no item is left
    introduced = {statement.lead_in for statement in supported}
    idle = [s for s in supported if s.is_lead_in and s.lead_in_text not in introduced]
    kept = [c for c in kept if c.statement not in idle]
    citations = dict.fromkeys(citation for c in kept for citation in c.citations)
    edits = {s: "" for s in (*(c.statement for c in unsupported), *idle)} | {c.statement: _true_marks(c) for c in kept}
    return CitationCheck(
        tuple(_true_marks(c) for c in kept),
        tuple(citations),
        tuple(c.claim for c in unsupported),
        tuple(dict.fromkeys(refusal for c in checked for refusal in c.refusals)),
        _edit_statements(text, edits),
        tuple(c.reason for c in unsupported),
    )


def _true_marks(checked: CheckedStatement) -> str:
    """Return a supported statement with marks of passages that support it, at the place of the first if none did."""
    text, numbers = checked.statement.text, checked.numbers
    cited = {*citation_numbers(text)}
    if cited <= {*numbers}:
        return text
    substitutes = [] if cited & {*numbers} else [numbers]

    def replace_mark(mark: re.Match[str]) -> str:
        named = [n for n in citation_numbers(mark.group()) if n in numbers] or (
            substitutes.pop() if substitutes else ()
        )
        space = mark.group()[: -len(mark.group().lstrip())]
        return f"{space}[{', '.join(map(str, named))}]" if named else ""

    return SPACE_AND_MARK.sub(replace_mark, text)


def _edit_statements(text: str, edits: Mapping[Statement, str]) -> str:
    """Replace statements of an answer, cut those without a replacement, and the lines of which nothing is left."""
    for statement, edited in sorted(edits.items(), key=lambda edit: -edit[0].start):
        text = text[: statement.start] + (edited or _CUT) + text[statement.end :]
    lines = [line for line in text.split("\n") if _CUT not in line or re.search(r"\w", line.replace(_CUT, ""))]
    lines = [re.sub(rf"[ \t]*{_CUT}[ \t]*", " ", line).strip(" ") if _CUT in line else line for line in lines]
    return "\n".join(lines).strip()
