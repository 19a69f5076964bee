"""The arm `system` shows the judge what an answer rests on."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from kgrag import prompts
from kgrag.answering.profiles import SMALL
from kgrag.answering.prompt_budget import format_fact_lines
from kgrag.factuality.experiment.arm_runner import ArmRunner, ExperimentPlan
from kgrag.factuality.experiment.arms import ArmEvidence, arm_evidence, edit_facts
from kgrag.factuality.experiment.conditions import Edit
from kgrag.graphqa.traversal import GraphAnswer
from kgrag.types import Path, Triple
from tests.support.answering import make_pipeline
from tests.support.fake_retriever import make_hit

TEXT = "To remove a branch from the server, push nothing to it: tool push origin :topic. The log is kept for 30 days."


def test_quotation_is_shown_by_its_citations() -> None:
    pipeline, llm = make_pipeline("Delete it.", make_hit("Guide", TEXT))
    pipeline = replace(pipeline, profile=SMALL.for_quotation())
    runner = ArmRunner(ExperimentPlan(("system",), ()), lambda *_: pipeline)
    case: Any = SimpleNamespace(question=SimpleNamespace(text="How do I remove a branch from the server?"))
    response = runner.run_system_arm(case, llm)  # type: ignore[arg-type]
    assert response.reader == "quote" and not llm.calls
    (shown,) = response.shown
    assert shown.spans == tuple((c.start, c.end) for c in response.citations) and shown.text in response.text


def test_model_arm_selects_evidence_as_the_product_does() -> None:
    sentences = [f"Tool number {n} is made of metal {n}." for n in range(60)]
    pipeline, llm = make_pipeline("Metal 7.", make_hit("Guide", " ".join(sentences)))
    asked: list[str] = []
    pipeline = replace(pipeline, embedder_for=asked.append, style="full")
    runner = ArmRunner(ExperimentPlan(("grounded",), (), evidence_tokens=50), lambda *_: pipeline)
    case: Any = SimpleNamespace(question=SimpleNamespace(text="What is tool number 7 made of?"), edit=None)
    hits = tuple(pipeline.retriever().retrieve("", 8))
    response = runner.run_model_arm(case, llm, ArmEvidence(hits))  # type: ignore[arg-type]
    assert asked == ["en"], "the blocks are compared with the question"
    assert response.text == "Metal 7." and response.citations, "the draft is kept as it is"
    shown = " ".join(passage.text for passage in response.shown)
    assert sentences[7] in shown and llm.count(shown) <= 50
    assert response.messages is not None and response.messages == llm.calls[-1]
    assert response.messages[0]["content"].startswith(prompts.EXPERIMENT_INSTRUCTION["en"][:20])


def test_system_arm_shows_the_prompt_of_the_answer() -> None:
    pipeline, llm = make_pipeline("30 days [1].", make_hit("Guide", TEXT))
    pipeline = replace(pipeline, profile=SMALL.for_passages())
    case: Any = SimpleNamespace(question=SimpleNamespace(text="How long is the log kept?"))
    response = ArmRunner(ExperimentPlan(("system",), ()), lambda *_: pipeline).run_system_arm(case, llm)  # type: ignore[arg-type]
    assert response.reader == "llm" and len(llm.calls) == 1
    assert "".join(passage.text for passage in response.shown) == TEXT


def test_edit_of_facts_reaches_their_lines() -> None:
    triple = Triple("ada", "birth_place", "london", "Ada#0001", 0, 10, 0.9)
    fact = GraphAnswer("London", Path(("ada", "london"), ("Ada", "London"), (triple,)), 0.9)
    (edited,) = edit_facts([fact], Edit(("London",), "Paris"))
    assert format_fact_lines([edited], []) == ["Ada – birth place: Paris"]
    assert edit_facts([fact], None) == (fact,)
    case: Any = SimpleNamespace(
        question=SimpleNamespace(text="Where was Ada born?"), hidden=frozenset(), edit=Edit(("London",), "Paris")
    )
    sources: Any = SimpleNamespace(hybrid=lambda *_: [], reader=SimpleNamespace(answer=lambda *_: [fact]))
    evidence = arm_evidence("grounded", case, sources, 8)
    assert evidence is not None and evidence.facts == (edited,), "the facts of the prompt are edited too"
