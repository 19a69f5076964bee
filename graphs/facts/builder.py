"""Build a `FactIndex` from the triples and titles of a store."""

from __future__ import annotations

import re
from array import array
from collections import defaultdict
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from graphs.facts.fact_index import FactIndex, NameForms, TripleColumns
from graphs.facts.postings import Postings
from graphs.gazetteer import Gazetteer, short_forms
from graphs.merging.person_names import strip_honorifics
from kgrag.protocols import DocumentStore, GraphReader
from kgrag.storage.string_table import StringTable
from kgrag.text import normalize_name, tokenize
from kgrag.types import Triple

TRIPLES_PER_BATCH = 1000
"""Number of triples whose sentences are read together."""


def build_fact_index(graph: GraphReader) -> FactIndex:
    """Build the index of a store's typed facts."""
    titles = dict(graph.titles().values())
    entity_ids = set(titles)
    for triple in graph.triples():
        if triple.predicate != "mentions":
            entity_ids.update((triple.subject, triple.object))
    names: dict[str, str] = {}
    aliases: list[tuple[str, str]] = []
    for entity in graph.entities(entity_ids):
        names[entity.id] = entity.name
        # part of a name may belong to any entity, unless a document is about this one
        id_words = set(entity.id.split())
        aliases += [
            (entity.id, alias)
            for alias in entity.aliases
            if entity.id in titles or not id_words.issuperset(normalize_name(alias).split())
        ]
    # a name composed of several mentions is no entity of the store: read it from its sentence
    unnamed_triples = [
        triple
        for triple in (graph.triples() if len(names) < len(entity_ids) else ())
        if triple.predicate != "mentions" and not (triple.subject in names and triple.object in names)
    ]
    for start in range(0, len(unnamed_triples), TRIPLES_PER_BATCH):
        _add_names_from_sentences(unnamed_triples[start : start + TRIPLES_PER_BATCH], graph, names)
    return fact_index_from(graph.triples(), titles, names, aliases)


def _add_names_from_sentences(triples: list[Triple], graph: DocumentStore, names: dict[str, str]) -> None:
    """Add to ``names`` the surface forms of unnamed subjects and objects, read from the triples' sentences."""
    passages = graph.passages_by_id(dict.fromkeys(triple.passage_id for triple in triples))
    for triple in triples:
        if passage := passages.get(triple.passage_id):
            sentence = passage.text[triple.start - passage.start : triple.end - passage.start]
            for entity_id in (triple.subject, triple.object):
                if entity_id not in names and (spelling := surface_form(sentence, entity_id)):
                    names[entity_id] = spelling


