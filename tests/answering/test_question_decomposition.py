"""A question of which the facts know a part is asked with that part put in, and the answer shows both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from graphs.facts.builder import fact_index_from
from graphs.predicates import load_predicate_schema
from kgrag.answering.pipeline import GRAPH_ANSWER_MIN_CONFIDENCE, AnswerPipeline
from kgrag.factuality.experiment.conditions import Condition, EvalCase
from kgrag.factuality.experiment.filtered_store import FilteredStore
from kgrag.graphqa.reader import GraphQAReader
from kgrag.text import normalize_name
from kgrag.types import Hit, Passage, Question, Triple
from tests.support import birthplace_world
from tests.support.fake_llm import QuestionTableLLM as Model

TEXTS = {
    "The Jerk": "The Jerk is a film directed by Carl Reiner. It won no Palm.",
    "Carl Reiner": "Carl Reiner was an actor. He spoke Yiddish at home.",
    "Ada Bell": "Ada Bell was a singer. Her mother was Eva Bell.",
    "Eva Bell": "Eva Bell spoke Welsh.",
    "陈省身": "陈省身喜欢下棋。",
    "丘成桐": "丘成桐的导师是陈省身。",
}
QUESTION = "Which language did the director of The Jerk speak?"


def make_hit(title: str, rank: int = 1) -> Hit:
    text = TEXTS[title]
    return Hit(Passage(f"{title}#0001", title, text, 0, len(text)), title, "", 0.9, rank)


def make_graph_reader(sure: float = 0.9) -> GraphQAReader:
    facts = [("The Jerk", "director", "Carl Reiner"), ("丘成桐", "student_of", "陈省身")]
    triples = [
        Triple(normalize_name(s), p, normalize_name(o), f"{s}#0001", 0, len(TEXTS[s]), sure) for s, p, o in facts
    ]
    titles = {normalize_name(title): title for title in TEXTS}
    return GraphQAReader(fact_index_from(triples, titles, titles), load_predicate_schema())


class TitleMatchRetriever:
    """Finds what a question names, and says what it was asked."""

    def __init__(self) -> None:
        self.questions: list[str] = []

    def retrieve(self, question: str, k: int) -> list[Hit]:
        self.questions.append(question)
        return [make_hit(title, n) for n, title in enumerate((t for t in TEXTS if t in question), 1)][:k]


def make_pipeline(model: Model, finds: TitleMatchRetriever, sure: float = 0.9) -> AnswerPipeline:
    graph = make_graph_reader(sure)

    def stating(triples: Sequence[Triple]) -> list[Hit]:
        return [make_hit(t.passage_id.split("#")[0], n) for n, t in enumerate(triples, 1)]

    return AnswerPipeline(lambda: finds, lambda: graph, lambda: model, stating, load_predicate_schema())


def test_the_answer_stands_on_the_part_and_on_what_is_said_of_it() -> None:
    finds, heard = TitleMatchRetriever(), list[str]()
    answer = make_pipeline(Model(did_Carl_Reiner_speak="Yiddish [1]"), finds).answer(QUESTION, on_progress=heard.append)
    assert answer.text == "Yiddish [1]" and answer.question == QUESTION and answer.reader == "llm"
    assert finds.questions == [QUESTION, "Which language did Carl Reiner speak?"]
    assert "".join(heard) == "Which language did Carl Reiner speak? "
    assert answer.paths[0].names == ("The Jerk", "Carl Reiner")
    assert [c.quote for c in answer.citations] == [TEXTS["The Jerk"], "He spoke Yiddish at home."]
    assert [(h.title, h.rank) for h in answer.evidence] == [("Carl Reiner", 1), ("The Jerk", 2)]


def test_in_chinese() -> None:
    answer = make_pipeline(Model(陈省身喜欢="下棋 [1]"), TitleMatchRetriever()).answer("丘成桐的导师喜欢什么？")
    assert answer.text == "下棋 [1]" and answer.paths[0].names == ("丘成桐", "陈省身")


def test_a_part_that_the_facts_lack_is_looked_up_first() -> None:
    model, heard = Model(mother_of_Ada_Bell="Eva Bell [1]", did_Eva_Bell="Welsh [1]"), list[str]()
    answer = make_pipeline(model, TitleMatchRetriever()).answer(
        "Which language did the mother of Ada Bell speak?", on_progress=heard.append
    )
    assert answer.text == "Welsh [1]" and answer.paths[0].names == ("Ada Bell", "Eva Bell")
    assert "".join(heard).splitlines() == ["Who was the mother of Ada Bell? ", "Which language did Eva Bell speak? "]


def test_where_the_part_says_nothing_the_whole_question_is_asked() -> None:
    finds, heard = TitleMatchRetriever(), list[str]()
    answer = make_pipeline(Model(director_of_The_Jerk_speak="Palm [1]"), finds).answer(
        QUESTION, on_progress=heard.append
    )
    assert "".join(heard) == "Which language did Carl Reiner speak? \n"
    assert answer.text == "Palm [1]" and len(finds.questions) == 2
    assert "asked in vain: Which language did Carl Reiner speak?" in answer.diagnostics
    assert [p for p in answer.paths if p.triples] == []


def test_a_part_in_doubt_is_not_put_in() -> None:
    finds = TitleMatchRetriever()
    make_pipeline(Model(), finds, sure=GRAPH_ANSWER_MIN_CONFIDENCE - 0.1).answer(QUESTION)
    assert finds.questions == [QUESTION]


def test_who_asks_the_model_or_the_facts_alone_has_nothing_put_in() -> None:
    for by in ("llm", "graph"):
        finds = TitleMatchRetriever()
        answer = make_pipeline(Model(did_Carl_Reiner_speak="Yiddish [1]"), finds).answer(QUESTION, reader=by)  # type: ignore[arg-type]
        assert finds.questions == [QUESTION] and answer.abstained


def test_nothing_is_put_in_that_hidden_documents_say() -> None:
    sources = replace(birthplace_world.make_sources(), reader=make_graph_reader())
    question = Question("q", QUESTION, ("Yiddish",), ("Carl Reiner",))
    view = FilteredStore(sources, EvalCase(question, Condition.ANSWERABLE, ()))
    assert [r.question for r in view.decompose(QUESTION)] == ["Which language did Carl Reiner speak?"]
    assert not view.decompose(QUESTION, None, frozenset(["The Jerk"]))
    assert not FilteredStore(
        sources, EvalCase(question, Condition.UNANSWERABLE, (), hidden=frozenset(["The Jerk"]))
    ).decompose(QUESTION)
