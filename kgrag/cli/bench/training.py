"""`kgrag bench tune`: how fast a model learns here, beside a plain loop of peft; `reader-data`: what the reader learns from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from kgrag.cli.options import JsonOption, model_names, print_json
from kgrag.cli.tune import LayersChoice
from kgrag.terminal import console


def bench_tune(
    examples: Annotated[
        Path | None, typer.Option(help="Examples, as `kgrag tune write` writes them; else made-up ones.")
    ] = None,
    model: Annotated[
        str, typer.Option(help="A name of `kgrag models`, or a folder.", autocompletion=model_names)
    ] = "auto",
    number: Annotated[int, typer.Option(min=1, help="Examples that are learned from, about.")] = 24,
    rank: Annotated[int, typer.Option(min=1, help="Of LoRA's matrices.")] = 16,
    layers: Annotated[
        LayersChoice, typer.Option(help="Where ours are put; the plain loop's are in all.")
    ] = LayersChoice.half,
    tokens: Annotated[int, typer.Option(min=64, help="Tokens that are computed together.")] = 1024,
    repeats: Annotated[int, typer.Option(min=1, help="Rounds of all ways, one after the other.")] = 2,
    json_: JsonOption = False,
) -> None:
    """Tokens of separate examples learned from in a second: a plain loop of peft, packs, and packs with fewer layers."""
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
        report = measure_training_speed(
            folder,
            model_short_name(model_entry),
            take_first(all_examples, number),
            settings,
            precision_choice,
            repeats=repeats,
            cache_bytes=keep,
            on_progress=tick,
        )
    report = {
        "model": model_short_name(model_entry),
        "device": device.name,
        "threads": torch.get_num_threads(),
        "precision": precision_choice.compute_dtype or precision_choice.weights,
        "rank": rank,
        "data": examples.name if examples else "made up",
        **report,
    }
    if json_:
        print_json(report)
        return
    console.print_result(
        f"{escape(report['model'])} in {report['precision']} on {escape(report['device'])}, {report['threads']} threads: "
        f"{report['examples']} examples, {report['tokens']:,} tokens one by one, {report['tokens in packs']:,} in packs"
    )
    rows = [("learning", "tokens/s", "times the plain loop")]
    for name, figures in report["ways"].items():
        rows.append(
            (name, f"[bold]{figures['tokens per second']:,.1f}[/bold]", f"{figures['times the plain loop']:.2f}")
        )
    console.print_table(rows, right=(1, 2), heading=True)


def bench_reader_data(
    data: Annotated[Path, typer.Option("--data", help="The folder that holds `reader`.")],
    out: Annotated[Path, typer.Option(help="Folder for corpus.jsonl and questions.en.jsonl, questions.zh.jsonl.")],
    json_: JsonOption = False,
) -> None:
    """The passages of the reader's training questions as a corpus, and the questions as about that: see `make reader`."""
    from kgrag.tune.data.question_corpus import write_corpus

    lines_by_file = write_corpus([data / "reader" / f"train.{lang}.jsonl.gz" for lang in ("en", "zh")], out)
    if json_:
        print_json(lines_by_file)
    else:
        console.print_table([(str(out / name), f"{lines:,}") for name, lines in lines_by_file.items()], right=(1,))
