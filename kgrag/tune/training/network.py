"""What a model makes of a pack: the log-probability of each thing that it is to say, computed no more than need be.

Logits are made at the tokens that predict something and nowhere else. Layers below the first one that is trained make
the same numbers in every round: they are computed without a graph, and kept where there is room, so that later rounds
and the held-out examples begin in the middle of the model.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from kgrag.tune.training.packing import Pack

if TYPE_CHECKING:
    from torch import Tensor

ALIKE = 1e-3
"""How far the halves of a model, one after the other, may be from the whole in a log-probability."""


class Network:
    """A model of transformers, with what is trained in it, as a function from a pack to log-probabilities."""

    def __init__(self, model: Any, *, frozen: int = 0, half: str = "", keep: int = 0) -> None:
        """``model`` is the one that peft made, or a plain one; the first ``frozen`` layers hold nothing that is trained.

        ``half``: ``"bf16"`` or ``"fp16"`` to compute in it though the weights are fp32; ``keep``: bytes for what the
        frozen layers make.
        """
        self.model = model
        self.frozen, self.room = frozen, keep
        self._half = half
        self._base: Any = model.get_base_model() if hasattr(model, "get_base_model") else model
        self._decoder: Any = self._base.get_decoder()
        self._kept: dict[Pack, Tensor] = {}
        self._virtual = getattr(model, "peft_config", None) and model.active_peft_config.is_prompt_learning

    @property
    def device(self) -> Any:
        """Where it computes."""
        return self._base.device

    def logprobs(self, pack: Pack) -> Tensor:
        """(n,) fp32: the log-probability of each target of the pack. With a graph, if gradients are on."""
        import torch

        hidden, options = self._inputs(pack)
        with self._computing():
            if self.frozen:
                below = self._kept.get(pack)
                if below is None:
                    below = self._below(hidden, options)
                    if (size := below.numel() * below.element_size()) <= self.room:
                        self.room -= size
                        self._kept[pack] = below
                with self._layers(self._decoder.layers[self.frozen :]):
                    logits = self._base(inputs_embeds=below, **options).logits[0]
            else:
                logits = self._base(inputs_embeds=hidden, **options).logits[0]
        targets = torch.from_numpy(pack.targets).to(logits.device)
        return -torch.nn.functional.cross_entropy(logits.float(), targets, reduction="none")

    def forget(self) -> None:
        """Give back the room of what the frozen layers made."""
        self.room += sum(one.numel() * one.element_size() for one in self._kept.values())
        self._kept.clear()

    def check(self, pack: Pack) -> bool:
        """Whether its halves one after the other make what the whole makes; if not, it is run as a whole from now on."""
        import torch

        if not self.frozen:
            return True
        with torch.no_grad():
            parts = self.logprobs(pack)
            frozen, self.frozen = self.frozen, 0
            whole = self.logprobs(pack)
        exact = self._base.dtype == torch.float32 and not self._half
        alike = bool(((parts - whole).abs() <= ALIKE * (1.0 if exact else 50.0) * (1 + whole.abs())).all())
        if alike:
            self.frozen = frozen
        else:
            self.forget()
        return alike

    def _inputs(self, pack: Pack) -> tuple[Tensor, dict[str, Any]]:
        """(the first layer's input, the rest of what the model is called with)."""
        import torch

        ids = torch.from_numpy(pack.ids)[None].to(self.device)
        hidden = self._base.get_input_embeddings()(ids)
        depth, seen, rows = (torch.from_numpy(one) for one in (pack.depth, pack.seen(), pack.rows))
        if self._virtual:  # everything sees the virtual tokens, which stand before it
            prompt = self.model.get_prompt(batch_size=1).to(hidden.dtype)
            count = prompt.shape[1]
            hidden = torch.cat([prompt, hidden], dim=1)
            depth = torch.cat([torch.arange(count), depth + count])
            wider = torch.ones(len(depth), len(depth), dtype=torch.bool).tril_()
            wider[count:, count:] = seen
            seen, rows = wider, rows + count
        return hidden, {
            "attention_mask": seen[None, None].to(self.device),
            "position_ids": depth[None].to(self.device),
            "logits_to_keep": rows.to(self.device),
            "use_cache": False,
        }

    def _below(self, hidden: Tensor, options: dict[str, Any]) -> Tensor:
        """What the frozen layers make, without a graph."""
        import torch

        caught: list[Tensor] = []
        last = self._decoder.layers[self.frozen - 1]
        hook = last.register_forward_hook(
            lambda _module, _inputs, made: caught.append(made[0] if isinstance(made, tuple) else made)
        )
        try:
            with torch.no_grad(), self._layers(self._decoder.layers[: self.frozen]):
                few = {**options, "logits_to_keep": options["logits_to_keep"][:1]}
                self._base(inputs_embeds=hidden, **few)
        finally:
            hook.remove()
        return caught[0].detach()

    @contextmanager
    def _layers(self, some: Any) -> Iterator[None]:
        """The decoder with some of its layers alone."""
        whole = self._decoder.layers
        self._decoder.layers = some
        try:
            yield
        finally:
            self._decoder.layers = whole

    def _computing(self) -> AbstractContextManager[Any]:
        import torch

        if not self._half:
            return nullcontext()
        kind = torch.bfloat16 if self._half == "bf16" else torch.float16
        return torch.autocast(self.device.type, dtype=kind)
