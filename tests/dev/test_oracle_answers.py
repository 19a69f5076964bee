"""The perfect model, what it cites, and the figures of what the pipeline does with its answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from kgrag.answering.pipeline import AnswerPipeline
from kgrag.dev.benchmarks.manuals.altered_answers import Alteration
from kgrag.dev.benchmarks.manuals.gold_passages import QuoteMatcher, find_missing_files
from kgrag.dev.benchmarks.manuals.oracle import OracleModel, mark_statements, shown_passages
from kgrag.dev.benchmarks.manuals.oracle_answers import measure_oracle_answers
from kgrag.dev.benchmarks.manuals.oracle_run import is_caught
from kgrag.dev.benchmarks.manuals.questions import GoldQuote, ManualQuestion
from kgrag.errors import UsageError
from kgrag.prompts import ABSTENTION_TEXT, DONT_KNOW, grounded_prompt
from kgrag.protocols import GenerationOptions
from kgrag.types import Answer, Diagnostic, DiagnosticCode, Hit
from tests.support.answering import make_hits
from tests.support.fake_graph_qa import FakeGraphQA
from tests.support.fake_llm import FakeLLM
from tests.support.fake_retriever import FixedRetriever

GC_TEXT = "The command prunes loose objects. Unreachable objects are kept for 14 days before they are removed."
LOCK_TEXT = "A reader takes a shared lock. The writer waits until every shared lock on the file is released."
GC = ManualQuestion(
    "gc", "How long does git gc keep unreachable objects?", "git", "en", "fact",
    (GoldQuote("git/gc.md", "Unreachable objects are kept for 14 days"),), (("14 days",),),
    answer="Unreachable objects are kept for 14 days.",
)  # fmt: skip
LOCK = ManualQuestion(
    "lock", "When may the writer go on?", "db", "en", "why",
    (GoldQuote("db/lock.md", "waits until every shared lock on the file is released"),
     GoldQuote("db/gone.md", "a quote that no passage has")), (("released",), ("shared lock",)),
    answer="The writer waits until every shared lock on the file is released.",
)  # fmt: skip
NONE = ManualQuestion("none", "How do I encrypt the file?", "db", "en", "unanswerable")
QUOTES = QuoteMatcher(GC.gold)


class StubStore:
    """A store of fixed hits, whose model can be replaced."""

    def __init__(self, *hits: Hit) -> None:
        self.retriever = FixedRetriever(*hits)
        self.config = SimpleNamespace(k=8)
        self.graph_store = SimpleNamespace(sources_by_document=lambda: {"1": "git/gc.md", "2": "x/db/lock.md"})
        self.loaded_llm: Any = None
        self.llm: Any = None

    @property
    def answer_pipeline(self) -> AnswerPipeline:
        return AnswerPipeline(lambda: self.retriever, lambda: FakeGraphQA(), lambda: self.llm)

    def use(self, *, llm: Any) -> None:
        self.llm = llm

    def unload(self, name: str) -> None:
        self.llm = None


def measure(
    hits: Sequence[Hit], *questions: ManualQuestion, **options: Any
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    return measure_oracle_answers(StubStore(*hits), questions, **options)  # type: ignore[arg-type]


# --- the model ---------------------------------------------------------------------------------------------------------


def test_oracle_cites_the_gold_passages_that_it_sees() -> None:
    prompt = grounded_prompt(GC.text, [("Lock", LOCK_TEXT), ("gc", GC_TEXT), ("copy", GC_TEXT)])
    model = OracleModel(GC.text, "Kept. For 14 days!", QUOTES)
    pieces: list[str] = []
    assert model.generate(prompt, on_text=pieces.append) == "Kept [2][3]. For 14 days [2][3]!"
    assert "".join(pieces) == "Kept [2][3]. For 14 days [2][3]!" and len(pieces) > 2
    assert model.generate(grounded_prompt(GC.text, [("Lock", LOCK_TEXT)])) == "Kept. For 14 days!"
    assert model.gold_numbers == [[2, 3], []]


def test_oracle_knows_no_other_question() -> None:
    model = OracleModel(GC.text, "14 days.", QUOTES)
    assert model.generate(grounded_prompt("Who wrote git?", [("gc", GC_TEXT)])) == DONT_KNOW["en"]
    assert model.generate(grounded_prompt(GC.text, []), GenerationOptions(schema="{}")) == DONT_KNOW["en"]
    assert model.generate(grounded_prompt(GC.text, []), GenerationOptions(choices=("yes", "unsure"))) == "unsure"
    assert model.gold_numbers == [] and model.score([], "x") == 0


def test_oracle_stops_at_the_limit_and_on_request() -> None:
    model = OracleModel("q?", "one two three four", QUOTES)
    prompt = [{"role": "user", "content": "q?"}]
    assert model.generate(prompt, GenerationOptions(max_tokens=3)) == "one two"
    assert model.generate(prompt, on_text=lambda piece: piece == " two") == "one two"
    assert model.count("a" * 36) == 11 and model.count("软件软件软件软件") == 6


def test_oracle_finds_a_question_whose_lines_are_folded() -> None:
    model = OracleModel("a\n  b\tc?", "yes", QUOTES)
    assert model.generate([{"role": "user", "content": "Question: a b c?"}]) == "yes"


def test_shown_passages_keep_lines_and_inner_numbers() -> None:
    prompt = "Passages:\n[1] R: a vector\n  x\n[1] 0.5\n[3] no\n[2] S: b\n\nQuestion: c [1] d"
    assert shown_passages(prompt) == {1: "R: a vector\n  x\n[1] 0.5\n[3] no\n", 2: "S: b\n\nQuestion: c [1] d"}
    assert shown_passages("no passage [1] here") == {}


@pytest.mark.parametrize(
    ("answer", "marked"),
    [
        ("git fetch --unshallow", "git fetch --unshallow [1]"),
        ("No. It is not.", "No [1]. It is not [1]."),
        ("减 40。不变。", "减 40[1]。不变[1]。"),
        ("", ""),
    ],
)
def test_mark_statements_puts_marks_before_stops(answer: str, marked: str) -> None:
    assert mark_statements(answer, [1]) == marked
    assert mark_statements(answer, []) == answer


# --- the figures -------------------------------------------------------------------------------------------------------


def test_measure_oracle_answers_of_answers_that_pass() -> None:
    store = StubStore(*make_hits(("gc", GC_TEXT), ("lock", LOCK_TEXT)))
    ticks: list[int] = []
    questions = [GC, LOCK, NONE]
    figures, rows = measure_oracle_answers(store, questions, tick=lambda: ticks.append(1))  # type: ignore[arg-type]
    assert len(ticks) == 3 and store.llm is None, "the store is left without the oracle"
    for measure_name in ("oracle_nugget_recall", "oracle_whole", "gold_in_prompt", "gold_retrieved"):
        assert figures[measure_name]["value"] == 1, measure_name
    assert figures["silenced_by_gate"]["value"] == figures["withdrawn"]["value"] == 0
    assert figures["abstained_unanswerable"]["value"] == 1 and figures["missing_files"] == ["db/gone.md"]
    assert figures["not_whole"] == {} and figures["model"] == "oracle" and figures["arm"] == "grounded"
    assert rows[0]["text"] == "Unreachable objects are kept for 14 days [1]." and rows[2]["altered"] == []
    number = next(each for each in rows[0]["altered"] if each["kind"] == "number")
    assert number["counts"] and number["caught"], "24 days are in no passage"
    assert figures["altered"]["number"] == {
        "alterations": 1,
        "altered_caught": figures["altered"]["number"]["altered_caught"],
    }
    assert (
        figures["by_corpus"]["git"]["altered_caught"]["value"] == figures["by_kind"]["fact"]["altered_caught"]["value"]
    )
    assert store.retriever.questions == [GC.text, LOCK.text, NONE.text], "altered answers use the same hits"


def test_measure_oracle_answers_tells_gate_retrieval_and_prompt_apart() -> None:
    hits = make_hits(("gc", GC_TEXT))
    figures, _ = measure([replace(hits[0], score=0.01)], GC, LOCK)
    assert figures["gold_retrieved"]["value"] == 0.5 and figures["gold_in_prompt"]["value"] == 0
    assert figures["silenced_by_gate"]["value"] == 1 and figures["oracle_nugget_recall"]["value"] == 0
    assert math.isnan(figures["withdrawn"]["value"]) and math.isnan(figures["altered_caught"]["value"])
    assert figures["not_whole"]["gc"].startswith("silenced before the model: no_evidence")
    assert figures["not_whole"]["lock"].startswith("not retrieved")


def test_measure_oracle_answers_of_a_withdrawn_answer() -> None:
    wrong = replace(GC, answer="Half a fortnight of 14 days passes, says Torvalds.")
    figures, rows = measure(make_hits(("gc", GC_TEXT)), wrong)
    assert figures["withdrawn"]["value"] == 1 and figures["oracle_nugget_recall"]["value"] == 0
    assert rows[0]["reason"].startswith("withdrawn: ")
    assert not any(each["counts"] for each in rows[0]["altered"])


def test_measure_oracle_answers_without_the_citation_check() -> None:
    figures, rows = measure(make_hits(("gc", GC_TEXT)), GC, without=["citations"])
    assert figures["oracle_whole"]["value"] == 1 and figures["altered"]["number"]["altered_caught"]["value"] == 0
    number = next(each for each in rows[0]["altered"] if each["kind"] == "number")
    assert number["text"] == "Unreachable objects are kept for 24 days [1]."
    with pytest.raises(UsageError, match="found 'spelling'"):
        measure([], GC, without=["spelling"])


def test_measure_oracle_answers_needs_reference_answers() -> None:
    with pytest.raises(UsageError, match="found none of question 'gc'"):
        measure([], replace(GC, answer=" "))
    with pytest.raises(UsageError, match="grounded or plain with --oracle, found 'gold'"):
        measure([], GC, arm="gold")


def test_measure_oracle_answers_gives_the_model_back() -> None:
    store = StubStore()
    store.loaded_llm = model = FakeLLM()
    measure_oracle_answers(store, [NONE])  # type: ignore[arg-type]
    assert store.llm is model


def test_is_caught_needs_the_altered_words_or_a_report() -> None:
    alteration = Alteration("number", "It is 24 days.", "is 14 days.", "is 24 days.")
    dropped = Diagnostic(DiagnosticCode.STATEMENT_DROPPED, "no passage supports 'It is 24 days.'")
    refused = Diagnostic(DiagnosticCode.CITATION_REFUSED, "[2] refused: 'It is 24 days.'")
    assert not is_caught(Answer("q", "It is 24 days [1]."), alteration)
    assert not is_caught(Answer("q", "It is 24 days [1].", diagnostics=(refused,)), alteration)
    assert is_caught(Answer("q", "It is 24 days [1].", diagnostics=(dropped,)), alteration)
    assert is_caught(Answer("q", "It is 14 days [1]."), alteration)
    assert is_caught(Answer("q", ABSTENTION_TEXT["en"], abstained=True), alteration)


def test_find_missing_files_reads_sources_alone() -> None:
    graph = SimpleNamespace(sources_by_document=lambda: {"1": "a/git/gc.md"})
    assert find_missing_files(graph, [GC, LOCK, GC]) == ["db/lock.md", "db/gone.md"]
