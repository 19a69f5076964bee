"""A language model on a processor, by OpenVINO GenAI."""

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

from kgrag.config import model_home
from kgrag.errors import ModelError
from kgrag.llm import constrained_decoding
from kgrag.llm.lora_adapter import Adapter
from kgrag.llm.streaming import Emit, OnText, relay_stream
from kgrag.protocols import Messages


class OpenVINOLLM:
    """Greedy decoding with the model's chat template; what prompts begin alike is computed once."""

    def __init__(
        self, folder: Path, name: str, context: int = 0, cache: Path | None = None, adapter: Adapter | None = None
    ) -> None:
        """Load the IR in ``folder``.

        ``context`` is in tokens (0: what its config.json says); compiled blobs are kept in ``cache``, by default
        under ``home()``, so that the second start is faster; ``adapter`` is added to the weights.

        Raises:
            ModelError: the folder's files cannot be read or run, or it has no chat template.
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
        # Left at 0 it holds one conversation, and a second question over the same passages starts from nothing.
        scheduler.cache_size = 1
        settings: dict[str, Any] = {}
        if self._adapter is not None:
            # the library reads the matrices alone, and knows nothing of what peft multiplies them by
            lora = openvino_genai.Adapter(self._adapter.weights_file)
            settings["adapters"] = openvino_genai.AdapterConfig(lora, self._adapter.scale)
        try:
            with _compiled_blobs(self._folder, self._cache, self._adapter) as blobs:
                if blobs is not None:
                    settings.update({"CACHE_DIR": str(blobs), "CACHE_MODE": "OPTIMIZE_SIZE"})
                pipeline = openvino_genai.ContinuousBatchingPipeline(self._folder, scheduler, "CPU", settings)
            if self._adapter is not None:
                # the library puts it in when it generates, and not for requests that are stepped through, as `_logprobs`
                # does: once it is in, it stays
                pipeline.generate(["."], [openvino_genai.GenerationConfig(max_new_tokens=1)])
            return pipeline
        except Exception as error:  # the library raises RuntimeError, and pybind what it likes
            reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
            raise ModelError(
                f"The language model in {self._folder} cannot be loaded ({reason.strip()}): "
                f"remove the folder and pull {self.name} again."
            ) from error

    @cached_property
    def _scorer(self) -> Any:
        """A second pipeline without prefix caching: the first has no probabilities of what it did not compute again."""
        return self._load(prefix_caching=False)

    def generate(
        self,
        messages: Messages,
        *,
        max_tokens: int = 128,
        on_text: OnText | None = None,
        schema: str | None = None,
        choices: Sequence[str] = (),
    ) -> str:
        """The answer to ``messages``, at most ``max_tokens`` long; see the LLM protocol.

        Raises:
            ModelError: prompt and answer do not fit the context, or the schema cannot be followed.
        """
        constrained_decoding.validate_constraints(schema, choices)
        inputs = self._encode_prompt(messages, max_tokens)
        config = self._generation_config(max_tokens, schema, choices)

        def decode(emit: Emit) -> None:
            import openvino_genai

            def stream(piece: str) -> object:
                status = openvino_genai.StreamingStatus
                return status.STOP if emit(piece) else status.RUNNING

            with self._lock:
                self._pipeline.generate([inputs], [config], stream)

        with self._translated_errors():
            return relay_stream(decode, on_text)

    def batch(
        self,
        prompts: Sequence[Messages],
        *,
        max_tokens: int = 128,
        schema: str | None = None,
        choices: Sequence[str] = (),
    ) -> list[str]:
        """`generate` for each prompt, all in one run of the scheduler; the answers in the order of the prompts.

        Raises:
            ModelError: as `generate`.
        """
        constrained_decoding.validate_constraints(schema, choices)
        inputs = [self._encode_prompt(messages, max_tokens) for messages in prompts]
        order = sorted(range(len(inputs)), key=lambda n: int(inputs[n].shape[1]))
        config = self._generation_config(max_tokens, schema, choices)
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
        """See the Sampler protocol.

        Raises:
            ModelError: prompt and answer do not fit the context.
        """
        inputs = self._encode_prompt(messages, max_tokens)
        answers = []
        for index in range(number):  # one at a time: in a batch, who is drawn next depends on who runs beside it
            config = self._generation_config(max_tokens, None, ())
            config.do_sample, config.temperature, config.rng_seed = True, temperature, seed + index
            with self._translated_errors(), self._lock:
                results = self._pipeline.generate([inputs], [config])
            answers.append(str(self._tokenizer.decode(results[0].m_generation_ids[0], skip_special_tokens=True)))
        return answers

    def score(self, messages: Messages, continuation: str) -> float:
        """See the LLM protocol.

        Raises:
            ModelError: prompt and continuation do not fit the context.
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
        if len(logprobs) <= continuation_ids.shape[1]:  # some of the continuation lay in the prefix cache
            logprobs = self._logprobs(self._scorer, inputs)
        return float(sum(logprobs[-1 - continuation_ids.shape[1] : -1]))

    def token_logprobs(self, text: str) -> list[float]:
        """See the TextModel protocol.

        Raises:
            ModelError: the text is longer than the context.
        """
        inputs = self._encode(text)
        check_context(int(inputs.shape[1]), 1, self.context, self.name)
        return self._logprobs(self._scorer, inputs)[1:-1] if inputs.shape[1] > 1 else []

    def _logprobs(self, pipeline: Any, inputs: Any) -> list[float]:
        """The log-probabilities of the last tokens of ``inputs``, as many as were computed, and of one more."""
        config = self._generation_config(1, None, ())
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

    def _generation_config(self, max_tokens: int, schema: str | None, choices: Sequence[str]) -> Any:
        import openvino_genai

        config = self._pipeline.get_config()
        # A model's own settings sample; an answer over evidence should be the same every time.
        config.do_sample = False
        config.temperature, config.top_p, config.top_k, config.repetition_penalty = 1.0, 1.0, 0, 1.0
        config.max_new_tokens = max_tokens
        if schema is not None:
            config.structured_output_config = openvino_genai.StructuredOutputConfig(json_schema=schema)
        if choices:
            config.structured_output_config = openvino_genai.StructuredOutputConfig(
                grammar=constrained_decoding.choices_grammar(choices)
            )
        return config

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        """What the library says, as a sentence."""
        try:
            yield
        except RuntimeError as error:
            reason = (str(error).strip().splitlines() or ["no reason given"])[-1].strip()
            raise ModelError(
                f"{self.name} failed while answering ({reason}): shorten the prompt or the schema."
            ) from error

    def count(self, text: str) -> int:
        """How many tokens ``text`` is, without the chat template."""
        return int(self._encode(text).shape[1])


