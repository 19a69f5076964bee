"""Answer questions about many documents: mentions, counts, dates, lists of facts, themes.

Every row has the sentence that says so. Nothing here calls a language model.
"""

from __future__ import annotations

from collections.abc import Sequence

from graphs.predicates import PredicateSchema
from kgrag.collection.document_rows import CollectionAnswer, DocumentRow
from kgrag.collection.fact_dates import ExtremeFacts, find_extreme_facts
from kgrag.collection.fact_lists import FactList, list_facts
from kgrag.collection.mention_search import DocumentMentions, MentionSearch
from kgrag.collection.messages import MESSAGES
from kgrag.collection.questions import CollectionKind, CollectionQuestion, parse_collection_question
from kgrag.collection.subject_kinds import SubjectKinds
from kgrag.collection.theme_words import find_theme_words
from kgrag.collection.themes import find_themes
from kgrag.protocols import GraphStore
from kgrag.retrieve.candidates import IndexSet
from kgrag.text import detect_language, has_cjk, sentence_spans
from kgrag.text.injected_text import is_injected_label
from kgrag.text.telling_sentence import telling_sentence
from kgrag.types import DocumentProperties, Passage, Triple

MAX_ROWS = 30
"""Rows that an answer shows; more are counted."""
MAX_WRITTEN_UP = 4
"""Central passages of a theme from which a language model writes it up."""
MAX_YEARS = 60
"""Years that are searched for a subject of the kind that a question asks for."""


