"""Train a sentence encoder on pairs with the trainer of sentence-transformers.

An interrupted training can be resumed. The loss is the softmax over a batch's passages, both the positives of other
questions and the hard negatives (Henderson et al. 2017; `MultipleNegativesRankingLoss`).
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kgrag.errors import ModelError
from kgrag.storage.atomic import atomic_folder, atomic_write
from kgrag.tune.encoder.pairs import TrainingPair

MAX_TOKENS = 128
"""Maximum length of a training text: most of what passages state first, at half the cost of whole passages."""
STATE_FILENAME = "state.json"


@dataclass(frozen=True)
class EncoderTrainingConfig:
    """Settings: ``batch`` pairs per step, at most ``steps`` steps (0: no limit), peak learning rate ``rate``."""

    batch: int = 16
    epochs: int = 1
    steps: int = 0
    rate: float = 2e-5
    tokens: int = MAX_TOKENS
    save: int = 25
    seed: int = 0


@dataclass(frozen=True)
class EncoderTrainingResult:
    """Number of steps, ``seconds`` of the last run alone, and the mean loss of the first and of the last ten steps."""

    steps: int
    seconds: float
    first_loss: float
    last_loss: float


@dataclass(frozen=True)
class _TrainerState:
    """Progress of the trainer: the steps done, all steps, and the loss of each step."""

    step: int
    max_steps: int
    losses: Sequence[float]

    @property
    def is_complete(self) -> bool:
        """Whether all steps are done."""
        return self.step >= self.max_steps


def train_encoder(
    base: Path,
    pairs: Sequence[TrainingPair],
    out: Path,
    work_folder: Path,
    settings: EncoderTrainingConfig,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> EncoderTrainingResult:
    """Train the encoder in the folder ``base`` and write it to ``out``, completely or not at all.

    Args:
        base: a sentence-transformers folder.
        pairs: the training pairs, all with the same number of negatives.
        out: the new encoder's folder.
        work_folder: folder for checkpoints. A training is resumed if ``base``, ``pairs`` and ``settings`` are the same.
            The caller deletes it.
        settings: the training settings.
        on_progress: called with (steps done, all steps).

    Raises:
        KeyboardInterrupt: the user stopped it; the current step was completed and saved.
        ModelError: the encoder cannot be read, or the loss is not a number.
    """
    import torch

    _silence_progress_bars()
    _prepare_work_folder(work_folder, base, pairs, settings)
    torch.manual_seed(settings.seed)
    checkpoint, state = _last_checkpoint(work_folder)
    model = _load_encoder(checkpoint if checkpoint and state and state.is_complete else base, base)
    max_length, model.max_seq_length = model.max_seq_length, settings.tokens
    start = time.monotonic()
    if state is not None and state.is_complete:  # stopped after its last step: the trainer would make one more
        return _save_encoder(model, max_length, out, state, 0.0)
    with _deferred_interrupt() as stopped:
        trainer = _build_trainer(model, pairs, work_folder, settings, stopped, on_progress)
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        if stopped.is_set() and trainer.state.global_step < trainer.state.max_steps:
            raise KeyboardInterrupt
    state = _parse_state(vars(trainer.state))
    return _save_encoder(model, max_length, out, state, time.monotonic() - start)


def _silence_progress_bars() -> None:
    from datasets import disable_progress_bars
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call, unused-ignore]
    logging.set_verbosity_error()  # type: ignore[no-untyped-call, unused-ignore]
    disable_progress_bars()


def _load_encoder(folder: Path, base: Path) -> Any:
    """Load the encoder of a checkpoint or of the base."""
    from sentence_transformers import SentenceTransformer

    try:
        return SentenceTransformer(str(folder), local_files_only=True)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(f"The encoder in {base} cannot be trained ({reason}): pull it again.") from error


def _build_trainer(
    model: Any,
    pairs: Sequence[TrainingPair],
    work_folder: Path,
    settings: EncoderTrainingConfig,
    stopped: threading.Event,
    on_progress: Callable[[int, int], None],
) -> Any:
    """Build the trainer, which stops with a checkpoint once ``stopped`` is set, and prints nothing."""
    from datasets import Dataset
    from sentence_transformers import SentenceTransformerTrainer
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    class TrainerWithoutModelCard(SentenceTransformerTrainer):  # type: ignore[misc, unused-ignore]
        def add_model_card_callback(self, default_args_dict: Mapping[str, Any]) -> None:
            """Write no model card: kgrag writes its own."""

    trainer: Any = TrainerWithoutModelCard(
        model=model,
        args=_training_arguments(work_folder, settings),
        train_dataset=Dataset.from_dict(_dataset_columns(pairs)),
        loss=MultipleNegativesRankingLoss(model),
        callbacks=[_training_callback(stopped, on_progress)],
    )
    for callback in list(trainer.callback_handler.callbacks):
        if type(callback).__name__ == "PrinterCallback":  # it prints every log entry
            trainer.remove_callback(callback)
    return trainer


def _dataset_columns(pairs: Sequence[TrainingPair]) -> dict[str, list[str]]:
    columns = {"anchor": [p.query for p in pairs], "positive": [p.positive for p in pairs]}
    for number in range(len(pairs[0].negatives)):
        columns[f"negative_{number + 1}"] = [p.negatives[number] for p in pairs]
    return columns


def _training_arguments(work_folder: Path, settings: EncoderTrainingConfig) -> Any:
    from sentence_transformers import SentenceTransformerTrainingArguments

    arguments_class: Any = SentenceTransformerTrainingArguments
    return arguments_class(
        output_dir=str(work_folder),
        per_device_train_batch_size=settings.batch,
        num_train_epochs=settings.epochs,
        max_steps=settings.steps or -1,
        learning_rate=settings.rate,
        warmup_steps=0.1,
        lr_scheduler_type="linear",
        batch_sampler="no_duplicates",  # a text that occurs twice in a batch would be a positive and a negative
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


def _training_callback(stopped: threading.Event, on_progress: Callable[[int, int], None]) -> Any:
    """Return a trainer callback that reports progress, checks the loss, and stops once ``stopped`` is set."""
    from transformers import TrainerCallback

    class StopAndCheckLoss(TrainerCallback):  # type: ignore[misc, unused-ignore]
        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            if not math.isfinite((logs or {}).get("loss", 0.0)):
                raise ModelError(
                    f"The loss is not a number after {state.global_step} steps, and the store is unchanged: lower --rate."
                )

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            on_progress(state.global_step, state.max_steps)
            if stopped.is_set() and state.global_step < state.max_steps:
                control.should_save = control.should_training_stop = True

    return StopAndCheckLoss()


def _save_encoder(
    model: Any, max_length: int, out: Path, state: _TrainerState, seconds: float
) -> EncoderTrainingResult:
    model.max_seq_length = max_length
    with atomic_folder(out) as temporary_folder:
        model.save_pretrained(str(temporary_folder), create_model_card=False)
    return EncoderTrainingResult(state.step, seconds, _mean(state.losses[:10]), _mean(state.losses[-10:]))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan


def _prepare_work_folder(
    work_folder: Path, base: Path, pairs: Sequence[TrainingPair], settings: EncoderTrainingConfig
) -> None:
    """Keep the checkpoints of an interrupted training with the same inputs; delete all others."""
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


def _last_checkpoint(work_folder: Path) -> tuple[Path | None, _TrainerState | None]:
    """Return the checkpoint to resume from and its state; incomplete ones lack the state, which is written last."""
    checkpoints = [p for p in work_folder.glob("checkpoint-*") if (p / "trainer_state.json").is_file()]
    if not checkpoints:
        return None, None
    newest = max(checkpoints, key=lambda p: int(p.name.rpartition("-")[2]))
    return newest, _parse_state(json.loads((newest / "trainer_state.json").read_text("utf-8")))


def _parse_state(fields: Mapping[str, Any]) -> _TrainerState:
    """Return the state of a trainer, from its attributes or from a checkpoint's JSON."""
    losses = [float(log["loss"]) for log in fields["log_history"] if "loss" in log]
    return _TrainerState(int(fields["global_step"]), int(fields["max_steps"]), losses)


@contextmanager
def _deferred_interrupt() -> Iterator[threading.Event]:
    """Set an event on Ctrl-C, so that the current step is completed and saved; a second Ctrl-C stops at once."""
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
