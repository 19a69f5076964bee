"""Verify citations: a statement stays only if sentences of the passages that it cites support it.

Each statement (sentence, list item, table row, block of code) is compared with the sentences of its passages. Numbers,
names, options, paths and negations must agree literally; of the other words, a share must occur. A statement without
citations, or whose citations fail, is compared with every passage of the prompt.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kgrag.answering.guards.claim import Claim, Support
from kgrag.answering.guards.source_sentences import SourceSentence, source_sentences
from kgrag.answering.guards.statements import Statement, find_statements, move_marks, split_statements
from kgrag.answering.selected_passage import SelectedPassage
from kgrag.text.citation_marks import citation_numbers
from kgrag.types import Citation, Passage

__all__ = ["CitationCheck", "make_citation", "split_statements", "verify_citations"]

_CUT = "\0"
_REFERS_BACK = re.compile(
    r"(?:This|That|These|Those|They|Such)\b|It (?!is (?:also )?(?:possible|important|necessary|recommended|best)\b)"
    r"|(?:这|此|该)(?!外|时|后)|它"
)
"""Matches a sentence whose subject is in the sentence before it."""


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
    pool = source_sentences(selected)
    titles = {passage.number: passage.hit.title for passage in selected}
    text = move_marks(answer)
    citations: dict[Citation, None] = {}
    supported: list[Statement] = []
    removed: list[Statement] = []
    unsupported: list[str] = []
    refusals: list[str] = []
    reasons: list[str] = []
    is_previous_dropped = False
    for statement in find_statements(text):
        cited_numbers = list(dict.fromkeys(citation_numbers(statement.text)))
        refusals += [f"[{n}] refused: the prompt has no such passage" for n in cited_numbers if n not in titles]
        claim = Claim(question, statement)
        support = _find_support(claim, [s for s in pool if s.selected.number in cited_numbers])
        supporting_numbers = {s.selected.number for s in support.sentences}
        if not support.sentences:
            support = _find_support(claim, pool)
        refusals += [
            f"[{n}] refused: no sentence in {titles[n]!r} supports {claim.text!r}"
            for n in cited_numbers
            if n in titles and n not in supporting_numbers
        ]
        if support.sentences and is_previous_dropped and _REFERS_BACK.match(claim.text):
            support = Support(reason="it refers to a dropped statement")
        is_previous_dropped = not support.sentences
        if support.sentences:
            supported.append(statement)
        else:
            removed.append(statement)
            unsupported.append(claim.text)
            reasons.append(support.reason)
        for sentence in () if statement.is_lead_in else support.sentences:
            citations[make_citation(sentence.selected.hit.passage, sentence.start, sentence.end)] = None
    # a line that introduces a list says nothing if no item is left
    introduced = {statement.lead_in for statement in supported}
    idle = [s for s in supported if s.is_lead_in and s.lead_in_text not in introduced]
    supported = [s for s in supported if s not in idle]
    return CitationCheck(
        tuple(statement.text for statement in supported),
        tuple(citations) if supported else (),
        tuple(unsupported),
        tuple(dict.fromkeys(refusals)),
        _remove_statements(text, [*removed, *idle]),
        tuple(reasons),
    )


def _find_support(claim: Claim, pool: Sequence[SourceSentence]) -> Support:
    """Return the support of a claim in a pool; of code, in one passage, since options of two make no command."""
    support = claim.find_support(pool)
    if not claim.is_code or not support.sentences:
        return support
    numbers = dict.fromkeys(sentence.selected.number for sentence in (*support.sentences, *pool))
    for number in numbers:
        own = claim.find_support([sentence for sentence in pool if sentence.selected.number == number])
        if own.sentences:
            return own
    return Support(reason="no single passage has this code")


def make_citation(passage: Passage, start: int, end: int) -> Citation:
    """Build a citation of a passage's span, given as offsets into the document."""
    quote = passage.text[start - passage.start : end - passage.start]
    return Citation(passage.id, start, end, quote, passage.page_at(start))


def _remove_statements(text: str, statements: Iterable[Statement]) -> str:
    """Cut statements out of an answer, and the lines of which nothing is left."""
    for statement in sorted(statements, key=lambda s: -s.start):
        text = text[: statement.start] + _CUT + text[statement.end :]
    lines = [line for line in text.split("\n") if _CUT not in line or re.search(r"\w", line.replace(_CUT, ""))]
    lines = [re.sub(rf"[ \t]*{_CUT}[ \t]*", " ", line).strip(" ") if _CUT in line else line for line in lines]
    return "\n".join(lines).strip()
