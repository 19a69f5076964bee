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

from graphs.predicates import PredicateSchema
from indices.bm25_index import index_tokens
from kgrag.answering.guards.citations import strip_citation_marks
from kgrag.answering.stages.evidence_selection import SelectedPassage
from kgrag.graphqa.question_templates import fill_template, load_templates
from kgrag.graphqa.traversal import LookedUpFact
from kgrag.prompts import is_abstention
from kgrag.retrieve.sentence_features import has_answer_cue
from kgrag.text import normalize_name, sentence_spans, strip_disambiguation, tokenize
from kgrag.text.dates import WRITTEN_DATE, most_precise_date, normalize_date
from kgrag.types import Triple

EXPLICIT_CONFIDENCE, IMPLICIT_CONFIDENCE = 0.9, 0.6
"""How sure a fact is that was looked up, and one whose sentence has no word for how the two belong together."""
MAX_OBJECT_TOKENS = 12
"""Words of a fact's object; more are a statement about it."""
_EDGE_CHARS = " .。"
_IS_STATEMENT = re.compile(r"^(?:he|she|it|they)\b|\b(?:is|are|was|were|has|had)\b", re.IGNORECASE)
"""A statement about something, not its name."""
_DEATH_DATE_CUE = re.compile(r"(?<!\d)\d{3,4}|\bd\.|\bdied\b|†|[卒逝]|去世")
"""What comes before the date of a death in brackets."""
MAX_COUNTRY_TOKENS = 6
"""Words, or Chinese characters, of a country's name at most."""
OnStep = Callable[[str], object]


class LookupResult(NamedTuple):
    """What a model said to a question of one step, the passages that it was shown, and what it is called; "" where no
    passage was likely to say it, and no model was asked."""

    text: str = ""
    passages: tuple[SelectedPassage, ...] = ()
    model: str = ""


class SentenceMatch(NamedTuple):
    """What a sentence says, the sentence, its passage, its span in the document, and whether nothing else could be meant."""

    value: str
    sentence: str
    passage_id: str
    start: int
    end: int
    is_explicit: bool = False


