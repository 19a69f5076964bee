"""Fingerprint of a model's weights: one sha256 that identifies an adapter's base model under any name."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from kgrag.models.registry import GgufFile, ModelEntry
from kgrag.storage.atomic import atomic_write
from kgrag.storage.checksums import file_sha256
from kgrag.storage.paths import model_home


def weights_sha256(model: ModelEntry) -> str:
    """Return the sha256 (hex) of a model's weights, or "" if it is unknown (OpenVINO folder only, hub repository).

    A registered model has the sha256 of its published file. A folder has the sha256 of its safetensors files,
    concatenated in name order (``cat *.safetensors | sha256sum``), unless a registered model was unpacked into it.
    Checksums are cached under `model_home()`.

    Raises:
        OSError: a weights file cannot be read.
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
    digest = file_sha256(*files)
    try:
        with atomic_write(cache_file) as temporary:
            temporary.write_text(digest, "ascii")
    except OSError:  # without a cache, the checksum is computed again next time
        pass
    return digest
