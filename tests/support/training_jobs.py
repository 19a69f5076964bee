"""Example data and a tiny training job for tests, also run in a child process."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path
from typing import Any

from kgrag.tune.data.example import Example, Preference

CITIES = ("Rome", "Oslo", "Lima", "Bonn", "Kyiv", "Riga")
ABSTENTION = "The documents do not say."


def make_examples(groups: int = 12, per_group: int = 3) -> list[Example]:
    """Make groups with the same evidence; each sixth group is held out, and one question of each is unanswerable."""
    rng = random.Random(5)
    result = []
    for group in range(groups):
        cities = rng.sample(CITIES, per_group)
        text = "; ".join(f"{chr(65 + n)}: {place}" for n, place in enumerate(cities))
        for n in range(per_group):
            is_unanswerable = n == per_group - 1
            letter = "Z" if is_unanswerable else chr(65 + n)
            messages = [{"role": "user", "content": f"{text}.\n{letter}?"}]
            answer = ABSTENTION if is_unanswerable else cities[n]
            kind = "unanswerable" if is_unanswerable else "one-hop"
            result.append(Example(f"{group}-{n}", messages, answer, kind, held=group % 6 == 5))
    return result


def make_preferences(groups: int = 12) -> list[Preference]:
    """Make preferences for the right answers to the questions of `make_examples`."""
    rejected_answers = {
        example.answer: other for example, other in zip(make_examples(groups), reversed(CITIES * groups), strict=False)
    }
    preferences = []
    for example in make_examples(groups):
        other = rejected_answers[example.answer]
        rejected = other if other != example.answer else "Nowhere"
        preferences.append(Preference(example.id, example.messages, example.answer, rejected, held=example.held))
    return preferences


def make_job(model: Path, out: Path, **settings_overrides: Any) -> Any:
    """Make a training job of half a minute at most; keyword arguments set the job's fields or its settings."""
    from kgrag.tune.training.run import TrainingJob
    from kgrag.tune.training.settings import TrainingConfig

    job_fields = {
        name: settings_overrides.pop(name)
        for name in ("examples", "preferences", "initial_adapter", "data_description")
        if name in settings_overrides
    }
    job_fields.setdefault("examples", make_examples())
    settings = TrainingConfig(
        **{"rank": 4, "layers": "half", "lr": 5e-3, "epochs": 3, "batch": 4, "tokens": 128, **settings_overrides}
    )  # type: ignore[arg-type]
    return TrainingJob(str(model), out, settings, **job_fields)


def run_job(training_job: Any, **options: Any) -> Any:
    """Run a training job without output and return its report."""
    from kgrag.tune.training.run import train_adapter

    callbacks = {name: options.pop(name, lambda *_: None) for name in ("progress", "tick")}
    return train_adapter(training_job, lambda _: None, callbacks["progress"], callbacks["tick"], **options)


def train_in_process(model: Path, out: Path, save_every_step: int, max_file_bytes: int) -> None:
    """Train in this process with a checkpoint after each step, or with a limit on the size of files (0: no limit)."""
    import resource

    import torch

    from kgrag.cli.main import CommandInterruptedError, run_command
    from kgrag.tune.training import loop

    torch.set_num_threads(1)
    if save_every_step:
        loop.MIN_SECONDS_BETWEEN_SAVES, loop.MAX_SAVING_SHARE = 0.0, 1e9
    step_count = [0]

    def tick(name: str, progress: Any) -> None:
        print(progress.step, flush=True)
        step_count[0] += 1
        if max_file_bytes and step_count[0] == 3:
            resource.setrlimit(resource.RLIMIT_FSIZE, (max_file_bytes, max_file_bytes))

    def command() -> None:
        try:
            run_job(make_job(model, out, patience=0), tick=tick)
        except KeyboardInterrupt as stop:
            raise CommandInterruptedError(f"Stopped. {stop}") from stop

    os._exit(run_command(command))


if __name__ == "__main__":
    train_in_process(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
