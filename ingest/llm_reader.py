"""Facts by a language model, when asked for: each is held against the text, and what is not in it is dropped and counted."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from graphs.vocabulary import Vocabulary
from ingest.amounts import amount
from kgrag import prompts
from kgrag.dates import date
from kgrag.errors import ModelError
from kgrag.protocols import LLM as Model
from kgrag.text import is_cjk, key, sentences, simplified, tokens
from kgrag.types import BOTH, LLM, VALUES, Extraction, Mention, Passage, Triple

SURE = 0.3
"""What a fact of the model alone counts: the share of those that join what WebNLG's facts join (docs/experiments.md)."""
LONGEST = 900
"""Characters that are read at once: a piece of a passage, of whole sentences."""
ANSWER = 512
"""Tokens of an answer, at most."""
PATIENCE = 5
"""Failures one after another that may be the text's fault."""
_PREDICATE = re.compile(r"[^\W\d]\w{0,59}")
_PRONOUNS = frozenset(
    [
        "he",
        "she",
        "it",
        "they",
        "him",
        "her",
        "them",
        "his",
        "its",
        "their",
        "this",
        "他",
        "她",
        "它",
        "他们",
        "她们",
        "它们",
        "该片",
        "该书",
        "该校",
    ]
)
Span = tuple[int, int]


@dataclass
class Tally:
    """What the model did: ``passages`` read, ``facts`` kept, ``dropped`` by reason, tokens in and out, seconds."""

    passages: int = 0
    facts: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    tokens_in: int = 0
    tokens_out: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class _Said:
    """One fact as the model gave it."""

    n: int
    s: str
    p: str
    o: str


class LLMReader:
    """Adds what a language model finds to what was read by rules, or puts it in its place.

    Args:
        model: any language model that follows a JSON schema.
        known: the predicates, by which the model's are normalised.
        keep_rules: whether the facts of rules stay; where both say the same it is one fact, surer than each.
    """

    def __init__(self, model: Model, known: Vocabulary, *, keep_rules: bool) -> None:
        self._model, self._known, self._keep = model, known, keep_rules
        self._nouns = {noun.replace(" ", "_"): p.name for p in known.predicates.values() for noun in p.nouns}
        self._failed = 0
        self.tally = Tally()

    def read(self, extraction: Extraction) -> Extraction:
        """The extraction with the model's facts, and with mentions where it found names that were not found.

        Raises:
            ModelError: the model fails again and again.
        """
        began = time.monotonic()
        mentions, triples = list(extraction.mentions), []
        for passage in extraction.passages:
            here = [m for m in mentions if m.passage_id == passage.id]
            more, stated = self._passage(passage, here, extraction)
            mentions += more
            triples += stated
            self.tally.passages += 1
        kept = extraction.triples if self._keep else ()
        triples = combined(kept, triples)
        self.tally.seconds += time.monotonic() - began
        mentions.sort(key=lambda m: (m.start, m.end))
        return replace(
            extraction, mentions=tuple(mentions), triples=tuple(triples), read_by=BOTH if self._keep else LLM
        )

    def _passage(
        self, passage: Passage, here: Sequence[Mention], extraction: Extraction
    ) -> tuple[list[Mention], list[Triple]]:
        spans = [s for s in sentences(passage.text) if not passage.text[s[0] : s[1]].startswith("#")]
        mentions, triples = list(here), []
        for piece in _pieces(spans):
            for said in self._ask(passage, piece, extraction):
                found = self._held(said, passage, piece, mentions, extraction)
                if isinstance(found, str):
                    self.tally.dropped[found] += 1
                    continue
                triple, more = found
                mentions += more
                triples.append(triple)
        distinct = {(t.subject, t.predicate, t.object): t for t in reversed(triples)}
        self.tally.facts += len(distinct)
        self.tally.dropped["said twice"] += len(triples) - len(distinct)
        return mentions[len(here) :], [*reversed(distinct.values())]

    def _ask(self, passage: Passage, piece: Sequence[Span], extraction: Extraction) -> list[_Said]:
        """What the model says of a piece; where its answer cannot be read, of both halves."""
        lines = [passage.text[start:end] for start, end in piece]
        document = extraction.document
        asked = prompts.extract(document.title, lines, list(self._known.predicates), document.lang)
        try:
            answer = self._model.generate(asked, max_tokens=ANSWER, schema=prompts.EXTRACT_SCHEMA)
            self._failed = 0
        except ModelError:
            self._failed += 1
            if self._failed > PATIENCE:  # it is not the text, it is the model
                raise
            answer = ""
        self.tally.tokens_in += sum(self._model.count(message["content"]) for message in asked)
        self.tally.tokens_out += self._model.count(answer)
        said = _parsed(answer)
        if said is not None:
            return said
        if len(piece) == 1:
            self.tally.dropped["answer that is no JSON"] += 1
            return []
        half = len(piece) // 2
        first = self._ask(passage, piece[:half], extraction)
        second = self._ask(passage, piece[half:], extraction)
        return first + [replace(s, n=s.n + half) for s in second]

    def _held(
        self, said: _Said, passage: Passage, piece: Sequence[Span], mentions: Sequence[Mention], extraction: Extraction
    ) -> tuple[Triple, list[Mention]] | str:
        """The fact and the mentions that it takes, or why it is dropped."""
        predicate = self._predicate(said.p)
        if not predicate:
            return "predicate of no use"
        if not 1 <= said.n <= len(piece):
            return "sentence that is not there"
        near = [piece[said.n - 1], *(piece[n] for n in (said.n - 2, said.n) if 0 <= n < len(piece))]
        ends = []
        for text, subject in ((said.s, True), (said.o, False)):
            found = self._end(text, passage, near[:1], mentions, extraction, subject=subject)
            found = found or self._end(text, passage, near[1:], mentions, extraction, subject=subject)
            if found is None:
                return "not in the text"
            ends.append(found)
        (one, first), (other, second) = ends
        kind = self._known.predicates.get(predicate)
        if kind is not None and kind.value == "QUANTITY":
            other = amount(said.o, kind.unit)
            second = second and replace(second, entity_id=other, type="QUANTITY")
        if kind is not None and (not other or (kind.value == "DATE" and not date(said.o))):
            return "value of another type"
        if one == other:
            return "subject and object are one"
        start, end = near[0]
        span = passage.start + start, passage.start + end
        new = [m for m in (first, second) if m is not None and m not in mentions]
        return Triple(one, predicate, other, passage.id, *span, SURE, LLM), new

    def _predicate(self, said: str) -> str:
        name = re.sub(r"[\s-]+", "_", said.strip().lower())
        name = self._nouns.get(name, name)
        few = name.count("_") < 4 and _PREDICATE.fullmatch(name)
        return name if name in self._known.predicates or few else ""

    def _end(
        self,
        said: str,
        passage: Passage,
        near: Sequence[Span],
        mentions: Sequence[Mention],
        extraction: Extraction,
        *,
        subject: bool,
    ) -> tuple[str, Mention | None] | None:
        """The entity of what the model copied, with the mention that it needs if it has none; None if it is not there."""
        own = extraction.names[0][0]
        wanted = key(said)
        if not wanted:
            return None
        if subject and (
            wanted in {key(name) for entity, name, _ in extraction.names if entity == own} or wanted in _PRONOUNS
        ):
            return own, None
        for start, end in near:
            place = _find(passage.text[start:end], wanted)
            if place is None:
                continue
            first, last = (passage.start + start + at for at in place)
            at = [m for m in mentions if m.start < last and first < m.end]
            if exact := [m for m in at if (m.start, m.end) == (first, last)]:
                return exact[0].entity_id, None
            begins = [m for m in at if m.start == first and m.type not in VALUES]
            if begins and not is_cjk(said):
                return begins[0].entity_id, None  # "Maurice Wilkes and his team": the name that it begins with
            text = extraction.document.text[first:last]
            if at or not _like_a_name(text):
                return (self._known.entity(text, "DATE") if date(text) else wanted), None
            kind = "DATE" if date(text) else "MISC"
            entity = self._known.entity(text, kind)
            return entity, Mention(entity, passage.id, first, last, kind, text)
        return None


