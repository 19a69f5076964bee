"""Clusters of questions that share documents."""

from __future__ import annotations

from kgrag.metrics.clusters import connected_components


def test_connected_components_join_shared_documents() -> None:
    names = connected_components([("a", "b"), ("c",), ("b", "d"), (), ("d",), ()])
    assert names[0] == names[2] == names[4] != names[1]
    assert len(set(names)) == 4, "a question without documents is a cluster of its own"
