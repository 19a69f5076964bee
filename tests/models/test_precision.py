"""Choice of precision, attention and backend for a model on different devices."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from kgrag.errors import ModelError
from kgrag.llm.loader import LARGE_MODEL, SMALL_MODEL
from kgrag.llm.transformers_utils import model_load_options
from kgrag.models.device import GB, Device
from kgrag.models.precision import RuntimeChoice, choose_runtime
from kgrag.models.registry import find_model
from tests.support.cli_shell import Shell

H100 = Device("cuda", "H100", 80 * GB, 79 * GB, bf16=True, flash=True, bitsandbytes=True)
T4 = Device("cuda", "T4", 16 * GB, 15 * GB)
SMALL_GPU = Device("cuda", "small", 3 * GB, 2.5 * GB, bitsandbytes=True, bf16=True)  # type: ignore[arg-type]
TWO = replace(T4, free=3 * GB, count=2)
APPLE = Device("mps", "Apple GPU", 16 * GB, 12 * GB)
AVX2, AMX = Device("cpu", "2 cores", 16 * GB, 12 * GB), Device("cpu", "8 cores", 64 * GB, 60 * GB, bf16=True)


@pytest.mark.parametrize(
    ("device", "precision", "attention", "expected", "reason"),
    [
        (
            H100,
            "auto",
            "auto",
            ("transformers", "cuda", "bf16", "flash_attention_2", False),
            "3.1 GB in bf16 fit in 79",
        ),
        (H100, "fp32", "auto", ("transformers", "cuda", "fp32", "sdpa", False), "fp32 was requested"),
        (H100, "int4", "eager", ("transformers", "cuda", "int4", "eager", False), "eager was requested"),
        (T4, "auto", "auto", ("transformers", "cuda", "fp16", "sdpa", False), "fit in 15 GB"),
        (SMALL_GPU, "auto", "auto", ("transformers", "cuda", "int8", "sdpa", False), "would take 3.1 GB of 2"),
        (TWO, "auto", "auto", ("transformers", "cuda", "fp16", "sdpa", True), "does not fit on one"),
        (APPLE, "auto", "auto", ("transformers", "mps", "fp16", "sdpa", False), "half the memory"),
        (AVX2, "auto", "auto", ("openvino", "cpu", "int4", "paged", False), "no GPU"),
        (AVX2, "int8", "auto", ("openvino", "cpu", "int8", "paged", False), "int8 was requested"),
        (AVX2, "bf16", "auto", ("transformers", "cpu", "bf16", "sdpa", False), "no bf16 weights"),
    ],
)
def test_choose_runtime(
    device: Device, precision: str, attention: str, expected: tuple[object, ...], reason: str
) -> None:
    choice = choose_runtime(find_model(LARGE_MODEL), device, precision, attention)
    assert (choice.backend, choice.device, choice.precision, choice.attention, choice.is_spread) == expected
    assert reason in "; ".join(choice.reasons) and all(choice.reasons)


def test_choose_runtime_torch_on_cpu() -> None:
    assert choose_runtime(find_model(SMALL_MODEL), AVX2, backend="transformers").precision == "fp32"
    assert choose_runtime(find_model(SMALL_MODEL), AMX, backend="transformers").precision == "bf16"


@pytest.mark.parametrize(
    ("device", "precision", "attention", "message"),
    [
        (T4, "int5", "auto", "Expected precision auto, fp32, bf16, fp16, int8, int4, found 'int5'"),
        (T4, "auto", "fast", "Expected attention auto, eager"),
        (T4, "int4", "auto", "needs the library bitsandbytes"),
        (T4, "auto", "flash_attention_2", "needs the library flash_attn.*found T4"),
        (H100, "fp32", "flash_attention_2", "a precision other than fp32"),
        (APPLE, "int8", "auto", "needs bitsandbytes and a CUDA device, found mps"),
        (AVX2, "auto", "sdpa", "OpenVINO, which has its own"),
    ],
)
def test_choose_runtime_unavailable_raises(device: Device, precision: str, attention: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        choose_runtime(find_model(LARGE_MODEL), device, precision, attention)


def test_choose_runtime_openvino_folder_keeps_precision(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"architectures": ["Qwen2ForCausalLM"]}')
    (tmp_path / "openvino_model.xml").write_text("<net/>")
    choice = choose_runtime(find_model(str(tmp_path)), H100)
    assert (choice.backend, choice.device, choice.precision) == ("openvino", "cpu", "as it is")


def test_model_load_options(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    half = model_load_options(RuntimeChoice("transformers", "cuda", "bf16", "sdpa", ()))
    assert half["dtype"] is torch.bfloat16 and half["device_map"] == {"": "cuda"} and half["local_files_only"]
    assert "quantization_config" not in half
    spread = model_load_options(RuntimeChoice("transformers", "cuda", "fp16", "flash_attention_2", (), is_spread=True))
    assert spread["device_map"] == "auto" and spread["attn_implementation"] == "flash_attention_2"
    assert "device_map" not in model_load_options(RuntimeChoice("transformers", "cpu", "fp32", "sdpa", ()))
    monkeypatch.setattr("transformers.utils.quantization_config.BitsAndBytesConfig.post_init", lambda self: None)
    monkeypatch.setattr("kgrag.llm.transformers_utils.this_device", lambda: T4)
    old = model_load_options(RuntimeChoice("transformers", "cuda", "int4", "sdpa", ()))
    assert old["dtype"] is torch.float16 is old["quantization_config"].bnb_4bit_compute_dtype, "nothing is emulated"
    monkeypatch.setattr("kgrag.llm.transformers_utils.this_device", lambda: H100)
    four = model_load_options(RuntimeChoice("transformers", "cuda", "int4", "sdpa", ()))["quantization_config"]
    assert four.bnb_4bit_compute_dtype is torch.bfloat16
    eight = model_load_options(RuntimeChoice("transformers", "cuda", "int8", "sdpa", ()))["quantization_config"]
    assert four.load_in_4bit and four.bnb_4bit_quant_type == "nf4" and eight.load_in_8bit and not eight.load_in_4bit


def test_status_models_shows_choice_and_reasons(shell: Shell, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kgrag.models.device.choose_device", lambda: "cpu")
    code, out, err = shell("status", "--models", "--store", store, "--model", SMALL_MODEL)
    assert code == 0 and err == ""
    assert all(
        word in out
        for word in (SMALL_MODEL, "openvino", "int8", "paged", "GB with 2,048 tokens", "fastest on a processor")
    )
    (store / "kgrag.toml").write_text(f'model = "{LARGE_MODEL}"\nprecision = "fp16"\n')
    code, out, _ = shell("status", "--models", "--store", store, "--json")
    assert code == 0 and '"precision": "fp16"' in out and '"fp16 was requested"' in out
    code, out, _ = shell("status", "--models", "--store", store, "--precision", "bf16", "--attention", "eager")
    assert code == 0 and "bf16 was requested" in out and "eager was requested" in out and "transformers" in out
    code, out, _ = shell("status", "--models", "--store", store, "--model", "http://10.1.2.3/v1#m")
    assert code == 0 and "another machine" in out
    assert "Expected one of auto, fp32" in shell.expect_error(2, "ask", "Who?", "--store", store, "--precision", "int3")
    assert "OpenVINO, which has its own" in shell.expect_error(
        1, "status", "--models", "--store", store, "--attention", "eager"
    )
    (store / "kgrag.toml").write_text('precision = "int3"\n')
    assert "has precision = 'int3'" in shell.expect_error(2, "status", "--models", "--store", store)
    (store / "kgrag.toml").write_text("[server]\nwait = 3\n")
    assert "unknown key 'server.wait'; known keys: at_once, context, timeout, tries" in shell.expect_error(
        2, "status", "--store", store
    )


def test_pull_adds_precision_beside_the_first(
    tiny: Path, tiny_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shell: Shell
) -> None:
    from kgrag.models.convert import local_folder, openvino_folder

    monkeypatch.setenv("KGRAG_HOME", str(shutil.copytree(tiny_home, tmp_path / "home")))
    model = find_model(str(tiny))
    folder = local_folder(model)
    assert folder is not None and local_folder(replace(model, precision="fp32")) is None
    code, out, _ = shell("models", "pull", model.name, "--precision", "fp32")
    assert code == 0 and "is ready" in out
    assert local_folder(model) == local_folder(replace(model, precision="fp32")) == folder
    assert (openvino_folder(replace(model, precision="fp32"), folder) / "openvino_model.xml").is_file()
    assert "the format of every download" in shell.expect_error(2, "models", "pull", model.name, "--precision", "bf16")


def test_gpu_check_without_gpu_and_with_t4(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from kgrag.cli import gpu_check

    monkeypatch.setattr(gpu_check, "this_device", lambda: AVX2)
    assert gpu_check.main() == 3 and "Expected a GPU that torch can use" in capsys.readouterr().out
    monkeypatch.setattr(gpu_check, "this_device", lambda: T4)
    monkeypatch.setattr(gpu_check, "_inference_row", lambda name, choice: ([choice.precision] + [""] * 7, True))
    methods: list[str] = []
    monkeypatch.setattr(gpu_check, "_training_row", lambda name, method: ([""] * 4, not methods.append(method)))
    assert gpu_check.main() == 0 and methods == ["lora", "p-tuning", "full"], "no bitsandbytes on this device"
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    assert len(lines) == 16 + 5 and sum("not available" in line for line in lines) == 9 + 1, (
        "5 precisions, 3 attentions; 4 methods"
    )
    monkeypatch.setattr(gpu_check, "_training_row", lambda name, method: ([""] * 4, method != "full"))
    assert gpu_check.main() == 1


def test_gpu_check_training_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kgrag.cli import gpu_check
    from kgrag.dev.benchmarks.training_speed import synthetic_examples
    from tests.support.tiny_model import build_tiny_model

    # this tokenizer makes each letter a token
    monkeypatch.setattr(gpu_check, "synthetic_examples", lambda groups: synthetic_examples(groups, words=6, passages=2))
    build_tiny_model(tmp_path / "tiny", 4096)
    cells, good = gpu_check._training_row(str(tmp_path / "tiny"), "full")
    assert good and re.fullmatch(r"\d\.\d\d to \d\.\d\d", cells[0]) and len(cells) == 4
    build_tiny_model(tmp_path / "small", 64)
    cells, good = gpu_check._training_row(str(tmp_path / "small"), "full")
    assert not good and "nothing to learn from" in cells[0]
