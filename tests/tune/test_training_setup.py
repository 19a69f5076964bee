"""What is decided before anything is computed: precision and scaling, memory, what is held out, words on curves."""

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
from kgrag.tune.training import curves
from kgrag.tune.training.heldout_eval import evidence_text, sample_heldout, split_heldout
from kgrag.tune.training.heldout_eval import heldout_choices as choices_of
from kgrag.tune.training.memory_check import fit_settings_to_memory, memory_needed
from kgrag.tune.training.objectives import DPOObjective
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
    way = plan_for_device(method, device)
    assert (
        (way.weights, way.compute_dtype, way.uses_loss_scaling) == expected and way.device == device.kind and way.reason
    )


def test_what_cannot_run_is_said_with_what_can() -> None:
    with pytest.raises(ModelError, match=r"needs a CUDA device, found cpu \(2 cores\): use --method lora"):
        plan_for_device("qlora", PLAIN)
    with pytest.raises(ModelError, match="pip install bitsandbytes"):
        plan_for_device("qlora", OLD)
    with pytest.raises(UsageError, match="Expected --method to be one of"):
        plan_for_device("adalora", PLAIN)  # type: ignore[arg-type]


def test_memory_is_asked_of_the_planner_before_anything_is_loaded() -> None:
    model = find_model("qwen2.5-coder-1.5b-instruct")
    way, wanted = plan_for_device("lora", PLAIN), TrainingConfig()
    shape = model.shape
    assert shape is not None
    total = memory_needed(shape, wanted, way).total
    assert (
        memory_needed(shape, replace(wanted, layers="third"), way).total
        < total
        < memory_needed(shape, replace(wanted, layers="all"), way).total
    )
    kept, keep, said = fit_settings_to_memory(shape, wanted, way, PLAIN, "it")
    assert kept == wanted and said == "" and keep == int(0.5 * (PLAIN.free - total))
    again, keep, said = fit_settings_to_memory(shape, wanted, way, replace(PLAIN, free=int(total - 1)), "it")
    assert again.checkpointing and keep == 0 and "computed again on the way back" in said
    with pytest.raises(
        ModelError,
        match=r"Training it by lora needs .* GB of memory and 2\.0 GB are free on 2 cores; what would fit: a smaller",
    ):
        fit_settings_to_memory(shape, wanted, way, replace(PLAIN, free=2 * GB), "it")
    assert fit_settings_to_memory(None, wanted, way, PLAIN, "it") == (wanted, 0, "")


def test_the_planner_counts_the_layers_that_are_trained_and_the_answers() -> None:
    shape = find_model("qwen2.5-coder-0.5b-instruct").shape
    assert shape is not None
    whole = Workload(context=512, train="lora")
    every = memory_need(shape, "fp32", whole, "transformers")
    half = memory_need(shape, "fp32", replace(whole, layers=12), "transformers")
    few = memory_need(shape, "fp32", replace(whole, answers=16), "transformers")
    assert half.trained == every.trained / 2
    assert every.activations - few.activations == (512 - 16) * 3 * shape.vocabulary * 4
    assert memory_need(shape, "fp32", replace(whole, checkpointing=True), "transformers").activations < half.activations


def test_virtual_tokens_read_nothing_once_more() -> None:
    shape = find_model("qwen2.5-coder-1.5b-instruct").shape
    assert shape is not None
    by = {
        method: memory_needed(shape, TrainingConfig(method, layers="all"), plan_for_device(method, NEW))
        for method in ("lora", "p-tuning")
    }
    assert by["p-tuning"].activations < 0.8 * by["lora"].activations and by["p-tuning"].trained == 0


def test_attention_whose_gradients_are_no_numbers_is_left_out_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """cuDNN's gave NaN for the mask of a pack of 448 tokens (torch 2.11, H200); the others gave numbers."""
    import torch

    from kgrag.tune.training.peft_model import load_base

    monkeypatch.setattr("kgrag.tune.training.peft_model.load_model", lambda *asked: asked)
    for way, allowed in ((plan_for_device("lora", PLAIN), True), (plan_for_device("lora", NEW), False)):
        torch.backends.cuda.enable_cudnn_sdp(True)
        load_base(Path(), "", way)
        found = torch.backends.cuda.cudnn_sdp_enabled()
        torch.backends.cuda.enable_cudnn_sdp(True)
        assert found is allowed


