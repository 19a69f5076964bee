"""The commands of `kgrag tune`: training an adapter on one's own documents, and writing what it would learn from."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from filelock import FileLock, Timeout
from typer.core import TyperGroup

from kgrag.cli.options import DEFAULT_STORE, JsonOption, ModelOption, StoreOption, open_store, print_json
from kgrag.cli.tune.embedder import tune_embedder_command
from kgrag.errors import KgragError, StoreBusyError, UsageError
from kgrag.terminal import console

if TYPE_CHECKING:
    from kgrag.store.store import Store
    from kgrag.tune.data.example import Example, Preference
    from kgrag.tune.training.settings import TrainingConfig

DEFAULT_COMMAND = "run"


class TuneMethod(StrEnum):
    """How a model is changed."""

    lora = "lora"
    qlora = "qlora"
    p_tuning = "p-tuning"
    full = "full"


class LayersChoice(StrEnum):
    """Where adapters are put."""

    all = "all"
    half = "half"
    third = "third"


class TuneGroup(TyperGroup):
    """`kgrag tune`, and commands beside it: what begins with an option is a training."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the command in where it is left out; ``--embedder`` names one, too."""
        if "--embedder" in args:
            args = ["embedder", *(arg for arg in args if arg != "--embedder")]
        elif args and args[0].startswith("-") and args[0] not in ("-h", "--help"):
            args = [DEFAULT_COMMAND, *args]
        return super().parse_args(ctx, args)


tune = typer.Typer(
    suggest_commands=False,  # click does
    cls=TuneGroup,
    help="Adapt the language model to your documents: kgrag tune --store DIR trains, kgrag tune run --help says how.",
    no_args_is_help=True,
)
QuestionsOption = Annotated[
    Path | None,
    typer.Option(help="Questions with answers: jsonl with _id, text, answers; without, they are written here."),
]
NumberOption = Annotated[int, typer.Option(min=10, help="Examples that are written from the store, about.")]
SeedOption = Annotated[int, typer.Option(help="Of what is written, drawn and trained.")]


@tune.command(DEFAULT_COMMAND)
def tune_run(
    store: StoreOption = DEFAULT_STORE,
    examples: Annotated[Path | None, typer.Option(help="Learn from these, as `kgrag tune write` writes them.")] = None,
    questions: QuestionsOption = None,
    preferences: Annotated[
        Path | None,
        typer.Option(help="Pairs to prefer by (jsonl), or the folder of a `kgrag eval`: what it answered, compared."),
    ] = None,
    method: Annotated[
        TuneMethod, typer.Option(help="lora; qlora: on 4 bits, by CUDA; p-tuning: a prompt; full: all weights.")
    ] = TuneMethod.lora,
    model: ModelOption = None,
    out: Annotated[str, typer.Option(help="The adapter's folder, or its name under the cache's adapters.")] = "tuned",
    start: Annotated[str, typer.Option("--from", help="Go on from this adapter: a folder or a name.")] = "",
    rank: Annotated[int, typer.Option(min=1, max=512, help="Of LoRA's matrices.")] = 16,
    layers: Annotated[
        LayersChoice, typer.Option(help="LoRA in all layers, or in the upper half or third: faster.")
    ] = LayersChoice.half,
    epochs: Annotated[int, typer.Option(min=1, help="How often each example is learned from.")] = 2,
    steps: Annotated[int, typer.Option(min=0, help="So many steps instead; 0: as --epochs says.")] = 0,
    minutes: Annotated[float, typer.Option(min=0, help="End within so many minutes; 0: no limit.")] = 0,
    lr: Annotated[float, typer.Option(min=0, help="Highest learning rate; 0: what suits the method.")] = 0,
    batch: Annotated[int, typer.Option(min=1, help="Examples that a step learns from, at least.")] = 8,
    tokens: Annotated[
        int, typer.Option(min=64, help="Tokens that are computed together; longer examples are left out.")
    ] = 1024,
    patience: Annotated[
        int, typer.Option(min=0, help="Stop after so many looks at held-out examples without gain; 0: never.")
    ] = 3,
    look: Annotated[
        int, typer.Option(min=100, help="Tokens of held-out examples that a look at them computes, about.")
    ] = 8000,
    beta: Annotated[float, typer.Option(min=0.001, help="Of preferences: how near to the model that it was.")] = 0.1,
    anchor: Annotated[
        float, typer.Option(min=0, help="Of preferences: how much what is preferred is itself learned; 0: not at all.")
    ] = 1.0,
    number: NumberOption = 2000,
    licence: Annotated[str, typer.Option(help="Of what is learned from, for the adapter's card.")] = "",
    seed: SeedOption = 0,
    fresh: Annotated[bool, typer.Option("--fresh", help="Begin anew, though a training was stopped here.")] = False,
    json_: JsonOption = False,
) -> None:
    """Train an adapter. What was stopped goes on with the same command."""
    from kgrag.cli.tune.view import print_training_report, training_progress
    from kgrag.llm.loader import named_adapter_folder
    from kgrag.tune.data.example import Example, Preference, load_rows
    from kgrag.tune.training.run import TrainingJob, train_adapter
    from kgrag.tune.training.settings import TrainingConfig, plan_for_device

    if examples and questions:
        raise UsageError("Expected --examples or --questions, found both: examples have their questions already.")
    settings = TrainingConfig(
        method.value,
        rank,
        layers.value,
        lr,
        epochs,
        steps,
        minutes,
        batch,
        tokens,
        seed,
        patience,
        beta,
        anchor,
        look=look,
    )
    _require_runnable(settings, plan_for_device)
    folder = _output_folder(out, method)
    pairs = (
        []
        if preferences is None
        else load_rows(preferences, Preference)
        if preferences.is_file()
        else _load_report_preferences(preferences)
    )
    opened_store = (
        _open_store_if_needed(store, questions, model) if questions or not (examples or preferences) else None
    )
    with _lock_output(folder):
        if examples:
            example_list = load_rows(examples, Example)
        elif opened_store is not None or questions:
            example_list = _load_or_write_examples(opened_store, questions, number, seed, folder, fresh)
        else:
            example_list = []
        name = model or (opened_store.model if opened_store is not None else "auto")
        data_description = (
            ", ".join(path.name for path in (examples, questions, preferences) if path)
            or f"questions on {Path(store).name}"
        )
        kind_counts = sorted(Counter(f"{example.lang} {example.kind}" for example in example_list).items())
        data_description += f" ({', '.join(f'{number} {kind}' for kind, number in kind_counts)})" if kind_counts else ""
        initial_adapter = named_adapter_folder(start) if start else None
        job = TrainingJob(name, folder, settings, example_list, pairs, data_description, licence, initial_adapter)
        with training_progress() as tick:
            report = train_adapter(job, console.print_notice, console.show_model_progress, tick, fresh=fresh)
        for file in folder.parent.glob(f".{folder.name}.*.examples.jsonl"):
            file.unlink(missing_ok=True)
    print_json(report) if json_ else print_training_report(report)


