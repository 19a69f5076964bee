"""Arrays in a folder, one plain .npy file each: read from the disk where they are touched, shared by all readers."""

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
    """Write ``arrays`` as the folder, whole or not at all.

    Raises:
        OSError: the disk is full or the folder cannot be written.
    """
    with atomic_folder(folder) as temporary:
        for name, array in arrays.items():
            np.save(temporary / f"{name}.npy", array)


def load_arrays(folder: Path) -> Arrays:
    """Name -> array, memory-mapped and read-only.

    Raises:
        OSError: there is no such folder.
        ValueError: a file is no array.
    """
    # as plain arrays: each slice of a memmap object would carry the file's name and mode along
    arrays = {path.stem: np.load(path, mmap_mode="r", allow_pickle=False) for path in sorted(folder.glob("*.npy"))}
    if not arrays:
        raise FileNotFoundError(f"Expected arrays in {folder}, found none.")
    return {name: np.asarray(array).view(np.ndarray) for name, array in arrays.items()}


def pack_strings(name: str, strings: StringTable) -> Arrays:
    """The arrays of ``strings``, named so that `unpacked` finds them."""
    return {f"{name}_text": strings.blob, f"{name}_begin": strings.offsets}


def unpack_strings(name: str, arrays: Arrays) -> StringTable:
    """The strings that were packed under ``name``.

    Raises:
        KeyError: there are none.
    """
    return StringTable(arrays[f"{name}_text"], arrays[f"{name}_begin"])


def expand_ranges(
    offsets: NDArray[np.integer[Any]], nodes: NDArray[np.int64], max_per_node: NDArray[np.int64] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For all that is listed under ``nodes``: the place of the node among them, and the place in the list.

    Args:
        begin: where each node's part of the list begins.
        nodes: numbers of nodes.
        most: how many of the first in its part each node gives.
    """
    first = offsets[nodes].astype(np.int64)
    count = offsets[nodes + 1] - first
    if max_per_node is not None:
        count = np.minimum(count, max_per_node)
    preceding = np.cumsum(count) - count
    return np.repeat(np.arange(len(nodes)), count), np.arange(int(count.sum())) + np.repeat(first - preceding, count)
