"""Synthetic questions: only from confident facts, in readable wording, balanced, and reproducible."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from kgrag.graphqa.question_parser import QuestionParser
from kgrag.graphqa.question_templates import fill_template, templates_for_date
from kgrag.text import normalize_name
from kgrag.tune.data.balanced_sample import sample_questions
from kgrag.tune.data.fact_selection import MIN_DISPUTING_CONFIDENCE
from kgrag.tune.data.name_quality import describe_title, is_readable
from kgrag.tune.data.synthetic_questions import COMPARISON, ONE_HOP, TWO_HOP
from kgrag.types import Triple
from tests.support.film_world import ADVISOR_BY_STUDENT, BIRTH_DATES, DIRECTORS, FILMS, PLACES, FilmWorld, film_world

DIRECTED = dict(zip(FILMS, DIRECTORS, strict=True))
LIVED = dict(zip(DIRECTORS, PLACES, strict=True))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[FilmWorld]:
    with film_world(tmp_path) as films:
        yield films


def test_one_hop_questions_are_answered_by_their_sentence(world: FilmWorld) -> None:
    questions = [q for q in world.generate_questions() if q.kind == ONE_HOP]
    topics = {"director", "publication_date", "date_of_birth", "place_of_birth", "student_of"}
    assert {q.topic for q in questions} == topics
    for question in questions:
        fact = question.facts[0]
        text = next(d.text for d in world.graph.documents() if d.id == fact.document)
        assert text[fact.start : fact.end] == fact.answer == question.answer
        assert fact.answer in fact.sentence and fact.subject.name in question.text
        assert question.path.triples == (fact.triple,)


def test_two_hop_questions_span_two_documents(world: FilmWorld) -> None:
    questions = [q for q in world.generate_questions() if q.kind == TWO_HOP and q.lang == "en"]
    assert {q.topic for q in questions} == {"director place_of_birth", "director date_of_birth"}
    for question in questions:
        film, director = (f.subject.name for f in question.facts)
        assert DIRECTED[film] == director and director not in question.text and film in question.text
        assert len(question.documents) == 2
    born = {q.facts[0].subject.name: q.answer for q in questions if q.topic == "director place_of_birth"}
    assert born == {film: LIVED[director] for film, director in DIRECTED.items()}


def test_chinese_documents_give_chinese_questions(world: FilmWorld) -> None:
    questions = [q for q in world.generate_questions() if q.lang == "zh"]
    assert questions and all(f.lang == "zh" for q in questions for f in q.facts)
    assert {(q.facts[0].subject.name, q.answer) for q in questions if q.kind == TWO_HOP} == {
        (student, BIRTH_DATES[teacher]) for student, teacher in ADVISOR_BY_STUDENT.items()
    }
    assert all("导师" in q.text for q in questions if q.kind == TWO_HOP)


def test_comparison_answers_are_right(world: FilmWorld) -> None:
    questions = [q for q in world.generate_questions() if q.kind == COMPARISON]
    assert {q.topic.split()[1] for q in questions} == {"first", "last", "same", "other"}
    for question in questions:
        first, second = question.facts
        assert first.subject.name in question.text and second.subject.name in question.text
        relation = question.topic.split()[1]
        if relation in ("same", "other"):
            values = [
                normalize_name(f.answer).split()[-1] if f.predicate != "place_of_birth" else f.answer
                for f in (first, second)
            ]
            if first.lang == "zh":
                values = [f.answer[:4] for f in (first, second)]
            assert (values[0] == values[1]) == (relation == "same") == (question.answer in ("yes", "是"))
        else:
            year = {f.subject.name: int(f.answer[:4] if f.lang == "zh" else f.answer[-4:]) for f in (first, second)}
            assert question.answer == (min if relation == "first" else max)(year, key=lambda name: year[name])


def triple(subject: str, predicate: str, object_: str, title: str, text: str, confidence: float = 0.9) -> Triple:
    return Triple(
        normalize_name(subject), predicate, normalize_name(object_), f"{title}#0001", 0, len(text), confidence
    )


def answers_about_zed(
    tmp_path: Path, text: str, mentions: dict[str, str], *triples: Triple
) -> tuple[list[str], Counter[str]]:
    """Return the answers of one-hop questions about Zed Young's document, and the reasons for skipped facts."""
    with film_world(tmp_path, (("Zed Young", text, mentions, triples),)) as world:
        answers = [q.answer for q in world.generate_questions() if q.kind == ONE_HOP and "Zed Young" in q.text]
        return answers, world.skip_counts


