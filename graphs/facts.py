"""The typed facts of a store, and the names that lead from one document to another; read from the disk as it is asked.

A fact found in one document names its object as that document does ("Lothair II"); another document is about it
under its own title ("Lothair II of Lotharingia"). `Facts.resolve` is where the two meet. `graphs/gather.py` makes them.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from graphs.gazetteer import Gazetteer, Table
from graphs.lists import Lists, place
from graphs.people import without_honorifics
from kgrag.arrays import Arrays, load_arrays, packed, save_arrays, unpacked
from kgrag.strings import Strings
from kgrag.text import is_cjk, key
from kgrag.types import Triple

_RANKS = frozenset(["of", "duke", "count", "king", "prince", "earl", "lord", "elector", "the", "queen"])
LIKELY = 0.9
"""How sure it is that two names are one thing when they differ by an honorific or by what follows a comma."""
Ints = NDArray[np.int32]


@dataclass(frozen=True)
class Statements:
    """Triples by subject: entity numbers, places in `Facts.predicates` and `Facts.passages`, spans of the document,
    and in `Facts.finders`.

    ``of_subject`` and ``of_object`` (entities + 1,): where the triples of each entity begin, those of an object in the
    order ``by_object``.
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


@dataclass(frozen=True)
class Forms:
    """Normalised forms -> entities: ``titled`` by a document's title, ``called`` by another name, ``bare`` by a title
    without its honorifics, ``longer`` by a title that goes on with "of ..."."""

    titled: Lists
    called: Lists
    bare: Lists
    longer: Lists


