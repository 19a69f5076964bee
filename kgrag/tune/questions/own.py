"""All the questions that a store's facts answer: of one step, of two, and comparisons."""

from __future__ import annotations

from collections import Counter

from graphs.facts import Facts
from graphs.vocabulary import Vocabulary
from kgrag.protocols import Graph
from kgrag.reader.wording import Wording
from kgrag.tune.questions.compared import comparisons
from kgrag.tune.questions.facts import sure
from kgrag.tune.questions.made import Made, one_hop, two_hop


def own_questions(
    graph: Graph, store: Facts, known: Vocabulary, words: Wording, seed: int, left: Counter[str]
) -> list[Made]:
    """The questions, by kind and by document; the same seed words them the same.

    Args:
        graph: with what is one thing merged (`graphs.merged`).
        store: its facts.
        known: its predicates.
        words: how they are asked for.
        left: counts, in words, the facts that cannot be asked for.
    """
    facts = sure(graph, store, known, words, left)
    return [
        *one_hop(facts, words, seed),
        *two_hop(facts, store, words, seed),
        *comparisons(facts, store, known, words, seed),
    ]
