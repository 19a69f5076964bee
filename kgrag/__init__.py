"""Question answering over your own documents, with a knowledge graph, a vector index and checked citations.

::

    import kgrag

    with kgrag.open("notes.kgrag", create=True) as store:
        store.ingest(["docs/"])
        answer = store.ask("Who designed the Z3?")
        print(answer.text, answer.citations)
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kgrag.errors import KgragError, ModelError, ReadError, StoreBusyError, StoreError, UsageError
from kgrag.types import (
    Answer,
    Citation,
    Document,
    DraftStatement,
    Entity,
    Hit,
    Mention,
    Passage,
    Path,
    Question,
    Triple,
)

if TYPE_CHECKING:
    from kgrag.store.store import Store

__version__ = "0.1.0"
__all__ = [
    "Answer",
    "Citation",
    "Document",
    "DraftStatement",
    "Entity",
    "Hit",
    "KgragError",
    "Mention",
    "ModelError",
    "Passage",
    "Path",
    "Question",
    "ReadError",
    "Store",
    "StoreBusyError",
    "StoreError",
    "Triple",
    "UsageError",
    "open",
]

logging.getLogger("kgrag").addHandler(logging.NullHandler())


def open(  # shadows the builtin in this module only
    location: str | os.PathLike[str],
    *,
    create: bool = False,
    model: str | None = None,
    adapter: str | None = None,
    precision: str | None = None,
    notice: Callable[[str], None] = lambda _: None,
    progress: Callable[[str, float], None] = lambda _, __: None,
) -> Store:
    """Open a store; use it in a ``with`` block, or call ``close()``.

    Args:
        location: a folder, or the address of a Neo4j database (``neo4j://user@host:7687/database``).
        create: whether a missing or empty folder becomes a new store.
        model: name of a language model, a folder, a GGUF file or a server's address (default: ``kgrag.toml``).
        adapter: name or folder of a LoRA adapter (default: ``kgrag.toml``).
        precision: ``auto``, ``fp32``, ``bf16``, ``fp16``, ``int8`` or ``int4`` (default: ``kgrag.toml``).
        notice: called with a sentence about a slow step or an observation.
        progress: called with a message and a share in 0..1 while a model is fetched.

    Raises:
        UsageError: there is no store at ``location`` (and ``create`` is False), or its configuration is wrong.
        StoreError: the store is damaged or of another version.
    """
    from kgrag.location import parse_location
    from kgrag.store.store import Store

    overrides = {"adapter": adapter, "precision": precision}
    parsed = parse_location(os.fspath(location))
    store = Store(parsed, notice, progress, create=create, model=model, overrides=overrides)
    try:
        _ = store.graph_store  # an error belongs here, not to the first question
    except BaseException:
        store.close()
        raise
    return store


def __getattr__(name: str) -> Any:
    """Load `Store` on demand: it imports more than the values of this module."""
    if name == "Store":
        from kgrag.store.store import Store

        return Store
    raise AttributeError(f"module 'kgrag' has no attribute {name!r}")
