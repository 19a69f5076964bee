"""Resolve display names from declared names and mentions, identically for every store."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping

from kgrag.text import normalize_name
from kgrag.types import Entity

DeclaredName = tuple[str, str, str, bool]
"""Entity id, name, type, and whether the document that declares the name is about the entity."""
SpellingCount = tuple[str, str, str, int]
"""Entity id, spelling, type, and number of mentions with that spelling and type."""


def resolve_display_names(
    names: Iterable[DeclaredName], mentions: Iterable[SpellingCount], entity_ids: Container[str] | None = None
) -> Iterator[Entity]:
    """Yield entities with their display names and types, ordered by id; only those in ``entity_ids``, if given.

    The name a document declares for its own subject wins. Next come spellings that normalise to the id, then the most
    frequent spelling, then alphabetical order.
    """
    spellings: defaultdict[str, Counter[str]] = defaultdict(Counter)
    types: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for entity_id, name, kind, is_own_name in names:
        if entity_ids is not None and entity_id not in entity_ids:
            continue
        # a name declared by the document about the entity outweighs names declared elsewhere
        spellings[entity_id][name] += 1_000_000 if is_own_name else 0
        types[entity_id][kind] += 0 if kind == "MISC" else 1_000
    for entity_id, surface, kind, count in mentions:
        if entity_ids is not None and entity_id not in entity_ids:
            continue
        # outweighs a shorter form, however frequent: "Byron" abbreviates many names
        spellings[entity_id][surface] += count + (1_000 if normalize_name(surface) == entity_id else 0)
        types[entity_id][kind] += 0 if kind == "MISC" else count
    for entity_id in sorted(spellings):
        ranked = sorted(spellings[entity_id], key=lambda s: (-spellings[entity_id][s], s))
        kind = min(types[entity_id], key=lambda t: (-types[entity_id][t], t))
        yield Entity(entity_id, ranked[0], kind, tuple(sorted(ranked[1:])))


def document_name_forms(
    titles: Mapping[str, tuple[str, str]], names: Iterable[tuple[str, str, str, str]]
) -> dict[str, list[str]]:
    """Map each document id to the names of its subject, the title first."""
    forms = {document_id: [title] for document_id, (_, title) in titles.items()}
    for document_id, entity_id, name, _ in names:
        if document_id in titles and entity_id == titles[document_id][0] and name not in forms[document_id]:
            forms[document_id].append(name)
    return forms
