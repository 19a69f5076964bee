"""Resolve organisation and work names within a document: acronyms and shortened names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from ingest.entities.acronyms import initials
from ingest.entities.persons import EntityByName
from ingest.entities.recognition import RecognizedEntity
from ingest.relations.pattern_library import word_set
from kgrag.text import normalize_name


def resolve_organisations(
    names: Sequence[RecognizedEntity], subject_id: str, known_entities: Mapping[str, str]
) -> EntityByName:
    """Map acronyms and shortened names to entities, each only if exactly one entity matches.

    Covered are undeclared acronyms, names without their generic noun ("Blue Note" for "Blue Note Records"), and the
    capitalised generic noun alone ("the Fund").

    Args:
        names: the names of the document.
        subject_id: entity that the document is about.
        known_entities: entities of names that are already resolved, by normalised name.

    Returns:
        The known entities with the new ones, by normalised name.
    """
    organisation_nouns, generic_nouns = word_set("bodies"), word_set("kinds") | word_set("bodies")
    entity_by_name: EntityByName = dict(known_entities)
    name_by_normalized = {normalize_name(name.text): name for name in reversed(names)}
    by_initials: defaultdict[str, set[str]] = defaultdict(set)
    by_kind: defaultdict[str, set[str]] = defaultdict(set, {subject_id.split(" ")[-1]: {subject_id}})
    by_head: defaultdict[str, set[str]] = defaultdict(set)
    for normalized, name in name_by_normalized.items():
        entity = entity_by_name.get(normalized, normalized)
        for letters in initials(name.text):
            by_initials[letters].add(entity)
        head, _, last = normalized.rpartition(" ")
        if head:
            by_kind[last].add(entity)
            if last in organisation_nouns and name.type != "PERSON":
                by_head[head].add(entity)
    for normalized, name in name_by_normalized.items():
        if entity_by_name.get(normalized) == subject_id and name.text.isupper():
            for full in by_initials.get(name.text, ()):
                entity_by_name.setdefault(
                    full, subject_id
                )  # the document is about the acronym, so its full name is the subject
        if normalized in entity_by_name:
            continue
        letters = name.text.replace(".", "")
        candidates: set[str] = set()
        if normalized in generic_nouns:
            candidates = by_kind[normalized] - {normalized}
            candidates = {subject_id} if subject_id in candidates else candidates
        elif len(letters) > 1 and letters.isupper():
            candidates = by_initials.get(letters, candidates)
        if not candidates and name.type not in ("PLACE", "PERSON"):
            candidates = by_head.get(normalized, candidates)
        if len(candidates) == 1:
            entity_by_name[normalized] = next(iter(candidates))
    return entity_by_name
