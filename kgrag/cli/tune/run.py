"""The command `kgrag tune run`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from filelock import FileLock

from kgrag.cli.options import DEFAULT_STORE, JsonOption, ModelOption, StoreOption, print_json
from kgrag.cli.tune.examples import (
    delete_cached_examples,
    load_examples,
    load_preferences,
    open_store_if_needed,
)
from kgrag.cli.tune.options import LayersChoice, NumberOption, QuestionsOption, SeedOption, TuneMethod
from kgrag.errors import UsageError
from kgrag.storage.locks import acquire_lock
from kgrag.terminal import console

if TYPE_CHECKING:
    from kgrag.tune.data.example import Example
    from kgrag.tune.training.settings import TrainingConfig


def tune_run(
    store: StoreOption = DEFAULT_STORE,
    examples: Annotated[Path | None, typer.Option(help="Training examples, as written by `kgrag tune write`.")] = None,
    questions: QuestionsOption = None,
    preferences: Annotated[
        Path | None,
        typer.Option(help="Preference pairs (jsonl), or the folder of a `kgrag eval` run to build them from."),
    ] = None,
    method: Annotated[
        TuneMethod,
        typer.Option(
            help="Training method: lora; qlora (4-bit weights, CUDA only); p-tuning (virtual tokens); full (all weights)."
        ),
    ] = TuneMethod.lora,
    model: ModelOption = None,
    out: Annotated[str, typer.Option(help="Folder of the adapter, or its name under the cache's adapters.")] = "tuned",
    start: Annotated[
        str, typer.Option("--from", help="Adapter to continue from: a name or a folder (default: none).")
    ] = "",
    rank: Annotated[int, typer.Option(min=1, max=512, help="LoRA rank.")] = 16,
    layers: Annotated[
        LayersChoice, typer.Option(help="Layers with LoRA: all, or the upper half or third, which trains faster.")
    ] = LayersChoice.half,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the examples.")] = 2,
    steps: Annotated[
        int, typer.Option(min=0, help="Number of training steps, instead of --epochs; 0 for --epochs.")
    ] = 0,
    minutes: Annotated[float, typer.Option(min=0, help="Time limit in minutes; 0 for none.")] = 0,
    lr: Annotated[float, typer.Option(min=0, help="Peak learning rate; 0 for the method's default.")] = 0,
    batch: Annotated[int, typer.Option(min=1, help="Minimum number of examples per step.")] = 8,
    tokens: Annotated[int, typer.Option(min=64, help="Tokens per forward pass; longer examples are left out.")] = 1024,
    patience: Annotated[
        int, typer.Option(min=0, help="Evaluations without improvement before training stops; 0 to never stop early.")
    ] = 3,
    look: Annotated[int, typer.Option(min=100, help="Approximate number of held-out tokens per evaluation.")] = 8000,
    beta: Annotated[float, typer.Option(min=0.001, help="DPO beta: weight of the KL penalty.")] = 0.1,
    anchor: Annotated[
        float, typer.Option(min=0, help="Weight of the preferred answer's own loss in DPO; 0 for none.")
    ] = 1.0,
    number: NumberOption = 2000,
    licence: Annotated[str, typer.Option(help="Licence of the training data, for the adapter's card.")] = "",
    seed: SeedOption = 0,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Start over instead of continuing an interrupted training.")
    ] = False,
    json_: JsonOption = False,
) -> None:
    """Train an adapter. The same command continues an interrupted training."""
    from kgrag.cli.tune.view import print_training_report, training_progress
    from kgrag.llm.loader import named_adapter_folder
    from kgrag.tune.training.run import TrainingJob, train_adapter
    from kgrag.tune.training.settings import TrainingConfig, plan_for_device

    if examples and questions:
        raise UsageError("Expected --examples or --questions, found both: examples already contain their questions.")
    settings = TrainingConfig(
        method=method.value,
        rank=rank,
        layers=layers.value,
        lr=lr,
        epochs=epochs,
        steps=steps,
        minutes=minutes,
        batch=batch,
        tokens=tokens,
        seed=seed,
        patience=patience,
        beta=beta,
        anchor=anchor,
        look=look,
    )
    _require_runnable(settings, plan_for_device)
    folder = _output_folder(out, method)
    preference_pairs = load_preferences(preferences)
    needs_store = questions or not (examples or preferences)
    opened_store = open_store_if_needed(store, questions, model) if needs_store else None
    with _lock_output(folder):
        example_list = load_examples(examples, opened_store, questions, number, seed, folder, fresh)
        job = TrainingJob(
            model or (opened_store.model if opened_store is not None else "auto"),
            folder,
            settings,
            example_list,
            preference_pairs,
            _describe_data([path for path in (examples, questions, preferences) if path], store, example_list),
            licence,
            named_adapter_folder(start) if start else None,
        )
        with training_progress() as tick:
            report = train_adapter(job, console.print_notice, console.show_model_progress, tick, fresh=fresh)
        delete_cached_examples(folder)
    print_json(report) if json_ else print_training_report(report)


def _describe_data(files: Sequence[Path], store: str, example_list: Sequence[Example]) -> str:
    """Describe the training data for the adapter's card: its files or store, and the kinds of examples."""
    source = ", ".join(path.name for path in files) or f"questions on {Path(store).name}"
    kind_counts = sorted(Counter(f"{example.lang} {example.kind}" for example in example_list).items())
    return source + (f" ({', '.join(f'{number} {kind}' for kind, number in kind_counts)})" if kind_counts else "")


def _require_runnable(settings: TrainingConfig, decide: Callable[..., Any]) -> None:
    """Raise an error if the method cannot run here, before anything is opened or written."""
    from kgrag.models.device import this_device

    decide(settings.method, this_device())


def _output_folder(out: str, method: TuneMethod) -> Path:
    from kgrag.storage.paths import model_home

    path = Path(out).expanduser()
    if path.is_absolute() or len(path.parts) > 1:
        return path.resolve()
    if method is TuneMethod.full:
        raise UsageError(f"--method full writes a whole model: pass a folder for it with --out, such as ./{out}.")
    return model_home() / "adapters" / out


def _lock_output(folder: Path) -> FileLock:
    """Lock the output of a training."""
    busy_message = f"Another training writes to {folder}: wait for it to end, or choose another folder with --out."
    return acquire_lock(folder.parent / f".{folder.name}.lock", busy_message)