@tune.command("write")
def tune_write(
    store: StoreOption = DEFAULT_STORE,
    questions: QuestionsOption = None,
    out: Annotated[Path, typer.Option(help="File for the examples, JSON lines.")] = Path("examples.jsonl"),
    number: NumberOption = 2000,
    seed: SeedOption = 0,
    stepwise: Annotated[
        bool,
        typer.Option("--stepwise", help="Of --questions, leave out those whose steps neither facts nor passages say."),
    ] = False,
    model: ModelOption = None,
) -> None:
    """Write what would be learned from a store, to look at, to mend, and to train on with --examples."""
    from kgrag.tune.data.example import save_rows

    example_list = _build_examples(_open_store_if_needed(store, questions, model), questions, number, seed, stepwise)
    save_rows(example_list, out)
    held_out_count = sum(one.held for one in example_list)
    console.print_result(
        f"{len(example_list):,} examples are in [bold]{out}[/bold], {held_out_count:,} of them held out to measure on."
    )


tune.command("embedder")(tune_embedder_command)


def _require_runnable(settings: TrainingConfig, decide: Callable[..., Any]) -> None:
    """What cannot run here is said before anything is opened or written."""
    from kgrag.models.device import this_device

    decide(settings.method, this_device())


def _output_folder(out: str, method: TuneMethod) -> Path:
    from kgrag.config import model_home

    path = Path(out).expanduser()
    if path.is_absolute() or len(path.parts) > 1:
        return path.resolve()
    if method is TuneMethod.full:
        raise UsageError(f"--method full writes a whole model: name a folder for it with --out, such as ./{out}.")
    return model_home() / "adapters" / out


def _open_store_if_needed(store: str, questions: Path | None, model: str | None) -> Store | None:
    """The store; None where there is none and the questions have passages of their own."""
    if questions is not None and store == DEFAULT_STORE and not Path(store).exists():
        return None
    return open_store(store, model=model)


def _load_or_write_examples(
    store: Store | None, questions: Path | None, number: int, seed: int, folder: Path, fresh: bool
) -> list[Example]:
    """Examples of a store or a file; those of a training that was stopped are read again."""
    from kgrag.tune.data.example import Example, load_rows, save_rows

    questions_sha256 = (
        hashlib.sha256(questions.read_bytes()).hexdigest() if questions is not None and questions.is_file() else ""
    )
    store_state = [str(store.location), store.graph.generation] if store is not None else []
    fingerprint = json.dumps([store_state, questions_sha256, str(questions or ""), number, seed])
    cache_file = (
        folder.parent / f".{folder.name}.{hashlib.sha256(fingerprint.encode()).hexdigest()[:12]}.examples.jsonl"
    )
    if cache_file.is_file() and not fresh:
        return load_rows(cache_file, Example)
    example_list = _build_examples(store, questions, number, seed)
    save_rows(example_list, cache_file)
    return example_list


def _build_examples(
    store: Store | None, questions: Path | None, number: int, seed: int, stepwise: bool = False
) -> list[Example]:
    from kgrag.tune.data.build import load_or_build_examples

    ticked_count = 0
    with console.show_counter("examples", number) as advance:

        def tick(done: int, total: int) -> None:
            nonlocal ticked_count
            for _ in range(done - ticked_count):
                advance()
            ticked_count = max(ticked_count, done)

        example_list = load_or_build_examples(store, questions, number=number, seed=seed, tick=tick, stepwise=stepwise)
    if not example_list:
        raise KgragError(
            f"There is nothing to learn from in {questions or (store and store.location)}: too little can be asked of it. Give "
            "--questions or --examples, or ingest more."
        )
    return example_list


def _load_report_preferences(report: Path) -> list[Preference]:
    from kgrag.tune.data.build import preferences_from_report

    return preferences_from_report(report, console.print_notice)


def _lock_output(folder: Path) -> FileLock:
    """Hold what a training writes."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder.parent / f".{folder.name}.lock")
        lock.acquire(timeout=0)
    except Timeout as error:
        raise StoreBusyError(
            f"Another training writes to {folder}: wait for it to end, or name another folder with --out."
        ) from error
    return lock
