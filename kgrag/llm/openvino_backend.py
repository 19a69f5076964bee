"""Language model on a processor, with OpenVINO GenAI."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from importlib.metadata import version
from itertools import count
from pathlib import Path
from threading import Lock
from typing import Any

from kgrag.errors import ModelError
from kgrag.llm import constrained_decoding
from kgrag.llm.chat_model import ChatModel
from kgrag.llm.lora_adapter import Adapter
from kgrag.llm.streaming import Emit, relay_stream
from kgrag.protocols import GenerationOptions, Messages, OnText
from kgrag.storage.paths import model_home


class OpenVINOLLM(ChatModel):
    """Greedy decoding with the model's chat template; a common prefix of prompts is computed once."""

    def __init__(
        self, folder: Path, name: str, context: int = 0, cache: Path | None = None, adapter: Adapter | None = None
    ) -> None:
        """Load the IR in ``folder``.

        Args:
            folder: folder of the converted model.
            name: name of the model in answers.
            context: context length in tokens; 0 for the value of config.json.
            cache: folder of compiled blobs, which speed up the next start (default: ``home()/compiled``).
            adapter: adapter that is added to the weights.

        Raises:
            ModelError: the files cannot be read or run, or the model has no chat template.
        """
        self.name = name
        self.context = context or _config_context(folder)
        self.adapter = adapter.name if adapter is not None else ""
        self._folder, self._cache, self._adapter = folder, cache or model_home() / "compiled", adapter
        self._pipeline = self._load(prefix_caching=True)
        self._tokenizer: Any = self._pipeline.get_tokenizer()
        self._lock = Lock()
        self._request_ids = count()
        if not self._tokenizer.chat_template:
            raise missing_template_error(name, folder)

    def _load(self, *, prefix_caching: bool) -> Any:
        import openvino_genai  # type: ignore[import-untyped, unused-ignore]

        scheduler = openvino_genai.SchedulerConfig()
        scheduler.enable_prefix_caching = prefix_caching
        # With 0 it holds one conversation, and a second question over the same passages starts from nothing.
        scheduler.cache_size = 1
        settings: dict[str, object] = {}
        if self._adapter is not None:
            # the library reads the matrices only, without the scale of peft's configuration
            lora = openvino_genai.Adapter(self._adapter.weights_file)
            settings["adapters"] = openvino_genai.AdapterConfig(lora, self._adapter.scale)
        try:
            with _compiled_blobs(self._folder, self._cache, self._adapter) as blobs:
                if blobs is not None:
                    settings.update({"CACHE_DIR": str(blobs), "CACHE_MODE": "OPTIMIZE_SIZE"})
                pipeline = openvino_genai.ContinuousBatchingPipeline(self._folder, scheduler, "CPU", settings)
            if self._adapter is not None:
                # the library adds the adapter in `generate`, but not for requests that are stepped through, as `_logprobs`
                # does; once added, it stays
                pipeline.generate(["."], [openvino_genai.GenerationConfig(max_new_tokens=1)])
            return pipeline
        except Exception as error:  # the library raises RuntimeError, pybind other types
            reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
            raise ModelError(
                f"The language model in {self._folder} cannot be loaded ({reason.strip()}): "
                f"delete the folder and pull {self.name} again."
            ) from error

    @cached_property
    def _scorer(self) -> Any:
        """Second pipeline without prefix caching: the first has no log-probabilities of cached tokens."""
        return self._load(prefix_caching=False)

    def generate(
        self, messages: Messages, options: GenerationOptions = GenerationOptions(), *, on_text: OnText | None = None
    ) -> str:
        """Answer ``messages``; see the LLM protocol.

        Raises:
            ModelError: prompt and answer exceed the context, or the schema is not supported.
        """
        constrained_decoding.validate_constraints(options)
        inputs = self._encode_prompt(messages, options.max_tokens)
        config = self._generation_config(options)

        def decode(emit: Emit) -> None:
            import openvino_genai

            def stream(piece: str) -> object:
                status = openvino_genai.StreamingStatus
                return status.STOP if emit(piece) else status.RUNNING

            with self._lock:
                self._pipeline.generate([inputs], [config], stream)

        with self._translated_errors():
            return relay_stream(decode, on_text)

    def batch(self, prompts: Sequence[Messages], options: GenerationOptions = GenerationOptions()) -> list[str]:
        """Return the answer of `generate` for each prompt, in one run of the scheduler and in the order of ``prompts``.

        Raises:
            ModelError: as `generate`.
        """
        constrained_decoding.validate_constraints(options)
        inputs = [self._encode_prompt(messages, options.max_tokens) for messages in prompts]
        order = sorted(range(len(inputs)), key=lambda n: int(inputs[n].shape[1]))
        config = self._generation_config(options)
        answers = [""] * len(inputs)
        if not inputs:
            return answers

        def decode(emit: Emit) -> None:
            with self._lock:
                results = self._pipeline.generate([inputs[n] for n in order], [config] * len(order))
            for n, result in zip(order, results, strict=True):
                answers[n] = str(self._tokenizer.decode(result.m_generation_ids[0], skip_special_tokens=True))

        with self._translated_errors():
            relay_stream(decode, None)
        return answers

    def sample(
        self, messages: Messages, number: int, *, max_tokens: int = 128, temperature: float = 1.0, seed: int = 0
    ) -> list[str]:
        """Draw samples; see the Sampler protocol.

        Raises:
            ModelError: prompt and answer exceed the context.
        """
        inputs = self._encode_prompt(messages, max_tokens)
        answers = []
        for index in range(
            number
        ):  # one at a time: in a batch, the draws of one request depend on the requests beside it
            config = self._generation_config(GenerationOptions(max_tokens))
            config.do_sample, config.temperature, config.rng_seed = True, temperature, seed + index
            with self._translated_errors(), self._lock:
                results = self._pipeline.generate([inputs], [config])
            answers.append(str(self._tokenizer.decode(results[0].m_generation_ids[0], skip_special_tokens=True)))
        return answers

    def score(self, messages: Messages, continuation: str) -> float:
        """Score ``continuation``; see the LLM protocol.

        Raises:
            ModelError: prompt and continuation exceed the context.
        """
        import numpy as np
        import openvino

        continuation_ids = self._encode(continuation).data
        if not continuation_ids.shape[1]:
            return 0.0
        all_ids = np.concatenate(
            [self._encode_prompt(messages, continuation_ids.shape[1]).data, continuation_ids], axis=1
        )
        inputs = openvino.Tensor(np.ascontiguousarray(all_ids))
        logprobs = self._logprobs(self._pipeline, inputs)
        if len(logprobs) <= continuation_ids.shape[1]:  # a part of the continuation was in the prefix cache
            logprobs = self._logprobs(self._scorer, inputs)
        return float(sum(logprobs[-1 - continuation_ids.shape[1] : -1]))

    def token_logprobs(self, text: str) -> list[float]:
        """Return the log-probability of each token but the first; see the TextModel protocol.

        Raises:
            ModelError: the text is longer than the context.
        """
        inputs = self._encode(text)
        check_context(int(inputs.shape[1]), 1, self.context, self.name)
        return self._logprobs(self._scorer, inputs)[1:-1] if inputs.shape[1] > 1 else []

    def _logprobs(self, pipeline: Any, inputs: Any) -> list[float]:
        """Return the log-probabilities of the computed last tokens of ``inputs`` and of one more token."""
        config = self._generation_config(GenerationOptions(max_tokens=1))
        config.echo, config.logprobs = True, 1
        with self._translated_errors(), self._lock:
            handle = pipeline.add_request(next(self._request_ids), inputs, config)
            while pipeline.has_non_finished_requests():
                pipeline.step()
            return list(handle.read_all()[0].generated_log_probs)

    def _encode(self, text: str) -> Any:
        return self._tokenizer.encode(text, add_special_tokens=False).input_ids

    def _encode_prompt(self, messages: Messages, max_tokens: int) -> Any:
        prompt = self._tokenizer.apply_chat_template([dict(m) for m in messages], add_generation_prompt=True)
        inputs = self._encode(prompt)
        check_context(int(inputs.shape[1]), max_tokens, self.context, self.name)
        return inputs

    def _generation_config(self, options: GenerationOptions) -> Any:
        import openvino_genai

        config = self._pipeline.get_config()
        # A model's own settings sample; an answer from evidence must be the same every time.
        config.do_sample = False
        config.temperature, config.top_p, config.top_k, config.repetition_penalty = 1.0, 1.0, 0, 1.0
        config.max_new_tokens = options.max_tokens
        if options.schema is not None:
            config.structured_output_config = openvino_genai.StructuredOutputConfig(json_schema=options.schema)
        if options.choices:
            config.structured_output_config = openvino_genai.StructuredOutputConfig(
                grammar=constrained_decoding.choices_grammar(options.choices)
            )
        return config

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        """Translate the library's errors into `ModelError`."""
        try:
            yield
        except RuntimeError as error:
            reason = (str(error).strip().splitlines() or ["no reason given"])[-1].strip()
            raise ModelError(
                f"{self.name} failed while answering ({reason}): shorten the prompt or the schema."
            ) from error

    def count(self, text: str) -> int:
        """Return the number of tokens of ``text``, without the chat template."""
        return int(self._encode(text).shape[1])


