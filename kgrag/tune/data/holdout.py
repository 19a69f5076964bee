"""Hold out a tenth of the questions, whose gold documents are not gold for any training question."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from kgrag.metrics.clusters import connected_components
from kgrag.tune.data.synthetic_questions import seeded_digest

HOLDOUT_SHARE = 0.1
"""Share of the questions that are held out."""


def assign_holdout(
    documents: Sequence[Sequence[str]], seed: int = 0, share: float = HOLDOUT_SHARE
) -> list[bool | None]:
    """Return for each question, given its gold documents, whether it is held out; None: it belongs to neither side.

    Questions that share documents form clusters, and a digest assigns whole clusters to one side. Clusters larger than
    the held-out share are split: each document is assigned to a side, and a question with documents on both sides
    belongs to neither. A question without documents is assigned by its position.
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
