"""Resolve person names within a document: "J. Smith", "Dr Smith" and "Smith" if there is only one John Smith."""

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
"""Maximum number of full names compatible with a short one; with more, it stays unresolved."""
EntityByName = dict[str, str]
"""Entity ids by normalised name."""


def resolve_persons(
    names: Sequence[RecognizedEntity],
    subject_id: str,
    forms: Sequence[str],
    known_entities: Mapping[str, str],
    place_names: Collection[str],
) -> EntityByName:
    """Map other forms and unique parts of persons' names to entities.

    Args:
        names: the names of the document.
        subject_id: entity that the document is about.
        forms: names of the subject, as written.
        known_entities: entities of names that are already resolved, by normalised name.
        place_names: normalised names that the text uses as places ("in Paris").

    Returns:
        The known entities with the new ones, by normalised name.
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
    # only a subject that some name shows to be a person counts: no text calls a film by the end of its title
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
        # if "J. Smith" matches two different Smiths, it stays unresolved
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
        if subject_id in candidates:  # the document's subject takes precedence over relatives
            candidates = {subject_id}
        if (
            len(candidates) == 1
            and name not in candidates
            and (types["PERSON"] >= types["PLACE"] or name not in place_names)
        ):
            entity_by_name[name] = next(iter(candidates))
    for name in full_names:  # surnames that the recogniser did not find alone
        last_word = words_of[name][-1]
        if last_word not in type_counts and len(entities_by_suffix[last_word]) == 1:
            entity_by_name.setdefault(last_word, next(iter(entities_by_suffix[last_word])))
    return entity_by_name