def check_context(prompt_tokens: int, answer_tokens: int, context: int, name: str) -> None:
    """Check that prompt and answer fit into the context.

    Args:
        prompt_tokens: tokens of the prompt.
        answer_tokens: longest answer, in tokens.
        context: context length in tokens; 0 for unknown, which everything fits.
        name: name of the model, for the message.

    Raises:
        ModelError: they do not fit.
    """
    if context and prompt_tokens + answer_tokens > context:
        raise ModelError(
            f"The prompt has {prompt_tokens} tokens and the answer may have {answer_tokens}, but the context of {name} is "
            f"{context}: lower evidence_tokens or k, or shorten the question."
        )


def missing_template_error(name: str, folder: Path) -> ModelError:
    """Build the error of a model without a chat template."""
    return ModelError(
        f"{name} has no chat template: it is a base model, which continues a text instead of answering. Use an "
        f"instruction-tuned model (-instruct, -chat), or put its chat_template.jinja into {folder}."
    )


@contextmanager
def _compiled_blobs(folder: Path, cache: Path, adapter: Adapter | None) -> Iterator[Path | None]:
    """Yield the folder of compiled blobs of the IR in ``folder``; None if it cannot be written.

    OpenVINO writes a blob in place and trusts what it finds, so an interrupted first start would break all later ones.
    The first start therefore writes to a temporary folder, which is renamed once the model has loaded.
    """
    if adapter is not None:  # the adapter changes what is compiled
        yield None
        return
    folder_hash = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:12]
    files = [folder / "openvino_model.xml", folder / "openvino_model.bin"]
    fingerprint = repr([(f.stat().st_size, f.stat().st_mtime_ns) for f in files if f.is_file()]) + version("openvino")
    final = cache / f"{folder_hash}-{hashlib.sha256(fingerprint.encode()).hexdigest()[:12]}"
    if final.is_dir():
        yield final
        return
    try:
        cache.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder_hash}-", dir=cache))
    except OSError:
        yield None
        return
    try:
        yield temporary
        for stale in cache.glob(f"{folder_hash}-*"):  # of the same folder, before it was converted again
            shutil.rmtree(stale, ignore_errors=True)
        with suppress(OSError):  # another process was first
            temporary.rename(final)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _config_context(folder: Path) -> int:
    try:
        return int(json.loads((folder / "config.json").read_text("utf-8")).get("max_position_embeddings") or 0)
    except (OSError, ValueError, AttributeError):
        return 0
