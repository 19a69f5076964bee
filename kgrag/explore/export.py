"""Export the graph to GraphML, JSON or HTML, each edge with the sentence that states it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import networkx as nx

from graphs.facts.fact_index import FactIndex
from graphs.predicates import PredicateSchema
from kgrag.errors import UsageError
from kgrag.explore.entity_view import FactRenderer, display_name
from kgrag.explore.html_view import render_html
from kgrag.explore.mention_edges import MentionEdges
from kgrag.explore.networkx_view import NetworkXGraph
from kgrag.explore.node_link import EdgeRow, NodeLinkGraph, NodeRow
from kgrag.protocols import GraphReader
from kgrag.storage.atomic import atomic_write

EXPORT_SUFFIXES = (".graphml", ".json", ".html")
_NODE_LINK_FLAGS = {"directed": True, "multigraph": True}
"""Additional keys that `networkx.node_link_graph(data, edges="edges")` needs."""
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def export_suffix(out: Path) -> str:
    """Return the suffix of a file name, one of `EXPORT_SUFFIXES`.

    Raises:
        UsageError: the suffix is another one, or ``out`` is a folder.
    """
    suffix = out.suffix.lower()
    if suffix not in EXPORT_SUFFIXES:
        raise UsageError(f"Expected a file that ends in {' or '.join(EXPORT_SUFFIXES)}, found {str(out)!r}: rename it.")
    if out.is_dir():
        raise UsageError(f"Expected a file to write, found a folder at {out}: name a file in it.")
    return suffix


def export_graph(
    graph: GraphReader,
    facts: FactIndex,
    vocabulary: PredicateSchema,
    subgraph: NetworkXGraph,
    out: Path,
    mentions: MentionEdges | None = None,
) -> None:
    """Write a subgraph atomically as GraphML, JSON, or an HTML page with a picture that works offline.

    Args:
        graph: the store.
        facts: its fact index.
        vocabulary: its predicates.
        subgraph: a part of `kgrag.explore.networkx_view.to_networkx`.
        out: the file; its suffix selects the format.
        mentions: source of the edges ``mentions``, if the subgraph has any.

    Raises:
        UsageError: the suffix is unknown.
        OSError: the file cannot be written.
    """
    kind = export_suffix(out)
    data = to_node_link(graph, facts, vocabulary, subgraph, mentions)
    with atomic_write(out) as temporary:
        if kind == ".json":
            temporary.write_text(json.dumps({**_NODE_LINK_FLAGS, **data}, ensure_ascii=False, indent=1), "utf-8")
        elif kind == ".html":
            temporary.write_text(render_html(data), "utf-8")
        else:
            nx.write_graphml(to_xml_graph(data), temporary)


def to_node_link(
    graph: GraphReader,
    facts: FactIndex,
    vocabulary: PredicateSchema,
    subgraph: NetworkXGraph,
    mentions: MentionEdges | None = None,
) -> NodeLinkGraph:
    """Return a graph as JSON-compatible lists, in a deterministic order."""
    renderer = FactRenderer(graph, facts.display_name, vocabulary)
    entities_by_id = {entity.id: entity for entity in graph.entities(set(subgraph))}
    documents_by_node: dict[str, set[str]] = {node: set() for node in subgraph}
    edges: list[EdgeRow] = []
    triples = [triple for _, _, triple in subgraph.edges(data="triple")]
    for t in sorted(triples, key=lambda t: (t.passage_id, t.start, t.end, t.subject, t.predicate, t.object)):
        located_triple = mentions.with_sentence_span(t) if mentions is not None and t.predicate == "mentions" else t
        fact_view = renderer.render(located_triple)
        documents_by_node[t.subject].add(fact_view.document)
        documents_by_node[t.object].add(fact_view.document)
        edges.append(
            {
                "source": t.subject,
                "target": t.object,
                "predicate": t.predicate,
                "value": fact_view.value,
                "confidence": t.confidence,
                "found_by": t.found_by,
                "sentence": fact_view.sentence,
                "document": fact_view.document,
                "start": fact_view.start,
                "end": fact_view.end,
            }
        )
    nodes: list[NodeRow] = [
        {
            "id": node,
            "name": display_name(facts, entities_by_id[node]) if node in entities_by_id else facts.display_name(node),
            "type": entities_by_id[node].type if node in entities_by_id else "MISC",
            "documents": len(documents_by_node[node]),
            "degree": degree,
        }
        for node, degree in sorted(subgraph.degree())
    ]
    return {"nodes": nodes, "edges": edges}


def to_xml_graph(data: NodeLinkGraph) -> NetworkXGraph:
    """Return the lists of `to_node_link` as a graph, with characters that XML forbids replaced by spaces."""
    xml_graph: NetworkXGraph = nx.MultiDiGraph()
    for node in data["nodes"]:
        xml_graph.add_node(
            _replace_non_xml(node["id"]), **{k: _replace_non_xml(v) for k, v in node.items() if k != "id"}
        )
    for edge in data["edges"]:
        ends = _replace_non_xml(edge["source"]), _replace_non_xml(edge["target"])
        xml_graph.add_edge(*ends, **{k: _replace_non_xml(v) for k, v in edge.items() if k not in ("source", "target")})
    return xml_graph


def _replace_non_xml(value: Any) -> Any:
    return _NOT_XML.sub(" ", value) if isinstance(value, str) else value
