"""Tell whether a fact is about its document's own subject, and whether that subject is of a kind."""

from __future__ import annotations

from functools import cached_property

from graphs.facts.fact_index import FactIndex
from indices.bm25_index import index_tokens
from kgrag.protocols import GraphReader
from kgrag.text import has_cjk, normalize_name, sentence_spans
from kgrag.types import Triple

_ANY_KIND = frozenset(
    ["people", "person", "persons", "men", "women", "man", "woman", "things", "thing", "人", "人物", "东西"]
)
"""Kinds that are not checked: a document about a person seldom says "person"."""


class SubjectKinds:
    """Kinds of the subjects of facts, by the first sentence of the documents about them.

    Args:
        graph: the store.
        facts: its typed facts.
    """

    def __init__(self, graph: GraphReader, facts: FactIndex) -> None:
        self._graph, self._facts = graph, facts

    @cached_property
    def _names(self) -> dict[str, set[str]]:
        """The names of each document's subject, normalized."""
        return {key: {normalize_name(form) for form in forms} for key, forms in self._graph.document_names().items()}

    def is_own(self, triple: Triple) -> bool:
        """Whether the subject of a fact is the subject of the document that states it."""
        name = normalize_name(self._facts.display_name(triple.subject))
        return name in self._names.get(triple.passage_id.rpartition("#")[0], ())

    def is_kind(self, triple: Triple, kind: str, *, own: bool = False) -> bool:
        """Whether a subject is of a kind: its document's title or first sentence has the word.

        Args:
            triple: a fact about the subject.
            kind: a noun, such as "films"; "" for any kind.
            own: whether the document must be about the subject.
        """
        if own and not self.is_own(triple):
            return False
        if not kind or kind.lower() in _ANY_KIND:
            return True
        passages = self._graph.passages_of_document(triple.passage_id.rpartition("#")[0])
        texts = [passages[0].text[start:end] for start, end in sentence_spans(passages[0].text)] if passages else []
        first = next((text for text in texts if not text.startswith("#")), "")
        text = f"{self._facts.display_name(triple.subject)} {first}"
        return kind in text if has_cjk(kind) else {*index_tokens(kind)} <= {*index_tokens(text)}
