"""Resolve the names of one document: aliases of its subject, parts of persons' names, short names.

By default a name's entity is its normalised form (`kgrag.text.normalize_name`; dates and countries have one form each).
A shorter name gets the entity of the only longer name in the document that it can stand for; if there are two, it
stays unresolved. Names across documents are merged later by `graphs.merging.rules`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from graphs.gazetteer import COMMON_WORDS, short_forms
from graphs.merging.person_names import name_parts
from graphs.predicates import load_predicate_schema
from ingest.entities.acronyms import declared_acronyms
from ingest.entities.aliases import find_aliases
from ingest.entities.organisations import resolve_organisations
from ingest.entities.persons import resolve_persons
from ingest.entities.recognition import RecognizedEntity
from kgrag.text import has_cjk, normalize_name
from kgrag.text.dates import CALENDAR_WORDS
from kgrag.types import VALUE_TYPES, Document, Passage

NamesByPassage = Mapping[str, Sequence[RecognizedEntity]]
NamePairs = Collection[frozenset[str]]
"""Pairs of normalised names that must not be merged."""
_LOCATIVE_PREPOSITION = re.compile(r"\b(?:[Ii]n|[Aa]t|[Nn]ear) $")
_LOWERCASE_WORD = re.compile(r"(?<![^\W_])[a-z][^\W_]*")


class EntityResolver:
    """Resolver of the names of one document.

    Attributes:
        declared_names: names that the document declares, as (entity id, name, type): its title first, then its
            subject's aliases, then short names of others.
        names_by_passage: names of each passage, including repetitions of names recognised elsewhere in the document.

    Args:
        document: the document.
        passages: its passages, in order.
        names_by_passage: names by passage id, with offsets into the passage's text.
        never_merge: pairs that the user keeps separate.
    """

    def __init__(
        self,
        document: Document,
        passages: Sequence[Passage],
        names_by_passage: NamesByPassage,
        never_merge: NamePairs = (),
    ) -> None:
        self.subject_id = normalize_name(document.title) or normalize_name(document.id)
        self._document, self._never_merge = document, never_merge
        self._title_and_id = document.title, self.subject_id
        forms = short_forms(document.title)
        opening_names = [
            n._replace(start=n.start + p.start, end=n.end + p.start)
            for p in passages[:1]
            for n in names_by_passage[p.id]
        ]
        forms = list(dict.fromkeys(forms + find_aliases(document, opening_names)))
        self._entity_by_name: dict[str, str] = {}
        self._assign_entities(
            {
                form: self.subject_id
                for name in forms
                for form in (normalize_name(name), normalize_name(name).removeprefix("the "))
            }
        )
        demonyms = load_predicate_schema().demonyms
        passages_with_names = [
            (p, n)
            for p in passages
            for n in names_by_passage[p.id]
            if n.type not in VALUE_TYPES and normalize_name(n.text) not in demonyms
        ]
        all_names = [name for _, name in passages_with_names]
        self._assign_entities(
            resolve_persons(
                all_names,
                self.subject_id,
                forms,
                {self.subject_id: self.subject_id, **self._entity_by_name},
                {normalize_name(n.text) for p, n in passages_with_names if _is_used_as_place(p, n)},
            )
        )
        full_name_by_acronym = declared_acronyms(document.text, all_names)
        for name, full in full_name_by_acronym.items():
            entity = self._entity_by_name.get(normalize_name(full), normalize_name(full))
            self._assign_entities(
                {normalize_name(full): self.subject_id}
                if normalize_name(name) == self.subject_id
                else {normalize_name(name): entity}
            )
        self._assign_entities(
            resolve_organisations(
                all_names, self.subject_id, {self.subject_id: self.subject_id, **self._entity_by_name}
            )
        )
        declared_forms = [(self.subject_id, form, "MISC") for form in forms]
        declared_forms += [
            (self._entity_by_name[normalize_name(n)], n, "MISC")
            for pair in full_name_by_acronym.items()
            for n in pair
            if normalize_name(n) in self._entity_by_name
        ]
        self.declared_names = list(dict.fromkeys(declared_forms))
        searched_names = self._names_to_search(all_names, [*forms, *full_name_by_acronym])
        self.names_by_passage = {
            p.id: _add_repeated_names(p.text, names_by_passage[p.id], searched_names) for p in passages
        }

    def entity_ids(self, names: Sequence[RecognizedEntity]) -> list[str]:
        """Return the entity ids of names, in parallel."""
        schema = load_predicate_schema()
        return [self._entity_by_name.get(normalize_name(n.text)) or schema.entity_id(n.text, n.type) for n in names]

    def document_subject(
        self, passage: Passage, names: Sequence[RecognizedEntity], entity_ids: Sequence[str]
    ) -> tuple[str, str]:
        """Return the title as written and its entity; for a text without title, the name that it begins with."""
        if passage.start == 0 and not normalize_name(self._document.title):
            self._title_and_id = _opening_name(passage.text, names, entity_ids) or self._title_and_id
        return self._title_and_id

    def _assign_entities(self, entity_by_name: Mapping[str, str]) -> None:
        """Assign entities to names, except to names that have one and pairs in ``never_merge``."""
        for name, entity in entity_by_name.items():
            if name and name not in (entity, self.subject_id) and frozenset((name, entity)) not in self._never_merge:
                self._entity_by_name.setdefault(name, entity)

    def _names_to_search(self, all_names: Sequence[RecognizedEntity], forms: Iterable[str]) -> list[RecognizedEntity]:
        """Return the names to search for in the whole document, longest first."""
        type_by_spelling = {form: "MISC" for form in forms}
        for name in all_names:
            last_word = name.text.split()[-1]
            if (
                name.type == "PERSON"
                and last_word != name.text
                and normalize_name(last_word) in self._entity_by_name
                and len(name_parts(name.text)) > 1
            ):
                type_by_spelling.setdefault(last_word, "PERSON")
        type_by_spelling |= {name.text: name.type for name in all_names}
        lowercase_words = set(_LOWERCASE_WORD.findall(self._document.text))
        searched_names = []
        for spelling in sorted(type_by_spelling, key=lambda s: (-len(s), s)):
            normalized = normalize_name(spelling)
            if len(spelling) < 3 or not (spelling[0].isupper() or has_cjk(spelling)):
                continue
            # a word that also occurs in lower case is a name only where the recogniser finds it
            if " " in normalized or not (
                normalized in COMMON_WORDS or normalized in CALENDAR_WORDS or spelling.lower() in lowercase_words
            ):
                searched_names.append(RecognizedEntity(spelling, 0, 0, type_by_spelling[spelling]))
        return searched_names


def _is_used_as_place(passage: Passage, name: RecognizedEntity) -> bool:
    """Whether the text uses a name as a place ("in", "at" or "near" it)."""
    return _LOCATIVE_PREPOSITION.search(passage.text, max(0, name.start - 6), name.start) is not None


def _add_repeated_names(
    text: str, names: Sequence[RecognizedEntity], searched_names: Sequence[RecognizedEntity]
) -> list[RecognizedEntity]:
    """Return the names of a passage with the occurrences of ``searched_names`` between them, ordered."""
    repeated_names: list[RecognizedEntity] = []
    taken_chars = bytearray(len(text))
    for name in names:
        taken_chars[name.start : name.end] = b"\1" * (name.end - name.start)
    for name in searched_names:
        start = text.find(name.text)
        while start >= 0:
            end = start + len(name.text)
            is_whole_word = has_cjk(name.text) or not (
                text[max(0, start - 1) : start].isalnum() or text[end : end + 1].isalnum()
            )
            if is_whole_word and not any(taken_chars[start:end]):
                taken_chars[start:end] = b"\1" * (end - start)
                repeated_names.append(name._replace(start=start, end=end))
            start = text.find(name.text, end)
    return sorted([*names, *repeated_names], key=lambda n: n.start) if repeated_names else list(names)


def _opening_name(text: str, names: Sequence[RecognizedEntity], entity_ids: Sequence[str]) -> tuple[str, str] | None:
    """Return the name that begins a text without title, as written and as an entity id, or None."""
    for name, entity in zip(names[:1], entity_ids, strict=False):
        preceding_text = text[: name.start].strip(" \n\"'“‘《").lower()
        if preceding_text in ("", "the", "a", "an") and name.type not in ("DATE", "GROUP"):
            return name.text, entity
    return None
