"""Generate one-hop and two-hop questions from facts; see `kgrag.tune.data.comparison_questions` for comparisons."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from graphs.facts.fact_index import FUZZY_NAME_CONFIDENCE, FactIndex
from kgrag.graphqa.question_templates import PredicateTemplates, QuestionTemplates, fill_template, templates_for_date
from kgrag.graphqa.traversal import GraphAnswer
from kgrag.text import detect_language, normalize_name
from kgrag.text.dates import normalize_date
from kgrag.tune.data.fact import QuestionFact
from kgrag.types import Path

ONE_HOP, TWO_HOP, COMPARISON, UNANSWERABLE, USER_PROVIDED = "one-hop", "two-hop", "comparison", "unanswerable", "given"


@dataclass(frozen=True, slots=True)
class SyntheticQuestion:
    """A question that facts answer.

    ``facts`` are in the order of its steps, each with its sentence and span. ``path`` is the walk to the answer, and
    ``second_path`` that of a comparison's other entity. ``topic`` names the predicates, to balance samples.
    """

    text: str
    answer: str
    kind: str
    lang: str
    facts: tuple[QuestionFact, ...]
    path: Path
    topic: str
    second_path: tuple[Path, ...] = ()

    @property
    def id(self) -> str:
        """Return the kind with a digest of the question."""
        return f"{self.kind}-{seeded_digest(self.text):064x}"[: len(self.kind) + 13]

    @property
    def walk(self) -> GraphAnswer:
        """Return the answer with its paths."""
        return GraphAnswer(self.answer, self.path, 1.0, self.second_path)

    @property
    def documents(self) -> tuple[str, ...]:
        """Return the gold documents, each once."""
        return tuple(dict.fromkeys(fact.document for fact in self.facts))

    @property
    def passages(self) -> tuple[str, ...]:
        """Return the gold passages, each once."""
        return tuple(dict.fromkeys(fact.triple.passage_id for fact in self.facts))

    @property
    def answer_passage_id(self) -> str:
        """Return the passage that states the answer; "" if it needs several."""
        if self.kind == COMPARISON:
            return next((f.triple.passage_id for f in self.facts if f.subject.name == self.answer), "")
        return self.facts[-1].triple.passage_id


def seeded_digest(*parts: object) -> int:
    """Return a 256-bit number that depends on the parts alone, for reproducible choices on every machine."""
    encoded = "/".join(map(str, parts)).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.sha256(encoded).digest(), "big")


def one_hop_questions(
    facts: Sequence[QuestionFact], templates: QuestionTemplates, seed: int
) -> Iterator[SyntheticQuestion]:
    """Yield a question for the object of each fact."""
    for fact in facts:
        predicate_templates = templates.by_predicate[fact.predicate]
        candidates = templates_for_date(predicate_templates.questions.get(fact.lang, ()), normalize_date(fact.answer))
        template = seeded_choice(candidates, seed, "one", fact.subject.entity, fact.predicate)
        if template and not _is_wrong_country_answer(fact, predicate_templates):
            text = fill_template(template, X=subject_phrase(fact, predicate_templates, seed))
            if detect_language(text) == fact.lang:
                yield SyntheticQuestion(text, fact.answer, ONE_HOP, fact.lang, (fact,), path_of(fact), fact.predicate)


def two_hop_questions(
    facts: Sequence[QuestionFact], store: FactIndex, templates: QuestionTemplates, seed: int
) -> Iterator[SyntheticQuestion]:
    """Yield a question for each two facts of different documents whose first object is the second's subject."""
    by_subject: defaultdict[str, list[QuestionFact]] = defaultdict(list)
    for fact in facts:
        by_subject[fact.subject.entity].append(fact)
    bridge_predicates = {path[0] for path in templates.compound_questions} | {
        name for name, asking in templates.by_predicate.items() if any(asking.noun_phrases.values())
    }
    for first in facts:
        for second in by_subject.get(_resolve_object(first, store), ()) if first.predicate in bridge_predicates else ():
            text = _two_hop_text(first, second, templates, seed)
            if text and detect_language(text) == first.lang:
                nodes = (first.triple.subject, first.triple.object, second.triple.object)
                names = (first.subject.name, first.answer, second.answer)
                path = Path(nodes, names, (first.triple, second.triple))
                topic = f"{first.predicate} {second.predicate}"
                yield SyntheticQuestion(text, second.answer, TWO_HOP, first.lang, (first, second), path, topic)


