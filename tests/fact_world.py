"""A world to learn from: films and who directed them, scientists and their teachers, in a store whose every fact is known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from fakes import document, extraction, vectors

from graphs.facts import Facts
from graphs.gather import facts_of
from graphs.sqlite import SQLiteGraph
from graphs.vocabulary import Vocabulary
from ingest.patterns import vocabulary
from kgrag.reader.graph import GraphReader
from kgrag.reader.wording import Wording, wording
from kgrag.text import content_words
from kgrag.tune.questions.fact import Fact
from kgrag.tune.questions.facts import sure
from kgrag.tune.questions.made import Made
from kgrag.tune.questions.own import own_questions
from kgrag.tune.questions.packs import Evidence
from kgrag.types import Hit, Triple

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
PEOPLES = ("American", "French", "Italian")
STUDENTS = {"丘学文": "陈明远", "李国安": "王致远", "周立群": "吴思齐"}
BORN = {"丘学文": "1949年4月4日", "李国安": "1951年6月2日", "周立群": "1960年8月9日", "陈明远": "1911年10月28日",
        "王致远": "1915年3月3日", "吴思齐": "1920年7月7日"}  # fmt: skip


@dataclass
class World:
    """A store and what is made of it."""

    graph: SQLiteGraph
    store: Facts
    known: Vocabulary
    words: Wording
    left: Counter[str]

    def facts(self) -> list[Fact]:
        """Those that can be asked for."""
        self.left.clear()
        return sure(self.graph, self.store, self.known, self.words, self.left)

    def questions(self, seed: int = 0) -> list[Made]:
        """All of them."""
        self.left.clear()
        return own_questions(self.graph, self.store, self.known, self.words, seed, self.left)

    def hits(self) -> list[Hit]:
        """All passages."""
        titles = {i: title for i, (_, title) in self.graph.titles().items()}
        return [Hit(p, titles[p.document_id], p.document_id, 1.0, 1) for p in self.graph.passages()]

    def evidence(self) -> Evidence:
        """By shared words, and a token for every four characters."""
        hits = self.hits()
        by_id = {h.passage.id: h for h in hits}
        reader = GraphReader(self.store, self.known)

        def retrieve(question: str, k: int) -> list[Hit]:
            asked = {*content_words(question)}
            ranked = sorted(
                hits, key=lambda h: (-len(asked & {*content_words(f"{h.title} {h.passage.text}")}), h.passage.id)
            )
            return [replace(hit, rank=rank) for rank, hit in enumerate(ranked[:k], 1)]

        def stating(question: Made) -> list[Hit]:
            return [by_id[passage] for passage in question.passages]

        return Evidence(retrieve, stating, reader.read, lambda text: len(text) // 4 + 1)


@contextmanager
def world(folder: Path, extra: tuple[tuple[str, str, dict[str, str], tuple[Triple, ...]], ...] = ()) -> Iterator[World]:
    """The world in a store in ``folder``; ``extra`` documents are (id and title, text, mentions, triples)."""
    folder.mkdir(parents=True, exist_ok=True)
    graph = SQLiteGraph(folder / "graph.db")
    for number, (film, director) in enumerate(zip(FILMS, DIRECTORS, strict=True)):
        year, people = str(1950 + 3 * number), PEOPLES[number % 3]
        text = f"{film} is a {year} {people} film directed by {director}. It was shown in many cinemas."
        facts = [(film, "director", director), (film, "publication_date", year), (film, "country", people)]
        _put(graph, film, text, {director: "PERSON", year: "DATE", people: "GROUP"}, facts)
        day, place = f"{number + 1} May {1900 + number}", PLACES[number]
        text = f"{director} was born in {place} on {day}. The later life was a quiet one."
        facts = [(director, "place_of_birth", place), (director, "date_of_birth", day)]
        _put(graph, director, text, {place: "PLACE", day: "DATE"}, facts)
    for student, teacher in STUDENTS.items():
        _put(graph, student, f"{student}{BORN[student]}出生。博士导师是{teacher}。", {teacher: "PERSON", BORN[student]: "DATE"},
             [(student, "date_of_birth", BORN[student])], (student, "student_of", teacher))  # fmt: skip
        _put(graph, teacher, f"{teacher}{BORN[teacher]}出生。他喜欢下棋。", {BORN[teacher]: "DATE"}, [(teacher, "date_of_birth", BORN[teacher])])  # fmt: skip
    for title, text, mentions, triples in extra:
        read = extraction(document(title, text), mentions)
        graph.put(replace(read, triples=triples), vectors(read))
    store, known = facts_of(graph), vocabulary()
    try:
        yield World(graph, store, known, wording(known), Counter())
    finally:
        graph.close()


def _put(
    graph: SQLiteGraph,
    title: str,
    text: str,
    mentions: dict[str, str],
    facts: list[tuple[str, str, str]],
    of_pronoun: tuple[str, str, str] | None = None,
) -> None:
    """A document; ``of_pronoun`` is a fact whose subject its sentence does not name."""
    read = extraction(document(title, text), mentions, facts)
    if of_pronoun is not None:
        subject, predicate, object_ = of_pronoun
        passage = next(p for p in read.passages if object_ in p.text)
        more = Triple(subject, predicate, " ".join(object_), passage.id, passage.start, passage.end, 0.9)
        read = replace(read, triples=(*read.triples, replace(more, subject=" ".join(subject))))
    graph.put(read, vectors(read))
