"""Run the experiment over an opened store and write its files, with fingerprints of model, judge and store."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import TypedDict

from kgrag.answering.guards import claim
from kgrag.answering.pipeline import AnswerPipeline
from kgrag.answering.stages.graph_answer import GRAPH_ANSWER_MIN_CONFIDENCE
from kgrag.answering.stages.retrieval import MIN_PASSAGE_PROBABILITY
from kgrag.errors import KgragError
from kgrag.factuality.experiment.arm_runner import ExperimentPlan
from kgrag.factuality.experiment.arms import ADAPTER_SUFFIX
from kgrag.factuality.experiment.conditions import EvalCase
from kgrag.factuality.experiment.experiment import Experiment
from kgrag.factuality.experiment.filtered_store import FilteredStore
from kgrag.factuality.experiment.response_cache import CachedJudge, CachedLLM, ResponseCache
from kgrag.factuality.experiment.sources import evidence_sources
from kgrag.factuality.figures import Manifest, RunReport, SkippedRow
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
from kgrag.metrics.intervals import ALPHA
from kgrag.metrics.significance import POWER
from kgrag.protocols import LLM, SupportJudge
from kgrag.storage.checksums import file_sha256
from kgrag.store.store import Store
from kgrag.types import Question

BLIND_SHEET_QUESTIONS = 30
"""Questions of the blind preference sheet."""


class ModelMetadata(TypedDict):
    """The facts that identify a language model in the manifest."""

    name: str
    sha256: str | None
    """sha256 of the weights; null for a model behind a server"""
    home: str
    """backend of the model"""
    precision: str | None
    adapter: str
    adapter_sha256: str | None


ArmModels = Mapping[str, tuple[Callable[[], LLM], ModelMetadata]]


def resolve_judge(name: str, llm: Callable[[], LLM], model: str) -> tuple[Callable[[], SupportJudge], str]:
    """Return a loader of a judge and the judge's fingerprint.

    Raises:
        ModelError: there is no judge of that name, or the folder holds no judge.
    """
    if name == "llm":  # the same model that answers
        from kgrag.judge.llm import LLMJudge

        return lambda: LLMJudge(llm()), f"llm {model} {prompts_sha256()}"
    from kgrag.judge import load_judge

    judge = load_judge(name)  # an unknown name fails here, before any answer is generated
    parts = [*files("kgrag").joinpath("judge").iterdir(), *files("kgrag").joinpath("data").iterdir()]
    judge_files = [part for part in parts if "judge" in str(part) and part.is_file()]
    digest = hashlib.sha256(b"".join(part.read_bytes() for part in sorted(judge_files, key=str))).hexdigest()
    return lambda: judge, f"{name} {digest} {_weights_sha256(Path(name).expanduser()) or ''}"


def arm_models(store: Store, adapter: str = "") -> ArmModels:
    """Return a loader and the metadata of the model for each suffix of arm names.

    Raises:
        ModelError: there is no such model or adapter.
    """

    configured_adapter = store.config.adapter

    def with_adapter(name: str) -> LLM:
        if store.config.adapter != name:  # an earlier arm may have switched to the other adapter
            store.set_model(adapter=name)
        return store.llm

    models: dict[str, tuple[Callable[[], LLM], ModelMetadata]] = {
        "": (lambda: with_adapter(configured_adapter), model_metadata(store, configured_adapter))
    }
    if adapter:
        models[ADAPTER_SUFFIX] = lambda: with_adapter(adapter), model_metadata(store, adapter)
    return models


def model_metadata(store: Store, adapter: str = "") -> ModelMetadata:
    """Return the metadata of the store's language model, with an adapter if one is named."""
    from kgrag.llm.loader import named_adapter_folder, resolve_model
    from kgrag.llm.lora_adapter import load_adapter
    from kgrag.models.endpoint import is_address

    config = store.config
    metadata: ModelMetadata = {
        "name": store.model,
        "sha256": None,
        "home": "server",
        "precision": None,
        "adapter": "",
        "adapter_sha256": None,
    }
    if not is_address(store.model):
        model, choice, _ = resolve_model(store.model, config)
        weights = model.sha256 or _weights_sha256(model.local_path or Path(model.name))
        metadata["name"], metadata["sha256"] = model.name, weights
        metadata["home"], metadata["precision"] = choice.backend, choice.precision
    if adapter:
        lora_adapter = load_adapter(named_adapter_folder(adapter, store.folder))
        metadata["adapter"], metadata["adapter_sha256"] = lora_adapter.name, file_sha256(lora_adapter.weights_file)
    return metadata


