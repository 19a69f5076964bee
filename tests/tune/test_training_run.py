"""Training of tiny models: learning, reproducibility, resuming after interruptions, and error messages."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kgrag.errors import KgragError, ModelError, UsageError
from kgrag.llm.lora_adapter import check_base, load_adapter
from kgrag.tune.adapters.card import load_card
from kgrag.tune.data.example import Example, load_rows, save_rows
from kgrag.tune.training.objectives import DPOObjective, ReferenceState
from kgrag.tune.training.run import train_adapter
from kgrag.tune.training.schedule import Schedule
from tests.support.cli_shell import Shell
from tests.support.paths import ROOT
from tests.support.training_jobs import ABSTENTION, make_examples, make_job, make_preferences, run_job

pytestmark = pytest.mark.alone


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Use one thread as in the killed processes, because other summation orders change the last bits."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def adapter_bytes(folder: Path) -> bytes:
    return (folder / "adapter_model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def uninterrupted(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the adapter of an uninterrupted training."""
    folder = tmp_path_factory.mktemp("whole") / "mine"
    run_job(make_job(tiny, folder, patience=0))
    return folder


def test_train_adapter_reduces_loss_and_writes_files(tiny: Path, tmp_path: Path) -> None:
    steps: list[Any] = []
    job = make_job(tiny, tmp_path / "mine", data_description="made up")
    report = run_job(job, tick=lambda name, progress: steps.append((name, progress)))
    phase = report["phases"]["answers"]
    assert phase["after"]["held loss"] < phase["before"]["held loss"] - 0.4
    assert phase["after"]["questions"] == 6
    assert report["tokens"]["answers"] < report["tokens of separate examples"]["answers"]
    assert {name for name, _ in steps} == {"answers"}
    assert [progress.step for _, progress in steps] == list(range(1, steps[-1][1].steps + 1))
    assert steps[-1][1].seconds_left == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mine"], "the checkpoint is deleted"
    names = {"adapter_config.json", "adapter_model.safetensors", "card.json", "curves.json", "curves.png"}
    assert {p.name for p in (tmp_path / "mine").iterdir()} == names
    adapter = load_adapter(tmp_path / "mine")
    check_base(adapter, "tiny", tiny)
    assert adapter.base == "tiny" and adapter.rank == 4
    card = load_card(tmp_path / "mine")
    assert card is not None and (card.base, card.method, card.rank, card.steps) == ("tiny", "lora", 4, phase["steps"])
    assert card.data.what == "made up" and card.data.number == 36 and card.before.keys() == card.after.keys()
    for file in names - {"curves.png"}:
        assert str(tmp_path).encode() not in (tmp_path / "mine" / file).read_bytes(), f"{file} has a local path"
        assert str(tiny.parent).encode() not in (tmp_path / "mine" / file).read_bytes()
    rows = json.loads((tmp_path / "mine" / "curves.json").read_text())["answers"]["rows"]
    assert [row["step"] for row in rows] == list(range(phase["steps"] + 1)) and "held loss" in rows[0] | rows[-1]


def test_train_adapter_is_deterministic(tiny: Path, uninterrupted: Path, tmp_path: Path) -> None:
    run_job(make_job(tiny, tmp_path / "again", patience=0))
    assert adapter_bytes(tmp_path / "again") == adapter_bytes(uninterrupted)
    run_job(make_job(tiny, tmp_path / "other", patience=0, seed=1))
    assert adapter_bytes(tmp_path / "other") != adapter_bytes(uninterrupted)


def start_process(tiny: Path, out: Path, save_every_step: int = 1, max_bytes: int = 0) -> subprocess.Popen[str]:
    """Start the same training in a child process, which prints a line per step."""
    command = [
        sys.executable,
        "-m",
        "tests.support.training_jobs",
        str(tiny),
        str(out),
        str(save_every_step),
        str(max_bytes),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def wait_for_step(process: subprocess.Popen[str], step: int) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) >= step:
            return
    raise AssertionError(process.stderr.read() if process.stderr else "")


