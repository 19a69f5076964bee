"""Extract passages, names, mentions and triples from documents, each from its own text alone.

No document depends on another, so each can be added, replaced or forgotten separately, and the store does not depend
on their order. Links between documents (a name known from one and found in another) are derived data.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped, unused-ignore]

from ingest.entities.recognition import RecognizedEntity, recognize_entities
from ingest.entities.resolution import EntityResolver
from ingest.extraction_config import DEFAULT, ExtractionConfig
from ingest.prose import (
    CODE,
    NOT_SENTENCES,
    DocumentKind,
    blank_spans,
    blank_unnamed_sentences,
    block_spans,
    document_kind,
)
from ingest.relations.classifier import SpanStatesFn
from ingest.relations.pattern_extractor import SentenceContext, extract_triples, sentence_contexts
from ingest.relations.quantity_mentions import quantity_mentions
from ingest.relations.sentence_facts import trusted_facts
from ingest.relations.token_states import PassageStates, encode_token_states
from ingest.splitter import split_document
from ingest.structure.facts import extract_structure
from ingest.structure.rows import header_spans
from ingest.structure.terms import names_nothing
from kgrag.protocols import Matrix
from kgrag.text import to_simplified
from kgrag.tree import BlockKind, DocumentTree
from kgrag.types import Document, Extraction, Mention, Passage, Triple


def extract_documents(
    documents: Sequence[Document], passage_size: int, config: ExtractionConfig = DEFAULT
) -> list[Extraction]:
    """Extract documents.

    Args:
        documents: the documents.
        passage_size: maximum passage length in characters (see `ingest.splitter.split_document`).
        config: user settings for the extraction.
    """
    return extract_with_vectors(documents, passage_size, config, with_vectors=False)[0]


def extract_with_vectors(
    documents: Sequence[Document], passage_size: int, config: ExtractionConfig = DEFAULT, *, with_vectors: bool
) -> tuple[list[Extraction], Matrix | None]:
    """Extract documents and, on request, return the vectors of their passages.

    The encoder reads the English passages in any case, for the relation classifier.

    Args:
        documents: the documents.
        passage_size: maximum passage length in characters (see `ingest.splitter.split_document`).
        config: user settings for the extraction.
        with_vectors: return the passages' vectors from `kgrag.embedders.load_token_encoder`, too.

    Returns:
        The extractions, and the vectors (passages, dimensions) in passage order, or None.
    """
    originals = documents, [split_document(document, passage_size) for document in documents]
    token_states = _TokenStateStream(*originals, all_languages=with_vectors)
    documents, passages_by_document = (
        map(list, zip(*map(_simplify_document, *originals), strict=True)) if documents else ([], [])
    )
    names_by_passage: dict[str, list[RecognizedEntity]] = {}
    for lang in ("en", "zh"):
        of_language = [pair for pair in zip(documents, passages_by_document, strict=True) if pair[0].lang == lang]
        passages = [passage for _, ps in of_language for passage in ps]
        trees = [document.tree for document, ps in of_language for _ in ps]
        texts, tagged_texts = zip(*map(_readable_texts, passages, trees), strict=True) if passages else ((), ())
        recognized = recognize_entities(texts, lang, tagged_texts)
        for passage, tree, names in zip(passages, trees, recognized, strict=True):
            is_structured = bool(tree.blocks)
            names_by_passage[passage.id] = [n for n in names if not (is_structured and names_nothing(n.text))]
    with threadpool_limits(1):  # small products gain nothing from threads; one gives the same bits as a worker
        extractions = [
            _extract_document(document, passages, names_by_passage, token_states, config)
            for document, passages in zip(documents, passages_by_document, strict=True)
        ]
    restored = [_restore_original_script(*parts) for parts in zip(extractions, *originals, strict=True)]
    vector_matrix = np.array(token_states.vectors, np.float32) if token_states.vectors else np.zeros((0, 0), np.float32)
    return restored, vector_matrix if with_vectors else None


def _readable_texts(passage: Passage, tree: DocumentTree) -> tuple[str, str]:
    """Return a passage's text without its code, and what the tagger of names reads of it."""
    if not tree.blocks:
        return passage.text, passage.text
    text = blank_spans(passage.text, sorted(block_spans(tree, passage, CODE) + _header_label_spans(passage, tree)))
    return text, blank_unnamed_sentences(blank_spans(text, block_spans(tree, passage, NOT_SENTENCES)))


def _header_label_spans(passage: Passage, tree: DocumentTree) -> list[tuple[int, int]]:
    """Return the spans of header labels in the table rows of a passage: they are no names."""
    return [
        (block.start - passage.start + start, block.start - passage.start + end)
        for block in tree.blocks_between(passage.start, passage.end)
        if block.kind is BlockKind.ROW and block.label and passage.start <= block.start and block.end <= passage.end
        for start, end in header_spans(
            passage.text[block.start - passage.start : block.end - passage.start], block.label
        )
    ]


