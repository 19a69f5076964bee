"""A world in which everything is known: people and birthplaces, answerers and judges of known behaviour."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from fake_llm import FakeLLM
from fake_reader import FakeReader

from kgrag.answer import Answerer
from kgrag.errors import ModelError
from kgrag.factuality.arms import ARMS, Sources
from kgrag.factuality.asking import Plan
from kgrag.factuality.conditions import Condition
from kgrag.factuality.grounding import Said
from kgrag.factuality.kept import Kept, KeptJudge
from kgrag.factuality.records import Record
from kgrag.factuality.run import Experiment
from kgrag.protocols import LLM, Messages, SupportJudge
from kgrag.types import Hit, Judgement, Passage, Question, Verdict

BORN = {
    "Ada Bell": "Paris", "Ben Cole": "Oslo", "Cora Dean": "Rome", "Dan Eyre": "Lima", "Eve Frost": "Cairo",
    "Fay Grant": "Delhi", "Gus Hale": "Kyoto", "Hal Ives": "Quito", "Ida Jones": "Accra", "Joe King": "Perth",
}  # fmt: skip
"""Who was born where: the gold of each question is the document of its person."""
ALL = tuple(Condition)
UNKNOWN = "I do not know."


def question(name: str) -> Question:
    return Question(name, f"Where was {name} born?", (BORN[name],), (name,), "en", "birth", 1)


QUESTIONS = [question(name) for name in BORN]
NOWHERE = Question("nobody", "Where was Zed Young born?", (), (), "en", "none")


def passage(name: str, rank: int = 1) -> Hit:
    text = f"{name} was born in {BORN[name]}. {name} grew up elsewhere."
    return Hit(Passage(f"{name}#0001", name, text, 0, len(text)), name, f"{name}.md", 1 / rank, rank)


def found(text: str, k: int, *, misses: Callable[[str], bool] = lambda _: False) -> list[Hit]:
    """The person's own passage first, unless it is missed, and others after it."""
    own = [name for name in BORN if name in text and not misses(name)]
    others = [name for name in BORN if name not in text]
    return [passage(name, rank) for rank, name in enumerate([*own, *others][:k], 1)]


class Person(FakeLLM):
    """An answerer: ``says`` is given the person asked about and the prompt, and answers. It may fail after some answers."""

    def __init__(self, says: Callable[[str, str], str], fails_after: int = 10**9) -> None:
        super().__init__()
        self.says, self.fails_after = says, fails_after

    def _would_say(self, messages: Messages, schema: str | None, choices: Sequence[str]) -> str:
        if len(self.asked) > self.fails_after:
            raise ModelError("the device is gone.")
        prompt = messages[-1]["content"]
        asked = prompt.rsplit("Question: ", 1)[1]
        name = next((name for name in BORN if name in asked), "")
        return self.says(name, prompt)


def by_evidence(name: str, prompt: str) -> str:
    """Says what is shown, and nothing else."""
    said = re.search(rf"{name} was born in (\w+)\.", prompt) if name else None
    return said.group(1) if said else UNKNOWN


def right(name: str, _: str) -> str:
    return BORN.get(name, UNKNOWN)


def wrong(_: str, __: str) -> str:
    return "Atlantis"


def silent(_: str, __: str) -> str:
    return UNKNOWN


def parrot(_: str, prompt: str) -> str:
    """Repeats the first passage that it sees; else says nothing at all."""
    shown = re.search(r"^\[1\] [^:]+: (.+)$", prompt, re.MULTILINE)
    return shown.group(1) if shown else "..."


def liar(names: set[str]) -> Callable[[str, str], str]:
    """Lies about some people, and is right about the others."""
    return lambda name, prompt: "Atlantis" if name in names else right(name, prompt)


class TruthJudge:
    """Reads the evidence as it is: a claim of a birthplace is supported where the evidence has it, refuted where it has another."""

    def __init__(self) -> None:
        self.asked = 0

    def judge(self, claim: str, evidence: Sequence[str]) -> Judgement:
        self.asked += 1
        name = next((name for name in BORN if name in claim), "")
        said = [m for text in evidence for m in re.findall(rf"{name} was born in (\w+)", text)] if name else []
        if any(place in claim for place in said) or any(claim.rstrip(".") in text for text in evidence):
            return Judgement(Verdict.SUPPORTED, 0.95)
        return Judgement(Verdict.REFUTED if said else Verdict.NOT_ENOUGH_INFO, 0.05)


def sources(misses: Callable[[str], bool] = lambda _: False) -> Sources:
    return Sources(
        hybrid=lambda text, k: found(text, k, misses=misses),
        vector=lambda text, k: found(text, k, misses=lambda name: name in ("Ada Bell", "Ben Cole")),
        graph=lambda text, k: found(text, k)[:1],
        reader=FakeReader(),
        stating=lambda _: [],
        gold=lambda q: [passage(name, rank) for rank, name in enumerate(q.gold, 1)],
    )


def experiment(
    folder: Path,
    says: Callable[[str, str], str] | Person,
    *,
    arms: Sequence[str] = ARMS,
    conditions: Sequence[Condition] = ALL,
    judge: SupportJudge | None = None,
    graph: Callable[[str, str], Said | None] = lambda q, a: None,
    misses: Callable[[str], bool] = lambda _: False,
    samples: int = 0,
    seed: int = 0,
    adapted: Callable[[str, str], str] | None = None,
) -> Experiment:
    kept = Kept(folder / "kept.jsonl")
    person = says if isinstance(says, Person) else Person(says)
    models: dict[str, tuple[Callable[[], LLM], str]] = {"": (lambda: person, "base")}
    if adapted is not None:
        other = Person(adapted)
        models["+adapter"] = (lambda: other, "adapted")
    plan = Plan(tuple(arms), tuple(conditions), k=4, samples=samples, seed=seed)
    truth = judge or TruthJudge()
    checker = KeptJudge(lambda: truth, "truth", kept)

    def system(llm: LLM, case: object) -> Answerer:
        raise AssertionError("no test of these runs it")

    return Experiment(plan, sources(misses), models, checker, graph, system, kept, clock=lambda: 0.0)


def records(folder: Path, says: Callable[[str, str], str] | Person, questions: Sequence[Question] = QUESTIONS, **how: object) -> list[Record]:  # fmt: skip
    return experiment(folder, says, **how).run(questions)  # type: ignore[arg-type]
