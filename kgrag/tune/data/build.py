"""What is learned from, written of an opened store: its own questions, or those of a file, and preferences of a report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from graphs.predicates import load_predicate_schema
from kgrag.errors import UsageError
from kgrag.factuality.experiment.sources import gold_passages
from kgrag.factuality.records import load_records
from kgrag.graphqa.question_templates import load_templates
from kgrag.graphqa.traversal import GraphAnswer
from kgrag.protocols import SupportJudge
from kgrag.store.store import Store
from kgrag.tune.data import user_questions
from kgrag.tune.data.balanced_sample import sample_questions
from kgrag.tune.data.bridge_finder import BridgeFinder
from kgrag.tune.data.example import Example, Preference
from kgrag.tune.data.holdout import assign_holdout
from kgrag.tune.data.judge_filter import filter_by_judge
from kgrag.tune.data.preferences import balance_pairs, build_preferences
from kgrag.tune.data.prompt_format import CountTokens
from kgrag.tune.data.store_questions import generate_from_store
from kgrag.tune.data.synthetic_examples import EvidenceProvider, SyntheticExampleBuilder
from kgrag.tune.data.synthetic_questions import SyntheticQuestion, seeded_digest
from kgrag.tune.data.user_examples import UserExampleBuilder

MIN_EXAMPLES = 20
"""Fewer examples than this are refused: a tenth of them would be no measure."""
ExampleProgress = Callable[[int, int], None]


@dataclass
class ExampleSet:
    """``examples``, packs one after another; ``possible`` is how many questions could have been made, ``left`` counts in
    words what was left out and why."""

    examples: list[Example] = field(default_factory=list)
    possible_questions: int = 0
    skipped: Counter[str] = field(default_factory=Counter)


def load_or_build_examples(
    store: Store | None,
    questions: Path | None,
    *,
    number: int,
    seed: int,
    tick: ExampleProgress = lambda _, __: None,
    stepwise: bool = False,
) -> list[Example]:
    """At most ``number`` examples to learn from; what was left out is told to the store's notice.

    Args:
        opened: the store; None where the questions bring their own passages.
        questions: a file of questions (`kgrag.tune.data.user_questions`), or None to write them from the store's facts.
        number: examples, the unanswerable ones among them.
        seed: the same seed writes the same examples.
        tick: told how many are done, of how many.
        stepwise: leave out questions of several gold passages where nothing says in which steps.

    Raises:
        UsageError: the store is empty, has no typed facts, or gives fewer than `LEAST` examples; the file has no answers.
        ReadError: the file cannot be read.
    """
    example_set = build_examples(store, questions, number=number, seed=seed, tick=tick, stepwise=stepwise)
    if store is not None:
        store.notice(summarize_examples(example_set))
    return example_set.examples


def summarize_examples(example_set: ExampleSet) -> str:
    """What was written, in a sentence or two."""
    kinds = Counter(e.kind for e in example_set.examples)
    text = (
        f"{len(example_set.examples)} examples ({', '.join(f'{n} {kind}' for kind, n in sorted(kinds.items()))}; "
        f"{sum(e.held for e in example_set.examples)} held out), of {example_set.possible_questions} questions that there could have been."
    )
    for missing in ("a question without an answer", "an answer without a question"):
        if number := example_set.skipped[missing]:
            text += f" {number} left out: {missing}."
    return text


def build_examples(
    store: Store | None,
    questions: Path | None,
    *,
    number: int,
    seed: int,
    tick: ExampleProgress = lambda _, __: None,
    count: CountTokens | None = None,
    judge: SupportJudge | None = None,
    stepwise: bool = False,
) -> ExampleSet:
    """`examples_of`, with what was left out; ``count`` (by default the model's tokenizer) and ``judge`` may be given."""
    if store is not None and not store.graph.counts()["documents"]:
        raise UsageError(f"Expected documents in {store.location}, found none: add some with `kgrag ingest PATH`.")
    if questions is not None:
        return _examples_from_file(store, questions, number, seed, tick, count, stepwise)
    if store is None:
        raise UsageError("Expected a store to write questions of, or a file of questions, found neither: name one.")
    if judge is None:
        from kgrag.judge import load_judge

        judge = load_judge()
    return _examples_from_facts(store, number, seed, tick, count, judge)


def _examples_from_file(
    store: Store | None,
    path: Path,
    number: int,
    seed: int,
    tick: ExampleProgress,
    count: CountTokens | None,
    stepwise: bool,
) -> ExampleSet:
    """Examples of a file of questions."""
    example_set = ExampleSet()
    search = store.retriever.retrieve if store is not None else None
    questions = user_questions.load_user_questions(
        path, search, partial(gold_passages, store.graph) if store is not None else None, example_set.skipped
    )
    example_set.possible_questions = len(questions)
    chosen = user_questions.infer_gold_passages(
        sorted(questions, key=lambda q: seeded_digest(seed, q.id, q.text))[:number]
    )
    sides = assign_holdout([q.documents for q in chosen], seed)
    example_set.skipped["rests on documents of both sides"] += sum(side is None for side in sides)
    ticked_count = 0

    def advance(more: int) -> None:
        nonlocal ticked_count
        ticked_count += more
        tick(ticked_count, len(chosen))

    count = count or token_counter(store)
    read_graph: Callable[[str], list[GraphAnswer]] = store.graph_reader.answer if store is not None else lambda _: []
    bridges = BridgeFinder(store.vocabulary if store is not None else load_predicate_schema())
    packer = UserExampleBuilder(count, seed, example_set.skipped, advance, read_graph, bridges.find, stepwise)
    for held in (False, True):
        split_questions = [q for q, side in zip(chosen, sides, strict=True) if side is held]
        example_set.examples += [replace(example, held=held) for example in packer.build_examples(split_questions)]
    _require_enough(example_set, f"{path}", f"has {len(questions)} questions with answers", "add questions")
    return example_set


def _examples_from_facts(
    store: Store, number: int, seed: int, tick: ExampleProgress, count: CountTokens | None, judge: SupportJudge
) -> ExampleSet:
    """Examples of the store's own facts."""
    counts = store.graph.counts()
    if not counts["typed triples"]:
        raise UsageError(
            f"Expected typed facts in {store.location} to make questions of, found none in {counts['documents']} documents: "
            "ingest with --extract both, or give your own with --questions FILE."
        )
    example_set = ExampleSet()
    store_vocabulary, facts = store.vocabulary, store.facts
    question_templates = load_templates(store_vocabulary)
    generated_questions = generate_from_store(
        store.merged_graph, facts, store_vocabulary, question_templates, seed, example_set.skipped
    )
    example_set.possible_questions = len({q.text for q in generated_questions})
    document_count = f"{counts['documents']} document{'s' * (counts['documents'] != 1)}"
    finding = f"has {document_count} of which {example_set.possible_questions} questions could be made"
    advice = "ingest more documents, or give your own questions with --questions FILE"
    if example_set.possible_questions < MIN_EXAMPLES:
        _require_enough(example_set, str(store.location), finding, advice)
    chosen: list[SyntheticQuestion] = []
    # some more than wanted, since the judge takes some away
    for question in filter_by_judge(
        sample_questions(generated_questions, number + number // 4 + 8, seed),
        judge,
        question_templates,
        example_set.skipped,
    ):
        if len(chosen) == number:
            break
        chosen.append(question)
    sides = assign_holdout([q.documents for q in chosen], seed)
    example_set.skipped["rests on documents of both sides"] += sum(side is None for side in sides)
    evidence = EvidenceProvider(store.retriever.retrieve, lambda q: store.passages_stating([f.triple for f in q.facts]), store.graph_reader.answer, count or token_counter(store))  # fmt: skip
    total = sum(side is not None for side in sides)
    ticked_count = 0

    def advance(more: int) -> None:
        nonlocal ticked_count
        ticked_count += more
        tick(min(ticked_count, total), total)

    packer = SyntheticExampleBuilder(evidence, seed, example_set.skipped, advance)
    for held in (False, True):
        split_questions = [q for q, side in zip(chosen, sides, strict=True) if side is held]
        example_set.examples += packer.build_examples(split_questions, held=held)
    _require_enough(example_set, str(store.location), finding, advice)
    return example_set


def _require_enough(example_set: ExampleSet, source: str, finding: str, advice: str) -> None:
    example_set.skipped = +example_set.skipped
    if len(example_set.examples) < MIN_EXAMPLES:
        raise UsageError(
            f"Expected {MIN_EXAMPLES} examples or more to learn from, a tenth of them to measure on; {source} {finding}, which gave "
            f"{len(example_set.examples)}: {advice}."
        )


def preferences_from_report(report: Path, notify: Callable[[str], object]) -> list[Preference]:
    """The preferences that follow from the records of a `kgrag eval` report, the folder ``report``; ``say`` hears how many.

    Raises:
        UsageError: there is no finished run, or nothing in it is to be preferred to anything.
        ReadError: its records are damaged.
    """
    records = load_records(report)
    all_pairs = build_preferences(records)
    if not all_pairs:
        raise UsageError(
            f"Expected answers in {report} that are better or worse than others, found none in {len(records)} records: run "
            "`kgrag eval` on more questions, with --conditions answerable,unanswerable."
        )
    balanced_pairs = balance_pairs(all_pairs)
    dropped_count = len(all_pairs) - len(balanced_pairs)
    dropped_note = (
        f"; {dropped_count} more that prefer silence are left out, so that it is not all that is learned"
        if dropped_count
        else ""
    )
    notify(f"{len(balanced_pairs)} pairs from {report}{dropped_note}")
    return balanced_pairs


def token_counter(store: Store | None) -> CountTokens:
    """Counts tokens as the store's model does, or without a store the one that fits this machine; no weights are loaded.

    Raises:
        ModelError: the model cannot be had.
    """
    from kgrag.config import Config
    from kgrag.llm.loader import resolve_model, weights_folder
    from kgrag.models.download import no_progress
    from kgrag.models.endpoint import is_address

    if store is not None and is_address(store.model):
        return store.llm.count
    from transformers import AutoTokenizer

    name, config = (store.model, store.config) if store is not None else ("auto", Config.model_validate({}))
    model, _, _ = resolve_model(name, config)
    folder = weights_folder(model, store.progress if store is not None else no_progress)
    tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False))
