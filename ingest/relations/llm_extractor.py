"""Extract facts with a language model; facts that the text does not contain are dropped and counted."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from graphs.predicates import PredicateSchema
from ingest.relations.quantity_mentions import quantity_entity
from kgrag import prompts
from kgrag.errors import ModelError
from kgrag.protocols import LLM as Model
from kgrag.protocols import GenerationOptions
from kgrag.text import has_cjk, normalize_name, sentence_spans, to_simplified, tokenize
from kgrag.text.dates import normalize_date
from kgrag.types import BOTH, LLM, VALUE_TYPES, Extraction, Mention, Passage, Triple

LLM_TRIPLE_CONFIDENCE = 0.3
"""Confidence of a fact found by the model alone: the share that agrees with WebNLG's facts (docs/benchmarks/log)."""
MAX_CHUNK_CHARS = 900
"""Maximum characters of a prompt's text: part of a passage, in whole sentences."""
MAX_ANSWER_TOKENS = 512
"""Maximum tokens of an answer."""
MAX_CONSECUTIVE_FAILURES = 5
"""Maximum consecutive failures blamed on the text; after more, the model is at fault."""
_PREDICATE_NAME = re.compile(r"[^\W\d]\w{0,59}")
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
class LLMExtractionStats:
    """Statistics of the model's work.

    Attributes:
        passages: passages read.
        facts: facts kept.
        dropped: facts and answers dropped, by reason.
        tokens_in: tokens of all prompts.
        tokens_out: tokens of all answers.
        seconds: total time.
    """

    passages: int = 0
    facts: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    tokens_in: int = 0
    tokens_out: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class _ExtractedFact:
    """A fact as the model returned it."""

    sentence_number: int
    subject_text: str
    predicate_text: str
    object_text: str


