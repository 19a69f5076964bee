"""A training from what is learned from to a finished adapter: the model, the memory, the phases, and the files."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

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
from kgrag.tune.training.checkpoint import CheckpointFile
from kgrag.tune.training.loop import (
    DivergedError,
    TimeBudgetExceeded,
    TrainingProgress,
    TrainingResult,
    run_training_loop,
)
from kgrag.tune.training.memory_check import fit_settings_to_memory
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
from kgrag.tune.training.settings import VIRTUAL_TOKENS, TrainingConfig, plan_for_device
from kgrag.tune.training.tokenization import ChatEncoder, find_turn_ends

MessageCallback = Callable[[str], None]
StepCallback = Callable[[str, TrainingProgress], None]


@dataclass(frozen=True)
class TrainingJob:
    """What is to be trained on what; ``what`` and ``licence`` are of the data, in words; ``start``: an adapter to go on from."""

    model: str
    out: Path
    settings: TrainingConfig
    examples: Sequence[Example] = ()
    preferences: Sequence[Preference] = ()
    data_description: str = ""
    licence: str = ""
    initial_adapter: Path | None = None
    config: Config = field(default_factory=lambda: Config.model_validate({}))


def train_adapter(
    job: TrainingJob,
    notify: MessageCallback,
    progress: Callable[[str, float], None],
    tick: StepCallback,
    *,
    fresh: bool = False,
) -> dict[str, Any]:
    """Train, write the adapter into ``job.out``, and give figures of it.

    A training that was stopped goes on; ``fresh`` begins anew. ``tick`` hears of each step, with its phase's name.

    Raises:
        UsageError: there is something in ``job.out``, or what was stopped there is another training.
        ModelError: the model does not fit or cannot be trained, or the loss is no number any more.
        KgragError: nothing is left to learn from, or the disk is full.
        KeyboardInterrupt: it was stopped; its state is kept.
    """
    started = time.monotonic()
    if job.out.exists():
        raise UsageError(f"There is something in {job.out} already: name another folder with --out, or take it away.")
    device = this_device()
    precision_choice = plan_for_device(job.settings.method, device)
    model, _, why = resolve_model(job.model, job.config)
    notify(
        f"training {model_short_name(model)}{f' ({why})' if why else ''} by {job.settings.method} in {precision_choice.compute_dtype or precision_choice.weights}: {precision_choice.reason}"
    )
    settings, keeps_activations, memory_notice = fit_settings_to_memory(
        model.shape, job.settings, precision_choice, device, model_short_name(model)
    )
    if memory_notice:
        notify(memory_notice)
    source = weights_folder(model, progress)
    progress(f"loading {model_short_name(model)}", 0.0)
    tokenizer, base = load_base(source, model_short_name(model), precision_choice)
    network_model = add_adapter(base, settings)
    if job.initial_adapter is not None:
        load_adapter_weights(network_model, job.initial_adapter)
    progress(f"loading {model_short_name(model)}", 1.0)
    first_trained_layer = (
        settings.first_trained_layer(int(base.config.num_hidden_layers)) if settings.method in ("lora", "qlora") else 0
    )
    network = PackedModel(
        network_model,
        frozen_layers=first_trained_layer,
        half_dtype=precision_choice.compute_dtype,
        cache_bytes=keeps_activations,
    )
    encoder = ChatEncoder(tokenizer, find_turn_ends(source, tokenizer), model_short_name(model))
    # beside a question its own virtual tokens must fit the context, too
    max_example_tokens = min(
        settings.tokens, (model.context or settings.tokens) - VIRTUAL_TOKENS * (settings.method == "p-tuning")
    )
    work = TrainingPhases(settings, network.logprobs, encoder, max_example_tokens, notify)
    phases = work.build_phases(job.examples, job.preferences)
    if not network.verify_split(next(iter(phases.values())).packs[0]):
        notify("this model cannot be begun in its middle: every layer is computed in every step")
    parameters = trainable_parameters(network_model)
    keepers = {
        name: CheckpointFile(
            job.out.parent / f".{job.out.name}.{name}.pt", _training_manifest(job, settings, model, name)
        )
        for name in phases
    }
    if fresh:
        for keeper in keepers.values():
            keeper.delete()
    phase_outcomes: dict[str, TrainingResult] = {}
    network_model.train()
    for name, objective in phases.items():
        plan = build_schedule(objective.packs, settings, objective.count_examples, objective.heldout_tokens)
        if settings.minutes:
            share = settings.minutes / len(phases)  # examples, then pairs: half of the time each
            plan = replace(plan, minutes=share)
        spent = time.monotonic() - started if not phase_outcomes else 0.0
        try:
            phase_outcomes[name] = run_training_loop(
                objective,
                parameters,
                plan,
                settings,
                precision_choice,
                keepers[name],
                lambda now, name=name: tick(name, now),  # type: ignore[misc]
                spent,
                progress,
            )
        except TimeBudgetExceeded as error:
            if not phase_outcomes:
                raise
            notify(f"{name}: {error} What was learned before is written.")
            break
        except KeyboardInterrupt:
            state_path = keepers[name].path
            why = f"What was learned is kept in {state_path}: run the same command again to go on."
            raise KeyboardInterrupt(why if state_path.exists() else "Nothing had been learned yet.") from None
        except DivergedError as error:
            if not error.result.best_step and len(phase_outcomes) == 0:
                raise ModelError(
                    f"{error} Nothing that is better than the model as it was had been learned."
                ) from error
            phase_outcomes[name] = error.result
            _write_adapter(job, network_model, source, model, settings, phase_outcomes)
            raise ModelError(
                f"{error} What was best, step {error.result.best_step} of {name}, is in {job.out}."
            ) from error
        network.clear_cache()
    card = _write_adapter(job, network_model, source, model, settings, phase_outcomes)
    for keeper in keepers.values():
        keeper.delete()
    return {
        "adapter": str(job.out),
        "model": model_short_name(model),
        "method": card.method,
        "left out": work.num_skipped,
        "tokens": {name: sum(map(len, one.packs)) for name, one in phases.items()},
        "tokens of separate examples": {
            name: sum(pack.unpacked_tokens for pack in one.packs) for name, one in phases.items()
        },
        "phases": {
            name: {
                "steps": one.steps,
                "best step": one.best_step,
                "seconds": one.seconds,
                "why it ended": one.stop_reason,
                "before": held_out_metrics(one.rows[0]),
                "after": held_out_metrics(_best_row(one)),
                "warning": curves.overfitting_warning(one.rows),
            }
            for name, one in phase_outcomes.items()
        },
    }


def _write_adapter(
    job: TrainingJob,
    network: Any,
    source: Path,
    model: ModelEntry,
    settings: TrainingConfig,
    phase_outcomes: Mapping[str, TrainingResult],
) -> AdapterCard:
    """What was trained, with its curves and its card, whole or not at all."""
    card = _build_card(job, settings, model, phase_outcomes)
    try:
        with atomic_folder(job.out) as temporary:
            save_trained(network, model_short_name(model), source, temporary)
            curves.write_curves(temporary, {name: outcome.rows for name, outcome in phase_outcomes.items()})
            save_card(card, temporary)
    except OSError as error:
        raise KgragError(
            f"The adapter cannot be written to {job.out} ({error.strerror or error}): what was learned is kept beside it; "
            "make room, and run the same command again."
        ) from error
    return card


def _training_manifest(job: TrainingJob, settings: TrainingConfig, model: ModelEntry, phase: str) -> dict[str, Any]:
    """Whose training it is: of another, nothing is gone on with."""
    return {
        "phase": phase,
        "model": model_short_name(model),
        "examples": examples_sha256(job.examples),
        "preferences": examples_sha256(job.preferences) if phase == "preferences" else "",
        "start": str(job.initial_adapter or ""),
        **asdict(settings),
    }


def _build_card(
    job: TrainingJob, settings: TrainingConfig, model: ModelEntry, phase_outcomes: Mapping[str, TrainingResult]
) -> AdapterCard:
    """Of the adapter, with the figures before its first phase and after its last."""
    outcomes = list(phase_outcomes.values())
    before, after = held_out_metrics(outcomes[0].rows[0]), held_out_metrics(_best_row(outcomes[-1]))
    metric_names = [name for name in ("factuality", "ahead") if name in before and name in after]
    question_count = {"n": float(after.get("questions", after.get("pairs", 0.0)))} if metric_names else {}
    rows: list[Example | Preference] = [*job.examples, *job.preferences]
    return AdapterCard(
        name=job.out.name,
        base=model_short_name(model),
        base_sha256=weights_sha256(model),
        method="dpo" if "preferences" in phase_outcomes else settings.method,
        rank=settings.rank if settings.method in ("lora", "qlora") else 0,
        data=TrainingDataInfo(job.data_description, len(rows), examples_sha256(rows), job.licence),
        steps=sum(one.steps for one in outcomes),
        seconds=round(sum(one.seconds for one in outcomes), 1),
        seed=settings.seed,
        made=date.today().isoformat(),
        before={name: before[name] for name in metric_names} | question_count,
        after={name: after[name] for name in metric_names} | question_count,
    )


def held_out_metrics(row: Mapping[str, float]) -> dict[str, float]:
    """Of a look at what was held out."""
    return {name: value for name, value in row.items() if name not in ("step", "loss", "lr", "seconds")}


def _best_row(outcome: TrainingResult) -> Mapping[str, float]:
    return next(row for row in outcome.rows if row["step"] == outcome.best_step)


def model_short_name(model: ModelEntry) -> str:
    """A model's name, without the folders of this machine."""
    return model.local_path.name if model.local_path is not None else Path(model.name).name


def examples_sha256(rows: Sequence[Example | Preference]) -> str:
    """The sha256 of what is learned from, as its file has it."""
    text = "".join(json.dumps(asdict(row), ensure_ascii=False) + "\n" for row in rows)
    return hashlib.sha256(text.encode()).hexdigest()
