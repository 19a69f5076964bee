"""Look up facts that the graph lacks: ask for one step at a time and verify the reply against a sentence.

A small model reads one step from a passage reliably, but not two steps at once. So the graph reader follows the typed
facts of the store and asks the language model only for a missing step, as a question of its own ("When was Robert
Rossen born?") with its own retrieval. The reply becomes a fact of the path if its type matches the predicate and a
sentence about the same subject contains it. Otherwise the path ends there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from graphs.predicates import PredicateSchema
from indices.bm25_index import index_tokens
from kgrag.answering.selected_passage import SelectedPassage
from kgrag.graphqa.question_templates import fill_template, load_templates
from kgrag.graphqa.traversal import LookedUpFact
from kgrag.prompts import is_abstention
from kgrag.retrieve.sentence_features import has_answer_cue
from kgrag.text import normalize_name, sentence_spans, strip_disambiguation, tokenize
from kgrag.text.citation_marks import strip_citation_marks
from kgrag.text.dates import WRITTEN_DATE, most_precise_date, normalize_date
from kgrag.types import Diagnostic, DiagnosticCode, Triple

EXPLICIT_CONFIDENCE, IMPLICIT_CONFIDENCE = 0.9, 0.6
"""Confidence of a looked-up fact whose sentence has a word for the relation, and of one whose sentence has none."""
MAX_OBJECT_TOKENS = 12
"""Maximum tokens of a fact's object; a longer reply is a statement, not a name."""
_EDGE_CHARS = " .。"
_IS_STATEMENT = re.compile(r"^(?:he|she|it|they)\b|\b(?:is|are|was|were|has|had)\b", re.IGNORECASE)
"""Matches a statement, as opposed to a name."""
_DEATH_DATE_CUE = re.compile(r"(?<!\d)\d{3,4}|\bd\.|\bdied\b|†|[卒逝]|去世")
"""Matches the text that precedes a date of death within brackets."""
MAX_COUNTRY_TOKENS = 6
"""Maximum words, or Chinese characters, of a country's name."""
OnStep = Callable[[str], object]


class LookupResult(NamedTuple):
    """The model's reply to a question for one step, the passages of its prompt, and the model's label.

    All are empty if no passage was likely to hold the answer; then no model was called.
    """

    text: str = ""
    passages: tuple[SelectedPassage, ...] = ()
    model: str = ""


class SentenceMatch(NamedTuple):
    """A value found in a sentence, with the passage and the sentence's span in the document.

    ``is_explicit``: whether the sentence leaves no doubt that the value is the object of the predicate.
    """

    value: str
    sentence: str
    passage_id: str
    start: int
    end: int
    is_explicit: bool = False


