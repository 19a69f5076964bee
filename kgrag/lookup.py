"""A fact that the graph lacks, looked up when a question needs it: asked for in a question of its own, held to a sentence.

A small model reads one step from a passage well, and two steps, or two things at once, badly. So a question of several steps
is walked over the typed facts, and only a step that they do not know is asked of the language model, as a question of that
step alone ("When was Robert Rossen born?"), which finds passages of its own. What it says becomes a fact of the walk if it is of
the kind that is asked for and a sentence about the same subject says it; else the walk ends there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from graphs.vocabulary import Vocabulary
from indices.bm25 import search_tokens
from kgrag.cite import check, unmarked
from kgrag.dates import date, exact
from kgrag.evidence import Shown
from kgrag.prompts import abstains
from kgrag.reader.walk import Known
from kgrag.reader.wording import filled, wording
from kgrag.retrieve.sentences import tells
from kgrag.text import key, sentences, tokens, unbracketed
from kgrag.types import Triple

SURE, UNSAID = 0.9, 0.6
"""How sure a fact is that was looked up, and one whose sentence has no word for how the two belong together."""
LONGEST = 12
"""Words of a fact's object; more are a statement about it."""
_ENDS = " .。"
_LAND = 6
"""Words, or Chinese characters, of a country's name at most."""
OnText = Callable[[str], bool | None]


class Looked(NamedTuple):
    """What a model said to a question of one step, the passages that it was shown, and what it is called; "" where no
    passage was likely to say it, and no model was asked."""

    text: str = ""
    shown: tuple[Shown, ...] = ()
    model: str = ""


class Said(NamedTuple):
    """What a sentence says, the sentence, its passage, and its span in the document."""

    value: str
    sentence: str
    passage: str
    start: int
    end: int


class Lookup:
    """Looks up the facts that one question needs.

    ``said`` tells, in words, what was looked up in vain; ``model`` who read what was found ("" before anything was asked).

    Args:
        look: finds passages for a question of one step and has a model read them.
        vocabulary: the predicates; those without words of their own in ``lang`` are not looked up.
        lang: of the question, ``"en"`` or ``"zh"``.
        most: steps that are looked up, at most: each costs an answer of the model.
        on_text: hears each question before it is asked.
    """

    def __init__(
        self,
        look: Callable[[str], Looked],
        vocabulary: Vocabulary,
        lang: str,
        most: int,
        on_text: OnText | None = None,
    ) -> None:
        self._look, self._vocabulary, self._lang, self._most = look, vocabulary, lang, most
        self._hears = on_text or (lambda _: None)
        self._asking = wording(vocabulary).asking
        self._found: dict[tuple[str, str], Known | None] = {}
        self.said: list[str] = []
        self.model = ""

    def __call__(self, entity: str, name: str, predicate: str) -> Known | None:
        """What ``entity``, called ``name``, has by a predicate; None where no sentence says it, or enough was asked."""
        wanted = entity, predicate
        asking = self._asking.get(predicate)
        forms = asking.whole[self._lang] if asking is not None else ()
        if wanted not in self._found and forms and len(self._found) < self._most:
            self._found[wanted] = self._read(entity, name, predicate, forms[0])
        return self._found.get(wanted)

    def _read(self, entity: str, name: str, predicate: str, form: str) -> Known | None:
        question = filled(form, X=name)
        self._hears(f"{question} ")
        looked = self._look(question)
        self._hears("\n")
        self.model = looked.model or self.model
        said, kind = unmarked(looked.text).strip(_ENDS), self._vocabulary.predicates[predicate].value
        if not said or abstains(said):
            self.said.append(f"looked up in vain: {question}")
            return None
        found = list(
            self._lands(said, name, looked) if kind == "COUNTRY" else self._values(question, name, looked, kind)
        )
        # a date or a country by a name needs no word for it; a place or a person may be there for something else
        outright = [one for one in found if kind in ("COUNTRY", "DATE") or tells(filled(form, X=""), one.sentence)]
        asking = self._asking[predicate]
        if not outright and (not found or (asking.gives == "person" and asking.about == {"person"})):
            # of relatives a sentence may name several, so that no other word will do
            self.said.append(f"looked up: {question} No sentence about it says {said!r}")
            return None
        if not outright:
            self.said.append(f"looked up: {question} {said!r}: its sentence does not say so outright")
        best, sure = (outright[0], SURE) if outright else (found[0], UNSAID)
        end = self._vocabulary.entity(best.value, kind)
        return Known(Triple(entity, predicate, end, best.passage, best.start, best.end, sure, "llm"), best.value)

    def _values(self, question: str, name: str, looked: Looked, kind: str) -> Iterator[Said]:
        """What was said, if it is of that kind, by each sentence about the subject that has it."""
        said, dated = unmarked(looked.text).strip(_ENDS), kind == "DATE"
        if key(said) == key(name) or len(tokens(said)) > LONGEST or bool(date(said)) != dated:
            return
        spans = {(c.passage_id, c.start, c.end) for c in check(question, looked.text, looked.shown).citations}
        # a whole date stands also where the text has run it into what follows: "(October 4, 1916May 5, 2002)"
        whole = re.compile(rf"(?<!\d){re.escape(said)}") if dated and len(date(said)) > len("1912-03") else None
        for one in _about(name, looked.shown):
            has = f" {key(said)} " in f" {key(one.sentence)} " or (whole is not None and whole.search(one.sentence))
            if has or one[2:] in spans:
                yield one._replace(value=exact(said, one.sentence) if dated else said)

    def _lands(self, said: str, name: str, looked: Looked) -> Iterator[Said]:
        """A country or a people as a sentence about the subject calls it, if it is the one that was said."""
        meant = {land for _, land in self._named(said)}
        for one in _about(name, looked.shown):
            if found := [called for called, land in self._named(one.sentence) if {land} == meant]:
                yield one._replace(value=found[0])

    def _named(self, text: str) -> Iterator[tuple[str, str]]:
        """The countries and peoples that a text names, as it does, and which country each is."""
        words = tokens(text)
        for size in range(_LAND, 0, -1):
            for first in range(len(words) - size + 1):
                called = text[words[first].start : words[first + size - 1].end]
                land = self._vocabulary.countries.get(called.lower())
                if land and not called[:1].islower():
                    yield called, land


def _about(name: str, shown: Sequence[Shown]) -> Iterator[Said]:
    """The sentences of the passages shown that name a thing, with their document's title; what they say is not known yet."""
    wanted = {*search_tokens(unbracketed(name))}
    for hit in (one.hit for one in shown):
        passage = hit.passage
        for start, end in sentences(passage.text):
            text = passage.text[start:end]
            if wanted <= {*search_tokens(f"{hit.title}. {text}")}:
                yield Said("", text, passage.id, passage.start + start, passage.start + end)
