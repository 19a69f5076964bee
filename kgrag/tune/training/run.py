"""Train an adapter: load the model, check the memory, train the phases, and write the files."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any, TypedDict

from kgrag.config import Config
from kgrag.errors import KgragError, ModelError, UsageError
from kgrag.llm.loader import resolve_model, weights_folder
from kgrag.models.device import this_device
from kgrag.models.fingerprint import weights_sha256
from kgrag.models.registry import ModelEntry
from kgrag.storage.atomic import atomic_folder
from kgrag.tune.adapters.card import AdapterCard, TrainingDataInfo, save_card
from kgrag.tune.data.example import Example, Preference
from kgrag.tune.training import curves
from kgrag.tune.training.checkpoint import CheckpointFile, TrainingManifest
from kgrag.tune.training.loop import (
    DivergedError,
    TimeBudgetExceeded,
    TrainingProgress,
    TrainingResult,
    run_training_loop,
)
from kgrag.tune.training.memory_check import fit_settings_to_memory
from kgrag.tune.training.objectives import Objective
from kgrag.tune.training.packed_forward import PackedModel
from kgrag.tune.training.peft_model import (
    add_adapter,
    load_adapter_weights,
    load_base,
    save_trained,
    trainable_parameters,
)
from kgrag.tune.training.phases import TrainingPhases
from kgrag.tune.training.schedule import build_schedule
from kgrag.tune.training.settings import VIRTUAL_TOKENS, DevicePlan, TrainingConfig, plan_for_device
from kgrag.tune.training.tokenization import ChatEncoder, find_turn_ends

MessageCallback = Callable[[str], None]
ProgressCallback = Callable[[str, float], None]
StepCallback = Callable[[str, TrainingProgress], None]

PhaseReport = TypedDict(
    "PhaseReport",
    {
        "steps": int,
        "best step": int,
        "seconds": float,
        "why it ended": str,
        "before": dict[str, float],
        "after": dict[str, float],
        "warning": str,
    },
)
"""Figures of one phase, as `kgrag tune --json` prints them."""
TrainingReport = TypedDict(
    "TrainingReport",
    {
        "adapter": str,
        "model": str,
        "method": str,
        "left out": int,
        "tokens": dict[str, int],
        "tokens of separate examples": dict[str, int],
        "phases": dict[str, PhaseReport],
    },
)
"""Figures of a training, as `kgrag tune --json` prints them; ``tokens`` are counted with and without packing."""


@dataclass(frozen=True)
class TrainingJob:
    """A model, its training data and settings.

    ``data_description`` and ``licence`` describe the data for the adapter's card. ``initial_adapter`` is the folder of
    an adapter whose training continues.
    """

    model: str
    out: Path
    settings: TrainingConfig
    examples: Sequence[Example] = ()
    preferences: Sequence[Preference] = ()
    data_description: str = ""
    licence: str = ""
    initial_adapter: Path | None = None
    config: Config = field(default_factory=lambda: Config.model_validate({}))


@dataclass(frozen=True)
class _Callbacks:
    """Receivers of notices, of the setup's progress, and of the steps."""

    notify: MessageCallback
    progress: ProgressCallback
    tick: StepCallback


@dataclass(frozen=True)
class _LoadedModel:
    """A model with an adapter, ready to be trained; ``settings`` fit the memory, ``source`` is the weights' folder."""

    entry: ModelEntry
    source: Path
    settings: TrainingConfig
    device_plan: DevicePlan
    model: Any
    network: PackedModel
    encoder: ChatEncoder

    @property
    def max_example_tokens(self) -> int:
        """Return the longest example; with p-tuning, its virtual tokens must fit the context, too."""
        settings = self.settings
        virtual_tokens = VIRTUAL_TOKENS * (settings.method == "p-tuning")
        return min(settings.tokens, (self.entry.context or settings.tokens) - virtual_tokens)


