"""Training setup: precision, memory, holdout, objectives, and warnings about curves."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kgrag.answering.reasoning_steps import format_steps
from kgrag.errors import ModelError, UsageError
from kgrag.models.device import GB, Device
from kgrag.models.memory_plan import Workload, memory_need
from kgrag.models.registry import find_model
from kgrag.protocols import GenerationOptions
from kgrag.tune.training import curves
from kgrag.tune.training.heldout_eval import evidence_text, sample_heldout, split_heldout
from kgrag.tune.training.heldout_eval import heldout_choices as choices_of
from kgrag.tune.training.memory_check import fit_settings_to_memory, memory_needed
from kgrag.tune.training.objectives import DPOObjective, HeldoutChoices
from kgrag.tune.training.prefix_packing import PackedSequence
from kgrag.tune.training.settings import TrainingConfig, plan_for_device
from kgrag.tune.training.train_state import TrainState
from tests.support.paths import ROOT
from tests.support.training_jobs import ABSTENTION, make_examples, make_job, make_preferences, run_job

PLAIN = Device("cpu", "2 cores", 16 * GB, 12 * GB)
AMX = replace(PLAIN, bf16=True)
OLD = Device("cuda", "a GPU of 2018", 16 * GB, 15 * GB)
NEW = replace(OLD, name="a GPU of 2022", bf16=True, bitsandbytes=True)
MAC = Device("mps", "Apple GPU", 16 * GB, 12 * GB)


@pytest.mark.parametrize(
    ("method", "device", "expected"),
    [
        ("lora", PLAIN, ("fp32", "", False)),
        ("lora", AMX, ("bf16", "", False)),
        ("lora", NEW, ("bf16", "", False)),
        ("lora", OLD, ("fp16", "", True)),
        ("lora", MAC, ("fp32", "", False)),
        ("full", PLAIN, ("fp32", "", False)),
        ("full", NEW, ("fp32", "bf16", False)),
        ("full", OLD, ("fp32", "fp16", True)),
        ("qlora", NEW, ("int4", "bf16", False)),
        ("qlora", replace(OLD, bitsandbytes=True), ("int4", "fp16", True)),
        ("p-tuning", OLD, ("fp16", "", True)),
    ],
)
def test_precision_by_device(method: Any, device: Device, expected: tuple[str, str, bool]) -> None:
    plan = plan_for_device(method, device)
    assert (plan.weights, plan.compute_dtype, plan.uses_loss_scaling) == expected
    assert plan.device == device.kind and plan.reason


def test_plan_for_device_unsupported_raises() -> None:
    with pytest.raises(ModelError, match=r"needs a CUDA device, found cpu \(2 cores\): use --method lora"):
        plan_for_device("qlora", PLAIN)
    with pytest.raises(ModelError, match="pip install bitsandbytes"):
        plan_for_device("qlora", OLD)
    with pytest.raises(UsageError, match="Expected --method to be one of"):
        plan_for_device("adalora", PLAIN)  # type: ignore[arg-type]


def test_fit_settings_to_memory() -> None:
    model = find_model("qwen2.5-coder-1.5b-instruct")
    plan, settings = plan_for_device("lora", PLAIN), TrainingConfig()
    shape = model.shape
    assert shape is not None
    total = memory_needed(shape, settings, plan).total
    assert (
        memory_needed(shape, replace(settings, layers="third"), plan).total
        < total
        < memory_needed(shape, replace(settings, layers="all"), plan).total
    )
    unchanged, cache_bytes, notice = fit_settings_to_memory(shape, settings, plan, PLAIN, "it")
    assert unchanged == settings and notice == "" and cache_bytes == int(0.5 * (PLAIN.free - total))
    fitted, cache_bytes, notice = fit_settings_to_memory(
        shape, settings, plan, replace(PLAIN, free=int(total - 1)), "it"
    )
    assert fitted.checkpointing and cache_bytes == 0 and "recomputed in the backward pass" in notice
    with pytest.raises(
        ModelError,
        match=r"Training it by lora needs .* GB of memory and 2\.0 GB are free on 2 cores; what would fit: a smaller",
    ):
        fit_settings_to_memory(shape, settings, plan, replace(PLAIN, free=2 * GB), "it")
    assert fit_settings_to_memory(None, settings, plan, PLAIN, "it") == (settings, 0, "")


def test_memory_need_counts_trained_layers_and_answers() -> None:
    shape = find_model("qwen2.5-coder-0.5b-instruct").shape
    assert shape is not None
    task = Workload(context=512, train="lora")
    whole = memory_need(shape, "fp32", task, "transformers")
    half = memory_need(shape, "fp32", replace(task, layers=12), "transformers")
    few = memory_need(shape, "fp32", replace(task, answers=16), "transformers")
    assert half.trained == whole.trained / 2
    assert whole.activations - few.activations == (512 - 16) * 3 * shape.vocabulary * 4
    assert memory_need(shape, "fp32", replace(task, checkpointing=True), "transformers").activations < half.activations


def test_memory_needed_p_tuning_has_no_fp32_inputs() -> None:
    shape = find_model("qwen2.5-coder-1.5b-instruct").shape
    assert shape is not None
    needs = {
        method: memory_needed(shape, TrainingConfig(method, layers="all"), plan_for_device(method, NEW))
        for method in ("lora", "p-tuning")
    }
    assert needs["p-tuning"].activations < 0.8 * needs["lora"].activations and needs["p-tuning"].trained == 0


def test_load_base_disables_cudnn_attention_on_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """cuDNN's gradients were NaN for the mask of a pack of 448 tokens (torch 2.11, H200); others were finite."""
    import torch

    from kgrag.tune.training.peft_model import load_base

    monkeypatch.setattr("kgrag.tune.training.peft_model.load_model", lambda *arguments: arguments)
    for plan, expected in ((plan_for_device("lora", PLAIN), True), (plan_for_device("lora", NEW), False)):
        torch.backends.cuda.enable_cudnn_sdp(True)
        load_base(Path(), "", plan)
        is_enabled = torch.backends.cuda.cudnn_sdp_enabled()
        torch.backends.cuda.enable_cudnn_sdp(True)
        assert is_enabled is expected


