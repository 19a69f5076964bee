"""Models with trainable adapters, built with peft, and saving them in files that every backend reads."""

from __future__ import annotations

import importlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kgrag.errors import ModelError
from kgrag.llm.lora_adapter import CONFIG_FILE, WEIGHTS_FILE
from kgrag.llm.transformers_utils import load_model
from kgrag.models.precision import RuntimeChoice
from kgrag.tune.training.malloc import disable_malloc_trim
from kgrag.tune.training.settings import VIRTUAL_TOKENS, DevicePlan, TrainingConfig

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Parameter

PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""Matrices that LoRA adapts, if the model uses these names; else LoRA adapts all of its linear layers."""
TOKENIZER_FILES = ("tokenizer*", "*.jinja", "vocab*", "merges.txt", "special_tokens_map.json", "added_tokens.json", "*.model", "generation_config.json")  # fmt: skip


def load_base(folder: Path, name: str, device_plan: DevicePlan) -> tuple[Any, Any]:
    """Load (tokenizer, model) from a folder of safetensors.

    Raises:
        ModelError: the files cannot be read, or do not fit the device's memory.
    """
    if device_plan.device == "cpu":
        disable_malloc_trim()
    if device_plan.device == "cuda":
        import torch

        # cuDNN attention returns NaN gradients for some masks of packs (torch 2.11 on an H200)
        torch.backends.cuda.enable_cudnn_sdp(False)
    attention = "sdpa"  # the implementation that accepts any mask and runs on every device
    choice = RuntimeChoice("transformers", device_plan.device, device_plan.weights, attention, (device_plan.reason,))
    return load_model(folder, name, choice, None)


def add_adapter(model: Any, settings: TrainingConfig) -> Any:
    """Add trainable weights, initialised from the seed, to a model; full training makes all of its own trainable.

    Raises:
        ModelError: peft does not support this kind of model.
    """
    import torch

    torch.manual_seed(settings.seed)
    if settings.method == "full":
        return model.requires_grad_(True)
    peft = importlib.import_module("peft")
    layers = int(model.config.num_hidden_layers)
    if settings.method == "p-tuning":
        config = peft.PromptEncoderConfig(
            task_type="CAUSAL_LM", num_virtual_tokens=VIRTUAL_TOKENS, encoder_hidden_size=int(model.config.hidden_size)
        )
    else:
        if settings.method == "qlora":
            model = peft.prepare_model_for_kbit_training(model, use_gradient_checkpointing=settings.checkpointing)
        module_names = {name.rsplit(".", 1)[-1] for name, _ in model.named_modules()}
        first_layer = settings.first_trained_layer(layers)
        config = peft.LoraConfig(
            task_type="CAUSAL_LM",
            r=settings.rank,
            lora_alpha=2 * settings.rank,
            lora_dropout=0.0,
            target_modules=[name for name in PROJECTIONS if name in module_names] or "all-linear",
            layers_to_transform=list(range(first_layer, layers)) if first_layer else None,
        )
    try:
        adapted_model = peft.get_peft_model(model, config)
    except (ValueError, AttributeError) as error:
        raise ModelError(
            f"A {settings.method} adapter cannot be added to this model ({error}): choose another model."
        ) from error
    if settings.checkpointing and settings.method != "qlora":
        model.gradient_checkpointing_enable({"use_reentrant": False})
    return adapted_model


def trainable_parameters(model: Any) -> dict[str, Parameter]:
    """Return name -> parameter of all that is trained."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def load_weights(model: Any, weights: Mapping[str, Tensor]) -> None:
    """Set the trained parameters to ``weights``, by the names of `trainable_parameters`."""
    import torch

    with torch.no_grad():
        for name, parameter in trainable_parameters(model).items():
            parameter.copy_(weights[name])


def load_adapter_weights(model: Any, folder: Path) -> None:
    """Set the trained parameters to the weights of an adapter's folder.

    Raises:
        ModelError: the adapter has other matrices: another rank, other layers or another method.
    """
    peft, safetensors = importlib.import_module("peft"), importlib.import_module("safetensors.torch")
    saved_weights = safetensors.load_file(str(folder / WEIGHTS_FILE))
    model_weights = peft.get_peft_model_state_dict(model)
    if saved_weights.keys() != model_weights.keys() or any(
        saved_weights[name].shape != model_weights[name].shape for name in saved_weights
    ):
        raise ModelError(
            f"The adapter in {folder} has other matrices than this training: pass the --method, --rank and --layers "
            "that it was trained with."
        )
    peft.set_peft_model_state_dict(model, saved_weights)


def save_trained(model: Any, base: str, source: Path, folder: Path) -> None:
    """Write the trained weights into ``folder``: an adapter in fp16 with peft's names, or a whole model in bf16.

    ``base`` is the model's name, which the adapter's configuration records; ``source`` has the tokenizer's files.
    """
    import torch

    if not hasattr(model, "peft_config"):
        halves = {name: tensor.to(torch.bfloat16) for name, tensor in model.state_dict().items()}
        model.save_pretrained(str(folder), state_dict=halves)
        config = json.loads((folder / "config.json").read_text("utf-8"))
        config.pop("_name_or_path", None)
        config["dtype"] = "bfloat16"
        _write_json(folder / "config.json", config)
        for pattern in TOKENIZER_FILES:
            for file in source.glob(pattern):
                shutil.copy(file, folder / file.name)
        return
    peft, safetensors = importlib.import_module("peft"), importlib.import_module("safetensors.torch")
    weights = peft.get_peft_model_state_dict(model)
    halves = {name: tensor.detach().to("cpu", torch.float16).contiguous() for name, tensor in weights.items()}
    (folder / WEIGHTS_FILE).write_bytes(safetensors.save(halves, metadata={"format": "pt"}))
    config = model.active_peft_config.to_dict()
    config |= {"base_model_name_or_path": base, "inference_mode": True}
    _write_json(folder / CONFIG_FILE, config)


def _write_json(path: Path, value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True, default=sorted)
    path.write_text(text + "\n", "utf-8")
