"""Every pattern finds what its example says, and every fact opens at its sentence."""

from __future__ import annotations

import re

import pytest

from ingest.names import Name
from ingest.relations import Pattern, find_triples, patterns, vocabulary
from kgrag.text import key
from kgrag.types import Passage, Triple

_BRACKETED = re.compile(r"\[([^\]|]+)(?:\|([A-Z]+))?\]")


def triples(title: str, marked: str, lang: str, *, before: str = "") -> tuple[str, list[Triple]]:
    """The facts of a sentence whose names stand in square brackets, as the document's opening or after ``before``."""
    text, names, place = before, [], 0
    for match in _BRACKETED.finditer(marked):
        text += marked[place : match.start()]
        kind = match.group(2) or ("DATE" if re.search(r"\d{3}", match.group(1)) else "MISC")
        names.append(Name(match.group(1), len(text), len(text) + len(match.group(1)), kind))
        text += match.group(1)
        place = match.end()
    text += marked[place:]
    passage = Passage("p", "d", text, 0, len(text))
    ids = [key(n.text) for n in names]
    return text, find_triples(passage, names, ids, title=title, title_id=key(title), lang=lang)


def facts(title: str, found: list[Triple]) -> set[tuple[str, str]]:
    """What is said of the title: (predicate, object), with the fact turned round where it is the object."""
    own = key(title)
    return {(t.predicate, t.object) if t.subject == own else (t.predicate + "_of", t.subject) for t in found}


@pytest.mark.parametrize("pattern", patterns(), ids=lambda p: p.example[1][:40])
def test_example(pattern: Pattern) -> None:
    title, sentence, gives = pattern.example
    _, found = triples(title, sentence, pattern.lang)
    wanted = {(p, key(o)) for p, _, o in (fact.partition(" ") for fact in gives.split("; "))}
    assert facts(title, found) == wanted
    unmarked = _BRACKETED.sub(r"\1", sentence)
    assert unmarked


def test_every_predicate_of_a_pattern_is_declared() -> None:
    known = vocabulary().predicates
    for pattern in patterns():
        for group in set(pattern.find.groupindex) - {"s"}:
            assert group in known or (group.endswith("_of") and group[:-3] in known), group
