"""Which names of one document are one thing: its subject's other names, parts of a person's name, short names of bodies.

A name by itself is the entity of its normalised form (`kgrag.text.key`; dates and countries have one form each). Here
a document's shorter names get the entity of the one longer name in it that they can stand for; where two could be
meant, none is. What other documents call the same thing is not known here: `graphs/merges.py` joins that.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from graphs.gazetteer import COMMON, spoken_forms
from graphs.people import parts
from ingest.acronyms import declared
from ingest.aliases import aliases
from ingest.bodies import bodies
from ingest.names import MONTHS, Name
from ingest.patterns import vocabulary
from ingest.persons import persons
from kgrag.text import is_cjk, key
from kgrag.types import VALUES, Document, Passage

Found = Mapping[str, Sequence[Name]]
Pairs = Collection[frozenset[str]]
"""Pairs of normalised names that are never one thing."""
_AT = re.compile(r"\b(?:[Ii]n|[Aa]t|[Nn]ear) $")
_SMALL = re.compile(r"(?<![^\W_])[a-z][^\W_]*")


class Resolver:
    """The names of one document.

    ``names`` are what the document declares, as (entity id, name, type): its title first, then what else its subject
    is called, then short names of others. ``found`` has the names of each passage, with those that only another place
    of the document shows to be names.

    Args:
        document, passages: the document and its passages, in order.
        found: passage id -> its names, with offsets into the passage's text.
        apart: pairs that a user keeps apart.
    """

    def __init__(self, document: Document, passages: Sequence[Passage], found: Found, apart: Pairs = ()) -> None:
        self.id = key(document.title) or key(document.id)
        self._document, self._apart = document, apart
        self._titled = document.title, self.id
        forms = spoken_forms(document.title)
        read = [n._replace(start=n.start + p.start, end=n.end + p.start) for p in passages[:1] for n in found[p.id]]
        forms = list(dict.fromkeys(forms + aliases(document, read)))
        self._one: dict[str, str] = {}
        self._join({form: self.id for name in forms for form in (key(name), key(name).removeprefix("the "))})
        peoples = vocabulary().peoples
        here = [(p, n) for p in passages for n in found[p.id] if n.type not in VALUES and key(n.text) not in peoples]
        every = [name for _, name in here]
        self._join(
            persons(
                every, self.id, forms, {self.id: self.id, **self._one}, {key(n.text) for p, n in here if _placed(p, n)}
            )
        )
        short = declared(document.text, every)
        for name, full in short.items():
            entity = self._one.get(key(full), key(full))
            self._join({key(full): self.id} if key(name) == self.id else {key(name): entity})
        self._join(bodies(every, self.id, {self.id: self.id, **self._one}))
        known = [(self.id, form, "MISC") for form in forms]
        known += [(self._one[key(n)], n, "MISC") for pair in short.items() for n in pair if key(n) in self._one]
        self.names = list(dict.fromkeys(known))
        again = self._again(every, [*forms, *short])
        self.found = {p.id: _with(p.text, found[p.id], again) for p in passages}

    def ids(self, names: Sequence[Name]) -> list[str]:
        """The entities of names, in parallel."""
        known = vocabulary()
        return [self._one.get(key(n.text)) or known.entity(n.text, n.type) for n in names]

    def subject(self, passage: Passage, names: Sequence[Name], ids: Sequence[str]) -> tuple[str, str]:
        """The title as written and its entity; of a text without a title, the name that it begins with."""
        if passage.start == 0 and not key(self._document.title):
            self._titled = _opening(passage.text, names, ids) or self._titled
        return self._titled

    def _join(self, joined: Mapping[str, str]) -> None:
        """Give names their entities, but those that have one and those that a user keeps apart."""
        for name, entity in joined.items():
            if name and name not in (entity, self.id) and frozenset((name, entity)) not in self._apart:
                self._one.setdefault(name, entity)

    def _again(self, every: Sequence[Name], forms: Iterable[str]) -> list[Name]:
        """What is looked for in the whole document since it is a name somewhere in it, longest first."""
        known = {form: "MISC" for form in forms}
        for name in every:
            last = name.text.split()[-1]
            if name.type == "PERSON" and last != name.text and key(last) in self._one and len(parts(name.text)) > 1:
                known.setdefault(last, "PERSON")
        known |= {name.text: name.type for name in every}
        small = set(_SMALL.findall(self._document.text))
        wanted = []
        for spelling in sorted(known, key=lambda s: (-len(s), s)):
            plain = key(spelling)
            if len(spelling) < 3 or not (spelling[0].isupper() or is_cjk(spelling)):
                continue
            # a word that the text also has in small letters is a name only where the recogniser says so
            if " " in plain or not (plain in COMMON or plain in MONTHS or spelling.lower() in small):
                wanted.append(Name(spelling, 0, 0, known[spelling]))
        return wanted


def _placed(passage: Passage, name: Name) -> bool:
    """Whether a text speaks of a name as of a place."""
    return _AT.search(passage.text, max(0, name.start - 6), name.start) is not None


def _with(text: str, names: Sequence[Name], again: Sequence[Name]) -> list[Name]:
    """The names of a passage and those of ``again`` that stand between them."""
    more: list[Name] = []
    taken = bytearray(len(text))
    for name in names:
        taken[name.start : name.end] = b"\1" * (name.end - name.start)
    for name in again:
        start = text.find(name.text)
        while start >= 0:
            end = start + len(name.text)
            alone = is_cjk(name.text) or not (
                text[max(0, start - 1) : start].isalnum() or text[end : end + 1].isalnum()
            )
            if alone and not any(taken[start:end]):
                taken[start:end] = b"\1" * (end - start)
                more.append(name._replace(start=start, end=end))
            start = text.find(name.text, end)
    return sorted([*names, *more], key=lambda n: n.start) if more else list(names)


def _opening(text: str, names: Sequence[Name], ids: Sequence[str]) -> tuple[str, str] | None:
    """What a text without a title is about, as it is written and as an entity: the name that it begins with."""
    for name, entity in zip(names[:1], ids, strict=False):
        before = text[: name.start].strip(" \n\"'“‘《").lower()
        if before in ("", "the", "a", "an") and name.type not in ("DATE", "GROUP"):
            return name.text, entity
    return None
