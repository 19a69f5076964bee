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

from kgrag.answering.guards import citations
from kgrag.answering.pipeline import (
    GRAPH_ANSWER_MIN_CONFIDENCE,
    MIN_CITATION_PROBABILITY,
    MIN_PASSAGE_PROBABILITY,
    AnswerPipeline,
)
from kgrag.errors import KgragError
from kgrag.factuality.experiment.arm_runner import ExperimentPlan
from kgrag.factuality.experiment.arms import ADAPTER_SUFFIX
from kgrag.factuality.experiment.conditions import EvalCase
from kgrag.factuality.experiment.experiment import Experiment
from kgrag.factuality.experiment.filtered_store import FilteredStore
from kgrag.factuality.experiment.response_cache import CachedJudge, CachedLLM, ResponseCache
from kgrag.factuality.experiment.sources import evidence_sources
from kgrag.factuality.records import RunRecord, records_digest
from kgrag.factuality.report import summary
from kgrag.factuality.report.files import write_run
from kgrag.factuality.report.paired_differences import BASELINE, GROUNDED
from kgrag.factuality.scoring import (
    abstention_detector,
    claim_verification,
    graph_check,
    human_labels,
    outcomes,
    uncertainty,
)
from kgrag.metrics.significance import ALPHA, POWER
from kgrag.protocols import LLM, SupportJudge
from kgrag.store.store import Store
from kgrag.types import Question

BLIND_SHEET_QUESTIONS = 30
"""Questions of the blind sheet."""
ArmModels = Mapping[str, tuple[Callable[[], LLM], dict[str, Any]]]


def resolve_judge(name: str, llm: Callable[[], LLM], model: str) -> tuple[Callable[[], SupportJudge], str]:
    """How a judge is loaded, and what tells it from every other.

    Raises:
        ModelError: there is none of that name, or the folder is no judge.
    """
    if name == "llm":  # the one that answers, whichever that is
        from kgrag.judge.llm import LLMJudge

        return lambda: LLMJudge(llm()), f"llm {model} {prompts_sha256()}"
    from kgrag.judge import load_judge

    judge = load_judge(name)  # a name that is none is said before anything is answered
    parts = [*files("kgrag").joinpath("judge").iterdir(), *files("kgrag").joinpath("data").iterdir()]
    judge_files = [part for part in parts if "judge" in str(part) and part.is_file()]
    digest = hashlib.sha256(b"".join(part.read_bytes() for part in sorted(judge_files, key=str))).hexdigest()
    return lambda: judge, f"{name} {digest} {_weights_sha256(Path(name).expanduser()) or ''}"


def arm_models(store: Store, adapter: str = "") -> ArmModels:
    """What arms' names end in -> how the model is loaded, and the facts that tell it from others.

    Raises:
        ModelError: there is no such model or adapter.
    """

    configured_adapter = store.config.adapter

    def with_adapter(name: str) -> LLM:
        if store.config.adapter != name:  # whoever asks for the one may have asked for the other before
            store.set_model(adapter=name)
        return store.llm

    models: dict[str, tuple[Callable[[], LLM], dict[str, Any]]] = {
        "": (lambda: with_adapter(configured_adapter), model_metadata(store, configured_adapter))
    }
    if adapter:
        models[ADAPTER_SUFFIX] = lambda: with_adapter(adapter), model_metadata(store, adapter)
    return models


def model_metadata(store: Store, adapter: str = "") -> dict[str, Any]:
    """A language model's ``name``, ``sha256`` of its weights (None behind a server), ``home``, ``precision``, ``adapter`` and
    ``adapter_sha256``."""
    from kgrag.llm.loader import named_adapter_folder, resolve_model
    from kgrag.llm.lora_adapter import load_adapter
    from kgrag.models.endpoint import is_address

    config = store.config
    facts: dict[str, Any] = {"name": store.model, "sha256": None, "home": "server", "precision": None}
    if not is_address(store.model):
        model, choice, _ = resolve_model(store.model, config)
        weights = model.sha256 or _weights_sha256(model.local_path or Path(model.name))
        facts = {"name": model.name, "sha256": weights, "home": choice.backend, "precision": choice.precision}
    facts |= {"adapter": "", "adapter_sha256": None}
    if adapter:
        lora_adapter = load_adapter(named_adapter_folder(adapter, store.folder))
        facts |= {"adapter": lora_adapter.name, "adapter_sha256": file_sha256(lora_adapter.weights_file)}
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


