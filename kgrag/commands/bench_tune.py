"""`kgrag bench tune`: how fast a model learns here, beside a plain loop of peft; `reader-data`: what the reader learns from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from kgrag import console
from kgrag.commands.options import Json, model_names, print_json
from kgrag.commands.tune import LayersName


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
        LayersName, typer.Option(help="Where ours are put; the plain loop's are in all.")
    ] = LayersName.half,
    tokens: Annotated[int, typer.Option(min=64, help="Tokens that are computed together.")] = 1024,
    repeats: Annotated[int, typer.Option(min=1, help="Rounds of all ways, one after the other.")] = 2,
    json_: Json = False,
) -> None:
    """Tokens of separate examples learned from in a second: a plain loop of peft, packs, and packs with fewer layers."""
    import torch

    from kgrag.config import Config
    from kgrag.llm.choose import chosen, weights_of
    from kgrag.models.device import this_device
    from kgrag.tune.example import Example, load
    from kgrag.tune.training.memory import fitted
    from kgrag.tune.training.settings import Settings, decide
    from kgrag.tune.training.speed import first, made_up, speed
    from kgrag.tune_run import label

    given = load(examples, Example) if examples else made_up(-(-number // 3))
    settings = Settings(rank=rank, layers=layers.value, tokens=tokens)
    device = this_device()
    way = decide("lora", device)
    found, _, _ = chosen(model, Config.model_validate({}))
    _, keep, _ = fitted(found.shape, Settings(rank=rank, layers="all", tokens=tokens), way, device, label(found))
    folder = weights_of(found, console.model_progress)
    console.end_progress()
    ways = 2 if settings.layers == "all" else 4
    with console.counter("rounds", ways * repeats) as tick:
        report = speed(folder, label(found), first(given, number), settings, way, repeats=repeats, keep=keep, tick=tick)
    report = {
        "model": label(found),
        "device": device.name,
        "threads": torch.get_num_threads(),
        "precision": way.half or way.weights,
        "rank": rank,
        "data": examples.name if examples else "made up",
        **report,
    }
    if json_:
        print_json(report)
        return
    console.say(
        f"{escape(report['model'])} in {report['precision']} on {escape(report['device'])}, {report['threads']} threads: "
        f"{report['examples']} examples, {report['tokens']:,} tokens one by one, {report['tokens in packs']:,} in packs"
    )
    rows = [("learning", "tokens/s", "times the plain loop")]
    for name, one in report["ways"].items():
        rows.append((name, f"[bold]{one['tokens per second']:,.1f}[/bold]", f"{one['times the plain loop']:.2f}"))
    console.table(rows, right=(1, 2), heading=True)


def bench_reader_data(
    data: Annotated[Path, typer.Option("--data", help="The folder that holds `reader`.")],
    out: Annotated[Path, typer.Option(help="Folder for corpus.jsonl and questions.en.jsonl, questions.zh.jsonl.")],
    json_: Json = False,
) -> None:
    """The passages of the reader's training questions as a corpus, and the questions as about that: see `make reader`."""
    from kgrag.tune.questions.corpus import as_corpus

    written = as_corpus([data / "reader" / f"train.{lang}.jsonl.gz" for lang in ("en", "zh")], out)
    if json_:
        print_json(written)
    else:
        console.table([(str(out / name), f"{lines:,}") for name, lines in written.items()], right=(1,))
