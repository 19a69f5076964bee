"""All the questions that a store's facts answer: of one step, of two, and comparisons."""

from __future__ import annotations

from collections import Counter

from graphs.facts.fact_index import FactIndex
from graphs.predicates import PredicateSchema
from kgrag.graphqa.question_templates import QuestionTemplates
from kgrag.protocols import GraphStore
from kgrag.tune.data.comparison_questions import comparison_questions
from kgrag.tune.data.fact_selection import select_facts
from kgrag.tune.data.synthetic_questions import SyntheticQuestion, one_hop_questions, two_hop_questions


def generate_from_store(
    graph: GraphStore,
    store: FactIndex,
    schema: PredicateSchema,
    templates: QuestionTemplates,
    seed: int,
    skipped: Counter[str],
) -> list[SyntheticQuestion]:
    """The questions, by kind and by document; the same seed words them the same.

    Args:
        graph: with what is one thing merged (`graphs.merging.merged_view`).
        store: its facts.
        known: its predicates.
        words: how they are asked for.
        left: counts, in words, the facts that cannot be asked for.
    """
    facts = select_facts(graph, store, schema, templates, skipped)
    return [
        *one_hop_questions(facts, templates, seed),
        *two_hop_questions(facts, store, templates, seed),
        *comparison_questions(facts, store, schema, templates, seed),
    ]
