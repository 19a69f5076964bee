"""The graph as one page with a picture to click, which needs no network: where each thing stands is worked out here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np

from kgrag.explore.whole import Network

TEMPLATE = Path(__file__).parents[1] / "data" / "graph.html"
SPACING = 60.0
"""How far apart two joined things are, about, in the picture's own units."""


def page(data: dict[str, list[dict[str, Any]]]) -> str:
    """The page of `TEMPLATE` with a graph in it.

    Args:
        data: the lists of `kgrag.explore.export.plain`; each node gets a place, ``x`` and ``y``.
    """
    plain: Network = nx.Graph()
    plain.add_nodes_from(node["id"] for node in data["nodes"])
    plain.add_edges_from((edge["source"], edge["target"]) for edge in data["edges"])
    places = layout(plain)
    nodes = [node | dict(zip("xy", places[node["id"]], strict=True)) for node in data["nodes"]]
    # in a script element only "<" can end it, whatever a document says
    text = json.dumps({"nodes": nodes, "edges": data["edges"]}, ensure_ascii=False).replace("<", "\\u003c")
    return TEMPLATE.read_text("utf-8").replace(">DATA<", f">{text}<", 1)


def layout(plain: Network) -> dict[str, tuple[float, float]]:
    """A place for each node: each connected part by springs (Fruchterman and Reingold 1991, seed 0), the parts packed
    in rows with the largest first, so that none is pushed away by the others."""
    parts = sorted(nx.connected_components(plain), key=lambda part: (-len(part), min(part)))
    sides = [SPACING * (1 + 1.2 * len(part) ** 0.5) for part in parts]
    width = max(1.25 * float(np.sum(np.square(sides))) ** 0.5, max(sides, default=0.0))
    places: dict[str, tuple[float, float]] = {}
    left = top = height = 0.0
    for part, side in zip(parts, sides, strict=True):
        if left and left + side > width:
            left, top, height = 0.0, top + height, 0.0
        for node, (x, y) in _springs(plain.subgraph(part)).items():
            # in the middle nine tenths of its square, so that neighbours' names have room
            around = side * 0.05
            places[node] = (
                round(left + around + (side - 2 * around) * (x + 1) / 2, 1),
                round(top + around + (side - 2 * around) * (y + 1) / 2, 1),
            )
        left, height = left + side, max(height, side)
    return places


def _springs(part: Network) -> dict[str, tuple[float, float]]:
    """Places in [-1, 1] for the nodes of a connected graph."""
    same: Network = nx.Graph()  # in one order: a view of a part has another in each process
    same.add_nodes_from(sorted(part))
    same.add_edges_from(sorted(tuple(sorted(edge)) for edge in part.edges()))
    start = nx.circular_layout(same)
    found = nx.spring_layout(
        same, pos=start, k=1.6 / len(same) ** 0.5, iterations=120, seed=0, weight=None, method="force"
    )
    return {node: (float(x), float(y)) for node, (x, y) in found.items()}
