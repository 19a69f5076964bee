"""Which entities of different documents are one thing, each with its reason; and which a user says are, or are not.

Documents are read one by one, and name a thing as they like. Here what they call differently is joined, only where one
of them says so, or where two names differ as names of one person or body do and nothing speaks against it: another
thing that could be meant, another kind of thing, another date of birth.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from graphs.gazetteer import COMMON, spoken_forms
from graphs.groups import COMPANY, DECLARED, HONORIFIC, INITIALS, USER, Groups, Merges
from graphs.people import compatible, likeness, parts, plain, without_honorifics
from kgrag.protocols import Graph
from kgrag.text import is_cjk, key
from kgrag.types import VALUES

_COMPANY = frozenset(
    ["inc", "ltd", "co", "corp", "plc", "llc", "gmbh", "ag", "limited", "incorporated", "corporation", "company"]
)
RARE = 50
"""Mentions up to which a neighbour that two names share says that they are one person's."""


class Said(NamedTuple):
    """What a user says of two entities, by normalised names."""

    same: bool
    pair: frozenset[str]


class _Seen(NamedTuple):
    """The commonest type of an entity's mentions, and how many there are."""

    kind: str
    times: int


UNSEEN = _Seen("", 0)


def find_merges(graph: Graph, said: Sequence[Said] = ()) -> Merges:
    """The merges of a store, ordered by what stays.

    Args:
        said: by the user, later ones before earlier ones of the same pair.
    """
    last = {one.pair: one.same for one in said}
    types = _types(graph)
    titled = {entity for entity, _ in graph.titles().values()}
    rank = {entity: (entity in titled, seen.times) for entity, seen in types.items()}
    rank |= {entity: (True, rank.get(entity, (True, 0))[1]) for entity in titled}
    groups = Groups(rank, (pair for pair, same in last.items() if not same))
    for pair, same in last.items():
        if same and len(pair) == 2:
            one, other = sorted(pair)
            groups.join(one, other, USER)
    for alias, entity, document in _declared(graph, types, titled):
        groups.join(alias, entity, DECLARED, document)
    persons = {e for e, seen in types.items() if seen.kind == "PERSON"}
    for entity in sorted(persons):
        bare = " ".join(without_honorifics(entity.split()))
        if bare != entity and " " in bare and (bare in persons or bare in titled):
            groups.join(entity, bare, HONORIFIC)
    for entity, seen in types.items():
        bare = _without_company(entity) if seen.kind == "ORGANISATION" else entity
        if bare != entity and types.get(bare, UNSEEN).kind == "ORGANISATION":
            groups.join(entity, bare, COMPANY)
    for one, other in _one_person(graph, persons, rank):
        groups.join(one, other, INITIALS)
    return Merges(groups.merges())


def _without_company(entity: str) -> str:
    words = entity.split()
    while len(words) > 1 and words[-1] in _COMPANY:
        words = words[:-1]
    return " ".join(words)


def _types(graph: Graph) -> dict[str, _Seen]:
    """How each entity is mentioned, in the order of ids: a million of them are a few hundred megabytes."""
    found: dict[str, _Seen] = {}
    for entity, rows in groupby(graph.kinds(), key=lambda row: row[0]):
        counts = [(count, sys.intern(kind)) for _, kind, count in rows]
        # of two as common the first of the alphabet: they come in its order
        found[entity] = _Seen(max(counts, key=lambda pair: pair[0])[1], sum(count for count, _ in counts))
    return found


