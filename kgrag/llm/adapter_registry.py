"""Where adapters lie, and which of them a name means.

A name is looked for beside the store, as a path, among the user's own (``home()/adapters``), and last among those that
come with the program (``kgrag/data/adapters``), so that a user's own takes the place of one of the same name.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from kgrag.config import model_home
from kgrag.errors import ModelError
from kgrag.llm.lora_adapter import CONFIG_FILE

STORE_ADAPTER, PATH_ADAPTER, USER_ADAPTER, BUILTIN_ADAPTER = "store", "path", "own", "shipped"
NO_ADAPTER = "none"
"""What takes an adapter off."""


@dataclass(frozen=True, slots=True)
class AdapterEntry:
    """An adapter's folder; ``place`` is `STORE`, `PATH`, `OWN` or `SHIPPED`."""

    folder: Path
    location: str

    @property
    def name(self) -> str:
        """What it is called: the folder's name."""
        return self.folder.name


def user_adapter_folder() -> Path:
    """Where a user's own adapters lie."""
    return model_home() / "adapters"


def builtin_adapter_folder() -> Path:
    """Where those lie that come with the program."""
    return Path(str(files("kgrag"))) / "data" / "adapters"


def list_adapters(store: Path | None = None) -> list[AdapterEntry]:
    """Every adapter that has a name, in the order in which a name is looked for, each name once."""
    entries: dict[str, AdapterEntry] = {}
    locations = ([(store, STORE_ADAPTER)] if store is not None else []) + [
        (user_adapter_folder(), USER_ADAPTER),
        (builtin_adapter_folder(), BUILTIN_ADAPTER),
    ]
    for folder, location in locations:
        for path in sorted(folder.glob(f"*/{CONFIG_FILE}")):
            if not path.parent.name.startswith("."):  # half made, or half removed
                entries.setdefault(path.parent.name, AdapterEntry(path.parent, location))
    return list(entries.values())


def resolve_adapter(name: str, store: Path | None = None) -> AdapterEntry:
    """The adapter that a name or a path means.

    Raises:
        ModelError: there is none; the message says which there are, and which was likely meant.
    """
    folders = [store] if store is not None else []
    candidates = [*(folder / name for folder in folders), Path(name).expanduser()] if name else []
    if name and Path(name).name == name != "..":
        candidates += [user_adapter_folder() / name, builtin_adapter_folder() / name]
    existing = [folder for folder in candidates if folder.is_dir()]
    # a folder that happens to be called so does not hide an adapter
    for folder in [*(folder for folder in existing if (folder / CONFIG_FILE).is_file()), *existing]:
        return AdapterEntry(folder, _location(folder, store))
    known_names = [one.name for one in list_adapters(store)]
    close = difflib.get_close_matches(name.casefold(), known_names, n=1, cutoff=0.5)
    known_note = (
        f"known adapters: {', '.join(known_names)}" if known_names else f"there are none in {user_adapter_folder()} yet"
    )
    hint = f"; did you mean {close[0]}?" if close else "; a folder that peft saved can be named, too."
    raise ModelError(f"There is no adapter or folder named {name!r}; {known_note}{hint}")


def _location(folder: Path, store: Path | None) -> str:
    """Where a folder lies, whatever it was called by."""
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
    """The folder of `find_shelved`.

    Raises:
        ModelError: there is none.
    """
    return resolve_adapter(name, store).folder
