"""What the graph lacks is looked up: one step at a time, only when it is needed, and only what a sentence about it says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import pytest

from graphs.facts.builder import fact_index_from
from graphs.predicates import load_predicate_schema
from kgrag.answering.pipeline import LOOKUP_EVIDENCE_TOKENS, AnswerPipeline
from kgrag.answering.stages.evidence_selection import SelectedPassage
from kgrag.answering.stages.fact_lookup import EXPLICIT_CONFIDENCE, IMPLICIT_CONFIDENCE, FactLookup, LookupResult
from kgrag.factuality.experiment.conditions import Condition, EvalCase
from kgrag.factuality.experiment.filtered_store import FilteredStore
from kgrag.graphqa.reader import GraphQAReader
from kgrag.graphqa.traversal import LookedUpFact
from kgrag.terminal.render import answer_lines
from kgrag.text import normalize_name, sentence_spans
from kgrag.text.dates import most_precise_date
from kgrag.types import Hit, Passage, Question, Triple
from tests.support import birthplace_world
from tests.support.fake_llm import QuestionTableLLM as Model

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


def make_hit(title: str, rank: int = 1) -> Hit:
    text = PASSAGES[title]
    return Hit(Passage(f"{title}#0001", title, text, 0, len(text)), title, f"{title}.md", 1.0, rank)


def select_whole(*titles: str) -> tuple[SelectedPassage, ...]:
    return tuple(
        SelectedPassage(n, make_hit(t, n), tuple(sentence_spans(PASSAGES[t]))) for n, t in enumerate(titles, 1)
    )


def make_graph_reader(*facts: tuple[str, str, str], titles: Sequence[str] = tuple(PASSAGES)) -> GraphQAReader:
    names = {normalize_name(value): value for _, _, value in facts}
    triples = [Triple(normalize_name(s), p, normalize_name(o), f"{s}#0001", 0, 10, 0.9) for s, p, o in facts]
    return GraphQAReader(
        fact_index_from(triples, {normalize_name(t): t for t in titles}, names), load_predicate_schema()
    )


class FakeFactLookup:
    """A lookup that knows some facts, and remembers what it was asked."""

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


# --- the walk -------------------------------------------------------------------------------------------------------


def test_only_the_step_that_is_missing_is_looked_up() -> None:
    reader = make_graph_reader(("The Jerk", "director", "Carl Reiner"))
    finds = FakeFactLookup(Carl_Reiner=("place_of_birth", "The Bronx"))
    question = "Where was the director of The Jerk born?"
    assert reader.answer(question) == []
    (found,) = reader.answer(question, finds)
    assert found.text == "The Bronx" and found.path.names == ("The Jerk", "Carl Reiner", "The Bronx")
    assert [t.found_by for t in found.path.triples] == ["pattern", "llm"]
    assert finds.calls == ["Carl Reiner place_of_birth"]


def test_what_was_looked_up_leads_to_the_document_about_it() -> None:
    reader = make_graph_reader(("Carl Reiner", "place_of_birth", "The Bronx"))
    finds = FakeFactLookup(The_Jerk=("director", "Carl Reiner"))
    (found,) = reader.answer("Where was the director of The Jerk born?", finds)
    assert found.text == "The Bronx" and finds.calls == ["The Jerk director"]


@pytest.mark.parametrize(
    ("question", "facts"),
    [
        ("Where was the director of The Jerk born?", [("The Jerk", "director", "Carl Reiner"), ("Carl Reiner", "place_of_birth", "The Bronx")]),
        ("Who directed The Jerk?", []),
        ("Why did Carl Reiner like The Jerk?", []),
    ],
)  # fmt: skip
def test_nothing_is_looked_up_that_is_known_or_is_one_step_or_no_walk(
    question: str, facts: list[tuple[str, str, str]]
) -> None:
    finds = FakeFactLookup()
    make_graph_reader(*facts).answer(question, finds)
    assert finds.calls == []


def test_a_reading_in_doubt_makes_the_walk_as_unsure_and_is_asked_by_its_title() -> None:
    reader = make_graph_reader(("The Jerk", "director", "Sir Carl Reiner"))
    finds = FakeFactLookup(carl_reiner=("place_of_birth", "The Bronx"))
    (found,) = reader.answer("Where was the director of The Jerk born?", finds)
    assert finds.calls == ["Carl Reiner place_of_birth"]
    assert found.confidence == pytest.approx(0.9 * 0.9 * 0.9), "two facts, and the name that differs by an honorific"


def test_who_lived_longer_is_not_looked_up_further_than_the_first_in_vain() -> None:
    finds = FakeFactLookup()
    assert make_graph_reader().answer("Who lived longer, Carl Reiner or Bo Cole?", finds) == []
    assert finds.calls == ["Carl Reiner date_of_birth"]


def test_a_walk_ends_where_nothing_is_found() -> None:
    finds = FakeFactLookup()
    assert make_graph_reader().answer("Where was the director of The Jerk born?", finds) == []
    assert finds.calls == ["The Jerk director"]


def test_of_two_things_only_what_is_missing_is_looked_up_and_nothing_after_the_first_in_vain() -> None:
    reader = make_graph_reader(("Carl Reiner", "date_of_birth", "March 20, 1922"))
    finds = FakeFactLookup(Bo_Cole=("date_of_birth", "3 March 1912"))
    (found,) = reader.answer("Who is older, Carl Reiner or Bo Cole?", finds)
    assert found.text == "Bo Cole" and finds.calls == ["Bo Cole date_of_birth"]
    assert found.confidence >= 0.5
    blind = FakeFactLookup()
    assert make_graph_reader().answer("Who is older, Carl Reiner or Bo Cole?", blind) == []
    assert blind.calls == ["Carl Reiner date_of_birth"]
    finds = FakeFactLookup(Dan_Frost=("nationality", "Denmark"), Bo_Cole=("nationality", "German"))
    (found,) = make_graph_reader().answer("Are Dan Frost and Bo Cole of the same nationality?", finds)
    assert found.text == "no" and len(finds.calls) == 2


# --- what is taken for a fact ---------------------------------------------------------------------------------------


def lookup(says: str, *titles: str, lang: str = "en") -> FactLookup:
    return FactLookup(lambda _: LookupResult(says, select_whole(*titles), "small"), load_predicate_schema(), lang, 4)


@pytest.mark.parametrize(
    ("says", "name", "predicate", "value", "sentence"),
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
def test_a_fact_has_the_words_and_the_span_of_its_sentence(
    says: str, name: str, predicate: str, value: str, sentence: str
) -> None:
    looks = lookup(says, name)
    known = looks(normalize_name(name), name, predicate)
    assert known is not None and known.name == value
    triple = known.triple
    assert (triple.subject, triple.predicate, triple.found_by) == (normalize_name(name), predicate, "llm")
    assert PASSAGES[name][triple.start : triple.end] == sentence
    assert looks.diagnostics == [] and looks.model == "small"


@pytest.mark.parametrize(
    ("says", "title", "name", "predicate"),
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
def test_what_is_of_another_kind_or_of_another_or_unsaid_is_no_fact(
    says: str, title: str, name: str, predicate: str
) -> None:
    looks = lookup(says, title)
    assert looks(normalize_name(name), name, predicate) is None
    (why,) = looks.diagnostics
    assert name in why


def test_where_a_place_has_no_word_for_it_that_is_said_and_the_fact_is_less_sure() -> None:
    looks = lookup("Berlin", "Eva Roth")
    known = looks("eva roth", "Eva Roth", "place_of_birth")
    assert known is not None and known.triple.confidence == IMPLICIT_CONFIDENCE < EXPLICIT_CONFIDENCE
    (why,) = looks.diagnostics
    assert "'Berlin'" in why and "outright" in why
    sure = lookup("Ulm", "Eva Roth")("eva roth", "Eva Roth", "place_of_birth")
    assert sure is not None and sure.triple.confidence == EXPLICIT_CONFIDENCE
    assert PASSAGES["Eva Roth"][sure.triple.start : sure.triple.end] == "She was born in Ulm."


def test_of_relatives_only_who_is_called_so_is_taken() -> None:
    looks = lookup("Max Kern", "Eva Roth")
    assert looks("eva roth", "Eva Roth", "spouse") is None and "Max Kern" in looks.diagnostics[0]
    married = lookup("Otto Roth", "Eva Roth")("eva roth", "Eva Roth", "spouse")
    assert married is not None and married.name == "Otto Roth"
    assert lookup("李政道", "杨振宁", lang="zh")("杨振宁", "杨振宁", "spouse") is None


def test_the_words_of_a_name_tell_nothing_and_whoever_made_a_work_need_not_be_told_so() -> None:
    place = lookup("Paris", "The Director")("the director", "The Director", "place_of_birth")
    assert place is not None and place.triple.confidence == IMPLICIT_CONFIDENCE, (
        "directors are what others are asked for"
    )
    writer = lookup("Steve Martin", "The Jerk")("the jerk", "The Jerk", "composer")
    assert writer is not None and writer.triple.confidence == IMPLICIT_CONFIDENCE, "strict is for relatives alone"


@pytest.mark.parametrize(
    ("said", "text", "exactly"),
    [
        ("1961", "On 3 May 1961 he left.", "3 May 1961"),
        ("May 1961", "On 3 May 1961 he left.", "3 May 1961"),
        ("1961", "On 3 May 1961 and on 4 June 1961.", "1961"),
        ("1960", "On 3 May 1961 he left.", "1960"),
        ("1911年", "1911年10月28日出生。", "1911年10月28日"),
    ],
)
def test_a_date_is_as_exact_as_the_text_has_it_once(said: str, text: str, exactly: str) -> None:
    assert most_precise_date(said, text) == exactly


def test_a_step_is_asked_once_and_few_are_asked_at_all() -> None:
    asked: list[str] = []

    def look(question: str) -> LookupResult:
        asked.append(question)
        return LookupResult()

    looks = FactLookup(look, load_predicate_schema(), "en", 3)
    for n in range(5):
        for _ in range(2):
            looks(f"film {n}", f"Film {n}", "director")
    assert asked == [f"Who directed Film {n}?" for n in range(3)]
    assert looks("film 0", "Film 0", "no such predicate") is None


# --- the whole way --------------------------------------------------------------------------------------------------


@dataclass
class TitleMatchRetriever:
    """Finds what a question names; passages are as likely as ``scores`` says, surely by default."""

    scores: Mapping[str, float] = field(default_factory=dict)

    def retrieve(self, question: str, k: int) -> list[Hit]:
        """The passages named."""
        named = [t for t in PASSAGES if t in question]
        return [replace(make_hit(t, n), score=self.scores.get(t, 1.0)) for n, t in enumerate(named, 1)][:k]


class ExtendedRetriever:
    """What another finds, and some more."""

    def __init__(self, base: TitleMatchRetriever, *extra_titles: str) -> None:
        self.base, self.extra_titles = base, extra_titles

    def retrieve(self, question: str, k: int) -> list[Hit]:
        """All of them, whatever ``k`` is."""
        more = [replace(make_hit(t), score=self.base.scores.get(t, 1.0)) for t in self.extra_titles]
        hits = {h.title: h for h in (*self.base.retrieve(question, k), *more)}.values()
        return [replace(h, rank=n) for n, h in enumerate(hits, 1)]


def make_pipeline(reader: GraphQAReader, model: Model) -> AnswerPipeline:
    def stating(triples: Sequence[Triple]) -> list[Hit]:
        return [make_hit(t.passage_id.split("#")[0], n) for n, t in enumerate(triples, 1)]

    return AnswerPipeline(TitleMatchRetriever, lambda: reader, lambda: model, stating, load_predicate_schema())  # type: ignore[arg-type,return-value]


def test_an_answer_that_was_looked_up_shows_every_step_with_its_sentence() -> None:
    model, heard = Model(directed_The_Jerk="Carl Reiner", Carl_Reiner_born="the Bronx"), list[str]()
    answer = make_pipeline(make_graph_reader(), model).answer(
        "Where was the director of The Jerk born?", on_text=heard.append, on_progress=heard.append
    )
    assert answer.text == "the Bronx" and not answer.abstained
    assert (answer.reader, answer.model) == ("graph", "small")
    assert [c.quote for c in answer.citations] == [
        "It was directed by Carl Reiner and written by Steve Martin.",
        "He was born in the Bronx.",
    ]
    assert any("lack looked up by small" in line for line in answer_lines(answer))
    known = make_graph_reader(("The Jerk", "director", "Carl Reiner"))
    (path,) = answer.paths
    assert any(
        "typed facts alone" in line
        for line in answer_lines(make_pipeline(known, model).answer("Who directed The Jerk?"))
    )
    assert path.names == ("The Jerk", "Carl Reiner", "the Bronx")
    assert len(model.questions) == 2 and "".join(heard).startswith("Who directed The Jerk? Carl Reiner\n")


def test_chinese_steps_are_looked_up_in_chinese() -> None:
    model = Model(谁写的="华罗庚", 什么地方="江苏金坛", 哪里="江苏金坛")
    answer = make_pipeline(make_graph_reader(), model).answer("《数论导引》的作者出生在哪里？")
    assert answer.text == "江苏金坛" and answer.reader == "graph"
    assert all("数论导引" in q or "华罗庚" in q for q in model.questions) and len(model.questions) == 2


def test_what_was_looked_up_in_vain_is_said_and_the_whole_question_asked() -> None:
    model = Model(directed_The_Jerk="Steven Spielberg", director_of_The_Jerk="Steve Martin")
    answer = make_pipeline(make_graph_reader(), model).answer("Where was the director of The Jerk born?")
    assert (answer.text, answer.reader) == ("Steve Martin", "llm")
    assert any("Who directed The Jerk?" in why and "Steven Spielberg" in why for why in answer.diagnostics)


@pytest.mark.parametrize(
    "question",
    ["Who is older, Carl Reiner or Dan Frost?", "Were Carl Reiner and Dan Frost born in the same place?"],
)
def test_two_things_of_which_one_is_not_told_are_not_compared_by_a_guess(question: str) -> None:
    model = Model(Carl_Reiner_born="the Bronx", older="Dan Frost", same="yes")
    answer = make_pipeline(make_graph_reader(("Carl Reiner", "date_of_birth", "March 20, 1922")), model).answer(
        question
    )
    assert answer.abstained and not answer.model
    assert any("Dan Frost" in why for why in answer.diagnostics)
    assert not any("older" in asked or "same" in asked for asked in model.questions)


def test_a_comparison_of_which_nothing_could_be_looked_up_is_asked_whole() -> None:
    model = Model(came_first="Carl Reiner")
    answer = make_pipeline(make_graph_reader(), model).answer("Who came first, Carl Reiner or Estelle Reiner?")
    assert answer.text == "Carl Reiner" and answer.reader == "llm"


@pytest.mark.parametrize(("score", "asked"), [(0.35, 1), (0.25, 0)])
def test_a_step_is_asked_only_where_a_passage_is_likely_to_tell(score: float, asked: int) -> None:
    model = Model(directed_The_Jerk="Carl Reiner")
    made = replace(
        make_pipeline(make_graph_reader(), model), retriever=lambda: TitleMatchRetriever({"The Jerk": score})
    )
    answer = made.answer("Where was the director of The Jerk born?")
    assert sum("Who directed The Jerk?" in question for question in model.questions) == asked
    assert any("Who directed The Jerk?" in why for why in answer.diagnostics) != bool(asked)


def test_a_step_is_shown_no_unlikely_passage_and_few_tokens() -> None:
    model = Model(directed_The_Jerk_of_Carl_Reiner="x")
    named = "Where was the director of The Jerk born?"
    retriever = TitleMatchRetriever({"The Jerk": 1.0, "Ann Bell": 0.1})
    made = replace(
        make_pipeline(make_graph_reader(), model), retriever=lambda: ExtendedRetriever(retriever, "Ann Bell")
    )
    made.answer(named)
    prompt = str(model.calls[0][-1]["content"])
    assert "Who directed The Jerk?" in prompt and "1979 American film" in prompt and "Ann Bell" not in prompt
    shown = prompt.partition("Who directed")[0]
    many = replace(
        make_pipeline(make_graph_reader(), model), retriever=lambda: ExtendedRetriever(TitleMatchRetriever(), *PASSAGES)
    )
    many.answer(named)
    shown = str(model.calls[-2][-1]["content"]).partition("Who directed")[0]
    assert len(shown) < LOOKUP_EVIDENCE_TOKENS + 200 < sum(map(len, PASSAGES.values()))


def test_no_more_is_looked_up_than_is_allowed_and_that_is_said() -> None:
    model = Model(directed_The_Jerk="Carl Reiner", Carl_Reiner_born="the Bronx")
    question = "Where was the director of The Jerk born?"
    answer = replace(make_pipeline(make_graph_reader(), model), lookups=1).answer(question)
    assert answer.reader == "llm" and any("not looked up" in why and "Carl Reiner" in why for why in answer.diagnostics)
    answer = replace(make_pipeline(make_graph_reader(), model), lookups=0).answer(question)
    assert not any("Who directed" in q for q in model.questions[2:]) and not any(
        "looked up" in why for why in answer.diagnostics
    )


def test_a_case_of_an_experiment_looks_up_what_its_hidden_documents_had_said() -> None:
    reader = make_graph_reader(("The Jerk", "director", "Carl Reiner"), ("Carl Reiner", "place_of_birth", "The Bronx"))
    sources = replace(birthplace_world.make_sources(), reader=reader)
    question = Question("q", "Where was the director of The Jerk born?", ("The Bronx",), ("Carl Reiner",))
    view = FilteredStore(sources, EvalCase(question, Condition.UNANSWERABLE, (), hidden=frozenset(["Carl Reiner"])))
    finds = FakeFactLookup(Carl_Reiner=("place_of_birth", "Elsewhere"))
    (found,) = view.answer(question.text, finds)
    assert found.text == "Elsewhere" and finds.calls == ["Carl Reiner place_of_birth"]
    assert (
        FilteredStore(sources, EvalCase(question, Condition.ANSWERABLE, ())).answer(question.text)[0].text
        == "The Bronx"
    )
    assert view.is_comparison("Who is older, Carl Reiner or Bo Cole?") and not view.is_comparison(question.text)


@pytest.mark.parametrize("reader", ["graph", "llm"])
def test_typed_facts_alone_and_the_model_alone_look_nothing_up(reader: str) -> None:
    model = Model(directed_The_Jerk="Carl Reiner", Carl_Reiner_born="the Bronx")
    answer = make_pipeline(make_graph_reader(), model).answer("Where was the director of The Jerk born?", reader=reader)  # type: ignore[arg-type]
    assert answer.abstained and not any("Who directed" in question for question in model.questions)