def test_questions_on_the_same_evidence_are_on_the_same_side() -> None:
    marked = make_examples()
    assert split_heldout(marked) == ([e for e in marked if not e.held], [e for e in marked if e.held])
    bare = [replace(one, held=False) for one in make_examples(80)]
    learned, held = split_heldout(bare)
    assert len(learned) + len(held) == len(bare) and 0.03 < len(held) / len(bare) < 0.25
    assert not {evidence_text(one) for one in learned} & {evidence_text(one) for one in held}
    few = sample_heldout(held, 5)
    assert few == sample_heldout(list(held), 5) and 0 < len(few) <= 5


def test_a_right_answer_stands_beside_silence_and_a_wrong_one(tiny: Path) -> None:
    from kgrag.tune.training.peft_model import load_base
    from kgrag.tune.training.tokenization import ChatEncoder, find_turn_ends
    from tests.tune.test_prefix_packing import FP32_CHOICE

    tokenizer = load_base(tiny, "tiny", FP32_CHOICE)[0]
    encoder = ChatEncoder(tokenizer, find_turn_ends(tiny, tokenizer), "tiny")
    held = [one for one in make_examples() if one.held][:3]
    made = choices_of(held, ["Rome", "Oslo", "Lima", "Bonn", "Kyiv", "Riga", ABSTENTION], encoder, 200)
    assert [len(others) for others in made.alternatives.values()] == [2, 2, 1], (
        "where silence is right, one other is enough"
    )
    assert (
        len(choices_of([one for one in make_examples() if one.held], [], encoder, 200, max_total_tokens=1).alternatives)
        == 3
    ), "whole evidence"
    said: dict[int, str] = {}
    for pack in made.packs:
        for place, number in enumerate(pack.members):
            said[number] = tokenizer.decode(
                [int(t) for t, o in zip(pack.targets, pack.owner, strict=True) if o == place]
            )
    step = "Ada – home: Rome [1]"
    worked = [replace(held[0], answer=format_steps([step], held[0].answer, "en"))]
    after = choices_of(worked, ["Rome", "Oslo", ABSTENTION], encoder, 400)
    for pack in after.packs:
        owned = [[int(t) for t, o in zip(pack.targets, pack.owner, strict=True) if o == p] for p in range(3)]
        texts = [tokenizer.decode(ids) for ids in owned]
        assert len({*texts}) == 3 and all(text.startswith(f"{step}\nAnswer: ") for text in texts), (
            "what is measured is what follows the right steps"
        )
    for one, (right, others) in zip(held, made.alternatives.items(), strict=True):
        assert said[right] == one.answer + "<|end|>"
        wrong = said[others[-1]].removesuffix("<|end|>")
        assert wrong in one.messages[-1]["content"] and wrong != one.answer, "it stands in the evidence"


@pytest.mark.parametrize("anchor", [0.0, 0.3])
def test_preferences_by_the_formula(anchor: float) -> None:
    import numpy as np
    import torch

    none = np.zeros(0, dtype=np.int64)
    pack = PackedSequence(none, none, none, none, none, np.array([0, 0, 1, 2, 3]), (0, 1, 2, 3), 0)
    values = [torch.tensor([-1.0, -2, -3, -4, -5]), torch.tensor([-1.0, -1, -3, -5, -4])]
    told = iter(values)
    loss = DPOObjective(lambda _: next(told), [pack], [], choices_none(), 0.5, anchor)
    loss.prepare(None)
    # the first pair gained 1 - 0, the second -1 - 1; the chosen ones have 1 and 5 nats a token
    expected = -math.log(1 / (1 + math.exp(-0.5))) - math.log(1 / (1 + math.exp(1.0))) + anchor * (1 + 5)
    assert float(loss.loss(pack)) == pytest.approx(expected, abs=1e-6) and loss.count_terms(pack) == 2


def choices_none() -> Any:
    from kgrag.tune.training.objectives import HeldoutChoices

    return HeldoutChoices([], {})


def looks(*pairs: tuple[float, float]) -> list[dict[str, float]]:
    return [{"step": n, "margin": m, "factuality": f, "questions": 50} for n, (m, f) in enumerate(pairs)]


def test_it_warns_when_the_margin_rises_and_factuality_falls() -> None:
    said = curves.overfitting_warning(looks((0, 0.8), (1, 0.7), (2, 0.6)))
    assert (
        "margin rose from 0.00 to 2.00" in said
        and "fell from 80 to 60 of 100 (50 questions)" in said
        and "--beta" in said
    )
    assert not curves.overfitting_warning(looks((0, 0.8), (2, 0.78))), "one question is chance"
    assert not curves.overfitting_warning(looks((0, 0.6), (2, 0.8))) and not curves.overfitting_warning(
        looks((2, 0.8), (1, 0.6))
    )
    assert not curves.overfitting_warning([]) and not curves.overfitting_warning([{"step": 1, "loss": 1.0}])


