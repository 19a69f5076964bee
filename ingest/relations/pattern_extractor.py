"""Extract typed facts with regular expressions over sentences whose names are placeholders.

No parser and no language model: in each sentence, names become single characters (`ingest.relations.placeholders`),
references to the document's subject become another (`ingest.entities.subjects`), and the patterns of ``patterns.toml``
(`ingest.relations.pattern_library`) are matched against the result. A fact carries the span of its sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import NamedTuple

from graphs.gazetteer import without_bracket
from graphs.predicates import load_predicate_schema
from ingest.entities.recognition import RecognizedEntity
from ingest.entities.subjects import GENERIC_OPENING, find_document_subject
from ingest.relations.assertion import is_asserted
from ingest.relations.classifier import classify_relations
from ingest.relations.pattern_library import (
    PLACEHOLDER_CHAR,
    POSSESSIVE,
    SUBJECT,
    load_patterns,
    word_alternatives,
    word_pattern,
    word_set,
)
from ingest.relations.placeholders import Placeholder, find_placeholders, mask_sentence
from ingest.relations.quantity_mentions import quantity_entity
from ingest.relations.token_states import PassageStates
from kgrag.text import has_cjk, normalize_name, sentence_spans, tokenize
from kgrag.types import CLASSIFIER, PATTERN, Passage, Triple

_FEMALE, _MALE = (re.compile(rf"\b(?:{word_alternatives(w)})\b", re.IGNORECASE) for w in ("female", "male"))
_AWARD, _ORGANISATION_WORD, _ORGANISATION_WORD_ZH = (word_pattern(w) for w in ("award", "body", "body_zh"))
_PERSON_NOUN, _SCHOOL = (word_pattern(w) for w in ("person", "school"))
_NOT_PERSONS, _NEVER_COUNTRIES = (word_set(w) for w in ("not_person", "never_countries"))
_KINSHIP_PREDICATES = frozenset(["father", "mother", "spouse", "child", "sibling"])
_UNTYPED_KINDS = frozenset(["MISC", "DATE", ""])  # a reference to the subject has no type
_PRIZE = re.compile(r"\b(?:prize|award|medal)\b", re.IGNORECASE)
_SUBJECT_IS_PLACE = re.compile(
    rf"{SUBJECT}(?:,? \([^()]*\))*(?:,[^.;]{{0,60}}?,)? (?:is|was|are|were|lies) (?:an?|the|one of the)\b"
    rf"[^.;]{{0,60}}?\b(?:{word_alternatives('place')})\b"
)
_ENDS_IN_PREPOSITION = re.compile(r"\b(?:of|in|at|from|to|by|with|and|for|on|as|than)(?: the)? ?$", re.IGNORECASE)
_ALIAS_MARKER_ZH = re.compile("(?:简称|又称|原名|本名|英文名|译作|又名|（|即|，字|，号)[为作是]?$")
_NAME = "[\ue800-\uebff]"
_PLACE_SEQUENCE = re.compile(
    rf"(?:^|\b(?:in|at|of|from|near|to|outside) (?:the )?|\()({_NAME}(?:, {_NAME}){{1,2}})(?!,? (?:and|or|&)\b|, {_NAME})"
)
"""Nested places, such as "in Toronto, Ontario, Canada", but not a list of places."""
_HEAD_NOUN = re.compile(
    r"(?:[ /-]*[\ue400-\ue7ff])*(?:[ -]+(?!of\b|in\b|from\b|for\b|who\b|that\b|which\b|directed\b|written\b|by\b|and\b|with\b|at\b|on\b|known\b"
    r"|starring\b|based\b|produced\b|released\b|set\b|to\b|as\b|best\b|whose\b|is\b|was\b|recorded\b|currently\b|featuring\b|made\b)"
    r"(?:[\ue000-\uebff]|([\w'/-]+)))+"
)


def extract_triples(
    passage: Passage,
    names: Sequence[RecognizedEntity],
    entity_ids: Sequence[str],
    *,
    title: str,
    title_id: str,
    lang: str,
    states: PassageStates | None = None,
    user_predicates: str = "",
    skipped_spans: Sequence[tuple[int, int]] = (),
    is_selective: bool = False,
) -> list[Triple]:
    """Return the typed facts of a passage, ordered by sentence, each with its highest confidence.

    Args:
        passage: the passage.
        names: names in the passage, with offsets into ``passage.text``.
        entity_ids: entities of the names, in parallel.
        title: title of the document, as written.
        title_id: entity of the title.
        lang: ``"en"`` or ``"zh"``.
        states: states of the passage's words; without them, only patterns are used.
        user_predicates: text of a ``predicates.toml`` with the user's predicates and patterns.
        skipped_spans: parts of the passage that are not sentences, ordered.
        is_selective: classify only sentences that `SentenceContext.may_state_fact`; most of a manual states none.
    """
    best_triples: dict[tuple[int, str, str, str], Triple] = {}
    contexts = list(sentence_contexts(passage, names, entity_ids, title, lang, skipped_spans))
    if states is not None and is_selective:
        states.encode_sentences([(c.start, c.start + len(c.text)) for c in contexts if c.may_state_fact])
    for context in contexts:
        start, end = context.start, context.start + len(context.text)
        facts = [(*fact, PATTERN) for fact in _pattern_facts(context, title, title_id, lang, user_predicates)]
        if states is not None and (context.may_state_fact or not is_selective):
            pattern_pairs = {frozenset((s, o)) for s, _, o, _, _ in facts}
            classified_facts = classify_relations(
                context.text, context.placeholders, title_id, partial(states.span_means, context.start)
            )
            facts += [
                (*fact, CLASSIFIER) for fact in classified_facts if frozenset((fact[0], fact[2])) not in pattern_pairs
            ]
        # a reference to the document's subject has no entity of its own
        spans = [(p.start, p.end, p.entity or title_id) for p in context.placeholders]
        for subject, predicate, object_id, confidence, found_by in facts:
            if not is_asserted(context.text, spans, subject, object_id):
                continue
            fact_key = (start, subject, predicate, object_id)
            if fact_key not in best_triples or best_triples[fact_key].confidence < confidence:
                span = (passage.start + start, passage.start + end)
                best_triples[fact_key] = Triple(subject, predicate, object_id, passage.id, *span, confidence, found_by)
    return list(best_triples.values())


class SentenceContext(NamedTuple):
    """A sentence with its placeholders: start in the passage, text, and the spans that refer to the subject."""

    start: int
    text: str
    placeholders: list[Placeholder]
    subject_spans: list[tuple[int, int, str]]
    is_first_sentence: bool

    @property
    def may_state_fact(self) -> bool:
        """Whether the sentence names several entities, one of them of a known type or the subject with a date."""
        kinds = {placeholder.kind for placeholder in self.placeholders}
        has_typed_name = bool(kinds - _UNTYPED_KINDS) or {"", "DATE"} <= kinds
        return has_typed_name and len({placeholder.entity for placeholder in self.placeholders}) > 1


def sentence_contexts(
    passage: Passage,
    names: Sequence[RecognizedEntity],
    entity_ids: Sequence[str],
    title: str,
    lang: str,
    skipped_spans: Sequence[tuple[int, int]] = (),
) -> Iterator[SentenceContext]:
    """Yield the sentences of a passage with their placeholders; headings and ``skipped_spans`` are left out."""
    is_first_sentence = passage.start == 0
    title_key = normalize_name(title)
    for start, end in sentence_spans(passage.text):
        sentence = passage.text[start:end]
        if any(skip_start <= start < skip_end for skip_start, skip_end in skipped_spans):
            continue
        if sentence.startswith("#") or _is_title(sentence, title_key):
            continue
        sentence_names = [
            (n._replace(start=n.start - start, end=n.end - start), i)
            for n, i in zip(names, entity_ids, strict=True)
            if start <= n.start and n.end <= end
        ]
        subject_spans = find_document_subject(
            sentence, sentence_names, title, lang=lang, is_first_sentence=is_first_sentence
        )
        yield SentenceContext(
            start,
            sentence,
            find_placeholders(sentence, sentence_names, subject_spans, lang, is_first_sentence),
            subject_spans,
            is_first_sentence,
        )
        is_first_sentence = False


def _is_title(sentence: str, title_key: str) -> bool:
    # the first words suffice for most sentences
    opening = tokenize(sentence[:80])
    if len(opening) > 1 and not title_key.startswith(opening[0].text):
        return False
    return normalize_name(sentence) == title_key


def _pattern_facts(
    context: SentenceContext, title: str, title_id: str, lang: str, user_predicates: str
) -> Iterator[tuple[str, str, str, float]]:
    _, sentence, placeholders, subject_spans, is_first_sentence = context
    if not placeholders:  # each fact has a name or the subject
        return
    masked = mask_sentence(sentence, placeholders, lang)
    has_subject = SUBJECT in masked or POSSESSIVE in masked
    schema = load_predicate_schema(user_predicates)
    entity_by_char = {m.char: m.entity for m in placeholders}
    surface_by_char = {m.char: sentence[m.start : m.end] for m in placeholders}
    kind_by_char = {m.char: m.kind for m in placeholders}
    if (
        is_first_sentence
        and lang == "en"
        and subject_spans
        and subject_spans[0][0] == 0
        and subject_spans[0][2] == SUBJECT
    ):
        alias = sentence[subject_spans[0][0] : subject_spans[0][1]].strip(" \"'“”,")
        if (
            not GENERIC_OPENING.match(sentence)
            and 1 < len(tokenize(alias)) < 9
            and normalize_name(alias).removeprefix("the ")
            not in (
                title_id.removeprefix("the "),
                normalize_name(without_bracket(title)).removeprefix("the "),
            )
        ):
            yield title_id, "also_known_as", normalize_name(alias), 0.8
    if is_first_sentence and lang == "en" and _SUBJECT_IS_PLACE.match(masked):
        placeholder_countries = [
            (m, load_predicate_schema().countries.get(_country_part(surface_by_char[m.char])))
            for m in placeholders
            if m.kind not in ("DATE", "")
        ]
        country_placeholders = [(m, name) for m, name in placeholder_countries if name and m.kind != "GROUP"]
        if country_placeholders:
            placeholder, country = country_placeholders[-1]
            yield title_id, "country", normalize_name(country), 0.88
    if lang == "en":
        for inner, outer in _nested_places(masked, surface_by_char, kind_by_char):
            yield entity_by_char[inner], "located_in", entity_by_char[outer], 0.8
    for pattern in load_patterns(user_predicates):
        if pattern.lang != lang:
            continue
        for match in pattern.regex.finditer(masked):
            groups = match.groupdict()
            subject_char = groups.pop("s", None)
            if not has_subject and subject_char is None:
                continue
            if subject_char in kind_by_char and subject_char != SUBJECT:
                if _ALIAS_MARKER_ZH.search(masked[: match.start("s")]):
                    subject_char = None
                elif (
                    kind_by_char[subject_char] == "PLACE"
                    or _ENDS_IN_PREPOSITION.search(masked[: match.start("s")])
                    or (lang == "zh" and kind_by_char[subject_char] not in ("PERSON", "MISC", "WORK"))
                ):
                    continue
            subject_id = title_id if subject_char is None or subject_char == SUBJECT else entity_by_char[subject_char]
            for group_name, group_text in groups.items():
                declared_predicate = schema.predicates.get(group_name)
                if group_text and declared_predicate is not None and declared_predicate.value == "QUANTITY":
                    if object_id := quantity_entity(group_text, declared_predicate.unit):
                        yield subject_id, group_name, object_id, pattern.confidence
                    continue
                for placeholder in PLACEHOLDER_CHAR.findall(group_text or ""):
                    position = masked.index(placeholder)
                    predicate = _refine_predicate(
                        group_name,
                        masked[:position],
                        surface_by_char[placeholder],
                        kind_by_char[placeholder],
                        masked[position + 1 :],
                    )
                    object_id = entity_by_char[placeholder]
                    if object_id == subject_id or not predicate:
                        continue
                    if predicate.endswith("_of") and predicate not in schema.predicates:
                        yield object_id, predicate[:-3], subject_id, pattern.confidence
                    else:
                        yield subject_id, predicate, object_id, pattern.confidence


def _nested_places(line: str, surface: dict[str, str], kinds: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield pairs of placeholders: a place and the place that contains it."""
    countries = load_predicate_schema().countries
    for match in _PLACE_SEQUENCE.finditer(line):
        places = match.group(1).split(", ")
        are_countries = [surface[mark].lower() in countries for mark in places]
        # two adjacent countries are a list, and so are three places without a country at the end
        if (
            all(kinds[mark] == "PLACE" for mark in places)
            and not any(are_countries[:-1])
            and (len(places) == 2 or are_countries[-1])
        ):
            yield from pairwise(places)


