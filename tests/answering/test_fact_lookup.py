"""Tests of fact lookup: which steps are looked up, and which replies become facts."""

from dataclasses import replace

import pytest

from graphs.predicates import load_predicate_schema
from kgrag.answering.pipeline import ReaderMode
from kgrag.answering.selected_passage import SelectedPassage
from kgrag.answering.stages.fact_lookup import EXPLICIT_CONFIDENCE, IMPLICIT_CONFIDENCE, FactLookup, LookupResult
from kgrag.answering.stages.lookup_step import LOOKUP_EVIDENCE_TOKENS
from kgrag.factuality.experiment.conditions import Condition, EvalCase
from kgrag.factuality.experiment.filtered_store import FilteredStore
from kgrag.graphqa.traversal import LookedUpFact
from kgrag.terminal.render import answer_lines
from kgrag.text import normalize_name, sentence_spans
from kgrag.text.dates import most_precise_date
from kgrag.types import DiagnosticCode, Question, Triple
from tests.support import birthplace_world
from tests.support.answering import make_graph_reader, make_reading_pipeline, messages
from tests.support.fake_llm import QuestionTableLLM
from tests.support.fake_retriever import TitleMatchRetriever, make_hit

PASSAGES = {
    "The Jerk": "The Jerk is a 1979 American film. It was directed by Carl Reiner and written by Steve Martin.",
    "Carl Reiner": "Carl Reiner (March 20, 1922 – June 29, 2020) was an American actor. He was born in the Bronx.",
    "Estelle Reiner": "Estelle Reiner was a singer. Her husband was Carl Reiner, who was born in the Bronx.",
    "Dan Frost": "Dan Frost is a retired racing cyclist from Denmark. A bicycle was given to him on 3 May 1961. He was born in 1961.",
    "Tom Day": "Tom Day (died 4 May 1980) was a poet.",
    "Ann Day": "Ann Day (18 May 191224 July 1957) was a turkey farmer. In 1950 she met Bo Cole on 3 May 1950 and on 4 June 1950.",
    "Long": "Long was born of the old town and the new town and the upper town and the lower town.",
    "The Director": "The Director came from Paris.",
    "Kim Lee": "Kim Lee is a North Korean politician.",
    "Bo Cole": "Bo Cole was a German painter, born in March 1912. On 3 March 1912 he was baptised.",
    "Ann Bell": "Ann Bell (October 4, 1916May 5, 2002) was a director. She had 1916 films.",
    "Ulm": "Ulm has a population of 1,200 or so.",
    "Altstadt": "Altstadt has a population of 1200.",
    "Eva Roth": "Eva Roth worked in Berlin and Ulm with Max Kern. She was born in Ulm. Her husband was Otto Roth.",
    "杨振宁": "杨振宁与李政道一起获得1957年诺贝尔物理学奖。",
    "华罗庚": "华罗庚是中国数学家。他出生于江苏金坛。",
    "数论导引": "《数论导引》是一本数学书。作者是华罗庚。",
}


def select_sentences(*titles: str) -> tuple[SelectedPassage, ...]:
    return tuple(
        SelectedPassage(n, make_hit(t, PASSAGES[t], n), tuple(sentence_spans(PASSAGES[t])))
        for n, t in enumerate(titles, 1)
    )


class FakeFactLookup:
    """Looks up facts from a table, and records its calls."""

    def __init__(self, **facts: tuple[str, str]) -> None:
        self.facts, self.calls = (
            {(normalize_name(n.replace("_", " ")), p): v for n, (p, v) in facts.items()},
            list[str](),
        )

    def __call__(self, entity: str, name: str, predicate: str) -> LookedUpFact | None:
        self.calls.append(f"{name} {predicate}")
        value = self.facts.get((entity, predicate))
        return (
            LookedUpFact(Triple(entity, predicate, normalize_name(value), "p", 0, 1, 0.9, "llm"), value)
            if value
            else None
        )


# --- paths -------------------------------------------------------------------------------------------------------


