"""Headers of safetensors files: tensor names and shapes, and a check that the file is complete."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path

from kgrag.errors import ModelError


def tensor_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Return tensor name -> shape, without reading the weights.

    Raises:
        ModelError: the file is not in safetensors format, or is incomplete.
    """
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > size:
                raise ValueError("its header is cut off")
            header = json.loads(file.read(length))
        header.pop("__metadata__", None)
        data_end = max((row["data_offsets"][1] for row in header.values()), default=0)
        shape_by_name = {name: tuple(int(n) for n in row["shape"]) for name, row in header.items()}
    except (OSError, ValueError, struct.error, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{path} is not a complete safetensors file ({error}): download or copy it again.") from error
    if size != 8 + length + data_end:
        raise ModelError(
            f"Expected {8 + length + data_end:,} bytes in {path}, found {size:,}: it was downloaded or copied in part; "
            "get it again."
        )
    return shape_by_name


def count_parameters(folder: Path) -> int:
    """Return the number of weights in a folder, read from the headers of its files.

    Raises:
        ModelError: a file is incomplete, or a file that the index names is missing.
    """
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        try:
            indexed_files = set(json.loads(index.read_text("utf-8"))["weight_map"].values())
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(f"Cannot read {index} ({error}): download or copy it again.") from error
        missing = sorted(name for name in indexed_files if not (folder / name).is_file())
        if missing:
            raise ModelError(f"{folder} lacks {', '.join(missing)}, which its index names: download or copy it again.")
    files = sorted(file for file in folder.glob("*.safetensors") if file.name != "adapter_model.safetensors")
    return sum(math.prod(shape) for file in files for shape in tensor_shapes(file).values())
