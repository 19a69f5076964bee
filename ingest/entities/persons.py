"""Which names of one document are one person: "J. Smith", "Dr Smith" and "Smith" where it has one John Smith alone."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from itertools import combinations

from graphs.merging.person_names import may_be_same_person, name_parts, strip_honorifics
from ingest.entities.recognition import RecognizedEntity
from kgrag.text import normalize_name

_QUALIFIER_START = re.compile("[(（,，]")
MAX_COMPATIBLE_NAMES = 8
"""Names that one may be short for; of more there is no telling."""
EntityByName = dict[str, str]
"""A normalised name -> the entity that it is."""


def resolve_persons(
    names: Sequence[RecognizedEntity],
    subject_id: str,
    forms: Sequence[str],
    known_entities: Mapping[str, str],
    place_names: Collection[str],
) -> EntityByName:
    """Persons by another form of their name, and by a part of it that one person alone has.

    Args:
        every: the names of the document.
        subject: the entity that the document is about; ``forms`` are its names as they are written.
        known: names that have an entity already.
        places: normalised names that the text somewhere speaks of as places ("in Paris").
    """
    type_counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    words_of: dict[str, list[str]] = {}
    for mention in names:
        normalized = normalize_name(mention.text)
        type_counts[normalized][mention.type] += 1
        words_of.setdefault(normalized, name_parts(mention.text))
    full_names = [name for name, types in type_counts.items() if types["PERSON"] and len(words_of[name]) > 1]
    subject_forms = {
        normalize_name(form): name_parts(form)
        for form in forms
        if not _QUALIFIER_START.search(form) and len(name_parts(form)) > 1
    }
    by_last: defaultdict[str, list[str]] = defaultdict(list)
    for name in full_names:
        by_last[words_of[name][-1]].append(name)
    # a film is called by the end of its title by nobody: a subject that no name shows to be a person is none
    person_forms = [
        form
        for form, words in subject_forms.items()
        if type_counts[form]["PERSON"] or any(may_be_same_person(words, words_of[name]) for name in by_last[words[-1]])
    ]
    words_of |= subject_forms
    for form in person_forms:
        by_last[subject_forms[form][-1]].append(form)
    entity_by_name: EntityByName = dict(known_entities)

    def fullness(name: str) -> tuple[bool, int, int, str]:
        return (
            known_entities.get(name) == subject_id or name == subject_id,
            sum(len(w) > 1 for w in words_of[name]),
            len(name),
            name,
        )

    for name in full_names:
        compatible_names = [
            o for o in by_last[words_of[name][-1]] if o != name and may_be_same_person(words_of[name], words_of[o])
        ]
        # two Smiths to whom "J. Smith" may belong are two persons, and he is neither
        if (
            name not in entity_by_name
            and len(compatible_names) <= MAX_COMPATIBLE_NAMES
            and all(may_be_same_person(words_of[a], words_of[b]) for a, b in combinations(compatible_names, 2))
        ):
            fullest = max([name, *compatible_names], key=fullness)
            if fullest != name:
                entity_by_name[name] = known_entities.get(fullest, fullest)
    entities_by_suffix: defaultdict[str, set[str]] = defaultdict(set)
    entities_by_first_word: defaultdict[str, set[str]] = defaultdict(set)
    for name in dict.fromkeys([*person_forms, *full_names]):
        words = words_of[name]
        for size in range(1, len(words)):
            entities_by_suffix[" ".join(words[-size:])].add(entity_by_name.get(name, name))
        entities_by_first_word[words[0]].add(entity_by_name.get(name, name))
    for name, types in type_counts.items():
        if name in entity_by_name:
            continue
        bare_name = " ".join(strip_honorifics(name.split()))
        candidates = entities_by_suffix.get(bare_name) or (
            entities_by_first_word.get(bare_name, set()) if types["PERSON"] else set()
        )
        if not candidates and types["PERSON"] > types["PLACE"] + types["ORGANISATION"]:
            candidates = {subject_id for form in subject_forms if form.endswith(f" {bare_name}")}
        if subject_id in candidates:  # what a document is about goes before its relations
            candidates = {subject_id}
        if (
            len(candidates) == 1
            and name not in candidates
            and (types["PERSON"] >= types["PLACE"] or name not in place_names)
        ):
            entity_by_name[name] = next(iter(candidates))
    for name in full_names:  # surnames that the recogniser has nowhere seen alone
        last_word = words_of[name][-1]
        if last_word not in type_counts and len(entities_by_suffix[last_word]) == 1:
            entity_by_name.setdefault(last_word, next(iter(entities_by_suffix[last_word])))
    return entity_by_name
