"""The typed facts of a store, held in memory, with the names that lead from one document to another.

A fact found in one document names its object as that document does ("Lothair II"); another document is about it
under its own title ("Lothair II of Lotharingia"). `Facts.resolve` is where the two meet.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cached_property

from graphs.gazetteer import spoken_forms
from kgrag.protocols import Graph
from kgrag.text import is_cjk, key, tokens
from kgrag.types import Triple

_HONORIFICS = frozenset(
    [
        "king",
        "queen",
        "prince",
        "princess",
        "emperor",
        "empress",
        "sir",
        "dame",
        "lord",
        "lady",
        "duke",
        "duchess",
        "count",
        "countess",
        "baron",
        "baroness",
        "earl",
        "sultan",
        "caliph",
        "tsar",
        "pope",
        "saint",
        "dr",
        "professor",
        "president",
        "general",
        "captain",
        "colonel",
        "major",
        "admiral",
        "archduke",
        "archduchess",
        "infante",
        "infanta",
        "grand",
        "elector",
        "margrave",
        "st",
        "mr",
        "mrs",
        "crown",
        "former",
        "actor",
        "actress",
        "director",
        "the",
    ]
)
_RANKS = frozenset(["of", "duke", "count", "king", "prince", "earl", "lord", "elector", "the", "queen"])
LIKELY = 0.9
"""How sure it is that two names are one thing when they differ by an honorific or by what follows a comma."""


class Facts:
    """Typed triples by subject and by object, display names, and from a spoken name to entities.

    Args:
        triples: facts; those with the predicate ``mentions`` are left out.
        titles: entity id of a document's title -> the title.
        names: other display names by entity id.
        aliases: (entity id, another name for it), besides ``also_known_as`` facts.
    """

    def __init__(
        self,
        triples: Iterable[Triple],
        titles: Mapping[str, str],
        names: Mapping[str, str] | None = None,
        aliases: Iterable[tuple[str, str]] = (),
    ) -> None:
        self.titles = titles
        self._names = {**(names or {}), **titles}
        self._by_subject: defaultdict[str, list[Triple]] = defaultdict(list)
        self._by_object: defaultdict[str, list[Triple]] = defaultdict(list)
        self._titled: defaultdict[str, list[str]] = defaultdict(list)
        self._called: defaultdict[str, list[str]] = defaultdict(list)
        for entity, title in titles.items():
            for form in spoken_forms(title):
                _add(self._titled[key(form)], entity)
        for entity, alias in aliases:
            _add(self._called[key(alias)], entity)
        for triple in triples:
            if triple.predicate == "mentions":
                continue
            self._by_subject[triple.subject].append(triple)
            self._by_object[triple.object].append(triple)
            if triple.predicate == "also_known_as":
                _add(self._called[triple.object], triple.subject)

    @classmethod
    def of(cls, graph: Graph) -> Facts:
        """The facts of a store."""
        titles = dict(graph.titles().values())
        names: dict[str, str] = {}
        aliases: list[tuple[str, str]] = []
        for entity in graph.entities():
            names[entity.id] = entity.name
            if entity.id in titles:
                aliases += [(entity.id, alias) for alias in entity.aliases]
        triples = list(graph.triples())
        # a name put together from several mentions is no entity of the store: read it off its sentence
        texts: dict[str, str] = {}
        unnamed = [t for t in triples if t.object not in names or t.subject not in names]
        if unnamed:
            places = {p.id: p.document_id for p in graph.passages()}
            for triple in unnamed:
                document_id = places[triple.passage_id]
                if document_id not in texts:
                    document = graph.document(document_id)
                    texts[document_id] = document.text if document else ""
                sentence = texts[document_id][triple.start : triple.end]
                for end in (triple.subject, triple.object):
                    if end not in names and (found := surface(sentence, end)):
                        names[end] = found
        return cls(triples, titles, names, aliases)

    def name(self, entity_id: str) -> str:
        """How an entity is called for people."""
        return self._names.get(entity_id, entity_id)

    def about(self, entity_id: str) -> list[Triple]:
        """The facts whose subject is this entity."""
        return self._by_subject.get(entity_id, [])

    def pointing_at(self, entity_id: str) -> list[Triple]:
        """The facts whose object is this entity."""
        return self._by_object.get(entity_id, [])

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
        found = [(entity, 1.0) for entity in self._titled.get(wanted, ())]
        if single:
            found = [(e, s) for e, s in found if e == wanted or "," not in self.titles[e]]
        # the full title beats a title that only has it before its bracket
        found.sort(key=lambda pair: pair[0] != wanted)
        found += [(entity, LIKELY) for entity in self._called.get(wanted, ())]
        if not found and not single:
            found = self._nearly(wanted)
        if not single and (wanted in self._by_subject or wanted in self._by_object):
            found.append((wanted, 1.0))
        return found

    def _nearly(self, wanted: str) -> list[tuple[str, float]]:
        """Titles that differ from a name only by an honorific, or by an addition to one of the two."""
        words = wanted.split()
        bare = list(words)
        while len(bare) > 1 and bare[0] in _HONORIFICS:
            bare.pop(0)
        if is_cjk(wanted) or not bare:
            return []
        forms = self._bare_titles.get(" ".join(bare), [])
        if len(bare) > 1 or len(words) > 1:
            if forms:
                return [(entity, LIKELY) for entity in forms]
            for size in range(len(bare) - 1, 1, -1):
                short = " ".join(bare[:size])
                forms = self._bare_titles.get(short, []) if bare[size] in _RANKS else []
                if forms:
                    return [(entity, 0.7) for entity in forms[:2]]
        # "Heraclius II": one document alone is about a name that goes on with "of ..."
        longer = self._longer.get(" ".join(bare), []) if len(bare) > 1 else []
        return [(longer[0], 0.7)] if len(longer) == 1 else []

    @cached_property
    def _bare_titles(self) -> dict[str, list[str]]:
        found: defaultdict[str, list[str]] = defaultdict(list)
        for form, entities in self._titled.items():
            words = form.split()
            while len(words) > 1 and words[0] in _HONORIFICS:
                words.pop(0)
            for entity in entities:
                _add(found[" ".join(words)], entity)
        return dict(found)

    @cached_property
    def _longer(self) -> dict[str, list[str]]:
        found: defaultdict[str, list[str]] = defaultdict(list)
        for form, entities in self._bare_titles.items():
            head, of, _ = form.partition(" of ")
            if of:
                for entity in entities:
                    _add(found[head], entity)
        return dict(found)

    def forms(self) -> list[str]:
        """Every normalised name that `resolve` knows: what a gazetteer over questions should find."""
        known = dict.fromkeys([*self._titled, *self._called, *self._by_subject, *self._by_object])
        return [form for form in known if form]


def surface(sentence: str, entity_id: str) -> str:
    """Where a sentence spells an entity, as it spells it; empty if it does not."""
    words = tokens(sentence)
    wanted = entity_id.split()
    for first in range(len(words) - len(wanted) + 1):
        if [w.text for w in words[first : first + len(wanted)]] == wanted:
            return re.sub(r"\s+", " ", sentence[words[first].start : words[first + len(wanted) - 1].end])
    return ""


def _add(entities: list[str], entity: str) -> None:
    if entity not in entities:
        entities.append(entity)
