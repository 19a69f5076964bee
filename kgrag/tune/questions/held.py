"""Which questions are held out: a tenth to measure on, whose documents are gold for no question that is trained on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from kgrag.factuality.statistics import joined
from kgrag.tune.questions.made import digest

SHARE = 0.1
"""Of the questions."""


def held_out(documents: Sequence[Sequence[str]], seed: int = 0, share: float = SHARE) -> list[bool | None]:
    """For each question, by the documents that it rests on: whether it is held out; None: it can be neither.

    Questions that share a document are of one side: whole clusters of them go to one side by a digest of the cluster. A
    cluster that is larger than the part held out cannot be weighed so. There the documents themselves go to sides, and a
    question that rests on documents of both belongs to neither. A question that rests on none goes by its place.
    """
    clusters = joined(documents)
    sizes = Counter(clusters)
    whole = {cluster for cluster, size in sizes.items() if size <= max(share * len(documents), 1)}

    def side(*parts: object) -> bool:
        return digest(seed, "held", *parts) % 10_000 < share * 10_000

    found: list[bool | None] = []
    for place, (cluster, rests_on) in enumerate(zip(clusters, documents, strict=True)):
        if not rests_on:
            found.append(side("place", place))
        elif cluster in whole:
            found.append(side(cluster))
        else:
            sides = {side(document) for document in rests_on}
            found.append(sides.pop() if len(sides) == 1 else None)
    return found
