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
from kgrag.cite import unmarked
from kgrag.dates import WRITTEN, date, exact
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
_STATES = re.compile(r"^(?:he|she|it|they)\b|\b(?:is|are|was|were|has|had)\b", re.IGNORECASE)
"""A statement about something, not its name."""
_LATER = re.compile(r"(?<!\d)\d{3,4}|\bd\.|\bdied\b|†|[卒逝]|去世")
"""What comes before the date of a death in brackets."""
_LAND = 6
"""Words, or Chinese characters, of a country's name at most."""
OnStep = Callable[[str], object]


class Looked(NamedTuple):
    """What a model said to a question of one step, the passages that it was shown, and what it is called; "" where no
    passage was likely to say it, and no model was asked."""

    text: str = ""
    shown: tuple[Shown, ...] = ()
    model: str = ""


class Said(NamedTuple):
    """What a sentence says, the sentence, its passage, its span in the document, and whether nothing else could be meant."""

    value: str
    sentence: str
    passage: str
    start: int
    end: int
    outright: bool = False


class Lookup:
    """Looks up the facts that one question needs.

    ``said`` tells, in words, what was looked up in vain; ``model`` who read what was found ("" before anything was asked).

    Args:
        look: finds passages for a question of one step and has a model read them.
        vocabulary: the predicates; those without words of their own in ``lang`` are not looked up.
        lang: of the question, ``"en"`` or ``"zh"``.
        most: steps that are looked up, at most: each costs an answer of the model.
        on_step: hears each question before it is asked, and a line's end after it.
    """

    def __init__(
        self,
        look: Callable[[str], Looked],
        vocabulary: Vocabulary,
        lang: str,
        most: int,
        on_step: OnStep | None = None,
    ) -> None:
        self._look, self._vocabulary, self._lang, self._most = look, vocabulary, lang, most
        self._hears = on_step or (lambda _: None)
        self._asking = wording(vocabulary).asking
        self._found: dict[tuple[str, str], Known | None] = {}
        self.said: list[str] = []
        self.model = ""

    def __call__(self, entity: str, name: str, predicate: str) -> Known | None:
        """What ``entity``, called ``name``, has by a predicate; None where no sentence says it, or enough was asked."""
        wanted = entity, predicate
        asking = self._asking.get(predicate)
        forms = asking.whole[self._lang] if asking is not None else ()
        if wanted not in self._found and forms and len(self._found) == self._most:
            self.said.append(f"not looked up, since {self._most} steps were: {filled(forms[0], X=name)}")
            return None
        if wanted not in self._found and forms:
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
        finds = self._lands if kind == "COUNTRY" else self._dates if kind == "DATE" else self._values
        asked = filled(form, X="")
        found = sorted(
            finds(said, name, predicate, looked), key=lambda one: not (one.outright or tells(asked, one.sentence))
        )
        outright = bool(found) and (found[0].outright or tells(asked, found[0].sentence))
        if not found or (not outright and self._asking[predicate].kin):
            self.said.append(f"looked up: {question} No sentence about it says {said!r}")
            return None
        best = found[0]
        if not outright:
            self.said.append(f"looked up: {question} {said!r}: its sentence does not say so outright")
        elif kind == "DATE":
            best = best._replace(value=exact(best.value, best.sentence))
        end, sure = self._vocabulary.entity(best.value, kind), SURE if outright else UNSAID
        return Known(Triple(entity, predicate, end, best.passage, best.start, best.end, sure, "llm"), best.value)

    def _values(self, said: str, name: str, predicate: str, looked: Looked) -> Iterator[Said]:
        """What was said, a name or a quantity, by each sentence about the subject that has it."""
        amount = self._vocabulary.predicates[predicate].value == "QUANTITY"
        itself = _plain(said) in ("", _plain(name)) or _STATES.search(said)
        fits = any(map(str.isdigit, said)) if amount else not date(said)  # 1200 may be a year, or a number of people
        if itself or not fits or len(tokens(said)) > LONGEST:
            return
        for one in _about(name, looked.shown):
            if f" {key(said)} " in f" {key(one.sentence)} ":
                yield one._replace(value=said)

    def _dates(self, said: str, name: str, predicate: str, looked: Looked) -> Iterator[Said]:
        """A date that was said, by each sentence about the subject that has it; outright where it stands in brackets, as dates
        of a life do: the first of two is that of a birth, the last of a death."""
        day = date(said)
        if not day:
            return
        # a whole date stands also where the text has run it into what follows: "(October 4, 1916May 5, 2002)"
        whole = re.compile(re.escape(said) if len(day) > len("1912-03") else rf"{re.escape(said)}(?!\d)", re.IGNORECASE)
        for one in _about(name, looked.shown):
            places = [m.start() for m in WRITTEN.finditer(one.sentence) if date(m.group()) == day]
            places += [m.start() for m in whole.finditer(one.sentence) if not one.sentence[: m.start()][-1:].isdigit()]
            before = _opened(one.sentence, min(places)) if places else None
            if places and before is None:
                yield one._replace(value=said)
            elif before is not None and bool(_LATER.search(before)) == (predicate == "date_of_death"):
                yield one._replace(value=said, outright=True)

    def _lands(self, said: str, name: str, predicate: str, looked: Looked) -> Iterator[Said]:
        """A country or a people as a sentence about the subject calls it, if it is the one that was said."""
        meant = {land for _, land in self._named(said)}
        for one in _about(name, looked.shown):
            if found := [called for called, land in self._named(one.sentence) if {land} == meant]:
                yield one._replace(value=found[0], outright=True)

    def _named(self, text: str) -> Iterator[tuple[str, str]]:
        """The countries and peoples that a text names, as it does, and which country each is."""
        words = tokens(text)
        taken: set[int] = set()
        for size in range(_LAND, 0, -1):
            for first in range(len(words) - size + 1):
                called = text[words[first].start : words[first + size - 1].end]
                land = self._vocabulary.countries.get(" ".join(called.lower().split()))
                span = set(range(first, first + size))
                if land and not called[:1].islower() and not span & taken:
                    taken |= span  # the Korea of North Korea is no other
                    yield called, land


def _plain(name: str) -> str:
    return key(unbracketed(name)).removeprefix("the ")


def _opened(sentence: str, place: int) -> str | None:
    """What stands between the bracket that is open at a place and it; None where none is."""
    bracket = max(sentence.rfind("(", 0, place), sentence.rfind("（", 0, place))
    closed = max(sentence.rfind(")", 0, place), sentence.rfind("）", 0, place))
    return sentence[bracket + 1 : place] if bracket > closed else None


def _about(name: str, shown: Sequence[Shown]) -> Iterator[Said]:
    """The sentences of the passages shown that name a thing, with their document's title; what they say is not known yet."""
    wanted = {*search_tokens(unbracketed(name))}
    for hit in (one.hit for one in shown):
        passage = hit.passage
        for start, end in sentences(passage.text):
            text = passage.text[start:end]
            whole = f"{hit.title}. {text}"
            if wanted <= {*search_tokens(whole)} if wanted else f" {key(name)} " in f" {key(whole)} ":
                yield Said("", text, passage.id, passage.start + start, passage.start + end)
