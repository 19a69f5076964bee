"""Which language model fits this machine, and loading it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from kgrag.config import Config, api_key
from kgrag.errors import ModelError
from kgrag.llm.adapter import Adapter, base_sha256, check_base, load_adapter
from kgrag.llm.shelf import find_adapter
from kgrag.models.address import address, is_address
from kgrag.models.convert import openvino_folder, pull, ready, transformers_folder
from kgrag.models.device import GB, Device, cores, cpu, has_cuda, this_device
from kgrag.models.fetch import Progress, silent
from kgrag.models.plan import check_memory
from kgrag.models.precision import Choice, decide
from kgrag.models.registry import Model, find
from kgrag.protocols import LLM

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
    return cpu().memory, cores(), this_device().memory if has_cuda() else 0


def chosen(name: str, config: Config, device: Device | None = None) -> tuple[Model, Choice, str]:
    """The model that a name stands for, how it would run here, and why this one ("" where it was named).

    Raises:
        ModelError: there is none of that name, it is an embedder, or it cannot run as the configuration says.
    """
    why = ""
    if name == "auto":
        name, why = choose_model(*machine())
    model = find(name)
    if model.kind != "llm":
        raise ModelError(f"{model.name} is an embedder, expected a language model: name one such as {LARGE}.")
    choice = decide(model, device or this_device(), config.precision, config.attention)
    return model, choice, why


def load_llm(name: str = "auto", progress: Progress = silent, config: Config | None = None) -> LLM:
    """A language model of the registry, one in a folder or a file, or one behind a server. Pulled if not here.

    ``"auto"`` chooses by the machine. ``config`` says precision, attention, adapter and how a server is asked.

    Raises:
        ModelError: there is none of that name, it is an embedder, it does not fit the memory, or it cannot be had or
            loaded, or its adapter is another model's.
    """
    config = config or Config.model_validate({})
    if is_address(name):
        return _server(name, progress, config)
    model, choice, why = chosen(name, config)
    if why:
        progress(f"chose {model.name}: {why}", 0.0)
    adapter = load_adapter(adapter_folder(config.adapter)) if config.adapter else None
    if adapter is not None and (adapter.virtual or not adapter.plain) and choice.home == "openvino":
        what = "is of p-tuning" if adapter.virtual else "is no plain LoRA"
        progress(f"{adapter.name} {what}: transformers runs it, and {model.name} answers more slowly", 0.0)
        choice = decide(model, this_device(), config.precision, config.attention, home="transformers")
    if choice.home == "openvino" and choice.precision in ("fp32", "fp16", "int8", "int4"):
        model = replace(model, precision=choice.precision)
    # a model that is not here yet is not fetched to find that it does not fit
    check_memory(model, choice, this_device())
    label = model.local.name if model.local is not None else Path(model.name).name
    if choice.home == "transformers":
        from kgrag.llm.transformers import TransformersLLM

        folder = weights_of(model, progress)
        _fits(adapter, label, folder, model)
        return TransformersLLM(folder, label, model.context, choice, adapter)
    from kgrag.llm.openvino import OpenVINOLLM

    folder = openvino_folder(model, ready(model) or pull(model.name, progress, model.precision))
    _fits(adapter, label, folder, model)
    return OpenVINOLLM(folder, label, model.context, adapter=adapter)


def _server(name: str, progress: Progress, config: Config) -> LLM:
    from kgrag.llm.server import ServerLLM

    if config.adapter:
        raise ModelError("An adapter cannot be added to a model behind a server: load it there, and name that model.")
    where = address(name)
    if not where.here:
        progress(f"questions and passages go to {where.url}", 0.0)
    return ServerLLM(where, api_key(), config.server)


def weights_of(model: Model, progress: Progress = silent) -> Path:
    """The transformers folder of a model, fetched if it is not here.

    Raises:
        ModelError: it cannot be had.
    """
    if model.local is not None:
        return model.local
    folder = ready(model, any_precision=True) or pull(model.name, progress)
    return transformers_folder(model, folder)


def _fits(adapter: Adapter | None, label: str, folder: Path, model: Model) -> None:
    if adapter is not None:
        check_base(adapter, label, folder, base_sha256(adapter, model))


def adapter_folder(name: str, store: Path | None = None) -> Path:
    """The folder that an adapter's name stands for; see `kgrag.llm.shelf`.

    Raises:
        ModelError: there is none of that name.
    """
    return find_adapter(name, store)
