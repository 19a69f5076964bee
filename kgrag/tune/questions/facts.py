"""The facts that questions can be made of: sure, undisputed, of what a document is about, and with names that can be read.

Everything that is left out is counted by why, so that a store which gives few questions can be understood.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping

from graphs.facts import Facts
from graphs.vocabulary import Vocabulary
from kgrag.explore.conflicts import SURE, agree
from kgrag.protocols import Graph
from kgrag.reader.wording import Wording
from kgrag.text import sentences, tokens, unbracketed
from kgrag.tune.questions.fact import Fact, Subject
from kgrag.tune.questions.naming import described, unfit
from kgrag.types import Document, Mention, Triple

DOUBT = 0.45
"""A fact this sure that says another thing makes one that is sure ambiguous."""
TYPES = {
    "person": frozenset(["PERSON"]),
    "place": frozenset(["PLACE"]),
    "organisation": frozenset(["ORGANISATION"]),
    "country": frozenset(["PLACE", "GROUP"]),
    "people": frozenset(["PLACE", "GROUP"]),
}
"""What the object of a predicate that gives such a thing is mentioned as."""


def sure(graph: Graph, facts: Facts, known: Vocabulary, words: Wording, left: Counter[str]) -> list[Fact]:
    """The facts that can be asked for, ordered by document and place; ``left`` counts, in words, those that cannot.

    A fact is asked for where its subject is what its document is about, its confidence is that of one that contradicts
    others (`kgrag.explore.conflicts`), no other value disagrees with its object (`DOUBT`), its subject is of a sort that has
    such facts and its object of one that they give, and both have names that read well.
    """
    about = graph.titles()
    said: defaultdict[tuple[str, str], list[Triple]] = defaultdict(list)
    people = set()
    for triple in graph.triples():
        if triple.predicate in words.asking and triple.confidence >= DOUBT:
            said[triple.subject, triple.predicate].append(triple)
            if known.predicates[triple.predicate].symmetric:
                said[triple.object, triple.predicate].append(triple)
        if triple.predicate in words.people and triple.confidence >= SURE:
            people.add(triple.subject)
    chosen: list[Triple] = []
    for (subject, _), triples in sorted(said.items()):
        own = [
            t
            for t in triples
            if t.subject == subject and t.confidence >= SURE and about[document_of(t.passage_id)][0] == subject
        ]
        if not own:
            left["not sure, or not of what its document is about"] += 1
            continue
        # the most exact date, then the surest
        best = max(own, key=lambda t: (len(tokens(t.object)), t.confidence, t.passage_id))
        others = {t.object if t.subject == subject else t.subject for t in triples} - {best.object}
        if all(agree(facts, known, other, best.object) for other in sorted(others)):
            chosen.append(best)
        else:
            left["another value is stated, too"] += 1
    return _fit(graph, facts, known, words, chosen, people, left)


def document_of(passage_id: str) -> str:
    """A passage's document: its id begins with it."""
    return passage_id.rpartition("#")[0]


def _fit(
    graph: Graph,
    facts: Facts,
    known: Vocabulary,
    words: Wording,
    chosen: list[Triple],
    people: set[str],
    left: Counter[str],
) -> list[Fact]:
    wanted = {(t.passage_id, t.object) for t in chosen}
    named: defaultdict[tuple[str, str], list[Mention]] = defaultdict(list)
    for mention in graph.mentions():
        if (mention.passage_id, mention.entity_id) in wanted:
            named[mention.passage_id, mention.entity_id].append(mention)
    of_document: defaultdict[str, list[Triple]] = defaultdict(list)
    for triple in chosen:
        of_document[document_of(triple.passage_id)].append(triple)
    found = []
    for document in graph.documents():
        triples = of_document.get(document.id)
        if not triples:
            continue
        subject = _subject(document, triples[0].subject, facts, words, triples[0].subject in people)
        for triple in sorted(triples, key=lambda t: (t.passage_id, t.start, t.predicate)):
            asking = words.asking[triple.predicate]
            if (subject.sort or (asking.strict and document.lang == "en")) and not {subject.sort} & (
                asking.about or {subject.sort}
            ):
                left["its subject is of a sort that has no such facts"] += 1
                continue
            fact = _fact(document, subject, triple, named, facts, TYPES.get(asking.gives, frozenset()))
            why = unfit(fact, document, known) if not isinstance(fact, str) else fact
            if why or isinstance(fact, str):
                left[why] += 1
            else:
                found.append(fact)
    return found


def _subject(document: Document, entity: str, facts: Facts, words: Wording, person: bool) -> Subject:
    title = facts.title(entity) or document.title
    plain = unbracketed(title)
    first = next(iter(sentences(document.text[:1000])), (0, 0))
    kind, sort = words.kind(document.text[first[0] : first[1]]) if document.lang == "en" and not person else ("", "")
    # without its bracket, a title may be another's
    alone = {e for e, _ in facts.readings(plain)} == {entity}
    told = plain if alone else described(title, plain)
    if told == plain and f"The {plain} " in document.text[:400]:
        told = f"the {plain}"
    return Subject(entity, plain, told, kind, "person" if person else sort)


def _fact(
    document: Document,
    subject: Subject,
    triple: Triple,
    named: Mapping[tuple[str, str], list[Mention]],
    facts: Facts,
    types: frozenset[str],
) -> Fact | str:
    """The fact, or why there is none."""
    places = [
        m for m in named.get((triple.passage_id, triple.object), ()) if triple.start <= m.start < m.end <= triple.end
    ]
    if places and types and places[0].type not in types:
        return "its object is of another type"
    if places:
        start, end = places[0].start, places[0].end
    else:
        name = facts.name(triple.object)
        start = document.text.find(name, triple.start, triple.end) if name else -1
        end = start + len(name)
        if start < 0 or (types and document.lang == "en"):
            return "its object is not named in its sentence"
    sentence = " ".join(document.text[triple.start : triple.end].split())
    answer = document.text[start:end]
    kind = places[0].type if places else ""
    return Fact(triple, subject, answer, start, end, document.id, document.title, document.lang, sentence, kind)
