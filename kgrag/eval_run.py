"""A run over an opened store: what tells its model, judge and store from others, the run itself, and its files."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from kgrag import cite
from kgrag.answer import LIKELY, RELEVANT, SURE, Answerer
from kgrag.app import App
from kgrag.errors import KgragError
from kgrag.factuality import abstention, grounding, outcomes, people, summary, support, uncertainty
from kgrag.factuality.arms import ADAPTED
from kgrag.factuality.asking import Plan
from kgrag.factuality.conditions import Case
from kgrag.factuality.differences import BASELINE, GROUNDED
from kgrag.factuality.kept import Kept, KeptJudge, KeptLLM
from kgrag.factuality.records import Record, digest
from kgrag.factuality.run import Experiment
from kgrag.factuality.statistics import ALPHA, POWER
from kgrag.factuality.view import View
from kgrag.factuality.write import write
from kgrag.protocols import LLM, SupportJudge
from kgrag.types import Question

SHEET = 30
"""Questions of the blind sheet."""
Models = Mapping[str, tuple[Callable[[], LLM], dict[str, Any]]]


def support_judge(name: str, llm: Callable[[], LLM], model: str) -> tuple[Callable[[], SupportJudge], str]:
    """How a judge is loaded, and what tells it from every other.

    Raises:
        ModelError: there is none of that name, or the folder is no judge.
    """
    if name == "llm":  # the one that answers, whichever that is
        from kgrag.llm.judge import LLMJudge

        return lambda: LLMJudge(llm()), f"llm {model} {prompts_sha256()}"
    from kgrag.judge import load_judge

    judge = load_judge(name)  # a name that is none is said before anything is answered
    parts = [*files("kgrag").joinpath("judge").iterdir(), *files("kgrag").joinpath("data").iterdir()]
    own = [part for part in parts if "judge" in str(part) and part.is_file()]
    digest = hashlib.sha256(b"".join(part.read_bytes() for part in sorted(own, key=str))).hexdigest()
    return lambda: judge, f"{name} {digest} {_weights_sha256(Path(name).expanduser()) or ''}"


def models_of(opened: App, adapter: str = "") -> Models:
    """What arms' names end in -> how the model is loaded, and the facts that tell it from others.

    Raises:
        ModelError: there is no such model or adapter.
    """

    own = opened.config.adapter

    def with_adapter(name: str) -> LLM:
        if opened.config.adapter != name:  # whoever asks for the one may have asked for the other before
            opened.use(adapter=name)
        return opened.llm

    found: dict[str, tuple[Callable[[], LLM], dict[str, Any]]] = {
        "": (lambda: with_adapter(own), model_facts(opened, own))
    }
    if adapter:
        found[ADAPTED] = lambda: with_adapter(adapter), model_facts(opened, adapter)
    return found


def model_facts(opened: App, adapter: str = "") -> dict[str, Any]:
    """A language model's ``name``, ``sha256`` of its weights (None behind a server), ``home``, ``precision``, ``adapter`` and
    ``adapter_sha256``."""
    from kgrag.llm.adapter import load_adapter
    from kgrag.llm.choose import adapter_folder, chosen
    from kgrag.models.address import is_address

    config = opened.config
    facts: dict[str, Any] = {"name": opened.model, "sha256": None, "home": "server", "precision": None}
    if not is_address(opened.model):
        model, choice, _ = chosen(opened.model, config)
        weights = model.sha256 or _weights_sha256(model.local or Path(model.name))
        facts = {"name": model.name, "sha256": weights, "home": choice.home, "precision": choice.precision}
    facts |= {"adapter": "", "adapter_sha256": None}
    if adapter:
        found = load_adapter(adapter_folder(adapter, opened.store))
        facts |= {"adapter": found.name, "adapter_sha256": file_sha256(found.weights)}
    return facts


def _weights_sha256(path: Path) -> str | None:
    """Of the weights' files of a folder, or of a file; None of a hub's name."""
    if path.is_file():
        return file_sha256(path)
    weights = sorted([*path.glob("*.safetensors"), *path.glob("*.bin")]) if path.is_dir() else []
    return hashlib.sha256("".join(map(file_sha256, weights)).encode()).hexdigest() if weights else None


def file_sha256(path: Path) -> str:
    """Of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def prompts_sha256() -> str:
    """Of the text of every prompt: another text may be answered otherwise."""
    return hashlib.sha256(files("kgrag").joinpath("prompts.py").read_bytes()).hexdigest()