def check_context(prompt_tokens: int, answer_tokens: int, context: int, name: str) -> None:
    """Check that ``prompt`` and ``answer`` tokens fit into ``context`` (0: not known, everything fits).

    Raises:
        ModelError: they do not.
    """
    if context and prompt_tokens + answer_tokens > context:
        raise ModelError(
            f"The prompt has {prompt_tokens} tokens and the answer may take {answer_tokens}, {name} reads {context} in all: "
            "lower evidence_tokens or k, or ask something shorter."
        )


def missing_template_error(name: str, folder: Path) -> ModelError:
    """What is said of a model that nobody can talk to."""
    return ModelError(
        f"{name} has no chat template, so it is a base model, which goes on with a text and answers nothing: name the "
        f"one that was tuned to answer (-instruct, -chat), or put its chat_template.jinja into {folder}."
    )


@contextmanager
def _compiled_blobs(folder: Path, cache: Path, adapter: Adapter | None) -> Iterator[Path | None]:
    """The folder of compiled blobs of the IR in ``folder``; None if none can be written.

    OpenVINO writes a blob in place and trusts what it finds, so a first start that is cut off would break all later
    ones: the first one writes elsewhere, and the folder gets its name once the model has loaded.
    """
    if adapter is not None:  # it changes what is compiled
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
