"""The answer pipeline of a store without some of its stages and guards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kgrag.answering.pipeline import AnswerPipeline
from kgrag.store.store import Store


def ablated_pipeline(store: Store, without: Sequence[str]) -> AnswerPipeline:
    """Return the store's pipeline without some stages and guards.

    Raises:
        UsageError: there is no such stage or guard.
    """
    pipeline = store.answer_pipeline
    return replace(pipeline, profile=pipeline.profile.without(frozenset(without))) if without else pipeline
