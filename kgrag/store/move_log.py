"""Remember the former names of files that have moved, so that a command with a former name is understood."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from kgrag.storage.atomic import atomic_write

MOVE_LOG = "moves.json"
MAX_MOVES = 1000
"""Moves that are remembered: the latest."""


def record_moves(folder: Path, moves: Sequence[tuple[str, str]]) -> None:
    """Add moves, as (former id, present id) of sources, to the log in a store's folder."""
    if not moves:
        return
    latest = former_names(folder)
    for old, new in moves:
        latest.pop(old, None)
        latest[old] = new
    with atomic_write(folder / MOVE_LOG) as path:
        path.write_text(json.dumps(dict(list(latest.items())[-MAX_MOVES:])), "utf-8")


def former_names(folder: Path) -> dict[str, str]:
    """Map the former ids of sources that have moved to their next ones; empty if the log cannot be read."""
    try:
        value = json.loads((folder / MOVE_LOG).read_bytes())
    except (OSError, ValueError):
        return {}
    return {str(old): str(new) for old, new in value.items()} if isinstance(value, dict) else {}