@pytest.mark.skipif(os.name != "posix", reason="kills processes")
def test_train_adapter_killed_resumes_identically(tiny: Path, uninterrupted: Path, tmp_path: Path) -> None:
    out = tmp_path / "mine"
    for step in (4, 9):  # killed twice
        process = start_process(tiny, out)
        wait_for_step(process, step)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not out.exists() and (tmp_path / ".mine.answers.pt").is_file()
    steps: list[int] = []
    run_job(make_job(tiny, out, patience=0), tick=lambda _, progress: steps.append(progress.step))
    assert steps[0] > 4, "resumed, not restarted"
    assert adapter_bytes(out) == adapter_bytes(uninterrupted)
    mine, other = (
        json.loads((folder / "curves.json").read_text())["answers"]["rows"] for folder in (out, uninterrupted)
    )
    assert [{**row, "seconds": 0} for row in mine] == [{**row, "seconds": 0} for row in other]


@pytest.mark.skipif(os.name != "posix", reason="sends signals")
def test_train_adapter_ctrl_c_keeps_last_step(tiny: Path, uninterrupted: Path, tmp_path: Path) -> None:
    process = start_process(tiny, tmp_path / "mine", save_every_step=0)
    wait_for_step(process, 5)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert "Stopped. The training is saved in" in stderr and "run the same command again to continue" in stderr
    assert "Traceback" not in stderr
    steps: list[int] = []
    run_job(make_job(tiny, tmp_path / "mine", patience=0), tick=lambda _, progress: steps.append(progress.step))
    assert steps[0] >= 6, "steps since the last regular checkpoint are kept"
    assert adapter_bytes(tmp_path / "mine") == adapter_bytes(uninterrupted)


@pytest.mark.skipif(os.name != "posix", reason="limits the size of files")
def test_train_adapter_full_disk_keeps_checkpoint(tiny: Path, uninterrupted: Path, tmp_path: Path) -> None:
    process = start_process(tiny, tmp_path / "mine", max_bytes=20_000)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 1, stderr
    line = " ".join(stderr.split())
    assert "cannot be written to" in line and "the checkpoint of step 2 is kept" in line and "Free disk space" in line
    assert "Traceback" not in stderr
    assert not (tmp_path / "mine").exists()
    assert [p.name for p in tmp_path.glob(".mine.*.pt")] == [".mine.answers.pt"], "no partial file is left"
    run_job(make_job(tiny, tmp_path / "mine", patience=0))
    assert adapter_bytes(tmp_path / "mine") == adapter_bytes(uninterrupted)


def test_train_adapter_diverged_loss_raises(tiny: Path, tmp_path: Path) -> None:
    out = tmp_path / "mine"
    with pytest.raises(
        ModelError, match=r"Stopped, because the (loss|gradient) is not a number after step \d+: .* No step improved"
    ) as error:
        run_job(make_job(tiny, out, lr=1e30, patience=0))
    assert "--fresh and a lower --lr" in str(error.value) and not out.exists()
    with pytest.raises(UsageError, match=r"of another training \(lr: 1e\+30 in the checkpoint, 0.005 now\).*--fresh"):
        run_job(make_job(tiny, out, patience=0))
    run_job(make_job(tiny, out, patience=0), fresh=True)
    assert out.is_dir()


def test_train_adapter_diverged_later_keeps_best(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = Schedule.learning_rate
    monkeypatch.setattr(
        Schedule, "learning_rate", lambda self, step, seconds: 1e30 if step == 12 else plan(self, step, seconds)
    )
    with pytest.raises(
        ModelError, match=r"not a number after step 13: .* The best weights, step 10 of answers, are in .*mine"
    ):
        run_job(make_job(tiny, tmp_path / "mine", patience=0))
    rows = json.loads((tmp_path / "mine" / "curves.json").read_text())["answers"]["rows"]
    assert rows[10]["held loss"] == min(row["held loss"] for row in rows if "held loss" in row)
    report = run_job(make_job(tiny, tmp_path / "again", initial_adapter=tmp_path / "mine", steps=1))
    assert report["phases"]["answers"]["before"]["held loss"] == pytest.approx(rows[10]["held loss"], abs=2e-3)


def test_checkpoint_of_other_data_or_damaged_raises(tiny: Path, tmp_path: Path) -> None:
    def stop(name: str, progress: Any) -> None:
        if progress.step == 2:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt, match="The training is saved in"):
        run_job(make_job(tiny, tmp_path / "mine"), tick=stop)
    with pytest.raises(UsageError, match=r"of another training \(examples: '[0-9a-f]+' in the checkpoint"):
        run_job(make_job(tiny, tmp_path / "mine", examples=make_examples(6)))
    (tmp_path / ".mine.answers.pt").write_bytes(b"half")
    with pytest.raises(KgragError, match=r"cannot be read .* delete that file"):
        run_job(make_job(tiny, tmp_path / "mine"))


