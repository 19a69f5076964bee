"""The commands of `kgrag eval`: the experiment, two runs side by side, and a person's labels."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from filelock import FileLock, Timeout
from rich.markup import escape
from typer.core import TyperGroup

from kgrag.cli.options import (
    DEFAULT_STORE,
    JsonOption,
    ModelOption,
    PrecisionOption,
    StoreOption,
    adapter_names,
    open_store,
    print_json,
    validate_adapter,
)
from kgrag.errors import KgragError, StoreBusyError, UsageError
from kgrag.terminal import console

if TYPE_CHECKING:
    from kgrag.store.store import Store
    from kgrag.types import Question

DEFAULT_COMMAND = "run"
OutOption = Annotated[Path, typer.Option(help="Folder for the report; a run that was stopped goes on there.")]


class EvalGroup(TyperGroup):
    """`kgrag eval QUESTIONS`, and commands beside it: what names no command is a file of questions."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the command in where it is left out."""
        if (
            args
            and args[0] not in self.commands
            and args[0] not in ("-h", "--help")
            and not self._is_misspelt_command(args[0])
        ):
            args = [DEFAULT_COMMAND, *args]
        return super().parse_args(ctx, args)

    def _is_misspelt_command(self, word: str) -> bool:
        """Whether a word that is no file is nearly a command's name, so that click can say which."""
        return not Path(word).exists() and bool(get_close_matches(word, self.commands))


evaluation = typer.Typer(
    suggest_commands=False,  # click does
    cls=EvalGroup,
    help="What grounding is worth: kgrag eval QUESTIONS answers them with and without evidence, and tells the difference.",
    no_args_is_help=True,
)


@evaluation.command(DEFAULT_COMMAND)
def eval_run(
    questions: Annotated[Path, typer.Argument(help="Questions: jsonl with _id, text, answers, gold.")],
    store: StoreOption = DEFAULT_STORE,
    arms: Annotated[
        str, typer.Option(help="Some of closed-book, grounded, vector, graph, gold, placebo, system.")
    ] = "closed-book,grounded,vector,graph,gold,placebo",
    conditions: Annotated[
        str, typer.Option(help="Some of answerable, unanswerable (evidence hidden), counterfactual (evidence edited).")
    ] = "answerable,unanswerable,counterfactual",
    out: OutOption = Path("report"),
    samples: Annotated[
        int, typer.Option(min=0, max=100, help="Draw each answer so often, for its uncertainty; 0: not measured.")
    ] = 0,
    judge: Annotated[
        str, typer.Option(help="Who says whether evidence bears out a claim: a name, or a folder.")
    ] = "auto",
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first N questions.")] = None,
    seed: Annotated[int, typer.Option(help="Of placebos, edits, samples and intervals.")] = 0,
    adapter: Annotated[
        str,
        typer.Option(
            help="Run every arm with this LoRA adapter, too: a name of `kgrag adapters`, or a folder.",
            autocompletion=adapter_names,
        ),
    ] = "",
    fail_if: Annotated[
        list[str] | None, typer.Option(help='Exit with 1 if so: "hallucination.grounded > 0.2"; repeatable.')
    ] = None,
    model: ModelOption = None,
    precision: PrecisionOption = None,
    json_: JsonOption = False,
) -> None:
    """Answer questions in several arms that differ in their evidence alone, and report what that is worth."""
    from kgrag.cli.eval.report import write_pages
    from kgrag.cli.eval.view import answer_progress, print_report
    from kgrag.dev.benchmarks.run_comparison import check_unique_ids
    from kgrag.factuality.experiment import threshold_gate
    from kgrag.factuality.experiment.arm_runner import ExperimentPlan
    from kgrag.factuality.experiment.arms import ADAPTER_SUFFIX, parse_arms
    from kgrag.factuality.experiment.conditions import make_cases
    from kgrag.factuality.experiment.runner import arm_models, run_experiment
    from kgrag.question_sets import load_questions

    arm_names = parse_arms(arms)
    wanted_conditions = _parse_conditions(conditions)
    gates = [threshold_gate.parse_gate(text) for text in fail_if or []]
    threshold_gate.check_gates(
        gates, arm_names + [a + ADAPTER_SUFFIX for a in arm_names if adapter], [c.value for c in wanted_conditions]
    )
    question_list = load_questions(questions, limit)
    check_unique_ids(question_list)
    _require_scorable(question_list, wanted_conditions, questions)
    opened_store = open_store(store, model=model, precision=precision)
    if adapter:
        console.print_notice(
            f"Every arm is run twice: without and with the adapter {validate_adapter(adapter, store)}."
        )
    question_list = _with_known_gold(question_list, opened_store, questions)
    config = opened_store.config
    plan = ExperimentPlan(
        tuple(arm_names),
        tuple(wanted_conditions),
        config.k,
        samples,
        seed,
        config.evidence_tokens,
        config.answer_tokens,
    )
    models = arm_models(opened_store, adapter)
    question_metadata = {
        "questions": questions.name,
        "questions_sha256": hashlib.sha256(questions.read_bytes()).hexdigest(),
        "asked": len(question_list),
    }
    total = len(make_cases(question_list, wanted_conditions, seed)) * len(arm_names) * len(models)
    with _lock_folder(out):
        try:
            with answer_progress(total) as tick:
                report, records = run_experiment(
                    opened_store,
                    question_list,
                    plan,
                    out,
                    judge=judge,
                    models=models,
                    question_metadata=question_metadata,
                    tick=tick,
                )
            write_pages(out, records, report)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                f"What was answered is kept in {out}: run the same command again to go on."
            ) from None
    if json_:
        print_json(report)
    else:
        print_report(report)
        console.print_notice(f"{out}/report.html shows all of it, report.json has every figure, records.jsonl every answer, answers.csv and rates.csv tables; preference.csv is for people to fill in.")  # fmt: skip
    failed_gates = [sentence for one in gates if (sentence := threshold_gate.gate_failure(one, report))]
    if failed_gates:
        raise KgragError(" ".join(failed_gates))


