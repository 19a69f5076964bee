"""List merged names and entities with the reason for each merge."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from graphs.merging.merge_sets import DECLARED, Merges
from kgrag.protocols import GraphReader
from kgrag.text import normalize_name
from kgrag.types import VALUE_TYPES

PART_OF_NAME, OTHER_FORM, COUNTRY = "part of the name", "acronym or other form", "country"


@dataclass(frozen=True, slots=True)
class MergeRecord:
    """A name that was merged into an entity.

    Attributes:
        name: the name as spelt.
        into: display name of the entity.
        into_id: id of the entity.
        reason: "user", "declared", "honorific", "company form" or "initials" between documents; "declared", "part of
            the name", "acronym or other form" or "country" within them.
        between: whether entities of different documents were merged.
        documents: the first three documents that declare or contain the name; none if the user declared it.
        documents_in_all: number of these documents.
    """

    name: str
    into: str
    into_id: str
    reason: str
    between: bool
    documents: tuple[str, ...]
    documents_in_all: int


def list_merges(graph: GraphReader, merges: Merges, country_names: Mapping[str, str]) -> list[MergeRecord]:
    """Return all merges: first those between documents, each kind ordered by entity and name.

    Args:
        graph: the store without its merges.
        merges: the merges between documents.
        country_names: names of countries (`graphs.predicates.PredicateSchema.country_names`).
    """
    document_of_passage = dict(graph.passage_keys())
    declared = {(entity, normalize_name(name)) for _, entity, name, _ in graph.names()}
    documents_by_name: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for mention in graph.mentions():
        if mention.type not in VALUE_TYPES and normalize_name(mention.surface) != mention.entity_id:
            documents_by_name[mention.entity_id, mention.surface].add(document_of_passage[mention.passage_id])
    names = {
        e.id: e.name
        for e in graph.entities(
            {*merges.canonical_ids, *merges.merged_ids, *(entity for entity, _ in documents_by_name)}
        )
    }
    records = [
        MergeRecord(
            names.get(m.merged_id, m.merged_id),
            names.get(m.canonical_id, m.canonical_id),
            m.canonical_id,
            m.reason,
            True,
            *_first_documents({m.document} - {""}),
        )
        for m in merges.merges
    ]
    for (entity, surface), documents in sorted(documents_by_name.items()):
        normalized_surface = normalize_name(surface)
        if (entity, normalized_surface) in declared:
            reason = DECLARED
        elif normalize_name(country_names.get(surface.lower(), "")) == entity:
            reason = COUNTRY
        else:
            reason = PART_OF_NAME if set(entity.split()).issuperset(normalized_surface.split()) else OTHER_FORM
        target_id = merges.canonical_ids.get(entity, entity)
        records.append(
            MergeRecord(
                surface, names.get(target_id, target_id), target_id, reason, False, *_first_documents(documents)
            )
        )
    return records


def _first_documents(documents: set[str]) -> tuple[tuple[str, ...], int]:
    return tuple(sorted(documents)[:3]), len(documents)