def test_train_adapter_existing_folder_raises(tiny: Path, uninterrupted: Path) -> None:
    with pytest.raises(UsageError, match=r"There is something in .* already"):
        run_job(make_job(tiny, uninterrupted))


def test_train_adapter_patience_keeps_best_step(tiny: Path, tmp_path: Path) -> None:
    # the held-out answers differ: the more is learned, the less likely they become
    examples = [example if example.held else replace(example, answer="zzzz") for example in make_examples()]
    report = run_job(make_job(tiny, tmp_path / "mine", examples=examples, lr=0.05, epochs=20, patience=2, batch=36))
    phase = report["phases"]["answers"]
    assert "did not improve in 2 evaluations" in phase["why it ended"] and phase["best step"] < phase["steps"] < 20
    rows = json.loads((tmp_path / "mine" / "curves.json").read_text())["answers"]["rows"]
    losses = {row["step"]: row["held loss"] for row in rows if "held loss" in row}
    assert min(losses, key=lambda step: losses[step]) == phase["best step"]


def test_train_adapter_stops_after_minutes(tiny: Path, tmp_path: Path) -> None:
    report = run_job(make_job(tiny, tmp_path / "mine", minutes=0.1, epochs=1000, patience=0))
    phase = report["phases"]["answers"]
    assert phase["why it ended"] == "the 0.1 minutes were used up" and 0 < phase["steps"] < 6000


