"""One document to all that is known of it, from itself alone: passages, names, mentions, triples.

Nothing here depends on another document, so a document can be added, replaced or forgotten by itself and the
store does not depend on the order. What joins documents (a name known from one, found in another) is derived.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from graphs.gazetteer import spoken_forms
from ingest.aliases import aliases
from ingest.names import Name, find_names
from ingest.relations import Line, find_triples, read_lines
from ingest.split import split
from kgrag.text import key
from kgrag.types import Document, Extraction, Mention, Passage, Triple


def extract(documents: Sequence[Document], size: int) -> list[Extraction]:
    """Read documents; ``size`` is the longest passage, in characters (see `ingest.split.split`)."""
    cut = [split(document, size) for document in documents]
    found: dict[str, list[Name]] = {}
    for lang in ("en", "zh"):
        passages = [p for document, ps in zip(documents, cut, strict=True) if document.lang == lang for p in ps]
        for passage, names in zip(passages, find_names([p.text for p in passages], lang), strict=True):
            found[passage.id] = names
    return [_read(document, passages, found) for document, passages in zip(documents, cut, strict=True)]


def lines_of(document: Document) -> Iterator[tuple[int, Line, str]]:
    """The sentences of one document as facts are looked for in them, each with where its passage begins and the entity
    that is its subject: what models of relations are trained on."""
    passages = split(document, 2000)
    names = dict(zip((p.id for p in passages), find_names([p.text for p in passages], document.lang), strict=True))
    about = _About(document, passages, names)
    for passage in passages:
        ids = about.ids(names[passage.id])
        title, subject = about.subject(passage, names[passage.id], ids)
        for line in read_lines(passage, names[passage.id], ids, title, document.lang):
            yield passage.start + line.start, line, subject


def _read(document: Document, passages: Sequence[Passage], found: dict[str, list[Name]]) -> Extraction:
    about = _About(document, passages, found)
    mentions: list[Mention] = []
    triples: list[Triple] = []
    for passage in passages:
        here = found[passage.id]
        ids = about.ids(here)
        for name, entity_id in zip(here, ids, strict=True):
            if entity_id:
                place = passage.start + name.start
                mentions.append(Mention(entity_id, passage.id, place, place + len(name.text), name.type, name.text))
        title, subject = about.subject(passage, here, ids)
        triples += find_triples(passage, here, ids, title=title, title_id=subject, lang=document.lang)
    return Extraction(document, tuple(passages), tuple(dict.fromkeys(about.names)), tuple(mentions), tuple(triples))


class _About:
    """What a document is about, and which of its names are that."""

    def __init__(self, document: Document, passages: Sequence[Passage], found: dict[str, list[Name]]) -> None:
        self.id = key(document.title) or key(document.id)
        self.document = document
        self.titled = document.title, self.id
        own = {key(form): self.id for form in spoken_forms(document.title)}
        self.names = [(self.id, document.title, "MISC")]
        self.names += [(self.id, form, "MISC") for form in spoken_forms(document.title)[1:]]
        read = [n._replace(start=n.start + p.start, end=n.end + p.start) for p in passages[:1] for n in found[p.id]]
        self.names += [(self.id, alias, "MISC") for alias in aliases(document, read)]
        own.update((key(name), self.id) for _, name, _ in self.names)
        self.own = own
        self.people = [words for words in map(str.split, own) if len(words) > 1] if document.lang == "en" else []

    def ids(self, names: Sequence[Name]) -> list[str]:
        """The entities of names, in parallel."""
        return [self.own.get(key(n.text)) or _surname(n, self.people, self.id) or key(n.text) for n in names]

    def subject(self, passage: Passage, names: Sequence[Name], ids: Sequence[str]) -> tuple[str, str]:
        """The title as written and its entity; of a text without a title, the name that it begins with."""
        if passage.start == 0 and not key(self.document.title):
            self.titled = _opening(passage.text, names, ids) or self.titled
        return self.titled


def _opening(text: str, names: Sequence[Name], ids: Sequence[str]) -> tuple[str, str] | None:
    """What a text without a title is about, as it is written and as an entity: the name that it begins with."""
    for name, entity in zip(names[:1], ids, strict=False):
        if text[: name.start].strip(" \n\"'“‘《").lower() in ("", "the", "a", "an") and name.type not in (
            "DATE",
            "GROUP",
        ):
            return name.text, entity
    return None


def _surname(name: Name, people: Sequence[Sequence[str]], title_id: str) -> str:
    """The document's own entity, if a person is called by the end of one of its names ("Alger" for Ross Alger)."""
    called = key(name.text).split()
    ends = any(len(called) < len(words) and words[-len(called) :] == called for words in people)
    return title_id if name.type == "PERSON" and called and ends else ""