def test_answer_looks_up_only_the_missing_step() -> None:
    reader = make_graph_reader(PASSAGES, ("The Jerk", "director", "Carl Reiner"))
    lookup = FakeFactLookup(Carl_Reiner=("place_of_birth", "The Bronx"))
    question = "Where was the director of The Jerk born?"
    assert reader.answer(question) == []
    (found,) = reader.answer(question, lookup)
    assert found.text == "The Bronx" and found.path.names == ("The Jerk", "Carl Reiner", "The Bronx")
    assert [t.found_by for t in found.path.triples] == ["pattern", "llm"]
    assert lookup.calls == ["Carl Reiner place_of_birth"]


def test_looked_up_entity_continues_in_its_document() -> None:
    reader = make_graph_reader(PASSAGES, ("Carl Reiner", "place_of_birth", "The Bronx"))
    lookup = FakeFactLookup(The_Jerk=("director", "Carl Reiner"))
    (found,) = reader.answer("Where was the director of The Jerk born?", lookup)
    assert found.text == "The Bronx" and lookup.calls == ["The Jerk director"]


@pytest.mark.parametrize(
    ("question", "facts"),
    [
        ("Where was the director of The Jerk born?", [("The Jerk", "director", "Carl Reiner"), ("Carl Reiner", "place_of_birth", "The Bronx")]),
        ("Who directed The Jerk?", []),
        ("Why did Carl Reiner like The Jerk?", []),
    ],
)  # fmt: skip
def test_answer_without_missing_step_looks_nothing_up(question: str, facts: list[tuple[str, str, str]]) -> None:
    lookup = FakeFactLookup()
    make_graph_reader(PASSAGES, *facts).answer(question, lookup)
    assert lookup.calls == []


def test_uncertain_name_lowers_confidence_of_lookup() -> None:
    reader = make_graph_reader(PASSAGES, ("The Jerk", "director", "Sir Carl Reiner"))
    lookup = FakeFactLookup(carl_reiner=("place_of_birth", "The Bronx"))
    (found,) = reader.answer("Where was the director of The Jerk born?", lookup)
    assert lookup.calls == ["Carl Reiner place_of_birth"]
    assert found.confidence == pytest.approx(0.9 * 0.9 * 0.9), "two facts, and the name that differs by an honorific"


def test_lifespan_stops_after_first_failed_lookup() -> None:
    lookup = FakeFactLookup()
    assert make_graph_reader(PASSAGES).answer("Who lived longer, Carl Reiner or Bo Cole?", lookup) == []
    assert lookup.calls == ["Carl Reiner date_of_birth"]


def test_path_ends_after_failed_lookup() -> None:
    lookup = FakeFactLookup()
    assert make_graph_reader(PASSAGES).answer("Where was the director of The Jerk born?", lookup) == []
    assert lookup.calls == ["The Jerk director"]


def test_comparison_looks_up_missing_side_only() -> None:
    reader = make_graph_reader(PASSAGES, ("Carl Reiner", "date_of_birth", "March 20, 1922"))
    lookup = FakeFactLookup(Bo_Cole=("date_of_birth", "3 March 1912"))
    (found,) = reader.answer("Who is older, Carl Reiner or Bo Cole?", lookup)
    assert found.text == "Bo Cole" and lookup.calls == ["Bo Cole date_of_birth"]
    assert found.confidence >= 0.5
    empty_lookup = FakeFactLookup()
    assert make_graph_reader(PASSAGES).answer("Who is older, Carl Reiner or Bo Cole?", empty_lookup) == []
    assert empty_lookup.calls == ["Carl Reiner date_of_birth"]
    lookup = FakeFactLookup(Dan_Frost=("nationality", "Denmark"), Bo_Cole=("nationality", "German"))
    (found,) = make_graph_reader(PASSAGES).answer("Are Dan Frost and Bo Cole of the same nationality?", lookup)
    assert found.text == "no" and len(lookup.calls) == 2


# --- accepted replies ---------------------------------------------------------------------------------------