def test_split_heldout_keeps_evidence_on_one_side() -> None:
    marked = make_examples()
    assert split_heldout(marked) == ([e for e in marked if not e.held], [e for e in marked if e.held])
    unmarked = [replace(example, held=False) for example in make_examples(80)]
    train, held = split_heldout(unmarked)
    assert len(train) + len(held) == len(unmarked) and 0.03 < len(held) / len(unmarked) < 0.25
    assert not {evidence_text(e) for e in train} & {evidence_text(e) for e in held}
    few = sample_heldout(held, 5)
    assert few == sample_heldout(list(held), 5) and 0 < len(few) <= 5


def test_heldout_choices_have_abstention_and_wrong_answer(tiny: Path) -> None:
    from kgrag.tune.training.peft_model import load_base
    from kgrag.tune.training.tokenization import ChatEncoder, find_turn_ends
    from tests.support.tiny_model import FP32_CHOICE

    tokenizer = load_base(tiny, "tiny", FP32_CHOICE)[0]
    encoder = ChatEncoder(tokenizer, find_turn_ends(tiny, tokenizer), "tiny")
    held = [example for example in make_examples() if example.held][:3]
    choices = choices_of(held, ["Rome", "Oslo", "Lima", "Bonn", "Kyiv", "Riga", ABSTENTION], encoder, 200)
    assert [len(others) for others in choices.alternatives.values()] == [2, 2, 1], "one other if abstaining is right"
    all_held = [example for example in make_examples() if example.held]
    limited = choices_of(all_held, [], encoder, 200, max_total_tokens=1)
    assert len(limited.alternatives) == 3, "questions on the same evidence are kept together"
    texts: dict[int, str] = {}
    for pack in choices.packs:
        for place, number in enumerate(pack.members):
            texts[number] = tokenizer.decode(
                [int(t) for t, o in zip(pack.targets, pack.owner, strict=True) if o == place]
            )
    step = "Ada – home: Rome [1]"
    with_steps = [replace(held[0], answer=format_steps([step], held[0].answer, "en"))]
    for pack in choices_of(with_steps, ["Rome", "Oslo", ABSTENTION], encoder, 400).packs:
        target_ids = [[int(t) for t, o in zip(pack.targets, pack.owner, strict=True) if o == p] for p in range(3)]
        replies = [tokenizer.decode(ids) for ids in target_ids]
        assert len({*replies}) == 3 and all(reply.startswith(f"{step}\nAnswer: ") for reply in replies), (
            "all alternatives follow the right steps"
        )
    for example, (right, others) in zip(held, choices.alternatives.items(), strict=True):
        assert texts[right] == example.answer + "<|end|>"
        wrong = texts[others[-1]].removesuffix("<|end|>")
        assert wrong in example.messages[-1]["content"] and wrong != example.answer, "taken from the evidence"