class LLMExtractor:
    """Adds a language model's facts to an extraction by rules, or replaces the rules' facts.

    Args:
        model: a language model that follows a JSON schema.
        predicate_schema: predicates, which the model's predicates are normalised to.
        keep_rules: keep the facts of the rules; a fact found by both is stored once, with a higher confidence.
    """

    def __init__(self, model: Model, predicate_schema: PredicateSchema, *, keep_rules: bool) -> None:
        self._model, self._schema, self._keep_rules = model, predicate_schema, keep_rules
        self._predicate_by_noun = {
            noun.replace(" ", "_"): p.name for p in predicate_schema.predicates.values() for noun in p.nouns
        }
        self._failure_count = 0
        self.stats = LLMExtractionStats()

    def extract(self, extraction: Extraction) -> Extraction:
        """Return the extraction with the model's facts, and with mentions of names that the recogniser missed.

        Raises:
            ModelError: the model fails repeatedly.
        """
        start_time = time.monotonic()
        mentions, triples = list(extraction.mentions), []
        for passage in extraction.passages:
            passage_mentions = [m for m in mentions if m.passage_id == passage.id]
            new_mentions, passage_triples = self._extract_from_passage(passage, passage_mentions, extraction)
            mentions += new_mentions
            triples += passage_triples
            self.stats.passages += 1
        rule_triples = extraction.triples if self._keep_rules else ()
        triples = merge_triples(rule_triples, triples)
        self.stats.seconds += time.monotonic() - start_time
        mentions.sort(key=lambda m: (m.start, m.end))
        return replace(
            extraction, mentions=tuple(mentions), triples=tuple(triples), extractor=BOTH if self._keep_rules else LLM
        )

    def _extract_from_passage(
        self, passage: Passage, passage_mentions: Sequence[Mention], extraction: Extraction
    ) -> tuple[list[Mention], list[Triple]]:
        spans = [s for s in sentence_spans(passage.text) if not passage.text[s[0] : s[1]].startswith("#")]
        mentions, triples = list(passage_mentions), []
        for piece in _group_sentences(spans):
            for fact in self._query_model(passage, piece, extraction):
                grounded = self._ground_fact(fact, passage, piece, mentions, extraction)
                if isinstance(grounded, str):
                    self.stats.dropped[grounded] += 1
                    continue
                triple, new_mentions = grounded
                mentions += new_mentions
                triples.append(triple)
        distinct_triples = {(t.subject, t.predicate, t.object): t for t in reversed(triples)}
        self.stats.facts += len(distinct_triples)
        self.stats.dropped["said twice"] += len(triples) - len(distinct_triples)
        return mentions[len(passage_mentions) :], [*reversed(distinct_triples.values())]

    def _query_model(self, passage: Passage, piece: Sequence[Span], extraction: Extraction) -> list[_ExtractedFact]:
        """Return the model's facts for a piece of text; if its answer is not valid, query both halves."""
        lines = [passage.text[start:end] for start, end in piece]
        document = extraction.document
        messages = prompts.extraction_prompt(document.title, lines, list(self._schema.predicates), document.lang)
        try:
            answer = self._model.generate(
                messages, GenerationOptions(max_tokens=MAX_ANSWER_TOKENS, schema=prompts.EXTRACTION_SCHEMA)
            )
            self._failure_count = 0
        except ModelError:
            self._failure_count += 1
            if self._failure_count > MAX_CONSECUTIVE_FAILURES:  # the model is at fault, not the text
                raise
            answer = ""
        self.stats.tokens_in += sum(self._model.count(message["content"]) for message in messages)
        self.stats.tokens_out += self._model.count(answer)
        facts = _parse_answer(answer)
        if facts is not None:
            return facts
        if len(piece) == 1:
            self.stats.dropped["answer that is no JSON"] += 1
            return []
        half = len(piece) // 2
        first = self._query_model(passage, piece[:half], extraction)
        second = self._query_model(passage, piece[half:], extraction)
        return first + [replace(s, sentence_number=s.sentence_number + half) for s in second]

    def _ground_fact(
        self,
        fact: _ExtractedFact,
        passage: Passage,
        piece: Sequence[Span],
        mentions: Sequence[Mention],
        extraction: Extraction,
    ) -> tuple[Triple, list[Mention]] | str:
        """Return the fact with its new mentions, or the reason to drop it."""
        predicate = self._normalize_predicate(fact.predicate_text)
        if not predicate:
            return "predicate of no use"
        if not 1 <= fact.sentence_number <= len(piece):
            return "sentence that is not there"
        nearby_spans = [
            piece[fact.sentence_number - 1],
            *(piece[n] for n in (fact.sentence_number - 2, fact.sentence_number) if 0 <= n < len(piece)),
        ]
        arguments = []
        for text, is_subject in ((fact.subject_text, True), (fact.object_text, False)):
            argument = self._ground_argument(
                text, passage, nearby_spans[:1], mentions, extraction, is_subject=is_subject
            )
            argument = argument or self._ground_argument(
                text, passage, nearby_spans[1:], mentions, extraction, is_subject=is_subject
            )
            if argument is None:
                return "not in the text"
            arguments.append(argument)
        (subject_id, subject_mention), (object_id, object_mention) = arguments
        declared_predicate = self._schema.predicates.get(predicate)
        if declared_predicate is not None and declared_predicate.value == "QUANTITY":
            object_id = quantity_entity(fact.object_text, declared_predicate.unit)
            object_mention = object_mention and replace(object_mention, entity_id=object_id, type="QUANTITY")
        if declared_predicate is not None and (
            not object_id or (declared_predicate.value == "DATE" and not normalize_date(fact.object_text))
        ):
            return "value of another type"
        if subject_id == object_id:
            return "subject and object are one"
        start, end = nearby_spans[0]
        span = passage.start + start, passage.start + end
        new_mentions = [m for m in (subject_mention, object_mention) if m is not None and m not in mentions]
        return Triple(subject_id, predicate, object_id, passage.id, *span, LLM_TRIPLE_CONFIDENCE, LLM), new_mentions

    def _normalize_predicate(self, predicate_text: str) -> str:
        name = re.sub(r"[\s-]+", "_", predicate_text.strip().lower())
        name = self._predicate_by_noun.get(name, name)
        is_short_name = name.count("_") < 4 and _PREDICATE_NAME.fullmatch(name)
        return name if name in self._schema.predicates or is_short_name else ""

    def _ground_argument(
        self,
        argument_text: str,
        passage: Passage,
        nearby_spans: Sequence[Span],
        mentions: Sequence[Mention],
        extraction: Extraction,
        *,
        is_subject: bool,
    ) -> tuple[str, Mention | None] | None:
        """Return the entity of a copied text, and its new mention if it has none; None if the text is not found."""
        document_entity = extraction.names[0][0]
        normalized_text = normalize_name(argument_text)
        if not normalized_text:
            return None
        if is_subject and (
            normalized_text
            in {normalize_name(name) for entity, name, _ in extraction.names if entity == document_entity}
            or normalized_text in _PRONOUNS
        ):
            return document_entity, None
        for start, end in nearby_spans:
            match_span = _find_name(passage.text[start:end], normalized_text)
            if match_span is None:
                continue
            first, last = (passage.start + start + at for at in match_span)
            overlapping_mentions = [m for m in mentions if m.start < last and first < m.end]
            if exact_mentions := [m for m in overlapping_mentions if (m.start, m.end) == (first, last)]:
                return exact_mentions[0].entity_id, None
            prefix_mentions = [m for m in overlapping_mentions if m.start == first and m.type not in VALUE_TYPES]
            if prefix_mentions and not has_cjk(argument_text):
                return prefix_mentions[0].entity_id, None  # "Maurice Wilkes and his team": the name at its start
            text = extraction.document.text[first:last]
            if overlapping_mentions or not _looks_like_name(text):
                return (self._schema.entity_id(text, "DATE") if normalize_date(text) else normalized_text), None
            kind = "DATE" if normalize_date(text) else "MISC"
            entity = self._schema.entity_id(text, kind)
            return entity, Mention(entity, passage.id, first, last, kind, text)
        return None


