"""A name that two documents use for two persons is answered for both."""

from __future__ import annotations

import pytest

from kgrag.types import DiagnosticCode
from tests.support.answering import make_graph_reader, make_reading_pipeline
from tests.support.fake_llm import FakeLLM

TEXTS = {
    "John Smith (engineer)": "John Smith was born on 4 May 1950.",
    "John Smith (footballer)": "John Smith was born on 9 June 1980.",
    "Ann Vale": "Ann Vale was born on 1 May 1900.",
    "Ann Vale (painter)": "Ann Vale was born in May 1900.",
}


@pytest.mark.parametrize(
    ("facts", "question", "texts", "is_ambiguous"),
    [
        (
            [
                ("John Smith (engineer)", "date_of_birth", "1950 05 04"),
                ("John Smith (footballer)", "date_of_birth", "1980 06 09"),
            ],
            "When was John Smith born?",
            ["John Smith (engineer)", "John Smith (footballer)"],
            True,
        ),
        (
            [("Ann Vale", "date_of_birth", "1900 05 01"), ("Ann Vale (painter)", "date_of_birth", "may 1900")],
            "When was Ann Vale born?",
            [],
            False,
        ),
        ([("John Smith (engineer)", "date_of_birth", "1950 05 04")], "When was John Smith born?", [], False),
    ],
    ids=["two persons", "a less exact date", "one person"],
)
def test_equal_answers_of_several_documents_are_all_told(
    facts: list[tuple[str, str, str]], question: str, texts: list[str], is_ambiguous: bool
) -> None:
    pipeline = make_reading_pipeline(TEXTS, make_graph_reader(TEXTS, *facts), FakeLLM(default_answer="unused"))
    answer = pipeline.answer(question, reader="graph")
    assert all(text in answer.text for text in texts)
    codes = [diagnostic.code for diagnostic in answer.diagnostics]
    assert (DiagnosticCode.NAME_AMBIGUOUS in codes) is is_ambiguous
    assert len(answer.citations) == (2 if is_ambiguous else 1)
    if is_ambiguous:
        assert [hit.rank for hit in answer.evidence] == list(range(1, len(answer.evidence) + 1))
