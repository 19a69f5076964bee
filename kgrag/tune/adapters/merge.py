"""An adapter merged into its base: a full model, which runs where no adapter can be added."""

from __future__ import annotations

import errno
import importlib
import shutil
from pathlib import Path
from typing import Any

from kgrag.errors import ModelError, UsageError
from kgrag.files import replaced_folder
from kgrag.llm.adapter import CARD, Adapter
from kgrag.models.convert import export
from kgrag.models.device import GB, memory
from kgrag.models.fetch import Progress, silent
from kgrag.models.precision import BYTES
from kgrag.models.safetensors import parameters

KEPT = ("bf16", "fp16", "fp32")
"""Precisions of the merged safetensors."""
SPARE = 200_000_000
"""Bytes beside the weights: tokenizer, tables, the file system's own."""


def merge(
    adapter: Adapter,
    base: Path,
    out: Path,
    *,
    precision: str = "bf16",
    openvino: str = "",
    progress: Progress = silent,
) -> None:
    """Write the model in the transformers folder ``base``, changed by ``adapter``, to the new folder ``out``.

    The sum is computed in fp32 and kept in ``precision``. With ``openvino`` (fp32, fp16, int8, int4) a folder
    ``openvino-PRECISION`` inside is what a processor runs. Nothing is left where anything fails.

    Raises:
        UsageError: ``out`` holds something already.
        ModelError: disk or memory are too small, or the files cannot be read or converted. That the adapter fits is for
            the caller to check (`kgrag.llm.adapter.check_base`).
    """
    if not adapter.rank:
        raise ModelError(
            f"{adapter.name} has no matrices that could be added to its base's (it is no LoRA): use it as an adapter."
        )
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"Expected a new folder for the merged model, found that {out} holds something: name another.")
    count = parameters(base)
    _room(out, count * (BYTES[precision] + (BYTES[openvino] if openvino else 0.0)) + SPARE, count)
    try:
        with replaced_folder(out) as beside:
            progress(f"merging {adapter.name} into its base", 0.1)
            _merged(adapter, base, beside, precision)
            if (adapter.folder / CARD).is_file():
                shutil.copy(adapter.folder / CARD, beside / CARD)
            if openvino:
                export(beside, beside / f"openvino-{openvino}", openvino, progress)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ModelError(
                f"The disk that holds {out} became full; nothing is left there: free some space, or name another --out."
            ) from error
        raise ModelError(f"{out} could not be written ({error.strerror or error}): name another --out.") from error


def _room(out: Path, wanted: float, count: int) -> None:
    there = next(path for path in [out.absolute(), *out.absolute().parents] if path.exists())
    free = shutil.disk_usage(there).free
    if wanted > free:
        raise ModelError(
            f"The merged model takes {wanted / GB:.1f} GB and {free / GB:.1f} GB are free at {there}: free some space, "
            "or name a folder on a larger disk with --out."
        )
    # the weights in fp32 and the pages of the file they come from
    needs, (_, now) = count * 6.0, memory()
    if needs > now:
        raise ModelError(
            f"Merging takes {needs / GB:.1f} GB of memory and {now / GB:.1f} GB are free: close what else uses it."
        )


def _merged(adapter: Adapter, base: Path, target: Path, precision: str) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call, unused-ignore]
    peft: Any = importlib.import_module("peft")
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(str(base), local_files_only=True)
        model: Any = AutoModelForCausalLM.from_pretrained(str(base), dtype=torch.float32, local_files_only=True)
        # safe: a sum that is not a number is an error
        model = peft.PeftModel.from_pretrained(model, str(adapter.folder)).merge_and_unload(safe_merge=True)
        kept = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}[precision]
        model.to(kept).save_pretrained(str(target))
        tokenizer.save_pretrained(str(target))
    except (ValueError, KeyError, RuntimeError, ImportError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(
            f"{adapter.name} could not be merged into the model in {base} ({reason}): pull the model again, and see "
            "that the adapter is whole."
        ) from error
