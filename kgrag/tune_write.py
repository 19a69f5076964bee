"""What is learned from, written of an opened store: its own questions, or those of a file, and preferences of a report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from ingest.patterns import vocabulary
from kgrag.app import App
from kgrag.errors import UsageError
from kgrag.factuality.records import load
from kgrag.protocols import SupportJudge
from kgrag.reader.walk import Candidate
from kgrag.reader.wording import wording
from kgrag.tune.example import Example, Preference
from kgrag.tune.questions import given
from kgrag.tune.questions.agreed import agreed
from kgrag.tune.questions.asked import Count
from kgrag.tune.questions.bridged import Bridges
from kgrag.tune.questions.given_packs import GivenPacker
from kgrag.tune.questions.held import held_out
from kgrag.tune.questions.made import Made, digest
from kgrag.tune.questions.own import own_questions
from kgrag.tune.questions.packs import Evidence, Packer
from kgrag.tune.questions.preferences import balanced, preferences
from kgrag.tune.questions.sample import sample

LEAST = 20
"""Fewer examples than this are refused: a tenth of them would be no measure."""
Tick = Callable[[int, int], None]


@dataclass
class Written:
    """``examples``, packs one after another; ``possible`` is how many questions could have been made, ``left`` counts in
    words what was left out and why."""

    examples: list[Example] = field(default_factory=list)
    possible: int = 0
    left: Counter[str] = field(default_factory=Counter)


def examples_of(
    opened: App | None,
    questions: Path | None,
    *,
    number: int,
    seed: int,
    tick: Tick = lambda _, __: None,
    stepwise: bool = False,
) -> list[Example]:
    """At most ``number`` examples to learn from; what was left out is told to the store's notice.

    Args:
        opened: the store; None where the questions bring their own passages.
        questions: a file of questions (`kgrag.tune.questions.given`), or None to write them from the store's facts.
        number: examples, the unanswerable ones among them.
        seed: the same seed writes the same examples.
        tick: told how many are done, of how many.
        stepwise: leave out questions of several gold passages where nothing says in which steps.

    Raises:
        UsageError: the store is empty, has no typed facts, or gives fewer than `LEAST` examples; the file has no answers.
        ReadError: the file cannot be read.
    """
    written = write(opened, questions, number=number, seed=seed, tick=tick, stepwise=stepwise)
    if opened is not None:
        opened.notice(summary(written))
    return written.examples


def summary(written: Written) -> str:
    """What was written, in a sentence or two."""
    kinds = Counter(e.kind for e in written.examples)
    told = (
        f"{len(written.examples)} examples ({', '.join(f'{n} {kind}' for kind, n in sorted(kinds.items()))}; "
        f"{sum(e.held for e in written.examples)} held out), of {written.possible} questions that there could have been."
    )
    for missing in ("a question without an answer", "an answer without a question"):
        if number := written.left[missing]:
            told += f" {number} left out: {missing}."
    return told


def write(
    opened: App | None,
    questions: Path | None,
    *,
    number: int,
    seed: int,
    tick: Tick = lambda _, __: None,
    count: Count | None = None,
    judge: SupportJudge | None = None,
    stepwise: bool = False,
) -> Written:
    """`examples_of`, with what was left out; ``count`` (by default the model's tokenizer) and ``judge`` may be given."""
    if opened is not None and not opened.graph.counts()["documents"]:
        raise UsageError(f"Expected documents in {opened.place}, found none: add some with `kgrag ingest PATH`.")
    if questions is not None:
        return _given(opened, questions, number, seed, tick, count, stepwise)
    if opened is None:
        raise UsageError("Expected a store to write questions of, or a file of questions, found neither: name one.")
    if judge is None:
        from kgrag.judge import load_judge

        judge = load_judge()
    return _own(opened, number, seed, tick, count, judge)


def _given(
    opened: App | None, path: Path, number: int, seed: int, tick: Tick, count: Count | None, stepwise: bool
) -> Written:
    """Examples of a file of questions."""
    done = Written()
    search = opened.retriever.retrieve if opened is not None else None
    found = given.read(path, search, opened.gold if opened is not None else None, done.left)
    done.possible = len(found)
    chosen = given.settled(sorted(found, key=lambda q: digest(seed, q.id, q.text))[:number])
    sides = held_out([q.documents for q in chosen], seed)
    done.left["rests on documents of both sides"] += sum(side is None for side in sides)
    told = 0

    def ticked(more: int) -> None:
        nonlocal told
        told += more
        tick(told, len(chosen))

    count = count or counter(opened)
    read: Callable[[str], list[Candidate]] = opened.graph_reader.read if opened is not None else lambda _: []
    bridges = Bridges(opened.vocabulary if opened is not None else vocabulary())
    packer = GivenPacker(count, seed, done.left, ticked, read, bridges.find, stepwise)
    for held in (False, True):
        mine = [q for q, side in zip(chosen, sides, strict=True) if side is held]
        done.examples += [replace(example, held=held) for example in packer.examples(mine)]
    _enough(done, f"{path}", f"has {len(found)} questions with answers", "add questions")
    return done


def _own(opened: App, number: int, seed: int, tick: Tick, count: Count | None, judge: SupportJudge) -> Written:
    """Examples of the store's own facts."""
    counts = opened.graph.counts()
    if not counts["typed triples"]:
        raise UsageError(
            f"Expected typed facts in {opened.place} to make questions of, found none in {counts['documents']} documents: "
            "ingest with --extract both, or give your own with --questions FILE."
        )
    done = Written()
    known, store = opened.vocabulary, opened.facts
    words = wording(known)
    made = own_questions(opened.merged, store, known, words, seed, done.left)
    done.possible = len({q.text for q in made})
    pages = f"{counts['documents']} document{'s' * (counts['documents'] != 1)}"
    found = f"has {pages} of which {done.possible} questions could be made"
    todo = "ingest more documents, or give your own questions with --questions FILE"
    if done.possible < LEAST:
        _enough(done, str(opened.place), found, todo)
    chosen: list[Made] = []
    # some more than wanted, since the judge takes some away
    for question in agreed(sample(made, number + number // 4 + 8, seed), judge, words, done.left):
        if len(chosen) == number:
            break
        chosen.append(question)
    sides = held_out([q.documents for q in chosen], seed)
    done.left["rests on documents of both sides"] += sum(side is None for side in sides)
    evidence = Evidence(opened.retriever.retrieve, lambda q: opened.stating([f.triple for f in q.facts]), opened.graph_reader.read, count or counter(opened))  # fmt: skip
    total = sum(side is not None for side in sides)
    told = 0

    def ticked(more: int) -> None:
        nonlocal told
        told += more
        tick(min(told, total), total)

    packer = Packer(evidence, seed, done.left, ticked)
    for held in (False, True):
        mine = [q for q, side in zip(chosen, sides, strict=True) if side is held]
        done.examples += packer.examples(mine, held=held)
    _enough(done, str(opened.place), found, todo)
    return done


def _enough(done: Written, what: str, found: str, todo: str) -> None:
    done.left = +done.left
    if len(done.examples) < LEAST:
        raise UsageError(
            f"Expected {LEAST} examples or more to learn from, a tenth of them to measure on; {what} {found}, which gave "
            f"{len(done.examples)}: {todo}."
        )


def preferences_of(report: Path, say: Callable[[str], object]) -> list[Preference]:
    """The preferences that follow from the records of a `kgrag eval` report, the folder ``report``; ``say`` hears how many.

    Raises:
        UsageError: there is no finished run, or nothing in it is to be preferred to anything.
        ReadError: its records are damaged.
    """
    records = load(report)
    found = preferences(records)
    if not found:
        raise UsageError(
            f"Expected answers in {report} that are better or worse than others, found none in {len(records)} records: run "
            "`kgrag eval` on more questions, with --conditions answerable,unanswerable."
        )
    kept = balanced(found)
    left = len(found) - len(kept)
    most = f"; {left} more that prefer silence are left out, so that it is not all that is learned" if left else ""
    say(f"{len(kept)} pairs from {report}{most}")
    return kept


def counter(opened: App | None) -> Count:
    """Counts tokens as the store's model does, or without a store the one that fits this machine; no weights are loaded.

    Raises:
        ModelError: the model cannot be had.
    """
    from kgrag.config import Config
    from kgrag.llm.choose import chosen, weights_of
    from kgrag.models.address import is_address
    from kgrag.models.fetch import silent

    if opened is not None and is_address(opened.model):
        return opened.llm.count
    from transformers import AutoTokenizer

    name, config = (opened.model, opened.config) if opened is not None else ("auto", Config.model_validate({}))
    model, _, _ = chosen(name, config)
    folder = weights_of(model, opened.progress if opened is not None else silent)
    tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False))