@pytest.mark.parametrize("anchor", [0.0, 0.3])
def test_dpo_loss_follows_formula(anchor: float) -> None:
    import numpy as np
    import torch

    none = np.zeros(0, dtype=np.int64)
    pack = PackedSequence(none, none, none, none, none, np.array([0, 0, 1, 2, 3]), (0, 1, 2, 3), 0)
    values = [torch.tensor([-1.0, -2, -3, -4, -5]), torch.tensor([-1.0, -1, -3, -5, -4])]
    outputs = iter(values)
    objective = DPOObjective(lambda _: next(outputs), [pack], [], HeldoutChoices([], {}), 0.5, anchor)
    objective.prepare(None)
    # the first pair gained 1 - 0, the second -1 - 1; the chosen answers have 1 and 5 nats per token
    expected = -math.log(1 / (1 + math.exp(-0.5))) - math.log(1 / (1 + math.exp(1.0))) + anchor * (1 + 5)
    assert float(objective.loss(pack)) == pytest.approx(expected, abs=1e-6) and objective.count_terms(pack) == 2


def evaluation_rows(*pairs: tuple[float, float]) -> list[dict[str, float]]:
    return [{"step": n, "margin": m, "factuality": f, "questions": 50} for n, (m, f) in enumerate(pairs)]


def test_overfitting_warning_margin_rises_factuality_falls() -> None:
    warning = curves.overfitting_warning(evaluation_rows((0, 0.8), (1, 0.7), (2, 0.6)))
    assert "margin rose from 0.00 to 2.00" in warning and "fell from 80 to 60 of 100 (50 questions)" in warning
    assert "--beta" in warning
    assert not curves.overfitting_warning(evaluation_rows((0, 0.8), (2, 0.78))), "one question may be chance"
    assert not curves.overfitting_warning(evaluation_rows((0, 0.6), (2, 0.8)))
    assert not curves.overfitting_warning(evaluation_rows((2, 0.8), (1, 0.6)))
    assert not curves.overfitting_warning([]) and not curves.overfitting_warning([{"step": 1, "loss": 1.0}])


@pytest.mark.parametrize(
    ("extra_figures", "expected"),
    [
        ({"margin": 1.0}, [(0, 0, 0), (0, 0, 1), (2, 2, 0), (2, 2, 1), (4, 4, 0)]),
        ({}, [(0, 0, 0), (1, 1, 0), (1, 1, 1), (3, 3, 0), (3, 3, 1)]),  # answers: the held-out loss decides alone
    ],
)
def test_train_state_best_requires_factuality_for_pairs(
    extra_figures: dict[str, float], expected: list[tuple[int, float, int]]
) -> None:
    import torch

    figures = iter(
        {"held loss": loss, "factuality": right, "questions": 50.0, **extra_figures}
        for loss, right in [(0.69, 0.7), (0.2, 0.3), (0.4, 0.68), (0.1, 0.3), (0.3, 0.72)]
    )
    objective: Any = SimpleNamespace(evaluate=lambda _: next(figures))
    weight = torch.nn.Parameter(torch.zeros(1))
    state = TrainState({"a": weight}, objective, TrainingConfig(), plan_for_device("lora", PLAIN))
    best = []
    for step in range(5):
        state.step = step
        with torch.no_grad():
            weight.fill_(step)
        row: dict[str, float] = {"step": step}
        state.evaluate_heldout(row)
        state.rows.append(row)
        best.append((state.best[0], float(state.best[2]["a"]), state.evaluations_since_best))
    assert best == expected


