"""Render the graph as one interactive offline HTML page, with the layout computed here."""

from __future__ import annotations

import json
from pathlib import Path

import networkx as nx
import numpy as np

from kgrag.explore.networkx_view import NetworkXGraph
from kgrag.explore.node_link import NodeLinkGraph

TEMPLATE_FILE = Path(__file__).parents[1] / "data" / "graph.html"
SPACING = 60.0
"""Approximate distance of two connected nodes, in units of the picture."""


def render_html(data: NodeLinkGraph) -> str:
    """Return the page of `TEMPLATE_FILE` with a graph in it.

    Args:
        data: the lists of `kgrag.explore.export.to_node_link`; each node gets a position, ``x`` and ``y``.
    """
    simple_graph: NetworkXGraph = nx.Graph()
    simple_graph.add_nodes_from(node["id"] for node in data["nodes"])
    simple_graph.add_edges_from((edge["source"], edge["target"]) for edge in data["edges"])
    positions = layout(simple_graph)
    nodes = [node | dict(zip("xy", positions[node["id"]], strict=True)) for node in data["nodes"]]
    # only "<" can end a script element: escape it in document text
    text = json.dumps({"nodes": nodes, "edges": data["edges"]}, ensure_ascii=False).replace("<", "\\u003c")
    return TEMPLATE_FILE.read_text("utf-8").replace(">DATA<", f">{text}<", 1)


def layout(simple_graph: NetworkXGraph) -> dict[str, tuple[float, float]]:
    """Return a position for each node.

    Each connected component is laid out by springs (Fruchterman and Reingold 1991, seed 0). The components are packed
    in rows, the largest first, so that none is pushed away by the others.
    """
    parts = sorted(nx.connected_components(simple_graph), key=lambda part: (-len(part), min(part)))
    sides = [SPACING * (1 + 1.2 * len(part) ** 0.5) for part in parts]
    width = max(1.25 * float(np.sum(np.square(sides))) ** 0.5, max(sides, default=0.0))
    positions: dict[str, tuple[float, float]] = {}
    left = top = height = 0.0
    for part, side in zip(parts, sides, strict=True):
        if left and left + side > width:
            left, top, height = 0.0, top + height, 0.0
        for node, (x, y) in _spring_layout(simple_graph.subgraph(part)).items():
            # leave a margin in each square for the names of its nodes
            margin = side * 0.05
            positions[node] = (
                round(left + margin + (side - 2 * margin) * (x + 1) / 2, 1),
                round(top + margin + (side - 2 * margin) * (y + 1) / 2, 1),
            )
        left, height = left + side, max(height, side)
    return positions


def _spring_layout(part: NetworkXGraph) -> dict[str, tuple[float, float]]:
    """Return positions in [-1, 1] for the nodes of a connected graph."""
    ordered_graph: NetworkXGraph = nx.Graph()  # sorted: the order of a subgraph view differs between processes
    ordered_graph.add_nodes_from(sorted(part))
    ordered_graph.add_edges_from(sorted(tuple(sorted(edge)) for edge in part.edges()))
    start = nx.circular_layout(ordered_graph)
    positions = nx.spring_layout(
        ordered_graph, pos=start, k=1.6 / len(ordered_graph) ** 0.5, iterations=120, seed=0, weight=None, method="force"
    )
    return {node: (float(x), float(y)) for node, (x, y) in positions.items()}
