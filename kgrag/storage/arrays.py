"""Folders of memory-mapped numpy arrays, one .npy file each; pages load on access and are shared."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kgrag.storage.atomic import atomic_folder
from kgrag.storage.string_table import StringTable

Arrays = dict[str, NDArray[Any]]


def save_arrays(folder: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write ``arrays`` as a folder, atomically.

    Raises:
        OSError: the disk is full or the folder cannot be written.
    """
    with atomic_folder(folder) as temporary:
        for name, array in arrays.items():
            np.save(temporary / f"{name}.npy", array)


def load_arrays(folder: Path) -> Arrays:
    """Load the arrays of a folder by name, memory-mapped and read-only.

    Raises:
        OSError: the folder does not exist or has no arrays.
        ValueError: a file is not an array.
    """
    # plain arrays, since every slice of a memmap object carries the file's name and mode
    arrays = {path.stem: np.load(path, mmap_mode="r", allow_pickle=False) for path in sorted(folder.glob("*.npy"))}
    if not arrays:
        raise FileNotFoundError(f"Expected arrays in {folder}, found none.")
    return {name: np.asarray(array).view(np.ndarray) for name, array in arrays.items()}


def pack_strings(name: str, strings: StringTable) -> Arrays:
    """Return the arrays of ``strings``, named for `unpack_strings`."""
    return {f"{name}_text": strings.blob, f"{name}_begin": strings.offsets}


def unpack_strings(name: str, arrays: Arrays) -> StringTable:
    """Return the strings that `pack_strings` stored under ``name``.

    Raises:
        KeyError: there are none.
    """
    return StringTable(arrays[f"{name}_text"], arrays[f"{name}_begin"])


def expand_ranges(
    offsets: NDArray[np.integer[Any]], nodes: NDArray[np.int64], max_per_node: NDArray[np.int64] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """List the items of several nodes of a compressed sparse row (CSR) structure.

    Args:
        offsets: (all nodes + 1,), start of each node's items.
        nodes: numbers of the nodes to expand.
        max_per_node: (nodes,), maximum number of items per node, from the start; None for all.

    Returns:
        Two arrays with one entry per item: the position of its node in ``nodes``, and the position of the item.
    """
    first = offsets[nodes].astype(np.int64)
    count = offsets[nodes + 1] - first
    if max_per_node is not None:
        count = np.minimum(count, max_per_node)
    preceding = np.cumsum(count) - count
    return np.repeat(np.arange(len(nodes)), count), np.arange(int(count.sum())) + np.repeat(first - preceding, count)
