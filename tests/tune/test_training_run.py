"""Training on tiny weights: it learns, repeats to the byte, goes on from any stop, and says what went wrong."""

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
from kgrag.tune.training.objectives import DPOObjective
from kgrag.tune.training.run import train_adapter
from kgrag.tune.training.schedule import Schedule
from tests.support.paths import ROOT
from tests.support.training_jobs import ABSTENTION, make_examples, make_job, make_preferences, run_job

pytestmark = pytest.mark.alone


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """As in the processes that are killed: sums of other orders differ in their last bits."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def weights(folder: Path) -> bytes:
    return (folder / "adapter_model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def whole(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The adapter of a training that nothing stopped."""
    folder = tmp_path_factory.mktemp("whole") / "mine"
    run_job(make_job(tiny, folder, patience=0))
    return folder


def test_it_learns_and_leaves_what_was_promised(tiny: Path, tmp_path: Path) -> None:
    seen: list[Any] = []
    report = run_job(make_job(tiny, tmp_path / "mine", what="made up"), tick=lambda name, now: seen.append((name, now)))
    phase = report["phases"]["answers"]
    assert phase["after"]["held loss"] < phase["before"]["held loss"] - 0.4
    assert (
        phase["after"]["questions"] == 6
        and report["tokens"]["answers"] < report["tokens of separate examples"]["answers"]
    )
    assert {name for name, _ in seen} == {"answers"}
    assert [now.step for _, now in seen] == list(range(1, seen[-1][1].steps + 1)) and seen[-1][1].left == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mine"], "the state goes when the adapter is there"
    names = {"adapter_config.json", "adapter_model.safetensors", "card.json", "curves.json", "curves.png"}
    assert {p.name for p in (tmp_path / "mine").iterdir()} == names
    adapter = load_adapter(tmp_path / "mine")
    check_base(adapter, "tiny", tiny)
    assert adapter.base == "tiny" and adapter.rank == 4
    card = load_card(tmp_path / "mine")
    assert card is not None and (card.base, card.method, card.rank, card.steps) == ("tiny", "lora", 4, phase["steps"])
    assert card.data.what == "made up" and card.data.number == 36 and card.before.keys() == card.after.keys()
    for file in names - {"curves.png"}:
        assert str(tmp_path).encode() not in (tmp_path / "mine" / file).read_bytes(), f"{file} names this machine"
        assert str(tiny.parent).encode() not in (tmp_path / "mine" / file).read_bytes()
    rows = json.loads((tmp_path / "mine" / "curves.json").read_text())["answers"]["rows"]
    assert [row["step"] for row in rows] == list(range(phase["steps"] + 1)) and "held loss" in rows[0] | rows[-1]


def test_the_same_command_gives_the_same_bytes(tiny: Path, whole: Path, tmp_path: Path) -> None:
    run_job(make_job(tiny, tmp_path / "again", patience=0))
    assert weights(tmp_path / "again") == weights(whole)
    run_job(make_job(tiny, tmp_path / "other", patience=0, seed=1))
    assert weights(tmp_path / "other") != weights(whole)


def start(tiny: Path, out: Path, often: int = 1, limit: int = 0) -> subprocess.Popen[str]:
    """The same training in a process of its own; each step is a line."""
    command = [sys.executable, "-m", "tests.support.training_jobs", str(tiny), str(out), str(often), str(limit)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def steps_of(process: subprocess.Popen[str], until: int) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) >= until:
            return
    raise AssertionError(process.stderr.read() if process.stderr else "")


