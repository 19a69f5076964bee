"""Checkpoints of a training: one file, written completely or not at all, bound to its data, model and settings."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path

from kgrag.errors import KgragError, ReadError, UsageError
from kgrag.storage.atomic import atomic_write
from kgrag.tune.training.train_state import CheckpointState

TrainingManifest = Mapping[str, str | int | float | bool]
"""Data, model and settings that a checkpoint depends on."""


class CheckpointFile:
    """The checkpoint file of one training; it can only be resumed with the same ``manifest``."""

    def __init__(self, path: Path, manifest: TrainingManifest) -> None:
        self.path = path
        self._manifest = json.loads(json.dumps(manifest))
        self._step: int | None = None

    def load(self) -> CheckpointState | None:
        """Return the last saved state, None if there is none.

        Raises:
            UsageError: the checkpoint belongs to another training; the message names the differences.
            ReadError: the file cannot be read.
        """
        import torch

        if not self.path.is_file():
            return None
        try:
            checkpoint = torch.load(self.path, map_location="cpu", weights_only=True)
            manifest = json.loads(checkpoint["manifest"])
            state: CheckpointState = checkpoint["state"]
        except Exception as error:  # unpickling can raise any exception
            raise ReadError(
                f"The checkpoint {self.path} cannot be read ({type(error).__name__}): delete that file to start over."
            ) from error
        if manifest != self._manifest:
            names = sorted({*manifest, *self._manifest})
            differences = [
                f"{name}: {manifest.get(name)!r} in the checkpoint, {self._manifest.get(name)!r} now"
                for name in names
                if manifest.get(name) != self._manifest.get(name)
            ]
            raise UsageError(
                f"{self.path} is the checkpoint of another training ({'; '.join(differences)}): finish that training with "
                "the same command, choose another folder with --out, or start over with --fresh."
            )
        self._step = int(state["step"])
        return state

    def save(self, state: CheckpointState) -> None:
        """Save a state, completely or not at all.

        Raises:
            KgragError: the disk is full or cannot be written; the previous checkpoint is unchanged.
        """
        import torch

        buffer = io.BytesIO()
        torch.save({"manifest": json.dumps(self._manifest), "state": dict(state)}, buffer)
        try:
            with atomic_write(self.path) as temporary, temporary.open("wb") as file:
                file.write(buffer.getbuffer())
        except OSError as error:
            previous_note = (
                f"the checkpoint of step {self._step} is kept" if self._step is not None else "none was saved before"
            )
            size = f"{buffer.getbuffer().nbytes / 1e6:,.1f} MB"
            raise KgragError(
                f"The checkpoint of step {state['step']} ({size}) cannot be written to {self.path} "
                f"({error.strerror or error}); {previous_note}. Free disk space, then run the same command again to continue."
            ) from error
        self._step = int(state["step"])

    def delete(self) -> None:
        """Delete the file."""
        self.path.unlink(missing_ok=True)