def make_lookup(reply: str, *titles: str, lang: str = "en") -> FactLookup:
    return FactLookup(
        lambda _: LookupResult(reply, select_sentences(*titles), "small"), load_predicate_schema(), lang, 4
    )


@pytest.mark.parametrize(
    ("reply", "name", "predicate", "value", "sentence"),
    [
        ("the Bronx [1]", "Carl Reiner", "place_of_birth", "the Bronx", "He was born in the Bronx."),
        ("Danish", "Dan Frost", "nationality", "Denmark", "Dan Frost is a retired racing cyclist from Denmark."),
        ("March 1912", "Bo Cole", "date_of_birth", "March 1912", "Bo Cole was a German painter, born in March 1912."),
        ("June 29, 2020", "Carl Reiner", "date_of_death", "June 29, 2020", "Carl Reiner (March 20, 1922 – June 29, 2020) was an American actor."),
        ("4 May 1980", "Tom Day", "date_of_death", "4 May 1980", "Tom Day (died 4 May 1980) was a poet."),
        ("1961", "Dan Frost", "date_of_birth", "1961", "He was born in 1961."),
        ("1922", "Carl Reiner", "date_of_birth", "March 20, 1922", "Carl Reiner (March 20, 1922 – June 29, 2020) was an American actor."),
        ("October 4, 1916", "Ann Bell", "date_of_birth", "October 4, 1916", "Ann Bell (October 4, 1916May 5, 2002) was a director."),
        ("1,200", "Ulm", "population", "1,200", "Ulm has a population of 1,200 or so."),
        ("1200", "Altstadt", "population", "1200", "Altstadt has a population of 1200."),
        ("Carl Reiner", "The Jerk", "director", "Carl Reiner", "It was directed by Carl Reiner and written by Steve Martin."),
    ],
)  # fmt: skip
def test_lookup_returns_value_and_span_of_its_sentence(
    reply: str, name: str, predicate: str, value: str, sentence: str
) -> None:
    fact_lookup = make_lookup(reply, name)
    fact = fact_lookup(normalize_name(name), name, predicate)
    assert fact is not None and fact.name == value
    triple = fact.triple
    assert (triple.subject, triple.predicate, triple.found_by) == (normalize_name(name), predicate, "llm")
    assert PASSAGES[name][triple.start : triple.end] == sentence
    assert fact_lookup.diagnostics == [] and fact_lookup.model == "small"


@pytest.mark.parametrize(
    ("reply", "title", "name", "predicate"),
    [
        ("Berlin", "Carl Reiner", "Carl Reiner", "place_of_birth"),
        ("March 20, 1922", "Carl Reiner", "Carl Reiner", "place_of_birth"),
        ("an American actor", "Carl Reiner", "Carl Reiner", "date_of_birth"),
        ("cyclist", "Dan Frost", "Dan Frost", "nationality"),
        ("German", "Dan Frost", "Dan Frost", "nationality"),
        ("German", "Bo Cole", "Dan Frost", "nationality"),
        ("Korean", "Kim Lee", "Kim Lee", "nationality"),
        ("March 20, 1922", "Carl Reiner", "Carl Reiner", "date_of_death"),
        ("June 29, 2020", "Carl Reiner", "Carl Reiner", "date_of_birth"),
        ("192", "Carl Reiner", "Carl Reiner", "date_of_birth"),
        ("He was born in the Bronx", "Carl Reiner", "Carl Reiner", "place_of_birth"),
        ("He was born in the Bronx. Steve Martin", "Carl Reiner", "Carl Reiner", "place_of_birth"),
        ("Carl Martin", "The Jerk", "The Jerk", "director"),
        ("Jerk", "The Jerk", "The Jerk (film)", "director"),
        ("so", "Ulm", "Ulm", "population"),
        ("3 March 1912", "Bo Cole", "Carl Reiner", "date_of_birth"),
        ("The Jerk", "The Jerk", "The Jerk", "director"),
        (
            "He was born in the Bronx and his father and his mother were born there too",
            "Carl Reiner",
            "Carl Reiner",
            "place_of_birth",
        ),
        ("the Bronx", "Carl Reiner", "?!", "place_of_birth"),
        ("Turkish", "Ann Day", "Ann Day", "nationality"),
        ("4 July 1957", "Ann Day", "Ann Day", "date_of_death"),
        (
            "of the old town and the new town and the upper town and the lower town",
            "Long",
            "Long",
            "place_of_birth",
        ),
        ("4, 1916", "Ann Bell", "Ann Bell", "date_of_birth"),
        ("The documents do not say.", "Dan Frost", "Dan Frost", "spouse"),
        ("", "Dan Frost", "Dan Frost", "spouse"),
    ],
)
def test_lookup_rejects_wrong_type_or_subject(reply: str, title: str, name: str, predicate: str) -> None:
    fact_lookup = make_lookup(reply, title)
    assert fact_lookup(normalize_name(name), name, predicate) is None
    (diagnostic,) = fact_lookup.diagnostics
    assert diagnostic.code == DiagnosticCode.LOOKUP_FAILED and name in diagnostic.message


