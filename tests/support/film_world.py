"""A store with known facts for training tests: films with their directors, scientists with their advisors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from graphs.facts.builder import build_fact_index
from graphs.facts.fact_index import FactIndex
from graphs.predicates import PredicateSchema, load_predicate_schema
from graphs.sqlite.store import SQLiteGraph
from kgrag.graphqa.question_templates import QuestionTemplates, load_templates
from kgrag.graphqa.reader import GraphQAReader
from kgrag.text import content_words
from kgrag.tune.data.fact import QuestionFact
from kgrag.tune.data.fact_selection import select_facts
from kgrag.tune.data.store_questions import generate_from_store
from kgrag.tune.data.synthetic_examples import EvidenceProvider
from kgrag.tune.data.synthetic_questions import SyntheticQuestion
from kgrag.types import Hit, Triple
from tests.support.documents import build_document, build_extraction, embed_passages

FILMS = (
    "Silver River", "Stone Harbour", "Winter Garden", "Glass Mountain", "Copper Moon", "Hidden Valley", "Paper Lantern",
    "Broken Bridge", "Golden Orchard", "Quiet Meadow", "Crimson Tide Pool", "Velvet Curtain",
)  # fmt: skip
DIRECTORS = (
    "Ada Bell", "Ben Cole", "Cora Dean", "Dan Eyre", "Eve Frost", "Fay Grant", "Gus Hale", "Hal Ives", "Ida Jones",
    "Joe King", "Kim Lane", "Leo Mason",
)  # fmt: skip
PLACES = (
    "Paris", "Oslo", "Rome", "Lima", "Cairo", "Delhi", "Kyoto", "Quito", "Accra", "Perth", "Paris", "Oslo",
)  # fmt: skip
NATIONALITIES = ("American", "French", "Italian")
ADVISOR_BY_STUDENT = {"丘学文": "陈明远", "李国安": "王致远", "周立群": "吴思齐"}
BIRTH_DATES = {"丘学文": "1949年4月4日", "李国安": "1951年6月2日", "周立群": "1960年8月9日", "陈明远": "1911年10月28日",
        "王致远": "1915年3月3日", "吴思齐": "1920年7月7日"}  # fmt: skip


@dataclass
class FilmWorld:
    """A store with its facts, and generators of training data from it."""

    graph: SQLiteGraph
    fact_index: FactIndex
    predicates: PredicateSchema
    templates: QuestionTemplates
    skip_counts: Counter[str]

    def select_facts(self) -> list[QuestionFact]:
        """Select the facts that can be asked for."""
        self.skip_counts.clear()
        return select_facts(self.graph, self.fact_index, self.predicates, self.templates, self.skip_counts)

    def generate_questions(self, seed: int = 0) -> list[SyntheticQuestion]:
        """Generate all questions of the store."""
        self.skip_counts.clear()
        return generate_from_store(self.graph, self.fact_index, self.predicates, self.templates, seed, self.skip_counts)

    def all_hits(self) -> list[Hit]:
        """Return all passages as hits."""
        titles = {i: title for i, (_, title) in self.graph.titles().items()}
        return [Hit(p, titles[p.document_id], p.document_id, 1.0, 1) for p in self.graph.passages()]

    def evidence_provider(self) -> EvidenceProvider:
        """Return evidence by word overlap, with a token for every four characters."""
        hits = self.all_hits()
        by_id = {h.passage.id: h for h in hits}
        reader = GraphQAReader(self.fact_index, self.predicates)

        def retrieve(question: str, k: int) -> list[Hit]:
            question_words = {*content_words(question)}
            ranked = sorted(
                hits,
                key=lambda h: (-len(question_words & {*content_words(f"{h.title} {h.passage.text}")}), h.passage.id),
            )
            return [replace(hit, rank=rank) for rank, hit in enumerate(ranked[:k], 1)]

        def find_stating_passages(question: SyntheticQuestion) -> list[Hit]:
            return [by_id[passage] for passage in question.passages]

        return EvidenceProvider(retrieve, find_stating_passages, reader.answer, lambda text: len(text) // 4 + 1)


@contextmanager
def film_world(
    folder: Path, extra: tuple[tuple[str, str, dict[str, str], tuple[Triple, ...]], ...] = ()
) -> Iterator[FilmWorld]:
    """Yield the world in a store in ``folder``; ``extra`` documents are (id and title, text, mentions, triples)."""
    folder.mkdir(parents=True, exist_ok=True)
    graph = SQLiteGraph(folder / "graph.db")
    for number, (film, director) in enumerate(zip(FILMS, DIRECTORS, strict=True)):
        year, nationality = str(1950 + 3 * number), NATIONALITIES[number % 3]
        text = f"{film} is a {year} {nationality} film directed by {director}. It was shown in many cinemas."
        facts = [(film, "director", director), (film, "publication_date", year), (film, "country", nationality)]
        _put_document(graph, film, text, {director: "PERSON", year: "DATE", nationality: "GROUP"}, facts)
        day, place = f"{number + 1} May {1900 + number}", PLACES[number]
        text = f"{director} was born in {place} on {day}. The later life was a quiet one."
        facts = [(director, "place_of_birth", place), (director, "date_of_birth", day)]
        _put_document(graph, director, text, {place: "PLACE", day: "DATE"}, facts)
    for student, teacher in ADVISOR_BY_STUDENT.items():
        _put_document(graph, student, f"{student}{BIRTH_DATES[student]}出生。博士导师是{teacher}。", {teacher: "PERSON", BIRTH_DATES[student]: "DATE"},
             [(student, "date_of_birth", BIRTH_DATES[student])], (student, "student_of", teacher))  # fmt: skip
        _put_document(graph, teacher, f"{teacher}{BIRTH_DATES[teacher]}出生。他喜欢下棋。", {BIRTH_DATES[teacher]: "DATE"}, [(teacher, "date_of_birth", BIRTH_DATES[teacher])])  # fmt: skip
    for title, text, mentions, triples in extra:
        built = build_extraction(build_document(title, text), mentions)
        graph.put(replace(built, triples=triples), embed_passages(built))
    fact_index, predicates = build_fact_index(graph), load_predicate_schema()
    try:
        yield FilmWorld(graph, fact_index, predicates, load_templates(predicates), Counter())
    finally:
        graph.close()


def _put_document(
    graph: SQLiteGraph,
    title: str,
    text: str,
    mentions: dict[str, str],
    facts: list[tuple[str, str, str]],
    pronoun_fact: tuple[str, str, str] | None = None,
) -> None:
    """Add a document; the sentence of ``pronoun_fact`` does not name its subject."""
    built = build_extraction(build_document(title, text), mentions, facts)
    if pronoun_fact is not None:
        subject, predicate, object_ = pronoun_fact
        passage = next(p for p in built.passages if object_ in p.text)
        pronoun_triple = Triple(subject, predicate, " ".join(object_), passage.id, passage.start, passage.end, 0.9)
        built = replace(built, triples=(*built.triples, replace(pronoun_triple, subject=" ".join(subject))))
    graph.put(built, embed_passages(built))
