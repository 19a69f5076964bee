"""Write the walk's edges to the server, and walk there.

The edges between passages and names (`graphs.walk.adjacency`) are derived data, like every index. To walk on the
server, they are written as `(:Passage)-[:TIED {weight, share}]->(:Name)`, marked with the generation that they were
built from. Names are numbers, so that a deleted document leaves no text behind. A walk queries the server once a step.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from graphs.neo4j.connection import Connection, Transaction, run_query
from graphs.neo4j.write import split_blocks
from graphs.walk.pagerank import PersonalizedPageRank, SeedWeights
from graphs.walk.transitions import Floats, Ints, LocalTransitions, Numbers
from kgrag.errors import StoreError
from kgrag.storage.atomic import atomic_write

TIMED_WALKS = 5
"""Number of walks timed before the faster walker is chosen."""
_BEGIN_WRITE = "MATCH (s:Store {id: 'kgrag'}) SET s.tying = $token REMOVE s.tied RETURN s.generation"
_CHECK_TOKEN = "MATCH (s:Store {id: 'kgrag', tying: $token, generation: $generation}) SET s.tying = $token RETURN 1"
_DELETE_NAMES = "MATCH (n:Name) WITH n LIMIT 1000 DETACH DELETE n RETURN count(*)"
_UPDATE_PASSAGES = (
    "UNWIND $rows AS r MATCH (p:Passage {id: r.id}) SET p.row = r.row, p.scale = r.scale, p.stays = r.stays"
)
_CREATE_NAMES = "UNWIND $rows AS r CREATE (n:Name) SET n = r"
_CREATE_EDGES = """
UNWIND $rows AS r MATCH (p:Passage {row: r[0]}) MATCH (n:Name {column: r[1]})
CREATE (p)-[:TIED {weight: r[2], share: r[3], shared: r[4]}]->(n)"""
_FINISH_WRITE = "MATCH (s:Store {id: 'kgrag', tying: $token, generation: $generation}) SET s.tied = s.generation REMOVE s.tying RETURN 1"
_READ_GENERATION = "MATCH (s:Store {id: 'kgrag'}) RETURN s.tied"
_NAMES_OF_PASSAGES = """
UNWIND $rows AS row MATCH (p:Passage {row: row})-[t:TIED {shared: true}]->(n:Name)
RETURN row, n.column, t.weight"""
_PASSAGES_OF_NAMES = """
UNWIND $names AS x CALL (x) {
  MATCH (:Name {column: x[0]})<-[t:TIED]-(p:Passage)
  WITH p.row AS row, t.share AS share, t.weight AS weight ORDER BY weight DESC, row
  WITH collect([row, share]) AS every RETURN every[..x[1]] AS found
} RETURN x[0], found"""
_READ_ROW_SCALES = "UNWIND $rows AS row MATCH (p:Passage {row: row}) RETURN row, p.scale, p.stays"
_READ_NAME_SCALES = "UNWIND $names AS name MATCH (n:Name {column: name}) RETURN name, n.scale"


def transitions_generation(graph: Connection) -> int | None:
    """Return the generation whose edges are on the server, or None."""
    rows = graph._query(_READ_GENERATION)
    return None if not rows or rows[0][0] is None else int(rows[0][0])


def write_transitions(graph: Connection, passages: Sequence[str], edges: sparse.csr_array) -> None:
    """Write the edges of the current generation to the server, in bounded transactions.

    The last transaction marks them as complete.

    Args:
        graph: the store.
        passages: ids, in row order.
        edges: (passages, names) weights.

    Raises:
        StoreError: another process changed the store or started writing edges meanwhile.
    """
    token = secrets.token_hex(8)
    generation = int(graph.execute_write(lambda tx: run_query(tx, _BEGIN_WRITE, token=token))[0][0])

    def check_token(tx: Transaction) -> None:
        if not run_query(tx, _CHECK_TOKEN, token=token, generation=generation):
            raise StoreError("The store changed while its edges were written to the server: run this again.")

    def delete_block(tx: Transaction) -> int:
        check_token(tx)
        return int(run_query(tx, _DELETE_NAMES)[0][0])

    while graph.execute_write(delete_block):
        pass
    transitions = LocalTransitions.from_edges(edges)
    rows, columns = edges.shape
    numbers = zip(range(rows), transitions.row_scale.tolist(), transitions.stays.tolist(), strict=True)
    statements: tuple[tuple[str, Iterable[object]], ...] = (
        (_UPDATE_PASSAGES, ({"id": passages[r], "row": r, "scale": a, "stays": b} for r, a, b in numbers)),
        (_CREATE_NAMES, ({"column": c, "scale": s} for c, s in enumerate(transitions.name_scale.tolist()) if s > 0)),
        (_CREATE_EDGES, _edge_rows(edges, transitions, columns)),
    )
    for query, all_rows in statements:
        for block in split_blocks(all_rows):

            def write_block(tx: Transaction, query: str = query, block: list[object] = block) -> None:
                check_token(tx)
                run_query(tx, query, rows=block)

            graph.execute_write(write_block)
    if not graph.execute_write(lambda tx: run_query(tx, _FINISH_WRITE, token=token, generation=generation)):
        raise StoreError("The store changed while its edges were written to the server: run this again.")


def _edge_rows(edges: sparse.csr_array, transitions: LocalTransitions, columns: int) -> Iterator[list[object]]:
    is_shared = np.diff(transitions.name_begin)[edges.indices] > 1
    mass_share = (edges.data * transitions.name_scale[edges.indices]).astype(np.float32)
    row_of = np.repeat(np.arange(edges.shape[0]), np.diff(edges.indptr))
    edge_columns = (column.tolist() for column in (row_of, edges.indices, edges.data, mass_share, is_shared))
    return (list(edge) for edge in zip(*edge_columns, strict=True))


class Neo4jTransitions:
    """`graphs.walk.transitions.Transitions` on the server, with a query for each step.

    Args:
        graph: a store whose edges are on the server; see `transitions_generation`.
        rows: number of passages.
        names: number of names, including those without edges.
    """

    def __init__(self, graph: Connection, rows: int, names: int) -> None:
        self._graph, self.passage_count, self.name_count = graph, rows, names

    def names_of_passages(self, rows: Ints) -> tuple[Numbers, Numbers, Floats]:
        """See `graphs.walk.transitions.Transitions`."""
        edge_rows = self._graph._query(_NAMES_OF_PASSAGES, rows=rows.tolist())
        row, name, weight = _to_columns(edge_rows, (np.int64, np.int64, np.float32))
        positions = _sort_order(rows)[np.searchsorted(np.sort(rows), row)]
        order = np.lexsort((name, positions))
        return positions[order], name[order], weight[order]

    def passages_of_names(self, names: Ints, max_passages: Ints | None = None) -> tuple[Numbers, Numbers, Floats]:
        """See `graphs.walk.transitions.Transitions`."""
        limits = np.full(len(names), self.passage_count) if max_passages is None else max_passages
        name_limits = np.stack([names, limits], axis=1).tolist()
        pairs_by_name = {int(name): pairs for name, pairs in self._graph._query(_PASSAGES_OF_NAMES, names=name_limits)}
        edges = [(place, *pair) for place, name in enumerate(names.tolist()) for pair in pairs_by_name.get(name, ())]
        position, row, share = _to_columns(edges, (np.int64, np.int64, np.float32))
        return position, row, share

    def row_scales(self, rows: Ints) -> tuple[Floats, Floats]:
        """See `graphs.walk.transitions.Transitions`."""
        scales, stays = np.zeros(len(rows), np.float32), np.zeros(len(rows), np.float32)
        row, scale, stay = _to_columns(
            self._graph._query(_READ_ROW_SCALES, rows=rows.tolist()), (np.int64, np.float32, np.float32)
        )
        positions = _sort_order(rows)[np.searchsorted(np.sort(rows), row)]
        scales[positions], stays[positions] = scale, stay
        return scales, stays

    def name_scales(self, names: Ints) -> Floats:
        """See `graphs.walk.transitions.Transitions`."""
        scales = np.zeros(len(names), np.float32)
        name, scale = _to_columns(self._graph._query(_READ_NAME_SCALES, names=names.tolist()), (np.int64, np.float32))
        scales[_sort_order(names)[np.searchsorted(np.sort(names), name)]] = scale
        return scales


def _sort_order(numbers: Ints) -> Ints:
    """Return the positions that sort distinct numbers."""
    return np.argsort(numbers)


def _to_columns(rows: Sequence[Sequence[Any]], types: Sequence[type[np.generic]]) -> list[NDArray[Any]]:
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(types)
    return [np.array(column, kind) for column, kind in zip(columns, types, strict=True)]


def time_walks(
    local: PersonalizedPageRank, server: PersonalizedPageRank, seeds: Sequence[Sequence[SeedWeights]]
) -> dict[str, float]:
    """Return the median milliseconds of a walk from each seeding, for ``local`` and ``server``.

    The first seeding is walked twice and counted once.
    """
    milliseconds: dict[str, list[float]] = {"local": [], "server": []}
    for seeding in [seeds[0], *seeds]:
        for name, walker in (("local", local), ("server", server)):
            start = time.perf_counter()
            walker.pagerank(seeding)
            milliseconds[name].append(1000 * (time.perf_counter() - start))
    return {name: float(np.median(times[1:])) for name, times in milliseconds.items()}


def choose_pagerank(
    graph: Connection,
    mode: str,
    local: PersonalizedPageRank,
    passages: Callable[[], Sequence[str]],
    edges: sparse.csr_array,
    file: Path,
    notice: Callable[[str], None],
) -> PersonalizedPageRank:
    """Return the walker for a store on a server: ``local``, or one that queries the server for each step.

    Both give the same results.

    Args:
        graph: the store; the other arguments belong to its current generation.
        mode: ``local``, ``server`` or ``auto``. ``auto`` chooses the server only if its edges are there and it was
            measured to be faster.
        local: the walker of this machine.
        passages: returns the passage ids, in row order.
        edges: (passages, names) weights.
        file: saves the choice of ``auto``.
        notice: called with a sentence before a slow step.

    Raises:
        StoreError: the mode is ``server``, and the edges are missing and cannot be written.
    """
    if mode == "local" or not edges.shape[0]:
        return local
    generation = int(graph._query("MATCH (s:Store {id: 'kgrag'}) RETURN s.generation")[0][0])
    is_current = transitions_generation(graph) == generation
    if not is_current and mode == "auto":
        return local  # same results, without writing edges first
    if not is_current:
        notice(f"Writing {edges.nnz:,} edges between passages and names to the server, to walk there …")
        write_transitions(graph, passages(), edges)
    server = PersonalizedPageRank(Neo4jTransitions(graph, *edges.shape))
    if mode == "server":
        return server
    return server if _faster_walk(local, server, generation, edges.shape[0], file) == "server" else local


def _faster_walk(
    local: PersonalizedPageRank, server: PersonalizedPageRank, generation: int, rows: int, file: Path
) -> str:
    """Return ``local`` or ``server``, measured once per generation and saved to ``file`` if possible."""
    with suppress(OSError, ValueError, AttributeError):
        saved_choice = json.loads(file.read_text())
        if saved_choice.get("generation") == generation and saved_choice.get("walk") in ("local", "server"):
            return str(saved_choice["walk"])
    rng = np.random.default_rng(0)
    seeds = [[SeedWeights({int(row): 1.0}, {}) for row in rng.integers(0, rows, 4)] for _ in range(TIMED_WALKS)]
    times = time_walks(local, server, seeds)
    faster = min(times, key=lambda name: times[name])
    with suppress(OSError), atomic_write(file) as temporary:
        temporary.write_text(json.dumps({"generation": generation, "walk": faster, "milliseconds": times}))
    return faster