@pytest.mark.skipif(os.name != "posix", reason="kills processes")
def test_killed_outright_it_goes_on_and_ends_the_same(tiny: Path, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "mine"
    for until in (4, 9):  # killed twice
        process = start(tiny, out)
        steps_of(process, until)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not out.exists() and (tmp_path / ".mine.answers.pt").is_file()
    seen: list[int] = []
    run_job(make_job(tiny, out, patience=0), tick=lambda _, now: seen.append(now.step))
    assert seen[0] > 4, "it did not begin anew"
    assert weights(out) == weights(whole)
    mine, other = (json.loads((folder / "curves.json").read_text())["answers"]["rows"] for folder in (out, whole))
    assert [{**row, "seconds": 0} for row in mine] == [{**row, "seconds": 0} for row in other]


@pytest.mark.skipif(os.name != "posix", reason="sends signals")
def test_ctrl_c_is_told_in_a_sentence_and_keeps_the_last_step(tiny: Path, whole: Path, tmp_path: Path) -> None:
    process = start(tiny, tmp_path / "mine", often=0)
    steps_of(process, 5)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "Stopped. What was learned is kept in" in said and "run the same command again to go on" in said
    assert "Traceback" not in said
    seen: list[int] = []
    run_job(make_job(tiny, tmp_path / "mine", patience=0), tick=lambda _, now: seen.append(now.step))
    assert seen[0] >= 6, "what was learned since the last state was saved is not lost"
    assert weights(tmp_path / "mine") == weights(whole)


@pytest.mark.skipif(os.name != "posix", reason="limits the size of files")
def test_a_disk_that_fills_keeps_the_last_good_state(tiny: Path, whole: Path, tmp_path: Path) -> None:
    process = start(tiny, tmp_path / "mine", limit=20_000)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 1, said
    line = " ".join(said.split())
    assert "cannot be written to" in line and "that of step 2 is kept" in line and "Make room" in line
    assert "Traceback" not in said
    assert not (tmp_path / "mine").exists()
    assert [p.name for p in tmp_path.glob(".mine.*.pt")] == [".mine.answers.pt"], "nothing half written is left"
    run_job(make_job(tiny, tmp_path / "mine", patience=0))
    assert weights(tmp_path / "mine") == weights(whole)


def test_a_loss_that_is_no_number_stops_it(tiny: Path, tmp_path: Path) -> None:
    out = tmp_path / "mine"
    with pytest.raises(
        ModelError, match=r"Stopped, since the (loss|gradient) is no number after step \d+: .* Nothing that"
    ) as error:
        run_job(make_job(tiny, out, lr=1e30, patience=0))
    assert "--fresh and a lower --lr" in str(error.value) and not out.exists()
    with pytest.raises(UsageError, match=r"it is another one \(lr 1e\+30 there, 0.005 here\).*--fresh"):
        run_job(make_job(tiny, out, patience=0))
    run_job(make_job(tiny, out, patience=0), fresh=True)
    assert out.is_dir()


def test_what_was_best_before_is_kept_then(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = Schedule.learning_rate
    monkeypatch.setattr(
        Schedule, "learning_rate", lambda self, step, seconds: 1e30 if step == 12 else plan(self, step, seconds)
    )
    with pytest.raises(
        ModelError, match=r"no number after step 13: .* What was best, step 10 of answers, is in .*mine"
    ):
        run_job(make_job(tiny, tmp_path / "mine", patience=0))
    rows = json.loads((tmp_path / "mine" / "curves.json").read_text())["answers"]["rows"]
    assert rows[10]["held loss"] == min(row["held loss"] for row in rows if "held loss" in row)
    report = run_job(make_job(tiny, tmp_path / "again", start=tmp_path / "mine", steps=1))
    assert report["phases"]["answers"]["before"]["held loss"] == pytest.approx(rows[10]["held loss"], abs=2e-3)


def test_a_state_of_other_data_is_refused(tiny: Path, tmp_path: Path) -> None:
    def stop(name: str, now: Any) -> None:
        if now.step == 2:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt, match="What was learned is kept in"):
        run_job(make_job(tiny, tmp_path / "mine"), tick=stop)
    with pytest.raises(UsageError, match=r"and it is another one \(examples '[0-9a-f]+' there"):
        run_job(make_job(tiny, tmp_path / "mine", examples=make_examples(6)))
    (tmp_path / ".mine.answers.pt").write_bytes(b"half")
    with pytest.raises(KgragError, match=r"cannot be read .* remove that file"):
        run_job(make_job(tiny, tmp_path / "mine"))


def test_what_is_there_is_not_written_over(tiny: Path, whole: Path) -> None:
    with pytest.raises(UsageError, match=r"There is something in .* already"):
        run_job(make_job(tiny, whole))


def test_it_stops_when_nothing_gets_better_and_keeps_the_best(tiny: Path, tmp_path: Path) -> None:
    # what is held out is of another kind: the more is learned, the less likely it is
    learned = [one if one.held else replace(one, answer="zzzz") for one in make_examples()]
    report = run_job(make_job(tiny, tmp_path / "mine", examples=learned, lr=0.05, epochs=20, patience=2, batch=36))
    phase = report["phases"]["answers"]
    assert "did not fall any more in 2 looks" in phase["why it ended"] and phase["best step"] < phase["steps"] < 20
    rows = json.loads((tmp_path / "mine" / "curves.json").read_text())["answers"]["rows"]
    losses = {row["step"]: row["held loss"] for row in rows if "held loss" in row}
    assert min(losses, key=lambda step: losses[step]) == phase["best step"]


def test_minutes_are_kept(tiny: Path, tmp_path: Path) -> None:
    report = run_job(make_job(tiny, tmp_path / "mine", minutes=0.1, epochs=1000, patience=0))
    phase = report["phases"]["answers"]
    assert phase["why it ended"] == "the 0.1 minutes were used up" and 0 < phase["steps"] < 6000


def test_what_comes_before_the_first_step_counts_among_the_minutes(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin, takes = DPOObjective.prepare, 1.0

    def slow(self: DPOObjective, *args: Any) -> dict[str, Any]:
        time.sleep(takes)
        return begin(self, *args)

    monkeypatch.setattr(DPOObjective, "prepare", slow)
    alone: dict[str, Any] = {
        "examples": [],
        "preferences": make_preferences(),
        "patience": 0,
        "epochs": 1000,
        "lr": 0.01,
    }
    with pytest.raises(
        UsageError, match=r"The 0\.01 minutes were used up before the first step, by asking the model as it is"
    ):
        run_job(make_job(tiny, tmp_path / "mine", minutes=0.01, **alone))
    assert not [*tmp_path.iterdir()]
    seen: list[Any] = []
    report = run_job(make_job(tiny, tmp_path / "mine", minutes=0.2, **alone), tick=lambda _, now: seen.append(now))
    phase = report["phases"]["preferences"]
    assert phase["why it ended"] == "the 0.2 minutes were used up" and phase["steps"] > 1 and 8 < phase["seconds"] < 17
    rows = json.loads((tmp_path / "mine" / "curves.json").read_text())["preferences"]["rows"]
    assert rows[1]["lr"] < 0.005 < max(row["lr"] for row in rows[1:]), (
        "the rate rises first, though a part of the time is over"
    )
    assert rows[1]["seconds"] > 1 and 0 < seen[0].left < 11
    takes = 7.0  # more than the half of the minutes that pairs have
    report = run_job(
        make_job(tiny, tmp_path / "both", minutes=0.2, **(alone | {"examples": make_examples(6), "epochs": 1}))
    )
    assert [*report["phases"]] == ["answers"] and (tmp_path / "both" / "card.json").is_file(), "what was learned stays"


def test_the_rate_falls_to_nothing_in_the_minutes_or_the_steps() -> None:
    timed = Schedule([[0]] * 1000, 10, minutes=2.0, rate=1.0)
    assert timed.learning_rate(10, 1) < timed.learning_rate(10, 6) and timed.learning_rate(10, 6) > 0.99, (
        "it rises for a twentieth of the time"
    )
    assert timed.learning_rate(10, 60) == pytest.approx(0.54, abs=0.01) and timed.learning_rate(10, 119.9) < 0.001
    assert timed.learning_rate(990, 10) < 0.001, "whichever ends first"
    steps = Schedule([[0]] * 1000, 10, rate=1.0)
    assert steps.learning_rate(0, 0) > 0 and steps.learning_rate(500, 10**6) == pytest.approx(0.54, abs=0.01)


def test_pairs_are_learned_after_answers_and_go_on_from_a_stop(tiny: Path, tmp_path: Path) -> None:
    both = {"preferences": make_preferences(), "patience": 0}
    report = run_job(make_job(tiny, tmp_path / "a", **both))
    phase = report["phases"]["preferences"]
    assert list(report["phases"]) == ["answers", "preferences"] and report["method"] == "dpo"
    assert phase["before"]["margin"] == 0 and phase["before"]["held loss"] == pytest.approx(0.693147, abs=1e-5)
    assert phase["after"]["margin"] > 0.02 and phase["after"]["held loss"] < 0.69
    assert {"factuality", "ahead", "answer loss", "pairs"} <= phase["after"].keys()

    def stop(name: str, now: Any) -> None:
        if name == "preferences" and now.step == 3:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run_job(make_job(tiny, tmp_path / "b", **both), tick=stop)
    seen: list[tuple[str, int]] = []
    run_job(make_job(tiny, tmp_path / "b", **both), tick=lambda name, now: seen.append((name, now.step)))
    assert seen[0] == ("preferences", 4)
    assert weights(tmp_path / "a") == weights(tmp_path / "b")


def unmeasured(tiny: Path, folder: Path, held: list[Example]) -> list[str]:
    """What is said of a training on pairs with these examples beside them."""
    said: list[str] = []
    work = make_job(tiny, folder / f"said-{len(held)}", examples=held, preferences=make_preferences(), steps=1)
    train_adapter(work, said.append, lambda *_: None, lambda *_: None)
    return said


def test_what_comes_before_the_first_step_is_told_and_a_stop_there_keeps_nothing(tiny: Path, tmp_path: Path) -> None:
    pairs, held = make_preferences(), [replace(one, held=True) for one in make_examples(6)]
    told: list[tuple[str, float]] = []

    def progress(what: str, share: float) -> None:
        told.append((what, share))
        if what.startswith("looking") and share == 1 and not going:
            raise KeyboardInterrupt  # as Ctrl-C would

    going = False
    with pytest.raises(KeyboardInterrupt, match=r"^Nothing had been learned yet\.$"):
        run_job(make_job(tiny, tmp_path / "mine", examples=held, preferences=pairs, steps=2), progress=progress)
    assert not [*tmp_path.iterdir()], "so nothing has to be taken away"
    for begins in ("asking the model as it is about every pair", "looking at the questions that are held out"):
        shares = [share for what, share in told if what == begins]
        assert shares == sorted(shares) and 0 < shares[0] <= shares[-1] == 1
    assert "--examples" in " ".join(unmeasured(tiny, tmp_path, [])), "nothing would tell that right answers are lost"
    assert "--examples" not in " ".join(unmeasured(tiny, tmp_path, held))
    going = True
    report = run_job(make_job(tiny, tmp_path / "mine", examples=held, preferences=pairs, steps=2), progress=progress)
    assert [*report["phases"]] == ["preferences"] and "factuality" in report["phases"]["preferences"]["after"]


def test_it_goes_on_from_an_adapter(tiny: Path, whole: Path, tmp_path: Path) -> None:
    report = run_job(make_job(tiny, tmp_path / "more", start=whole, steps=2))
    first = json.loads((whole / "curves.json").read_text())["answers"]["rows"][-1]
    assert report["phases"]["answers"]["before"]["held loss"] == pytest.approx(first["held loss"], abs=2e-3)
    with pytest.raises(ModelError, match="has other matrices than are to be trained"):
        run_job(make_job(tiny, tmp_path / "other", start=whole, rank=8))


def test_nothing_to_learn_from(tiny: Path, tmp_path: Path) -> None:
    long = [Example("1", [{"role": "user", "content": "word " * 200}], "x")]
    for learned in ([], long):
        with pytest.raises(KgragError, match="There is nothing to learn from"):
            run_job(make_job(tiny, tmp_path / "mine", examples=learned))
    assert not list(tmp_path.iterdir())


def test_without_anything_held_out_the_last_step_is_kept(tiny: Path, tmp_path: Path) -> None:
    learned = [one for one in make_examples() if not one.held][:3]
    report = run_job(make_job(tiny, tmp_path / "mine", examples=learned, steps=3))
    assert report["phases"]["answers"]["best step"] == 3 and report["phases"]["answers"]["before"] == {}


@pytest.mark.slow
def test_both_homes_say_the_same_with_it(tiny: Path, tiny_openvino: Path, tmp_path: Path) -> None:
    from kgrag.llm.openvino_backend import OpenVINOLLM
    from tests.llm.test_lora_adapter import load_torch_llm

    run_job(make_job(tiny, tmp_path / "mine", rank=8, epochs=30, patience=0))
    messages = make_examples()[0].messages
    plain, added = (
        load_torch_llm(tiny).score(messages, ABSTENTION),
        load_torch_llm(tiny, tmp_path / "mine").score(messages, ABSTENTION),
    )
    assert added > plain + 5, "it says what it learned to say"
    other = OpenVINOLLM(tiny_openvino, "tiny", cache=tmp_path / "cache", adapter=load_adapter(tmp_path / "mine"))
    assert other.score(messages, ABSTENTION) == pytest.approx(added, abs=0.05)


def test_by_the_command_line(tiny: Path, tmp_path: Path, shell: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KGRAG_HOME", str(tmp_path / "home"))
    save_rows(make_examples(), tmp_path / "examples.jsonl")
    told = [
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
    code, out, err = shell(*told, "--out", "mine")
    assert code == 0, err
    assert "step" in err and "left" in err and "tokens/s" in err
    assert (
        "answers: 2 steps" in out and (tmp_path / "home" / "adapters" / "mine" / "adapter_model.safetensors").is_file()
    )
    assert "There is something in" in shell.fails(2, *told, "--out", "mine")
    code, out, _ = shell(*told, "--out", tmp_path / "there" / "other", "--json")
    assert code == 0 and json.loads(out)["phases"]["answers"]["steps"] == 2
    assert "qlora keeps the model in 4 bits" in shell.fails(1, *told, "--method", "qlora")
    assert "found both" in shell.fails(2, *told, "--questions", tmp_path / "q.jsonl")
    assert "name a folder for it with --out" in shell.fails(2, *told, "--method", "full")
    assert "cannot be read" in shell.fails(1, *told[:3], "--examples", tmp_path / "nonesuch.jsonl")
    assert "found none: make one" in shell.fails(2, "tune", "--store", tmp_path / "nonesuch")


def test_full_writes_a_model(tiny: Path, tmp_path: Path) -> None:
    from tests.llm.test_lora_adapter import load_torch_llm

    report = run_job(make_job(tiny, tmp_path / "model", method="full", lr=1e-3, epochs=2))
    phase = report["phases"]["answers"]
    assert phase["after"]["held loss"] < phase["before"]["held loss"] - 0.2
    llm = load_torch_llm(tmp_path / "model")
    assert llm.score(make_examples()[0].messages, ABSTENTION) > load_torch_llm(tiny).score(
        make_examples()[0].messages, ABSTENTION
    )


def test_without_examples_they_are_written_once(
    store: Path, tiny: Path, tmp_path: Path, shell: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What writes them is another module: here one that does as it promises."""
    written: list[tuple[Any, ...]] = []

    def examples_of(
        opened: Any, questions: Path | None, *, number: int, seed: int, tick: Any, stepwise: bool
    ) -> list[Example]:
        assert not stepwise
        written.append((opened is not None, questions, number, seed))
        for n in (1, 5, 36):
            tick(n, 36)
        return make_examples()

    monkeypatch.setitem(sys.modules, "kgrag.tune.data.build", SimpleNamespace(load_or_build_examples=examples_of))
    told = ["--store", store, "--model", tiny, "--number", "36", "--seed", "3"]
    code, out, err = shell("tune", "write", *told, "--out", tmp_path / "e.jsonl")
    assert code == 0 and "36 examples" in out and "6 of them held out" in out, err
    assert load_rows(tmp_path / "e.jsonl", Example) == make_examples() and written == [(True, None, 36, 3)]
    more = ["--rank", "4", "--steps", "3", "--tokens", "128", "--out", tmp_path / "there" / "mine"]
    with monkeypatch.context() as patch:
        patch.setattr("kgrag.tune.training.run.run_training_loop", lambda *_: signal.raise_signal(signal.SIGINT))
        code, _, err = shell("tune", *told, *more)
        assert code == 130 and "Stopped." in err, err
    code, _, err = shell("tune", *told, *more)
    assert code == 0 and len(written) == 2, "they are not written anew when it goes on"
    assert [p.name for p in (tmp_path / "there").iterdir() if "lock" not in p.name] == ["mine"]
