"""Adapters as things that people keep: what each is, what it did, whether it fits, and how one goes."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kgrag.errors import KgragError, ModelError, UsageError
from kgrag.llm.adapter_registry import BUILTIN_ADAPTER, PATH_ADAPTER, AdapterEntry
from kgrag.llm.lora_adapter import CONFIG_FILE, Adapter, base_model_name, incompatibility, load_adapter
from kgrag.models.registry import ModelEntry, all_models, find_model
from kgrag.models.safetensors_header import tensor_shapes
from kgrag.tune.adapters.card import QUESTION_COUNT_KEY, AdapterCard, load_card

FOREIGN_FILES = ("config.json", "graph.db", "model.safetensors")
"""Files of a model or a store, which may have an adapter's beside them."""


@dataclass(frozen=True)
class AdapterInfo:
    """What is known of an adapter.

    ``problem`` is why it cannot be used, else ""; ``misfit`` is why it does not fit the model that would answer ("": it
    does); ``bytes`` are those of all its files; ``settings`` are what peft says of it.
    """

    entry: AdapterEntry
    bytes: int
    adapter: Adapter | None = None
    card: AdapterCard | None = None
    problem: str = ""
    misfit: str = ""
    parameters: int = 0
    settings: dict[str, Any] | None = None

    @property
    def base(self) -> str:
        """The model that it was trained on, as far as anyone says."""
        return (self.card.base if self.card else "") or (self.adapter.base if self.adapter else "")

    @property
    def method(self) -> str:
        """How it was trained; of one without a card, what kind it is."""
        return self.card.method if self.card else str((self.settings or {}).get("peft_type") or "").lower()

    def json(self) -> dict[str, Any]:
        """All of it, for programs."""
        return {
            "name": self.entry.name,
            "folder": str(self.entry.folder),
            "place": self.entry.location,
            "base": self.base,
            "method": self.method,
            "bytes": self.bytes,
            "parameters": self.parameters,
            "fits": not self.problem and not self.misfit,
            "why not": self.problem or self.misfit,
            "card": asdict(self.card) if self.card else None,
            "settings": self.settings,
        }


def describe_adapter(entry: AdapterEntry, model: ModelEntry | None = None) -> AdapterInfo:
    """What is known of an adapter; whether it fits ``model``, where one is given. A damaged one is told, not raised."""
    folder = entry.folder
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    settings = _peft_settings(folder)
    try:
        card = load_card(folder)
        adapter = load_adapter(folder)
        parameters = sum(math.prod(shape) for shape in tensor_shapes(adapter.weights_file).values())
        misfit_reason = incompatibility(adapter, model) if model is not None else ""
    except KgragError as error:
        return AdapterInfo(entry, size, problem=str(error), settings=settings)
    return AdapterInfo(entry, size, adapter, card, "", misfit_reason, parameters, settings)


def _peft_settings(folder: Path) -> dict[str, Any] | None:
    """What a reader wants of peft's own configuration."""
    try:
        peft_config = json.loads((folder / CONFIG_FILE).read_text("utf-8"))
        setting_names = ("peft_type", "task_type", "r", "lora_alpha", "lora_dropout", "target_modules", "peft_version")
        return {name: peft_config[name] for name in setting_names if peft_config.get(name) is not None}
    except (OSError, ValueError, TypeError):
        return None


def find_base_model(adapter: Adapter, card: AdapterCard | None, base_override: str = "") -> ModelEntry:
    """The model that an adapter was trained on; ``named`` is what a user says it is.

    Raises:
        ModelError: nobody here has it.
    """
    if base_override:
        return find_model(base_override)
    base_names = [text for text in (card.base if card else "", adapter.base) if text]
    registry = {base_model_name(model.name): model for model in all_models()}
    for text in base_names:
        if base_model_name(text) in registry:
            return registry[base_model_name(text)]
    for text in base_names:
        if Path(text).expanduser().is_dir():
            return find_model(text)
    raise ModelError(
        f"The adapter {adapter.name} names {base_names[0] if base_names else 'no model'} as its base, which is not here: "
        "say which model it is with --base, a folder or a name of `kgrag models`."
    )


def measured_changes(card: AdapterCard) -> list[tuple[str, float | None, float | None]]:
    """(name, before, after) of each figure, without how many questions it is of."""
    names = [name for name in dict.fromkeys([*card.after, *card.before]) if name != QUESTION_COUNT_KEY]
    return [(name, card.before.get(name), card.after.get(name)) for name in names]


def check_removable(entry: AdapterEntry) -> str:
    """What there is to say before an adapter's folder is removed; "" where it lies where adapters lie.

    Raises:
        UsageError: it comes with the program, or its folder holds what is no adapter's.
    """
    if entry.location == BUILTIN_ADAPTER:
        raise UsageError(
            f"{entry.name} comes with the program and stays: one of your own of that name would take its place."
        )
    if not (entry.folder / CONFIG_FILE).is_file():
        raise UsageError(f"{entry.folder} holds no adapter (no {CONFIG_FILE}): remove by hand what is to go.")
    if entry.location != PATH_ADAPTER:
        return ""
    foreign_files = sorted(path.name for path in entry.folder.iterdir() if path.is_dir() or path.name in FOREIGN_FILES)
    if foreign_files:
        raise UsageError(
            f"{entry.folder} holds more than an adapter ({', '.join(foreign_files[:3])}): remove by hand what is to go."
        )
    return f"{entry.folder.resolve()} lies outside the folders of adapters"


def remove_adapter(entry: AdapterEntry) -> None:
    """Remove an adapter: all of it, or, where that fails, nothing that anyone would take for one.

    Raises:
        UsageError: see `removable`.
        OSError: the folder cannot be written.
    """
    check_removable(entry)
    folder = entry.folder
    if folder.is_symlink():  # what it points at is someone else's
        folder.unlink()
        return
    trash_folder = folder.with_name(f".{folder.name}.removed")
    shutil.rmtree(trash_folder, ignore_errors=True)
    folder.rename(trash_folder)
    shutil.rmtree(trash_folder)