def test_lookup_without_cue_word_has_lower_confidence() -> None:
    fact_lookup = make_lookup("Berlin", "Eva Roth")
    fact = fact_lookup("eva roth", "Eva Roth", "place_of_birth")
    assert fact is not None and fact.triple.confidence == IMPLICIT_CONFIDENCE < EXPLICIT_CONFIDENCE
    (diagnostic,) = fact_lookup.diagnostics
    assert diagnostic.code == DiagnosticCode.LOOKUP_UNCERTAIN and "only implies 'Berlin'" in diagnostic.message
    explicit = make_lookup("Ulm", "Eva Roth")("eva roth", "Eva Roth", "place_of_birth")
    assert explicit is not None and explicit.triple.confidence == EXPLICIT_CONFIDENCE
    assert PASSAGES["Eva Roth"][explicit.triple.start : explicit.triple.end] == "She was born in Ulm."


def test_lookup_of_kinship_requires_explicit_sentence() -> None:
    fact_lookup = make_lookup("Max Kern", "Eva Roth")
    assert fact_lookup("eva roth", "Eva Roth", "spouse") is None and "Max Kern" in fact_lookup.diagnostics[0].message
    spouse = make_lookup("Otto Roth", "Eva Roth")("eva roth", "Eva Roth", "spouse")
    assert spouse is not None and spouse.name == "Otto Roth"
    assert make_lookup("李政道", "杨振宁", lang="zh")("杨振宁", "杨振宁", "spouse") is None


def test_lookup_ignores_cue_words_within_names() -> None:
    place = make_lookup("Paris", "The Director")("the director", "The Director", "place_of_birth")
    assert place is not None and place.triple.confidence == IMPLICIT_CONFIDENCE, (
        "the cue word in the name does not count"
    )
    composer = make_lookup("Steve Martin", "The Jerk")("the jerk", "The Jerk", "composer")
    assert composer is not None and composer.triple.confidence == IMPLICIT_CONFIDENCE, (
        "only kinship requires an explicit sentence"
    )


@pytest.mark.parametrize(
    ("date", "text", "precise_date"),
    [
        ("1961", "On 3 May 1961 he left.", "3 May 1961"),
        ("May 1961", "On 3 May 1961 he left.", "3 May 1961"),
        ("1961", "On 3 May 1961 and on 4 June 1961.", "1961"),
        ("1960", "On 3 May 1961 he left.", "1960"),
        ("1911年", "1911年10月28日出生。", "1911年10月28日"),
    ],
)
def test_most_precise_date_uses_unique_date_of_text(date: str, text: str, precise_date: str) -> None:
    assert most_precise_date(date, text) == precise_date


def test_lookup_caches_and_limits_questions() -> None:
    questions: list[str] = []

    def answer_step(question: str) -> LookupResult:
        questions.append(question)
        return LookupResult()

    fact_lookup = FactLookup(answer_step, load_predicate_schema(), "en", 3)
    for n in range(5):
        for _ in range(2):
            fact_lookup(f"film {n}", f"Film {n}", "director")
    assert questions == [f"Who directed Film {n}?" for n in range(3)]
    assert fact_lookup("film 0", "Film 0", "no such predicate") is None


