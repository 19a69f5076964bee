"""Constraints on an answer: a JSON schema or a list of choices, validated for every backend."""

from __future__ import annotations

import json
from collections.abc import Sequence

from kgrag.errors import ModelError
from kgrag.protocols import GenerationOptions


def validate_constraints(options: GenerationOptions) -> None:
    """Check that the schema is a JSON object, or that the choices are distinct and not empty.

    Raises:
        ModelError: one of the two is malformed, or both are given.
    """
    schema, choices = options.schema, options.choices
    if schema is not None and choices:
        raise ModelError("Expected a JSON schema or choices, found both: pass one of them.")
    if schema is not None:
        try:
            is_object = isinstance(json.loads(schema), dict)
        except ValueError:
            is_object = False
        if not is_object:
            raise ModelError(
                f"Expected a JSON schema, found {schema[:40]!r}: pass a JSON object such as {{'type': ...}}."
            )
    if not isinstance(choices, str) and all(choices) and len(set(choices)) == len(choices):
        return
    raise ModelError(f"Expected distinct choices that are not empty, found {choices!r}: pass each choice once.")


def choices_grammar(choices: Sequence[str], rule: str = "root ::=") -> str:
    """Build a grammar of the ``choices``: EBNF, or Lark's syntax with ``rule`` "start:"."""
    return f"{rule} " + " | ".join(json.dumps(choice, ensure_ascii=False) for choice in choices)


def choices_schema(choices: Sequence[str]) -> str:
    """Build the JSON schema of an object whose ``answer`` is one of the ``choices``; every server supports it."""
    answer = {"type": "string", "enum": list(choices)}
    schema = {"type": "object", "properties": {"answer": answer}, "required": ["answer"], "additionalProperties": False}
    return json.dumps(schema, ensure_ascii=False)
