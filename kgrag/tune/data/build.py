"""Build training data: examples from a store's facts or from a file of questions, and preferences from a report."""

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
"""Minimum number of examples; a tenth of fewer would be too few to measure on."""
ExampleProgress = Callable[[int, int], None]


@dataclass
class ExampleSet:
    """``examples`` pack by pack, the number of ``possible_questions``, and ``skipped``: reason -> number left out."""

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
    """Build at most ``number`` examples; the store's notice reports how many were left out.

    Args:
        store: the opened store; None if the questions have their own passages.
        questions: a file of questions (`kgrag.tune.data.user_questions`), or None to generate them from the store's facts.
        number: maximum number of examples, unanswerable ones included.
        seed: the same seed gives the same examples.
        tick: called with (done, total).
        stepwise: leave out questions with several gold passages whose steps are unknown.

    Raises:
        UsageError: the store is empty or has no typed facts, the file has no answers, or there are fewer than
            `MIN_EXAMPLES` examples.
        ReadError: the file cannot be read.
    """
    example_set = build_examples(store, questions, number=number, seed=seed, tick=tick, stepwise=stepwise)
    if store is not None:
        store.notice(summarize_examples(example_set))
    return example_set.examples


def summarize_examples(example_set: ExampleSet) -> str:
    """Return a sentence or two about the examples."""
    kinds = Counter(e.kind for e in example_set.examples)
    text = (
        f"{len(example_set.examples)} examples ({', '.join(f'{n} {kind}' for kind, n in sorted(kinds.items()))}; "
        f"{sum(e.held for e in example_set.examples)} held out) from {example_set.possible_questions} possible questions."
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
    """Build examples as `load_or_build_examples`, with a token counter and a judge (defaults: the store's)."""
    if store is not None and not store.graph_store.counts()["documents"]:
        raise UsageError(f"Expected documents in {store.location}, found none: add some with `kgrag ingest PATH`.")
    if questions is not None:
        return _examples_from_file(store, questions, number, seed, tick, count, stepwise)
    if store is None:
        raise UsageError("Expected a store or a file of questions, found neither: pass --store or --questions.")
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
    """Build examples from a file of questions."""
    example_set = ExampleSet()
    search = store.retriever.retrieve if store is not None else None
    questions = user_questions.load_user_questions(
        path, search, partial(gold_passages, store.graph_store) if store is not None else None, example_set.skipped
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
    bridges = BridgeFinder(store.predicates if store is not None else load_predicate_schema())
    builder = UserExampleBuilder(count, seed, example_set.skipped, advance, read_graph, bridges.find, stepwise)
    if store is not None:
        builder = replace(builder, embedder_for=store.embedder_for)
    for held in (False, True):
        split_questions = [q for q, side in zip(chosen, sides, strict=True) if side is held]
        example_set.examples += [replace(example, held=held) for example in builder.build_examples(split_questions)]
    _require_enough(example_set, f"{path}", f"has {len(questions)} questions with answers", "add questions")
    return example_set


def _examples_from_facts(
    store: Store, number: int, seed: int, tick: ExampleProgress, count: CountTokens | None, judge: SupportJudge
) -> ExampleSet:
    """Build examples from the store's facts."""
    counts = store.graph_store.counts()
    if not counts["typed triples"]:
        raise UsageError(
            f"Expected typed facts in {store.location} to generate questions, found none in {counts['documents']} documents: "
            "ingest with --extract both, or pass your own with --questions FILE."
        )
    example_set = ExampleSet()
    store_vocabulary, facts = store.predicates, store.facts
    question_templates = load_templates(store_vocabulary)
    generated_questions = generate_from_store(
        store.merged_graph, facts, store_vocabulary, question_templates, seed, example_set.skipped
    )
    example_set.possible_questions = len({q.text for q in generated_questions})
    document_count = f"{counts['documents']} document{'s' * (counts['documents'] != 1)}"
    finding = f"has {document_count} for which {example_set.possible_questions} questions could be generated"
    advice = "ingest more documents, or pass your own questions with --questions FILE"
    if example_set.possible_questions < MIN_EXAMPLES:
        _require_enough(example_set, str(store.location), finding, advice)
    chosen: list[SyntheticQuestion] = []
    # more than needed, because the judge rejects some
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
    evidence = EvidenceProvider(store.retriever.retrieve, lambda q: store.passages_stating([f.triple for f in q.facts]), store.graph_reader.answer, count or token_counter(store), store.embedder_for)  # fmt: skip
    total = sum(side is not None for side in sides)
    ticked_count = 0

    def advance(more: int) -> None:
        nonlocal ticked_count
        ticked_count += more
        tick(min(ticked_count, total), total)

    builder = SyntheticExampleBuilder(evidence, seed, example_set.skipped, advance)
    for held in (False, True):
        split_questions = [q for q, side in zip(chosen, sides, strict=True) if side is held]
        example_set.examples += builder.build_examples(split_questions, held=held)
    _require_enough(example_set, str(store.location), finding, advice)
    return example_set


def _require_enough(example_set: ExampleSet, source: str, finding: str, advice: str) -> None:
    example_set.skipped = +example_set.skipped
    if len(example_set.examples) < MIN_EXAMPLES:
        raise UsageError(
            f"Expected {MIN_EXAMPLES} examples or more, of which a tenth is held out; {source} {finding}, which gave "
            f"{len(example_set.examples)}: {advice}."
        )


def preferences_from_report(report: Path, notify: Callable[[str], object]) -> list[Preference]:
    """Build preferences from the records of a `kgrag eval` report, and report their number to ``notify``.

    Raises:
        UsageError: there is no finished run, or it yields no preferences.
        ReadError: its records are damaged.
    """
    records = load_records(report)
    all_pairs = build_preferences(records)
    if not all_pairs:
        raise UsageError(
            f"Expected better and worse answers in {report}, found no such pair in {len(records)} records: run "
            "`kgrag eval` on more questions, with --conditions answerable,unanswerable."
        )
    balanced_pairs = balance_pairs(all_pairs)
    dropped_count = len(all_pairs) - len(balanced_pairs)
    dropped_note = (
        f"; {dropped_count} more that prefer an abstention are left out, so that abstaining does not dominate"
        if dropped_count
        else ""
    )
    notify(f"{len(balanced_pairs)} pairs from {report}{dropped_note}")
    return balanced_pairs


def token_counter(store: Store | None) -> CountTokens:
    """Return a token counter of the store's model (without a store, the default model); no weights are loaded.

    Raises:
        ModelError: the model cannot be downloaded.
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
