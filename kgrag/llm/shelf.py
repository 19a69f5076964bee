"""Where adapters lie, and which of them a name means.

A name is looked for beside the store, as a path, among the user's own (``home()/adapters``), and last among those that
come with the program (``kgrag/data/adapters``), so that a user's own takes the place of one of the same name.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from kgrag.config import home
from kgrag.errors import ModelError
from kgrag.llm.adapter import CONFIG

STORE, PATH, OWN, SHIPPED = "store", "path", "own", "shipped"
NONE = "none"
"""What takes an adapter off."""


@dataclass(frozen=True, slots=True)
class Shelved:
    """An adapter's folder; ``place`` is `STORE`, `PATH`, `OWN` or `SHIPPED`."""

    folder: Path
    place: str

    @property
    def name(self) -> str:
        """What it is called: the folder's name."""
        return self.folder.name


def own_folder() -> Path:
    """Where a user's own adapters lie."""
    return home() / "adapters"


def shipped_folder() -> Path:
    """Where those lie that come with the program."""
    return Path(str(files("kgrag"))) / "data" / "adapters"


def shelved(store: Path | None = None) -> list[Shelved]:
    """Every adapter that has a name, in the order in which a name is looked for, each name once."""
    found: dict[str, Shelved] = {}
    places = ([(store, STORE)] if store is not None else []) + [(own_folder(), OWN), (shipped_folder(), SHIPPED)]
    for folder, place in places:
        for path in sorted(folder.glob(f"*/{CONFIG}")):
            if not path.parent.name.startswith("."):  # half made, or half removed
                found.setdefault(path.parent.name, Shelved(path.parent, place))
    return list(found.values())


def find_shelved(name: str, store: Path | None = None) -> Shelved:
    """The adapter that a name or a path means.

    Raises:
        ModelError: there is none; the message says which there are, and which was likely meant.
    """
    folders = [store] if store is not None else []
    tried = [*(folder / name for folder in folders), Path(name).expanduser()] if name else []
    if name and Path(name).name == name != "..":
        tried += [own_folder() / name, shipped_folder() / name]
    here = [folder for folder in tried if folder.is_dir()]
    # a folder that happens to be called so does not hide an adapter
    for folder in [*(folder for folder in here if (folder / CONFIG).is_file()), *here]:
        return Shelved(folder, _place(folder, store))
    known = [one.name for one in shelved(store)]
    close = difflib.get_close_matches(name.casefold(), known, n=1, cutoff=0.5)
    there = f"known adapters: {', '.join(known)}" if known else f"there are none in {own_folder()} yet"
    hint = f"; did you mean {close[0]}?" if close else "; a folder that peft saved can be named, too."
    raise ModelError(f"There is no adapter or folder named {name!r}; {there}{hint}")


def _place(folder: Path, store: Path | None) -> str:
    """Where a folder lies, whatever it was called by."""
    shelf = folder.absolute().parent.resolve()
    for place, parent in ((OWN, own_folder()), (SHIPPED, shipped_folder()), (STORE, store)):
        if parent is not None and shelf == parent.resolve():
            return place
    return PATH


def find_adapter(name: str, store: Path | None = None) -> Path:
    """The folder of `find_shelved`.

    Raises:
        ModelError: there is none.
    """
    return find_shelved(name, store).folder
