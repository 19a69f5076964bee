"""The public interface of a store: ingest, ask, retrieve, forget."""

from __future__ import annotations

import os
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from kgrag.config import Style
from kgrag.errors import UsageError
from kgrag.store.queries import QueryableStore
from kgrag.types import Answer, Hit

if TYPE_CHECKING:
    from ingest.pipeline import IngestProgress, IngestReport
    from kgrag.answering.draft_checker import OnStatement
    from kgrag.answering.pipeline import ReaderMode
    from kgrag.answering.stages.fact_lookup import OnStep
    from kgrag.protocols import OnText
    from kgrag.store.reindex import OnProgress, ReindexResult


class Store(QueryableStore):
    """A store of documents with its knowledge graph, its indices and its models; `kgrag.open` opens one.

    Several threads may ask and retrieve with one object at once; a change by one thread waits for no reader. Models load
    when they are first needed. See `kgrag.store.resources.StoreResources` for the arguments.
    """

    def __enter__(self) -> Store:
        """Return the store itself; it closes at the end of the ``with`` block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the store."""
        self.close()

    def ask(
        self,
        question: str,
        *,
        k: int | None = None,
        reader: ReaderMode = "auto",
        closed_book: bool = False,
        where: str | None = None,
        style: Style | None = None,
        deep: bool = False,
        on_text: OnText | None = None,
        on_progress: OnStep | None = None,
        on_statement: OnStatement | None = None,
    ) -> Answer:
        """Answer a question with verified citations, or abstain.

        Args:
            question: in English or Chinese.
            k: passages to retrieve (default: the store's configuration).
            reader: ``graph`` for typed facts only, ``llm`` for the language model only, ``quote`` for the documents' own
                words, ``auto`` for whichever fits.
            closed_book: answer from the model's memory, without evidence.
            where: filter on the documents' metadata, such as ``path:reports/ and date>=2025-01-01``.
            style: ``phrase``, ``sentences``, ``full`` for no phrases, or ``auto`` for the form that the question
                asks for (default: the store's configuration).
            deep: let the model write up what the documents are about, in up to six checked calls.
            on_text: called with each piece of the model's text; returns True to stop it.
            on_progress: called with each sub-question.
            on_statement: called with each statement that the model writes, as soon as its citations are checked.

        Raises:
            UsageError: the question is empty or too long, the filter or the style is none, ``closed_book`` has a filter, or
                ``deep`` has ``closed_book`` or a reader.
            ModelError: the language model is needed and cannot be used.
        """
        if closed_book and where:
            raise UsageError("Expected a filter or a closed-book answer, found both: leave one out.")
        if deep and (closed_book or reader != "auto"):
            raise UsageError(
                "Expected --deep with the reader auto and the documents: leave out --reader and --closed-book."
            )
        pipeline = self.pipeline_for(where, style)
        if closed_book:
            return pipeline.answer_closed_book(question, on_text)
        k = self.config.k if k is None else k
        return pipeline.answer(
            question,
            k,
            reader=reader,
            is_deep=deep,
            on_text=on_text,
            on_progress=on_progress,
            on_statement=on_statement,
        )

    def retrieve(self, question: str, k: int = 5, *, where: str | None = None) -> list[Hit]:
        """Return the ``k`` best passages for a question, best first; ``where`` filters the documents as in `ask`.

        Raises:
            UsageError: the question is empty or too long, ``k`` is below 1, or the filter is none.
        """
        return self.filtered_retriever(where).retrieve(question, k)

    def ingest(
        self,
        paths: Sequence[str | os.PathLike[str]] | str | os.PathLike[str],
        progress: IngestProgress | None = None,
        extract: str | None = None,
        *,
        prune: bool = False,
    ) -> IngestReport:
        """Bring the store in step with files and folders; see `ingest.pipeline`.

        Args:
            paths: files, folders and globs.
            progress: called with the number of documents done, their total, and further figures.
            extract: fact extractor, ``rules``, ``llm`` or ``both``; documents of another extractor are read again. By
                default the configured extractor, which leaves documents of another one as they are.
            prune: forget the documents of files that are gone from the given paths, or that an ignore file leaves out.

        Raises:
            UsageError: a path does not exist.
            StoreBusyError: another process writes to the store.
        """
        from kgrag.store.changes import ingest_sources

        named = [paths] if isinstance(paths, (str, os.PathLike)) else paths
        return ingest_sources(
            self, [os.fspath(path) for path in named], progress or (lambda *_: None), extract, prune=prune
        )

    def forget(self, name: str) -> list[str]:
        """Forget a document by its id, or the documents of a file, folder or glob; return their ids.

        Raises:
            UsageError: no document or file has this name.
            StoreBusyError: another process writes to the store.
        """
        from kgrag.store.changes import forget_documents

        return forget_documents(self, name)

    def reindex(self, embedder: str, progress: OnProgress = lambda done, total: None) -> ReindexResult:
        """Compute all vectors with another embedder, then switch to them in one transaction.

        The store answers with its former vectors until then. After an interruption, the next call continues.

        Args:
            embedder: a name of `kgrag models`, or a model folder.
            progress: called with the numbers of embedded passages and of all passages.

        Raises:
            UsageError: there is no embedder of this name.
            ModelError: the embedder cannot be pulled or loaded.
            StoreError: another process writes to the store, or the disk is full; the vectors are unchanged.
        """
        from kgrag.store.reindex import reindex_store

        return reindex_store(self, embedder, progress)

    def set_alias(self, kind: str, first_name: str, second_name: str) -> list[str]:
        """Merge two names (``kind`` is "same") or keep them separate ("apart"); return the ids of documents read again.

        Raises:
            UsageError: the names normalise to the same name.
            StoreError: the file cannot be written, or another process writes to the store.
        """
        from kgrag.store.changes import override_alias

        return override_alias(self, kind, first_name, second_name)