def test_train_adapter_setup_counts_as_minutes(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare, setup_seconds = DPOObjective.prepare, 1.0

    def slow_prepare(self: DPOObjective, *args: Any) -> ReferenceState:
        time.sleep(setup_seconds)
        return prepare(self, *args)

    monkeypatch.setattr(DPOObjective, "prepare", slow_prepare)
    pairs_only: Any = {
        "examples": [],
        "preferences": make_preferences(),
        "patience": 0,
        "epochs": 1000,
        "lr": 0.01,
    }
    with pytest.raises(UsageError, match=r"The 0\.01 minutes were used up before the first step, by scoring all pairs"):
        run_job(make_job(tiny, tmp_path / "mine", minutes=0.01, **pairs_only))
    assert not [*tmp_path.iterdir()]
    steps: list[Any] = []
    job = make_job(tiny, tmp_path / "mine", minutes=0.2, **pairs_only)
    report = run_job(job, tick=lambda _, progress: steps.append(progress))
    phase = report["phases"]["preferences"]
    assert phase["why it ended"] == "the 0.2 minutes were used up" and phase["steps"] > 1 and 8 < phase["seconds"] < 17
    rows = json.loads((tmp_path / "mine" / "curves.json").read_text())["preferences"]["rows"]
    assert rows[1]["lr"] < 0.005 < max(row["lr"] for row in rows[1:]), "warm-up, although time has passed"
    assert rows[1]["seconds"] > 1 and 0 < steps[0].seconds_left < 11
    setup_seconds = 7.0  # more than half of the minutes, the pairs' share
    job = make_job(tiny, tmp_path / "both", minutes=0.2, **(pairs_only | {"examples": make_examples(6), "epochs": 1}))
    report = run_job(job)
    assert [*report["phases"]] == ["answers"] and (tmp_path / "both" / "card.json").is_file(), "the answers are saved"


def test_learning_rate_follows_minutes_or_steps() -> None:
    timed = Schedule([[0]] * 1000, 10, minutes=2.0, rate=1.0)
    assert timed.learning_rate(10, 1) < timed.learning_rate(10, 6) and timed.learning_rate(10, 6) > 0.99, (
        "the warm-up takes a twentieth of the time"
    )
    assert timed.learning_rate(10, 60) == pytest.approx(0.54, abs=0.01) and timed.learning_rate(10, 119.9) < 0.001
    assert timed.learning_rate(990, 10) < 0.001, "the limit that is nearer counts"
    steps = Schedule([[0]] * 1000, 10, rate=1.0)
    assert steps.learning_rate(0, 0) > 0 and steps.learning_rate(500, 10**6) == pytest.approx(0.54, abs=0.01)


def test_train_adapter_pairs_follow_answers_and_resume(tiny: Path, tmp_path: Path) -> None:
    both = {"preferences": make_preferences(), "patience": 0}
    report = run_job(make_job(tiny, tmp_path / "a", **both))
    phase = report["phases"]["preferences"]
    assert list(report["phases"]) == ["answers", "preferences"] and report["method"] == "dpo"
    assert phase["before"]["margin"] == 0 and phase["before"]["held loss"] == pytest.approx(0.693147, abs=1e-5)
    assert phase["after"]["margin"] > 0.02 and phase["after"]["held loss"] < 0.69
    assert {"factuality", "ahead", "answer loss", "pairs"} <= phase["after"].keys()

    def stop(name: str, progress: Any) -> None:
        if name == "preferences" and progress.step == 3:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run_job(make_job(tiny, tmp_path / "b", **both), tick=stop)
    steps: list[tuple[str, int]] = []
    run_job(make_job(tiny, tmp_path / "b", **both), tick=lambda name, progress: steps.append((name, progress.step)))
    assert steps[0] == ("preferences", 4)
    assert adapter_bytes(tmp_path / "a") == adapter_bytes(tmp_path / "b")


def notices_of_training(tiny: Path, folder: Path, held: list[Example]) -> list[str]:
    """Return the notices of a training on pairs with these held-out examples."""
    notices: list[str] = []
    job = make_job(tiny, folder / f"notices-{len(held)}", examples=held, preferences=make_preferences(), steps=1)
    train_adapter(job, notices.append, lambda *_: None, lambda *_: None)
    return notices


def test_train_adapter_setup_reports_progress_and_can_stop(tiny: Path, tmp_path: Path) -> None:
    pairs, held = make_preferences(), [replace(example, held=True) for example in make_examples(6)]
    reported: list[tuple[str, float]] = []
    is_interrupted = True

    def progress(activity: str, share: float) -> None:
        reported.append((activity, share))
        if activity.startswith("evaluating") and share == 1 and is_interrupted:
            raise KeyboardInterrupt  # as Ctrl-C would

    with pytest.raises(KeyboardInterrupt, match=r"^Nothing had been learned yet\.$"):
        run_job(make_job(tiny, tmp_path / "mine", examples=held, preferences=pairs, steps=2), progress=progress)
    assert not [*tmp_path.iterdir()], "nothing is left"
    for expected in ("scoring all pairs with the untrained model", "evaluating the held-out questions"):
        shares = [share for activity, share in reported if activity == expected]
        assert shares == sorted(shares) and 0 < shares[0] <= shares[-1] == 1
    assert "--examples" in " ".join(notices_of_training(tiny, tmp_path, [])), "lost answers would not be noticed"
    assert "--examples" not in " ".join(notices_of_training(tiny, tmp_path, held))
    is_interrupted = False
    report = run_job(make_job(tiny, tmp_path / "mine", examples=held, preferences=pairs, steps=2), progress=progress)
    assert [*report["phases"]] == ["preferences"] and "factuality" in report["phases"]["preferences"]["after"]


def test_train_adapter_continues_initial_adapter(tiny: Path, uninterrupted: Path, tmp_path: Path) -> None:
    report = run_job(make_job(tiny, tmp_path / "more", initial_adapter=uninterrupted, steps=2))
    last = json.loads((uninterrupted / "curves.json").read_text())["answers"]["rows"][-1]
    assert report["phases"]["answers"]["before"]["held loss"] == pytest.approx(last["held loss"], abs=2e-3)
    with pytest.raises(ModelError, match="has other matrices than this training"):
        run_job(make_job(tiny, tmp_path / "other", initial_adapter=uninterrupted, rank=8))


def test_train_adapter_without_usable_examples_raises(tiny: Path, tmp_path: Path) -> None:
    long = [Example("1", [{"role": "user", "content": "word " * 200}], "x")]
    for examples in ([], long):
        with pytest.raises(KgragError, match="There is nothing to learn from"):
            run_job(make_job(tiny, tmp_path / "mine", examples=examples))
    assert not list(tmp_path.iterdir())


def test_train_adapter_without_held_out_keeps_last_step(tiny: Path, tmp_path: Path) -> None:
    examples = [example for example in make_examples() if not example.held][:3]
    report = run_job(make_job(tiny, tmp_path / "mine", examples=examples, steps=3))
    assert report["phases"]["answers"]["best step"] == 3 and report["phases"]["answers"]["before"] == {}


@pytest.mark.slow
def test_both_backends_use_trained_adapter(tiny: Path, tiny_openvino: Path, tmp_path: Path) -> None:
    from kgrag.llm.openvino_backend import OpenVINOLLM
    from tests.support.tiny_model import load_torch_llm

    run_job(make_job(tiny, tmp_path / "mine", rank=8, epochs=30, patience=0))
    messages = make_examples()[0].messages
    plain = load_torch_llm(tiny).score(messages, ABSTENTION)
    adapted = load_torch_llm(tiny, tmp_path / "mine").score(messages, ABSTENTION)
    assert adapted > plain + 5, "the learned answer is likelier"
    other = OpenVINOLLM(tiny_openvino, "tiny", cache=tmp_path / "cache", adapter=load_adapter(tmp_path / "mine"))
    assert other.score(messages, ABSTENTION) == pytest.approx(adapted, abs=0.05)


def test_tune_command(tiny: Path, tmp_path: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KGRAG_HOME", str(tmp_path / "home"))
    save_rows(make_examples(), tmp_path / "examples.jsonl")
    command = [
        "tune",
        "--model",
        tiny,
        "--examples",
        tmp_path / "examples.jsonl",
        "--rank",
        "4",
        "--steps",
        "2",
        "--tokens",
        "128",
    ]
    code, out, err = shell(*command, "--out", "mine")
    assert code == 0, err
    assert "step" in err and "left" in err and "tokens/s" in err
    assert (
        "answers: 2 steps" in out and (tmp_path / "home" / "adapters" / "mine" / "adapter_model.safetensors").is_file()
    )
    assert "There is something in" in shell.expect_error(2, *command, "--out", "mine")
    code, out, _ = shell(*command, "--out", tmp_path / "there" / "other", "--json")
    assert code == 0 and json.loads(out)["phases"]["answers"]["steps"] == 2
    assert "qlora keeps the model in 4 bits" in shell.expect_error(1, *command, "--method", "qlora")
    assert "found both" in shell.expect_error(2, *command, "--questions", tmp_path / "q.jsonl")
    assert "pass a folder for it with --out" in shell.expect_error(2, *command, "--method", "full")
    assert "cannot be read" in shell.expect_error(1, *command[:3], "--examples", tmp_path / "nonesuch.jsonl")
    assert "found none: create one" in shell.expect_error(2, "tune", "--store", tmp_path / "nonesuch")


def test_train_adapter_full_writes_model(tiny: Path, tmp_path: Path) -> None:
    from tests.support.tiny_model import load_torch_llm

    report = run_job(make_job(tiny, tmp_path / "model", method="full", lr=1e-3, epochs=2))
    phase = report["phases"]["answers"]
    assert phase["after"]["held loss"] < phase["before"]["held loss"] - 0.2
    llm = load_torch_llm(tmp_path / "model")
    assert llm.score(make_examples()[0].messages, ABSTENTION) > load_torch_llm(tiny).score(
        make_examples()[0].messages, ABSTENTION
    )


def test_tune_command_writes_examples_once(
    store: Path, tiny: Path, tmp_path: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The module that builds examples is replaced by a fake."""
    written: list[tuple[Any, ...]] = []

    def build_fake_examples(
        store: Any, questions: Path | None, *, number: int, seed: int, tick: Any, stepwise: bool
    ) -> list[Example]:
        assert not stepwise
        written.append((store is not None, questions, number, seed))
        for n in (1, 5, 36):
            tick(n, 36)
        return make_examples()

    fake_module = SimpleNamespace(load_or_build_examples=build_fake_examples)
    monkeypatch.setitem(sys.modules, "kgrag.tune.data.build", fake_module)
    options = ["--store", store, "--model", tiny, "--number", "36", "--seed", "3"]
    code, out, err = shell("tune", "write", *options, "--out", tmp_path / "e.jsonl")
    assert code == 0 and "36 examples" in out and "6 of them held out" in out, err
    assert load_rows(tmp_path / "e.jsonl", Example) == make_examples() and written == [(True, None, 36, 3)]
    more = ["--rank", "4", "--steps", "3", "--tokens", "128", "--out", tmp_path / "there" / "mine"]
    with monkeypatch.context() as patch:
        patch.setattr("kgrag.tune.training.run.run_training_loop", lambda *_: signal.raise_signal(signal.SIGINT))
        code, _, err = shell("tune", *options, *more)
        assert code == 130 and "Stopped." in err, err
    code, _, err = shell("tune", *options, *more)
    assert code == 0 and len(written) == 2, "a resumed training reuses its examples"
    assert [p.name for p in (tmp_path / "there").iterdir() if "lock" not in p.name] == ["mine"]
