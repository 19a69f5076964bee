"""The arm `system` shows the judge what an answer rests on."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from kgrag.answering.profiles import SMALL
from kgrag.factuality.experiment.arm_runner import ArmRunner, ExperimentPlan
from tests.support.answering import make_pipeline
from tests.support.fake_retriever import make_hit

TEXT = "To remove a branch from the server, push nothing to it: tool push origin :topic. The log is kept for 30 days."


def test_quotation_is_shown_by_its_citations() -> None:
    pipeline, llm = make_pipeline("Delete it.", make_hit("Guide", TEXT))
    pipeline = replace(pipeline, profile=SMALL.for_quotation())
    runner = ArmRunner(ExperimentPlan(("system",), ()), lambda *_: pipeline, cache=SimpleNamespace())  # type: ignore[arg-type]
    case: Any = SimpleNamespace(question=SimpleNamespace(text="How do I remove a branch from the server?"))
    response = runner.run_system_arm(case, llm)  # type: ignore[arg-type]
    assert response.reader == "quote" and not llm.calls
    (shown,) = response.shown
    assert shown.spans == tuple((c.start, c.end) for c in response.citations) and shown.text in response.text
