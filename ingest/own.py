"""A user's own ``predicates.toml``: read, and checked before anything is read with it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ingest.patterns import compiled, vocabulary
from kgrag.errors import UsageError

NAME = "predicates.toml"
_SNAKE = re.compile(r"[^\W\d_A-Z]\w*")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Predicate(_Strict):
    meaning: str = ""
    inverse: str = ""
    symmetric: bool = False
    functional: bool = False
    value: Literal["NAME", "DATE", "PLACE", "COUNTRY", "QUANTITY"] = "NAME"
    unit: str = ""
    nouns: list[str] = []
    asks: list[str] = []
    derived: list[list[str]] = []


class _Pattern(_Strict):
    find: str
    lang: Literal["en", "zh"] = "en"
    confidence: float = Field(0.8, gt=0, le=1)
    example: list[str] = Field([], max_length=3)


class _File(_Strict):
    predicate: dict[str, _Predicate] = {}
    pattern: list[_Pattern] = []
    kin: dict[str, list[str]] = {}


def read_own(path: Path) -> str:
    """The text of a user's file, "" if there is none.

    Raises:
        UsageError: it is not TOML, has a key or a value that is not known, a regular expression that is none, or
            names a predicate that nothing declares.
    """
    try:
        text = path.read_text("utf-8")
        data = tomllib.loads(text)
        file = _File.model_validate(data)
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read ({error}): mend or remove it.") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is not valid TOML ({error}): mend that line, or remove the file.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        problem = f"{first['msg'][0].lower()}{first['msg'][1:]}"
        raise UsageError(f"{path} has {where}: {problem}. Mend or remove that entry.") from error
    _check(path, text, file)
    return text


def _check(path: Path, text: str, file: _File) -> None:
    known = vocabulary(text).predicates

    def declared(name: str, where: str) -> None:
        if name not in known:
            raise UsageError(f"{path}: {where} names the predicate {name!r}, which is nowhere: add [predicate.{name}].")

    for name, predicate in file.predicate.items():
        if not _SNAKE.fullmatch(name) or name == "mentions":
            raise UsageError(
                f"{path}: expected a predicate in small letters and underscores, found {name!r}: rename it."
            )
        for other in [predicate.inverse, *(step for chain in predicate.derived for step in chain)]:
            if other:
                declared(other, f"predicate {name}")
        for ask in predicate.asks:
            _expression(path, ask, f"`asks` of {name}")
    for noun, chain in file.kin.items():
        for step in chain:
            declared(step, f"kin {noun!r}")
    for number, pattern in enumerate(file.pattern, 1):
        where = f"pattern {number}"
        try:
            groups = compiled(pattern.model_dump()).find.groupindex
        except re.error as error:
            raise UsageError(f"{path}: {where} is no regular expression ({error}): mend its `find`.") from error
        said = set(groups) - {"s"}
        if not said:
            raise UsageError(f"{path}: {where} says no fact: name a group for a predicate, as in (?P<author>{{N}}).")
        for name in said:
            declared(name if name in known else name.removesuffix("_of"), where)


def _expression(path: Path, source: str, where: str) -> Any:
    try:
        return re.compile(source)
    except re.error as error:
        raise UsageError(f"{path}: {where} is no regular expression ({error}): mend it.") from error