def _refine_predicate(predicate: str, before: str, surface: str, kind: str, after: str) -> str:
    """Return the predicate that the context of a value confirms; "" drops the fact.

    If the context gives no hint, the given predicate is returned.
    """
    if predicate in ("father", "mother"):
        nearby_text = re.split(r"[,\ue000-\uf8ff]|\b(?:and|of|to|by|with)\b", before)[-1] + " " + surface
        if _FEMALE.search(nearby_text):
            return "mother"
        if _MALE.search(nearby_text):
            return "father"
    is_country = surface.lower() in load_predicate_schema().countries
    if predicate in ("nationality", "country") and kind == "GROUP":
        head_match = _HEAD_NOUN.match(after)
        head_noun = (head_match.group(1) or "").lower() if head_match else ""
        return "nationality" if _PERSON_NOUN.fullmatch(head_noun) and head_noun not in _NOT_PERSONS else "country"
    if is_country and predicate.removesuffix("_of") in _NEVER_COUNTRIES | {"student"}:
        return ""
    if predicate == "award" and not _AWARD.search(surface) and not (has_cjk(surface) and after[:1] in tuple("奖章")):
        return ""
    if predicate == "educated_at" and not _SCHOOL.search(surface):
        return ""
    if predicate in _KINSHIP_PREDICATES and (kind == "EVENT" or _PRIZE.search(surface)):
        return ""
    if predicate in ("member_of", "employer") and kind == "PERSON" and not _ORGANISATION_WORD.search(surface):
        return ""
    if (
        predicate == "employer"
        and not has_cjk(surface)
        and kind != "ORGANISATION"
        and not _ORGANISATION_WORD.search(surface)
    ):
        return ""
    if predicate == "country" and not is_country:
        return "located_in"
    if predicate == "nationality" and not is_country:
        return ""
    if predicate in ("creator", "developer") and has_cjk(surface):
        return "developer" if _ORGANISATION_WORD_ZH.search(surface) else "creator"
    return predicate


def _country_part(surface: str) -> str:
    """Return the part of a name that may be a country: "Andes of Peru" gives "peru"."""
    return re.split(r"\s+of\s+(?:the\s+)?|,\s*", surface)[-1].lower()
