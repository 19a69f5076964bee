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

from kgrag import console
from kgrag.commands.options import STORE, Json, Model, Store, open_app, print_json
from kgrag.commands.tune_embedder import embedder_command
from kgrag.errors import Busy, KgragError, UsageError

if TYPE_CHECKING:
    from kgrag.app import App
    from kgrag.tune.example import Example, Preference
    from kgrag.tune.training.settings import Settings

RUN = "run"


class Method(StrEnum):
    """How a model is changed."""

    lora = "lora"
    qlora = "qlora"
    p_tuning = "p-tuning"
    full = "full"


class LayersName(StrEnum):
    """Where adapters are put."""

    all = "all"
    half = "half"
    third = "third"


class Tunings(TyperGroup):
    """`kgrag tune`, and commands beside it: what begins with an option is a training."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the command in where it is left out; ``--embedder`` names one, too."""
        if "--embedder" in args:
            args = ["embedder", *(arg for arg in args if arg != "--embedder")]
        elif args and args[0].startswith("-") and args[0] not in ("-h", "--help"):
            args = [RUN, *args]
        return super().parse_args(ctx, args)


tune = typer.Typer(
    suggest_commands=False,  # click does
    cls=Tunings,
    help="Adapt the language model to your documents: kgrag tune --store DIR trains, kgrag tune run --help says how.",
    no_args_is_help=True,
)
Questions = Annotated[
    Path | None,
    typer.Option(help="Questions with answers: jsonl with _id, text, answers; without, they are written here."),
]
Number = Annotated[int, typer.Option(min=10, help="Examples that are written from the store, about.")]
Seed = Annotated[int, typer.Option(help="Of what is written, drawn and trained.")]