# --- answer pipeline --------------------------------------------------------------------------------------------------


def test_looked_up_answer_cites_every_step() -> None:
    model, pieces = QuestionTableLLM(directed_The_Jerk="Carl Reiner", Carl_Reiner_born="the Bronx"), list[str]()
    answer = make_reading_pipeline(PASSAGES, make_graph_reader(PASSAGES), model).answer(
        "Where was the director of The Jerk born?", on_text=pieces.append, on_progress=pieces.append
    )
    assert answer.text == "the Bronx" and not answer.abstained
    assert (answer.reader, answer.model) == ("graph", "small")
    assert [c.quote for c in answer.citations] == [
        "It was directed by Carl Reiner and written by Steve Martin.",
        "He was born in the Bronx.",
    ]
    assert any("missing facts read by small" in line for line in answer_lines(answer))
    reader = make_graph_reader(PASSAGES, ("The Jerk", "director", "Carl Reiner"))
    (path,) = answer.paths
    assert any(
        "from the knowledge graph" in line
        for line in answer_lines(make_reading_pipeline(PASSAGES, reader, model).answer("Who directed The Jerk?"))
    )
    assert path.names == ("The Jerk", "Carl Reiner", "the Bronx")
    assert len(model.questions) == 2 and "".join(pieces).startswith("Who directed The Jerk? Carl Reiner\n")


def test_chinese_lookup_uses_chinese_questions() -> None:
    model = QuestionTableLLM(谁写的="华罗庚", 什么地方="江苏金坛", 哪里="江苏金坛")
    answer = make_reading_pipeline(PASSAGES, make_graph_reader(PASSAGES), model).answer(
        "《数论导引》的作者出生在哪里？"
    )
    assert answer.text == "江苏金坛" and answer.reader == "graph"
    assert all("数论导引" in q or "华罗庚" in q for q in model.questions) and len(model.questions) == 2


def test_failed_lookup_falls_back_to_whole_question() -> None:
    model = QuestionTableLLM(directed_The_Jerk="Steven Spielberg", director_of_The_Jerk="Steve Martin")
    answer = make_reading_pipeline(PASSAGES, make_graph_reader(PASSAGES), model).answer(
        "Where was the director of The Jerk born?"
    )
    assert (answer.text, answer.reader) == ("Steve Martin", "llm")
    assert any("Who directed The Jerk?" in message and "Steven Spielberg" in message for message in messages(answer))


@pytest.mark.parametrize(
    "question",
    ["Who is older, Carl Reiner or Dan Frost?", "Were Carl Reiner and Dan Frost born in the same place?"],
)
def test_comparison_with_missing_value_abstains(question: str) -> None:
    model = QuestionTableLLM(Carl_Reiner_born="the Bronx", older="Dan Frost", same="yes")
    answer = make_reading_pipeline(
        PASSAGES, make_graph_reader(PASSAGES, ("Carl Reiner", "date_of_birth", "March 20, 1922")), model
    ).answer(question)
    assert answer.abstained and not answer.model
    assert any("Dan Frost" in message for message in messages(answer))
    assert not any("older" in question or "same" in question for question in model.questions)


def test_comparison_without_lookup_asks_whole_question() -> None:
    model = QuestionTableLLM(came_first="Carl Reiner")
    answer = make_reading_pipeline(PASSAGES, make_graph_reader(PASSAGES), model).answer(
        "Who came first, Carl Reiner or Estelle Reiner?"
    )
    assert answer.text == "Carl Reiner" and answer.reader == "llm"


