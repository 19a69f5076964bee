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
from kgrag.files import replaced_folder
from kgrag.llm.choose import chosen, weights_of
from kgrag.models.device import this_device
from kgrag.models.fingerprint import weights_sha256
from kgrag.models.registry import Model
from kgrag.tune.adapters.card import Card, Data, save_card
from kgrag.tune.example import Example, Preference
from kgrag.tune.training import curves
from kgrag.tune.training.encoding import Encoder, turn_ends
from kgrag.tune.training.loop import NotANumber, NoTime, Now, Outcome, train
from kgrag.tune.training.memory import fitted
from kgrag.tune.training.methods import continued, load_base, save, trained, with_adapter
from kgrag.tune.training.network import Network
from kgrag.tune.training.schedule import schedule
from kgrag.tune.training.settings import VIRTUAL, Settings, decide
from kgrag.tune.training.state import Keeper
from kgrag.tune.training.work import Work

Say = Callable[[str], None]
Tick = Callable[[str, Now], None]


@dataclass(frozen=True)
class Job:
    """What is to be trained on what; ``what`` and ``licence`` are of the data, in words; ``start``: an adapter to go on from."""

    model: str
    out: Path
    settings: Settings
    examples: Sequence[Example] = ()
    preferences: Sequence[Preference] = ()
    what: str = ""
    licence: str = ""
    start: Path | None = None
    config: Config = field(default_factory=lambda: Config.model_validate({}))


def run(
    job: Job, say: Say, progress: Callable[[str, float], None], tick: Tick, *, fresh: bool = False
) -> dict[str, Any]:
    """Train, write the adapter into ``job.out``, and give figures of it.

    A training that was stopped goes on; ``fresh`` begins anew. ``tick`` hears of each step, with its phase's name.

    Raises:
        UsageError: there is something in ``job.out``, or what was stopped there is another training.
        ModelError: the model does not fit or cannot be trained, or the loss is no number any more.
        KgragError: nothing is left to learn from, or the disk is full.
        KeyboardInterrupt: it was stopped; its state is kept.
    """
    began = time.monotonic()
    if job.out.exists():
        raise UsageError(f"There is something in {job.out} already: name another folder with --out, or take it away.")
    device = this_device()
    way = decide(job.settings.method, device)
    model, _, why = chosen(job.model, job.config)
    say(
        f"training {label(model)}{f' ({why})' if why else ''} by {job.settings.method} in {way.half or way.weights}: {way.why}"
    )
    settings, keep, changed = fitted(model.shape, job.settings, way, device, label(model))
    if changed:
        say(changed)
    source = weights_of(model, progress)
    progress(f"loading {label(model)}", 0.0)
    tokenizer, base = load_base(source, label(model), way)
    network_model = with_adapter(base, settings)
    if job.start is not None:
        continued(network_model, job.start)
    progress(f"loading {label(model)}", 1.0)
    first = settings.first(int(base.config.num_hidden_layers)) if settings.method in ("lora", "qlora") else 0
    network = Network(network_model, frozen=first, half=way.half, keep=keep)
    encoder = Encoder(tokenizer, turn_ends(source, tokenizer), label(model))
    # beside a question its own virtual tokens must fit the context, too
    longest = min(settings.tokens, (model.context or settings.tokens) - VIRTUAL * (settings.method == "p-tuning"))
    work = Work(settings, network.logprobs, encoder, longest, say)
    phases = work.phases(job.examples, job.preferences)
    if not network.check(next(iter(phases.values())).packs[0]):
        say("this model cannot be begun in its middle: every layer is computed in every step")
    parameters = trained(network_model)
    keepers = {
        name: Keeper(job.out.parent / f".{job.out.name}.{name}.pt", _manifest(job, settings, model, name))
        for name in phases
    }
    if fresh:
        for keeper in keepers.values():
            keeper.forget()
    found: dict[str, Outcome] = {}
    network_model.train()
    for name, objective in phases.items():
        plan = schedule(objective.packs, settings, objective.number, objective.held_tokens)
        if settings.minutes:
            share = settings.minutes / len(phases)  # examples, then pairs: half of the time each
            plan = replace(plan, minutes=share)
        spent = time.monotonic() - began if not found else 0.0
        try:
            found[name] = train(
                objective,
                parameters,
                plan,
                settings,
                way,
                keepers[name],
                lambda now, name=name: tick(name, now),  # type: ignore[misc]
                spent,
                progress,
            )
        except NoTime as error:
            if not found:
                raise
            say(f"{name}: {error} What was learned before is written.")
            break
        except KeyboardInterrupt:
            kept = keepers[name].path
            why = f"What was learned is kept in {kept}: run the same command again to go on."
            raise KeyboardInterrupt(why if kept.exists() else "Nothing had been learned yet.") from None
        except NotANumber as error:
            if not error.outcome.best and len(found) == 0:
                raise ModelError(
                    f"{error} Nothing that is better than the model as it was had been learned."
                ) from error
            found[name] = error.outcome
            _write(job, network_model, source, model, settings, found)
            raise ModelError(f"{error} What was best, step {error.outcome.best} of {name}, is in {job.out}.") from error
        network.forget()
    card = _write(job, network_model, source, model, settings, found)
    for keeper in keepers.values():
        keeper.forget()
    return {
        "adapter": str(job.out),
        "model": label(model),
        "method": card.method,
        "left out": work.left,
        "tokens": {name: sum(map(len, one.packs)) for name, one in phases.items()},
        "tokens of separate examples": {name: sum(pack.plain for pack in one.packs) for name, one in phases.items()},
        "phases": {
            name: {
                "steps": one.steps,
                "best step": one.best,
                "seconds": one.seconds,
                "why it ended": one.why,
                "before": figures(one.rows[0]),
                "after": figures(_best(one)),
                "warning": curves.warning(one.rows),
            }
            for name, one in found.items()
        },
    }