@tune.command(RUN)
def tune_run(
    store: Store = STORE,
    examples: Annotated[Path | None, typer.Option(help="Learn from these, as `kgrag tune write` writes them.")] = None,
    questions: Questions = None,
    preferences: Annotated[
        Path | None,
        typer.Option(help="Pairs to prefer by (jsonl), or the folder of a `kgrag eval`: what it answered, compared."),
    ] = None,
    method: Annotated[
        Method, typer.Option(help="lora; qlora: on 4 bits, by CUDA; p-tuning: a prompt; full: all weights.")
    ] = Method.lora,
    model: Model = None,
    out: Annotated[str, typer.Option(help="The adapter's folder, or its name under the cache's adapters.")] = "tuned",
    start: Annotated[str, typer.Option("--from", help="Go on from this adapter: a folder or a name.")] = "",
    rank: Annotated[int, typer.Option(min=1, max=512, help="Of LoRA's matrices.")] = 16,
    layers: Annotated[
        LayersName, typer.Option(help="LoRA in all layers, or in the upper half or third: faster.")
    ] = LayersName.half,
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
    number: Number = 2000,
    licence: Annotated[str, typer.Option(help="Of what is learned from, for the adapter's card.")] = "",
    seed: Seed = 0,
    fresh: Annotated[bool, typer.Option("--fresh", help="Begin anew, though a training was stopped here.")] = False,
    json_: Json = False,
) -> None:
    """Train an adapter. What was stopped goes on with the same command."""
    from kgrag.commands.tune_view import show, training
    from kgrag.llm.choose import adapter_folder
    from kgrag.tune.example import Example, Preference, load
    from kgrag.tune.training.settings import Settings, decide
    from kgrag.tune_run import Job, run

    if examples and questions:
        raise UsageError("Expected --examples or --questions, found both: examples have their questions already.")
    settings = Settings(
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
    _can_run(settings, decide)
    folder = _folder(out, method)
    pairs = (
        [] if preferences is None else load(preferences, Preference) if preferences.is_file() else _pairs(preferences)
    )
    opened = _opened(store, questions, model) if questions or not (examples or preferences) else None
    with _held(folder):
        if examples:
            learned = load(examples, Example)
        elif opened is not None or questions:
            learned = _written(opened, questions, number, seed, folder, fresh)
        else:
            learned = []
        name = model or (opened.model if opened is not None else "auto")
        what = (
            ", ".join(path.name for path in (examples, questions, preferences) if path)
            or f"questions on {Path(store).name}"
        )
        kinds = sorted(Counter(f"{example.lang} {example.kind}" for example in learned).items())
        what += f" ({', '.join(f'{number} {kind}' for kind, number in kinds)})" if kinds else ""
        began = adapter_folder(start) if start else None
        job = Job(name, folder, settings, learned, pairs, what, licence, began)
        with training() as tick:
            report = run(job, console.notice, console.model_progress, tick, fresh=fresh)
        for file in folder.parent.glob(f".{folder.name}.*.examples.jsonl"):
            file.unlink(missing_ok=True)
    print_json(report) if json_ else show(report)


@tune.command("write")
def tune_write(
    store: Store = STORE,
    questions: Questions = None,
    out: Annotated[Path, typer.Option(help="File for the examples, JSON lines.")] = Path("examples.jsonl"),
    number: Number = 2000,
    seed: Seed = 0,
    stepwise: Annotated[
        bool,
        typer.Option("--stepwise", help="Of --questions, leave out those whose steps neither facts nor passages say."),
    ] = False,
    model: Model = None,
) -> None:
    """Write what would be learned from a store, to look at, to mend, and to train on with --examples."""
    from kgrag.tune.example import save

    found = _examples_of(_opened(store, questions, model), questions, number, seed, stepwise)
    save(found, out)
    held = sum(one.held for one in found)
    console.say(f"{len(found):,} examples are in [bold]{out}[/bold], {held:,} of them held out to measure on.")


tune.command("embedder")(embedder_command)


def _can_run(settings: Settings, decide: Callable[..., Any]) -> None:
    """What cannot run here is said before anything is opened or written."""
    from kgrag.models.device import this_device

    decide(settings.method, this_device())


def _folder(out: str, method: Method) -> Path:
    from kgrag.config import home

    path = Path(out).expanduser()
    if path.is_absolute() or len(path.parts) > 1:
        return path.resolve()
    if method is Method.full:
        raise UsageError(f"--method full writes a whole model: name a folder for it with --out, such as ./{out}.")
    return home() / "adapters" / out


def _opened(store: str, questions: Path | None, model: str | None) -> App | None:
    """The store; None where there is none and the questions have passages of their own."""
    if questions is not None and store == STORE and not Path(store).exists():
        return None
    return open_app(store, model=model)


def _written(
    opened: App | None, questions: Path | None, number: int, seed: int, folder: Path, fresh: bool
) -> list[Example]:
    """Examples of a store or a file; those of a training that was stopped are read again."""
    from kgrag.tune.example import Example, load, save

    asked = hashlib.sha256(questions.read_bytes()).hexdigest() if questions is not None and questions.is_file() else ""
    where = [str(opened.place), opened.graph.generation] if opened is not None else []
    facts = json.dumps([where, asked, str(questions or ""), number, seed])
    kept = folder.parent / f".{folder.name}.{hashlib.sha256(facts.encode()).hexdigest()[:12]}.examples.jsonl"
    if kept.is_file() and not fresh:
        return load(kept, Example)
    found = _examples_of(opened, questions, number, seed)
    save(found, kept)
    return found


def _examples_of(
    opened: App | None, questions: Path | None, number: int, seed: int, stepwise: bool = False
) -> list[Example]:
    from kgrag.tune_write import examples_of

    last = 0
    with console.counter("examples", number) as advance:

        def tick(done: int, total: int) -> None:
            nonlocal last
            for _ in range(done - last):
                advance()
            last = max(last, done)

        found = examples_of(opened, questions, number=number, seed=seed, tick=tick, stepwise=stepwise)
    if not found:
        raise KgragError(
            f"There is nothing to learn from in {questions or (opened and opened.place)}: too little can be asked of it. Give "
            "--questions or --examples, or ingest more."
        )
    return found


def _pairs(report: Path) -> list[Preference]:
    from kgrag.tune_write import preferences_of

    return preferences_of(report, console.notice)


def _held(folder: Path) -> FileLock:
    """Hold what a training writes."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder.parent / f".{folder.name}.lock")
        lock.acquire(timeout=0)
    except Timeout as error:
        raise Busy(
            f"Another training writes to {folder}: wait for it to end, or name another folder with --out."
        ) from error
    return lock
