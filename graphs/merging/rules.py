"""Decide which entities of different documents to merge, with a reason for each merge.

Documents are read separately and use different names for the same entity. Two entities are merged only if a document
declares one as a name of the other, or if their names differ in a way that is usual for one person or company. Contrary
evidence prevents a merge: another entity that could be meant, a different type, or a different date of birth. The
user's overrides come first.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from graphs.gazetteer import COMMON_WORDS, short_forms
from graphs.merging.merge_sets import COMPANY, DECLARED, HONORIFIC, INITIALS, USER, Merges, MergeSets
from graphs.merging.person_names import is_plain_name, may_be_same_person, name_parts, name_similarity, strip_honorifics
from kgrag.protocols import EntityStore, GraphReader
from kgrag.text import has_cjk, normalize_name
from kgrag.types import VALUE_TYPES

_COMPANY_WORDS = frozenset(
    ["inc", "ltd", "co", "corp", "plc", "llc", "gmbh", "ag", "limited", "incorporated", "corporation", "company"]
)
MAX_SHARED_NEIGHBOUR_MENTIONS = 50
"""Maximum mentions of a neighbour for it to count as evidence that two names belong to the same person."""


class AliasOverride(NamedTuple):
    """A user's decision whether two entities, by normalised names, are the same."""

    same: bool
    pair: frozenset[str]


class _TypeCount(NamedTuple):
    """The most frequent type of an entity's mentions, and the number of mentions."""

    entity_type: str
    mention_count: int


NO_MENTIONS = _TypeCount("", 0)


def find_entity_merges(graph: GraphReader, overrides: Sequence[AliasOverride] = ()) -> Merges:
    """Return the merges of a store, ordered by canonical id.

    Args:
        graph: the store, without merges applied.
        overrides: the user's decisions; for the same pair the last one wins.
    """
    same_by_pair = {override.pair: override.same for override in overrides}
    type_counts = _count_types(graph)
    titled_ids = {entity for entity, _ in graph.titles().values()}
    rank = {entity: (entity in titled_ids, count.mention_count) for entity, count in type_counts.items()}
    rank |= {entity: (True, rank.get(entity, (True, 0))[1]) for entity in titled_ids}
    merge_sets = MergeSets(rank, (pair for pair, same in same_by_pair.items() if not same))
    for pair, same in same_by_pair.items():
        if same and len(pair) == 2:
            entity_a, entity_b = sorted(pair)
            merge_sets.union(entity_a, entity_b, USER)
    for alias, entity, document in _declared_aliases(graph, type_counts, titled_ids):
        merge_sets.union(alias, entity, DECLARED, document)
    person_ids = {entity for entity, count in type_counts.items() if count.entity_type == "PERSON"}
    for entity in sorted(person_ids):
        bare_id = " ".join(strip_honorifics(entity.split()))
        if bare_id != entity and " " in bare_id and (bare_id in person_ids or bare_id in titled_ids):
            merge_sets.union(entity, bare_id, HONORIFIC)
    for entity, type_count in type_counts.items():
        bare_id = _strip_company_words(entity) if type_count.entity_type == "ORGANISATION" else entity
        if bare_id != entity and type_counts.get(bare_id, NO_MENTIONS).entity_type == "ORGANISATION":
            merge_sets.union(entity, bare_id, COMPANY)
    for person_a, person_b in _same_person_pairs(graph, person_ids, rank):
        merge_sets.union(person_a, person_b, INITIALS)
    return Merges(merge_sets.merges())


def _strip_company_words(entity: str) -> str:
    words = entity.split()
    while len(words) > 1 and words[-1] in _COMPANY_WORDS:
        words = words[:-1]
    return " ".join(words)


def _count_types(graph: EntityStore) -> dict[str, _TypeCount]:
    """Count mentions by entity, in the order of ids; a million entities take a few hundred megabytes."""
    type_counts: dict[str, _TypeCount] = {}
    for entity, rows in groupby(graph.entity_type_counts(), key=lambda row: row[0]):
        counts = [(count, sys.intern(kind)) for _, kind, count in rows]
        # types come in alphabetical order, so `max` breaks ties by the alphabet
        type_counts[entity] = _TypeCount(max(counts, key=lambda pair: pair[0])[1], sum(count for count, _ in counts))
    return type_counts


