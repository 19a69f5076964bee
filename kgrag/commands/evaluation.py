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

from kgrag import console
from kgrag.commands.options import (
    STORE,
    Json,
    Model,
    Precision,
    Store,
    adapter_here,
    adapter_names,
    open_app,
    print_json,
)
from kgrag.errors import Busy, KgragError, UsageError

if TYPE_CHECKING:
    from kgrag.app import App
    from kgrag.types import Question

RUN = "run"
Out = Annotated[Path, typer.Option(help="Folder for the report; a run that was stopped goes on there.")]


class Experiments(TyperGroup):
    """`kgrag eval QUESTIONS`, and commands beside it: what names no command is a file of questions."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the command in where it is left out."""
        if args and args[0] not in self.commands and args[0] not in ("-h", "--help") and not self._misspelt(args[0]):
            args = [RUN, *args]
        return super().parse_args(ctx, args)

    def _misspelt(self, word: str) -> bool:
        """Whether a word that is no file is nearly a command's name, so that click can say which."""
        return not Path(word).exists() and bool(get_close_matches(word, self.commands))


evaluation = typer.Typer(
    suggest_commands=False,  # click does
    cls=Experiments,
    help="What grounding is worth: kgrag eval QUESTIONS answers them with and without evidence, and tells the difference.",
    no_args_is_help=True,
)


@evaluation.command(RUN)
def eval_run(
    questions: Annotated[Path, typer.Argument(help="Questions: jsonl with _id, text, answers, gold.")],
    store: Store = STORE,
    arms: Annotated[
        str, typer.Option(help="Some of closed-book, grounded, vector, graph, gold, placebo, system.")
    ] = "closed-book,grounded,vector,graph,gold,placebo",
    conditions: Annotated[
        str, typer.Option(help="Some of answerable, unanswerable (evidence hidden), counterfactual (evidence edited).")
    ] = "answerable,unanswerable,counterfactual",
    out: Out = Path("report"),
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
    model: Model = None,
    precision: Precision = None,
    json_: Json = False,
) -> None:
    """Answer questions in several arms that differ in their evidence alone, and report what that is worth."""
    from kgrag.commands.eval_page import pages
    from kgrag.commands.eval_view import progress, show
    from kgrag.eval_run import models_of, run
    from kgrag.evaluate.compare import unique
    from kgrag.evaluate.questions import load_questions
    from kgrag.factuality import gate
    from kgrag.factuality.arms import ADAPTED, chosen
    from kgrag.factuality.asking import Plan
    from kgrag.factuality.conditions import cases

    named = chosen(arms)
    wanted = _conditions(conditions)
    gates = [gate.read(text) for text in fail_if or []]
    gate.check_known(gates, named + [a + ADAPTED for a in named if adapter], [c.value for c in wanted])
    asked = load_questions(questions, limit)
    unique(asked)
    _can_be_scored(asked, wanted, questions)
    opened = open_app(store, model=model, precision=precision)
    if adapter:
        console.notice(f"Every arm is run twice: without and with the adapter {adapter_here(adapter, store)}.")
    asked = _with_known_gold(asked, opened, questions)
    config = opened.config
    plan = Plan(tuple(named), tuple(wanted), config.k, samples, seed, config.evidence_tokens, config.answer_tokens)
    models = models_of(opened, adapter)
    about = {
        "questions": questions.name,
        "questions_sha256": hashlib.sha256(questions.read_bytes()).hexdigest(),
        "asked": len(asked),
    }
    total = len(cases(asked, wanted, seed)) * len(named) * len(models)
    with _held(out):
        try:
            with progress(total) as tick:
                report, records = run(opened, asked, plan, out, judge=judge, models=models, about=about, tick=tick)
            pages(out, records, report)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                f"What was answered is kept in {out}: run the same command again to go on."
            ) from None
    if json_:
        print_json(report)
    else:
        show(report)
        console.notice(f"{out}/report.html shows all of it, report.json has every figure, records.jsonl every answer, answers.csv and rates.csv tables; preference.csv is for people to fill in.")  # fmt: skip
    broken = [sentence for one in gates if (sentence := gate.failed(one, report))]
    if broken:
        raise KgragError(" ".join(broken))


@evaluation.command("compare")
def eval_compare(
    a: Annotated[Path, typer.Argument(help="The folder of a run.")],
    b: Annotated[Path, typer.Argument(help="The folder of another.")],
    json_: Json = False,
) -> None:
    """What changed from one run to another, arm by arm, on the questions that both asked."""
    from kgrag.commands.eval_view import show_compared
    from kgrag.factuality.compare import compare
    from kgrag.factuality.records import load

    found = compare(load(a), load(b), manifests=(_manifest(a), _manifest(b)))
    if not found["differences"]:
        raise UsageError(f"{a} and {b} have no question, condition and arm in common: run both with the same --arms.")
    print_json(found) if json_ else show_compared(found)


