"""One document to all that is known of it, from itself alone: passages, names, mentions, triples.

Nothing here depends on another document, so a document can be added, replaced or forgotten by itself and the
store does not depend on the order. What joins documents (a name known from one, found in another) is derived.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from graphs.gazetteer import spoken_forms
from ingest.names import Name, find_names
from ingest.relations import find_triples
from ingest.split import split
from kgrag.text import key
from kgrag.types import Document, Extraction, Mention, Passage, Triple

_ALIAS = re.compile(
    r"^\s*[（(]\s*(?:(?:also\s+)?(?:known|called)\s+as\s+|简称|又称|又名|亦称|英文?[名:：]*\s*)?[“\"「]?([^（()）,，;；:：“”\"「」]{2,40})"
)
_LETTERED = re.compile(r"[^\W\d_]")


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
    names += [(title_id, alias, "MISC") for alias in _aliases(document, own)]
    own.update((key(name), title_id) for _, name, _ in names)
    mentions: list[Mention] = []
    triples: list[Triple] = []
    for passage in passages:
        here = found[passage.id]
        ids = [own.get(key(name.text), key(name.text)) for name in here]
        for name, entity_id in zip(here, ids, strict=True):
            if entity_id:
                place = passage.start + name.start
                mentions.append(Mention(entity_id, passage.id, place, place + len(name.text), name.type, name.text))
        triples += find_triples(passage, here, ids, title=document.title, title_id=title_id, lang=document.lang)
    return Extraction(document, tuple(passages), tuple(dict.fromkeys(names)), tuple(mentions), tuple(triples))


def _aliases(document: Document, own: dict[str, str]) -> list[str]:
    """Other names that the text gives in brackets right after the title: "Title (TLA)", 标题（简称某某）."""
    aliases = []
    head = document.text[:600]
    for form in spoken_forms(document.title):
        for match in re.finditer(re.escape(form), head):
            alias = _ALIAS.match(head, match.end())
            if alias:
                name = alias.group(1).strip()
                capital = name[:1].isupper() or not name.isascii()
                if capital and _LETTERED.search(name) and key(name) not in own and not re.search(r"\d", name):
                    aliases.append(name)
    return list(dict.fromkeys(aliases))
