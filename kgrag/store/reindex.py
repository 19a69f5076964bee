"""Compute all vectors of a store with another embedder, then switch the store to them in one transaction.

Finished vectors are kept in a file of the store's folder until the switch, so an interrupted run continues where it
stopped. The store answers with its former embedder until then.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kgrag.errors import ModelError, UsageError
from kgrag.protocols import Embedder, GraphStore
from kgrag.storage.locks import acquire_lock
from kgrag.store.changes import refresh_derived
from kgrag.store.embedder_switch import switch_embedder, update_embedder_name
from kgrag.store.queries import QueryableStore
from kgrag.store.vector_file import VectorFile, text_key

if TYPE_CHECKING:
    from kgrag.models.registry import ModelEntry

PASSAGES_PER_STEP = 64
"""Passages embedded between two writes: some seconds of work, which an interruption loses at most."""
OnProgress = Callable[[int, int], None]
"""Called with the passages done and all passages."""


@dataclass(frozen=True)
class ReindexResult:
    """Result of `reindex_store`: the embedders by name, the store's passages, and those that were embedded now."""

    previous: str
    embedder: str
    passages: int
    embedded: int


def reindex_store(
    store: QueryableStore, embedder_name: str, on_progress: OnProgress = lambda done, total: None
) -> ReindexResult:
    """Replace the vectors of a store by those of another embedder; see `kgrag.store.store.Store.reindex`."""
    graph = store.graph_store
    model, name = _find_embedder(store, embedder_name)
    previous = graph.meta("embedder") or store.config.embedder
    if previous == name:
        update_embedder_name(store.folder / "kgrag.toml", name)
        store.use_stored_embedder()
        return ReindexResult(previous, name, graph.passage_count(), 0)
    from kgrag.embedders import load_embedder

    busy_message = f"{store.folder} is being indexed again by another process: wait for it to end."
    with acquire_lock(store.folder / "reindex.lock", busy_message):
        embedder = load_embedder(store.embedder_folder(name), store.progress)
        path = store.folder / f"reindex-{_fingerprint(model, embedder)}.vectors"
        file = VectorFile(path, embedder.dimensions)
        embedded = _embed_missing(graph, embedder, file, on_progress)
        with store.write_lock():
            # another process may have added documents meanwhile
            embedded += _embed_missing(graph, embedder, file, on_progress)
            with graph.snapshot():
                generation = graph.generation
                keys = dict(_passage_keys(graph))
            vectors = zip(keys, file.vectors(keys.values()), strict=True)
            switch_embedder(graph, store.folder, name, vectors, generation)
            store.use_stored_embedder()
            refresh_derived(store)
        for left_over in store.folder.glob("reindex-*.vectors"):
            left_over.unlink()
    return ReindexResult(previous, name, len(keys), embedded)


def _find_embedder(store: QueryableStore, name: str) -> tuple[ModelEntry, str]:
    """Return an embedder and the name to record: the registry's, that of a folder in the store, or a full path."""
    from kgrag.models.registry import find_model

    try:
        model = find_model(store.embedder_folder(name))
    except ModelError as error:
        raise UsageError(str(error)) from error
    if model.kind != "embedder":
        raise UsageError(f"Expected an embedder, found the language model {name!r}: choose one of `kgrag models`.")
    if model.local_path is None:
        return model, model.name
    is_in_store = model.local_path.parent == store.folder.resolve()
    return model, model.local_path.name if is_in_store else str(model.local_path)


def _fingerprint(model: ModelEntry, embedder: Embedder) -> str:
    """Return a digest of what determines the vectors of a text."""
    from kgrag.models.convert import model_folder

    parts = (model_folder(model).name, model.sha256, type(embedder).__name__, embedder.dimensions, model.context)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]


def _passage_keys(graph: GraphStore) -> Iterator[tuple[str, bytes]]:
    """Yield (passage id, key of the text that is embedded) of every passage."""
    for passage_id, text in passage_texts(graph):
        yield passage_id, text_key(text)


def passage_texts(graph: GraphStore) -> Iterator[tuple[str, str]]:
    """Yield (passage id, the text that is embedded) of every passage, in the order of the index rows."""
    titles = {document_id: title for document_id, (_, title) in graph.titles().items()}
    for passage in graph.passages():
        yield passage.id, passage.indexed_text(titles[passage.document_id])


def _embed_missing(graph: GraphStore, embedder: Embedder, file: VectorFile, on_progress: OnProgress) -> int:
    """Embed the passages whose vectors the file lacks, and return their number."""
    with graph.snapshot():
        keys = dict(_passage_keys(graph))
    missing_ids = [passage_id for passage_id, key in keys.items() if key not in file]
    done = len(keys) - len(missing_ids)
    on_progress(done, len(keys))
    for start in range(0, len(missing_ids), PASSAGES_PER_STEP):
        ids = missing_ids[start : start + PASSAGES_PER_STEP]
        passages = graph.passages_by_id(ids)  # those that are left
        headers = graph.document_headers({passage.document_id for passage in passages.values()})
        texts = {
            text_key(text): text
            for passage in passages.values()
            if passage.document_id in headers
            for text in [passage.indexed_text(headers[passage.document_id].title)]
        }
        file.add(list(texts), embedder.embed(list(texts.values())))
        done += len(ids)
        on_progress(done, len(keys))
    return len(missing_ids)