def train_adapter(
    job: TrainingJob,
    notify: MessageCallback,
    progress: ProgressCallback,
    tick: StepCallback,
    *,
    fresh: bool = False,
) -> TrainingReport:
    """Train an adapter, write it to ``job.out``, and return its figures.

    Args:
        job: the model, the data and the settings.
        notify: called with notices.
        progress: called with each activity before the first step and the share of it that is done.
        tick: called after each step, with the phase's name.
        fresh: delete the checkpoints of an interrupted training instead of resuming it.

    Raises:
        UsageError: ``job.out`` exists, or the checkpoint belongs to another training.
        ModelError: the model does not fit or cannot be trained, or the loss is not a number.
        KgragError: there is nothing to learn from, or the disk is full.
        KeyboardInterrupt: the user stopped it; the checkpoint is kept.
    """
    started = time.monotonic()
    if job.out.exists():
        raise UsageError(f"There is something in {job.out} already: choose another folder with --out, or delete it.")
    callbacks = _Callbacks(notify, progress, tick)
    loaded = _load_model(job, callbacks)
    builder = TrainingPhases(
        loaded.settings, loaded.network.logprobs, loaded.encoder, loaded.max_example_tokens, notify
    )
    phases = builder.build_phases(job.examples, job.preferences)
    if not loaded.network.verify_split(next(iter(phases.values())).packs[0]):
        notify("this model cannot be split between layers: every layer is computed in every step")
    checkpoints = _checkpoint_files(job, loaded, phases)
    if fresh:
        for checkpoint in checkpoints.values():
            checkpoint.delete()
    results = _train_phases(job, loaded, phases, checkpoints, started, callbacks)
    card = _write_adapter(job, loaded, results)
    for checkpoint in checkpoints.values():
        checkpoint.delete()
    return {
        "adapter": str(job.out),
        "model": model_short_name(loaded.entry),
        "method": card.method,
        "left out": builder.num_skipped,
        "tokens": {name: sum(map(len, objective.packs)) for name, objective in phases.items()},
        "tokens of separate examples": {
            name: sum(pack.unpacked_tokens for pack in objective.packs) for name, objective in phases.items()
        },
        "phases": {name: _phase_report(result) for name, result in results.items()},
    }


def _load_model(job: TrainingJob, callbacks: _Callbacks) -> _LoadedModel:
    """Load the model with its adapter, after checking that the training fits the memory."""
    device = this_device()
    device_plan = plan_for_device(job.settings.method, device)
    entry, _, choice_reason = resolve_model(job.model, job.config)
    name = model_short_name(entry)
    callbacks.notify(
        f"training {name}{f' ({choice_reason})' if choice_reason else ''} by {job.settings.method} in "
        f"{device_plan.compute_dtype or device_plan.weights}: {device_plan.reason}"
    )
    settings, cache_bytes, memory_notice = fit_settings_to_memory(entry.shape, job.settings, device_plan, device, name)
    if memory_notice:
        callbacks.notify(memory_notice)
    source = weights_folder(entry, callbacks.progress)
    callbacks.progress(f"loading {name}", 0.0)
    tokenizer, base = load_base(source, name, device_plan)
    model = add_adapter(base, settings)
    if job.initial_adapter is not None:
        load_adapter_weights(model, job.initial_adapter)
    callbacks.progress(f"loading {name}", 1.0)
    is_low_rank = settings.method in ("lora", "qlora")
    network = PackedModel(
        model,
        frozen_layers=settings.first_trained_layer(int(base.config.num_hidden_layers)) if is_low_rank else 0,
        half_dtype=device_plan.compute_dtype,
        cache_bytes=cache_bytes,
    )
    encoder = ChatEncoder(tokenizer, find_turn_ends(source, tokenizer), name)
    return _LoadedModel(entry, source, settings, device_plan, model, network, encoder)


def _checkpoint_files(
    job: TrainingJob, loaded: _LoadedModel, phases: Mapping[str, Objective]
) -> dict[str, CheckpointFile]:
    """Return the checkpoint file of each phase, beside the adapter's folder."""
    return {
        name: CheckpointFile(
            job.out.parent / f".{job.out.name}.{name}.pt",
            _training_manifest(job, loaded.settings, loaded.entry, name),
        )
        for name in phases
    }


def _train_phases(
    job: TrainingJob,
    loaded: _LoadedModel,
    phases: Mapping[str, Objective],
    checkpoints: Mapping[str, CheckpointFile],
    started: float,
    callbacks: _Callbacks,
) -> dict[str, TrainingResult]:
    """Train the phases in order; stop before a later phase whose time is used up by its setup."""
    settings, parameters = loaded.settings, trainable_parameters(loaded.model)
    results: dict[str, TrainingResult] = {}
    loaded.model.train()
    for name, objective in phases.items():
        plan = build_schedule(objective.packs, settings, objective.count_examples, objective.heldout_tokens)
        if settings.minutes:  # examples, then pairs: half of the time each
            plan = replace(plan, minutes=settings.minutes / len(phases))
        spent = 0.0 if results else time.monotonic() - started
        try:
            results[name] = run_training_loop(
                objective,
                parameters,
                plan,
                settings,
                loaded.device_plan,
                checkpoints[name],
                lambda now, name=name: callbacks.tick(name, now),  # type: ignore[misc]
                spent,
                callbacks.progress,
            )
        except TimeBudgetExceeded as error:
            if not results:
                raise
            callbacks.notify(f"{name}: {error} The results of the previous phase are saved.")
            break
        except KeyboardInterrupt:
            raise KeyboardInterrupt(_interrupt_message(checkpoints[name])) from None
        except DivergedError as error:
            if not error.result.best_step and not results:
                raise ModelError(f"{error} No step improved the model, so no adapter was written.") from error
            results[name] = error.result
            _write_adapter(job, loaded, results)
            raise ModelError(
                f"{error} The best weights, step {error.result.best_step} of {name}, are in {job.out}."
            ) from error
        loaded.network.clear_cache()
    return results


