"""The answer pipeline of a store without some of its stages and guards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kgrag.answering.pipeline import AnswerPipeline
from kgrag.answering.profiles import REQUIRED
from kgrag.errors import UsageError
from kgrag.store.store import Store


def ablated_pipeline(store: Store, without: Sequence[str]) -> AnswerPipeline:
    """Return the store's pipeline without some stages and guards.

    Raises:
        UsageError: there is no such stage or guard, or no answer without it.
    """
    if needed := sorted(REQUIRED & set(without)):
        raise UsageError(
            f"Expected a stage or guard that answers can do without, found {needed[0]!r}: leave out another."
        )
    pipeline = store.answer_pipeline
    return replace(pipeline, profile=pipeline.profile.without(frozenset(without))) if without else pipeline
