"""Fingerprints: a model has one sha256 under each of its names."""

import hashlib
import json
from pathlib import Path

import pytest

from kgrag.models.fingerprint import weights_sha256
from kgrag.models.registry import find_model


def test_registered_model_has_published_sha256() -> None:
    assert weights_sha256(find_model("qwen2.5-coder-0.5b-instruct")).startswith("1d9614638d18024d")
    assert weights_sha256(find_model("someone/something")) == "", "a hub repository's is unknown"


def test_folder_sha256_is_cached(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KGRAG_HOME", str(tmp_path / "home"))
    expected = hashlib.sha256((tiny / "model.safetensors").read_bytes()).hexdigest()
    assert weights_sha256(find_model(str(tiny))) == expected
    (cache_file,) = (tmp_path / "home" / "sha256").iterdir()
    cache_file.write_text("cached")
    assert weights_sha256(find_model(str(tiny))) == "cached", "computed once"


def test_unpacked_folder_has_registry_sha256(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KGRAG_HOME", str(tmp_path))
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "bf16").symlink_to(tiny)
    (tmp_path / "m" / "model.json").write_text(json.dumps({"sha256": "abc"}))
    model = find_model(str(tiny))
    assert weights_sha256(model) != "abc"
    from dataclasses import replace

    from kgrag.models.registry import LocalFolder

    assert weights_sha256(replace(model, sources=(LocalFolder(tmp_path / "m" / "bf16"),))) == "abc"
