"""A language model by transformers: on a GPU, or on any processor that torch runs on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Event, Lock
from typing import Any

from kgrag.errors import ModelError
from kgrag.llm.openvino import fits
from kgrag.llm.stream import Emit, OnText, relay


def choose_device(cuda: bool | None = None, mps: bool | None = None) -> str:
    """``"cuda"`` before ``"mps"`` before ``"cpu"``; what is not told (None) is asked of torch."""
    if cuda is None or mps is None:
        import torch

        cuda = torch.cuda.is_available() if cuda is None else cuda
        mps = torch.backends.mps.is_available() if mps is None else mps
    return "cuda" if cuda else "mps" if mps else "cpu"


def _dtype(device: str) -> Any:
    """Half the memory where the device computes so; float32 on other processors, where half is emulated."""
    import torch

    if device == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    if device == "mps":
        return torch.float16
    return torch.bfloat16 if torch.ops.mkldnn._is_mkldnn_bf16_supported() else torch.float32


class TransformersLLM:
    """Greedy decoding with the model's chat template."""

    def __init__(self, folder: Path, name: str, context: int = 0, device: str | None = None) -> None:
        """Load config.json and safetensors of ``folder`` on ``device`` (None: the best there is).

        ``context`` is in tokens (0: what the configuration says).

        Raises:
            ModelError: the folder's files cannot be read, or do not fit the device's memory.
        """
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        self.name = name
        self.device = device or choose_device()
        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
            model: Any = AutoModelForCausalLM.from_pretrained(
                str(folder), dtype=_dtype(self.device), local_files_only=True
            )
            self._model: Any = model.to(self.device).eval()
        except torch.OutOfMemoryError as error:
            raise ModelError(
                f"{name} does not fit the memory of the {self.device} device: choose a smaller model, or close what "
                "else uses it."
            ) from error
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise ModelError(
                f"The language model in {folder} cannot be loaded ({reason}): "
                "give a folder with config.json, *.safetensors and the tokenizer's files."
            ) from error
        self.context = context or int(getattr(self._model.config, "max_position_embeddings", 0) or 0)
        self._lock = Lock()

    def generate(
        self,
        messages: Sequence[Mapping[str, str]],
        *,
        max_tokens: int = 128,
        on_text: OnText | None = None,
        schema: str | None = None,
    ) -> str:
        """The answer to ``messages``, at most ``max_tokens`` long; see the LLM protocol.

        Raises:
            ModelError: prompt and answer do not fit the context, or a schema is asked for.
        """
        if schema is not None:
            raise ModelError(
                "Output that follows a JSON schema needs the OpenVINO backend, this is transformers, which has no "
                "grammar engine: load the model on the processor, or ask without a schema."
            )
        inputs = self._tokenizer.apply_chat_template(
            [dict(m) for m in messages], add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        fits(int(inputs["input_ids"].shape[1]), max_tokens, self.context, self.name)

        def decode(emit: Emit) -> None:
            with self._lock:
                self._decode(inputs, max_tokens, emit)

        return relay(decode, on_text)

    def _decode(self, inputs: Any, max_tokens: int, emit: Emit) -> None:
        import torch
        from transformers import GenerationConfig, StoppingCriteriaList, TextStreamer

        stopped = Event()

        class Pieces(TextStreamer):  # type: ignore[misc, unused-ignore]
            def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
                if emit(text):
                    stopped.set()

        own = self._model.generation_config
        ends = own.eos_token_id if own.eos_token_id is not None else self._tokenizer.eos_token_id
        pads = self._tokenizer.pad_token_id
        config = GenerationConfig(  # type: ignore[no-untyped-call, unused-ignore]
            do_sample=False,
            max_new_tokens=max_tokens,
            eos_token_id=ends,
            pad_token_id=pads if pads is not None else (ends[0] if isinstance(ends, list) else ends),
        )
        streamer = Pieces(self._tokenizer, skip_prompt=True, skip_special_tokens=True)
        until = StoppingCriteriaList([lambda ids, scores, **_: torch.full((ids.shape[0],), stopped.is_set())])
        with torch.inference_mode():
            self._model.generate(
                **inputs.to(self.device), generation_config=config, streamer=streamer, stopping_criteria=until
            )

    def count(self, text: str) -> int:
        """How many tokens ``text`` is, without the chat template."""
        return len(self._tokenizer.encode(text, add_special_tokens=False))
