"""Inventory of adapters: describe, match with a base model, and remove."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypedDict, cast

from kgrag.errors import KgragError, ModelError, UsageError
from kgrag.llm.adapter_registry import BUILTIN_ADAPTER, PATH_ADAPTER, AdapterEntry
from kgrag.llm.lora_adapter import CONFIG_FILE, Adapter, base_model_name, incompatibility, load_adapter
from kgrag.models.registry import ModelEntry, all_models, find_model
from kgrag.models.safetensors_header import tensor_shapes
from kgrag.serialize import JsonObject
from kgrag.tune.adapters.card import QUESTION_COUNT_KEY, AdapterCard, load_card

FOREIGN_FILES = ("config.json", "graph.db", "model.safetensors")
"""Files of a model or a store; a folder that holds one is not only an adapter's."""


class PeftSettings(TypedDict, total=False):
    """Main settings of peft's configuration."""

    peft_type: str
    task_type: str
    r: int
    lora_alpha: int
    lora_dropout: float
    target_modules: list[str] | str
    peft_version: str


@dataclass(frozen=True)
class AdapterInfo:
    """Description of an adapter.

    ``problem`` is why it cannot be used, else "". ``misfit`` is why it does not fit the current model, else "".
    ``bytes`` is the size of all its files. ``settings`` are the main values of peft's configuration.
    """

    entry: AdapterEntry
    bytes: int
    adapter: Adapter | None = None
    card: AdapterCard | None = None
    problem: str = ""
    misfit: str = ""
    parameters: int = 0
    settings: PeftSettings | None = None

    @property
    def base(self) -> str:
        """Return the name of the base model, "" if unknown."""
        return (self.card.base if self.card else "") or (self.adapter.base if self.adapter else "")

    @property
    def method(self) -> str:
        """Return the training method; for an adapter without a card, peft's type."""
        return self.card.method if self.card else str((self.settings or {}).get("peft_type", "")).lower()

    def json(self) -> JsonObject:
        """Return the description as JSON."""
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
    """Describe an adapter and whether it fits ``model``; damage is reported in ``problem``, not raised."""
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


def _peft_settings(folder: Path) -> PeftSettings | None:
    """Return the main settings of peft's configuration."""
    try:
        peft_config = json.loads((folder / CONFIG_FILE).read_text("utf-8"))
        settings = {
            name: peft_config[name] for name in PeftSettings.__annotations__ if peft_config.get(name) is not None
        }
        return cast(PeftSettings, settings)
    except (OSError, ValueError, TypeError):
        return None


def find_base_model(adapter: Adapter, card: AdapterCard | None, base_override: str = "") -> ModelEntry:
    """Return the model that an adapter was trained on; ``base_override`` is the user's choice.

    Raises:
        ModelError: the base model is not on this machine.
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
        f"The base of the adapter {adapter.name} is {base_names[0] if base_names else 'unknown'} and was not found: "
        "pass it with --base, as a folder or a name of `kgrag models`."
    )


def measured_changes(card: AdapterCard) -> list[tuple[str, float | None, float | None]]:
    """Return (name, before, after) of each figure except the number of questions."""
    names = [name for name in dict.fromkeys([*card.after, *card.before]) if name != QUESTION_COUNT_KEY]
    return [(name, card.before.get(name), card.after.get(name)) for name in names]


def check_removable(entry: AdapterEntry) -> str:
    """Return a warning before an adapter's folder is removed; "" for the usual folders of adapters.

    Raises:
        UsageError: the adapter ships with kgrag, or its folder holds other files.
    """
    if entry.location == BUILTIN_ADAPTER:
        raise UsageError(
            f"{entry.name} comes with kgrag and cannot be removed: an adapter of your own with that name replaces it."
        )
    if not (entry.folder / CONFIG_FILE).is_file():
        raise UsageError(f"{entry.folder} holds no adapter (no {CONFIG_FILE}): delete its files by hand.")
    if entry.location != PATH_ADAPTER:
        return ""
    foreign_files = sorted(path.name for path in entry.folder.iterdir() if path.is_dir() or path.name in FOREIGN_FILES)
    if foreign_files:
        raise UsageError(
            f"{entry.folder} holds more than an adapter ({', '.join(foreign_files[:3])}): delete its files by hand."
        )
    return f"{entry.folder.resolve()} is outside the folders of adapters"


def remove_adapter(entry: AdapterEntry) -> None:
    """Remove an adapter; a failure leaves it complete or under a name that is not listed.

    Raises:
        UsageError: see `check_removable`.
        OSError: the folder cannot be written.
    """
    check_removable(entry)
    folder = entry.folder
    if folder.is_symlink():  # the link's target may belong to another program
        folder.unlink()
        return
    trash_folder = folder.with_name(f".{folder.name}.removed")
    shutil.rmtree(trash_folder, ignore_errors=True)
    folder.rename(trash_folder)
    shutil.rmtree(trash_folder)
