"""``aliases.toml`` of a store: what a user says is one thing under two names, and what is not.

    [[same]]
    names = ["Count Ada", "Ada Lovelace"]

    [[apart]]
    names = ["Mercury (planet)", "Mercury (element)"]

Written by hand or by `kgrag graph same` and `apart`; of the same two names the entry that stands last counts.
"""

from __future__ import annotations

import json
import tomllib
from itertools import combinations
from pathlib import Path

from graphs.merges import Said
from kgrag.errors import StoreError, UsageError
from kgrag.files import replaced
from kgrag.text import key

NAME = "aliases.toml"
KINDS = ("same", "apart")


def read_said(path: Path) -> list[Said]:
    """The pairs of a file, in its order; none if there is no file.

    Raises:
        UsageError: it is not TOML, or has something else than names to join or keep apart.
    """
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read ({error}): mend or remove it.") from error
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is not valid TOML ({error}): mend that line, or remove the file.") from error
    if unknown := sorted(set(data) - set(KINDS)):
        raise UsageError(f"{path} has the unknown table {unknown[0]!r}: write [[same]] or [[apart]].")
    found = []
    # TOML forgets in which order tables of different names stand: the text has it
    left = {kind: list(data.get(kind, [])) if isinstance(data.get(kind, []), list) else [None] for kind in KINDS}
    for line in text.splitlines():
        kind = line.strip().replace(" ", "").partition("#")[0].strip("[]")
        if line.strip().startswith("[[") and kind in KINDS and left[kind]:
            found += _pairs(path, kind, left[kind].pop(0))
    for kind in KINDS:  # as inline arrays of tables, which nobody writes and TOML allows
        for entry in left[kind]:
            found += _pairs(path, kind, entry)
    return found


def _pairs(path: Path, kind: str, entry: object) -> list[Said]:
    names = entry.get("names") if isinstance(entry, dict) and set(entry) == {"names"} else None
    keys = [key(name) for name in names] if isinstance(names, list) and all(isinstance(n, str) for n in names) else []
    if len(keys) < 2 or not all(keys):
        raise UsageError(f'{path}: expected [[{kind}]] with names = ["one", "another"], found {entry!r}: mend it.')
    return [Said(kind == "same", frozenset(pair)) for pair in combinations(dict.fromkeys(keys), 2)]


def say(path: Path, kind: str, one: str, other: str) -> None:
    """Add an entry at the end of a file, which is made if there is none.

    Raises:
        StoreError: the file cannot be written.
    """
    entry = f"[[{kind}]]\nnames = [{json.dumps(one, ensure_ascii=False)}, {json.dumps(other, ensure_ascii=False)}]\n"
    try:
        before = path.read_text("utf-8") if path.exists() else ""
        with replaced(path) as beside:
            beside.write_text(f"{before.rstrip()}\n\n{entry}".lstrip(), "utf-8")
    except OSError as error:
        raise StoreError(f"{path} cannot be written ({error.strerror}): check its permissions.") from error
