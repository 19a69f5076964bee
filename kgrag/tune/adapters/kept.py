"""Adapters as things that people keep: what each is, what it did, whether it fits, and how one goes."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kgrag.errors import KgragError, ModelError, UsageError
from kgrag.llm.adapter import CONFIG, Adapter, load_adapter, misfit, plain_name
from kgrag.llm.shelf import PATH, SHIPPED, Shelved
from kgrag.models.registry import Model, all_models, find
from kgrag.models.safetensors import shapes
from kgrag.tune.adapters.card import COUNT, Card, load_card

OTHERS = ("config.json", "graph.db", "model.safetensors")
"""Files of a model or a store, which may have an adapter's beside them."""


@dataclass(frozen=True)
class Known:
    """What is known of an adapter.

    ``problem`` is why it cannot be used, else ""; ``misfit`` is why it does not fit the model that would answer ("": it
    does); ``bytes`` are those of all its files; ``settings`` are what peft says of it.
    """

    shelved: Shelved
    bytes: int
    adapter: Adapter | None = None
    card: Card | None = None
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
            "name": self.shelved.name,
            "folder": str(self.shelved.folder),
            "place": self.shelved.place,
            "base": self.base,
            "method": self.method,
            "bytes": self.bytes,
            "parameters": self.parameters,
            "fits": not self.problem and not self.misfit,
            "why not": self.problem or self.misfit,
            "card": asdict(self.card) if self.card else None,
            "settings": self.settings,
        }


def known(shelved: Shelved, model: Model | None = None) -> Known:
    """What is known of an adapter; whether it fits ``model``, where one is given. A damaged one is told, not raised."""
    folder = shelved.folder
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    settings = _settings(folder)
    try:
        card = load_card(folder)
        adapter = load_adapter(folder)
        parameters = sum(math.prod(shape) for shape in shapes(adapter.weights).values())
        why = misfit(adapter, model) if model is not None else ""
    except KgragError as error:
        return Known(shelved, size, problem=str(error), settings=settings)
    return Known(shelved, size, adapter, card, "", why, parameters, settings)


def _settings(folder: Path) -> dict[str, Any] | None:
    """What a reader wants of peft's own configuration."""
    try:
        said = json.loads((folder / CONFIG).read_text("utf-8"))
        wanted = ("peft_type", "task_type", "r", "lora_alpha", "lora_dropout", "target_modules", "peft_version")
        return {name: said[name] for name in wanted if said.get(name) is not None}
    except (OSError, ValueError, TypeError):
        return None


def base_of(adapter: Adapter, card: Card | None, named: str = "") -> Model:
    """The model that an adapter was trained on; ``named`` is what a user says it is.

    Raises:
        ModelError: nobody here has it.
    """
    if named:
        return find(named)
    said = [text for text in (card.base if card else "", adapter.base) if text]
    registry = {plain_name(model.name): model for model in all_models()}
    for text in said:
        if plain_name(text) in registry:
            return registry[plain_name(text)]
    for text in said:
        if Path(text).expanduser().is_dir():
            return find(text)
    raise ModelError(
        f"The adapter {adapter.name} names {said[0] if said else 'no model'} as its base, which is not here: "
        "say which model it is with --base, a folder or a name of `kgrag models`."
    )


def figures(card: Card) -> list[tuple[str, float | None, float | None]]:
    """(name, before, after) of each figure, without how many questions it is of."""
    names = [name for name in dict.fromkeys([*card.after, *card.before]) if name != COUNT]
    return [(name, card.before.get(name), card.after.get(name)) for name in names]


def removable(shelved: Shelved) -> str:
    """What there is to say before an adapter's folder is removed; "" where it lies where adapters lie.

    Raises:
        UsageError: it comes with the program, or its folder holds what is no adapter's.
    """
    if shelved.place == SHIPPED:
        raise UsageError(
            f"{shelved.name} comes with the program and stays: one of your own of that name would take its place."
        )
    if not (shelved.folder / CONFIG).is_file():
        raise UsageError(f"{shelved.folder} holds no adapter (no {CONFIG}): remove by hand what is to go.")
    if shelved.place != PATH:
        return ""
    others = sorted(path.name for path in shelved.folder.iterdir() if path.is_dir() or path.name in OTHERS)
    if others:
        raise UsageError(
            f"{shelved.folder} holds more than an adapter ({', '.join(others[:3])}): remove by hand what is to go."
        )
    return f"{shelved.folder.resolve()} lies outside the folders of adapters"


def remove(shelved: Shelved) -> None:
    """Remove an adapter: all of it, or, where that fails, nothing that anyone would take for one.

    Raises:
        UsageError: see `removable`.
        OSError: the folder cannot be written.
    """
    removable(shelved)
    folder = shelved.folder
    if folder.is_symlink():  # what it points at is someone else's
        folder.unlink()
        return
    gone = folder.with_name(f".{folder.name}.removed")
    shutil.rmtree(gone, ignore_errors=True)
    folder.rename(gone)
    shutil.rmtree(gone)