@pytest.mark.parametrize(("score", "call_count"), [(0.35, 1), (0.25, 0)])
def test_lookup_requires_probable_passage(score: float, call_count: int) -> None:
    model = QuestionTableLLM(directed_The_Jerk="Carl Reiner")
    pipeline = replace(
        make_reading_pipeline(PASSAGES, make_graph_reader(PASSAGES), model),
        retriever=lambda: TitleMatchRetriever(PASSAGES, {"The Jerk": score}),
    )
    answer = pipeline.answer("Where was the director of The Jerk born?")
    assert sum("Who directed The Jerk?" in question for question in model.questions) == call_count
    assert any("Who directed The Jerk?" in message for message in messages(answer)) != bool(call_count)


def test_lookup_prompt_omits_improbable_passages() -> None:
    model = QuestionTableLLM(directed_The_Jerk_of_Carl_Reiner="x")
    question = "Where was the director of The Jerk born?"
    retriever = TitleMatchRetriever(PASSAGES, {"Ann Bell": 0.1}, ["Ann Bell"])
    pipeline = replace(make_reading_pipeline(PASSAGES, make_graph_reader(PASSAGES), model), retriever=lambda: retriever)
    pipeline.answer(question)
    prompt = str(model.calls[0][-1]["content"])
    assert "Who directed The Jerk?" in prompt and "1979 American film" in prompt and "Ann Bell" not in prompt
    many = replace(
        make_reading_pipeline(PASSAGES, make_graph_reader(PASSAGES), model),
        retriever=lambda: TitleMatchRetriever(PASSAGES, extra_titles=[*PASSAGES]),
    )
    many.answer(question)
    shown = str(model.calls[-2][-1]["content"]).partition("Who directed")[0]
    assert len(shown) < LOOKUP_EVIDENCE_TOKENS + 200 < sum(map(len, PASSAGES.values()))


def test_lookup_limit_is_reported() -> None:
    model = QuestionTableLLM(directed_The_Jerk="Carl Reiner", Carl_Reiner_born="the Bronx")
    question = "Where was the director of The Jerk born?"
    answer = replace(make_reading_pipeline(PASSAGES, make_graph_reader(PASSAGES), model), max_lookups=1).answer(
        question
    )
    assert answer.reader == "llm" and any(
        "lookup skipped" in message and "Carl Reiner" in message for message in messages(answer)
    )
    answer = replace(make_reading_pipeline(PASSAGES, make_graph_reader(PASSAGES), model), max_lookups=0).answer(
        question
    )
    assert not any("Who directed" in q for q in model.questions[2:]) and not any(
        "lookup" in message for message in messages(answer)
    )


def test_filtered_store_looks_up_hidden_facts() -> None:
    reader = make_graph_reader(
        PASSAGES, ("The Jerk", "director", "Carl Reiner"), ("Carl Reiner", "place_of_birth", "The Bronx")
    )
    sources = replace(birthplace_world.make_sources(), reader=reader)
    question = Question("q", "Where was the director of The Jerk born?", ("The Bronx",), ("Carl Reiner",))
    view = FilteredStore(sources, EvalCase(question, Condition.UNANSWERABLE, (), hidden=frozenset(["Carl Reiner"])))
    lookup = FakeFactLookup(Carl_Reiner=("place_of_birth", "Elsewhere"))
    (found,) = view.answer(question.text, lookup)
    assert found.text == "Elsewhere" and lookup.calls == ["Carl Reiner place_of_birth"]
    assert (
        FilteredStore(sources, EvalCase(question, Condition.ANSWERABLE, ())).answer(question.text)[0].text
        == "The Bronx"
    )
    assert view.is_comparison("Who is older, Carl Reiner or Bo Cole?") and not view.is_comparison(question.text)


@pytest.mark.parametrize("reader", ["graph", "llm"])
def test_reader_graph_and_llm_look_nothing_up(reader: ReaderMode) -> None:
    model = QuestionTableLLM(directed_The_Jerk="Carl Reiner", Carl_Reiner_born="the Bronx")
    answer = make_reading_pipeline(PASSAGES, make_graph_reader(PASSAGES), model).answer(
        "Where was the director of The Jerk born?", reader=reader
    )
    assert answer.abstained and not any("Who directed" in question for question in model.questions)
