"""Which questions are held out: a tenth to measure on, whose documents are gold for no question that is trained on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from kgrag.metrics.significance import connected_components
from kgrag.tune.data.synthetic_questions import seeded_digest

HOLDOUT_SHARE = 0.1
"""Of the questions."""


def assign_holdout(
    documents: Sequence[Sequence[str]], seed: int = 0, share: float = HOLDOUT_SHARE
) -> list[bool | None]:
    """For each question, by the documents that it rests on: whether it is held out; None: it can be neither.

    Questions that share a document are of one side: whole clusters of them go to one side by a digest of the cluster. A
    cluster that is larger than the part held out cannot be weighed so. There the documents themselves go to sides, and a
    question that rests on documents of both belongs to neither. A question that rests on none goes by its place.
    """
    clusters = connected_components(documents)
    sizes = Counter(clusters)
    whole_clusters = {cluster for cluster, size in sizes.items() if size <= max(share * len(documents), 1)}

    def is_heldout(*parts: object) -> bool:
        return seeded_digest(seed, "held", *parts) % 10_000 < share * 10_000

    assignments: list[bool | None] = []
    for index, (cluster, question_documents) in enumerate(zip(clusters, documents, strict=True)):
        if not question_documents:
            assignments.append(is_heldout("place", index))
        elif cluster in whole_clusters:
            assignments.append(is_heldout(cluster))
        else:
            sides = {is_heldout(document) for document in question_documents}
            assignments.append(sides.pop() if len(sides) == 1 else None)
    return assignments
