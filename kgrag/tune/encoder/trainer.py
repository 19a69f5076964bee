"""Training a sentence encoder on pairs, by sentence-transformers' own trainer; stopped at any step, it goes on there.

The loss is the softmax over a batch's passages, right ones of other questions and hard negatives alike (Henderson et al.
2017; `MultipleNegativesRankingLoss`).
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kgrag.errors import ModelError
from kgrag.storage.atomic import atomic_folder, atomic_write
from kgrag.tune.encoder.pairs import TrainingPair

MAX_TOKENS = 128
"""Texts are cut after this many tokens while learning: most of what passages say first, at half the price of all."""
STATE_FILENAME = "state.json"


@dataclass(frozen=True)
class EncoderTrainingConfig:
    """How it is trained: ``batch`` pairs a step, ``steps`` at most (0: no limit), at a peak of ``rate``."""

    batch: int = 16
    epochs: int = 1
    steps: int = 0
    rate: float = 2e-5
    tokens: int = MAX_TOKENS
    save: int = 25
    seed: int = 0


@dataclass(frozen=True)
class EncoderTrainingResult:
    """What the training took (``seconds`` of the last run alone), the mean loss of the first and of the last ten steps."""

    steps: int
    seconds: float
    first_loss: float
    last_loss: float


def train_encoder(
    base: Path,
    pairs: Sequence[TrainingPair],
    out: Path,
    work_folder: Path,
    settings: EncoderTrainingConfig,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> EncoderTrainingResult:
    """Train the encoder in the folder ``base`` and write it to ``out``, whole or not at all.

    Args:
        base: a sentence-transformers folder.
        pairs: all with as many negatives.
        work: a folder of its own, where a training that was stopped goes on if ``base``, ``pairs`` and ``settings`` are
            the same; it is for the caller to remove.
        tick: told steps done, and all of them.

    Raises:
        KeyboardInterrupt: it was stopped; the step that was being made is finished and kept.
        ModelError: the encoder cannot be read, or the loss became no number.
    """
    import torch
    from datasets import Dataset, disable_progress_bars
    from sentence_transformers import (
        SentenceTransformer,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
    from transformers import TrainerCallback
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call, unused-ignore]
    logging.set_verbosity_error()  # type: ignore[no-untyped-call, unused-ignore]
    disable_progress_bars()
    _prepare_work_folder(work_folder, base, pairs, settings)
    torch.manual_seed(settings.seed)
    last_checkpoint, is_complete = _last_checkpoint(work_folder)
    try:
        model: Any = SentenceTransformer(
            str(last_checkpoint if last_checkpoint and is_complete else base), local_files_only=True
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(f"The encoder in {base} cannot be trained ({reason}): pull it again.") from error
    max_length, model.max_seq_length = model.max_seq_length, settings.tokens
    columns = {"anchor": [p.query for p in pairs], "positive": [p.positive for p in pairs]}
    for number in range(len(pairs[0].negatives)):
        columns[f"negative_{number + 1}"] = [p.negatives[number] for p in pairs]
    arguments_class: Any = SentenceTransformerTrainingArguments
    arguments = arguments_class(
        output_dir=str(work_folder),
        per_device_train_batch_size=settings.batch,
        num_train_epochs=settings.epochs,
        max_steps=settings.steps or -1,
        learning_rate=settings.rate,
        warmup_steps=0.1,
        lr_scheduler_type="linear",
        batch_sampler="no_duplicates",  # a text that stands twice in a batch would be right and wrong at once
        seed=settings.seed,
        save_strategy="steps",
        save_steps=settings.save,
        save_total_limit=1,
        logging_steps=1,
        logging_nan_inf_filter=False,
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )
    start = time.monotonic()
    if last_checkpoint and is_complete:  # stopped after its last step: the trainer would make one more
        return _save_encoder(model, max_length, out, _trainer_state(last_checkpoint), 0.0)
    with _deferred_interrupt() as stopped:

        class StopAndCheckLoss(TrainerCallback):  # type: ignore[misc, unused-ignore]
            def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
                if not math.isfinite((logs or {}).get("loss", 0.0)):
                    raise ModelError(
                        f"The loss is no number after {state.global_step} steps: nothing was changed. Lower --rate."
                    )

            def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
                on_progress(state.global_step, state.max_steps)
                if stopped.is_set() and state.global_step < state.max_steps:
                    control.should_save = control.should_training_stop = True

        class TrainerWithoutModelCard(SentenceTransformerTrainer):  # type: ignore[misc, unused-ignore]
            def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
                """No page about the model: ours is its card."""

        trainer: Any = TrainerWithoutModelCard(
            model=model,
            args=arguments,
            train_dataset=Dataset.from_dict(columns),
            loss=MultipleNegativesRankingLoss(model),
            callbacks=[StopAndCheckLoss()],
        )
        for callback in list(trainer.callback_handler.callbacks):  # what prints every log
            if type(callback).__name__ == "PrinterCallback":
                trainer.remove_callback(callback)
        trainer.train(resume_from_checkpoint=str(last_checkpoint) if last_checkpoint else None)
        if stopped.is_set() and trainer.state.global_step < trainer.state.max_steps:
            raise KeyboardInterrupt
    state = {name: getattr(trainer.state, name) for name in ("global_step", "log_history")}
    return _save_encoder(model, max_length, out, state, time.monotonic() - start)


def _save_encoder(
    model: Any, max_length: int, out: Path, state: dict[str, Any], seconds: float
) -> EncoderTrainingResult:
    model.max_seq_length = max_length
    with atomic_folder(out) as temporary_folder:
        model.save_pretrained(str(temporary_folder), create_model_card=False)
    losses = [float(log["loss"]) for log in state["log_history"] if "loss" in log]
    return EncoderTrainingResult(int(state["global_step"]), seconds, _mean(losses[:10]), _mean(losses[-10:]))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan


def _prepare_work_folder(
    work_folder: Path, base: Path, pairs: Sequence[TrainingPair], settings: EncoderTrainingConfig
) -> None:
    """Keep what an interrupted training of the very same things left, and nothing else."""
    fingerprint_json = json.dumps([str(base.resolve()), [asdict(p) for p in pairs], asdict(settings)])
    digest = hashlib.sha256(fingerprint_json.encode()).hexdigest()
    try:
        same = json.loads((work_folder / STATE_FILENAME).read_text("utf-8"))["digest"] == digest
    except (OSError, ValueError, KeyError, TypeError):
        same = False
    if not same:
        shutil.rmtree(work_folder, ignore_errors=True)
        with atomic_write(work_folder / STATE_FILENAME) as temporary:
            temporary.write_text(json.dumps({"digest": digest}), "utf-8")


def _last_checkpoint(work_folder: Path) -> tuple[Path | None, bool]:
    """The checkpoint to go on from, and whether all steps were made; one that was cut off has no state, written last."""
    checkpoints = [p for p in work_folder.glob("checkpoint-*") if (p / "trainer_state.json").is_file()]
    if not checkpoints:
        return None, False
    newest = max(checkpoints, key=lambda p: int(p.name.rpartition("-")[2]))
    state = _trainer_state(newest)
    return newest, state["global_step"] >= state["max_steps"]


def _trainer_state(checkpoint: Path) -> dict[str, Any]:
    trainer_state: dict[str, Any] = json.loads((checkpoint / "trainer_state.json").read_text("utf-8"))
    return trainer_state


@contextmanager
def _deferred_interrupt() -> Iterator[threading.Event]:
    """Ctrl-C sets an event, so that the step is finished and kept; a second one stops at once."""
    stopped = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stopped
        return

    def stop(*_: object) -> None:
        if stopped.is_set():
            raise KeyboardInterrupt
        stopped.set()

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield stopped
    finally:
        signal.signal(signal.SIGINT, before)
