"""Which language model fits this machine, and loading it."""

from __future__ import annotations

import importlib
import os
from pathlib import Path

from kgrag.errors import ModelError
from kgrag.llm.openvino import OpenVINOLLM
from kgrag.llm.transformers import TransformersLLM
from kgrag.models.convert import openvino_folder, pull, ready, transformers_folder
from kgrag.models.device import has_cuda
from kgrag.models.fetch import Progress, silent
from kgrag.models.registry import find
from kgrag.protocols import LLM

GB = 10**9
LARGE = "qwen2.5-coder-1.5b-instruct"
SMALL = "qwen2.5-coder-0.5b-instruct"
LARGE_MEMORY = 7 * GB
"""What the large model needs beside a desktop: 2.1 GB to run, 5 GB once while it is converted."""
LARGE_GPU = 5 * GB
"""3.1 GB of weights, the cache of a long prompt, and torch itself."""


def choose_model(memory_bytes: int, cpu_count: int, gpu_bytes: int = 0) -> tuple[str, str]:
    """The registry's model for a machine, and why in half a sentence.

    ``memory_bytes`` is all of its memory, ``cpu_count`` its usable cores, ``gpu_bytes`` a CUDA device's (0: none).
    """
    if gpu_bytes >= LARGE_GPU:
        return LARGE, f"the GPU has {gpu_bytes / GB:.0f} GB, it needs {LARGE_GPU / GB:.0f}"
    if memory_bytes < LARGE_MEMORY:
        return SMALL, f"there are {memory_bytes / GB:.0f} GB of memory, the 1.5B model needs {LARGE_MEMORY / GB:.0f}"
    if cpu_count < 2:
        return SMALL, "there is one core, and the 1.5B model needs two to start answering within seconds"
    return LARGE, f"{memory_bytes / GB:.0f} GB of memory and {cpu_count} cores are enough, and it answers better"


def machine() -> tuple[int, int, int]:
    """(bytes of memory, usable cores, bytes of CUDA memory) of this machine, a container's limit respected."""
    # Loaded by name because it comes without types; accelerate requires it.
    memory = int(importlib.import_module("psutil").virtual_memory().total)
    limit = Path("/sys/fs/cgroup/memory.max")
    if limit.is_file() and (said := limit.read_text().strip()).isdigit():
        memory = min(memory, int(said))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    gpu = 0
    if has_cuda():
        import torch

        gpu = int(torch.cuda.get_device_properties(0).total_memory)
    return memory, cores, gpu


def load_llm(name: str = "auto", progress: Progress = silent) -> LLM:
    """A language model of the registry, or one in a folder; ``"auto"`` chooses by the machine. Pulled if not here.

    Raises:
        ModelError: there is none of that name, it is an embedder, or it cannot be had or loaded.
    """
    if name == "auto":
        name, why = choose_model(*machine())
        progress(f"chose {name}: {why}", 0.0)
    model = find(name)
    if model.kind != "llm":
        raise ModelError(f"{model.name} is an embedder, expected a language model: name one such as {LARGE}.")
    on_gpu = has_cuda()
    if on_gpu and model.local is not None and any(model.local.glob("*.safetensors")):
        return TransformersLLM(model.local, model.local.name, model.context)
    folder = ready(model) or pull(name, progress)
    only_ir = folder == model.local
    label = model.local.name if model.local is not None else model.name
    if on_gpu and not only_ir:
        return TransformersLLM(transformers_folder(model, folder), label, model.context)
    return OpenVINOLLM(openvino_folder(model, folder), label, model.context)