def merge_triples(rule_triples: Sequence[Triple], llm_triples: Sequence[Triple]) -> list[Triple]:
    """Combine two lists of facts; a fact in both is kept once, with confidence 1 - (1 - a)(1 - b)."""
    llm_triple_by_key = {(t.subject, t.predicate, t.object): t for t in llm_triples}
    merged_triples = []
    for triple in rule_triples:
        llm_triple = llm_triple_by_key.pop((triple.subject, triple.predicate, triple.object), None)
        if llm_triple is not None:
            confidence = round(1 - (1 - triple.confidence) * (1 - llm_triple.confidence), 3)
            triple = replace(triple, confidence=confidence, found_by=f"{triple.found_by}+{LLM}")
        merged_triples.append(triple)
    return merged_triples + list(llm_triple_by_key.values())


def _group_sentences(spans: Sequence[Span]) -> list[list[Span]]:
    pieces: list[list[Span]] = []
    size = 0
    for start, end in spans:
        if not pieces or size + end - start > MAX_CHUNK_CHARS:
            pieces.append([])
            size = 0
        pieces[-1].append((start, end))
        size += end - start
    return pieces


def _parse_answer(answer: str) -> list[_ExtractedFact] | None:
    """Parse the facts of an answer; None if it does not follow the schema."""
    try:
        facts = json.loads(answer)["facts"]
        return [_ExtractedFact(int(f["n"]), str(f["s"]), str(f["p"]), str(f["o"])) for f in facts]
    except (ValueError, KeyError, TypeError):
        return None


def _find_name(sentence: str, normalized_name: str) -> Span | None:
    """Return the span of a normalised name in a sentence, or None."""
    sentence_tokens, name_words = tokenize(sentence), normalized_name.split()
    for first in range(len(sentence_tokens) - len(name_words) + 1):
        if [w.text for w in sentence_tokens[first : first + len(name_words)]] == name_words:
            return sentence_tokens[first].start, sentence_tokens[first + len(name_words) - 1].end
    return None


def _looks_like_name(text: str) -> bool:
    return text[:1].isupper() or text[:1].isdigit() or (has_cjk(to_simplified(text)) and len(text) > 1)