def _write(
    job: Job, network: Any, source: Path, model: Model, settings: Settings, found: Mapping[str, Outcome]
) -> Card:
    """What was trained, with its curves and its card, whole or not at all."""
    card = _card(job, settings, model, found)
    try:
        with replaced_folder(job.out) as beside:
            save(network, label(model), source, beside)
            curves.write(beside, {name: outcome.rows for name, outcome in found.items()})
            save_card(card, beside)
    except OSError as error:
        raise KgragError(
            f"The adapter cannot be written to {job.out} ({error.strerror or error}): what was learned is kept beside it; "
            "make room, and run the same command again."
        ) from error
    return card


def _manifest(job: Job, settings: Settings, model: Model, phase: str) -> dict[str, Any]:
    """Whose training it is: of another, nothing is gone on with."""
    return {
        "phase": phase,
        "model": label(model),
        "examples": digest(job.examples),
        "preferences": digest(job.preferences) if phase == "preferences" else "",
        "start": str(job.start or ""),
        **asdict(settings),
    }


def _card(job: Job, settings: Settings, model: Model, found: Mapping[str, Outcome]) -> Card:
    """Of the adapter, with the figures before its first phase and after its last."""
    outcomes = list(found.values())
    before, after = figures(outcomes[0].rows[0]), figures(_best(outcomes[-1]))
    names = [name for name in ("factuality", "ahead") if name in before and name in after]
    asked = {"n": float(after.get("questions", after.get("pairs", 0.0)))} if names else {}
    rows: list[Example | Preference] = [*job.examples, *job.preferences]
    return Card(
        name=job.out.name,
        base=label(model),
        base_sha256=weights_sha256(model),
        method="dpo" if "preferences" in found else settings.method,
        rank=settings.rank if settings.method in ("lora", "qlora") else 0,
        data=Data(job.what, len(rows), digest(rows), job.licence),
        steps=sum(one.steps for one in outcomes),
        seconds=round(sum(one.seconds for one in outcomes), 1),
        seed=settings.seed,
        made=date.today().isoformat(),
        before={name: before[name] for name in names} | asked,
        after={name: after[name] for name in names} | asked,
    )


def figures(row: Mapping[str, float]) -> dict[str, float]:
    """Of a look at what was held out."""
    return {name: value for name, value in row.items() if name not in ("step", "loss", "lr", "seconds")}


def _best(outcome: Outcome) -> Mapping[str, float]:
    return next(row for row in outcome.rows if row["step"] == outcome.best)


def label(model: Model) -> str:
    """A model's name, without the folders of this machine."""
    return model.local.name if model.local is not None else Path(model.name).name


def digest(rows: Sequence[Example | Preference]) -> str:
    """The sha256 of what is learned from, as its file has it."""
    text = "".join(json.dumps(asdict(row), ensure_ascii=False) + "\n" for row in rows)
    return hashlib.sha256(text.encode()).hexdigest()