class FactLookup:
    """Looks up the missing facts of one question.

    ``diagnostics`` lists the lookups that failed or are uncertain. ``model`` is the label of the model that replied (""
    before any lookup).

    Args:
        answer_step: retrieves passages for a question of one step and lets a model answer it.
        schema: the store's predicates; those without question templates in ``lang`` are not looked up.
        lang: language of the question, ``"en"`` or ``"zh"``.
        max_lookups: maximum number of lookups; each costs one model answer.
        on_progress: called with each question before it is asked, and with a newline after it.
    """

    def __init__(
        self,
        answer_step: Callable[[str], LookupResult],
        schema: PredicateSchema,
        lang: str,
        max_lookups: int,
        on_progress: OnStep | None = None,
    ) -> None:
        self._answer_step, self._schema, self._lang, self._max_lookups = answer_step, schema, lang, max_lookups
        self._on_progress = on_progress or (lambda _: None)
        self._templates = load_templates(schema).by_predicate
        self._facts: dict[tuple[str, str], LookedUpFact | None] = {}
        self.diagnostics: list[Diagnostic] = []
        self.model = ""

    def __call__(self, entity: str, name: str, predicate: str) -> LookedUpFact | None:
        """Return the fact that ``entity`` has for a predicate; None if no sentence states it or the limit is reached.

        Args:
            entity: id of the subject.
            name: the subject's name for the question.
            predicate: name of the predicate.
        """
        fact_key = entity, predicate
        templates = self._templates.get(predicate)
        forms = templates.questions[self._lang] if templates is not None else ()
        if fact_key not in self._facts and forms and len(self._facts) == self._max_lookups:
            self._report(
                DiagnosticCode.LOOKUP_FAILED,
                f"lookup skipped after {self._max_lookups} lookups: {fill_template(forms[0], X=name)!r}",
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
        reply, kind = strip_citation_marks(result.text).strip(_EDGE_CHARS), self._schema.predicates[predicate].value
        if not reply or is_abstention(reply):
            self._report(DiagnosticCode.LOOKUP_FAILED, f"lookup failed: {question!r}")
            return None
        match_reply = (
            self._match_country if kind == "COUNTRY" else self._match_date if kind == "DATE" else self._match_value
        )
        question_words = fill_template(form, X="")
        matches = sorted(
            match_reply(reply, name, predicate, result),
            key=lambda match: not (match.is_explicit or has_answer_cue(question_words, match.sentence)),
        )
        is_explicit = bool(matches) and (matches[0].is_explicit or has_answer_cue(question_words, matches[0].sentence))
        if not matches or (not is_explicit and self._templates[predicate].is_kinship):
            self._report(
                DiagnosticCode.LOOKUP_FAILED,
                f"lookup of {question!r}: reply {reply!r} rejected, no sentence about the subject states it",
            )
            return None
        best = matches[0]
        if not is_explicit:
            self._report(
                DiagnosticCode.LOOKUP_UNCERTAIN,
                f"lookup of {question!r}: the sentence only implies {reply!r} (confidence {IMPLICIT_CONFIDENCE})",
            )
        elif kind == "DATE":
            best = best._replace(value=most_precise_date(best.value, best.sentence))
        object_id, confidence = (
            self._schema.entity_id(best.value, kind),
            EXPLICIT_CONFIDENCE if is_explicit else IMPLICIT_CONFIDENCE,
        )
        return LookedUpFact(
            Triple(entity, predicate, object_id, best.passage_id, best.start, best.end, confidence, "llm"), best.value
        )

    def _report(self, code: DiagnosticCode, message: str) -> None:
        self.diagnostics.append(Diagnostic(code, message))

    def _match_value(self, reply: str, name: str, predicate: str, result: LookupResult) -> Iterator[SentenceMatch]:
        """Yield the sentences about the subject that contain the reply, a name or a quantity."""
        is_quantity = self._schema.predicates[predicate].value == "QUANTITY"
        is_no_value = _normalized_name(reply) in ("", _normalized_name(name)) or _IS_STATEMENT.search(reply)
        fits_kind = (
            any(map(str.isdigit, reply)) if is_quantity else not normalize_date(reply)
        )  # 1200 may be a year or a quantity
        if is_no_value or not fits_kind or len(tokenize(reply)) > MAX_OBJECT_TOKENS:
            return
        for match in _sentences_mentioning(name, result.passages):
            if f" {normalize_name(reply)} " in f" {normalize_name(match.sentence)} ":
                yield match._replace(value=reply)

    def _match_date(self, reply: str, name: str, predicate: str, result: LookupResult) -> Iterator[SentenceMatch]:
        """Yield the sentences about the subject that contain the date of the reply.

        A date in brackets is explicit: in "(1916 – 2002)" the first is the date of birth, the last the date of death.
        """
        day = normalize_date(reply)
        if not day:
            return
        # a full date also counts if no space separates it from the next one: "(October 4, 1916May 5, 2002)"
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
        """Yield the sentences about the subject that name the country of the reply, with the sentence's own wording."""
        countries = {country for _, country in self._country_mentions(reply)}
        for match in _sentences_mentioning(name, result.passages):
            if spellings := [
                spelling for spelling, country in self._country_mentions(match.sentence) if {country} == countries
            ]:
                yield match._replace(value=spellings[0], is_explicit=True)

    def _country_mentions(self, text: str) -> Iterator[tuple[str, str]]:
        """Yield the country names and adjectives in a text, each with its country."""
        words = tokenize(text)
        used_positions: set[int] = set()
        for size in range(MAX_COUNTRY_TOKENS, 0, -1):
            for first in range(len(words) - size + 1):
                spelling = text[words[first].start : words[first + size - 1].end]
                country = self._schema.countries.get(" ".join(spelling.lower().split()))
                span = set(range(first, first + size))
                if country and not spelling[:1].islower() and not span & used_positions:
                    used_positions |= span  # "Korea" within "North Korea" is not another country
                    yield spelling, country


def _normalized_name(name: str) -> str:
    return normalize_name(strip_disambiguation(name)).removeprefix("the ")


def _text_since_open_bracket(sentence: str, offset: int) -> str | None:
    """Return the text between the innermost open bracket and an offset; None if no bracket is open there."""
    last_open = max(sentence.rfind("(", 0, offset), sentence.rfind("（", 0, offset))
    last_close = max(sentence.rfind(")", 0, offset), sentence.rfind("）", 0, offset))
    return sentence[last_open + 1 : offset] if last_open > last_close else None


def _sentences_mentioning(name: str, selected: Sequence[SelectedPassage]) -> Iterator[SentenceMatch]:
    """Yield the sentences, each with its document's title, that name the subject; ``value`` is still empty."""
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
