"""Examples for the ranker from questions whose evidence is quotes: manuals, and any other long documents."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kgrag.dev.benchmarks.manuals.gold_passages import QuoteHolders, find_gold_passages
from kgrag.dev.benchmarks.manuals.questions import ManualQuestion
from kgrag.dev.benchmarks.manuals.retrieval import retrieval_text
from kgrag.dev.training.ranker.examples import RankingExample, build_example
from kgrag.retrieve.hybrid import HybridRetriever
from kgrag.store.store import Store


def build_quote_examples(
    store: Store, questions: Sequence[ManualQuestion], tick: Callable[[], None] = lambda: None
) -> tuple[list[str], dict[str, list[RankingExample]]]:
    """Return feature names, and corpus -> the examples of its questions whose quotes the store holds.

    A candidate's "document" is the first quote that it holds, or else its passage, so that recall counts quotes.
    """
    gold = find_gold_passages(store.graph_store, questions)
    passage_ids = [passage_id for passage_id, _ in store.graph_store.passage_keys()]
    names: list[str] = []
    examples: dict[str, list[RankingExample]] = {}
    for question in questions:
        holders = gold.holders[question.id]
        if holders and all(held.rows for held in holders):
            names, example = _build_quote_example(store.retriever, question, holders, passage_ids)
            examples.setdefault(question.corpus, []).append(example)
        tick()
    return names, examples


def _build_quote_example(
    retriever: HybridRetriever, question: ManualQuestion, holders: Sequence[QuoteHolders], passage_ids: Sequence[str]
) -> tuple[list[str], RankingExample]:
    label_by_row = {row: f"quote {number}" for number, held in reversed(list(enumerate(holders))) for row in held.rows}
    return build_example(
        retriever,
        retrieval_text(question),
        tuple(f"quote {number}" for number in range(len(holders))),
        lambda row: label_by_row.get(row, passage_ids[row]),
    )
