"""The command `kgrag bench llm`: a language model alone, and beside other runtimes of the same weights."""

from __future__ import annotations

import gc
import importlib
import math
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from kgrag.cli.options import AttentionOption, JsonOption, PrecisionOption, model_names, print_json, require_library
from kgrag.errors import ReadError, UsageError
from kgrag.storage.text_files import read_text_file
from kgrag.terminal import console

if TYPE_CHECKING:
    from kgrag.config import Config
    from kgrag.protocols import LLM


class LLMRuntime(StrEnum):
    """Another runtime of the same model."""

    transformers = "transformers"
    llama_cpp = "llama.cpp"


def bench_llm(
    model: Annotated[
        str,
        typer.Argument(
            help="Name from `kgrag models`, a folder, a GGUF file or a server's address.", autocompletion=model_names
        ),
    ],
    text: Annotated[Path, typer.Option(help="Text in UTF-8, such as a chapter of a book.")],
    window: Annotated[int, typer.Option(help="Tokens per window of the perplexity.", min=16)] = 1024,
    limit: Annotated[
        int | None, typer.Option(help="Number of characters to use, from the start (default: all).", min=1)
    ] = None,
    beside: Annotated[list[LLMRuntime] | None, typer.Option(help="Another runtime to measure; repeatable.")] = None,
    gguf: Annotated[Path | None, typer.Option(help="GGUF file of the same model, for llama.cpp.")] = None,
    questions: Annotated[int, typer.Option(help="Number of timed questions, each with eight passages.", min=1)] = 3,
    precision: PrecisionOption = None,
    attention: AttentionOption = None,
    json_: JsonOption = False,
) -> None:
    """Measure perplexity, tokens per word, speed (prefill, decoding, first word) and memory of a language model."""
    from kgrag.config import Config
    from kgrag.dev.benchmarks.llm_throughput import measure_llm_speed, split_passages
    from kgrag.text import sentence_spans

    contents = _read_text(text)[:limit]
    groups = [group for group in split_passages(contents, sentence_spans(contents)) if len(group) == 8][:questions]
    if not groups:
        raise UsageError(
            f"Expected a text of at least 24 sentences, found {len(sentence_spans(contents))} in {text}: pass a longer one."
        )
    question_groups = [(f"What does passage {number} say first?", group) for number, group in enumerate(groups, 1)]
    overrides = {"precision": precision, "attention": attention}
    config = Config.model_validate({name: value for name, value in overrides.items() if value is not None})
    llm, report = _measure_llm(model, contents, window, config)
    speed = {_runtime_label(llm): measure_llm_speed(llm, question_groups, llm.count)}
    report["speed"] = speed
    report["peak memory, bytes"] = _peak_memory_bytes()
    for runtime in beside or []:
        gc.collect()
        with ExitStack() as stack:
            other_llm = (
                _load_transformers(model, config)
                if runtime is LLMRuntime.transformers
                else _load_llama_cpp(gguf or Path(model), stack)
            )
            speed[str(runtime)] = measure_llm_speed(
                other_llm, question_groups, llm.count
            )  # a server only estimates tokens
            del other_llm
    if json_:
        print_json(report)
        return
    rows = [(name, _format_value(value)) for name, value in report.items() if name != "speed"]
    console.print_table(
        [("measure", "value"), *((escape(n), f"[bold]{v}[/bold]") for n, v in rows)], right=(1,), heading=True
    )
    console.print_result("")
    runtimes = list(speed)
    lines = [("speed", *map(escape, runtimes))]
    lines += [(name, *(_format_value(speed[way][name]) for way in runtimes)) for name in speed[runtimes[0]]]
    console.print_table(lines, right=tuple(range(1, len(runtimes) + 1)), heading=True)


def _measure_llm(name: str, text: str, window: int, config: Config) -> tuple[LLM, dict[str, object]]:
    """Return the model, and a report with its perplexity on the text; a server gives no perplexity."""
    from kgrag.dev.benchmarks.perplexity import measure_perplexity, tokens_per_word
    from kgrag.llm.loader import load_llm

    llm: Any = load_llm(name, console.show_model_progress, config)
    console.end_progress()
    report: dict[str, object] = {"model": llm.name, "home": _runtime_label(llm)}
    if hasattr(llm, "token_logprobs"):
        with console.show_counter("pieces", max(llm.count(text) // window, 1)) as tick:
            perplexity_result = measure_perplexity(llm, text, window, tick)
        report |= {
            "tokens": perplexity_result.tokens,
            "characters": perplexity_result.characters,
            "cross-entropy, nats per token": perplexity_result.nats_per_token,
            "perplexity per token": perplexity_result.perplexity,
            "bits per character": perplexity_result.bits_per_character,
            "bits per byte": perplexity_result.bits_per_byte,
            **tokens_per_word(llm, text),
        }
    return llm, report


def _runtime_label(llm: LLM) -> str:
    choice = getattr(llm, "choice", None)
    return (
        f"{choice.home}, {choice.precision}" if choice is not None else type(llm).__name__.removesuffix("LLM").lower()
    )


def _load_transformers(name: str, config: Config) -> LLM:
    """Measure plain ``model.generate`` on the same weights, without a cache between prompts."""
    from kgrag.llm.loader import weights_folder
    from kgrag.llm.transformers_backend import TransformersLLM
    from kgrag.models.device import this_device
    from kgrag.models.precision import choose_runtime
    from kgrag.models.registry import find_model

    model = find_model(name)
    choice = choose_runtime(
        model, this_device(), config.precision if config.precision == "bf16" else "auto", backend="transformers"
    )
    return TransformersLLM(weights_folder(model), "transformers", model.context, choice, reuse_cache=False)


def _load_llama_cpp(file: Path, stack: ExitStack) -> LLM:
    """Measure llama.cpp through its Python bindings, which serve the model on a local port.

    Raises:
        UsageError: --gguf is missing.
        KgragError: the bindings are not installed.
    """
    from kgrag.config import ServerConfig
    from kgrag.llm.openai_backend import ServerLLM
    from kgrag.models.endpoint import ServerAddress

    if not file.is_file():
        raise UsageError("Expected --gguf with the model's GGUF file for llama.cpp, found none: pass one.")
    require_library("xllamacpp", "llama-cpp")
    bindings = importlib.import_module("xllamacpp")
    params = bindings.CommonParams()
    params.model.path = str(file)
    params.n_ctx, params.n_parallel, params.warmup = 4096, 1, False
    params.hostnames, params.port = ["127.0.0.1"], 0
    params.verbosity = 0
    server = bindings.Server(params)
    stack.callback(lambda: server and None)  # the server runs as long as this reference lives
    return ServerLLM(ServerAddress(f"{server.listening_address}/v1", "llama.cpp"), "", ServerConfig(tries=1))


def _read_text(path: Path) -> str:
    try:
        return read_text_file(path)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise ReadError(f"{path} cannot be read ({reason}): pass a text in UTF-8.") from error


def _peak_memory_bytes() -> int:
    """Return the peak memory of this process in bytes; 0 if the system does not report it."""
    status = Path("/proc/self/status")
    if not status.is_file():
        return 0
    return int(next(line for line in status.read_text().splitlines() if line.startswith("VmHWM")).split()[1]) * 1024


def _format_value(value: object) -> str:
    if isinstance(value, float):
        return "–" if math.isnan(value) else f"{value:,.3f}" if abs(value) < 100 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else escape(str(value))
