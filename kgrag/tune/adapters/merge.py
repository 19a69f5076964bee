"""Merge an adapter into its base: a full model, which runs where adapters cannot be loaded."""

from __future__ import annotations

import errno
import importlib
import shutil
from pathlib import Path
from typing import Any

from kgrag.errors import ModelError, UsageError
from kgrag.llm.lora_adapter import CARD_FILE, Adapter
from kgrag.models.convert import export_precision
from kgrag.models.device import GB, memory_bytes
from kgrag.models.download import ProgressCallback, no_progress
from kgrag.models.precision import PRECISION_BYTES
from kgrag.models.safetensors_header import count_parameters
from kgrag.storage.atomic import atomic_folder

MERGED_PRECISIONS = ("bf16", "fp16", "fp32")
"""Precisions of the merged safetensors."""
SPARE_BYTES = 200_000_000
"""Bytes besides the weights: tokenizer, configuration, and the file system's overhead."""


def merge_adapter(
    adapter: Adapter,
    base: Path,
    out: Path,
    *,
    precision: str = "bf16",
    openvino: str = "",
    progress: ProgressCallback = no_progress,
) -> None:
    """Merge ``adapter`` into the model of the transformers folder ``base``, and write it to the new folder ``out``.

    The sum is computed in fp32 and stored in ``precision``. With ``openvino`` (fp32, fp16, int8, int4) a folder
    ``openvino-PRECISION`` for processors is added. After a failure nothing is left in ``out``. The caller checks that
    the adapter fits (`kgrag.llm.lora_adapter.check_base`).

    Raises:
        UsageError: ``out`` is not empty.
        ModelError: there is too little disk space or memory, or the files cannot be read or converted.
    """
    if not adapter.rank:
        raise ModelError(
            f"{adapter.name} is not a LoRA, so it has no matrices to merge into its base: use it as an adapter."
        )
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"Expected a new folder for the merged model, found files in {out}: choose another folder.")
    count = count_parameters(base)
    _check_space(
        out,
        count * (PRECISION_BYTES[precision] + (PRECISION_BYTES[openvino] if openvino else 0.0)) + SPARE_BYTES,
        count,
    )
    try:
        with atomic_folder(out) as temporary_folder:
            progress(f"merging {adapter.name} into its base", 0.1)
            _write_merged(adapter, base, temporary_folder, precision)
            if (adapter.folder / CARD_FILE).is_file():
                shutil.copy(adapter.folder / CARD_FILE, temporary_folder / CARD_FILE)
            if openvino:
                export_precision(temporary_folder, temporary_folder / f"openvino-{openvino}", openvino, progress)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ModelError(
                f"The disk of {out} became full; nothing is left there: free some space, or choose another --out."
            ) from error
        raise ModelError(f"{out} could not be written ({error.strerror or error}): choose another --out.") from error


def _check_space(out: Path, needed_bytes: float, count: int) -> None:
    existing_parent = next(path for path in [out.absolute(), *out.absolute().parents] if path.exists())
    free = shutil.disk_usage(existing_parent).free
    if needed_bytes > free:
        raise ModelError(
            f"The merged model takes {needed_bytes / GB:.1f} GB and {free / GB:.1f} GB are free at {existing_parent}: "
            "free some space, or choose a folder on a larger disk with --out."
        )
    # the weights in fp32 and the pages of their bf16 file
    needed_memory, (_, free_memory) = count * 6.0, memory_bytes()
    if needed_memory > free_memory:
        raise ModelError(
            f"Merging takes {needed_memory / GB:.1f} GB of memory and {free_memory / GB:.1f} GB are free: "
            "close other programs."
        )


def _write_merged(adapter: Adapter, base: Path, target: Path, precision: str) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call, unused-ignore]
    peft: Any = importlib.import_module("peft")
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(str(base), local_files_only=True)
        model: Any = AutoModelForCausalLM.from_pretrained(str(base), dtype=torch.float32, local_files_only=True)
        # safe_merge: a sum that is NaN raises an error
        model = peft.PeftModel.from_pretrained(model, str(adapter.folder)).merge_and_unload(safe_merge=True)
        torch_dtype = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}[precision]
        model.to(torch_dtype).save_pretrained(str(target))
        tokenizer.save_pretrained(str(target))
    except (ValueError, KeyError, RuntimeError, ImportError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(
            f"{adapter.name} could not be merged into the model in {base} ({reason}): pull the model again, and check "
            "that the adapter's files are complete."
        ) from error
