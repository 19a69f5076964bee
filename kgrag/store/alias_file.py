"""Read and write a store's ``aliases.toml``: names that the user merges, and names that the user keeps separate.

    [[same]]
    names = ["Count Ada", "Ada Lovelace"]

    [[apart]]
    names = ["Mercury (planet)", "Mercury (element)"]

Users write it by hand or with `kgrag graph same` and `apart`. For the same two names the last entry counts.
"""

from __future__ import annotations

import json
import tomllib
from itertools import combinations
from pathlib import Path

from graphs.merging.rules import AliasOverride
from kgrag.errors import StoreError, UsageError
from kgrag.storage.atomic import atomic_write
from kgrag.storage.text_files import read_text_file
from kgrag.text import normalize_name

ALIASES_FILE = "aliases.toml"
ALIAS_TABLES = ("same", "apart")


def load_alias_overrides(path: Path) -> list[AliasOverride]:
    """Return the pairs of a file in its order; an empty list if the file does not exist.

    Raises:
        UsageError: the file is not TOML, or has entries other than names to merge or to separate.
    """
    try:
        text = read_text_file(path)
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read ({error}): fix or delete it.") from error
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is not valid TOML ({error}): fix that line or delete the file.") from error
    if unknown := sorted(set(data) - set(ALIAS_TABLES)):
        raise UsageError(f"{path} has the unknown table {unknown[0]!r}: write [[same]] or [[apart]].")
    overrides = []
    # the parsed data has no order between tables of different names, so take it from the text
    entries_by_table = {
        kind: list(data.get(kind, [])) if isinstance(data.get(kind, []), list) else [None] for kind in ALIAS_TABLES
    }
    for line in text.splitlines():
        kind = line.strip().replace(" ", "").partition("#")[0].strip("[]")
        if line.strip().startswith("[[") and kind in ALIAS_TABLES and entries_by_table[kind]:
            overrides += _parse_entry(path, kind, entries_by_table[kind].pop(0))
    for kind in ALIAS_TABLES:  # inline arrays of tables: rare, but valid TOML
        for entry in entries_by_table[kind]:
            overrides += _parse_entry(path, kind, entry)
    return overrides


def _parse_entry(path: Path, table: str, entry: object) -> list[AliasOverride]:
    names = entry.get("names") if isinstance(entry, dict) and set(entry) == {"names"} else None
    normalized_names = (
        [normalize_name(name) for name in names]
        if isinstance(names, list) and all(isinstance(n, str) for n in names)
        else []
    )
    if len(normalized_names) < 2 or not all(normalized_names):
        raise UsageError(f'{path}: expected [[{table}]] with names = ["one", "another"], found {entry!r}: fix it.')
    return [
        AliasOverride(table == "same", frozenset(pair)) for pair in combinations(dict.fromkeys(normalized_names), 2)
    ]


def append_alias_override(path: Path, table: str, first_name: str, second_name: str) -> None:
    """Append an entry to a file; create the file if it does not exist.

    Raises:
        StoreError: the file cannot be written.
    """
    entry = f"[[{table}]]\nnames = [{json.dumps(first_name, ensure_ascii=False)}, {json.dumps(second_name, ensure_ascii=False)}]\n"
    try:
        previous_text = read_text_file(path) if path.exists() else ""
        with atomic_write(path) as temporary:
            temporary.write_text(f"{previous_text.rstrip()}\n\n{entry}".lstrip(), "utf-8")
    except OSError as error:
        raise StoreError(f"{path} cannot be written ({error.strerror}): check its permissions.") from error
