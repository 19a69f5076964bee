"""The graph in files for other programs, each edge with the sentence that states it; by a file's ending."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import networkx as nx

from graphs.facts import Facts
from graphs.vocabulary import Vocabulary
from kgrag.errors import UsageError
from kgrag.explore.mentions import Mentions
from kgrag.explore.picture import page
from kgrag.explore.show import Teller, called
from kgrag.explore.whole import Network
from kgrag.files import replaced
from kgrag.protocols import Graph

ENDINGS = (".graphml", ".json", ".html")
_FORM: dict[str, Any] = {"directed": True, "multigraph": True}
"""What `networkx.node_link_graph(data, edges="edges")` wants to know besides."""
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def ending(out: Path) -> str:
    """The ending of a file's name, one of `ENDINGS`.

    Raises:
        UsageError: the ending is another, or ``out`` is a folder.
    """
    found = out.suffix.lower()
    if found not in ENDINGS:
        raise UsageError(f"Expected a file that ends in {' or '.join(ENDINGS)}, found {str(out)!r}: name it so.")
    if out.is_dir():
        raise UsageError(f"Expected a file to write, found a folder at {out}: name a file in it.")
    return found


def export(
    graph: Graph,
    facts: Facts,
    predicates: Vocabulary,
    part: Network,
    out: Path,
    mentions: Mentions | None = None,
) -> None:
    """Write a part of the graph, whole or not at all: GraphML, JSON, or a page with a picture that needs no network.

    Args:
        graph, facts, predicates: the store, and what its facts can say.
        part: of `kgrag.explore.whole.network`.
        out: the file; its ending says which kind.
        mentions: what the edges ``mentions`` came from, if the part has any.

    Raises:
        UsageError: the ending is another.
        OSError: the file cannot be written.
    """
    kind = ending(out)
    data = plain(graph, facts, predicates, part, mentions)
    with replaced(out) as made:
        if kind == ".json":
            made.write_text(json.dumps(_FORM | data, ensure_ascii=False, indent=1), "utf-8")
        elif kind == ".html":
            made.write_text(page(data), "utf-8")
        else:
            nx.write_graphml(for_xml(data), made)


def plain(
    graph: Graph, facts: Facts, predicates: Vocabulary, part: Network, mentions: Mentions | None = None
) -> dict[str, list[dict[str, Any]]]:
    """A graph as lists that JSON can take, in one order for one store.

    ``nodes``: ``id``, ``name``, ``type``, ``documents`` (how many of those that state an edge here), ``degree`` (ends of
    edges here). ``edges``: ``source`` and ``target`` (ids), ``predicate``, ``value`` (of a
    date or a quantity), ``confidence``, ``found_by``, ``sentence``, ``document``
    (its id), ``start`` and ``end`` (a span of that document's text).
    """
    teller = Teller(graph, facts.name, predicates)
    known = {entity.id: entity for entity in graph.entities(set(part))}
    stating: dict[str, set[str]] = {node: set() for node in part}
    edges = []
    triples = [triple for _, _, triple in part.edges(data="triple")]
    for t in sorted(triples, key=lambda t: (t.passage_id, t.start, t.end, t.subject, t.predicate, t.object)):
        told = mentions.in_sentence(t) if mentions is not None and t.predicate == "mentions" else t
        said = teller.say(told)
        stating[t.subject].add(said.document)
        stating[t.object].add(said.document)
        edges.append(
            {
                "source": t.subject,
                "target": t.object,
                "predicate": t.predicate,
                "value": said.value,
                "confidence": t.confidence,
                "found_by": t.found_by,
                "sentence": said.sentence,
                "document": said.document,
                "start": said.start,
                "end": said.end,
            }
        )
    nodes = [
        {
            "id": node,
            "name": called(facts, known[node]) if node in known else facts.name(node),
            "type": known[node].type if node in known else "MISC",
            "documents": len(stating[node]),
            "degree": degree,
        }
        for node, degree in sorted(part.degree())
    ]
    return {"nodes": nodes, "edges": edges}


def for_xml(data: dict[str, list[dict[str, Any]]]) -> Network:
    """The lists of `plain` as a graph; characters that XML cannot have are blanks."""
    found: Network = nx.MultiDiGraph()
    for node in data["nodes"]:
        found.add_node(_clean(node["id"]), **{k: _clean(v) for k, v in node.items() if k != "id"})
    for edge in data["edges"]:
        ends = _clean(edge["source"]), _clean(edge["target"])
        found.add_edge(*ends, **{k: _clean(v) for k, v in edge.items() if k not in ("source", "target")})
    return found


def _clean(value: Any) -> Any:
    return _NOT_XML.sub(" ", value) if isinstance(value, str) else value
