"""Which weights a model has: one sha256, by which an adapter knows its base under any name."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from kgrag.config import model_home
from kgrag.models.registry import GgufFile, ModelEntry
from kgrag.storage.atomic import atomic_write

_BLOCK_BYTES = 1 << 22


def weights_sha256(model: ModelEntry) -> str:
    """The sha256 (hex) of a model's weights; "" where they are not known: an OpenVINO folder alone, a hub's own.

    Of a model of the registry it is that of the published file; of a folder, that of its safetensors one after the other
    by name (``cat *.safetensors | sha256sum``), unless it is the folder that a model of the registry was unpacked to.
    What was read once is kept under `home()`.

    Raises:
        OSError: a file of it cannot be read.
    """
    if model.sha256:
        return model.sha256
    file = next((source.path for source in model.sources if isinstance(source, GgufFile)), None)
    if file is not None:
        return _files_sha256([file])
    if model.local_path is None:
        return ""
    return _registry_sha256(model.local_path) or _files_sha256(sorted(model.local_path.glob("*.safetensors")))


def _registry_sha256(folder: Path) -> str:
    try:
        return str(json.loads((folder.parent / "model.json").read_text("utf-8"))["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _files_sha256(files: list[Path]) -> str:
    if not files:
        return ""
    key = repr([(str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns) for file in files])
    cache_file = model_home() / "sha256" / hashlib.sha256(key.encode()).hexdigest()[:32]
    try:
        return cache_file.read_text("ascii")
    except (OSError, UnicodeDecodeError):
        pass
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                digest.update(block)
    try:
        with atomic_write(cache_file) as temporary:
            temporary.write_text(digest.hexdigest(), "ascii")
    except OSError:  # it is read again next time
        pass
    return digest.hexdigest()