def test_write_curves_with_warning(tmp_path: Path) -> None:
    rows = [{**row, "loss": 1.0, "held loss": 0.7} for row in evaluation_rows((0, 0.8), (2, 0.5))]
    paths = curves.write_curves(tmp_path, {"preferences": rows})
    assert [p.name for p in paths] == ["curves.json", "curves.png"] and paths[1].read_bytes()[:4] == b"\x89PNG"
    saved = json.loads(paths[0].read_text())["preferences"]
    assert saved["rows"] == rows and saved["warning"] == curves.overfitting_warning(rows)


def test_p_tuning_adapter_runs_in_transformers(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log-probability is the same in peft's model and in kgrag's backend."""
    import importlib

    from kgrag.config import Config
    from kgrag.llm.loader import load_llm
    from kgrag.llm.lora_adapter import check_base, load_adapter

    run_job(make_job(tiny, tmp_path / "mine", method="p-tuning", lr=0.05, patience=0))
    adapter = load_adapter(tmp_path / "mine")
    assert (adapter.virtual_tokens, adapter.rank, adapter.base) == (20, 0, "tiny")
    check_base(adapter, "tiny", tiny)
    config = Config.model_validate({"adapter": str(tmp_path / "mine")})
    llm: Any = load_llm(str(tiny), config=config)  # without the adapter, OpenVINO would run it
    plain: Any = load_llm(str(tiny), config=Config.model_validate({"precision": "bf16"}))
    messages = make_examples()[2].messages
    assert llm.score(messages, ABSTENTION) > plain.score(messages, ABSTENTION) + 1
    torch, peft = importlib.import_module("torch"), importlib.import_module("peft")
    model = peft.PeftModel.from_pretrained(
        importlib.import_module("transformers").AutoModelForCausalLM.from_pretrained(str(tiny)), str(tmp_path / "mine")
    )
    prompt_ids = llm._encode_prompt(messages, 0)[20:]
    answer_ids = llm._encode(ABSTENTION)
    with torch.no_grad():
        logits = model(torch.tensor([prompt_ids + answer_ids])).logits[0, -len(answer_ids) - 1 : -1].log_softmax(-1)
    expected = float(logits.gather(1, torch.tensor(answer_ids)[:, None]).sum())
    assert llm.score(messages, ABSTENTION) == pytest.approx(expected, abs=0.02)
    assert llm.batch([messages], GenerationOptions(max_tokens=4)) == [
        llm.generate(messages, GenerationOptions(max_tokens=4))
    ]
    config_file = tmp_path / "mine" / "adapter_config.json"
    peft_config = json.loads(config_file.read_text())
    other = tmp_path / "other"
    other.mkdir()
    (other / "config.json").write_text(
        json.dumps({**json.loads((tiny / "config.json").read_text()), "hidden_size": 64})
    )
    with pytest.raises(ModelError, match="was not trained on tiny"):
        check_base(adapter, "tiny", other)
    assert peft_config["inference_mode"] and str(tiny) not in config_file.read_text()


def test_make_preferences_differ() -> None:
    assert all(pair.chosen != pair.rejected for pair in make_preferences())


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's")
def test_disable_malloc_trim_keeps_pages() -> None:
    code = """
import resource, sys
import numpy as np
from kgrag.tune.training.malloc import disable_malloc_trim
if sys.argv[1] == "kept":
    assert disable_malloc_trim()
def use(times):
    for _ in range(times):
        one = np.ones(4_000_000)
        other = one * 2
        del one, other
use(3)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
use(9)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
    kept, given_back = (
        int(
            subprocess.run(
                [sys.executable, "-c", code, how], capture_output=True, text=True, check=True, cwd=ROOT
            ).stdout
        )
        for how in ("kept", "given back")
    )
    assert kept < given_back / 10, f"pages cleared: {kept} instead of {given_back}"
