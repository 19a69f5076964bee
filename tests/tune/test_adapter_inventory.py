"""Adapter inventory: resolution by name, listing, merging, removal, and switching while answering."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kgrag.cli.options import adapter_names
from kgrag.config import Config
from kgrag.errors import ModelError, UsageError
from kgrag.llm import adapter_registry
from kgrag.llm.loader import load_llm
from kgrag.llm.lora_adapter import load_adapter
from kgrag.models.fingerprint import weights_sha256
from kgrag.models.registry import find_model
from kgrag.protocols import LLM, GenerationOptions
from kgrag.store.store import Store
from kgrag.tune.adapters import merge as merging
from kgrag.tune.adapters.card import AdapterCard, TrainingDataInfo, load_card, save_card
from kgrag.tune.adapters.inventory import describe_adapter, find_base_model
from kgrag.tune.adapters.merge import merge_adapter
from tests.support.cli_shell import Shell
from tests.support.messages import chat_messages
from tests.support.tiny_model import build_tiny_model

BASE = "qwen2.5-coder-0.5b-instruct"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty home, with no built-in adapters; the working directory is its parent."""
    monkeypatch.setenv("KGRAG_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(adapter_registry, "builtin_adapter_folder", lambda: tmp_path / "shipped")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


@pytest.fixture
def put(home: Path, adapter: Path) -> Callable[..., Path]:
    """Return a function that copies the tiny adapter to a folder, with a card."""

    def place(folder: Path, **card: Any) -> Path:
        shutil.copytree(adapter, folder)
        if card:
            save_card(AdapterCard(folder.name, **card), folder)
        return folder

    return place


def test_resolve_adapter_search_order(home: Path, put: Callable[..., Path], tmp_path: Path) -> None:
    store = tmp_path / "store"
    shipped = put(tmp_path / "shipped" / "reader")
    assert adapter_registry.resolve_adapter("reader", store) == adapter_registry.AdapterEntry(
        shipped, adapter_registry.BUILTIN_ADAPTER
    )
    own = put(home / "adapters" / "reader")
    assert adapter_registry.resolve_adapter("reader", store) == adapter_registry.AdapterEntry(
        own, adapter_registry.USER_ADAPTER
    )
    (tmp_path / "reader").mkdir()  # a folder in the working directory, but no adapter
    assert adapter_registry.resolve_adapter_folder("reader") == own
    beside = put(store / "reader")
    assert adapter_registry.resolve_adapter("reader", store) == adapter_registry.AdapterEntry(
        beside, adapter_registry.STORE_ADAPTER
    )
    assert [(entry.name, entry.location) for entry in adapter_registry.list_adapters(store)] == [("reader", "store")]
    assert adapter_registry.resolve_adapter(str(own)).location == adapter_registry.USER_ADAPTER, "by its path, too"
    (home / "adapters" / ".half").mkdir()
    shutil.copy(own / "adapter_config.json", home / "adapters" / ".half")
    assert [entry.name for entry in adapter_registry.list_adapters()] == ["reader"] == adapter_names()
    with pytest.raises(ModelError, match="known adapters: reader; did you mean reader"):
        adapter_registry.resolve_adapter_folder("raeder")
    for name in ("", "nothing-like-it"):
        with pytest.raises(ModelError, match="a folder saved by peft works, too"):
            adapter_registry.resolve_adapter_folder(name)


def test_list_and_show(home: Path, put: Callable[..., Path], shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KGRAG_MODEL", BASE)
    assert "No adapters in" in shell("adapters", "list")[1]
    data = TrainingDataInfo("questions of the corpus", 700, "cd" * 32, "Apache-2.0")
    figures = {"token F1": 0.18, "abstains": 0.2, "n": 100}, {"token F1": 0.4, "abstains": 0.8, "n": 100}
    put(home / "adapters" / "mine", base="tiny", rank=4, data=data, steps=90, before=figures[0], after=figures[1])
    stranger = put(home / "adapters" / "stranger")
    put(home / "adapters" / "torn")
    (home / "adapters" / "torn" / "adapter_model.safetensors").write_bytes(b"")
    code, out, err = shell("adapters", "list")
    assert code == 0 and "token F1 0.18 → 0.4, abstains 0.2 → 0.8" in out and "other base model" in out
    assert "cannot be used" in out and "torn" in err
    listed = {row["name"]: row for row in json.loads(shell("adapters", "list", "--json")[1])}
    assert listed["mine"]["card"]["data"]["number"] == 700 and not listed["mine"]["fits"]
    assert "qwen2.5-coder-0.5b-instruct has 4864" in listed["mine"]["why not"]
    out = shell("adapters", "show", "mine")[1]
    for text in ("700 examples: questions of the corpus", "Apache-2.0", "lora of rank 4", "90 in", "0.8"):
        assert text in out
    assert "Measured on 100 questions" in shell("adapters", "show", "mine")[2]
    out = shell("adapters", "show", str(stranger))[1]
    assert "none: saved by peft" in out and "down_proj, q_proj, v_proj" in out and "lora of rank 4" in out
    assert "is not a complete safetensors file" in shell.expect_error(1, "adapters", "show", "torn")
    assert "did you mean mine?" in shell.expect_error(2, "adapters", "show", "mien")
    (stranger / "card.json").write_text("{")
    assert "card.json cannot be read" in shell.expect_error(1, "adapters", "show", "stranger")


def test_describe_adapter_compares_base_sha256(
    tiny: Path, home: Path, put: Callable[..., Path], tmp_path: Path
) -> None:
    model = find_model(str(tiny))
    right = put(home / "adapters" / "right", base="named otherwise", base_sha256=weights_sha256(model))
    wrong = put(home / "adapters" / "wrong", base="tiny", base_sha256="ab" * 32)
    config = json.loads((right / "adapter_config.json").read_text())
    (right / "adapter_config.json").write_text(json.dumps({**config, "base_model_name_or_path": "named otherwise"}))
    assert describe_adapter(adapter_registry.resolve_adapter("right"), model).misfit == "", (
        "the same weights under another name"
    )
    assert "have the sha256 abababababab" in describe_adapter(adapter_registry.resolve_adapter("wrong"), model).misfit
    assert describe_adapter(adapter_registry.resolve_adapter("wrong"), find_model("someone/tiny")).misfit == "", (
        "the sha256 of a hub's model is unknown"
    )
    with pytest.raises(ModelError, match=r"wrong was not trained on tiny \(.*sha256.*\): use its own base model\.$"):
        load_llm(str(tiny), config=Config.model_validate({"adapter": str(wrong), "precision": "bf16"}))


def test_find_base_model(tiny: Path, home: Path, put: Callable[..., Path]) -> None:
    mine = load_adapter(put(home / "adapters" / "mine"))
    assert find_base_model(mine, None).local_path == tiny, "the folder it was trained on"
    assert find_base_model(mine, AdapterCard("mine", "/gone/qwen2.5-coder-0.5b-instruct/bf16")).name == BASE
    assert find_base_model(mine, AdapterCard("mine", "Qwen/Qwen2.5-Coder-0.5B-Instruct")).name == BASE
    assert find_base_model(mine, AdapterCard("mine", BASE), str(tiny)).local_path == tiny
    config = home / "adapters" / "mine" / "adapter_config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "base_model_name_or_path": "/gone/model"}))
    with pytest.raises(ModelError, match=r"is /gone/model and was not found: .*--base"):
        find_base_model(load_adapter(config.parent), None)


def logits(folder: Path, adapter: Path | None = None) -> Any:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    model: Any = AutoModelForCausalLM.from_pretrained(str(folder), dtype=torch.float32)
    if adapter is not None:
        model = PeftModel.from_pretrained(model, str(adapter))
    with torch.inference_mode():
        return model(torch.arange(40)[None] + 3).logits


def test_merge_equals_base_with_adapter(tiny: Path, adapter: Path, tmp_path: Path) -> None:
    merge_adapter(load_adapter(adapter), tiny, tmp_path / "exact", precision="fp32")
    both = logits(tiny, adapter)
    assert (logits(tmp_path / "exact") - both).abs().max() < 1e-3
    assert (logits(tiny) - both).abs().max() > 1, "the adapter changes the logits"
    merge_adapter(load_adapter(adapter), tiny, tmp_path / "kept")
    assert (logits(tmp_path / "kept") - both).abs().max() < 0.1 * both.abs().max(), "rounded to bf16"
    sizes = [(tmp_path / name / "model.safetensors").stat().st_size for name in ("exact", "kept")]
    assert sizes[1] == pytest.approx(sizes[0] / 2, rel=0.05), "the tied matrices are stored once"
    assert (tmp_path / "kept" / "chat_template.jinja").is_file()
    llm = load_llm(str(tmp_path / "kept"), config=Config.model_validate({"precision": "bf16"}))
    assert llm.generate(chat_messages("what?"), GenerationOptions(max_tokens=4)) is not None


def test_merge_failure_leaves_nothing(
    tiny: Path, adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, out = load_adapter(adapter), tmp_path / "out"
    with pytest.raises(ModelError, match="no matrices to merge"):
        merge_adapter(replace(mine, rank=0), tiny, out)
    monkeypatch.setattr(merging.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 5, 5))  # type: ignore[attr-defined]
    with pytest.raises(ModelError, match=r"takes 0\.2 GB and 0\.0 GB are free"):
        merge_adapter(mine, tiny, out)
    monkeypatch.undo()
    monkeypatch.setattr(merging, "memory_bytes", lambda: (10, 10))
    with pytest.raises(ModelError, match="of memory"):
        merge_adapter(mine, tiny, out)
    monkeypatch.undo()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(merging, "export_precision", full)
    with pytest.raises(ModelError, match="became full; nothing is left there"):
        merge_adapter(mine, tiny, out, openvino="int8")
    assert not out.exists() and not list(tmp_path.glob(".out*"))
    out.mkdir()
    (out / "theirs").touch()
    with pytest.raises(UsageError, match=r"found files in .*: choose another folder"):
        merge_adapter(mine, tiny, out)
    assert [path.name for path in out.iterdir()] == ["theirs"]


def test_merge_command(tiny: Path, home: Path, put: Callable[..., Path], shell: Shell, tmp_path: Path) -> None:
    put(home / "adapters" / "mine", base="tiny")
    report = json.loads(shell("adapters", "merge", "mine", "--json")[1])
    assert report["folder"] == report["run"] == "mine-merged" and load_card(tmp_path / "mine-merged") is not None
    assert "found files in" in shell.expect_error(2, "adapters", "merge", "mine")
    put(home / "adapters" / "other", base="tiny", base_sha256="ab" * 32)
    assert "was not trained on tiny" in shell.expect_error(1, "adapters", "merge", "other")
    assert "--base" not in shell.expect_error(1, "adapters", "merge", "other", "--base", str(tiny))
    assert not (tmp_path / "other-merged").exists()


@pytest.mark.slow
def test_merge_command_with_openvino(
    tiny: Path, home: Path, put: Callable[..., Path], shell: Shell, tmp_path: Path
) -> None:
    mine = put(home / "adapters" / "mine")
    report = json.loads(shell("adapters", "merge", "mine", "--openvino", "fp32", "--json")[1])
    text, config = "The capital of France", Config.model_validate({})
    merged = load_llm(report["run"], config=config).score(chat_messages("what?"), text)
    fp32 = config.model_copy(update={"precision": "fp32", "adapter": str(mine)})
    assert merged == pytest.approx(load_llm(str(tiny), config=fp32).score(chat_messages("what?"), text), rel=0.03)


def test_rm_command(home: Path, put: Callable[..., Path], shell: Shell, tmp_path: Path) -> None:
    mine = put(home / "adapters" / "mine")
    assert "Pass --yes" in shell.expect_error(2, "adapters", "rm", "mine") and mine.is_dir()
    assert shell("adapters", "rm", "mine", "--yes")[0] == 0
    assert not list((home / "adapters").iterdir())
    shipped = put(tmp_path / "shipped" / "reader")
    assert "comes with kgrag" in shell.expect_error(2, "adapters", "rm", "reader", "--yes") and shipped.is_dir()
    elsewhere = put(tmp_path / "elsewhere" / "it")
    (elsewhere / "work").mkdir()
    assert "holds more than an adapter (work)" in shell.expect_error(2, "adapters", "rm", "elsewhere/it", "--yes")
    (elsewhere / "work").rmdir()
    code, _, err = shell("adapters", "rm", "elsewhere/it", "--yes")
    assert code == 0 and "is outside the folders of adapters" in err and not elsewhere.exists()
    pointed = put(tmp_path / "pointed")
    (home / "adapters" / "link").symlink_to(pointed)
    assert shell("adapters", "rm", "link", "--yes")[0] == 0
    assert pointed.is_dir() and not (home / "adapters" / "link").is_symlink(), "the link's target is kept"


@pytest.mark.parametrize("name", [".", "..", "indices", "home"])
def test_rm_command_keeps_other_folders(
    home: Path, shell: Shell, store: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (store / "indices").mkdir(exist_ok=True)
    home.mkdir()
    before = sorted(store.rglob("*")), sorted(home.parent.iterdir())
    assert shell("adapters", "rm", name, "--yes", "--store", store)[0] == 2
    assert before == (sorted(store.rglob("*")), sorted(home.parent.iterdir()))


def score_answer(llm: LLM) -> float:
    return llm.score(chat_messages("what?"), "The capital of France")


@pytest.mark.parametrize(
    "precision", ["bf16", pytest.param("int8", marks=pytest.mark.slow)], ids=["transformers", "openvino"]
)
def test_set_model_switches_adapter(
    tiny: Path, tiny_home: Path, adapter: Path, store: Path, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KGRAG_HOME", str(tiny_home))
    shutil.copytree(adapter, store / "mine")
    shutil.copytree(adapter, store / "other")
    config = json.loads((store / "other" / "adapter_config.json").read_text())
    (store / "other" / "adapter_config.json").write_text(json.dumps({**config, "base_model_name_or_path": "Qwen3"}))
    opened = Store(store, model=str(tiny), overrides={"precision": precision})
    plain = score_answer(opened.llm)
    opened.set_model(adapter="mine")
    added = score_answer(opened.llm)
    assert abs(added - plain) > 0.5 and getattr(opened.llm, "adapter", "") == "mine"
    opened.set_model(adapter="mine")
    assert score_answer(opened.llm) == added, "loading it twice changes nothing"
    for wrong, why in (("other", "its base model is Qwen3"), ("nonesuch", "No adapter or folder")):
        with pytest.raises(ModelError, match=why):
            opened.set_model(adapter=wrong)
        assert score_answer(opened.llm) == added and opened.config.adapter == "mine", "a failure changes nothing"
    opened.set_model(adapter="")
    assert score_answer(opened.llm) == plain and getattr(opened.llm, "adapter", "") == ""
    opened.set_model(adapter="mine")
    assert score_answer(opened.llm) == added


def test_ask_with_adapter(
    tmp_path: Path, tiny_home: Path, adapter: Path, store: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KGRAG_HOME", str(tiny_home))
    tiny = tmp_path / "tiny"  # with room for a prompt
    build_tiny_model(tiny, 2048)
    shutil.copytree(adapter, store / "mine")
    (store / "kgrag.toml").write_text(f'model = "{tiny}"\nprecision = "bf16"\nadapter = "mine"\nanswer_tokens = 8\n')
    question = ("ask", "who?", "--closed-book", "--store", store)
    assert json.loads(shell(*question, "--json")[1])["model"] == "tiny + mine"
    assert json.loads(shell(*question, "--json", "--adapter", "none")[1])["model"] == "tiny"
    assert "tiny + mine" in shell(*question)[1]
    assert "did you mean mine?" in shell.expect_error(2, *question, "--adapter", "mien")
    assert (
        json.loads(shell("status", "--models", "--adapter", "mine", "--store", store, "--json")[1])["adapter"] == "mine"
    )


def test_builtin_adapter() -> None:
    from kgrag.llm.adapter_registry import builtin_adapter_folder
    from kgrag.llm.loader import LARGE_MODEL
    from kgrag.llm.lora_adapter import incompatibility, load_adapter
    from kgrag.models.registry import find_model

    (folder,) = (path for path in builtin_adapter_folder().iterdir() if path.is_dir())
    reader, card = load_adapter(folder), load_card(folder)
    assert (
        folder.name == card.name == "reader"
        and reader.is_plain_lora
        and incompatibility(reader, find_model(LARGE_MODEL)) == ""
    )
    assert reader.base_sha256 and "CC BY-SA 4.0" in card.data.licence
    assert sum(path.stat().st_size for path in folder.iterdir()) < 12_000_000
