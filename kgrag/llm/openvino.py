"""A language model on a processor, by OpenVINO GenAI."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from threading import Lock

from kgrag.config import home
from kgrag.errors import ModelError
from kgrag.llm.stream import Emit, OnText, relay


class OpenVINOLLM:
    """Greedy decoding with the model's chat template; what prompts begin alike is computed once."""

    def __init__(self, folder: Path, name: str, context: int = 0, cache: Path | None = None) -> None:
        """Load the IR in ``folder``.

        ``context`` is in tokens (0: what its config.json says); compiled blobs are kept in ``cache``, by default
        under ``home()``, so that the second start is faster.

        Raises:
            ModelError: the folder's files cannot be read or run.
        """
        import openvino_genai  # type: ignore[import-untyped, unused-ignore]

        self.name = name
        self.context = context or _context(folder)
        scheduler = openvino_genai.SchedulerConfig()
        scheduler.enable_prefix_caching = True
        # Left at 0 it holds one conversation, and a second question over the same passages starts from nothing.
        scheduler.cache_size = 1
        settings: dict[str, object] = {"scheduler_config": scheduler}
        try:
            with _compiled(folder, cache or home() / "compiled") as blobs:
                if blobs is not None:
                    settings.update({"CACHE_DIR": str(blobs), "CACHE_MODE": "OPTIMIZE_SIZE"})
                self._pipeline = openvino_genai.LLMPipeline(folder, "CPU", settings)
        except Exception as error:  # the library raises RuntimeError, and pybind what it likes
            reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
            raise ModelError(
                f"The language model in {folder} cannot be loaded ({reason.strip()}): "
                f"remove the folder and pull {name} again."
            ) from error
        self._tokenizer = self._pipeline.get_tokenizer()
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
            ModelError: prompt and answer do not fit the context, or the schema cannot be followed.
        """
        import openvino_genai

        prompt = self._tokenizer.apply_chat_template([dict(m) for m in messages], add_generation_prompt=True)
        inputs = self._tokenizer.encode(prompt, add_special_tokens=False)
        fits(int(inputs.input_ids.shape[1]), max_tokens, self.context, self.name)
        config = self._pipeline.get_generation_config()
        # A model's own settings sample; an answer over evidence should be the same every time.
        config.do_sample = False
        config.temperature, config.top_p, config.top_k, config.repetition_penalty = 1.0, 1.0, 0, 1.0
        config.max_new_tokens = max_tokens
        if schema is not None:
            checked_schema(schema)
            config.structured_output_config = openvino_genai.StructuredOutputConfig(json_schema=schema)

        def decode(emit: Emit) -> None:
            def stream(piece: str) -> object:
                status = openvino_genai.StreamingStatus
                return status.STOP if emit(piece) else status.RUNNING

            with self._lock:
                self._pipeline.generate(inputs, config, stream)

        try:
            return relay(decode, on_text)
        except RuntimeError as error:
            reason = (str(error).strip().splitlines() or ["no reason given"])[-1].strip()
            raise ModelError(
                f"{self.name} failed while answering ({reason}): shorten the prompt or the schema."
            ) from error

    def count(self, text: str) -> int:
        """How many tokens ``text`` is, without the chat template."""
        return int(self._tokenizer.encode(text, add_special_tokens=False).input_ids.shape[1])


def fits(prompt: int, answer: int, context: int, name: str) -> None:
    """Check that ``prompt`` and ``answer`` tokens fit into ``context`` (0: not known, everything fits).

    Raises:
        ModelError: they do not.
    """
    if context and prompt + answer > context:
        raise ModelError(
            f"The prompt has {prompt} tokens and the answer may take {answer}, {name} reads {context} in all: "
            "lower evidence_tokens or k, or ask something shorter."
        )


def checked_schema(schema: str) -> None:
    """Check that ``schema`` is a JSON object.

    Raises:
        ModelError: it is not.
    """
    try:
        good = isinstance(json.loads(schema), dict)
    except ValueError:
        good = False
    if not good:
        raise ModelError(f"Expected a JSON schema, found {schema[:40]!r}: give a JSON object such as {{'type': ...}}.")


@contextmanager
def _compiled(folder: Path, cache: Path) -> Iterator[Path | None]:
    """The folder of compiled blobs of the IR in ``folder``; None if none can be written.

    OpenVINO writes a blob in place and trusts what it finds, so a first start that is cut off would break all later
    ones: the first one writes elsewhere, and the folder gets its name once the model has loaded.
    """
    label = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:12]
    files = [folder / "openvino_model.xml", folder / "openvino_model.bin"]
    state = repr([(f.stat().st_size, f.stat().st_mtime_ns) for f in files if f.is_file()]) + version("openvino")
    final = cache / f"{label}-{hashlib.sha256(state.encode()).hexdigest()[:12]}"
    if final.is_dir():
        yield final
        return
    try:
        cache.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{label}-", dir=cache))
    except OSError:
        yield None
        return
    try:
        yield work
        for stale in cache.glob(f"{label}-*"):  # of the same folder, before it was converted again
            shutil.rmtree(stale, ignore_errors=True)
        with suppress(OSError):  # another process was first
            work.rename(final)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _context(folder: Path) -> int:
    try:
        return int(json.loads((folder / "config.json").read_text("utf-8")).get("max_position_embeddings") or 0)
    except (OSError, ValueError, AttributeError):
        return 0
