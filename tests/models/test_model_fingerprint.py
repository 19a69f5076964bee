"""One sha256 for a model's weights, the same for one model under each of its names."""

import hashlib
import json
from pathlib import Path

import pytest

from kgrag.models.fingerprint import weights_sha256
from kgrag.models.registry import find_model


def test_by_the_registry() -> None:
    assert weights_sha256(find_model("qwen2.5-coder-0.5b-instruct")).startswith("1d9614638d18024d")
    assert weights_sha256(find_model("someone/something")) == "", "a hub's own is not known"


def test_of_a_folder(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KGRAG_HOME", str(tmp_path / "home"))
    expected = hashlib.sha256((tiny / "model.safetensors").read_bytes()).hexdigest()
    assert weights_sha256(find_model(str(tiny))) == expected
    (kept,) = (tmp_path / "home" / "sha256").iterdir()
    kept.write_text("kept")
    assert weights_sha256(find_model(str(tiny))) == "kept", "read once"


def test_of_what_the_registry_s_was_unpacked_to(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KGRAG_HOME", str(tmp_path))
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "bf16").symlink_to(tiny)
    (tmp_path / "m" / "model.json").write_text(json.dumps({"sha256": "abc"}))
    model = find_model(str(tiny))
    assert weights_sha256(model) != "abc"
    from dataclasses import replace

    from kgrag.models.registry import LocalFolder

    assert weights_sha256(replace(model, sources=(LocalFolder(tmp_path / "m" / "bf16"),))) == "abc"
