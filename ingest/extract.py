"""One document to all that is known of it, from itself alone: passages, names, mentions, triples.

Nothing here depends on another document, so a document can be added, replaced or forgotten by itself and the
store does not depend on the order. What joins documents (a name known from one, found in another) is derived.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ingest.amounts import amounts
from ingest.names import Name, find_names
from ingest.relations import Line, find_triples, read_lines
from ingest.resolve import Resolver
from ingest.rules import PLAIN, Rules
from ingest.split import split
from kgrag.text import simplified
from kgrag.types import Document, Extraction, Mention, Passage, Triple


def extract(documents: Sequence[Document], size: int, rules: Rules = PLAIN) -> list[Extraction]:
    """Read documents; ``size`` is the longest passage, in characters (see `ingest.split.split`)."""
    originals = documents, [split(document, size) for document in documents]
    documents, cut = map(list, zip(*map(_plain, *originals), strict=True)) if documents else ([], [])
    found: dict[str, list[Name]] = {}
    for lang in ("en", "zh"):
        passages = [p for document, ps in zip(documents, cut, strict=True) if document.lang == lang for p in ps]
        for passage, names in zip(passages, find_names([p.text for p in passages], lang), strict=True):
            found[passage.id] = names
    read = [_read(document, passages, found, rules) for document, passages in zip(documents, cut, strict=True)]
    return [_as_written(*three) for three in zip(read, *originals, strict=True)]


def _plain(document: Document, passages: Sequence[Passage]) -> tuple[Document, Sequence[Passage]]:
    """A document in simplified characters, in which the patterns and the tagger are; no longer and no shorter."""
    text = simplified(document.text)
    if document.lang != "zh" or text == document.text:
        return document, passages
    plain = replace(document, title=simplified(document.title), text=text)
    return plain, [replace(p, text=text[p.start : p.end]) for p in passages]


def _as_written(read: Extraction, document: Document, passages: Sequence[Passage]) -> Extraction:
    """What was read of a document in simplified characters, as the document spells it."""
    if read.document is document:
        return read
    mentions = tuple(replace(m, surface=document.text[m.start : m.end]) for m in read.mentions)
    entity, _, kind = read.names[0]
    names = ((entity, document.title, kind), *(name for name in read.names[1:] if name[1] != read.document.title))
    return Extraction(document, tuple(passages), names, mentions, read.triples)


def lines_of(document: Document) -> Iterator[tuple[int, Line, str]]:
    """The sentences of one document as facts are looked for in them, each with where its passage begins and the entity
    that is its subject: what models of relations are trained on."""
    passages = split(document, 2000)
    names = dict(zip((p.id for p in passages), find_names([p.text for p in passages], document.lang), strict=True))
    resolver = Resolver(document, passages, names)
    for passage in passages:
        here = resolver.found[passage.id]
        ids = resolver.ids(here)
        title, subject = resolver.subject(passage, here, ids)
        for line in read_lines(passage, here, ids, title, document.lang):
            yield passage.start + line.start, line, subject


def _read(
    document: Document, passages: Sequence[Passage], found: dict[str, list[Name]], rules: Rules = PLAIN
) -> Extraction:
    resolver = Resolver(document, passages, found, rules.apart)
    mentions: list[Mention] = []
    triples: list[Triple] = []
    for passage in passages:
        here = resolver.found[passage.id]
        ids = resolver.ids(here)
        for name, entity_id in zip(here, ids, strict=True):
            if entity_id:
                place = passage.start + name.start
                mentions.append(Mention(entity_id, passage.id, place, place + len(name.text), name.type, name.text))
        title, subject = resolver.subject(passage, here, ids)
        stated = find_triples(
            passage, here, ids, title=title, title_id=subject, lang=document.lang, extra=rules.predicates
        )
        triples += stated
        mentions += amounts(passage, stated, rules.predicates)
    return Extraction(document, tuple(passages), tuple(resolver.names), tuple(mentions), tuple(triples))
