"""Tests of decomposed questions: a known part of a question is replaced by its answer."""

from __future__ import annotations

from dataclasses import replace

from kgrag.answering.pipeline import AnswerPipeline, ReaderMode
from kgrag.answering.stages.graph_answer import GRAPH_ANSWER_MIN_CONFIDENCE
from kgrag.factuality.experiment.conditions import Condition, EvalCase
from kgrag.factuality.experiment.filtered_store import FilteredStore
from kgrag.types import Question
from tests.support import birthplace_world
from tests.support.answering import make_graph_reader, make_reading_pipeline, messages
from tests.support.fake_llm import QuestionTableLLM
from tests.support.fake_retriever import TitleMatchRetriever

TEXTS = {
    "The Jerk": "The Jerk is a film directed by Carl Reiner. It won no Palm.",
    "Carl Reiner": "Carl Reiner was an actor. He spoke Yiddish at home.",
    "Ada Bell": "Ada Bell was a singer. Her mother was Eva Bell.",
    "Eva Bell": "Eva Bell spoke Welsh.",
    "陈省身": "陈省身喜欢下棋。",
    "丘成桐": "丘成桐的导师是陈省身。",
}
FACTS = (("The Jerk", "director", "Carl Reiner"), ("丘成桐", "student_of", "陈省身"))
QUESTION = "Which language did the director of The Jerk speak?"


def make_pipeline(
    model: QuestionTableLLM, retriever: TitleMatchRetriever | None = None, confidence: float = 0.9
) -> AnswerPipeline:
    return make_reading_pipeline(TEXTS, make_graph_reader(TEXTS, *FACTS, confidence=confidence), model, retriever)


def test_decomposed_answer_cites_both_parts() -> None:
    retriever, questions = TitleMatchRetriever(TEXTS), list[str]()
    answer = make_pipeline(QuestionTableLLM(did_Carl_Reiner_speak="Yiddish [1]"), retriever).answer(
        QUESTION, on_progress=questions.append
    )
    assert answer.text == "Yiddish [1]" and answer.question == QUESTION and answer.reader == "llm"
    assert retriever.questions == [QUESTION, "Which language did Carl Reiner speak?"]
    assert "".join(questions) == "Which language did Carl Reiner speak? "
    assert answer.paths[0].names == ("The Jerk", "Carl Reiner")
    assert [c.quote for c in answer.citations] == [TEXTS["The Jerk"], "He spoke Yiddish at home."]
    assert [(h.title, h.rank) for h in answer.evidence] == [("Carl Reiner", 1), ("The Jerk", 2)]


def test_chinese_question_is_decomposed() -> None:
    answer = make_pipeline(QuestionTableLLM(陈省身喜欢="下棋 [1]")).answer("丘成桐的导师喜欢什么？")
    assert answer.text == "下棋 [1]" and answer.paths[0].names == ("丘成桐", "陈省身")


def test_unknown_part_is_looked_up_first() -> None:
    model, questions = QuestionTableLLM(mother_of_Ada_Bell="Eva Bell [1]", did_Eva_Bell="Welsh [1]"), list[str]()
    answer = make_pipeline(model).answer(
        "Which language did the mother of Ada Bell speak?", on_progress=questions.append
    )
    assert answer.text == "Welsh [1]" and answer.paths[0].names == ("Ada Bell", "Eva Bell")
    assert "".join(questions).splitlines() == [
        "Who was the mother of Ada Bell? ",
        "Which language did Eva Bell speak? ",
    ]


def test_rewritten_question_without_answer_falls_back() -> None:
    retriever, questions = TitleMatchRetriever(TEXTS), list[str]()
    answer = make_pipeline(QuestionTableLLM(director_of_The_Jerk_speak="Palm [1]"), retriever).answer(
        QUESTION, on_progress=questions.append
    )
    assert "".join(questions) == "Which language did Carl Reiner speak? \n"
    assert answer.text == "Palm [1]" and len(retriever.questions) == 2
    assert "no answer to the rewritten question 'Which language did Carl Reiner speak?'" in messages(answer)
    assert [p for p in answer.paths if p.triples] == []


def test_uncertain_part_is_not_used() -> None:
    retriever = TitleMatchRetriever(TEXTS)
    make_pipeline(QuestionTableLLM(), retriever, confidence=GRAPH_ANSWER_MIN_CONFIDENCE - 0.1).answer(QUESTION)
    assert retriever.questions == [QUESTION]


def test_reader_llm_and_graph_decompose_nothing() -> None:
    modes: tuple[ReaderMode, ...] = ("llm", "graph")
    for reader in modes:
        retriever = TitleMatchRetriever(TEXTS)
        answer = make_pipeline(QuestionTableLLM(did_Carl_Reiner_speak="Yiddish [1]"), retriever).answer(
            QUESTION, reader=reader
        )
        assert retriever.questions == [QUESTION] and answer.abstained


def test_decompose_ignores_hidden_documents() -> None:
    sources = replace(birthplace_world.make_sources(), reader=make_graph_reader(TEXTS, *FACTS))
    question = Question("q", QUESTION, ("Yiddish",), ("Carl Reiner",))
    view = FilteredStore(sources, EvalCase(question, Condition.ANSWERABLE, ()))
    assert [r.question for r in view.decompose(QUESTION)] == ["Which language did Carl Reiner speak?"]
    assert not view.decompose(QUESTION, None, frozenset(["The Jerk"]))
    assert not FilteredStore(
        sources, EvalCase(question, Condition.UNANSWERABLE, (), hidden=frozenset(["The Jerk"]))
    ).decompose(QUESTION)
