"""Look up the typed facts of a store and resolve names to entities, reading from disk on demand.

A fact names its object as its own document does ("Lothair II"). Another document may be about the same entity under its
own title ("Lothair II of Lotharingia"). `FactIndex.resolve` maps both names to that entity. `graphs/facts/builder.py`
builds the index.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from graphs.facts.postings import Postings, binary_search
from graphs.gazetteer import Gazetteer, PrefixTable
from graphs.merging.person_names import strip_honorifics
from kgrag.storage.arrays import Arrays, load_arrays, pack_strings, save_arrays, unpack_strings
from kgrag.storage.string_table import StringTable
from kgrag.text import has_cjk, normalize_name
from kgrag.types import CLASSIFIER, Triple

_RANK_WORDS = frozenset(["of", "duke", "count", "king", "prince", "earl", "lord", "elector", "the", "queen"])
FUZZY_NAME_CONFIDENCE = 0.9
"""Confidence that two names mean the same entity if they differ by an honorific or by a part after a comma."""
TRIPLES_PER_CHUNK = 4096
"""Number of triples that are built together when all are read."""
Ints = NDArray[np.int32]


@dataclass(frozen=True)
class TripleColumns:
    """Triples as columns, ordered by subject.

    Attributes:
        subject: entity numbers; likewise ``object``.
        predicate: positions in the predicates of `FactIndex`.
        passage: positions in the passages of `FactIndex`.
        start: offsets in the document; likewise ``end``.
        confidence: between 0 and 1.
        found_by: positions in the finders of `FactIndex`.
        of_subject: (entities + 1,), offset of the first triple of each subject.
        of_object: (entities + 1,), offset of the first triple of each object in ``by_object``.
        by_object: rows of the triples, ordered by object.
    """

    subject: Ints
    predicate: Ints
    object: Ints
    passage: Ints
    start: Ints
    end: Ints
    confidence: NDArray[np.float64]
    found_by: NDArray[np.int8]
    of_subject: NDArray[np.int64]
    of_object: NDArray[np.int64]
    by_object: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        subject: Ints,
        predicate: Ints,
        object_: Ints,
        passage: Ints,
        start: Ints,
        end: Ints,
        confidence: NDArray[np.float64],
        found_by: NDArray[np.int8],
        *,
        entity_count: int,
    ) -> TripleColumns:
        """Order triples by subject, stably, and index them by both ends."""
        order = np.argsort(subject, kind="stable")
        return cls(
            subject=subject[order],
            predicate=predicate[order],
            object=object_[order],
            passage=passage[order],
            start=start[order],
            end=end[order],
            confidence=confidence[order],
            found_by=found_by[order],
            of_subject=_offsets(subject, entity_count),
            of_object=_offsets(object_, entity_count),
            by_object=np.argsort(object_[order], kind="stable"),
        )


def _offsets(numbers: Ints, size: int) -> NDArray[np.int64]:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(np.bincount(numbers, minlength=size), dtype=np.int64)])


@dataclass(frozen=True)
class NameForms:
    """Maps from normalised name forms to entities.

    ``titled``: titles of documents; ``called``: other names; ``bare``: titles without their honorifics; ``longer``: the
    part of a title before "of ...".
    """

    titled: Postings
    called: Postings
    bare: Postings
    longer: Postings


class FactIndex:
    """Typed triples by subject and by object, display names, and the entities that a name may mean.

    Args:
        entities: ids, ascending.
        names: (entities,), display names; empty where only the id is known.
        titles: (entities,), the title of the document about each; empty where there is none.
        predicates: the predicates that the numbers in ``triple_columns`` stand for.
        passages: likewise the passage ids.
        finders: likewise the extractors of the facts.
        triple_columns: the triples; none with the predicate ``mentions``.
        forms: the name forms that `resolve` looks up.
        gazetteer: finds those forms in a question.
    """

    def __init__(
        self,
        entities: StringTable,
        names: StringTable,
        titles: StringTable,
        predicates: StringTable,
        passages: StringTable,
        finders: StringTable,
        triple_columns: TripleColumns,
        forms: NameForms,
        gazetteer: Gazetteer,
    ) -> None:
        self.gazetteer = gazetteer
        self._entities, self._names, self._titles = entities, names, titles
        self._predicates, self._passages, self._finders = list(predicates), passages, list(finders)
        self._triple_columns, self._name_forms = triple_columns, forms

    def predicates_found_by(self, finder: str) -> list[str]:
        """Return the predicates of the facts that an extractor has found."""
        if finder not in self._finders:
            return []
        columns = self._triple_columns
        is_found = columns.found_by == self._finders.index(finder)
        return [self._predicates[number] for number in np.unique(columns.predicate[is_found]).tolist()]

    def display_name(self, entity_id: str) -> str:
        """Return the display name of an entity, or its id if it has none."""
        number = binary_search(self._entities, entity_id)
        return entity_id if number is None else self._names[number] or entity_id

    def title(self, entity_id: str) -> str:
        """Return the title of the document about an entity, or "" if there is none."""
        number = binary_search(self._entities, entity_id)
        return "" if number is None else self._titles[number]

    def outgoing(self, entity_id: str, predicates: Container[str] | None = None) -> list[Triple]:
        """Return the facts whose subject is this entity; only those with one of ``predicates``, if given."""
        number = binary_search(self._entities, entity_id)
        if number is None:
            return []
        return self._triples(np.arange(*self._triple_columns.of_subject[number : number + 2]), predicates)

    def incoming(self, entity_id: str, predicates: Container[str] | None = None) -> list[Triple]:
        """Return the facts whose object is this entity; only those with one of ``predicates``, if given."""
        number = binary_search(self._entities, entity_id)
        if number is None:
            return []
        first, last = self._triple_columns.of_object[number : number + 2]
        return self._triples(self._triple_columns.by_object[first:last], predicates)

    def with_predicate(self, predicate: str) -> list[Triple]:
        """Return the facts with a predicate, by subject."""
        if predicate not in self._predicates:
            return []
        columns = self._triple_columns
        return self._triples(np.flatnonzero(columns.predicate == self._predicates.index(predicate)), None)

    def triples(self) -> Iterator[Triple]:
        """Yield all facts, by subject."""
        for start in range(0, len(self._triple_columns.subject), TRIPLES_PER_CHUNK):
            stop = min(start + TRIPLES_PER_CHUNK, len(self._triple_columns.subject))
            yield from self._triples(np.arange(start, stop), None)

    def without_guesses(self) -> FactIndex:
        """Return the facts that a structure or a sentence states, without the classifier's guesses."""
        columns = self._triple_columns
        kept = columns.found_by != (self._finders.index(CLASSIFIER) if CLASSIFIER in self._finders else -1)
        if kept.all():
            return self
        stated = TripleColumns.of(
            *(c[kept] for c in (columns.subject, columns.predicate, columns.object)),
            *(c[kept] for c in (columns.passage, columns.start, columns.end, columns.confidence, columns.found_by)),
            entity_count=len(self._entities),
        )
        tables = self._entities, self._names, self._titles, self._predicates, self._passages, self._finders
        return FactIndex(*tables, stated, self._name_forms, self.gazetteer)  # type: ignore[arg-type]

    def _triples(self, rows: NDArray[np.int64], predicates: Container[str] | None) -> list[Triple]:
        columns = self._triple_columns
        if predicates is not None:
            # a country is the object of a hundred thousand facts: build no triples of other predicates
            predicate_numbers = [number for number, name in enumerate(self._predicates) if name in predicates]
            rows = rows[np.isin(columns.predicate[rows], predicate_numbers)]
        return [
            Triple(
                self._entities[columns.subject[row]],
                self._predicates[columns.predicate[row]],
                self._entities[columns.object[row]],
                self._passages[columns.passage[row]],
                int(columns.start[row]),
                int(columns.end[row]),
                float(columns.confidence[row]),
                self._finders[columns.found_by[row]],
            )
            for row in rows.tolist()
        ]

    def resolve(self, name: str) -> list[str]:
        """Return the entities that a name may mean: titles of documents first, the name itself if it has facts."""
        return list(dict.fromkeys(entity for entity, _ in self.candidate_entities(name)))

    def candidate_entities(self, name: str, *, source_fact: Triple | None = None) -> list[tuple[str, float]]:
        """Return the entities that a name may mean, each with a confidence.

        Args:
            name: a name, in any spelling.
            source_fact: the fact that led to the name. With it, a single word of letters (most often a given name)
                matches titles of documents only.
        """
        name_key = normalize_name(name)
        is_single_word = source_fact is not None and " " not in name_key
        numbers = self._name_forms.titled.get(name_key)
        if is_single_word:
            numbers = [n for n in numbers if self._entities[n] == name_key or "," not in self._titles[n]]
        # the full title beats a title that has the name only before its bracket
        candidates = sorted(((self._entities[n], 1.0) for n in numbers), key=lambda pair: pair[0] != name_key)
        candidates += [(self._entities[n], FUZZY_NAME_CONFIDENCE) for n in self._name_forms.called.get(name_key)]
        if not candidates and not is_single_word:
            candidates = [(self._entities[n], confidence) for n, confidence in self._fuzzy_titles(name_key)]
        if not is_single_word and self._has_facts(name_key):
            candidates.append((name_key, 1.0))
        return candidates

    def _has_facts(self, entity_id: str) -> bool:
        number = binary_search(self._entities, entity_id)
        columns = self._triple_columns
        return number is not None and bool(
            columns.of_subject[number] < columns.of_subject[number + 1]
            or columns.of_object[number] < columns.of_object[number + 1]
        )

    def _fuzzy_titles(self, name_key: str) -> list[tuple[int, float]]:
        """Return entities whose titles differ from a name only by an honorific or by an addition to either."""
        words = name_key.split()
        bare_words = strip_honorifics(words)
        if has_cjk(name_key) or not bare_words:
            return []
        if len(bare_words) > 1 or len(words) > 1:
            forms = self._name_forms.bare.get(" ".join(bare_words))
            if forms:
                return [(entity, FUZZY_NAME_CONFIDENCE) for entity in forms]
            for size in range(len(bare_words) - 1, 1, -1):
                forms = (
                    self._name_forms.bare.get(" ".join(bare_words[:size])) if bare_words[size] in _RANK_WORDS else []
                )
                if forms:
                    return [(entity, 0.7) for entity in forms[:2]]
        # "Heraclius II": only one document has a title that continues the name with "of ..."
        longer_titles = self._name_forms.longer.get(" ".join(bare_words)) if len(bare_words) > 1 else []
        return [(longer_titles[0], 0.7)] if len(longer_titles) == 1 else []

    def save(self, folder: Path) -> None:
        """Write the index to ``folder``, atomically."""
        arrays: Arrays = dict(vars(self._triple_columns))
        for name, strings in (
            ("entities", self._entities),
            ("names", self._names),
            ("titles", self._titles),
            ("predicates", StringTable.from_strings(self._predicates)),
            ("passages", self._passages),
            ("finders", StringTable.from_strings(self._finders)),
            ("spoken", StringTable.from_strings(self.gazetteer.names)),
        ):
            arrays |= pack_strings(name, strings)
        for name, lists in vars(self._name_forms).items():
            arrays |= lists.to_arrays(name)
        table = self.gazetteer.table
        save_arrays(folder, arrays | {"table_beginnings": table.beginnings, "table_numbers": table.numbers})

    @staticmethod
    def load(folder: Path) -> FactIndex:
        """Load a saved index; the arrays are read from disk on demand."""
        arrays = load_arrays(folder)
        entities, names, titles = (unpack_strings(name, arrays) for name in ("entities", "names", "titles"))
        predicates, passages, finders = (unpack_strings(name, arrays) for name in ("predicates", "passages", "finders"))
        triple_columns = TripleColumns(**{name: arrays[name] for name in TripleColumns.__dataclass_fields__})
        forms = NameForms(*(Postings.from_arrays(name, arrays) for name in NameForms.__dataclass_fields__))
        table = PrefixTable(arrays["table_beginnings"], arrays["table_numbers"])
        gazetteer = Gazetteer(unpack_strings("spoken", arrays), table)
        return FactIndex(entities, names, titles, predicates, passages, finders, triple_columns, forms, gazetteer)