def _interrupt_message(checkpoint: CheckpointFile) -> str:
    if not checkpoint.path.exists():
        return "Nothing had been learned yet."
    return f"The training is saved in {checkpoint.path}: run the same command again to continue."


def _write_adapter(job: TrainingJob, loaded: _LoadedModel, results: Mapping[str, TrainingResult]) -> AdapterCard:
    """Write the adapter with its curves and its card, completely or not at all."""
    card = _build_card(job, loaded.settings, loaded.entry, results)
    try:
        with atomic_folder(job.out) as temporary:
            save_trained(loaded.model, model_short_name(loaded.entry), loaded.source, temporary)
            curves.write_curves(temporary, {name: result.rows for name, result in results.items()})
            save_card(card, temporary)
    except OSError as error:
        raise KgragError(
            f"The adapter cannot be written to {job.out} ({error.strerror or error}), but its checkpoint is kept: "
            "free disk space, then run the same command again."
        ) from error
    return card


def _training_manifest(job: TrainingJob, settings: TrainingConfig, model: ModelEntry, phase: str) -> TrainingManifest:
    """Return the data, model and settings that a checkpoint depends on."""
    return {
        "phase": phase,
        "model": model_short_name(model),
        "examples": examples_sha256(job.examples),
        "preferences": examples_sha256(job.preferences) if phase == "preferences" else "",
        "start": str(job.initial_adapter or ""),
        **asdict(settings),
    }


def _build_card(
    job: TrainingJob, settings: TrainingConfig, model: ModelEntry, results: Mapping[str, TrainingResult]
) -> AdapterCard:
    """Build the adapter's card, with the figures before its first phase and after its last."""
    phase_results = list(results.values())
    before, after = held_out_metrics(phase_results[0].rows[0]), held_out_metrics(_best_row(phase_results[-1]))
    metric_names = [name for name in ("factuality", "ahead") if name in before and name in after]
    question_count = {"n": float(after.get("questions", after.get("pairs", 0.0)))} if metric_names else {}
    rows: list[Example | Preference] = [*job.examples, *job.preferences]
    return AdapterCard(
        name=job.out.name,
        base=model_short_name(model),
        base_sha256=weights_sha256(model),
        method="dpo" if "preferences" in results else settings.method,
        rank=settings.rank if settings.method in ("lora", "qlora") else 0,
        data=TrainingDataInfo(job.data_description, len(rows), examples_sha256(rows), job.licence),
        steps=sum(result.steps for result in phase_results),
        seconds=round(sum(result.seconds for result in phase_results), 1),
        seed=settings.seed,
        made=date.today().isoformat(),
        before={name: before[name] for name in metric_names} | question_count,
        after={name: after[name] for name in metric_names} | question_count,
    )


def _phase_report(result: TrainingResult) -> PhaseReport:
    return {
        "steps": result.steps,
        "best step": result.best_step,
        "seconds": result.seconds,
        "why it ended": result.stop_reason,
        "before": held_out_metrics(result.rows[0]),
        "after": held_out_metrics(_best_row(result)),
        "warning": curves.overfitting_warning(result.rows),
    }


def held_out_metrics(row: Mapping[str, float]) -> dict[str, float]:
    """Return the figures of a curve's row that were measured on held-out examples."""
    return {name: value for name, value in row.items() if name not in ("step", "loss", "lr", "seconds")}


def _best_row(result: TrainingResult) -> Mapping[str, float]:
    return next(row for row in result.rows if row["step"] == result.best_step)


def model_short_name(model: ModelEntry) -> str:
    """Return a model's name without the folders of this machine."""
    return model.local_path.name if model.local_path is not None else Path(model.name).name


def examples_sha256(rows: Sequence[Example | Preference]) -> str:
    """Return the sha256 of the training data, in its file format."""
    text = "".join(json.dumps(asdict(row), ensure_ascii=False) + "\n" for row in rows)
    return hashlib.sha256(text.encode()).hexdigest()