def _two_hop_text(first: QuestionFact, second: QuestionFact, templates: QuestionTemplates, seed: int) -> str:
    """Return the question for two steps; "" if they cannot be combined, or the question would reveal its answer."""
    first_templates, second_templates = (
        templates.by_predicate[first.predicate],
        templates.by_predicate[second.predicate],
    )
    chain = (first.predicate, second.predicate)
    subject_key = f" {normalize_name(first.subject.description)} "
    if (
        second.lang != first.lang
        or second.document == first.document
        or (second_templates.subject_types and first_templates.object_type not in second_templates.subject_types)
        or (second.subject.category and second.subject.category != first_templates.object_type)
        or f" {normalize_name(second.answer)} " in subject_key
        or second.triple.object in (first.subject.entity, first.triple.object)
        or _is_wrong_country_answer(second, second_templates)
    ):
        return ""
    subject_text = subject_phrase(first, first_templates, seed)
    kinship_template = seeded_choice(
        templates.compound_questions.get(chain, {}).get(first.lang, ()), seed, "kin", subject_text
    )
    noun_template = seeded_choice(first_templates.noun_phrases.get(first.lang, ()), seed, "of", subject_text)
    question_template = seeded_choice(
        templates_for_date(second_templates.questions.get(first.lang, ()), normalize_date(second.answer)),
        seed,
        "two",
        subject_text,
        *chain,
    )
    return (
        fill_template(kinship_template, X=subject_text)
        if kinship_template
        else fill_template(question_template, X=fill_template(noun_template, X=subject_text))
        if noun_template and question_template
        else ""
    )


def seeded_choice(forms: Sequence[str], *parts: object) -> str:
    """Choose one of the forms by a digest; return "" if there are none."""
    return forms[seeded_digest(*parts) % len(forms)] if forms else ""


def subject_phrase(fact: QuestionFact, predicate_templates: PredicateTemplates, seed: int) -> str:
    """Return the subject's name for a question, with the type for every second work ("the film Dharti")."""
    subject = fact.subject
    is_plain_name = subject.description == subject.name
    if (
        predicate_templates.can_name_work_type
        and is_plain_name
        and subject.kind
        and subject.kind not in normalize_name(subject.name).split()
    ):
        return (
            f"the {subject.kind} {subject.name}"
            if " " not in subject.name or seeded_digest(seed, subject.entity) % 2
            else subject.name
        )  # a single word is ambiguous
    return subject.description


def path_of(fact: QuestionFact) -> Path:
    """Return the path of one fact."""
    triple = fact.triple
    return Path((triple.subject, triple.object), (fact.subject.name, fact.answer), (triple,))


def _resolve_object(fact: QuestionFact, store: FactIndex) -> str:
    """Return the only entity with a document that the object can denote; "" if it is ambiguous or uncertain."""
    readings = store.candidate_entities(fact.triple.object, source_fact=fact.triple)
    entities_with_document = {
        entity for entity, certain in readings if certain >= FUZZY_NAME_CONFIDENCE and store.title(entity)
    }
    if fact.lang == "en" and " " not in fact.triple.object:
        # a single first name denotes only an entity that is called exactly so
        entities_with_document = {entity for entity in entities_with_document if entity == fact.triple.object}
    return entities_with_document.pop() if len(entities_with_document) == 1 else ""


def _is_wrong_country_answer(fact: QuestionFact, predicate_templates: PredicateTemplates) -> bool:
    """Whether the answer to "which country" would be a nationality ("American"), or the subject has no country."""
    if predicate_templates.object_type != "country" or fact.lang != "en":
        return False
    return fact.subject.category == "work" or fact.type == "GROUP"
