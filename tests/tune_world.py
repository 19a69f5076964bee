"""What tests of training share: made-up examples and pairs, and one training of tiny weights, also as a process."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path
from typing import Any

from kgrag.tune.example import Example, Preference

ROOT = Path(__file__).resolve().parent.parent
PLACES = ("Rome", "Oslo", "Lima", "Bonn", "Kyiv", "Riga")
SILENT = "The documents do not say."


def examples(groups: int = 12, each: int = 3) -> list[Example]:
    """Groups with the same evidence; each sixth group is held out, and one question of each is unanswerable."""
    draw = random.Random(5)
    made = []
    for group in range(groups):
        named = draw.sample(PLACES, each)
        text = "; ".join(f"{chr(65 + n)}: {place}" for n, place in enumerate(named))
        for n in range(each):
            silent = n == each - 1
            asked = "Z" if silent else chr(65 + n)
            messages = [{"role": "user", "content": f"{text}.\n{asked}?"}]
            answer = SILENT if silent else named[n]
            kind = "unanswerable" if silent else "one-hop"
            made.append(Example(f"{group}-{n}", messages, answer, kind, held=group % 6 == 5))
    return made


def preferences(groups: int = 12) -> list[Preference]:
    """The right answer over another, of the same questions."""
    others = {one.answer: other for one, other in zip(examples(groups), reversed(PLACES * groups), strict=False)}
    return [
        Preference(one.id, one.messages, one.answer, others[one.answer] if others[one.answer] != one.answer else "Nowhere", held=one.held)
        for one in examples(groups)
    ]  # fmt: skip


def job(model: Path, out: Path, **changed: Any) -> Any:
    """A training of half a minute at most."""
    from kgrag.tune.training.settings import Settings
    from kgrag.tune_run import Job

    parts = {name: changed.pop(name) for name in ("examples", "preferences", "start", "what") if name in changed}
    parts.setdefault("examples", examples())
    settings = Settings(**{"rank": 4, "layers": "half", "lr": 5e-3, "epochs": 3, "batch": 4, "tokens": 128, **changed})  # type: ignore[arg-type]
    return Job(str(model), out, settings, **parts)


def go(work: Any, **options: Any) -> dict[str, Any]:
    """Run it, unseen."""
    from kgrag.tune_run import run

    unseen = {name: options.pop(name, lambda *_: None) for name in ("progress", "tick")}
    return run(work, lambda _: None, unseen["progress"], unseen["tick"], **options)


def train_here(model: Path, out: Path, often: int, limit: int) -> None:
    """In a process of its own: a state after each step if ``often``; files of at most ``limit`` bytes if that is not 0."""
    import resource

    import torch

    from kgrag.cli import Stopped, run
    from kgrag.tune.training import loop

    torch.set_num_threads(1)
    if often:
        loop.SOONEST, loop.SAVING = 0.0, 1e9
    steps = [0]

    def tick(name: str, now: Any) -> None:
        print(now.step, flush=True)
        steps[0] += 1
        if limit and steps[0] == 3:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    def command() -> None:
        try:
            go(job(model, out, patience=0), tick=tick)
        except KeyboardInterrupt as stop:
            raise Stopped(f"Stopped. {stop}") from stop

    os._exit(run(command))


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    train_here(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
