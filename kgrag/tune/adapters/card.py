"""Adapter cards: ``card.json`` in an adapter's folder, with its training data, settings and results."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from kgrag.errors import ReadError
from kgrag.storage.atomic import atomic_write

CARD_FILENAME = "card.json"
QUESTION_COUNT_KEY = "n"
"""Key among the figures for the number of questions they were measured on."""


@dataclass(frozen=True)
class TrainingDataInfo:
    """Training data: ``what`` in words, the ``number`` of examples, the sha256 of their file, and the licence."""

    what: str = ""
    number: int = 0
    sha256: str = ""
    licence: str = ""


@dataclass(frozen=True)
class AdapterCard:
    """Origin and results of an adapter or a fine-tuned encoder.

    ``base`` is a name of `kgrag models` or of a hub, ``base_sha256`` the sha256 of its weights
    (`kgrag.models.fingerprint`), "" if unknown. ``method``: ``lora``, ``qlora``, ``p-tuning``, ``full``, ``dpo``,
    ``embedder``. ``rank`` is LoRA's, else 0. ``made`` is an ISO date. ``before`` and ``after`` are figures on held-out
    questions, with the same names in both and shares in 0..1; ``n`` among them is the number of questions.
    """

    name: str
    base: str
    base_sha256: str = ""
    method: str = "lora"
    rank: int = 0
    data: TrainingDataInfo = field(default_factory=TrainingDataInfo)
    steps: int = 0
    seconds: float = 0.0
    seed: int = 0
    made: str = ""
    before: dict[str, float] = field(default_factory=dict)
    after: dict[str, float] = field(default_factory=dict)


CardPart = TypeVar("CardPart", AdapterCard, TrainingDataInfo)


def save_card(card: AdapterCard, folder: Path) -> None:
    """Write a card into ``folder``, completely or not at all.

    Raises:
        OSError: the disk is full or the folder cannot be written; a previous card is unchanged.
        ValueError: a figure is NaN or infinite, which JSON cannot represent.
    """
    text = json.dumps(asdict(card), ensure_ascii=False, indent=1, allow_nan=False)
    with atomic_write(folder / CARD_FILENAME) as temporary:
        temporary.write_text(text + "\n", "utf-8")


def load_card(folder: Path) -> AdapterCard | None:
    """Load the card of a folder; None if there is none, as in adapters made by other programs.

    Raises:
        ReadError: the card is damaged, or has an unknown key or a value of the wrong type.
    """
    path = folder / CARD_FILENAME
    try:
        card_json = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ReadError(f"{path} cannot be read ({error}): delete it, the adapter works without a card.") from error
    return _parse_part(AdapterCard, card_json, str(path))


def _parse_part(part_type: type[CardPart], part_json: object, location: str) -> CardPart:
    """Build a dataclass from a JSON object, and check each value against its field's type."""
    if not isinstance(part_json, Mapping):
        raise ReadError(f"{location}: expected an object, found {type(part_json).__name__}: fix or delete the card.")
    names = [card_field.name for card_field in fields(part_type)]
    if unknown := sorted(set(part_json) - set(names)):
        raise ReadError(f"{location}: expected only {', '.join(names)}, found {', '.join(unknown)}: remove it.")
    types = get_type_hints(part_type)
    try:
        return part_type(
            **{name: _parse_value(types[name], part_json[name], f"{location}, {name}") for name in part_json}
        )
    except TypeError as error:
        raise ReadError(f"{location}: expected at least a name and a base ({error}): add them.") from error


def _parse_value(value_type: Any, raw_value: object, location: str) -> Any:
    if value_type is TrainingDataInfo:
        return _parse_part(TrainingDataInfo, raw_value, location)
    number = (int, float)
    if value_type in (str, int, float):
        is_valid = isinstance(raw_value, number if value_type is float else value_type) and not isinstance(
            raw_value, bool
        )
        expected = {str: "text", int: "a whole number", float: "a number"}[value_type]
    else:
        is_valid = isinstance(raw_value, dict) and all(
            isinstance(v, number) and not isinstance(v, bool) for v in raw_value.values()
        )
        expected = "figures by their names"
    if not is_valid:
        raise ReadError(f"{location}: expected {expected}, found {raw_value!r}: fix or delete the card.")
    return raw_value