class Facts:
    """Typed triples by subject and by object, display names, and from a spoken name to entities.

    Args:
        entities: ids, ascending.
        names: (entities,), how each is called for people; empty where its id is all that is known.
        titles: (entities,), the title of the document about each; empty where there is none.
        predicates, passages, finders: what the numbers in ``stated`` stand for.
        stated: the triples; none with the predicate ``mentions``.
        forms: what `resolve` knows.
        gazetteer: finds those forms in a question.
    """

    def __init__(
        self,
        entities: Strings,
        names: Strings,
        titles: Strings,
        predicates: Strings,
        passages: Strings,
        finders: Strings,
        stated: Statements,
        forms: Forms,
        gazetteer: Gazetteer,
    ) -> None:
        self.gazetteer = gazetteer
        self._entities, self._names, self._titles = entities, names, titles
        self._predicates, self._passages, self._finders = list(predicates), passages, list(finders)
        self._stated, self._forms = stated, forms

    def name(self, entity_id: str) -> str:
        """How an entity is called for people."""
        number = place(self._entities, entity_id)
        return entity_id if number is None else self._names[number] or entity_id

    def title(self, entity_id: str) -> str:
        """The title of the document about an entity; empty if there is none."""
        number = place(self._entities, entity_id)
        return "" if number is None else self._titles[number]

    def about(self, entity_id: str, predicates: Container[str] | None = None) -> list[Triple]:
        """The facts whose subject is this entity; only those with one of ``predicates``, if given."""
        number = place(self._entities, entity_id)
        if number is None:
            return []
        return self._triples(np.arange(*self._stated.of_subject[number : number + 2]), predicates)

    def pointing_at(self, entity_id: str, predicates: Container[str] | None = None) -> list[Triple]:
        """The facts whose object is this entity; only those with one of ``predicates``, if given."""
        number = place(self._entities, entity_id)
        if number is None:
            return []
        first, last = self._stated.of_object[number : number + 2]
        return self._triples(self._stated.by_object[first:last], predicates)

    def _triples(self, rows: NDArray[np.int64], predicates: Container[str] | None) -> list[Triple]:
        stated = self._stated
        if predicates is not None:
            # a country has a hundred thousand facts that point at it: those of another kind are not made at all
            wanted = [number for number, name in enumerate(self._predicates) if name in predicates]
            rows = rows[np.isin(stated.predicate[rows], wanted)]
        return [
            Triple(
                self._entities[stated.subject[row]],
                self._predicates[stated.predicate[row]],
                self._entities[stated.object[row]],
                self._passages[stated.passage[row]],
                int(stated.start[row]),
                int(stated.end[row]),
                float(stated.confidence[row]),
                self._finders[stated.found_by[row]],
            )
            for row in rows.tolist()
        ]

    def resolve(self, name: str) -> list[str]:
        """The entities that a name may mean, titles of documents first; the name itself if facts speak of it."""
        return list(dict.fromkeys(entity for entity, _ in self.readings(name)))

    def readings(self, name: str, *, known: Triple | None = None) -> list[tuple[str, float]]:
        """`resolve`, with how sure each reading is.

        With the fact ``known`` that led to the name, a single word of letters (a given name, most often) is not taken
        for whatever else is called so: only a document whose title it is will do.
        """
        wanted = key(name)
        single = known is not None and " " not in wanted
        numbers = self._forms.titled.get(wanted)
        if single:
            numbers = [n for n in numbers if self._entities[n] == wanted or "," not in self._titles[n]]
        # the full title beats a title that only has it before its bracket
        found = sorted(((self._entities[n], 1.0) for n in numbers), key=lambda pair: pair[0] != wanted)
        found += [(self._entities[n], LIKELY) for n in self._forms.called.get(wanted)]
        if not found and not single:
            found = [(self._entities[n], sure) for n, sure in self._nearly(wanted)]
        if not single and self._spoken_of(wanted):
            found.append((wanted, 1.0))
        return found

    def _spoken_of(self, entity_id: str) -> bool:
        number = place(self._entities, entity_id)
        stated = self._stated
        return number is not None and bool(
            stated.of_subject[number] < stated.of_subject[number + 1]
            or stated.of_object[number] < stated.of_object[number + 1]
        )

    def _nearly(self, wanted: str) -> list[tuple[int, float]]:
        """Titles that differ from a name only by an honorific, or by an addition to one of the two."""
        words = wanted.split()
        bare = without_honorifics(words)
        if is_cjk(wanted) or not bare:
            return []
        if len(bare) > 1 or len(words) > 1:
            forms = self._forms.bare.get(" ".join(bare))
            if forms:
                return [(entity, LIKELY) for entity in forms]
            for size in range(len(bare) - 1, 1, -1):
                forms = self._forms.bare.get(" ".join(bare[:size])) if bare[size] in _RANKS else []
                if forms:
                    return [(entity, 0.7) for entity in forms[:2]]
        # "Heraclius II": one document alone is about a name that goes on with "of ..."
        longer = self._forms.longer.get(" ".join(bare)) if len(bare) > 1 else []
        return [(longer[0], 0.7)] if len(longer) == 1 else []

    def save(self, folder: Path) -> None:
        """Write the folder, whole or not at all."""
        arrays: Arrays = dict(vars(self._stated))
        for name, strings in (
            ("entities", self._entities),
            ("names", self._names),
            ("titles", self._titles),
            ("predicates", Strings.of(self._predicates)),
            ("passages", self._passages),
            ("finders", Strings.of(self._finders)),
            ("spoken", Strings.of(self.gazetteer.names)),
        ):
            arrays |= packed(name, strings)
        for name, lists in vars(self._forms).items():
            arrays |= lists.arrays(name)
        table = self.gazetteer.table
        save_arrays(folder, arrays | {"table_beginnings": table.beginnings, "table_numbers": table.numbers})

    @staticmethod
    def load(folder: Path) -> Facts:
        """Read what `save` wrote, from the disk as it is used."""
        arrays = load_arrays(folder)
        entities, names, titles = (unpacked(name, arrays) for name in ("entities", "names", "titles"))
        predicates, passages, finders = (unpacked(name, arrays) for name in ("predicates", "passages", "finders"))
        stated = Statements(**{name: arrays[name] for name in Statements.__dataclass_fields__})
        forms = Forms(*(Lists.read(name, arrays) for name in Forms.__dataclass_fields__))
        table = Table(arrays["table_beginnings"], arrays["table_numbers"])
        gazetteer = Gazetteer(unpacked("spoken", arrays), table)
        return Facts(entities, names, titles, predicates, passages, finders, stated, forms, gazetteer)
