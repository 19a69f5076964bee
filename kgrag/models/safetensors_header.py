"""The head of a safetensors file: names and shapes of its tensors, and whether all of its bytes are there."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path

from kgrag.errors import ModelError


def tensor_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """tensor -> shape, without reading the weights.

    Raises:
        ModelError: it is no safetensors file, or not all of one.
    """
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > size:
                raise ValueError("its head is cut off")
            header = json.loads(file.read(length))
        header.pop("__metadata__", None)
        data_end = max((row["data_offsets"][1] for row in header.values()), default=0)
        shape_by_name = {name: tuple(int(n) for n in row["shape"]) for name, row in header.items()}
    except (OSError, ValueError, struct.error, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{path} is no whole safetensors file ({error}): download or copy it again.") from error
    if size != 8 + length + data_end:
        raise ModelError(
            f"{path} has {size:,} bytes, its head says {8 + length + data_end:,}: it was downloaded or copied in part, "
            "get it again."
        )
    return shape_by_name


def count_parameters(folder: Path) -> int:
    """How many numbers the weights in a folder hold, from the heads of its files.

    Raises:
        ModelError: a file is not whole, or one that the index names is missing.
    """
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        try:
            indexed_files = set(json.loads(index.read_text("utf-8"))["weight_map"].values())
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(f"{index} cannot be read ({error}): download or copy it again.") from error
        missing = sorted(name for name in indexed_files if not (folder / name).is_file())
        if missing:
            raise ModelError(f"{folder} lacks {', '.join(missing)}, which its index names: download or copy it again.")
    files = sorted(file for file in folder.glob("*.safetensors") if file.name != "adapter_model.safetensors")
    return sum(math.prod(shape) for file in files for shape in tensor_shapes(file).values())
