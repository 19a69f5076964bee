"""Filters on metadata: ``path:reports/ and date>=2025-01-01 and tag:"q3"``, parsed to a tree of terms.

A term is a field, an operator and a value. ``:`` asks whether the value occurs: in a path as a folder or a pattern with
``*``, in a list such as ``tags`` as one of its values, in other fields as a part, ignoring case. ``=`` and ``!=`` compare
the whole value; ``<``, ``<=``, ``>`` and ``>=`` compare dates and numbers. A date may be shortened: ``date<=2025-06``
includes all of June. ``and`` binds closer than ``or``; ``not`` and parentheses are available.
"""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase

from kgrag.errors import UsageError

FIELD_ALIASES = {"tag": "tags", "language": "lang", "source": "path", "file": "path"}
DATE_FIELDS, ORDER_OPERATORS = frozenset(("date", "created", "modified")), frozenset(("<", "<=", ">", ">="))
PATH_FIELD, LIST_FIELDS = "path", frozenset(("tags", "paths"))
_TOKEN = re.compile(
    r"""\s*(?:(?P<paren>[()])|(?P<term>(?P<field>[^\s():=!<>"']+)\s*(?P<operator>>=|<=|!=|[:=<>])\s*"""
    r"""(?P<value>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s()]+))|(?P<word>and|or|not|且|或|非)(?=[\s(]|$))""",
    re.IGNORECASE,
)
_WORDS = {"且": "and", "或": "or", "非": "not"}
MAX_NESTING = 50


@dataclass(frozen=True, slots=True)
class Term:
    """A condition on one field; ``field`` is lower case."""

    field: str
    operator: str
    value: str

    def matches(self, stored: str) -> bool:
        """Whether one stored value fulfils the condition; ``!=`` is decided as ``=`` and inverted by the caller."""
        if self.operator == ":":
            return self._occurs_in(stored)
        left, right = stored.casefold(), self.value.casefold()
        if self.operator in ("=", "!="):
            return left == right or (_is_date(right) and left.startswith(right))
        if _is_number(left) and _is_number(right):
            return _compare(self.operator, float(left), float(right))
        return _compare(self.operator, left[: len(right)] if _is_date(right) else left, right)

    def _occurs_in(self, stored: str) -> bool:
        left, right = stored.casefold(), self.value.casefold()
        if self.field in LIST_FIELDS:
            return left == right
        if self.field != PATH_FIELD:
            return right in left
        if any(mark in right for mark in "*?["):
            return fnmatchcase(left, right) or fnmatchcase(left, f"*/{right}")
        return f"/{right}" in f"/{left}" if right.endswith("/") else right in left


@dataclass(frozen=True, slots=True)
class Negation:
    """The documents that do not fulfil ``operand``."""

    operand: Filter


@dataclass(frozen=True, slots=True)
class Combination:
    """The documents that fulfil all operands (``and``) or one of them (``or``)."""

    operator: str
    operands: tuple[Filter, ...]


Filter = Term | Negation | Combination


def parse_filter(text: str) -> Filter:
    """Parse a filter.

    Raises:
        UsageError: the text is no filter; the message says where it goes wrong.
    """
    parser = _Parser(text)
    parsed = parser.parse_alternatives(0)
    parser.expect_end()
    return parsed


def filter_fields(condition: Filter) -> set[str]:
    """Return the names of the fields that a filter uses."""
    if isinstance(condition, Term):
        return {condition.field}
    operands = (condition.operand,) if isinstance(condition, Negation) else condition.operands
    return set().union(*(filter_fields(operand) for operand in operands))


class _Parser:
    """Recursive descent over the tokens of a filter."""

    def __init__(self, text: str) -> None:
        self._text, self._position = text, 0

    def parse_alternatives(self, depth: int) -> Filter:
        operands = [self._parse_conjunction(depth)]
        while self._accept("or"):
            operands.append(self._parse_conjunction(depth))
        return operands[0] if len(operands) == 1 else Combination("or", tuple(operands))

    def _parse_conjunction(self, depth: int) -> Filter:
        operands = [self._parse_operand(depth)]
        while self._accept("and"):
            operands.append(self._parse_operand(depth))
        return operands[0] if len(operands) == 1 else Combination("and", tuple(operands))

    def _parse_operand(self, depth: int) -> Filter:
        if depth > MAX_NESTING:
            raise self._error("at most 50 conditions inside each other")
        if self._accept("not"):
            return Negation(self._parse_operand(depth + 1))
        if self._accept("("):
            inner = self.parse_alternatives(depth + 1)
            if not self._accept(")"):
                raise self._error("a closing parenthesis")
            return inner
        match = _TOKEN.match(self._text, self._position)
        if not match or not match["term"]:
            raise self._error('a condition such as path:reports/ or date>=2025-01-01 or tag:"q3"')
        field = match["field"].lower()
        term = Term(FIELD_ALIASES.get(field, field), match["operator"], _unquote(match["value"]))
        if term.field in DATE_FIELDS and term.operator in ORDER_OPERATORS and not _is_calendar_date(term.value):
            raise self._error(f"a date such as {term.field}{term.operator}2025-03-01, 2025-03 or 2025")
        self._position = match.end()
        return term

    def _accept(self, token: str) -> bool:
        match = _TOKEN.match(self._text, self._position)
        found = (match["paren"] or match["word"] or "") if match else ""
        if not match or _WORDS.get(found, found.lower()) != token:
            return False
        self._position = match.end()
        return True

    def expect_end(self) -> None:
        if self._text[self._position :].strip():
            raise self._error("and, or, or the end of the filter")

    def _error(self, expected: str) -> UsageError:
        rest = self._text[self._position :].strip()
        return UsageError(f"Expected {expected}, found {rest[:40]!r} in the filter {self._text[:200]!r}.")


def _unquote(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value[:1] in "\"'" else value


def _is_date(text: str) -> bool:
    return bool(re.fullmatch(r"\d{4}(-\d{2}(-\d{2}(t[\d:.+z-]*)?)?)?", text))


def _is_calendar_date(text: str) -> bool:
    """Whether a text is a date, shortened or not, that the calendar has."""
    if not _is_date(text.casefold()):
        return False
    try:
        datetime.date.fromisoformat(text[:10] + "0000-01-01"[len(text[:10]) :])
    except ValueError:
        return False
    return True


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"[+-]?(\d+(\.\d*)?|\.\d+)", text))


def _compare(operator: str, left: str | float, right: str | float) -> bool:
    if isinstance(left, str) != isinstance(right, str):
        return False
    order = (left > right) - (left < right)  # type: ignore[operator]
    return {"<": order < 0, "<=": order <= 0, ">": order > 0, ">=": order >= 0}[operator]
