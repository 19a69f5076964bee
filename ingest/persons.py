"""Which names of one document are one person: "J. Smith", "Dr Smith" and "Smith" where it has one John Smith alone."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from itertools import combinations

from graphs.people import compatible, parts, without_honorifics
from ingest.names import Name
from kgrag.text import key

_ADDED = re.compile("[(（,，]")
FEW = 8
"""Names that one may be short for; of more there is no telling."""
Joined = dict[str, str]
"""A normalised name -> the entity that it is."""


def persons(
    every: Sequence[Name], subject: str, forms: Sequence[str], known: Mapping[str, str], places: Collection[str]
) -> Joined:
    """Persons by another form of their name, and by a part of it that one person alone has.

    Args:
        every: the names of the document.
        subject: the entity that the document is about; ``forms`` are its names as they are written.
        known: names that have an entity already.
        places: normalised names that the text somewhere speaks of as places ("in Paris").
    """
    kinds: defaultdict[str, Counter[str]] = defaultdict(Counter)
    words_of: dict[str, list[str]] = {}
    for one in every:
        plain = key(one.text)
        kinds[plain][one.type] += 1
        words_of.setdefault(plain, parts(one.text))
    whole = [name for name, types in kinds.items() if types["PERSON"] and len(words_of[name]) > 1]
    own = {key(form): parts(form) for form in forms if not _ADDED.search(form) and len(parts(form)) > 1}
    by_last: defaultdict[str, list[str]] = defaultdict(list)
    for name in whole:
        by_last[words_of[name][-1]].append(name)
    # a film is called by the end of its title by nobody: a subject that no name shows to be a person is none
    heads = [
        form
        for form, words in own.items()
        if kinds[form]["PERSON"] or any(compatible(words, words_of[name]) for name in by_last[words[-1]])
    ]
    words_of |= own
    for form in heads:
        by_last[own[form][-1]].append(form)
    found: Joined = dict(known)

    def fullness(name: str) -> tuple[bool, int, int, str]:
        return known.get(name) == subject or name == subject, sum(len(w) > 1 for w in words_of[name]), len(name), name

    for name in whole:
        near = [o for o in by_last[words_of[name][-1]] if o != name and compatible(words_of[name], words_of[o])]
        # two Smiths to whom "J. Smith" may belong are two persons, and he is neither
        if (
            name not in found
            and len(near) <= FEW
            and all(compatible(words_of[a], words_of[b]) for a, b in combinations(near, 2))
        ):
            fullest = max([name, *near], key=fullness)
            if fullest != name:
                found[name] = known.get(fullest, fullest)
    ends: defaultdict[str, set[str]] = defaultdict(set)
    begins: defaultdict[str, set[str]] = defaultdict(set)
    for name in dict.fromkeys([*heads, *whole]):
        words = words_of[name]
        for size in range(1, len(words)):
            ends[" ".join(words[-size:])].add(found.get(name, name))
        begins[words[0]].add(found.get(name, name))
    for name, types in kinds.items():
        if name in found:
            continue
        bare = " ".join(without_honorifics(name.split()))
        meant = ends.get(bare) or (begins.get(bare, set()) if types["PERSON"] else set())
        if not meant and types["PERSON"] > types["PLACE"] + types["ORGANISATION"]:
            meant = {subject for form in own if form.endswith(f" {bare}")}
        if subject in meant:  # what a document is about goes before its relations
            meant = {subject}
        if len(meant) == 1 and name not in meant and (types["PERSON"] >= types["PLACE"] or name not in places):
            found[name] = next(iter(meant))
    for name in whole:  # surnames that the recogniser has nowhere seen alone
        last = words_of[name][-1]
        if last not in kinds and len(ends[last]) == 1:
            found.setdefault(last, next(iter(ends[last])))
    return found