def run(
    opened: App,
    questions: Sequence[Question],
    plan: Plan,
    out: Path,
    *,
    judge: str,
    models: Models,
    about: dict[str, Any],
    tick: Callable[[], None],
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[dict[str, Any], list[Record]]:
    """Run a plan and write its files into ``out``; gives the report and the records.

    Args:
        about: of the questions, for the manifest.

    Raises:
        ModelError: the model failed; what was answered is kept in ``out``.
        KgragError: the store changed while it ran.
    """
    generation = opened.graph.generation
    stamps = {suffix: json.dumps(facts, sort_keys=True) for suffix, (_, facts) in models.items()}
    load_judge, judge_stamp = support_judge(judge, models[""][0], stamps[""])
    with Kept(out / "kept.jsonl") as kept:
        experiment = made(opened, plan, {s: (load, stamps[s]) for s, (load, _) in models.items()}, KeptJudge(load_judge, judge_stamp, kept), kept, clock)  # fmt: skip
        records = experiment.run(questions, tick)
    if opened.graph.generation != generation:
        raise KgragError(
            "The store was written to during the run, so its first answers had other evidence: run it again."
        )
    report = figures(records, out, plan.seed)
    report["unasked"] = [
        {"arm": arm, "condition": condition, "why": why, "questions": number}
        for (arm, condition, why), number in sorted(experiment.unasked.items())
    ]
    manifest = about | {
        "schema": 1,
        "model": models[""][1],
        "models": {suffix: facts for suffix, (_, facts) in models.items()},
        "judge": {"name": judge, "sha256": hashlib.sha256(judge_stamp.encode()).hexdigest()},
        "prompts_sha256": prompts_sha256(),
        "store": {"made": opened.graph.meta("made"), "generation": generation, **opened.graph.counts()},
        "arms": list(plan.arms),
        "conditions": [c.value for c in plan.conditions],
        **{name: getattr(plan, name) for name in ("k", "samples", "seed", "evidence_tokens", "answer_tokens")},
        "lookups": opened.config.lookups,
        "thresholds": THRESHOLDS,
        "digest": digest(records),
    }
    report["manifest"] = manifest
    write(out, records, report, manifest)
    arms = report["arms"]
    one = BASELINE if BASELINE in arms else arms[0]
    two = next((arm for arm in (GROUNDED, *arms) if arm in arms and arm != one), one)
    if one != two:
        people.write_sheet(out, records, one, two, SHEET, plan.seed)
    return report, records


def made(
    opened: App,
    plan: Plan,
    models: Mapping[str, tuple[Callable[[], LLM], str]],
    judge: KeptJudge,
    kept: Kept,
    clock: Callable[[], float],
) -> Experiment:
    """The experiment over an opened store."""
    from kgrag.explore.conflicts import agree

    sources, facts, vocabulary = opened.sources, opened.facts, opened.vocabulary

    def system(llm: KeptLLM, case: Case) -> Answerer:
        view = View(sources, case)
        return replace(opened.answerer, retriever=lambda: view, graph=lambda: view, llm=lambda: llm)

    def graph(question: str, answer: str) -> grounding.Said | None:
        return grounding.said_by_graph(
            question,
            answer,
            sources.reader.read,
            vocabulary,
            lambda a, b: agree(facts, vocabulary, a, b),
        )

    return Experiment(plan, sources, models, judge, graph, system, kept, clock)


def figures(records: Sequence[Record], out: Path, seed: int) -> dict[str, Any]:
    """The report of records, with what people have said of them in ``out``."""
    from kgrag.factuality.told import sentences

    report = summary.report(records, seed=seed)
    report["abstention_detector"] = abstention.measured()
    report["people"] = {
        "claims": people.agreement(records, people.load_labels(out)),
        "preferences": people.preferences(out),
    }
    report["sentences"] = sentences(report)
    return report


THRESHOLDS = {
    "near_f1": outcomes.NEAR,
    "tokens_beside_an_answer": outcomes.ASIDE,
    "words_of_a_citation": cite.ENOUGH,
    "graph_contradicts": grounding.SURE,
    "passages_for_a_claim": support.FOUND,
    "temperature": uncertainty.TEMPERATURE,
    "level": ALPHA,
    "power": POWER,
    "system": {"facts_sure": SURE, "passages_likely": LIKELY, "citations_relevant": RELEVANT},
}
"""What decides, for the manifest."""
