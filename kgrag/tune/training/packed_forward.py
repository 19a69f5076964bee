"""Forward pass of a model over a pack, which computes only the needed log-probabilities.

Logits are computed only at the tokens that predict a target. Layers below the first trained one give the same output in
every epoch: they are computed without a graph and cached if there is memory, so that later epochs and the evaluations
start in the middle of the model.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, TypedDict

from kgrag.tune.training.prefix_packing import PackedSequence

if TYPE_CHECKING:
    from torch import Tensor

SPLIT_TOLERANCE = 1e-3
"""Maximum relative difference in a log-probability between a split model and the whole."""


class _ForwardOptions(TypedDict):
    """Arguments of the model's forward pass besides the input embeddings."""

    attention_mask: Tensor
    position_ids: Tensor
    logits_to_keep: Tensor
    use_cache: bool


class PackedModel:
    """A transformers model with its adapter, as a function from a pack to log-probabilities."""

    def __init__(self, model: Any, *, frozen_layers: int = 0, half_dtype: str = "", cache_bytes: int = 0) -> None:
        """Wrap a model.

        Args:
            model: a peft model, or a plain one.
            frozen_layers: number of lower layers without trained weights.
            half_dtype: ``"bf16"`` or ``"fp16"`` to compute in it although the weights are fp32.
            cache_bytes: memory for the outputs of the frozen layers.
        """
        self.model = model
        self.frozen_layers, self.cache_bytes_left = frozen_layers, cache_bytes
        self._half_dtype = half_dtype
        self._base: Any = model.get_base_model() if hasattr(model, "get_base_model") else model
        self._decoder: Any = self._base.get_decoder()
        self._activation_cache: dict[PackedSequence, Tensor] = {}
        self._has_virtual_tokens = getattr(model, "peft_config", None) and model.active_peft_config.is_prompt_learning

    @property
    def device(self) -> Any:
        """Return the device of the model."""
        return self._base.device

    def logprobs(self, pack: PackedSequence) -> Tensor:
        """Return the log-probability of each target of the pack, (n,) fp32; with a graph if gradients are enabled."""
        import torch

        hidden, options = self._model_inputs(pack)
        with self._autocast():
            if self.frozen_layers:
                activations = self._activation_cache.get(pack)
                if activations is None:
                    activations = self._frozen_activations(hidden, options)
                    if (size := activations.numel() * activations.element_size()) <= self.cache_bytes_left:
                        self.cache_bytes_left -= size
                        self._activation_cache[pack] = activations
                with self._use_layers(self._decoder.layers[self.frozen_layers :]):
                    logits = self._base(inputs_embeds=activations, **options).logits[0]
            else:
                logits = self._base(inputs_embeds=hidden, **options).logits[0]
        targets = torch.from_numpy(pack.targets).to(logits.device)
        return -torch.nn.functional.cross_entropy(logits.float(), targets, reduction="none")

    def clear_cache(self) -> None:
        """Free the cached outputs of the frozen layers."""
        self.cache_bytes_left += sum(t.numel() * t.element_size() for t in self._activation_cache.values())
        self._activation_cache.clear()

    def verify_split(self, pack: PackedSequence) -> bool:
        """Whether both parts, run one after the other, equal the whole model; if not, the split is disabled."""
        import torch

        if not self.frozen_layers:
            return True
        with torch.no_grad():
            split_logprobs = self.logprobs(pack)
            frozen, self.frozen_layers = self.frozen_layers, 0
            full_logprobs = self.logprobs(pack)
        exact = self._base.dtype == torch.float32 and not self._half_dtype
        matches = bool(
            (
                (split_logprobs - full_logprobs).abs()
                <= SPLIT_TOLERANCE * (1.0 if exact else 50.0) * (1 + full_logprobs.abs())
            ).all()
        )
        if matches:
            self.frozen_layers = frozen
        else:
            self.clear_cache()
        return matches

    def _model_inputs(self, pack: PackedSequence) -> tuple[Tensor, _ForwardOptions]:
        """Return (the first layer's input, the model's other arguments)."""
        import torch

        ids = torch.from_numpy(pack.ids)[None].to(self.device)
        hidden = self._base.get_input_embeddings()(ids)
        depth, attention, rows = (
            torch.from_numpy(array) for array in (pack.depth, pack.attention_mask(), pack.predicting_tokens)
        )
        if self._has_virtual_tokens:  # every token attends to the virtual tokens, which come first
            prompt = self.model.get_prompt(batch_size=1).to(hidden.dtype)
            count = prompt.shape[1]
            hidden = torch.cat([prompt, hidden], dim=1)
            depth = torch.cat([torch.arange(count), depth + count])
            full_attention = torch.ones(len(depth), len(depth), dtype=torch.bool).tril_()
            full_attention[count:, count:] = attention
            attention, rows = full_attention, rows + count
        return hidden, {
            "attention_mask": attention[None, None].to(self.device),
            "position_ids": depth[None].to(self.device),
            "logits_to_keep": rows.to(self.device),
            "use_cache": False,
        }

    def _frozen_activations(self, hidden: Tensor, options: _ForwardOptions) -> Tensor:
        """Return the output of the frozen layers, without a graph."""
        import torch

        outputs: list[Tensor] = []
        last = self._decoder.layers[self.frozen_layers - 1]
        hook = last.register_forward_hook(
            lambda _module, _inputs, output: outputs.append(output[0] if isinstance(output, tuple) else output)
        )
        try:
            with torch.no_grad(), self._use_layers(self._decoder.layers[: self.frozen_layers]):
                cheap_options: _ForwardOptions = {**options, "logits_to_keep": options["logits_to_keep"][:1]}
                self._base(inputs_embeds=hidden, **cheap_options)
        finally:
            hook.remove()
        return outputs[0].detach()

    @contextmanager
    def _use_layers(self, layers: Any) -> Iterator[None]:
        """Restrict the decoder to some of its layers."""
        all_layers = self._decoder.layers
        self._decoder.layers = layers
        try:
            yield
        finally:
            self._decoder.layers = all_layers

    def _autocast(self) -> AbstractContextManager[Any]:
        import torch

        if not self._half_dtype:
            return nullcontext()
        dtype = torch.bfloat16 if self._half_dtype == "bf16" else torch.float16
        return torch.autocast(self.device.type, dtype=dtype)
