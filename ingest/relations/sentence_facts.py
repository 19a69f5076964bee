"""Keep the sentence facts that patterns can be trusted with, by the kind of the document."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from functools import lru_cache

from ingest.prose import DocumentKind
from kgrag.types import Triple

PLACE_PREDICATES = frozenset(["located_in", "country"])


def trusted_facts(
    triples: Iterable[Triple],
    kind: DocumentKind,
    subject_id: str,
    type_by_entity: Mapping[str, str],
    user_predicates: str = "",
) -> list[Triple]:
    """Return the facts of sentences that their document's kind makes credible.

    The patterns were written for encyclopedic articles. Elsewhere "it" is not the title; in a manual, "the command creates
    X" does not tell who made X, so that a fact needs a person, or two places. Facts of a user's own predicates, and other
    names, are kept.

    Args:
        triples: facts of a document's sentences.
        kind: the kind of the document.
        subject_id: entity of its title.
        type_by_entity: types of the names in the passage.
        user_predicates: text of a ``predicates.toml`` with the user's predicates.
    """
    if kind is DocumentKind.ARTICLE:
        return list(triples)
    own_predicates = _predicate_names(user_predicates)
    return [
        triple
        for triple in triples
        if triple.predicate in own_predicates
        or triple.predicate == "also_known_as"
        or (
            subject_id not in (triple.subject, triple.object)
            and (kind is DocumentKind.TEXT or _is_about_persons_or_places(triple, type_by_entity))
        )
    ]


def _is_about_persons_or_places(triple: Triple, type_by_entity: Mapping[str, str]) -> bool:
    types = [type_by_entity.get(end, "") for end in (triple.subject, triple.object)]
    return "PERSON" in types or (triple.predicate in PLACE_PREDICATES and types == ["PLACE", "PLACE"])


@lru_cache(maxsize=8)
def _predicate_names(user_predicates: str) -> frozenset[str]:
    return frozenset(tomllib.loads(user_predicates).get("predicate", {}))