@evaluation.command("label")
def eval_label(
    run: Annotated[Path, typer.Argument(help="The folder of a run.")],
    number: Annotated[int, typer.Option("-n", min=1, help="Claims to judge in all.")] = 50,
    seed: Annotated[int, typer.Option(help="Of the sample.")] = 0,
) -> None:
    """Judge a sample of claims yourself: how far the judge agrees with you stands in the report."""
    from kgrag.commands.eval_page import again
    from kgrag.factuality import people
    from kgrag.factuality.records import load

    records = load(run)
    known = people.load_labels(run)
    waiting = [item for item in people.to_label(records, number, seed) if item["key"] not in known]
    keys = {"s": "supported", "c": "contradicted", "u": "unverifiable"}
    for place, item in enumerate(waiting, 1):
        console.say(f"\n[dim]{place} of {len(waiting)}[/dim]  {escape(item['question'])}")
        for passage in item["evidence"]:
            console.say(f"  • {escape(passage)}")
        console.say(f"[bold]{escape(item['claim'])}[/bold]")
        said = _asked(keys)
        if said is None:
            break
        if said:
            people.keep_label(run, item["key"], said)
    found = again(run)["people"]["claims"]
    if found is None:
        console.say("No claim has been labelled yet.")
        return
    agreed = 100 * found["agreement"]["value"]
    console.say(f"{found['labels']} labels; the judge agrees on {agreed:.0f} of 100, kappa {found['kappa']:.2f}.")


@evaluation.command("page")
def eval_page(run: Annotated[Path, typer.Argument(help="The folder of a run.")]) -> None:
    """Make the page of a run again, with what people have written into its blind sheet and its labels since."""
    from kgrag.commands.eval_page import again

    again(run)
    console.notice(f"{run}/report.html is as its files are now.")


def _asked(keys: dict[str, str]) -> str | None:
    """What a person says of a claim; "" to pass over it, None to stop."""
    while True:
        try:
            said = input("supported (s), contradicted (c), unverifiable (u), pass (p), stop (q): ").strip().lower()
        except EOFError:
            return None
        if said in keys:
            return keys[said]
        if said in ("p", "q"):
            return "" if said == "p" else None


def _conditions(text: str) -> list[Any]:
    from kgrag.factuality.conditions import Condition

    names = [name.strip() for name in text.split(",") if name.strip()]
    known = [c.value for c in Condition]
    for name in names:
        if name not in known:
            raise UsageError(f"Expected --conditions to name some of {', '.join(known)}, found {name!r}.")
    if not names or len({*names}) < len(names):
        raise UsageError(f"Expected --conditions to name each once, and one at least, found {text!r}.")
    return [Condition(name) for name in names]


def _can_be_scored(asked: Any, wanted: Any, path: Path) -> None:
    """Say what questions lack; raises UsageError if nothing is left to ask."""
    from kgrag.factuality.conditions import cases

    if not cases(asked, wanted):
        raise UsageError(
            f"No question of {path} can be asked under --conditions {','.join(wanted)}: they need answers, or gold."
        )
    without = sum(not q.answers for q in asked)
    if without:
        console.notice(f"{without} of {len(asked)} questions have no accepted answer: there, silence is right.")
    bare = sum(bool(q.answers) and not q.gold for q in asked)
    if bare:
        console.notice(
            f"{bare} of {len(asked)} questions name no gold document: for them there is no arm gold, and nothing to hide or edit."
        )


def _with_known_gold(asked: Sequence[Question], opened: App, path: Path) -> list[Question]:
    """The questions with those of their gold documents that the store has; raises UsageError if it has none of any."""
    named = {document for q in asked for document in q.gold}
    known = set(opened.graph.headings(named))
    if named and not known:
        have = next((document.id for document in opened.graph.documents()), "none")
        raise UsageError(
            f"{opened.place} has none of the gold documents of {path}, such as {min(named)!r}; its own are called such as "
            f"{have!r}: name the store that they were read into, or mend the ids."
        )
    if named - known:
        lacking = sum(bool({*q.gold} - known) for q in asked)
        console.notice(
            f"{lacking} of {len(asked)} questions name gold documents that the store lacks, such as {min(named - known)!r}: "
            "these are left out."
        )
    return [replace(q, gold=tuple(document for document in q.gold if document in known)) for q in asked]


def _held(out: Path) -> FileLock:
    """Hold a report's folder."""
    if out.exists() and not out.is_dir():
        raise UsageError(f"Expected a folder for --out at {out}, found a file: name another.")
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = FileLock(out / ".lock")
        lock.acquire(timeout=0)
    except Timeout as error:
        raise Busy(f"Another run writes to {out}: wait for it to end, or name another folder with --out.") from error
    return lock


def _manifest(folder: Path) -> dict[str, Any]:
    from kgrag.factuality.write import MANIFEST

    try:
        found = json.loads((folder / MANIFEST).read_text("utf-8"))
        return found if isinstance(found, dict) else {}
    except (OSError, ValueError):
        return {}
