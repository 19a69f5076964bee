"""From a store's triples and titles to its `Facts`: numbered, sorted, packed."""

from __future__ import annotations

import re
from array import array
from collections import defaultdict
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from graphs.facts import Facts, Forms, Statements
from graphs.gazetteer import Gazetteer, spoken_forms
from graphs.lists import Lists
from graphs.people import without_honorifics
from kgrag.protocols import Graph
from kgrag.strings import Strings
from kgrag.text import key, tokens
from kgrag.types import Triple

AT_ONCE = 1000
"""Triples whose sentences are read together."""


def facts_of(graph: Graph) -> Facts:
    """The facts of a store."""
    titles = dict(graph.titles().values())
    wanted = set(titles)
    for triple in graph.triples():
        if triple.predicate != "mentions":
            wanted.update((triple.subject, triple.object))
    names: dict[str, str] = {}
    aliases: list[tuple[str, str]] = []
    for entity in graph.entities(wanted):
        names[entity.id] = entity.name
        # part of a name may be anyone's, unless a document is about this one
        own = set(entity.id.split())
        aliases += [
            (entity.id, alias)
            for alias in entity.aliases
            if entity.id in titles or not own.issuperset(key(alias).split())
        ]
    # a name put together from several mentions is no entity of the store: read it off its sentence
    nameless = [
        triple
        for triple in (graph.triples() if len(names) < len(wanted) else ())
        if triple.predicate != "mentions" and not (triple.subject in names and triple.object in names)
    ]
    for start in range(0, len(nameless), AT_ONCE):
        _name(nameless[start : start + AT_ONCE], graph, names)
    return make_facts(graph.triples(), titles, names, aliases)


def _name(triples: list[Triple], graph: Graph, names: dict[str, str]) -> None:
    """Add to ``names`` how the sentences of triples spell those ends that have none."""
    passages = graph.passages_among(dict.fromkeys(triple.passage_id for triple in triples))
    for triple in triples:
        if passage := passages.get(triple.passage_id):
            sentence = passage.text[triple.start - passage.start : triple.end - passage.start]
            for end in (triple.subject, triple.object):
                if end not in names and (found := surface(sentence, end)):
                    names[end] = found


def make_facts(
    triples: Iterable[Triple],
    titles: Mapping[str, str],
    names: Mapping[str, str],
    aliases: Iterable[tuple[str, str]] = (),
) -> Facts:
    """The facts that ``triples`` state.

    Args:
        triples: those with the predicate ``mentions`` are left out.
        titles: entity id of a document's title -> the title.
        names: other display names by entity id.
        aliases: (entity id, another name for it), besides ``also_known_as`` facts.
    """
    of_entity: dict[str, int] = {}
    of_predicate: dict[str, int] = {}
    of_passage: dict[str, int] = {}
    of_finder: dict[str, int] = {}

    def number(known: dict[str, int], text: str) -> int:
        return known.setdefault(text, len(known))

    columns = [array("i") for _ in range(6)]
    confidence, found_by = array("d"), array("b")
    titled: defaultdict[str, list[int]] = defaultdict(list)
    called: defaultdict[str, list[int]] = defaultdict(list)
    for entity, title in titles.items():
        for form in spoken_forms(title):
            _add(titled[key(form)], number(of_entity, entity))
    for entity, alias in aliases:
        _add(called[key(alias)], number(of_entity, entity))
    for t in triples:
        if t.predicate == "mentions":
            continue
        subject, value = number(of_entity, t.subject), number(of_entity, t.object)
        row = subject, number(of_predicate, t.predicate), value, number(of_passage, t.passage_id), t.start, t.end
        for column, item in zip(columns, row, strict=True):
            column.append(item)
        confidence.append(t.confidence)
        found_by.append(number(of_finder, t.found_by))
        if t.predicate == "also_known_as":
            _add(called[t.object], subject)
    entities = sorted(of_entity)
    # entities were numbered as they came: their places among the sorted ones
    place_of = np.zeros(len(entities), np.int32)
    place_of[np.fromiter((of_entity[e] for e in entities), np.int64, len(entities))] = np.arange(len(entities))
    bare, longer = _shortened(titled)
    found = [_placed(forms, place_of) for forms in (titled, called, bare, longer)]
    stated = _stated(columns, np.array(confidence, np.float64), np.array(found_by, np.int8), place_of)
    spoken = {*found[0], *found[1], *(e for e, n in of_entity.items() if _states(stated, int(place_of[n])))} - {""}
    known = Strings.of(sorted(spoken))
    return Facts(
        Strings.of(entities),
        Strings.of(titles.get(e) or names.get(e, "") for e in entities),
        Strings.of(titles.get(e, "") for e in entities),
        Strings.of(of_predicate),
        Strings.of(of_passage),
        Strings.of(of_finder),
        stated,
        Forms(*map(Lists.of, found)),
        Gazetteer(known),
    )


def _stated(
    columns: list[array[int]],
    confidence: NDArray[np.float64],
    found_by: NDArray[np.int8],
    place_of: NDArray[np.int32],
) -> Statements:
    subject, predicate, value, passage, start, end = (np.array(column, np.int32) for column in columns)
    subject, value = place_of[subject], place_of[value]
    order = np.argsort(subject, kind="stable")
    values = value[order]
    return Statements(
        subject=subject[order],
        predicate=predicate[order],
        object=values,
        passage=passage[order],
        start=start[order],
        end=end[order],
        confidence=confidence[order],
        found_by=found_by[order],
        of_subject=_begin(subject, len(place_of)),
        of_object=_begin(value, len(place_of)),
        by_object=np.argsort(values, kind="stable"),
    )


def _begin(of: NDArray[np.int32], size: int) -> NDArray[np.int64]:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(np.bincount(of, minlength=size), dtype=np.int64)])


def _states(stated: Statements, entity: int) -> bool:
    """Whether any triple has this entity at one of its ends."""
    return bool(np.diff(stated.of_subject[entity : entity + 2])[0] or np.diff(stated.of_object[entity : entity + 2])[0])


def _shortened(
    titled: Mapping[str, list[int]],
) -> tuple[defaultdict[str, list[int]], defaultdict[str, list[int]]]:
    """Titles without their honorifics, and of these what stands before "of"."""
    bare: defaultdict[str, list[int]] = defaultdict(list)
    longer: defaultdict[str, list[int]] = defaultdict(list)
    for form, entities in titled.items():
        short = " ".join(without_honorifics(form.split()))
        for entity in entities:
            _add(bare[short], entity)
    for form, entities in bare.items():
        head, of, _ = form.partition(" of ")
        for entity in entities if of else ():
            _add(longer[head], entity)
    return bare, longer


def _placed(forms: Mapping[str, list[int]], place_of: NDArray[np.int32]) -> dict[str, list[int]]:
    return {form: place_of[entities].tolist() for form, entities in forms.items()}


def surface(sentence: str, entity_id: str) -> str:
    """Where a sentence spells an entity, as it spells it; empty if it does not."""
    words = tokens(sentence)
    wanted = entity_id.split()
    for first in range(len(words) - len(wanted) + 1):
        if [w.text for w in words[first : first + len(wanted)]] == wanted:
            return re.sub(r"\s+", " ", sentence[words[first].start : words[first + len(wanted) - 1].end])
    return ""


def _add(entities: list[int], entity: int) -> None:
    if entity not in entities:
        entities.append(entity)