def test_select_facts_skips_disputed(tmp_path: Path) -> None:
    text = "Zed Young was born in Lima or in Quito."
    lima, quito = (triple("Zed Young", "place_of_birth", p, "Zed Young", text) for p in ("Lima", "Quito"))
    places = {"Lima": "PLACE", "Quito": "PLACE"}
    assert answers_about_zed(tmp_path / "a", text, places, lima, quito)[0] == []
    doubted = triple("Zed Young", "place_of_birth", "Quito", "Zed Young", text, MIN_DISPUTING_CONFIDENCE)
    assert answers_about_zed(tmp_path / "b", text, places, lima, doubted)[0] == []
    guessed = triple("Zed Young", "place_of_birth", "Quito", "Zed Young", text, MIN_DISPUTING_CONFIDENCE - 0.01)
    text = "Zed Young was born in Lima, not in Quito."
    assert answers_about_zed(tmp_path / "c", text, places, lima, guessed)[0] == ["Lima"]


@pytest.mark.parametrize(
    ("text", "mentions", "predicate", "object_", "reason"),
    [
        ("Zed Young was born in Lima.", {"Lima": "PERSON"}, "place_of_birth", "Lima", "another type"),
        ("Zed Young was born in New- York.", {"New- York": "PLACE"}, "place_of_birth", "New- York", "read well"),
        ("Zed Young married Ann Lee and Sue Moss.", {"Ann Lee": "PERSON"}, "spouse", "Ann Lee", "one of several"),
        ("Zed Young married Ann Lee Moss.", {"Ann Lee": "PERSON"}, "spouse", "Ann Lee", "part of another"),
        ("Zed Young married Mary Young.", {"Mary Young": "PERSON"}, "spouse", "Mary Young", "gives away"),
        ("Zed Young is a 1950 film by Ann Lee.", {"Ann Lee": "PERSON"}, "spouse", "Ann Lee", "of a sort"),
        ("Zed Young is a school of District 205.", {"205": "DATE"}, "inception", "205", "may be none"),
        ("Zed Young was the son of Lady Ann Lee.", {"Lady Ann Lee": "PERSON"}, "father", "Lady Ann Lee", "woman"),
    ],
)
def test_select_facts_skips_unreadable(
    tmp_path: Path, text: str, mentions: dict[str, str], predicate: str, object_: str, reason: str
) -> None:
    fact = triple("Zed Young", predicate, object_, "Zed Young", text)
    answers, skipped = answers_about_zed(tmp_path, text, mentions, fact)
    assert answers == []
    assert any(reason in skip_reason for skip_reason in skipped)


def test_select_facts_skips_other_subjects(tmp_path: Path) -> None:
    text = "Zed Young knew Ann Lee, who was born in Lima."
    born = triple("Ann Lee", "place_of_birth", "Lima", "Zed Young", text)
    with film_world(tmp_path, (("Zed Young", text, {"Lima": "PLACE"}, (born,)),)) as world:
        assert not [q for q in world.generate_questions() if "Ann Lee" in q.text]


def test_sample_questions_is_balanced_and_deterministic(world: FilmWorld) -> None:
    generated = world.generate_questions()
    chosen = sample_questions(generated, 40, 0)
    assert chosen == sample_questions(list(reversed(generated)), 40, 0) != sample_questions(generated, 40, 1)
    assert len({q.text for q in chosen}) == 40
    kinds = Counter(q.kind for q in chosen)
    assert kinds == {ONE_HOP: 16, TWO_HOP: 12, COMPARISON: 12}
    topics = Counter(q.topic for q in chosen if q.kind == ONE_HOP)
    # there are only three advisors, and other kinds ask for them, too; no more birthdays than films
    assert topics.pop("student_of") == 2 and max(topics.values()) - min(topics.values()) <= 1
    used = Counter(d for q in chosen for d in q.documents)
    assert max(used.values()) <= 6


def test_sample_questions_fills_missing_kinds(world: FilmWorld) -> None:
    one_hop = [q for q in world.generate_questions() if q.kind == ONE_HOP]
    assert len(sample_questions(one_hop, 30, 0)) == 30
    assert len(sample_questions(one_hop, 10_000, 0)) == len({q.text for q in one_hop})


