"""The commands `kgrag bench tune` (training speed) and `reader-data` (the reader's training data)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from kgrag.cli.options import JsonOption, model_names, print_json
from kgrag.cli.tune.options import LayersChoice
from kgrag.terminal import console


def bench_tune(
    examples: Annotated[
        Path | None, typer.Option(help="Examples, as written by `kgrag tune write` (default: synthetic ones).")
    ] = None,
    model: Annotated[
        str, typer.Option(help="Name from `kgrag models`, or a folder.", autocompletion=model_names)
    ] = "auto",
    number: Annotated[int, typer.Option(min=1, help="Approximate number of examples to train on.")] = 24,
    rank: Annotated[int, typer.Option(min=1, help="LoRA rank.")] = 16,
    layers: Annotated[
        LayersChoice, typer.Option(help="Layers with LoRA in our training; the plain loop uses all.")
    ] = LayersChoice.half,
    tokens: Annotated[int, typer.Option(min=64, help="Tokens per forward pass.")] = 1024,
    repeats: Annotated[int, typer.Option(min=1, help="Rounds over all variants.")] = 2,
    json_: JsonOption = False,
) -> None:
    """Measure training speed: a plain loop of peft, packed sequences, and packed sequences with fewer layers."""
    import torch

    from kgrag.config import Config
    from kgrag.dev.benchmarks.training_speed import measure_training_speed, synthetic_examples, take_first
    from kgrag.llm.loader import resolve_model, weights_folder
    from kgrag.models.device import this_device
    from kgrag.tune.data.example import Example, load_rows
    from kgrag.tune.training.memory_check import fit_settings_to_memory
    from kgrag.tune.training.run import model_short_name
    from kgrag.tune.training.settings import TrainingConfig, plan_for_device

    all_examples = load_rows(examples, Example) if examples else synthetic_examples(-(-number // 3))
    settings = TrainingConfig(rank=rank, layers=layers.value, tokens=tokens)
    device = this_device()
    precision_choice = plan_for_device("lora", device)
    model_entry, _, _ = resolve_model(model, Config.model_validate({}))
    _, keep, _ = fit_settings_to_memory(
        model_entry.shape,
        TrainingConfig(rank=rank, layers="all", tokens=tokens),
        precision_choice,
        device,
        model_short_name(model_entry),
    )
    folder = weights_folder(model_entry, console.show_model_progress)
    console.end_progress()
    way_count = 2 if settings.layers == "all" else 4
    with console.show_counter("rounds", way_count * repeats) as tick:
        speed = measure_training_speed(
            folder,
            model_short_name(model_entry),
            take_first(all_examples, number),
            settings,
            precision_choice,
            repeats=repeats,
            cache_bytes=keep,
            on_progress=tick,
        )
    short_name, precision = model_short_name(model_entry), precision_choice.compute_dtype or precision_choice.weights
    threads = torch.get_num_threads()
    report: dict[str, object] = {
        "model": short_name,
        "device": device.name,
        "threads": threads,
        "precision": precision,
        "rank": rank,
        "data": examples.name if examples else "made up",
        **speed,
    }
    if json_:
        print_json(report)
        return
    console.print_result(
        f"{escape(short_name)} in {precision} on {escape(device.name)}, {threads} threads: "
        f"{speed['examples']} examples, {speed['tokens']:,} tokens unpacked, {speed['tokens in packs']:,} packed"
    )
    rows = [("learning", "tokens/s", "times the plain loop")]
    for name, figures in speed["ways"].items():
        rows.append(
            (name, f"[bold]{figures['tokens per second']:,.1f}[/bold]", f"{figures['times the plain loop']:.2f}")
        )
    console.print_table(rows, right=(1, 2), heading=True)


def bench_reader_data(
    data: Annotated[Path, typer.Option("--data", help="Folder that contains `reader`.")],
    out: Annotated[Path, typer.Option(help="Folder for corpus.jsonl, questions.en.jsonl and questions.zh.jsonl.")],
    json_: JsonOption = False,
) -> None:
    """Write the passages of the reader's training questions as a corpus, and their questions: see `make reader`."""
    from kgrag.tune.data.question_corpus import write_corpus

    lines_by_file = write_corpus([data / "reader" / f"train.{lang}.jsonl.gz" for lang in ("en", "zh")], out)
    if json_:
        print_json(lines_by_file)
    else:
        console.print_table([(str(out / name), f"{lines:,}") for name, lines in lines_by_file.items()], right=(1,))