def combined(rules: Sequence[Triple], model: Sequence[Triple]) -> list[Triple]:
    """Both lists; what both say, of the same two things by the same predicate, once: as sure as that not both are wrong."""
    again = {(t.subject, t.predicate, t.object): t for t in model}
    found = []
    for triple in rules:
        same = again.pop((triple.subject, triple.predicate, triple.object), None)
        if same is not None:
            sure = round(1 - (1 - triple.confidence) * (1 - same.confidence), 3)
            triple = replace(triple, confidence=sure, found_by=f"{triple.found_by}+{LLM}")
        found.append(triple)
    return found + list(again.values())


def _pieces(spans: Sequence[Span]) -> list[list[Span]]:
    pieces: list[list[Span]] = []
    size = 0
    for start, end in spans:
        if not pieces or size + end - start > LONGEST:
            pieces.append([])
            size = 0
        pieces[-1].append((start, end))
        size += end - start
    return pieces


def _parsed(answer: str) -> list[_Said] | None:
    """The facts of an answer, None if it is not what was asked for."""
    try:
        facts = json.loads(answer)["facts"]
        return [_Said(int(f["n"]), str(f["s"]), str(f["p"]), str(f["o"])) for f in facts]
    except (ValueError, KeyError, TypeError):
        return None


def _find(sentence: str, wanted: str) -> Span | None:
    """Where a sentence has a normalised name."""
    words, parts = tokens(sentence), wanted.split()
    for first in range(len(words) - len(parts) + 1):
        if [w.text for w in words[first : first + len(parts)]] == parts:
            return words[first].start, words[first + len(parts) - 1].end
    return None


def _like_a_name(text: str) -> bool:
    return text[:1].isupper() or text[:1].isdigit() or (is_cjk(simplified(text)) and len(text) > 1)
