"""LoRA adapters: both backends apply them equally, and reject one of another base model."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from kgrag.config import Config
from kgrag.errors import ModelError
from kgrag.llm.loader import load_llm
from kgrag.llm.lora_adapter import check_base, load_adapter
from kgrag.llm.openvino_backend import OpenVINOLLM
from kgrag.llm.transformers_backend import TransformersLLM
from tests.support.messages import chat_messages
from tests.support.tiny_model import load_torch_llm


def test_adapter_changes_both_backends_equally(tiny: Path, tiny_openvino: Path, adapter: Path, tmp_path: Path) -> None:
    text = "The capital of France"
    plain, added = (
        load_torch_llm(tiny).score(chat_messages("what?"), text),
        load_torch_llm(tiny, adapter).score(chat_messages("what?"), text),
    )
    other = OpenVINOLLM(tiny_openvino, "tiny", cache=tmp_path, adapter=load_adapter(adapter))
    assert abs(added - plain) > 1, "it changes something"
    assert other.score(chat_messages("what?"), text) == pytest.approx(added, abs=0.05) and other.adapter == "mine"
    assert OpenVINOLLM(tiny_openvino, "tiny", cache=tmp_path).score(chat_messages("what?"), text) == pytest.approx(
        plain, rel=0.03
    )


@pytest.mark.slow
def test_adapter_from_configuration_is_loaded(
    tiny: Path, adapter: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KGRAG_HOME", str(tmp_path))
    shutil.copytree(adapter, tmp_path / "adapters" / "mine")
    llm = load_llm(str(tiny), config=Config.model_validate({"adapter": "mine"}))
    assert getattr(llm, "adapter", "") == "mine"
    with pytest.raises(ModelError, match=r"No adapter or folder is named 'nonesuch'; known adapters: .*mine"):
        load_llm(str(tiny), config=Config.model_validate({"adapter": "nonesuch"}))


def test_load_adapter_reads_scale(adapter: Path, tmp_path: Path) -> None:
    """The scale is in the configuration, not in the matrices."""
    assert load_adapter(adapter).scale == 2.0 and load_adapter(adapter).is_plain_lora
    config = json.loads((adapter / "adapter_config.json").read_text("utf-8"))
    for changed, scale, plain in (
        ({"lora_alpha": 4}, 1.0, True),
        ({"lora_alpha": 4, "use_rslora": True}, 2.0, True),
        ({"alpha_pattern": {"q_proj": 1}}, 2.0, False),
        ({"use_dora": True}, 2.0, False),
        ({"bias": "all"}, 2.0, False),
    ):
        folder = shutil.copytree(adapter, tmp_path / str(len(list(tmp_path.iterdir()))))
        (folder / "adapter_config.json").write_text(json.dumps(config | changed), "utf-8")
        assert (load_adapter(folder).scale, load_adapter(folder).is_plain_lora) == (scale, plain), changed


def test_non_plain_lora_runs_with_transformers(
    tiny: Path, adapter: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KGRAG_HOME", str(tmp_path / "home"))
    folder = shutil.copytree(adapter, tmp_path / "mine")
    config = json.loads((folder / "adapter_config.json").read_text("utf-8")) | {
        "alpha_pattern": {"v_proj": 0.1, "down_proj": 0.1}
    }
    (folder / "adapter_config.json").write_text(json.dumps(config), "utf-8")
    said: list[str] = []
    llm = load_llm(str(tiny), lambda text, _: said.append(text), Config.model_validate({"adapter": str(folder)}))
    assert isinstance(llm, TransformersLLM) and any("mine is not a plain LoRA" in text for text in said)
    score = llm.score(chat_messages("what?"), "The capital of France")
    assert abs(score - load_torch_llm(tiny, adapter).score(chat_messages("what?"), "The capital of France")) > 0.1, (
        "it is weaker there"
    )


def test_adapter_of_another_base_is_rejected(tiny: Path, adapter: Path, tmp_path: Path) -> None:
    mine = load_adapter(adapter)
    check_base(mine, "tiny", tiny)
    check_base(replace(mine, base=""), "tiny", tiny)
    check_base(replace(mine, base="someone/Tiny-GGUF"), "tiny", tiny)
    check_base(replace(mine, base="/gone/models/tiny/bf16"), "tiny", tiny)
    with pytest.raises(
        ModelError, match=r"not trained on tiny \(its base model is Qwen/Qwen3-8B\): use its own base model"
    ):
        check_base(replace(mine, base="Qwen/Qwen3-8B"), "tiny", tiny)
    other = tmp_path / "other"
    other.mkdir()
    config = json.loads((tiny / "config.json").read_text())
    for key, value, said in (
        ("hidden_size", 64, "of layer 0 has 128 dimensions, tiny has"),
        ("num_hidden_layers", 1, "of layer 1"),
    ):
        (other / "config.json").write_text(json.dumps({**config, key: value}))
        with pytest.raises(ModelError, match=f"not trained on tiny .*{said}"):
            check_base(mine, "tiny", other)


def test_load_adapter_invalid_folder_is_rejected(tiny: Path, adapter: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="found none: pass the folder"):
        load_adapter(tmp_path)
    copy = tmp_path / "copy"
    shutil.copytree(adapter, copy)
    config = json.loads((copy / "adapter_config.json").read_text())
    (copy / "adapter_config.json").write_text(json.dumps({**config, "peft_type": "IA3"}))
    with pytest.raises(ModelError, match=r"Expected an adapter of type LORA or P_TUNING in .*, found IA3"):
        load_adapter(copy)
    (copy / "adapter_config.json").write_text("{")
    with pytest.raises(ModelError, match="is not a LoRA configuration"):
        load_adapter(copy)
    shutil.copy(adapter / "adapter_config.json", copy)
    weights = copy / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-5])
    with pytest.raises(ModelError, match="downloaded or copied in part"):
        check_base(load_adapter(copy), "tiny", tiny)


def test_model_without_chat_template_is_rejected(tiny: Path, tiny_openvino: Path, tmp_path: Path) -> None:
    for folder, load in (
        (tiny, load_torch_llm),
        (tiny_openvino, lambda f: OpenVINOLLM(f, "bare", cache=tmp_path / "cache")),
    ):
        bare = tmp_path / folder.name
        shutil.copytree(folder, bare)
        (bare / "chat_template.jinja").unlink(missing_ok=True)
        config = bare / "tokenizer_config.json"
        found = json.loads(config.read_text())
        found.pop("chat_template", None)
        config.write_text(json.dumps(found))
        for xml in bare.glob("openvino_tokenizer.xml"):
            xml.write_text(xml.read_text().replace("chat_template", "no_template"))
        with pytest.raises(ModelError, match=r"has no chat template: it is a base model.*-instruct"):
            load(bare)