@evaluation.command("compare")
def eval_compare(
    a: Annotated[Path, typer.Argument(help="The folder of a run.")],
    b: Annotated[Path, typer.Argument(help="The folder of another.")],
    json_: JsonOption = False,
) -> None:
    """What changed from one run to another, arm by arm, on the questions that both asked."""
    from kgrag.cli.eval.view import print_comparison
    from kgrag.factuality.records import load_records
    from kgrag.factuality.report.run_diff import compare_runs

    comparison = compare_runs(load_records(a), load_records(b), manifests=(_read_manifest(a), _read_manifest(b)))
    if not comparison["differences"]:
        raise UsageError(f"{a} and {b} have no question, condition and arm in common: run both with the same --arms.")
    print_json(comparison) if json_ else print_comparison(comparison)


@evaluation.command("label")
def eval_label(
    run: Annotated[Path, typer.Argument(help="The folder of a run.")],
    number: Annotated[int, typer.Option("-n", min=1, help="Claims to judge in all.")] = 50,
    seed: Annotated[int, typer.Option(help="Of the sample.")] = 0,
) -> None:
    """Judge a sample of claims yourself: how far the judge agrees with you stands in the report."""
    from kgrag.cli.eval.report import rebuild_page
    from kgrag.factuality.records import load_records
    from kgrag.factuality.scoring import human_labels

    records = load_records(run)
    labels = human_labels.load_labels(run)
    unlabelled = [
        item for item in human_labels.sample_claims_to_label(records, number, seed) if item["key"] not in labels
    ]
    keys = {"s": "supported", "c": "contradicted", "u": "unverifiable"}
    for position, item in enumerate(unlabelled, 1):
        console.print_result(f"\n[dim]{position} of {len(unlabelled)}[/dim]  {escape(item['question'])}")
        for passage in item["evidence"]:
            console.print_result(f"  • {escape(passage)}")
        console.print_result(f"[bold]{escape(item['claim'])}[/bold]")
        label = _prompt_label(keys)
        if label is None:
            break
        if label:
            human_labels.save_label(run, item["key"], label)
    agreement = rebuild_page(run)["people"]["claims"]
    if agreement is None:
        console.print_result("No claim has been labelled yet.")
        return
    agreement_percent = 100 * agreement["agreement"]["value"]
    console.print_result(
        f"{agreement['labels']} labels; the judge agrees on {agreement_percent:.0f} of 100, kappa {agreement['kappa']:.2f}."
    )


