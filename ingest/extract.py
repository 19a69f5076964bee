"""One document to all that is known of it, from itself alone: passages, names, mentions, triples.

Nothing here depends on another document, so a document can be added, replaced or forgotten by itself and the
store does not depend on the order. What joins documents (a name known from one, found in another) is derived.
"""

from __future__ import annotations

from collections.abc import Sequence

from graphs.gazetteer import spoken_forms
from ingest.aliases import aliases
from ingest.names import Name, find_names
from ingest.relations import find_triples
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


def _read(document: Document, passages: Sequence[Passage], found: dict[str, list[Name]]) -> Extraction:
    title_id = key(document.title) or key(document.id)
    own = {key(form): title_id for form in spoken_forms(document.title)}
    names = [(title_id, document.title, "MISC")]
    names += [(title_id, form, "MISC") for form in spoken_forms(document.title)[1:]]
    read = [n._replace(start=n.start + p.start, end=n.end + p.start) for p in passages[:1] for n in found[p.id]]
    names += [(title_id, alias, "MISC") for alias in aliases(document, read)]
    own.update((key(name), title_id) for _, name, _ in names)
    people = [words for words in map(str.split, own) if len(words) > 1] if document.lang == "en" else []
    mentions: list[Mention] = []
    triples: list[Triple] = []
    for passage in passages:
        here = found[passage.id]
        ids = [own.get(key(name.text)) or _surname(name, people, title_id) or key(name.text) for name in here]
        for name, entity_id in zip(here, ids, strict=True):
            if entity_id:
                place = passage.start + name.start
                mentions.append(Mention(entity_id, passage.id, place, place + len(name.text), name.type, name.text))
        triples += find_triples(passage, here, ids, title=document.title, title_id=title_id, lang=document.lang)
    return Extraction(document, tuple(passages), tuple(dict.fromkeys(names)), tuple(mentions), tuple(triples))


def _surname(name: Name, people: Sequence[Sequence[str]], title_id: str) -> str:
    """The document's own entity, if a person is called by the end of one of its names ("Alger" for Ross Alger)."""
    called = key(name.text).split()
    ends = any(len(called) < len(words) and words[-len(called) :] == called for words in people)
    return title_id if name.type == "PERSON" and called and ends else ""
