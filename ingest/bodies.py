"""Which names of one document are one body or work: an acronym by its letters, "the Fund" for the one fund it names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from ingest.acronyms import initials
from ingest.names import Name
from ingest.patterns import word_set
from ingest.persons import Joined
from kgrag.text import key


def bodies(every: Sequence[Name], subject: str, known: Mapping[str, str]) -> Joined:
    """Acronyms that nothing declares, bodies without the word that says what they are ("Blue Note" for "Blue Note
    Records"), and that word by itself, with a capital; each only where one name alone can be meant.

    Args:
        every: the names of the document.
        subject: the entity that the document is about.
        known: names that have an entity already.
    """
    bare, alone = word_set("bodies"), word_set("kinds") | word_set("bodies")
    found: Joined = dict(known)
    spelt = {key(name.text): name for name in reversed(every)}
    by_initials: defaultdict[str, set[str]] = defaultdict(set)
    by_kind: defaultdict[str, set[str]] = defaultdict(set, {subject.split(" ")[-1]: {subject}})
    by_head: defaultdict[str, set[str]] = defaultdict(set)
    for plain, name in spelt.items():
        entity = found.get(plain, plain)
        for letters in initials(name.text):
            by_initials[letters].add(entity)
        head, _, last = plain.rpartition(" ")
        if head:
            by_kind[last].add(entity)
            if last in bare and name.type != "PERSON":
                by_head[head].add(entity)
    for plain, name in spelt.items():
        if found.get(plain) == subject and name.text.isupper():
            for full in by_initials.get(name.text, ()):
                found.setdefault(full, subject)  # the document is about the acronym, and says what it stands for
        if plain in found:
            continue
        letters = name.text.replace(".", "")
        meant: set[str] = set()
        if plain in alone:
            meant = by_kind[plain] - {plain}
            meant = {subject} if subject in meant else meant
        elif len(letters) > 1 and letters.isupper():
            meant = by_initials.get(letters, meant)
        if not meant and name.type not in ("PLACE", "PERSON"):
            meant = by_head.get(plain, meant)
        if len(meant) == 1:
            found[plain] = next(iter(meant))
    return found