@evaluation.command("page")
def eval_page(run: Annotated[Path, typer.Argument(help="The folder of a run.")]) -> None:
    """Make the page of a run again, with what people have written into its blind sheet and its labels since."""
    from kgrag.cli.eval.report import rebuild_page

    rebuild_page(run)
    console.print_notice(f"{run}/report.html is as its files are now.")


def _prompt_label(keys: dict[str, str]) -> str | None:
    """What a person says of a claim; "" to pass over it, None to stop."""
    while True:
        try:
            reply = input("supported (s), contradicted (c), unverifiable (u), pass (p), stop (q): ").strip().lower()
        except EOFError:
            return None
        if reply in keys:
            return keys[reply]
        if reply in ("p", "q"):
            return "" if reply == "p" else None


def _parse_conditions(text: str) -> list[Any]:
    from kgrag.factuality.experiment.conditions import Condition

    names = [name.strip() for name in text.split(",") if name.strip()]
    known_names = [c.value for c in Condition]
    for name in names:
        if name not in known_names:
            raise UsageError(f"Expected --conditions to name some of {', '.join(known_names)}, found {name!r}.")
    if not names or len({*names}) < len(names):
        raise UsageError(f"Expected --conditions to name each once, and one at least, found {text!r}.")
    return [Condition(name) for name in names]


def _require_scorable(question_list: Any, conditions: Any, path: Path) -> None:
    """Say what questions lack; raises UsageError if nothing is left to ask."""
    from kgrag.factuality.experiment.conditions import make_cases

    if not make_cases(question_list, conditions):
        raise UsageError(
            f"No question of {path} can be asked under --conditions {','.join(conditions)}: they need answers, or gold."
        )
    without_answers = sum(not q.answers for q in question_list)
    if without_answers:
        console.print_notice(
            f"{without_answers} of {len(question_list)} questions have no accepted answer: there, silence is right."
        )
    without_gold = sum(bool(q.answers) and not q.gold for q in question_list)
    if without_gold:
        console.print_notice(
            f"{without_gold} of {len(question_list)} questions name no gold document: for them there is no arm gold, and nothing to hide or edit."
        )


def _with_known_gold(question_list: Sequence[Question], store: Store, path: Path) -> list[Question]:
    """The questions with those of their gold documents that the store has; raises UsageError if it has none of any."""
    gold_ids = {document for q in question_list for document in q.gold}
    known_ids = set(store.graph.document_headers(gold_ids))
    if gold_ids and not known_ids:
        example_id = next((document.id for document in store.graph.documents()), "none")
        raise UsageError(
            f"{store.location} has none of the gold documents of {path}, such as {min(gold_ids)!r}; its own are called such as "
            f"{example_id!r}: name the store that they were read into, or mend the ids."
        )
    if gold_ids - known_ids:
        affected_questions = sum(bool({*q.gold} - known_ids) for q in question_list)
        console.print_notice(
            f"{affected_questions} of {len(question_list)} questions name gold documents that the store lacks, such as {min(gold_ids - known_ids)!r}: "
            "these are left out."
        )
    return [replace(q, gold=tuple(document for document in q.gold if document in known_ids)) for q in question_list]


def _lock_folder(out: Path) -> FileLock:
    """Hold a report's folder."""
    if out.exists() and not out.is_dir():
        raise UsageError(f"Expected a folder for --out at {out}, found a file: name another.")
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = FileLock(out / ".lock")
        lock.acquire(timeout=0)
    except Timeout as error:
        raise StoreBusyError(
            f"Another run writes to {out}: wait for it to end, or name another folder with --out."
        ) from error
    return lock


def _read_manifest(folder: Path) -> dict[str, Any]:
    from kgrag.factuality.report.files import MANIFEST_FILE

    try:
        manifest = json.loads((folder / MANIFEST_FILE).read_text("utf-8"))
        return manifest if isinstance(manifest, dict) else {}
    except (OSError, ValueError):
        return {}
