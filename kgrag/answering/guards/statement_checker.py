"""Check the statements of an answer one by one: sentences of the passages that they cite must support them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from kgrag.answering.guards.claim import Claim, Support
from kgrag.answering.guards.source_sentences import SourceSentence, source_sentences
from kgrag.answering.guards.statements import Statement
from kgrag.answering.selected_passage import SelectedPassage, make_citation
from kgrag.text.citation_marks import citation_numbers
from kgrag.types import Citation

_REFERS_BACK = re.compile(
    r"(?:This|That|These|Those|They|Such)\b|It (?!is (?:also )?(?:possible|important|necessary|recommended|best)\b)"
    r"|(?:这|此|该)(?!外|时|后)|它"
)
"""Matches a sentence whose subject is in the sentence before it."""


@dataclass(frozen=True)
class CheckedStatement:
    """A statement of an answer, and what the check found.

    Attributes:
        statement: the statement, with its citation marks.
        claim: the statement without marks.
        is_supported: whether sentences of the prompt support it.
        citations: these sentences; none for a line that introduces a list.
        numbers: the passages that its marks name and that support it, or else those of the citations.
        reason: why it is not supported, if that is known.
        refusals: a message for each rejected citation mark.
    """

    statement: Statement
    claim: str
    is_supported: bool
    citations: tuple[Citation, ...]
    numbers: tuple[int, ...]
    reason: str
    refusals: tuple[str, ...]


class StatementChecker:
    """Checks the statements of one answer, in order: a sentence may refer to the one before it.

    Args:
        question: the user's question.
        selected: the passages of the prompt.
    """

    def __init__(self, question: str, selected: Sequence[SelectedPassage]) -> None:
        self._question = question
        self._pool = source_sentences(selected)
        self._titles = {passage.number: passage.hit.title for passage in selected}
        self._is_previous_dropped = False

    def check(self, statement: Statement) -> CheckedStatement:
        """Check the next statement; one without citations, or whose citations fail, against every passage."""
        cited_numbers = list(dict.fromkeys(citation_numbers(statement.text)))
        refusals = [f"[{n}] refused: the prompt has no such passage" for n in cited_numbers if n not in self._titles]
        claim = Claim(self._question, statement)
        support = _find_support(claim, [s for s in self._pool if s.selected.number in cited_numbers])
        supporting_numbers = {s.selected.number for s in support.sentences}
        if not support.sentences:
            support = _find_support(claim, self._pool)
        refusals += [
            f"[{n}] refused: no sentence in {self._titles[n]!r} supports {claim.text!r}"
            for n in cited_numbers
            if n in self._titles and n not in supporting_numbers
        ]
        if support.sentences and self._is_previous_dropped and _REFERS_BACK.match(claim.text):
            support = Support(reason="it refers to a dropped statement")
        self._is_previous_dropped = not support.sentences
        citations = () if statement.is_lead_in else tuple(map(_cite_sentence, support.sentences))
        named = [number for number in cited_numbers if number in supporting_numbers]
        numbers = tuple(named or dict.fromkeys(sentence.selected.number for sentence in support.sentences))
        is_supported = bool(support.sentences)
        return CheckedStatement(
            statement, claim.text, is_supported, citations, numbers, support.reason, tuple(refusals)
        )


def _cite_sentence(sentence: SourceSentence) -> Citation:
    return make_citation(sentence.selected.hit.passage, sentence.start, sentence.end)


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