class _TokenStateStream:
    """Stream of the token states of English passages, one passage at a time; collects their vectors.

    Args:
        documents: the documents.
        passages_by_document: their passages, in parallel.
        all_languages: encode passages in other languages, too, for their vectors.
    """

    def __init__(
        self, documents: Sequence[Document], passages_by_document: Sequence[Sequence[Passage]], *, all_languages: bool
    ) -> None:
        self._all_languages = all_languages
        self.vectors: list[Matrix] = []
        encoded_passages = (
            (d, p)
            for d, ps in zip(documents, passages_by_document, strict=True)
            for p in ps
            if all_languages or d.lang == "en"
        )
        self._encodings = encode_token_states((p.context(d.title), p.text) for d, p in encoded_passages)

    def next_states(self, lang: str) -> PassageStates | None:
        """Return the states of the next passage, which is in the language ``lang``; None if it is not English."""
        if lang != "en" and not self._all_languages:
            return None
        vector, states = next(self._encodings)
        self.vectors.append(vector)
        return states if lang == "en" else None


def _simplify_document(document: Document, passages: Sequence[Passage]) -> tuple[Document, Sequence[Passage]]:
    """Convert a document to simplified characters, which patterns and tagger expect; lengths do not change."""
    text = to_simplified(document.text)
    if document.lang != "zh" or text == document.text:
        return document, passages
    simplified_document = replace(document, title=to_simplified(document.title), text=text)
    return simplified_document, [replace(p, text=text[p.start : p.end]) for p in passages]


def _restore_original_script(extraction: Extraction, document: Document, passages: Sequence[Passage]) -> Extraction:
    """Replace simplified characters in an extraction by the document's own spelling."""
    if extraction.document is document:
        return extraction
    mentions = tuple(replace(m, surface=document.text[m.start : m.end]) for m in extraction.mentions)
    entity, _, kind = extraction.names[0]
    names = (
        (entity, document.title, kind),
        *(name for name in extraction.names[1:] if name[1] != extraction.document.title),
    )
    return Extraction(document, tuple(passages), names, mentions, extraction.triples)


def iter_training_sentences(
    documents: Sequence[Document],
) -> Iterator[tuple[int, int, SentenceContext, str, SpanStatesFn]]:
    """Yield sentences in the form used for extraction, to train relation models.

    Yields:
        For each sentence: the index of its document, its offset in the document, its context, its subject's entity id,
        and a function that returns the states of its spans.
    """
    passages_by_document = [split_document(document, 2000) for document in documents]
    token_states = _TokenStateStream(documents, passages_by_document, all_languages=False)
    for document_index, (document, passages) in enumerate(zip(documents, passages_by_document, strict=True)):
        names = dict(
            zip((p.id for p in passages), recognize_entities([p.text for p in passages], document.lang), strict=True)
        )
        resolver = EntityResolver(document, passages, names)
        for passage in passages:
            passage_names = resolver.names_by_passage[passage.id]
            entity_ids = resolver.entity_ids(passage_names)
            title, subject_id = resolver.document_subject(passage, passage_names, entity_ids)
            if (states := token_states.next_states(document.lang)) is None:
                continue
            for context in sentence_contexts(passage, passage_names, entity_ids, title, document.lang):
                yield (
                    document_index,
                    passage.start + context.start,
                    context,
                    subject_id,
                    partial(states.span_means, context.start),
                )


def _extract_document(
    document: Document,
    passages: Sequence[Passage],
    names_by_passage: dict[str, list[RecognizedEntity]],
    token_states: _TokenStateStream,
    config: ExtractionConfig,
) -> Extraction:
    resolver = EntityResolver(document, passages, names_by_passage, config.never_merge)
    mentions: list[Mention] = []
    triples: list[Triple] = []
    kind = document_kind(document)
    for passage in passages:
        passage_names = resolver.names_by_passage[passage.id]
        entity_ids = resolver.entity_ids(passage_names)
        states = token_states.next_states(document.lang)
        for name, entity_id in zip(passage_names, entity_ids, strict=True):
            if entity_id:
                mention_start = passage.start + name.start
                mentions.append(
                    Mention(entity_id, passage.id, mention_start, mention_start + len(name.text), name.type, name.text)
                )
        title, subject_id = resolver.document_subject(passage, passage_names, entity_ids)
        passage_triples = extract_triples(
            passage,
            passage_names,
            entity_ids,
            title=title,
            title_id=subject_id,
            lang=document.lang,
            states=states if kind is DocumentKind.ARTICLE else None,
            user_predicates=config.predicates_toml,
            skipped_spans=block_spans(document.tree, passage, NOT_SENTENCES),
            is_selective=bool(document.tree.blocks),
        )
        types = {
            entity: name.type for name, entity in zip(passage_names, entity_ids, strict=True) if name.type != "MISC"
        }
        passage_triples = trusted_facts(passage_triples, kind, subject_id, types, config.predicates_toml)
        triples += passage_triples
        mentions += quantity_mentions(passage, passage_triples, config.predicates_toml)
    structure = extract_structure(document, passages, resolver.subject_id)
    return Extraction(
        document,
        tuple(passages),
        tuple(dict.fromkeys((*resolver.declared_names, *structure.names))),
        tuple(dict.fromkeys((*mentions, *structure.mentions))),
        (*triples, *structure.triples),
    )