def run_experiment(
    store: Store,
    questions: Sequence[Question],
    plan: ExperimentPlan,
    out: Path,
    *,
    judge: str,
    models: ArmModels,
    question_metadata: dict[str, Any],
    tick: Callable[[], None],
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[dict[str, Any], list[RunRecord]]:
    """Run a plan and write its files into ``out``; gives the report and the records.

    Args:
        about: of the questions, for the manifest.

    Raises:
        ModelError: the model failed; what was answered is kept in ``out``.
        KgragError: the store changed while it ran.
    """
    generation = store.graph.generation
    model_stamps = {suffix: json.dumps(facts, sort_keys=True) for suffix, (_, facts) in models.items()}
    load_judge, judge_stamp = resolve_judge(judge, models[""][0], model_stamps[""])
    with ResponseCache(out / "kept.jsonl") as answer_cache:
        experiment = build_experiment(store, plan, {s: (load, model_stamps[s]) for s, (load, _) in models.items()}, CachedJudge(load_judge, judge_stamp, answer_cache), answer_cache, clock)  # fmt: skip
        records = experiment.run(questions, tick)
    if store.graph.generation != generation:
        raise KgragError(
            "The store was written to during the run, so its first answers had other evidence: run it again."
        )
    report = build_report(records, out, plan.seed)
    report["unasked"] = [
        {"arm": arm, "condition": condition, "why": why, "questions": number}
        for (arm, condition, why), number in sorted(experiment.skipped.items())
    ]
    manifest = question_metadata | {
        "schema": 1,
        "model": models[""][1],
        "models": {suffix: facts for suffix, (_, facts) in models.items()},
        "judge": {"name": judge, "sha256": hashlib.sha256(judge_stamp.encode()).hexdigest()},
        "prompts_sha256": prompts_sha256(),
        "store": {"made": store.graph.meta("made"), "generation": generation, **store.graph.counts()},
        "arms": list(plan.arms),
        "conditions": [c.value for c in plan.conditions],
        **{name: getattr(plan, name) for name in ("k", "samples", "seed", "evidence_tokens", "answer_tokens")},
        "lookups": store.config.lookups,
        "thresholds": THRESHOLDS,
        "digest": records_digest(records),
    }
    report["manifest"] = manifest
    write_run(out, records, report, manifest)
    arms = report["arms"]
    first_arm = BASELINE if BASELINE in arms else arms[0]
    second_arm = next((arm for arm in (GROUNDED, *arms) if arm in arms and arm != first_arm), first_arm)
    if first_arm != second_arm:
        human_labels.write_preference_sheet(out, records, first_arm, second_arm, BLIND_SHEET_QUESTIONS, plan.seed)
    return report, records


def build_experiment(
    store: Store,
    plan: ExperimentPlan,
    models: Mapping[str, tuple[Callable[[], LLM], str]],
    judge: CachedJudge,
    answer_cache: ResponseCache,
    clock: Callable[[], float],
) -> Experiment:
    """The experiment over an opened store."""
    from kgrag.explore.conflicts import are_compatible

    sources, facts, vocabulary = evidence_sources(store), store.facts, store.vocabulary

    def build_system(llm: CachedLLM, case: EvalCase) -> AnswerPipeline:
        view = FilteredStore(sources, case)
        return replace(store.answer_pipeline, retriever=lambda: view, graph_qa=lambda: view, llm=lambda: llm)

    def graph_verdict(question: str, answer: str) -> graph_check.GraphVerdict | None:
        return graph_check.verify_with_graph(
            question,
            answer,
            sources.reader.answer,
            vocabulary,
            lambda a, b: are_compatible(facts, vocabulary, a, b),
        )

    return Experiment(plan, sources, models, judge, graph_verdict, build_system, answer_cache, clock)


def build_report(records: Sequence[RunRecord], out: Path, seed: int) -> dict[str, Any]:
    """The report of records, with what people have said of them in ``out``."""
    from kgrag.factuality.report.text_summary import summary_sentences

    report = summary.build_report(records, seed=seed)
    report["abstention_detector"] = abstention_detector.measure_detector()
    report["people"] = {
        "claims": human_labels.judge_agreement(records, human_labels.load_labels(out)),
        "preferences": human_labels.count_preferences(out),
    }
    report["sentences"] = summary_sentences(report)
    return report


THRESHOLDS = {
    "near_f1": outcomes.FUZZY_MATCH_F1,
    "tokens_beside_an_answer": outcomes.MAX_EXTRA_TOKENS,
    "words_of_a_citation": citations.MIN_TOKEN_OVERLAP,
    "graph_contradicts": graph_check.MIN_REFUTING_CONFIDENCE,
    "passages_for_a_claim": claim_verification.CLAIM_PASSAGES,
    "temperature": uncertainty.SAMPLE_TEMPERATURE,
    "level": ALPHA,
    "power": POWER,
    "system": {
        "facts_sure": GRAPH_ANSWER_MIN_CONFIDENCE,
        "passages_likely": MIN_PASSAGE_PROBABILITY,
        "citations_relevant": MIN_CITATION_PROBABILITY,
    },
}
"""What decides, for the manifest."""
