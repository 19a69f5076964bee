"""What an adapter was made from and what it did: one card, ``card.json``, in its folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from kgrag.errors import ReadError
from kgrag.files import replaced

NAME = "card.json"
COUNT = "n"
"""Among the figures: how many questions they were measured on."""


@dataclass(frozen=True)
class Data:
    """What was learned from: ``what`` in words, ``number`` of examples, their file's sha256, and under which licence."""

    what: str = ""
    number: int = 0
    sha256: str = ""
    licence: str = ""


@dataclass(frozen=True)
class Card:
    """What made an adapter, or a tuned embedder, and what came of it.

    ``base`` is a name of `kgrag models` or of a hub, ``base_sha256`` that of its weights (`kgrag.models.fingerprint`), "" where
    unknown. ``method``: ``lora``, ``qlora``, ``p-tuning``, ``full``, ``dpo``, ``embedder``. ``rank`` is LoRA's, else 0.
    ``made`` is an ISO date. ``before`` and ``after``: figures measured on questions that were never trained on, the
    same names in both, shares in 0..1; ``n`` among them is the number of questions.
    """

    name: str
    base: str
    base_sha256: str = ""
    method: str = "lora"
    rank: int = 0
    data: Data = field(default_factory=Data)
    steps: int = 0
    seconds: float = 0.0
    seed: int = 0
    made: str = ""
    before: dict[str, float] = field(default_factory=dict)
    after: dict[str, float] = field(default_factory=dict)


Made = TypeVar("Made", Card, Data)


def save_card(card: Card, folder: Path) -> None:
    """Write the card of what lies in ``folder``, whole or not at all.

    Raises:
        OSError: the disk is full or the folder cannot be written; a card that was there is as it was.
        ValueError: a figure is NaN or infinite, which JSON does not have.
    """
    text = json.dumps(asdict(card), ensure_ascii=False, indent=1, allow_nan=False)
    with replaced(folder / NAME) as temporary:
        temporary.write_text(text + "\n", "utf-8")


def load_card(folder: Path) -> Card | None:
    """The card in a folder; None where there is none, as in an adapter that another program made.

    Raises:
        ReadError: there is one and it cannot be read: damaged, an unknown key, a value of another kind.
    """
    path = folder / NAME
    try:
        said = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ReadError(f"{path} cannot be read ({error}): take it away, the adapter works without.") from error
    return _built(Card, said, str(path))


def _built(kind: type[Made], said: object, where: str) -> Made:
    """A dataclass from a JSON object, each value of its field's type."""
    if not isinstance(said, Mapping):
        raise ReadError(f"{where}: expected an object, found {type(said).__name__}.")
    names = [one.name for one in fields(kind)]
    if unknown := sorted(set(said) - set(names)):
        raise ReadError(f"{where}: expected some of {', '.join(names)}, found {', '.join(unknown)}.")
    types = get_type_hints(kind)
    try:
        return kind(**{name: _value(types[name], said[name], f"{where}, {name}") for name in said})
    except TypeError as error:
        raise ReadError(f"{where}: expected at least a name and a base ({error}).") from error


def _value(kind: Any, said: object, where: str) -> Any:
    if kind is Data:
        return _built(Data, said, where)
    number = (int, float)
    if kind in (str, int, float):
        fits = isinstance(said, number if kind is float else kind) and not isinstance(said, bool)
        expected = {str: "text", int: "a whole number", float: "a number"}[kind]
    else:
        fits = isinstance(said, dict) and all(isinstance(v, number) and not isinstance(v, bool) for v in said.values())
        expected = "figures by their names"
    if not fits:
        raise ReadError(f"{where}: expected {expected}, found {said!r}.")
    return said