class CollectionReader:
    """Answers from all documents of a store.

    Args:
        indices: of the store; a filter on metadata counts.
        graph: the store.
        schema: its predicates.
    """

    def __init__(self, indices: IndexSet, graph: GraphStore, schema: PredicateSchema) -> None:
        self._indices, self._graph, self._schema = indices, graph, schema
        self._kinds = SubjectKinds(graph, indices.facts)

    def answer(self, question: str) -> CollectionAnswer | None:
        """Return the answer to a question about many documents; None if it asks for something else.

        An answer without rows says that nothing was found, in so many documents.
        """
        with self._graph.snapshot():
            return self._answer(question)

    def _answer(self, question: str) -> CollectionAnswer | None:
        messages = MESSAGES[detect_language(question)]
        parsed = parse_collection_question(question)
        if parsed is None:
            arguments = question, self._indices.facts, self._schema, self._indices.hidden_documents
            if facts := list_facts(*arguments):
                return self._answer_facts(facts, messages)
            extreme = find_extreme_facts(*arguments)
            return self._answer_extreme(extreme, messages) if extreme else None
        if parsed.kind is CollectionKind.OVERVIEW:
            return self._answer_overview(messages)
        if parsed.kind in (CollectionKind.NEWEST, CollectionKind.OLDEST):
            return self._answer_date(parsed, messages)
        return self._answer_mentions(parsed, messages)

    @property
    def _document_count(self) -> int:
        allowed = self._indices.allowed_documents
        return len(self._indices.documents) if allowed is None else int(allowed.sum())

    def _answer_mentions(self, asked: CollectionQuestion, messages: dict[str, str]) -> CollectionAnswer:
        search = MentionSearch(self._indices, self._graph)
        names = search.names(asked.topic)
        found = search.find(names)
        shown = (self._mention_row(search, mentions, names, messages) for mentions in found[:MAX_ROWS])
        rows = [row for row in shown if row is not None]
        key = "mentions" if found else "no mention"
        summary = messages[key].format(found=len(found), topic=names[0], documents=self._document_count)
        return CollectionAnswer(summary, rows, len(found))

    def _mention_row(
        self, search: MentionSearch, mentions: DocumentMentions, names: Sequence[str], messages: dict[str, str]
    ) -> DocumentRow | None:
        mention = search.first_mention(mentions, names)
        header = self._graph.document_headers([mentions.document_id]).get(mentions.document_id)
        if mention is None or header is None:
            return None
        count = len(mentions.rows)
        note = messages["passages"].format(count=count) if count > 1 else ""
        return DocumentRow(_label(header.title, header.source), *mention, header.title, header.source, note)

    def _answer_facts(self, facts: FactList, messages: dict[str, str]) -> CollectionAnswer:
        triples = self._one_per_subject(facts.triples)
        triples = [triple for triple in triples if self._kinds.is_kind(triple, facts.kind)] or triples
        noun = self._noun(facts.predicate, messages is MESSAGES["zh"])
        summary = messages["facts"].format(found=len(triples), known=facts.subject_count, predicate=noun)
        return CollectionAnswer(summary, self._fact_rows(triples), len(triples))

    def _answer_extreme(self, facts: ExtremeFacts, messages: dict[str, str]) -> CollectionAnswer | None:
        """Answer with the first year that has a document about something of the kind; None without one."""
        years = (
            [triple for triple in year if self._kinds.is_kind(triple, facts.kind, own=True)]
            for year in facts.years[:MAX_YEARS]
        )
        triples = self._one_per_subject(facts.best(next(filter(None, years), [])))
        if not triples:
            return None
        noun = self._noun(facts.predicate, messages is MESSAGES["zh"])
        summary = messages["earliest" if facts.is_first else "latest"].format(known=facts.dated_count, predicate=noun)
        return CollectionAnswer(summary, self._fact_rows(triples), len(triples))

    def _fact_rows(self, triples: Sequence[Triple]) -> list[DocumentRow]:
        passages = self._graph.passages_by_id(triple.passage_id for triple in triples[:MAX_ROWS])
        return [self._fact_row(triple, passages) for triple in triples[:MAX_ROWS] if triple.passage_id in passages]

    def _noun(self, predicate: str, is_chinese: bool) -> str:
        """Return the first noun for a predicate in a language; its name if it has none."""
        nouns = self._schema.predicates[predicate].nouns
        return next((noun for noun in nouns if has_cjk(noun) == is_chinese), predicate.replace("_", " "))

    def _one_per_subject(self, triples: Sequence[Triple]) -> list[Triple]:
        """Return the facts with one for each subject: two names that a document gives its own subject are one."""
        kept: dict[tuple[str, str], Triple] = {}
        for triple in triples:
            document_id = triple.passage_id.rpartition("#")[0]
            key = (document_id, "") if self._kinds.is_own(triple) else ("", triple.subject)
            kept.setdefault(key, triple)
        return list(kept.values())

    def _fact_row(self, triple: Triple, passages: dict[str, Passage]) -> DocumentRow:
        passage = passages[triple.passage_id]
        header = self._graph.document_headers([passage.document_id])[passage.document_id]
        name = self._indices.facts.display_name(triple.subject)
        return DocumentRow(name, passage, (triple.start, triple.end), header.title, header.source)

    def _answer_date(self, asked: CollectionQuestion, messages: dict[str, str]) -> CollectionAnswer:
        """Answer with the documents that have the latest or the earliest date."""
        documents = {document.id: document for document in self._graph.document_properties()}
        ids = set(documents) - self._indices.hidden_documents
        search = MentionSearch(self._indices, self._graph)
        names = search.names(asked.topic) if asked.topic else []
        found = {mentions.document_id: mentions for mentions in search.find(names)} if names else {}
        dates = {key: date for key in (ids & set(found) if names else ids) if (date := _date(documents[key]))}
        if not dates:
            return CollectionAnswer(messages["no date"].format(documents=len(ids)), (), 0)
        choose = max if asked.kind is CollectionKind.NEWEST else min
        chosen = [key for key in sorted(dates) if dates[key] == choose(dates.values())]
        rows = []
        for document in (documents[key] for key in chosen[:MAX_ROWS]):
            mention = search.first_mention(found[document.id], names) if document.id in found else None
            if mention is None and (passages := self._graph.passages_of_document(document.id)):
                mention = passages[0], _opening_span(passages[0], document.title)
            if mention is not None:
                label, date = _label(document.title, document.source), dates[document.id][:10]
                rows.append(DocumentRow(label, *mention, document.title, document.source, date))
        summary = messages[asked.kind.value].format(dated=len(dates), documents=len(ids))
        return CollectionAnswer(summary, rows, len(chosen))

    def _answer_overview(self, messages: dict[str, str]) -> CollectionAnswer:
        themes = find_themes(self._indices)
        keys = {key for theme in themes for key in theme.document_ids}
        rows = []
        for theme in themes:
            row_keys = [self._indices.rows[row] for row in theme.rows]
            passages = self._graph.passages_by_id(key.passage_id for key in row_keys)
            headers = self._graph.document_headers({*keys, *(key.document_id for key in row_keys)})
            candidates = [
                passages[key.passage_id]
                for key in row_keys
                if key.passage_id in passages and key.document_id in headers
            ]
            if not candidates:
                continue
            passage = next(
                (p for p in candidates if telling_sentence(p.text, {headers[p.document_id].title})), candidates[0]
            )
            header = headers[passage.document_id]
            labels = [_label(headers[key].title, headers[key].source) for key in theme.document_ids if key in headers]
            titles = "; ".join(dict.fromkeys(labels))
            words = find_theme_words([passage.text for passage in candidates], self._indices.words)
            label = f"{', '.join(words)}: {titles}" if words else titles
            note = messages["theme"].format(passages=theme.passages, documents=theme.documents)
            span = _opening_span(passage, header.title)
            sources = [(p, headers[p.document_id].title, headers[p.document_id].source) for p in candidates]
            row = DocumentRow(label, passage, span, header.title, header.source, note, tuple(sources[:MAX_WRITTEN_UP]))
            rows.append(row)
        summary = messages["overview"].format(documents=self._document_count, themes=len(rows))
        return CollectionAnswer(summary, rows, len(rows))


def _label(title: str, source: str) -> str:
    """Return a document's title; its file for a title that commands an answer."""
    return source if is_injected_label(title) else title


def _date(document: DocumentProperties) -> str:
    """Return the date of a document as its metadata gives it; "" without one."""
    return next(iter(document.fields().get("date", ())), "")


def _opening_span(passage: Passage, title: str) -> tuple[int, int]:
    """Return the sentence that says what a passage is about, or its first one, as offsets into the document's text."""
    spans = sentence_spans(passage.text) or [(0, len(passage.text))]
    start, end = telling_sentence(passage.text, {title, *passage.headings}) or spans[0]
    return passage.start + start, passage.start + end
