"""Plain retrieval-augmented generation, for comparison: the nearest passages, one prompt, no checks."""

from __future__ import annotations

import time
from collections.abc import Sequence

from indices.bm25_index import top_k
from kgrag.llm.chat_model import model_label
from kgrag.prompts import Messages, is_abstention, strip_chat_markup
from kgrag.protocols import LLM, GenerationOptions
from kgrag.retrieve.baselines import VectorRetriever
from kgrag.retrieve.passages import load_passages
from kgrag.store.store import Store
from kgrag.text import detect_language
from kgrag.types import Answer, Hit

PLAIN_PASSAGES, PLAIN_ANSWER_TOKENS = 5, 256
PLAIN_INSTRUCTION = {
    "en": "Answer the question from the passages. If they do not say, say so.",
    "zh": "根据段落回答问题。如果段落没有说明，就直说没有说明。",
}


class PlainRAG:
    """Answers from the `PLAIN_PASSAGES` passages nearest to a question, whole, and checks nothing.

    The nearest by vectors, or by BM25 where the embedder does not support the question's language.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._hits_by_question: dict[str, list[Hit]] = {}

    def hits(self, question: str) -> list[Hit]:
        """Return the passages, nearest first."""
        if question not in self._hits_by_question:
            self._hits_by_question[question] = self._retrieve(question)
        return self._hits_by_question[question]

    def _retrieve(self, question: str) -> list[Hit]:
        store, indices = self._store, self._store.indices
        vectors = VectorRetriever(store.graph_store, indices, store.embedder)
        if vectors.supports_language_of(question):
            return vectors.retrieve(question, PLAIN_PASSAGES)
        rows, scores = top_k(indices.words.scores(question), PLAIN_PASSAGES)
        texts = load_passages(store.graph_store, indices, rows)
        return [
            Hit(
                texts[int(row)].passage, texts[int(row)].header.title, texts[int(row)].header.source, float(score), rank
            )
            for rank, (row, score) in enumerate(zip(rows, scores, strict=True), 1)
        ]

    def answer(self, question: str, llm: LLM) -> Answer:
        """Answer with a model; only its own words make an abstention."""
        start = time.perf_counter()
        hits = self.hits(question)
        text = llm.generate(plain_prompt(question, hits), GenerationOptions(max_tokens=PLAIN_ANSWER_TOKENS)).strip()
        seconds = time.perf_counter() - start
        has_abstained = is_abstention(text)
        return Answer(question, text, tuple(hits), abstained=has_abstained, model=model_label(llm), seconds=seconds)


def plain_prompt(question: str, hits: Sequence[Hit]) -> Messages:
    """Build chat messages with the whole passages, numbered, and the question."""
    passages = [f"[{n}] {hit.title}: {hit.passage.text}" for n, hit in enumerate(hits, 1)]
    content = strip_chat_markup("\n\n".join([*passages, question]))
    return [
        {"role": "system", "content": PLAIN_INSTRUCTION[detect_language(question)]},
        {"role": "user", "content": content},
    ]
