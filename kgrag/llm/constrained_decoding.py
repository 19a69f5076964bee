"""What an answer may look like: a JSON schema, or one of a few choices; checked once for every home of a model."""

from __future__ import annotations

import json
from collections.abc import Sequence

from kgrag.errors import ModelError


def validate_constraints(schema: str | None, choices: Sequence[str]) -> None:
    """Check that ``schema`` is a JSON object, and that ``choices`` are distinct texts that can be told apart.

    Raises:
        ModelError: they are not, or both are given.
    """
    if schema is not None and choices:
        raise ModelError("Expected a JSON schema or choices, found both: give one of them.")
    if schema is not None:
        try:
            is_object = isinstance(json.loads(schema), dict)
        except ValueError:
            is_object = False
        if not is_object:
            raise ModelError(
                f"Expected a JSON schema, found {schema[:40]!r}: give a JSON object such as {{'type': ...}}."
            )
    if not isinstance(choices, str) and all(choices) and len(set(choices)) == len(choices):
        return
    raise ModelError(f"Expected choices that differ and are not empty, found {choices!r}: give each once.")


def choices_grammar(choices: Sequence[str], rule: str = "root ::=") -> str:
    """A grammar whose sentences are the ``choices``: EBNF, or Lark's with ``rule`` "start:"."""
    return f"{rule} " + " | ".join(json.dumps(choice, ensure_ascii=False) for choice in choices)


def choices_schema(choices: Sequence[str]) -> str:
    """A JSON schema of an object whose ``answer`` is one of the ``choices``: what every server understands."""
    answer = {"type": "string", "enum": list(choices)}
    schema = {"type": "object", "properties": {"answer": answer}, "required": ["answer"], "additionalProperties": False}
    return json.dumps(schema, ensure_ascii=False)
