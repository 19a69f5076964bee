"""A small world of persons and birthplaces, with models and judges of known behaviour."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from kgrag.answering.pipeline import AnswerPipeline
from kgrag.factuality.experiment.arm_runner import ExperimentPlan
from kgrag.factuality.experiment.arms import DEFAULT_ARMS, EvidenceSources
from kgrag.factuality.experiment.conditions import Condition
from kgrag.factuality.experiment.experiment import Experiment
from kgrag.factuality.experiment.response_cache import CachedJudge, ResponseCache
from kgrag.factuality.records import RunRecord
from kgrag.factuality.scoring.graph_check import GraphVerdict
from kgrag.protocols import LLM, Messages, SupportJudge
from kgrag.types import ClaimVerdict, Hit, Passage, Question, Verdict
from tests.support.fake_graph_qa import FakeGraphQA
from tests.support.fake_llm import FakeLLM

BIRTHPLACES = {
    "Ada Bell": "Paris", "Ben Cole": "Oslo", "Cora Dean": "Rome", "Dan Eyre": "Lima", "Eve Frost": "Cairo",
    "Fay Grant": "Delhi", "Gus Hale": "Kyoto", "Hal Ives": "Quito", "Ida Jones": "Accra", "Joe King": "Perth",
}  # fmt: skip
"""Birthplace by person; the gold document of each question is the person's document."""
ALL_CONDITIONS = tuple(Condition)
ABSTENTION = "I do not know."


def make_question(name: str) -> Question:
    return Question(name, f"Where was {name} born?", (BIRTHPLACES[name],), (name,), "en", "birth", 1)


QUESTIONS = [make_question(name) for name in BIRTHPLACES]
UNANSWERABLE_QUESTION = Question("nobody", "Where was Zed Young born?", (), (), "en", "none")


def make_hit(name: str, rank: int = 1) -> Hit:
    text = f"{name} was born in {BIRTHPLACES[name]}. {name} grew up elsewhere."
    return Hit(Passage(f"{name}#0001", name, text, 0, len(text)), name, f"{name}.md", 1 / rank, rank)


def find_passages(text: str, k: int, *, misses: Callable[[str], bool] = lambda _: False) -> list[Hit]:
    """Return the passage of the person in the text first, unless it is missed, then other passages."""
    own_names = [name for name in BIRTHPLACES if name in text and not misses(name)]
    other_names = [name for name in BIRTHPLACES if name not in text]
    return [make_hit(name, rank) for rank, name in enumerate([*own_names, *other_names][:k], 1)]


class BirthplaceLLM(FakeLLM):
    """A model that answers with ``answer_fn(name of the person, prompt)``, and may fail after some calls."""

    def __init__(self, answer_fn: Callable[[str, str], str], fails_after: int | None = None) -> None:
        super().__init__(fails_after=fails_after)
        self.answer_fn = answer_fn

    def _choose_answer(self, messages: Messages, schema: str | None, choices: Sequence[str]) -> str:
        prompt = messages[-1]["content"]
        question_text = prompt.rsplit("Question: ", 1)[1]
        name = next((name for name in BIRTHPLACES if name in question_text), "")
        return self.answer_fn(name, prompt)


def answer_from_evidence(name: str, prompt: str) -> str:
    """Return the birthplace that the prompt states, or abstain."""
    match = re.search(rf"{name} was born in (\w+)\.", prompt) if name else None
    return match.group(1) if match else ABSTENTION


def answer_correctly(name: str, _: str) -> str:
    return BIRTHPLACES.get(name, ABSTENTION)


def answer_wrongly(_: str, __: str) -> str:
    return "Atlantis"


def abstain(_: str, __: str) -> str:
    return ABSTENTION


def repeat_first_passage(_: str, prompt: str) -> str:
    """Return the first passage of the prompt, or an empty answer."""
    match = re.search(r"^\[1\] [^:]+: (.+)$", prompt, re.MULTILINE)
    return match.group(1) if match else "..."


def lie_about(names: set[str]) -> Callable[[str, str], str]:
    """Return a function that answers wrongly for some persons and correctly for the others."""
    return lambda name, prompt: "Atlantis" if name in names else answer_correctly(name, prompt)


class TruthJudge:
    """A judge of birthplaces: supported if the evidence states the place, refuted if it states another one."""

    def __init__(self) -> None:
        self.call_count = 0

    def judge(self, claim: str, evidence: Sequence[str]) -> ClaimVerdict:
        self.call_count += 1
        name = next((name for name in BIRTHPLACES if name in claim), "")
        stated_places = [m for text in evidence for m in re.findall(rf"{name} was born in (\w+)", text)] if name else []
        if any(place in claim for place in stated_places) or any(claim.rstrip(".") in text for text in evidence):
            return ClaimVerdict(Verdict.SUPPORTED, 0.95)
        return ClaimVerdict(Verdict.REFUTED if stated_places else Verdict.NOT_ENOUGH_INFO, 0.05)


def make_sources(misses: Callable[[str], bool] = lambda _: False) -> EvidenceSources:
    return EvidenceSources(
        hybrid=lambda text, k: find_passages(text, k, misses=misses),
        vector=lambda text, k: find_passages(text, k, misses=lambda name: name in ("Ada Bell", "Ben Cole")),
        graph=lambda text, k: find_passages(text, k)[:1],
        reader=FakeGraphQA(),
        passages_stating=lambda _: [],
        gold=lambda q: [make_hit(name, rank) for rank, name in enumerate(q.gold, 1)],
    )


def make_experiment(
    folder: Path,
    answer_fn: Callable[[str, str], str] | BirthplaceLLM,
    *,
    arms: Sequence[str] = DEFAULT_ARMS,
    conditions: Sequence[Condition] = ALL_CONDITIONS,
    judge: SupportJudge | None = None,
    graph: Callable[[str, str], GraphVerdict | None] = lambda q, a: None,
    misses: Callable[[str], bool] = lambda _: False,
    samples: int = 0,
    seed: int = 0,
    adapted: Callable[[str, str], str] | None = None,
) -> Experiment:
    cache = ResponseCache(folder / "kept.jsonl")
    base_llm = answer_fn if isinstance(answer_fn, BirthplaceLLM) else BirthplaceLLM(answer_fn)
    models: dict[str, tuple[Callable[[], LLM], str]] = {"": (lambda: base_llm, "base")}
    if adapted is not None:
        adapted_llm = BirthplaceLLM(adapted)
        models["+adapter"] = (lambda: adapted_llm, "adapted")
    plan = ExperimentPlan(tuple(arms), tuple(conditions), k=4, samples=samples, seed=seed)
    base_judge = judge or TruthJudge()
    cached_judge = CachedJudge(lambda: base_judge, "truth", cache)

    def unused() -> NoReturn:
        raise AssertionError("the arm system does not run in this world")

    def build_pipeline(llm: LLM, case: object) -> AnswerPipeline:
        return AnswerPipeline(unused, unused, lambda: llm)

    return Experiment(plan, make_sources(misses), models, cached_judge, graph, build_pipeline, cache, clock=lambda: 0.0)


def run_experiment(folder: Path, answer_fn: Callable[[str, str], str] | BirthplaceLLM, questions: Sequence[Question] = QUESTIONS, **options: object) -> list[RunRecord]:  # fmt: skip
    return make_experiment(folder, answer_fn, **options).run(questions)  # type: ignore[arg-type]
