"""One document to all that is known of it, from itself alone: passages, names, mentions, triples.

Nothing here depends on another document, so a document can be added, replaced or forgotten by itself and the
store does not depend on the order. What joins documents (a name known from one, found in another) is derived.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped, unused-ignore]

from ingest.amounts import amounts
from ingest.names import Name, find_names
from ingest.relate import StatesOf
from ingest.relations import Line, find_triples, read_lines
from ingest.resolve import Resolver
from ingest.rules import PLAIN, Rules
from ingest.split import split
from ingest.states import States, read_states
from kgrag.protocols import Matrix
from kgrag.text import simplified
from kgrag.types import Document, Extraction, Mention, Passage, Triple


def extract(documents: Sequence[Document], size: int, rules: Rules = PLAIN) -> list[Extraction]:
    """Read documents; ``size`` is the longest passage, in characters (see `ingest.split.split`)."""
    return read(documents, size, rules, vectors=False)[0]


def read(
    documents: Sequence[Document], size: int, rules: Rules = PLAIN, *, vectors: bool
) -> tuple[list[Extraction], Matrix | None]:
    """Read documents, and with ``vectors`` give what `kgrag.embed.READER` makes of their passages, in order, as well:
    (passages, dimensions). It reads the English ones in any case."""
    originals = documents, [split(document, size) for document in documents]
    seen = _Seen(*originals, all_=vectors)
    documents, cut = map(list, zip(*map(_plain, *originals), strict=True)) if documents else ([], [])
    found: dict[str, list[Name]] = {}
    for lang in ("en", "zh"):
        passages = [p for document, ps in zip(documents, cut, strict=True) if document.lang == lang for p in ps]
        for passage, names in zip(passages, find_names([p.text for p in passages], lang), strict=True):
            found[passage.id] = names
    with threadpool_limits(1):  # small products: no faster with more, and the same bits here as in a worker
        made = [_read(*one, found, seen, rules) for one in zip(documents, cut, strict=True)]
    read = [_as_written(*three) for three in zip(made, *originals, strict=True)]
    rows = np.array(seen.vectors, np.float32) if seen.vectors else np.zeros((0, 0), np.float32)
    return read, rows if vectors else None


class _Seen:
    """The states of the words of English passages, of one passage after the other; and the vectors of those before.

    Args:
        all_: look at passages in other languages, too, for their vectors.
    """

    def __init__(self, documents: Sequence[Document], cut: Sequence[Sequence[Passage]], *, all_: bool) -> None:
        self._all = all_
        self.vectors: list[Matrix] = []
        both = ((d, p) for d, ps in zip(documents, cut, strict=True) for p in ps if all_ or d.lang == "en")
        self._reading = read_states((d.title, p.text) for d, p in both)

    def next_(self, lang: str) -> States | None:
        """Of the next passage, which is in the language ``lang``; None if it is not English."""
        if lang != "en" and not self._all:
            return None
        vector, states = next(self._reading)
        self.vectors.append(vector)
        return states if lang == "en" else None


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


def lines_of(documents: Sequence[Document]) -> Iterator[tuple[int, int, Line, str, StatesOf]]:
    """The sentences of documents as facts are looked for in them: what models of relations are trained on.

    Of each: which document it is of, where its passage begins in it, its entity that is the subject, and its states.
    """
    cut = [split(document, 2000) for document in documents]
    seen = _Seen(documents, cut, all_=False)
    for number, (document, passages) in enumerate(zip(documents, cut, strict=True)):
        names = dict(zip((p.id for p in passages), find_names([p.text for p in passages], document.lang), strict=True))
        resolver = Resolver(document, passages, names)
        for passage in passages:
            here = resolver.found[passage.id]
            ids = resolver.ids(here)
            title, subject = resolver.subject(passage, here, ids)
            if (states := seen.next_(document.lang)) is None:
                continue
            for line in read_lines(passage, here, ids, title, document.lang):
                yield number, passage.start + line.start, line, subject, partial(states.of, line.start)


def _read(
    document: Document,
    passages: Sequence[Passage],
    found: dict[str, list[Name]],
    seen: _Seen,
    rules: Rules,
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
            passage,
            here,
            ids,
            title=title,
            title_id=subject,
            lang=document.lang,
            states=seen.next_(document.lang),
            extra=rules.predicates,
        )
        triples += stated
        mentions += amounts(passage, stated, rules.predicates)
    return Extraction(document, tuple(passages), tuple(resolver.names), tuple(mentions), tuple(triples))
