"""Generate all questions that a store's facts answer: one-hop, two-hop, and comparisons."""

from __future__ import annotations

from collections import Counter

from graphs.facts.fact_index import FactIndex
from graphs.predicates import PredicateSchema
from kgrag.graphqa.question_templates import QuestionTemplates
from kgrag.protocols import GraphReader
from kgrag.tune.data.comparison_questions import comparison_questions
from kgrag.tune.data.fact_selection import select_facts
from kgrag.tune.data.synthetic_questions import SyntheticQuestion, one_hop_questions, two_hop_questions


def generate_from_store(
    graph: GraphReader,
    store: FactIndex,
    schema: PredicateSchema,
    templates: QuestionTemplates,
    seed: int,
    skipped: Counter[str],
) -> list[SyntheticQuestion]:
    """Return the questions by kind and document; the same seed gives the same wording.

    Args:
        graph: the graph with merged entities (`graphs.merging.merged_view`).
        store: the index of its facts.
        schema: the predicates.
        templates: the question templates.
        seed: seed of the wording.
        skipped: counts the facts without a question, by reason.
    """
    facts = select_facts(graph, store, schema, templates, skipped)
    return [
        *one_hop_questions(facts, templates, seed),
        *two_hop_questions(facts, store, templates, seed),
        *comparison_questions(facts, store, schema, templates, seed),
    ]