def fact_index_from(
    triples: Iterable[Triple],
    titles: Mapping[str, str],
    names: Mapping[str, str],
    aliases: Iterable[tuple[str, str]] = (),
) -> FactIndex:
    """Build the index of the facts that ``triples`` state.

    Args:
        triples: those with the predicate ``mentions`` are left out.
        titles: entity id of a document's title -> the title.
        names: other display names by entity id.
        aliases: (entity id, another name for it), besides ``also_known_as`` facts.
    """
    entity_numbers: dict[str, int] = {}
    predicate_numbers: dict[str, int] = {}
    passage_numbers: dict[str, int] = {}
    finder_numbers: dict[str, int] = {}

    def number_of(known_strings: dict[str, int], text: str) -> int:
        return known_strings.setdefault(text, len(known_strings))

    columns = [array("i") for _ in range(6)]
    confidence, found_by = array("d"), array("b")
    title_forms: defaultdict[str, list[int]] = defaultdict(list)
    alias_forms: defaultdict[str, list[int]] = defaultdict(list)
    for entity, title in titles.items():
        for form in short_forms(title):
            _add_unique(title_forms[normalize_name(form)], number_of(entity_numbers, entity))
    for entity, alias in aliases:
        _add_unique(alias_forms[normalize_name(alias)], number_of(entity_numbers, entity))
    for t in triples:
        if t.predicate == "mentions":
            continue
        subject, value = number_of(entity_numbers, t.subject), number_of(entity_numbers, t.object)
        row = (
            subject,
            number_of(predicate_numbers, t.predicate),
            value,
            number_of(passage_numbers, t.passage_id),
            t.start,
            t.end,
        )
        for column, item in zip(columns, row, strict=True):
            column.append(item)
        confidence.append(t.confidence)
        found_by.append(number_of(finder_numbers, t.found_by))
        if t.predicate == "also_known_as":
            _add_unique(alias_forms[t.object], subject)
    entities = sorted(entity_numbers)
    # entities were numbered in order of appearance: map each number to its position in sorted order
    sorted_position = np.zeros(len(entities), np.int32)
    sorted_position[np.fromiter((entity_numbers[e] for e in entities), np.int64, len(entities))] = np.arange(
        len(entities)
    )
    bare_forms, longer_forms = _shortened_titles(title_forms)
    form_maps = [_renumber(forms, sorted_position) for forms in (title_forms, alias_forms, bare_forms, longer_forms)]
    triple_columns = _sort_triples(
        columns, np.array(confidence, np.float64), np.array(found_by, np.int8), sorted_position
    )
    findable_names = {
        *form_maps[0],
        *form_maps[1],
        *(e for e, n in entity_numbers.items() if _has_triples(triple_columns, int(sorted_position[n]))),
    } - {""}
    gazetteer_names = StringTable.from_strings(sorted(findable_names))
    return FactIndex(
        StringTable.from_strings(entities),
        StringTable.from_strings(titles.get(e) or names.get(e, "") for e in entities),
        StringTable.from_strings(titles.get(e, "") for e in entities),
        StringTable.from_strings(predicate_numbers),
        StringTable.from_strings(passage_numbers),
        StringTable.from_strings(finder_numbers),
        triple_columns,
        NameForms(*map(Postings.of, form_maps)),
        Gazetteer(gazetteer_names),
    )


def _sort_triples(
    columns: list[array[int]],
    confidence: NDArray[np.float64],
    found_by: NDArray[np.int8],
    sorted_position: NDArray[np.int32],
) -> TripleColumns:
    subject, predicate, value, passage, start, end = (np.array(column, np.int32) for column in columns)
    ends = sorted_position[subject], predicate, sorted_position[value]
    return TripleColumns.of(*ends, passage, start, end, confidence, found_by, entity_count=len(sorted_position))


def _has_triples(columns: TripleColumns, entity: int) -> bool:
    """Whether any triple has this entity at one of its ends."""
    return bool(
        np.diff(columns.of_subject[entity : entity + 2])[0] or np.diff(columns.of_object[entity : entity + 2])[0]
    )


def _shortened_titles(
    title_forms: Mapping[str, list[int]],
) -> tuple[defaultdict[str, list[int]], defaultdict[str, list[int]]]:
    """Return the titles without honorifics, and the parts of these before "of", each with its entities."""
    bare_forms: defaultdict[str, list[int]] = defaultdict(list)
    longer_forms: defaultdict[str, list[int]] = defaultdict(list)
    for form, entities in title_forms.items():
        bare_form = " ".join(strip_honorifics(form.split()))
        for entity in entities:
            _add_unique(bare_forms[bare_form], entity)
    for form, entities in bare_forms.items():
        head, separator, _ = form.partition(" of ")
        for entity in entities if separator else ():
            _add_unique(longer_forms[head], entity)
    return bare_forms, longer_forms


def _renumber(forms: Mapping[str, list[int]], sorted_position: NDArray[np.int32]) -> dict[str, list[int]]:
    return {form: sorted_position[entities].tolist() for form, entities in forms.items()}


def surface_form(sentence: str, entity_id: str) -> str:
    """Return the spelling of an entity in a sentence, or "" if the sentence does not contain it."""
    words = tokenize(sentence)
    id_words = entity_id.split()
    for first in range(len(words) - len(id_words) + 1):
        if [w.text for w in words[first : first + len(id_words)]] == id_words:
            return re.sub(r"\s+", " ", sentence[words[first].start : words[first + len(id_words) - 1].end])
    return ""


def _add_unique(entities: list[int], entity: int) -> None:
    if entity not in entities:
        entities.append(entity)