def _weights_sha256(path: Path) -> str | None:
    """Return the sha256 of a weights file or of a folder's weights files; None for a hub name."""
    if path.is_file():
        return file_sha256(path)
    weights = sorted([*path.glob("*.safetensors"), *path.glob("*.bin")]) if path.is_dir() else []
    return hashlib.sha256("".join(map(file_sha256, weights)).encode()).hexdigest() if weights else None


def prompts_sha256() -> str:
    """Return the sha256 of the text of every prompt: another prompt may give other answers."""
    return hashlib.sha256(files("kgrag").joinpath("prompts.py").read_bytes()).hexdigest()


def run_experiment(
    store: Store,
    questions: Sequence[Question],
    plan: ExperimentPlan,
    out: Path,
    *,
    judge: str,
    models: ArmModels,
    question_metadata: Manifest,
    tick: Callable[[], None],
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[RunReport, list[RunRecord]]:
    """Run a plan, write its files into ``out``, and return the report and the records.

    Args:
        store: the opened store.
        questions: the questions to ask.
        plan: arms, conditions and limits.
        out: folder of the run, with the cache of responses.
        judge: name or folder of the judge, or ``llm``.
        models: loader and metadata of the model for each suffix of arm names.
        question_metadata: description of the questions for the manifest.
        tick: called after each answer.
        clock: returns the time in seconds.

    Raises:
        ModelError: the model failed; the answers so far are kept in ``out``.
        KgragError: the store changed during the run.
    """
    generation = store.graph_store.generation
    model_stamps = {suffix: json.dumps(metadata, sort_keys=True) for suffix, (_, metadata) in models.items()}
    load_judge, judge_stamp = resolve_judge(judge, models[""][0], model_stamps[""])
    with ResponseCache(out / "kept.jsonl") as answer_cache:
        experiment = build_experiment(store, plan, {s: (load, model_stamps[s]) for s, (load, _) in models.items()}, CachedJudge(load_judge, judge_stamp, answer_cache), answer_cache, clock)  # fmt: skip
        records = experiment.run(questions, tick)
    if store.graph_store.generation != generation:
        raise KgragError("The store changed during the run, so its first answers had other evidence: run it again.")
    report = build_report(records, out, plan.seed)
    report["unasked"] = [
        SkippedRow(arm=arm, condition=condition, why=why, questions=number)
        for (arm, condition, why), number in sorted(experiment.skipped.items())
    ]
    manifest = question_metadata | {
        "schema": 1,
        "model": models[""][1],
        "models": {suffix: metadata for suffix, (_, metadata) in models.items()},
        "judge": {"name": judge, "sha256": hashlib.sha256(judge_stamp.encode()).hexdigest()},
        "prompts_sha256": prompts_sha256(),
        "store": {"made": store.graph_store.meta("made"), "generation": generation, **store.graph_store.counts()},
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
    """Build the experiment over an opened store."""
    from kgrag.explore.conflicts import are_compatible

    sources, facts, vocabulary = evidence_sources(store), store.facts, store.predicates

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

    return Experiment(plan, sources, models, judge, graph_verdict, build_system, answer_cache, clock, schema=vocabulary)


def build_report(records: Sequence[RunRecord], out: Path, seed: int) -> RunReport:
    """Build the report of records, with the human labels and preferences in ``out``."""
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
    "words_of_a_citation": claim.MIN_WORD_SHARE,
    "graph_contradicts": graph_check.MIN_REFUTING_CONFIDENCE,
    "passages_for_a_claim": claim_verification.CLAIM_PASSAGES,
    "temperature": uncertainty.SAMPLE_TEMPERATURE,
    "level": ALPHA,
    "power": POWER,
    "system": {
        "facts_sure": GRAPH_ANSWER_MIN_CONFIDENCE,
        "passages_likely": MIN_PASSAGE_PROBABILITY,
    },
}
"""Thresholds that decide figures, for the manifest."""