class FactLookup:
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
        answer_step: Callable[[str], LookupResult],
        vocabulary: PredicateSchema,
        lang: str,
        max_lookups: int,
        on_progress: OnStep | None = None,
    ) -> None:
        self._answer_step, self._vocabulary, self._lang, self._max_lookups = answer_step, vocabulary, lang, max_lookups
        self._on_progress = on_progress or (lambda _: None)
        self._templates = load_templates(vocabulary).by_predicate
        self._facts: dict[tuple[str, str], LookedUpFact | None] = {}
        self.diagnostics: list[str] = []
        self.model = ""

    def __call__(self, entity: str, name: str, predicate: str) -> LookedUpFact | None:
        """What ``entity``, called ``name``, has by a predicate; None where no sentence says it, or enough was asked."""
        fact_key = entity, predicate
        templates = self._templates.get(predicate)
        forms = templates.questions[self._lang] if templates is not None else ()
        if fact_key not in self._facts and forms and len(self._facts) == self._max_lookups:
            self.diagnostics.append(
                f"not looked up, since {self._max_lookups} steps were: {fill_template(forms[0], X=name)}"
            )
            return None
        if fact_key not in self._facts and forms:
            self._facts[fact_key] = self._look_up(entity, name, predicate, forms[0])
        return self._facts.get(fact_key)

    def _look_up(self, entity: str, name: str, predicate: str, form: str) -> LookedUpFact | None:
        question = fill_template(form, X=name)
        self._on_progress(f"{question} ")
        result = self._answer_step(question)
        self._on_progress("\n")
        self.model = result.model or self.model
        reply, kind = strip_citation_marks(result.text).strip(_EDGE_CHARS), self._vocabulary.predicates[predicate].value
        if not reply or is_abstention(reply):
            self.diagnostics.append(f"looked up in vain: {question}")
            return None
        match_reply = (
            self._match_country if kind == "COUNTRY" else self._match_date if kind == "DATE" else self._match_value
        )
        question_words = fill_template(form, X="")
        matches = sorted(
            match_reply(reply, name, predicate, result),
            key=lambda one: not (one.is_explicit or has_answer_cue(question_words, one.sentence)),
        )
        is_explicit = bool(matches) and (matches[0].is_explicit or has_answer_cue(question_words, matches[0].sentence))
        if not matches or (not is_explicit and self._templates[predicate].is_kinship):
            self.diagnostics.append(f"looked up: {question} No sentence about it says {reply!r}")
            return None
        best = matches[0]
        if not is_explicit:
            self.diagnostics.append(f"looked up: {question} {reply!r}: its sentence does not say so outright")
        elif kind == "DATE":
            best = best._replace(value=most_precise_date(best.value, best.sentence))
        object_id, confidence = (
            self._vocabulary.entity_id(best.value, kind),
            EXPLICIT_CONFIDENCE if is_explicit else IMPLICIT_CONFIDENCE,
        )
        return LookedUpFact(
            Triple(entity, predicate, object_id, best.passage_id, best.start, best.end, confidence, "llm"), best.value
        )

    def _match_value(self, reply: str, name: str, predicate: str, result: LookupResult) -> Iterator[SentenceMatch]:
        """What was said, a name or a quantity, by each sentence about the subject that has it."""
        is_quantity = self._vocabulary.predicates[predicate].value == "QUANTITY"
        is_no_value = _normalized_name(reply) in ("", _normalized_name(name)) or _IS_STATEMENT.search(reply)
        fits_kind = (
            any(map(str.isdigit, reply)) if is_quantity else not normalize_date(reply)
        )  # 1200 may be a year, or a number of people
        if is_no_value or not fits_kind or len(tokenize(reply)) > MAX_OBJECT_TOKENS:
            return
        for match in _sentences_mentioning(name, result.passages):
            if f" {normalize_name(reply)} " in f" {normalize_name(match.sentence)} ":
                yield match._replace(value=reply)

    def _match_date(self, reply: str, name: str, predicate: str, result: LookupResult) -> Iterator[SentenceMatch]:
        """A date that was said, by each sentence about the subject that has it; outright where it stands in brackets, as dates
        of a life do: the first of two is that of a birth, the last of a death."""
        day = normalize_date(reply)
        if not day:
            return
        # a whole date stands also where the text has run it into what follows: "(October 4, 1916May 5, 2002)"
        reply_pattern = re.compile(
            re.escape(reply) if len(day) > len("1912-03") else rf"{re.escape(reply)}(?!\d)", re.IGNORECASE
        )
        for match in _sentences_mentioning(name, result.passages):
            offsets = [m.start() for m in WRITTEN_DATE.finditer(match.sentence) if normalize_date(m.group()) == day]
            offsets += [
                m.start()
                for m in reply_pattern.finditer(match.sentence)
                if not match.sentence[: m.start()][-1:].isdigit()
            ]
            bracket_text = _text_since_open_bracket(match.sentence, min(offsets)) if offsets else None
            if offsets and bracket_text is None:
                yield match._replace(value=reply)
            elif bracket_text is not None and bool(_DEATH_DATE_CUE.search(bracket_text)) == (
                predicate == "date_of_death"
            ):
                yield match._replace(value=reply, is_explicit=True)

    def _match_country(self, reply: str, name: str, predicate: str, result: LookupResult) -> Iterator[SentenceMatch]:
        """A country or a people as a sentence about the subject calls it, if it is the one that was said."""
        countries = {land for _, land in self._country_mentions(reply)}
        for match in _sentences_mentioning(name, result.passages):
            if spellings := [called for called, land in self._country_mentions(match.sentence) if {land} == countries]:
                yield match._replace(value=spellings[0], is_explicit=True)

    def _country_mentions(self, text: str) -> Iterator[tuple[str, str]]:
        """The countries and peoples that a text names, as it does, and which country each is."""
        words = tokenize(text)
        used_positions: set[int] = set()
        for size in range(MAX_COUNTRY_TOKENS, 0, -1):
            for first in range(len(words) - size + 1):
                spelling = text[words[first].start : words[first + size - 1].end]
                country = self._vocabulary.countries.get(" ".join(spelling.lower().split()))
                span = set(range(first, first + size))
                if country and not spelling[:1].islower() and not span & used_positions:
                    used_positions |= span  # the Korea of North Korea is no other
                    yield spelling, country


def _normalized_name(name: str) -> str:
    return normalize_name(strip_disambiguation(name)).removeprefix("the ")


def _text_since_open_bracket(sentence: str, offset: int) -> str | None:
    """What stands between the bracket that is open at a place and it; None where none is."""
    last_open = max(sentence.rfind("(", 0, offset), sentence.rfind("（", 0, offset))
    last_close = max(sentence.rfind(")", 0, offset), sentence.rfind("）", 0, offset))
    return sentence[last_open + 1 : offset] if last_open > last_close else None


def _sentences_mentioning(name: str, selected: Sequence[SelectedPassage]) -> Iterator[SentenceMatch]:
    """The sentences of the passages shown that name a thing, with their document's title; what they say is not known yet."""
    name_words = {*index_tokens(strip_disambiguation(name))}
    for hit in (selected_passage.hit for selected_passage in selected):
        passage = hit.passage
        for start, end in sentence_spans(passage.text):
            sentence = passage.text[start:end]
            titled_sentence = f"{hit.title}. {sentence}"
            if (
                name_words <= {*index_tokens(titled_sentence)}
                if name_words
                else f" {normalize_name(name)} " in f" {normalize_name(titled_sentence)} "
            ):
                yield SentenceMatch("", sentence, passage.id, passage.start + start, passage.start + end)
