"""Load passages with their document headers by row number."""

from __future__ import annotations

from kgrag.errors import StoreError
from kgrag.protocols import GraphStore
from kgrag.retrieve.candidates import IndexSet, RowNumbers
from kgrag.retrieve.explanations import PassageWithHeader


def load_passages(graph: GraphStore, indices: IndexSet, rows: RowNumbers) -> dict[int, PassageWithHeader]:
    """What stands at index rows, in their order.

    Raises:
        StoreError: some of it does not stand there any more.
    """
    ids = {int(row): indices.rows[int(row)] for row in rows}
    passages = graph.passages_by_id([row.passage_id for row in ids.values()])
    headings = graph.document_headers({row.document_id for row in ids.values()})
    try:
        return {n: PassageWithHeader(passages[row.passage_id], headings[row.document_id]) for n, row in ids.items()}
    except KeyError:
        raise StoreError("A document was forgotten while it was being read: ask again.") from None
