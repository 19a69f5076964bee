"""Load and validate a user's ``predicates.toml`` before it is used."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from graphs.predicates import load_predicate_schema
from ingest.relations.pattern_library import compile_pattern
from kgrag.errors import UsageError
from kgrag.storage.text_files import read_text_file

USER_PREDICATES_FILENAME = "predicates.toml"
_SNAKE_CASE = re.compile(r"[^\W\d_A-Z]\w*")


class _StrictModel(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _PredicateEntry(_StrictModel):
    meaning: str = ""
    inverse: str = ""
    symmetric: bool = False
    functional: bool = False
    value: Literal["NAME", "DATE", "PLACE", "COUNTRY", "QUANTITY"] = "NAME"
    unit: str = ""
    nouns: list[str] = []
    asks: list[str] = []
    holders: list[str] = []
    derived: list[list[str]] = []


class _PatternEntry(_StrictModel):
    find: str
    lang: Literal["en", "zh"] = "en"
    confidence: float = Field(0.8, gt=0, le=1)
    example: list[str] = Field([], max_length=3)


class _PredicatesFile(_StrictModel):
    predicate: dict[str, _PredicateEntry] = {}
    pattern: list[_PatternEntry] = []
    kin: dict[str, list[str]] = {}


def load_user_predicates(path: Path) -> str:
    """Return the text of a user's file, "" if it does not exist.

    Raises:
        UsageError: the file is not valid TOML, has an unknown key or an invalid value or regular expression, or uses an
            undeclared predicate.
    """
    try:
        text = read_text_file(path)
        data = tomllib.loads(text)
        file = _PredicatesFile.model_validate(data)
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read ({error}): fix or delete it.") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is not valid TOML ({error}): fix that line or delete the file.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        problem = f"{first['msg'][0].lower()}{first['msg'][1:]}"
        raise UsageError(f"{path} has {where}: {problem}. Fix or delete that entry.") from error
    _check_references(path, text, file)
    return text


def _check_references(path: Path, text: str, file: _PredicatesFile) -> None:
    predicates = load_predicate_schema(text).predicates

    def require_declared(name: str, where: str) -> None:
        if name not in predicates:
            raise UsageError(
                f"{path}: {where} names the predicate {name!r}, which is not declared: add [predicate.{name}]."
            )

    for name, predicate in file.predicate.items():
        if not _SNAKE_CASE.fullmatch(name) or name == "mentions":
            raise UsageError(f"{path}: expected a predicate in lower case and underscores, found {name!r}: rename it.")
        for referenced_name in [predicate.inverse, *(step for chain in predicate.derived for step in chain)]:
            if referenced_name:
                require_declared(referenced_name, f"predicate {name}")
        for question_regex in predicate.asks:
            _compile_regex(path, question_regex, f"`asks` of {name}")
        for phrase in predicate.holders:
            _compile_regex(path, phrase, f"`holders` of {name}")
            wanted = 0 if predicates[name].value == "DATE" else 1
            if phrase.count("X") != wanted:
                raise UsageError(
                    f"{path}: expected {'X once' if wanted else 'no X'} in `holders` of {name}, found {phrase!r}: "
                    f"{'write X for the object' if wanted else 'a date is compared, not named'}."
                )
    for noun, chain in file.kin.items():
        for step in chain:
            require_declared(step, f"kin {noun!r}")
    for number, pattern in enumerate(file.pattern, 1):
        where = f"pattern {number}"
        try:
            groups = compile_pattern(pattern.model_dump()).regex.groupindex
        except re.error as error:
            raise UsageError(f"{path}: {where} is not a valid regular expression ({error}): fix its `find`.") from error
        fact_groups = set(groups) - {"s"}
        if not fact_groups:
            raise UsageError(f"{path}: {where} gives no fact: name a group after a predicate, as in (?P<author>{{N}}).")
        for name in fact_groups:
            require_declared(name if name in predicates else name.removesuffix("_of"), where)


def _compile_regex(path: Path, source: str, where: str) -> Any:
    try:
        return re.compile(source)
    except re.error as error:
        raise UsageError(f"{path}: {where} is not a valid regular expression ({error}): fix it.") from error