def _declared_aliases(
    graph: GraphReader, type_counts: Mapping[str, _TypeCount], titled_ids: set[str]
) -> Iterator[tuple[str, str, str]]:
    """Yield (alias, entity, document) for declared names whose documents all mean the same entity."""
    titles = {document: title for document, (_, title) in graph.titles().items()}
    entities_by_alias: defaultdict[str, set[str]] = defaultdict(set)
    declared_in: dict[str, tuple[str, str]] = {}
    for document, entity, name, _ in graph.names():
        alias = normalize_name(name)
        if alias == entity or alias in titled_ids or alias not in type_counts:
            continue
        entities_by_alias[alias].add(entity)
        # a title without its bracket or its "Duke of ..." may name another entity too: not enough to merge
        if name not in short_forms(titles[document]):
            declared_in[alias] = (document, name)
    for alias in sorted(declared_in):
        document, name = declared_in[alias]
        if len(entities_by_alias[alias]) != 1 or not _is_distinctive(name):
            continue
        entity = next(iter(entities_by_alias[alias]))
        alias_count, entity_count = type_counts[alias], type_counts.get(entity, NO_MENTIONS)
        kinds = {alias_count.entity_type, entity_count.entity_type} - {"", "MISC"}
        if alias_count.entity_type == "PLACE" != entity_count.entity_type:
            continue  # "Ann Bell (Turin, 3 May 1912 – …)"
        # an alias that is more frequent than the entity's own name means another: "Genghis Khan" on his father's page
        is_mostly_others = alias_count.mention_count > max(3, entity_count.mention_count)
        if is_acronym_of(name, entity) if name.isupper() else len(kinds) < 2 and not is_mostly_others:
            yield alias, entity, document


def is_acronym_of(acronym: str, entity: str) -> bool:
    """Whether the letters of an acronym begin words of an entity's id in order, starting with its first word."""
    letters = normalize_name(acronym).replace(" ", "")
    heads = iter([word[0] for word in entity.split()])
    return letters[:1] == entity[:1] and all(letter in heads for letter in letters)


def _is_distinctive(name: str) -> bool:
    """Whether a name identifies an entity across documents: several words, an acronym, or two Chinese characters."""
    words = normalize_name(name).split()
    if has_cjk(name):
        return len(words) > 1
    capitals = sum(c.isupper() for c in name)
    return (len(words) > 1 and is_plain_name(words) and not COMMON_WORDS.issuperset(words)) or (
        len(words) == 1 and capitals > 1 and len(name) > 2
    )


def _same_person_pairs(
    graph: EntityStore, person_ids: set[str], rank: Mapping[str, tuple[bool, int]]
) -> Iterator[tuple[str, str]]:
    """Yield pairs of persons whose names differ by initials or middle names and who share neighbours.

    Each must be the only compatible person for the other.
    """
    by_surname: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for entity in sorted(person_ids):
        words = name_parts(entity)
        # "Jr." distinguishes a son from his father, and a number one king from the next
        if len(words) > 1 and not has_cjk(entity) and is_plain_name(entity.split()):
            by_surname[words[-1], words[0][0]].append(entity)
    pairs = []
    for group in by_surname.values():
        compatible_ids: defaultdict[str, list[str]] = defaultdict(list)
        for index, person_a in enumerate(group):
            for person_b in group[index + 1 :]:
                if may_be_same_person(name_parts(person_a), name_parts(person_b)):
                    compatible_ids[person_a].append(person_b)
                    compatible_ids[person_b].append(person_a)
        # if "J. Smith" is compatible with two Smiths, it is ambiguous: merge none of them
        pairs += [
            (person, candidates[0])
            for person, candidates in compatible_ids.items()
            if len(candidates) == 1 and compatible_ids[candidates[0]] == [person]
        ]
    paired_ids = {entity for pair in pairs for entity in pair}
    if not paired_ids:
        return
    neighbours = _neighbours(graph, paired_ids)
    birth_dates: defaultdict[str, set[str]] = defaultdict(set)
    for triple in graph.triples():
        if triple.predicate == "date_of_birth" and triple.subject in paired_ids and triple.confidence > 0.7:
            birth_dates[triple.subject].add(triple.object)
    for person_a, person_b in sorted({(min(pair), max(pair)) for pair in pairs}):
        shared_neighbours = {
            e
            for e in neighbours[person_a] & neighbours[person_b]
            if rank.get(e, (False, 0))[1] <= MAX_SHARED_NEIGHBOUR_MENTIONS
        }
        similarity = name_similarity(name_parts(person_a), name_parts(person_b))
        has_conflicting_births = (
            birth_dates[person_a] and birth_dates[person_b] and birth_dates[person_a].isdisjoint(birth_dates[person_b])
        )
        if similarity and len(shared_neighbours) > 2 - similarity and not has_conflicting_births:
            yield person_a, person_b


def _neighbours(graph: EntityStore, entity_ids: set[str]) -> dict[str, set[str]]:
    """Return, for each given entity, the entities named in the same passages."""
    neighbours: dict[str, set[str]] = {entity: set() for entity in entity_ids}
    passage_id, passage_entities = "", set[str]()

    def record_neighbours() -> None:
        for entity in passage_entities & entity_ids:
            neighbours[entity] |= passage_entities - {entity}

    for mention in graph.mentions():
        if mention.passage_id != passage_id:
            record_neighbours()
            passage_id, passage_entities = mention.passage_id, set()
        if mention.type not in VALUE_TYPES:
            passage_entities.add(mention.entity_id)
    record_neighbours()
    return neighbours
