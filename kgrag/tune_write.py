"""What is learned from, written of an opened store: its own questions, or those of a file, and preferences of a report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from kgrag.app import App
from kgrag.errors import UsageError
from kgrag.protocols import SupportJudge
from kgrag.tune.agreed import agreed
from kgrag.tune.asked import Count
from kgrag.tune.compared import comparisons
from kgrag.tune.example import Example
from kgrag.tune.facts import sure
from kgrag.tune.held import held_out
from kgrag.tune.made import Made, one_hop, two_hop
from kgrag.tune.packs import Evidence, Packer
from kgrag.tune.sample import sample
from kgrag.tune.wording import wording

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
    opened: App, questions: Path | None, *, number: int, seed: int, tick: Tick = lambda _, __: None
) -> list[Example]:
    """At most ``number`` examples to learn from; what was left out is told to the store's notice.

    Args:
        opened: the store.
        questions: a file of questions (`kgrag.tune.given`), or None to write them from the store's facts.
        number: examples, the unanswerable ones among them.
        seed: the same seed writes the same examples.
        tick: told how many are done, of how many.

    Raises:
        UsageError: the store is empty, has no typed facts, or gives fewer than `LEAST` examples; the file has no answers.
        ReadError: the file cannot be read.
    """
    written = write(opened, questions, number=number, seed=seed, tick=tick)
    kinds = Counter(e.kind for e in written.examples)
    opened.notice(
        f"{len(written.examples)} examples ({', '.join(f'{n} {kind}' for kind, n in sorted(kinds.items()))}; "
        f"{sum(e.held for e in written.examples)} held out), of {written.possible} questions that could be made."
    )
    return written.examples


def write(
    opened: App,
    questions: Path | None,
    *,
    number: int,
    seed: int,
    tick: Tick = lambda _, __: None,
    count: Count | None = None,
    judge: SupportJudge | None = None,
) -> Written:
    """`examples_of`, with what was left out; ``count`` (by default the model's tokenizer) and ``judge`` may be given."""
    counts = opened.graph.counts()
    if not counts["documents"]:
        raise UsageError(f"Expected documents in {opened.place}, found none: add some with `kgrag ingest PATH`.")
    if judge is None:
        from kgrag.judge import load_judge

        judge = load_judge()
    return _own(opened, number, seed, tick, count or counter(opened), judge)


def _own(opened: App, number: int, seed: int, tick: Tick, count: Count, judge: SupportJudge) -> Written:
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
    facts = sure(opened.merged, store, known, words, done.left)
    made = [*one_hop(facts, words, seed), *two_hop(facts, store, words, seed), *comparisons(facts, store, known, words, seed)]  # fmt: skip
    done.possible = len({q.text for q in made})
    chosen: list[Made] = []
    # some more than wanted, since the judge takes some away
    for question in agreed(sample(made, number + number // 4 + 8, seed), judge, words, done.left):
        if len(chosen) == number:
            break
        chosen.append(question)
    sides = held_out([q.documents for q in chosen], seed)
    done.left["rests on documents of both sides"] += sum(side is None for side in sides)
    evidence = Evidence(opened.retriever.retrieve, lambda q: opened.stating([f.triple for f in q.facts]), opened.graph_reader.read, count)  # fmt: skip
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
    _enough(done, opened, counts["documents"])
    return done


def _enough(done: Written, opened: App, documents: int) -> None:
    done.left = +done.left
    if len(done.examples) < LEAST:
        raise UsageError(
            f"{opened.place} gave {len(done.examples)} examples to learn from ({done.possible} questions could be made of "
            f"{documents} document{'s' * (documents != 1)}), and {LEAST} are needed to set a tenth aside: ingest more "
            "documents, or give your own questions with --questions FILE."
        )


def counter(opened: App) -> Count:
    """Counts tokens as the store's model does, without loading its weights.

    Raises:
        ModelError: the model cannot be had.
    """
    from kgrag.llm.choose import chosen, weights_of
    from kgrag.models.address import is_address

    if is_address(opened.model):
        return opened.llm.count
    from transformers import AutoTokenizer

    model, _, _ = chosen(opened.model, opened.config)
    tokenizer = AutoTokenizer.from_pretrained(str(weights_of(model, opened.progress)), local_files_only=True)
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False))
