"""Switch a store to vectors of another embedder: the graph in one transaction, then the name in ``kgrag.toml``.

A note in the store's folder says that a switch is under way. After an interruption between the two steps, the store is
opened with its new embedder, and `configured_embedder` completes the second step.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from kgrag.config import load_config
from kgrag.protocols import GraphStore, Matrix
from kgrag.storage.atomic import atomic_write
from kgrag.storage.text_files import read_text_file

_NOTE_FILE = "embedder-switch"
"""File with the name of the embedder that the store is being switched to."""


def switch_embedder(
    graph: GraphStore, folder: Path, name: str, vectors: Iterable[tuple[str, Matrix]], generation: int
) -> None:
    """Replace the vectors of a store and the name of its embedder, inside a write lock.

    Args:
        graph: the store's graph.
        folder: the store's folder.
        name: the new embedder, as `kgrag.embedders.load_embedder` or the store's folder knows it.
        vectors: (passage id, vector) for every passage.
        generation: the generation whose passages were encoded.

    Raises:
        StoreError: the store has changed, or a passage has no vector; nothing was changed.
    """
    note = folder / _NOTE_FILE
    with atomic_write(note) as temporary:
        temporary.write_text(name, "utf-8")
    graph.replace_embeddings(name, vectors, generation)
    update_embedder_name(folder / "kgrag.toml", name)
    note.unlink()


def configured_embedder(folder: Path, stored_name: str) -> str:
    """Return the embedder that ``kgrag.toml`` names, or "" for none, after completing an interrupted switch.

    Raises:
        OSError: the files cannot be written.
    """
    note = folder / _NOTE_FILE
    if note.is_file() and read_text_file(note) == stored_name:
        update_embedder_name(folder / "kgrag.toml", stored_name)
        note.unlink(missing_ok=True)
    config = load_config(folder)
    return config.embedder if "embedder" in config.model_fields_set else ""


def update_embedder_name(path: Path, name: str) -> None:
    """Replace the encoder's name in a kgrag.toml that names one; other files are left alone."""
    if not path.is_file():
        return
    previous_text = read_text_file(path)
    updated_text = re.sub(
        r"(?m)^(\s*embedder\s*=\s*)(\"[^\"]*\"|'[^']*')", lambda match: f'{match[1]}"{name}"', previous_text
    )
    if updated_text != previous_text:
        with atomic_write(path) as temporary:
            temporary.write_text(updated_text, "utf-8")