@pytest.mark.parametrize(
    ("of", "kept"),
    [
        ({"margin": 1.0}, [(0, 0, 0), (0, 0, 1), (2, 2, 0), (2, 2, 1), (4, 4, 0)]),
        ({}, [(0, 0, 0), (1, 1, 0), (1, 1, 1), (3, 3, 0), (3, 3, 1)]),  # answers are learned by their own loss
    ],
)
def test_pairs_told_apart_better_are_not_better_where_fewer_answers_are_right(
    of: dict[str, float], kept: list[tuple[int, float, int]]
) -> None:
    import torch

    found = iter(
        {"held loss": loss, "factuality": right, "questions": 50.0, **of}
        for loss, right in [(0.69, 0.7), (0.2, 0.3), (0.4, 0.68), (0.1, 0.3), (0.3, 0.72)]
    )
    objective: Any = SimpleNamespace(evaluate=lambda _: next(found))
    weight = torch.nn.Parameter(torch.zeros(1))
    learner = TrainState({"a": weight}, objective, TrainingConfig(), plan_for_device("lora", PLAIN))
    best = []
    for step in range(5):
        learner.step = step
        with torch.no_grad():
            weight.fill_(step)
        row: dict[str, float] = {"step": step}
        learner.evaluate_heldout(row)
        learner.rows.append(row)
        best.append((learner.best[0], float(learner.best[2]["a"]), learner.evaluations_since_best))
    assert best == kept


def test_curves_are_written_with_their_warning(tmp_path: Path) -> None:
    rows = [{**row, "loss": 1.0, "held loss": 0.7} for row in looks((0, 0.8), (2, 0.5))]
    paths = curves.write_curves(tmp_path, {"preferences": rows})
    assert [p.name for p in paths] == ["curves.json", "curves.png"] and paths[1].read_bytes()[:4] == b"\x89PNG"
    held = json.loads(paths[0].read_text())["preferences"]
    assert held["rows"] == rows and held["warning"] == curves.overfitting_warning(rows)


def test_virtual_tokens_are_used_by_transformers(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was trained is what answers: the same log-probability in training and in the language model."""
    import importlib

    from kgrag.config import Config
    from kgrag.llm.loader import load_llm
    from kgrag.llm.lora_adapter import check_base, load_adapter

    run_job(make_job(tiny, tmp_path / "mine", method="p-tuning", lr=0.05, patience=0))
    adapter = load_adapter(tmp_path / "mine")
    assert (adapter.virtual_tokens, adapter.rank, adapter.base) == (20, 0, "tiny")
    check_base(adapter, "tiny", tiny)
    config = Config.model_validate({"adapter": str(tmp_path / "mine")})
    llm: Any = load_llm(str(tiny), config=config)  # OpenVINO is what would run it without
    plain: Any = load_llm(str(tiny), config=Config.model_validate({"precision": "bf16"}))
    messages = make_examples()[2].messages
    assert llm.score(messages, ABSTENTION) > plain.score(messages, ABSTENTION) + 1
    torch, peft = importlib.import_module("torch"), importlib.import_module("peft")
    model = peft.PeftModel.from_pretrained(
        importlib.import_module("transformers").AutoModelForCausalLM.from_pretrained(str(tiny)), str(tmp_path / "mine")
    )
    before = llm._prompt(messages, 0)[20:]
    wanted = llm._encoded(ABSTENTION)
    with torch.no_grad():
        logits = model(torch.tensor([before + wanted])).logits[0, -len(wanted) - 1 : -1].log_softmax(-1)
    expected = float(logits.gather(1, torch.tensor(wanted)[:, None]).sum())
    assert llm.score(messages, ABSTENTION) == pytest.approx(expected, abs=0.02)
    assert llm.batch([messages], max_tokens=4) == [llm.generate(messages, max_tokens=4)]
    config = tmp_path / "mine" / "adapter_config.json"
    held = json.loads(config.read_text())
    other = tmp_path / "other"
    other.mkdir()
    (other / "config.json").write_text(
        json.dumps({**json.loads((tiny / "config.json").read_text()), "hidden_size": 64})
    )
    with pytest.raises(ModelError, match="was not trained on tiny"):
        check_base(adapter, "tiny", other)
    assert held["inference_mode"] and str(tiny) not in config.read_text()


def test_preferences_of_the_tests_prefer_what_is_right() -> None:
    assert all(one.chosen != one.rejected for one in make_preferences())


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's")
def test_what_is_freed_stays() -> None:
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
