"""Choose the language model that fits this machine, and load it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from kgrag.config import Config, api_key
from kgrag.errors import ModelError
from kgrag.llm.adapter_registry import resolve_adapter_folder
from kgrag.llm.lora_adapter import Adapter, base_sha256, check_base, load_adapter
from kgrag.models.convert import local_folder, openvino_folder, pull_model, transformers_folder
from kgrag.models.device import GB, Device, cpu_device, has_cuda, this_device, usable_cores
from kgrag.models.download import ProgressCallback, no_progress
from kgrag.models.endpoint import is_address, parse_address
from kgrag.models.memory_plan import check_memory
from kgrag.models.precision import RuntimeChoice, choose_runtime
from kgrag.models.registry import ModelEntry, find_model
from kgrag.protocols import LLM

LARGE_MODEL = "qwen2.5-coder-1.5b-instruct"
SMALL_MODEL = "qwen2.5-coder-0.5b-instruct"
MIN_LARGE_MODEL_MEMORY = 7 * GB
"""Memory for the large model beside a desktop: 2.1 GB to run, 5 GB once during conversion."""
MIN_LARGE_MODEL_GPU_MEMORY = 5 * GB
"""GPU memory for the large model: 3.1 GB of weights, the cache of a long prompt, and torch itself."""


def default_model_for(memory_bytes: int, cpu_count: int, gpu_bytes: int = 0) -> tuple[str, str]:
    """Choose the registry's model for a machine, with the reason as half a sentence.

    Args:
        memory_bytes: total memory of the machine.
        cpu_count: usable cores.
        gpu_bytes: memory of the CUDA device; 0 for none.
    """
    if gpu_bytes >= MIN_LARGE_MODEL_GPU_MEMORY:
        return (
            LARGE_MODEL,
            f"the GPU has {gpu_bytes / GB:.0f} GB, the 1.5B model needs {MIN_LARGE_MODEL_GPU_MEMORY / GB:.0f}",
        )
    if memory_bytes < MIN_LARGE_MODEL_MEMORY:
        return (
            SMALL_MODEL,
            f"this machine has {memory_bytes / GB:.0f} GB of memory, the 1.5B model needs {MIN_LARGE_MODEL_MEMORY / GB:.0f}",
        )
    if cpu_count < 2:
        return SMALL_MODEL, "this machine has one core, the 1.5B model needs two to start answering within seconds"
    return (
        LARGE_MODEL,
        f"{memory_bytes / GB:.0f} GB of memory and {cpu_count} cores are enough for the better of the two models",
    )


def machine_resources() -> tuple[int, int, int]:
    """Return (bytes of memory, usable cores, bytes of CUDA memory) of this machine, within a container's limits."""
    return cpu_device().memory, usable_cores(), this_device().memory if has_cuda() else 0


def resolve_model(name: str, config: Config, device: Device | None = None) -> tuple[ModelEntry, RuntimeChoice, str]:
    """Resolve a name to a model, its runtime here, and the reason of an automatic choice ("" for a given name).

    Raises:
        ModelError: the name is unknown or an embedder's, or the model cannot run as configured.
    """
    why = ""
    if name == "auto":
        name, why = default_model_for(*machine_resources())
    model = find_model(name)
    if model.kind != "llm":
        raise ModelError(
            f"Expected a language model, found the embedder {model.name}: choose one such as {LARGE_MODEL}."
        )
    choice = choose_runtime(model, device or this_device(), config.precision, config.attention)
    return model, choice, why


def load_llm(name: str = "auto", progress: ProgressCallback = no_progress, config: Config | None = None) -> LLM:
    """Load a language model: from the registry, a folder, a file or a server. Downloads it if necessary.

    Args:
        name: name of a model, path or address; ``"auto"`` chooses by the machine's resources.
        progress: called with (message, fraction done).
        config: precision, attention, adapter and settings of servers.

    Raises:
        ModelError: the name is unknown or an embedder's; the model exceeds the memory or cannot be downloaded or loaded;
            or the adapter was trained on another model.
    """
    config = config or Config.model_validate({})
    if is_address(name):
        return _load_server_llm(name, progress, config)
    model, choice, why = resolve_model(name, config)
    if why:
        progress(f"chose {model.name}: {why}", 0.0)
    adapter = load_adapter(named_adapter_folder(config.adapter)) if config.adapter else None
    if adapter is not None and (adapter.virtual_tokens or not adapter.is_plain_lora) and choice.backend == "openvino":
        what = "uses p-tuning" if adapter.virtual_tokens else "is not a plain LoRA"
        progress(f"{adapter.name} {what}: running with transformers, so {model.name} answers more slowly", 0.0)
        choice = choose_runtime(model, this_device(), config.precision, config.attention, backend="transformers")
    if choice.backend == "openvino" and choice.precision in ("fp32", "fp16", "int8", "int4"):
        model = replace(model, precision=choice.precision)
    # check before the download: a model that does not fit is not fetched
    check_memory(model, choice, this_device())
    label = model.local_path.name if model.local_path is not None else Path(model.name).name
    if choice.backend == "transformers":
        from kgrag.llm.transformers_backend import TransformersLLM

        folder = weights_folder(model, progress)
        _check_adapter_base(adapter, label, folder, model)
        return TransformersLLM(folder, label, model.context, choice, adapter)
    from kgrag.llm.openvino_backend import OpenVINOLLM

    folder = openvino_folder(model, local_folder(model) or pull_model(model.name, progress, model.precision))
    _check_adapter_base(adapter, label, folder, model)
    return OpenVINOLLM(folder, label, model.context, adapter=adapter)


def _load_server_llm(name: str, progress: ProgressCallback, config: Config) -> LLM:
    from kgrag.llm.openai_backend import ServerLLM

    if config.adapter:
        raise ModelError(
            "An adapter cannot be added to a model behind a server: load it on the server and pass that model's name."
        )
    server_address = parse_address(name)
    if not server_address.is_local:
        progress(f"questions and passages are sent to {server_address.url}", 0.0)
    return ServerLLM(server_address, api_key(), config.server)


def weights_folder(model: ModelEntry, progress: ProgressCallback = no_progress) -> Path:
    """Return the transformers folder of a model; downloads it if it is missing.

    Raises:
        ModelError: the download fails.
    """
    if model.local_path is not None:
        return model.local_path
    folder = local_folder(model, any_precision=True) or pull_model(model.name, progress)
    return transformers_folder(model, folder)


def _check_adapter_base(adapter: Adapter | None, label: str, folder: Path, model: ModelEntry) -> None:
    if adapter is not None:
        check_base(adapter, label, folder, base_sha256(adapter, model))


def named_adapter_folder(name: str, store: Path | None = None) -> Path:
    """Find the folder of an adapter by name; see `kgrag.llm.adapter_registry`.

    Raises:
        ModelError: there is none of that name.
    """
    return resolve_adapter_folder(name, store)