def test_question_parser_understands_templates(world: FilmWorld) -> None:
    """If the parser knows the words of a template, it finds the template's predicate."""
    parser = QuestionParser(world.predicates)
    understood = total = 0
    for name, templates in world.templates.by_predicate.items():
        for lang in ("en", "zh"):
            for form in templates.questions[lang]:
                steps, last, _ = parser.parse_relation_path(form.rstrip("?？"))
                predicates = [*steps, *last]
                total += 1
                if predicates:
                    understood += 1
                    assert name in predicates, f"{form} is parsed as {predicates}, not as {name}"
    assert understood > 0.75 * total


def test_templates_have_their_slots(world: FilmWorld) -> None:
    for name, templates in world.templates.by_predicate.items():
        for form in (
            *templates.questions["en"],
            *templates.questions["zh"],
            *templates.noun_phrases["en"],
            *templates.noun_phrases["zh"],
        ):
            assert form.count("X") == 1 and "N" not in fill_template(form, X="").split(), name
    for comparing in world.templates.comparisons:
        for side in (comparing.first, comparing.last, comparing.same):
            assert all("X" in form and "Y" in form for forms in side.values() for form in forms)


def test_fill_template_replaces_slots_once() -> None:
    assert fill_template("Who is older, X or Y?", X="Malcolm Y", Y="Planet X") == "Who is older, Malcolm Y or Planet X?"
    assert fill_template("Who directed X?", X="Who Are You?") == "Who directed Who Are You?"


def test_templates_for_date_match_precision() -> None:
    forms = ("When was X born?", "On what date was X born?", "In which year was X born?")
    assert templates_for_date(forms, "1912-06-23") == ["When was X born?", "On what date was X born?"]
    assert templates_for_date(forms, "1912") == ["When was X born?", "In which year was X born?"]
    assert templates_for_date(forms, "1912-06") == ["When was X born?"]


@pytest.mark.parametrize(
    ("sentence", "kind"),
    [
        ("Navy Nurse is a 1945 American short film directed by D. Ross Lederman.", "film"),
        ("Bryan Gordon is an American film and television director, writer and producer.", ""),
        ("Word Up! was an American magazine focusing on music.", "magazine"),
        ("He was a school teacher in Perth.", ""),
        ("Threads is a 2014 fan film, created by fans.", "film"),
        ("The company published a novel.", ""),
    ],
)
def test_document_type(world: FilmWorld, sentence: str, kind: str) -> None:
    assert world.templates.document_type(sentence)[0] == kind


def test_two_hop_questions_skip_ambiguous_names(tmp_path: Path) -> None:
    married, born = "Zed Young married Mary.", "Mary of Somewhere was born in Lima."
    extra = (
        ("Zed Young", married, {"Mary": "PERSON"}, (triple("Zed Young", "spouse", "Mary", "Zed Young", married),)),
        ("Mary (duchess)", born, {"Lima": "PLACE"}, (triple("Mary (duchess)", "place_of_birth", "Lima", "Mary (duchess)", born),)),
    )  # fmt: skip
    with film_world(tmp_path, extra) as world:
        questions = world.generate_questions()
        assert [q.answer for q in questions if "Zed Young" in q.text and q.kind == ONE_HOP] == ["Mary"]
        assert not [q for q in questions if "Zed Young" in q.text and q.kind == TWO_HOP]


@pytest.mark.parametrize(
    ("title", "plain", "expected"),
    [
        ("Shock Treatment (1995 film)", "Shock Treatment", "the 1995 film Shock Treatment"),
        ("John Ellis (antiquarian)", "John Ellis", "the antiquarian John Ellis"),
        ("Bill Smith (footballer, born 1897)", "Bill Smith", ""),
    ],
)
def test_describe_title(title: str, plain: str, expected: str) -> None:
    assert describe_title(title, plain) == expected


@pytest.mark.parametrize(
    ("name", "lang", "value", "expected"),
    [
        ("Mario Soffici", "en", "NAME", True),
        ("de Gaulle", "en", "NAME", True),
        ("a lady", "en", "NAME", False),
        ("report-2021.md", "en", "NAME", False),
        ("Cozad- Lauser", "en", "NAME", False),
        ("中国科学院", "en", "NAME", False),
        ("中国科学院", "zh", "NAME", True),
        ("one two Three four five six seven eight nine", "en", "NAME", False),
        ("5 May 1802", "en", "DATE", True),
        ("May", "en", "DATE", False),
    ],
)
def test_is_readable(name: str, lang: str, value: str, expected: bool) -> None:
    assert is_readable(name, lang, value) == expected
