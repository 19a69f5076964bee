"""Helpers for tests of the answer pipeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from graphs.facts.builder import fact_index_from
from graphs.predicates import PredicateSchema, load_predicate_schema
from kgrag.answering.pipeline import AnswerPipeline
from kgrag.answering.selected_passage import SelectedPassage
from kgrag.graphqa.reader import GraphQAReader
from kgrag.graphqa.traversal import GraphAnswer
from kgrag.text import normalize_name
from kgrag.types import Answer, Hit, Passage, Triple
from tests.support.fake_graph_qa import FakeGraphQA
from tests.support.fake_llm import FakeLLM
from tests.support.fake_retriever import FixedRetriever, TitleMatchRetriever, make_hit


def make_hits(*passages: tuple[str, str]) -> list[Hit]:
    """Return a hit for each (title, text); every one is a document of its own, even under the same title."""
    return [
        Hit(Passage(f"{number}#0001", str(number), text, 0, len(text)), title, "", 0.9, number)
        for number, (title, text) in enumerate(passages, 1)
    ]


def messages(answer: Answer) -> list[str]:
    """Return the messages of an answer's diagnostics."""
    return [diagnostic.message for diagnostic in answer.diagnostics]


def select_whole(*hits: Hit) -> list[SelectedPassage]:
    """Select the whole text of each hit."""
    return [SelectedPassage(n, hit, ((0, len(hit.passage.text)),)) for n, hit in enumerate(hits, 1)]


def make_pipeline(
    answer_text: str,
    *hits: Hit,
    graph: Sequence[GraphAnswer] = (),
    schema: PredicateSchema | None = None,
) -> tuple[AnswerPipeline, FakeLLM]:
    """Build a pipeline with fixed hits, graph answers and model reply; return it with its model."""
    llm = FakeLLM(default_answer=answer_text, token="word")
    pipeline = AnswerPipeline(
        lambda: FixedRetriever(*hits),
        lambda: FakeGraphQA(*graph),
        lambda: llm,
        schema=schema or load_predicate_schema(),
    )
    return pipeline, llm


def make_graph_reader(texts: Mapping[str, str], *facts: tuple[str, str, str], confidence: float = 0.9) -> GraphQAReader:
    """Build a graph reader over facts (subject, predicate, object).

    Args:
        texts: title -> text of each document; a fact's passage is the whole document of its subject.
        facts: the facts.
        confidence: of each fact.
    """
    names = {normalize_name(value): value for _, _, value in facts}
    triples = [
        Triple(
            normalize_name(subject),
            predicate,
            normalize_name(value),
            f"{subject}#0001",
            0,
            len(texts[subject]),
            confidence,
        )
        for subject, predicate, value in facts
    ]
    return GraphQAReader(
        fact_index_from(triples, {normalize_name(title): title for title in texts}, names), load_predicate_schema()
    )


def make_reading_pipeline(
    texts: Mapping[str, str], reader: GraphQAReader, llm: FakeLLM, retriever: TitleMatchRetriever | None = None
) -> AnswerPipeline:
    """Build a pipeline over documents (title -> text) that finds those whose title is in the question."""
    finder = retriever or TitleMatchRetriever(texts)

    def evidence_for_triples(triples: Sequence[Triple]) -> list[Hit]:
        titles = [triple.passage_id.split("#")[0] for triple in triples]
        return [make_hit(title, texts[title], rank) for rank, title in enumerate(titles, 1)]

    return AnswerPipeline(
        lambda: finder, lambda: reader, lambda: llm, evidence_for_triples, schema=load_predicate_schema()
    )
