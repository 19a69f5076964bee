"""Groups of questions that are right or wrong together, and so stay together in a bootstrap or a fold."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Sequence


def group_by_cluster(values: Sequence[float], clusters: Sequence[Hashable]) -> list[list[float]]:
    """Return the defined values of each cluster, in the order in which clusters first occur.

    Raises:
        ValueError: the lengths differ.
    """
    if len(values) != len(clusters):
        raise ValueError(f"expected a cluster for each difference, found {len(clusters)} for {len(values)}")
    groups: dict[Hashable, list[float]] = defaultdict(list)
    for value, cluster in zip(values, clusters, strict=True):
        if not math.isnan(value):
            groups[cluster].append(value)
    return list(groups.values())


def connected_components(gold: Sequence[Sequence[str]]) -> list[str]:
    """Return a cluster name for each question; questions that share a document share a name.

    So do questions in a chain of shared documents. A question without documents is a cluster of its own.
    """
    parent: dict[str, str] = {}

    def find_root(name: str) -> str:
        while parent.setdefault(name, name) != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for documents in gold:
        for other in documents[1:]:
            a, b = sorted((find_root(documents[0]), find_root(other)))
            parent[b] = a
    return [find_root(documents[0]) if documents else f"\0{number}" for number, documents in enumerate(gold)]
