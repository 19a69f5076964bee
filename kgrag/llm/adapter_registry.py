"""Adapter registry: find adapters by name.

A name is looked up in this order: beside the store, as a path, among the user's adapters (``home()/adapters``), and
among the built-in adapters (``kgrag/data/adapters``). So a user's adapter replaces a built-in one of the same name.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from kgrag.errors import ModelError
from kgrag.llm.lora_adapter import CONFIG_FILE
from kgrag.storage.paths import model_home

STORE_ADAPTER, PATH_ADAPTER, USER_ADAPTER, BUILTIN_ADAPTER = "store", "path", "own", "shipped"
NO_ADAPTER = "none"
"""Name that removes the active adapter."""


@dataclass(frozen=True, slots=True)
class AdapterEntry:
    """An adapter's folder and its location.

    Attributes:
        folder: the folder.
        location: `STORE_ADAPTER`, `PATH_ADAPTER`, `USER_ADAPTER` or `BUILTIN_ADAPTER`.
    """

    folder: Path
    location: str

    @property
    def name(self) -> str:
        """Name of the adapter: the folder's name."""
        return self.folder.name


def user_adapter_folder() -> Path:
    """Return the folder of the user's adapters."""
    return model_home() / "adapters"


def builtin_adapter_folder() -> Path:
    """Return the folder of the built-in adapters."""
    return Path(str(files("kgrag"))) / "data" / "adapters"


def list_adapters(store: Path | None = None) -> list[AdapterEntry]:
    """List every adapter that has a name, each name once, in lookup order."""
    entries: dict[str, AdapterEntry] = {}
    locations = ([(store, STORE_ADAPTER)] if store is not None else []) + [
        (user_adapter_folder(), USER_ADAPTER),
        (builtin_adapter_folder(), BUILTIN_ADAPTER),
    ]
    for folder, location in locations:
        for path in sorted(folder.glob(f"*/{CONFIG_FILE}")):
            if not path.parent.name.startswith("."):  # incomplete: being written or deleted
                entries.setdefault(path.parent.name, AdapterEntry(path.parent, location))
    return list(entries.values())


def resolve_adapter(name: str, store: Path | None = None) -> AdapterEntry:
    """Find the adapter of a name or path.

    Raises:
        ModelError: there is none; the message lists the known names and suggests a similar one.
    """
    folders = [store] if store is not None else []
    candidates = [*(folder / name for folder in folders), Path(name).expanduser()] if name else []
    if name and Path(name).name == name != "..":
        candidates += [user_adapter_folder() / name, builtin_adapter_folder() / name]
    existing = [folder for folder in candidates if folder.is_dir()]
    # a folder of the same name without an adapter does not hide the adapter
    for folder in [*(folder for folder in existing if (folder / CONFIG_FILE).is_file()), *existing]:
        return AdapterEntry(folder, _location(folder, store))
    known_names = [entry.name for entry in list_adapters(store)]
    close = difflib.get_close_matches(name.casefold(), known_names, n=1, cutoff=0.5)
    known_note = f"known adapters: {', '.join(known_names)}" if known_names else f"{user_adapter_folder()} has none yet"
    hint = f"; did you mean {close[0]}?" if close else "; a folder saved by peft works, too."
    raise ModelError(f"No adapter or folder is named {name!r}; {known_note}{hint}")


def _location(folder: Path, store: Path | None) -> str:
    """Return the location of a folder, independent of the spelling of its path."""
    parent_folder = folder.absolute().parent.resolve()
    for location, parent in (
        (USER_ADAPTER, user_adapter_folder()),
        (BUILTIN_ADAPTER, builtin_adapter_folder()),
        (STORE_ADAPTER, store),
    ):
        if parent is not None and parent_folder == parent.resolve():
            return location
    return PATH_ADAPTER


def resolve_adapter_folder(name: str, store: Path | None = None) -> Path:
    """Find the folder of an adapter; see `resolve_adapter`.

    Raises:
        ModelError: there is none.
    """
    return resolve_adapter(name, store).folder
