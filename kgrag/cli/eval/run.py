"""The command `kgrag eval run`."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from filelock import FileLock

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
from kgrag.errors import KgragError, UsageError
from kgrag.storage.locks import acquire_lock
from kgrag.terminal import console

if TYPE_CHECKING:
    from kgrag.store.store import Store
    from kgrag.types import Question


OutOption = Annotated[Path, typer.Option(help="Folder of the report; an interrupted run continues there.")]


def eval_run(
    questions: Annotated[Path, typer.Argument(help="Questions: jsonl with _id, text, answers, gold.")],
    store: StoreOption = DEFAULT_STORE,
    arms: Annotated[
        str, typer.Option(help="Comma-separated arms: closed-book, grounded, vector, graph, gold, placebo, system.")
    ] = "closed-book,grounded,vector,graph,gold,placebo",
    conditions: Annotated[
        str,
        typer.Option(
            help="Comma-separated conditions: answerable, unanswerable (evidence hidden), counterfactual (evidence edited)."
        ),
    ] = "answerable,unanswerable,counterfactual",
    out: OutOption = Path("report"),
    samples: Annotated[
        int, typer.Option(min=0, max=100, help="Samples per answer, to measure its uncertainty; 0 for none.")
    ] = 0,
    judge: Annotated[
        str, typer.Option(help="Claim judge: auto, overlap, details, learned, combined, llm, or a model folder.")
    ] = "auto",
    limit: Annotated[
        int | None, typer.Option(min=1, help="Number of questions to use, from the start (default: all).")
    ] = None,
    seed: Annotated[int, typer.Option(help="Random seed of placebos, edits, samples and intervals.")] = 0,
    adapter: Annotated[
        str,
        typer.Option(
            help="LoRA adapter for a second run of every arm: a name from `kgrag adapters`, or a folder (default: none).",
            autocompletion=adapter_names,
        ),
    ] = "",
    fail_if: Annotated[
        list[str] | None,
        typer.Option(help='Condition of exit code 1, such as "hallucination.grounded > 0.2"; repeatable.'),
    ] = None,
    model: ModelOption = None,
    precision: PrecisionOption = None,
    json_: JsonOption = False,
) -> None:
    """Answer questions in arms that differ only in their evidence, and report accuracy and hallucinations."""
    from kgrag.cli.eval.report import write_pages
    from kgrag.cli.eval.view import answer_progress, print_report
    from kgrag.factuality.experiment import threshold_gate
    from kgrag.factuality.experiment.arm_runner import ExperimentPlan
    from kgrag.factuality.experiment.arms import ADAPTER_SUFFIX, parse_arms
    from kgrag.factuality.experiment.conditions import make_cases
    from kgrag.factuality.experiment.runner import arm_models, run_experiment
    from kgrag.question_sets import check_unique_ids, load_questions

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
        console.print_notice(f"Every arm runs twice: without and with the adapter {validate_adapter(adapter, store)}.")
    question_list = _with_known_gold(question_list, opened_store, questions)
    config = opened_store.config
    plan = ExperimentPlan(
        tuple(arm_names),
        tuple(wanted_conditions),
        config.k,
        samples,
        seed,
        config.evidence_tokens or ExperimentPlan.evidence_tokens,
        config.answer_tokens or ExperimentPlan.answer_tokens,
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
                f"Finished answers are kept in {out}: run the same command again to continue."
            ) from None
    if json_:
        print_json(report)
    else:
        print_report(report)
        console.print_notice(f"{out}: report.html (all results), report.json (figures), records.jsonl (answers), answers.csv and rates.csv (tables), preference.csv (blind sheet for people).")  # fmt: skip
    failed_gates = [sentence for gate in gates if (sentence := threshold_gate.gate_failure(gate, report))]
    if failed_gates:
        raise KgragError(" ".join(failed_gates))


def _parse_conditions(text: str) -> list[Any]:
    from kgrag.factuality.experiment.conditions import Condition

    names = [name.strip() for name in text.split(",") if name.strip()]
    known_names = [c.value for c in Condition]
    for name in names:
        if name not in known_names:
            raise UsageError(f"Expected --conditions from {', '.join(known_names)}, found {name!r}.")
    if not names or len({*names}) < len(names):
        raise UsageError(f"Expected --conditions with at least one condition, each once, found {text!r}.")
    return [Condition(name) for name in names]


def _require_scorable(question_list: Any, conditions: Any, path: Path) -> None:
    """Print what the questions lack; raise UsageError if none can be used."""
    from kgrag.factuality.experiment.conditions import make_cases

    if not make_cases(question_list, conditions):
        raise UsageError(
            f"Expected questions for --conditions {','.join(conditions)} in {path}, found none: they need answers or gold documents."
        )
    without_answers = sum(not q.answers for q in question_list)
    if without_answers:
        console.print_notice(
            f"{without_answers} of {len(question_list)} questions have no accepted answer: the right reply is to abstain."
        )
    without_gold = sum(bool(q.answers) and not q.gold for q in question_list)
    if without_gold:
        console.print_notice(
            f"{without_gold} of {len(question_list)} questions have no gold document: they are left out of the arm gold and of hidden and edited evidence."
        )


def _with_known_gold(question_list: Sequence[Question], store: Store, path: Path) -> list[Question]:
    """Keep the gold documents that the store has; raise UsageError if it has none of them."""
    gold_ids = {document for q in question_list for document in q.gold}
    known_ids = set(store.graph_store.document_headers(gold_ids))
    if gold_ids and not known_ids:
        example_id = next((document.id for document in store.graph_store.documents()), "none")
        raise UsageError(
            f"{store.location} has none of the gold documents of {path}, such as {min(gold_ids)!r}; its own ids look like "
            f"{example_id!r}: choose the store that these documents were ingested into, or fix the ids."
        )
    if gold_ids - known_ids:
        affected_questions = sum(bool({*q.gold} - known_ids) for q in question_list)
        console.print_notice(
            f"{affected_questions} of {len(question_list)} questions have gold documents that the store lacks, such as {min(gold_ids - known_ids)!r}: "
            "these documents are ignored."
        )
    return [replace(q, gold=tuple(document for document in q.gold if document in known_ids)) for q in question_list]


def _lock_folder(out: Path) -> FileLock:
    """Lock the folder of a report."""
    if out.exists() and not out.is_dir():
        raise UsageError(f"Expected a folder for --out at {out}, found a file: choose another.")
    return acquire_lock(
        out / ".lock", f"Another run writes to {out}: wait for it to end, or choose another folder with --out."
    )
