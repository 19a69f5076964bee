"""A training on the disk: one file that is whole or not there, and whose training it is."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kgrag.errors import KgragError, ReadError, UsageError
from kgrag.storage.atomic import atomic_write


class CheckpointFile:
    """Keeps the state of one training in ``path``; ``manifest`` says of which data, model and settings it is."""

    def __init__(self, path: Path, manifest: Mapping[str, Any]) -> None:
        self.path = path
        self._manifest = json.loads(json.dumps(manifest))
        self._step: int | None = None

    def load(self) -> dict[str, Any] | None:
        """What was saved last; None if nothing was.

        Raises:
            UsageError: it is the state of another training; with what differs.
            ReadError: it cannot be read.
        """
        import torch

        if not self.path.is_file():
            return None
        try:
            checkpoint = torch.load(self.path, map_location="cpu", weights_only=True)
            manifest, state = json.loads(checkpoint["manifest"]), checkpoint["state"]
        except Exception as error:  # unpickling raises whatever it likes
            raise ReadError(
                f"The state of a training in {self.path} cannot be read ({type(error).__name__}): remove that file, "
                "and it begins anew."
            ) from error
        if manifest != self._manifest:
            names = sorted({*manifest, *self._manifest})
            differences = [
                f"{name} {manifest.get(name)!r} there, {self._manifest.get(name)!r} here"
                for name in names
                if manifest.get(name) != self._manifest.get(name)
            ]
            raise UsageError(
                f"A training that was stopped is kept in {self.path}, and it is another one ({'; '.join(differences)}): run it "
                "to its end with the same command, name another folder with --out, or begin anew with --fresh."
            )
        self._step = int(state["step"])
        return dict(state)

    def save(self, state: Mapping[str, Any]) -> None:
        """Save a state, whole or not at all.

        Raises:
            KgragError: the disk is full or cannot be written; what was saved before is as it was.
        """
        import torch

        buffer = io.BytesIO()
        torch.save({"manifest": json.dumps(self._manifest), "state": dict(state)}, buffer)
        try:
            with atomic_write(self.path) as temporary, temporary.open("wb") as file:
                file.write(buffer.getbuffer())
        except OSError as error:
            previous_note = f"that of step {self._step} is kept" if self._step is not None else "none was saved before"
            size = f"{buffer.getbuffer().nbytes / 1e6:,.1f} MB"
            raise KgragError(
                f"The state of step {state['step']} ({size}) cannot be written to {self.path} ({error.strerror or error}); "
                f"{previous_note}. Make room, and run the same command again to go on from there."
            ) from error
        self._step = int(state["step"])

    def delete(self) -> None:
        """Remove it."""
        self.path.unlink(missing_ok=True)
