"""Select facts to ask for: confident, undisputed, about the document's subject, and with readable names.

Rejected facts are counted by reason, to explain why a store yields few questions.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping

from graphs.facts.fact_index import FactIndex
from graphs.predicates import PredicateSchema
from kgrag.explore.conflicts import MIN_CONFLICT_CONFIDENCE, are_compatible
from kgrag.graphqa.question_templates import QuestionTemplates
from kgrag.protocols import GraphReader
from kgrag.text import sentence_spans, strip_disambiguation, tokenize
from kgrag.tune.data.fact import FactSubject, QuestionFact
from kgrag.tune.data.name_quality import describe_title, rejection_reason
from kgrag.types import Document, Mention, Triple

MIN_DISPUTING_CONFIDENCE = 0.45
"""Minimum confidence of a contradicting fact that makes a confident one ambiguous."""
MENTION_TYPES = {
    "person": frozenset(["PERSON"]),
    "place": frozenset(["PLACE"]),
    "organisation": frozenset(["ORGANISATION"]),
    "country": frozenset(["PLACE", "GROUP"]),
    "people": frozenset(["PLACE", "GROUP"]),
}
"""Type of a predicate's object -> accepted types of its mention."""


def select_facts(
    graph: GraphReader, facts: FactIndex, schema: PredicateSchema, templates: QuestionTemplates, skipped: Counter[str]
) -> list[QuestionFact]:
    """Select the facts to ask for, ordered by document and position; ``skipped`` counts the others by reason.

    The subject must be the document's, and the confidence must reach that of a conflict (`kgrag.explore.conflicts`). No
    other value of at least `MIN_DISPUTING_CONFIDENCE` may disagree with the object. Subject and object must have the
    types that the predicate expects, and readable names.
    """
    subject_titles = graph.titles()
    triples_by_slot: defaultdict[tuple[str, str], list[Triple]] = defaultdict(list)
    person_ids = set()
    for triple in graph.triples():
        if triple.predicate in templates.by_predicate and triple.confidence >= MIN_DISPUTING_CONFIDENCE:
            triples_by_slot[triple.subject, triple.predicate].append(triple)
            if schema.predicates[triple.predicate].symmetric:
                triples_by_slot[triple.object, triple.predicate].append(triple)
        if triple.predicate in templates.person_predicates and triple.confidence >= MIN_CONFLICT_CONFIDENCE:
            person_ids.add(triple.subject)
    chosen: list[Triple] = []
    for (subject, _), triples in sorted(triples_by_slot.items()):
        candidates = [
            t
            for t in triples
            if t.subject == subject
            and t.confidence >= MIN_CONFLICT_CONFIDENCE
            and subject_titles[document_id_of(t.passage_id)][0] == subject
        ]
        if not candidates:
            skipped["not sure, or not of what its document is about"] += 1
            continue
        # the most precise date, then the highest confidence
        best = max(candidates, key=lambda t: (len(tokenize(t.object)), t.confidence, t.passage_id))
        other_values = {t.object if t.subject == subject else t.subject for t in triples} - {best.object}
        if all(are_compatible(facts, schema, other, best.object) for other in sorted(other_values)):
            chosen.append(best)
        else:
            skipped["another value is stated, too"] += 1
    return _build_facts(graph, facts, schema, templates, chosen, person_ids, skipped)


def document_id_of(passage_id: str) -> str:
    """Return the id of a passage's document, which is a prefix of the passage's."""
    return passage_id.rpartition("#")[0]


def _build_facts(
    graph: GraphReader,
    facts: FactIndex,
    schema: PredicateSchema,
    templates: QuestionTemplates,
    chosen: list[Triple],
    person_ids: set[str],
    skipped: Counter[str],
) -> list[QuestionFact]:
    wanted_objects = {(t.passage_id, t.object) for t in chosen}
    mentions_by_object: defaultdict[tuple[str, str], list[Mention]] = defaultdict(list)
    for mention in graph.mentions():
        if (mention.passage_id, mention.entity_id) in wanted_objects:
            mentions_by_object[mention.passage_id, mention.entity_id].append(mention)
    triples_by_document: defaultdict[str, list[Triple]] = defaultdict(list)
    for triple in chosen:
        triples_by_document[document_id_of(triple.passage_id)].append(triple)
    question_facts = []
    for document in graph.documents():
        triples = triples_by_document.get(document.id)
        if not triples:
            continue
        subject = _document_subject(document, triples[0].subject, facts, templates, triples[0].subject in person_ids)
        for triple in sorted(triples, key=lambda t: (t.passage_id, t.start, t.predicate)):
            asking = templates.by_predicate[triple.predicate]
            if (subject.category or (asking.is_strict and document.lang == "en")) and not {subject.category} & (
                asking.subject_types or {subject.category}
            ):
                skipped["its subject is of a sort that has no such facts"] += 1
                continue
            fact_or_reason = _build_fact(
                document, subject, triple, mentions_by_object, facts, MENTION_TYPES.get(asking.object_type, frozenset())
            )
            rejection = (
                rejection_reason(fact_or_reason, document, schema)
                if not isinstance(fact_or_reason, str)
                else fact_or_reason
            )
            if rejection or isinstance(fact_or_reason, str):
                skipped[rejection] += 1
            else:
                question_facts.append(fact_or_reason)
    return question_facts


def _document_subject(
    document: Document, entity: str, facts: FactIndex, templates: QuestionTemplates, is_person: bool
) -> FactSubject:
    title = facts.title(entity) or document.title
    name = strip_disambiguation(title)
    first_sentence = next(iter(sentence_spans(document.text[:1000])), (0, 0))
    kind, category = (
        templates.document_type(document.text[first_sentence[0] : first_sentence[1]])
        if document.lang == "en" and not is_person
        else ("", "")
    )
    # without its qualifier, a title may be ambiguous
    is_unambiguous = {e for e, _ in facts.candidate_entities(name)} == {entity}
    description = name if is_unambiguous else describe_title(title, name)
    if description == name and f"The {name} " in document.text[:400]:
        description = f"the {name}"
    return FactSubject(entity, name, description, kind, "person" if is_person else category)


def _build_fact(
    document: Document,
    subject: FactSubject,
    triple: Triple,
    mentions_by_object: Mapping[tuple[str, str], list[Mention]],
    facts: FactIndex,
    accepted_types: frozenset[str],
) -> QuestionFact | str:
    """Return the fact, or the reason for its rejection."""
    object_mentions = [
        m
        for m in mentions_by_object.get((triple.passage_id, triple.object), ())
        if triple.start <= m.start < m.end <= triple.end
    ]
    if object_mentions and accepted_types and object_mentions[0].type not in accepted_types:
        return "its object is of another type"
    if object_mentions:
        start, end = object_mentions[0].start, object_mentions[0].end
    else:
        name = facts.display_name(triple.object)
        start = document.text.find(name, triple.start, triple.end) if name else -1
        end = start + len(name)
        if start < 0 or (accepted_types and document.lang == "en"):
            return "its object is not named in its sentence"
    sentence = " ".join(document.text[triple.start : triple.end].split())
    answer = document.text[start:end]
    mention_type = object_mentions[0].type if object_mentions else ""
    return QuestionFact(
        triple, subject, answer, start, end, document.id, document.title, document.lang, sentence, mention_type
    )
