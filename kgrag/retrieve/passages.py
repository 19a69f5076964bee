"""Load passages with their document headers by row number."""

from __future__ import annotations

from kgrag.errors import StoreError
from kgrag.protocols import GraphStore
from kgrag.retrieve.candidates import IndexSet, RowNumbers
from kgrag.retrieve.explanations import PassageWithHeader


def load_passages(graph: GraphStore, indices: IndexSet, rows: RowNumbers) -> dict[int, PassageWithHeader]:
    """Return the passages of index rows with their document headers, by row number in the given order.

    Raises:
        StoreError: a document was deleted in the meantime.
    """
    ids = {int(row): indices.rows[int(row)] for row in rows}
    passages = graph.passages_by_id([row.passage_id for row in ids.values()])
    headers = graph.document_headers({row.document_id for row in ids.values()})
    try:
        return {n: PassageWithHeader(passages[row.passage_id], headers[row.document_id]) for n, row in ids.items()}
    except KeyError:
        raise StoreError(
            "Expected the passages of the index in the store, found that a document was deleted meanwhile: ask again."
        ) from None