def _declared(graph: Graph, types: Mapping[str, _Seen], titled: set[str]) -> Iterator[tuple[str, str, str]]:
    """(alias, entity, document) of names that documents declare, where all that do mean the same thing."""
    titles = {document: title for document, (_, title) in graph.titles().items()}
    meant: defaultdict[str, set[str]] = defaultdict(set)
    where: dict[str, tuple[str, str]] = {}
    for document, entity, name, _ in graph.names():
        alias = key(name)
        if alias == entity or alias in titled or alias not in types:
            continue
        meant[alias].add(entity)
        # a title without its bracket or its "Duke of ..." may be another's as well: it takes more than that
        if name not in spoken_forms(titles[document]):
            where[alias] = (document, name)
    for alias in sorted(where):
        document, name = where[alias]
        if len(meant[alias]) != 1 or not _telling(name):
            continue
        entity = next(iter(meant[alias]))
        named, own = types[alias], types.get(entity, UNSEEN)
        kinds = {named.kind, own.kind} - {"", "MISC"}
        if named.kind == "PLACE" != own.kind:
            continue  # "Ann Bell (Turin, 3 May 1912 – …)"
        # a name that others use more than the thing's own is theirs: "Genghis Khan" on the page of his father
        usual = named.times > max(3, own.times)
        if shortened(name, entity) if name.isupper() else len(kinds) < 2 and not usual:
            yield alias, entity, document


def shortened(short: str, entity: str) -> bool:
    """Whether the letters of an acronym begin words of an entity's id, in order, the first its first."""
    letters = key(short).replace(" ", "")
    heads = iter([word[0] for word in entity.split()])
    return letters[:1] == entity[:1] and all(letter in heads for letter in letters)


def _telling(name: str) -> bool:
    """Whether a name says enough to be one thing's in other documents, too: several words, an acronym, two characters."""
    words = key(name).split()
    if is_cjk(name):
        return len(words) > 1
    capitals = sum(c.isupper() for c in name)
    return (len(words) > 1 and plain(words) and not COMMON.issuperset(words)) or (
        len(words) == 1 and capitals > 1 and len(name) > 2
    )


def _one_person(graph: Graph, persons: set[str], rank: Mapping[str, tuple[bool, int]]) -> Iterator[tuple[str, str]]:
    """Persons whose names differ by initials or middle names, one alone being near enough, with a neighbour in common."""
    by_last: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for entity in sorted(persons):
        words = parts(entity)
        # "Jr." tells a son from his father, and a number one king from the next
        if len(words) > 1 and not is_cjk(entity) and plain(entity.split()):
            by_last[words[-1], words[0][0]].append(entity)
    pairs = []
    for group in by_last.values():
        near: defaultdict[str, list[str]] = defaultdict(list)
        for place, one in enumerate(group):
            for other in group[place + 1 :]:
                if compatible(parts(one), parts(other)):
                    near[one].append(other)
                    near[other].append(one)
        # two Smiths to whom "J. Smith" may belong are two persons, and he is neither
        pairs += [(one, others[0]) for one, others in near.items() if len(others) == 1 and near[others[0]] == [one]]
    wanted = {entity for pair in pairs for entity in pair}
    if not wanted:
        return
    around = _neighbours(graph, wanted)
    births: defaultdict[str, set[str]] = defaultdict(set)
    for triple in graph.triples():
        if triple.predicate == "date_of_birth" and triple.subject in wanted and triple.confidence > 0.7:
            births[triple.subject].add(triple.object)
    for one, other in sorted({(min(pair), max(pair)) for pair in pairs}):
        shared = {e for e in around[one] & around[other] if rank.get(e, (False, 0))[1] <= RARE}
        like = likeness(parts(one), parts(other))
        contrary = births[one] and births[other] and births[one].isdisjoint(births[other])
        if like and len(shared) > 2 - like and not contrary:
            yield one, other


def _neighbours(graph: Graph, wanted: set[str]) -> dict[str, set[str]]:
    """What is named in the passages that name each of some entities."""
    found: dict[str, set[str]] = {entity: set() for entity in wanted}
    passage, here = "", set[str]()

    def note() -> None:
        for entity in here & wanted:
            found[entity] |= here - {entity}

    for mention in graph.mentions():
        if mention.passage_id != passage:
            note()
            passage, here = mention.passage_id, set()
        if mention.type not in VALUES:
            here.add(mention.entity_id)
    note()
    return found
