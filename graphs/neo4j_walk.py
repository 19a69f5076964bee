"""The walk's ties on the server, and walking them there.

The ties of passages and names (`graphs.adjacency`) are derived, like every index: who wants to walk on the server writes
them there, `(:Passage)-[:TIED {weight, share}]->(:Name)`, marked with the generation that they were made from. Names are
numbers, so that what is forgotten leaves no word behind. A walk over them asks the server for one step after the other.
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

from graphs.neo4j_connection import Connection, Transaction, run
from graphs.neo4j_write import blocks
from graphs.walk import Seeds, Walker
from graphs.ways import Floats, Ints, LocalWays, Numbers
from kgrag.errors import StoreError
from kgrag.files import replaced

TRIED = 5
"""Walks that are timed before one way is chosen."""
_BEGIN = "MATCH (s:Store {id: 'kgrag'}) SET s.tying = $token REMOVE s.tied RETURN s.generation"
_MINE = "MATCH (s:Store {id: 'kgrag', tying: $token, generation: $generation}) SET s.tying = $token RETURN 1"
_CLEAR = "MATCH (n:Name) WITH n LIMIT 1000 DETACH DELETE n RETURN count(*)"
_PASSAGES = "UNWIND $rows AS r MATCH (p:Passage {id: r.id}) SET p.row = r.row, p.scale = r.scale, p.stays = r.stays"
_NAMES = "UNWIND $rows AS r CREATE (n:Name) SET n = r"
_TIES = """
UNWIND $rows AS r MATCH (p:Passage {row: r[0]}) MATCH (n:Name {column: r[1]})
CREATE (p)-[:TIED {weight: r[2], share: r[3], shared: r[4]}]->(n)"""
_END = "MATCH (s:Store {id: 'kgrag', tying: $token, generation: $generation}) SET s.tied = s.generation REMOVE s.tying RETURN 1"
_TIED = "MATCH (s:Store {id: 'kgrag'}) RETURN s.tied"
_OF_ROWS = """
UNWIND $rows AS row MATCH (p:Passage {row: row})-[t:TIED {shared: true}]->(n:Name)
RETURN row, n.column, t.weight"""
_OF_NAMES = """
UNWIND $names AS x CALL (x) {
  MATCH (:Name {column: x[0]})<-[t:TIED]-(p:Passage)
  WITH p.row AS row, t.share AS share, t.weight AS weight ORDER BY weight DESC, row
  WITH collect([row, share]) AS every RETURN every[..x[1]] AS found
} RETURN x[0], found"""
_ROW_SCALES = "UNWIND $rows AS row MATCH (p:Passage {row: row}) RETURN row, p.scale, p.stays"
_NAME_SCALES = "UNWIND $names AS name MATCH (n:Name {column: name}) RETURN name, n.scale"


def tied(graph: Connection) -> int | None:
    """The generation whose ties are on the server, or None."""
    found = graph._rows(_TIED)
    return None if not found or found[0][0] is None else int(found[0][0])


def tie(graph: Connection, passages: Sequence[str], ties: sparse.csr_array) -> None:
    """Write the ties of the store's present generation to the server, in bounded transactions; the mark comes last.

    Args:
        graph: the store.
        passages: ids, in the order of the rows.
        ties: (passages, names) weights.

    Raises:
        StoreError: others wrote to the store, or began the same, meanwhile.
    """
    token = secrets.token_hex(8)
    generation = int(graph.write(lambda tx: run(tx, _BEGIN, token=token))[0][0])

    def mine(tx: Transaction) -> None:
        if not run(tx, _MINE, token=token, generation=generation):
            raise StoreError("Others wrote to the store while the ties of its names were written there: try again.")

    def cleared(tx: Transaction) -> int:
        mine(tx)
        return int(run(tx, _CLEAR)[0][0])

    while graph.write(cleared):
        pass
    ways = LocalWays.of(ties)
    rows, columns = ties.shape
    numbers = zip(range(rows), ways.row_scale.tolist(), ways.stays.tolist(), strict=True)
    parts: tuple[tuple[str, Iterable[object]], ...] = (
        (_PASSAGES, ({"id": passages[r], "row": r, "scale": a, "stays": b} for r, a, b in numbers)),
        (_NAMES, ({"column": c, "scale": s} for c, s in enumerate(ways.name_scale.tolist()) if s > 0)),
        (_TIES, _ties(ties, ways, columns)),
    )
    for query, all_rows in parts:
        for block in blocks(all_rows):

            def work(tx: Transaction, query: str = query, block: list[object] = block) -> None:
                mine(tx)
                run(tx, query, rows=block)

            graph.write(work)
    if not graph.write(lambda tx: run(tx, _END, token=token, generation=generation)):
        raise StoreError("Others wrote to the store while the ties of its names were written there: try again.")


def _ties(ties: sparse.csr_array, ways: LocalWays, columns: int) -> Iterator[list[object]]:
    shared = np.diff(ways.name_begin)[ties.indices] > 1
    share = (ties.data * ways.name_scale[ties.indices]).astype(np.float32)
    row_of = np.repeat(np.arange(ties.shape[0]), np.diff(ties.indptr))
    every = (each.tolist() for each in (row_of, ties.indices, ties.data, share, shared))
    return (list(tie) for tie in zip(*every, strict=True))


class ServerWays:
    """`graphs.ways.Ways` on the server, asked for step by step.

    Args:
        graph: a store whose ties are there; see `tied`.
        rows: passages.
        names: names, those without ties among them.
    """

    def __init__(self, graph: Connection, rows: int, names: int) -> None:
        self._graph, self.rows, self.names = graph, rows, names

    def of_rows(self, rows: Ints) -> tuple[Numbers, Numbers, Floats]:
        """See `graphs.ways.Ways`."""
        found = self._graph._rows(_OF_ROWS, rows=rows.tolist())
        row, name, weight = _columns(found, (np.int64, np.int64, np.float32))
        place = _places(rows)[np.searchsorted(np.sort(rows), row)]
        order = np.lexsort((name, place))
        return place[order], name[order], weight[order]

    def of_names(self, names: Ints, most: Ints | None = None) -> tuple[Numbers, Numbers, Floats]:
        """See `graphs.ways.Ways`."""
        limits = np.full(len(names), self.rows) if most is None else most
        asked = np.stack([names, limits], axis=1).tolist()
        found = {int(name): pairs for name, pairs in self._graph._rows(_OF_NAMES, names=asked)}
        ties = [(place, *pair) for place, name in enumerate(names.tolist()) for pair in found.get(name, ())]
        place, row, share = _columns(ties, (np.int64, np.int64, np.float32))
        return place, row, share

    def row_scales(self, rows: Ints) -> tuple[Floats, Floats]:
        """See `graphs.ways.Ways`."""
        scales, stays = np.zeros(len(rows), np.float32), np.zeros(len(rows), np.float32)
        row, scale, stay = _columns(
            self._graph._rows(_ROW_SCALES, rows=rows.tolist()), (np.int64, np.float32, np.float32)
        )
        place = _places(rows)[np.searchsorted(np.sort(rows), row)]
        scales[place], stays[place] = scale, stay
        return scales, stays

    def name_scales(self, names: Ints) -> Floats:
        """See `graphs.ways.Ways`."""
        scales = np.zeros(len(names), np.float32)
        name, scale = _columns(self._graph._rows(_NAME_SCALES, names=names.tolist()), (np.int64, np.float32))
        scales[_places(names)[np.searchsorted(np.sort(names), name)]] = scale
        return scales


def _places(numbers: Ints) -> Ints:
    """Where the numbers, all different, stand, in the order of their size."""
    return np.argsort(numbers)


def _columns(rows: Sequence[Sequence[Any]], types: Sequence[type[np.generic]]) -> list[NDArray[Any]]:
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(types)
    return [np.array(column, kind) for column, kind in zip(columns, types, strict=True)]


def timed(local: Walker, server: Walker, seeds: Sequence[Sequence[Seeds]]) -> dict[str, float]:
    """Milliseconds at the median of walks from each of some seedings, ``local`` and ``server``; the first is walked twice
    and counted once."""
    taken: dict[str, list[float]] = {"local": [], "server": []}
    for each in [seeds[0], *seeds]:
        for name, walker in (("local", local), ("server", server)):
            start = time.perf_counter()
            walker.pagerank(each)
            taken[name].append(1000 * (time.perf_counter() - start))
    return {name: float(np.median(times[1:])) for name, times in taken.items()}


def walker(
    graph: Connection,
    how: str,
    local: Walker,
    passages: Callable[[], Sequence[str]],
    ties: sparse.csr_array,
    file: Path,
    notice: Callable[[str], None],
) -> Walker:
    """Who walks a server's store: ``local``, or a walker that asks the server for each step, which comes to the same.

    Args:
        graph: the store, of whose present generation the rest is.
        how: ``local``, ``server``, or ``auto``: the server only if its ties are there and it was measured to be faster.
        local: the walker of this machine.
        passages: gives the ids, in the order of the rows.
        ties: (passages, names) weights.
        file: where the choice of ``auto`` is kept.
        notice: told in a sentence what takes long.

    Raises:
        StoreError: ``server``, and the ties are not there and cannot be written.
    """
    if how == "local" or not ties.shape[0]:
        return local
    generation = int(graph._rows("MATCH (s:Store {id: 'kgrag'}) RETURN s.generation")[0][0])
    there = tied(graph) == generation
    if not there and how == "auto":
        return local  # equal, and with nothing to write first
    if not there:
        notice(f"Writing {ties.nnz:,} ties of passages and names to the server, to walk there …")
        tie(graph, passages(), ties)
    server = Walker(ServerWays(graph, *ties.shape))
    if how == "server":
        return server
    return server if _measured(local, server, generation, ties.shape[0], file) == "server" else local


def _measured(local: Walker, server: Walker, generation: int, rows: int, file: Path) -> str:
    """Which is faster, measured once a generation and kept in ``file``, where that can be written."""
    with suppress(OSError, ValueError, AttributeError):
        kept = json.loads(file.read_text())
        if kept.get("generation") == generation and kept.get("walk") in ("local", "server"):
            return str(kept["walk"])
    chance = np.random.default_rng(0)
    seeds = [[Seeds({int(row): 1.0}, {}) for row in chance.integers(0, rows, 4)] for _ in range(TRIED)]
    times = timed(local, server, seeds)
    faster = min(times, key=lambda name: times[name])
    with suppress(OSError), replaced(file) as beside:
        beside.write_text(json.dumps({"generation": generation, "walk": faster, "milliseconds": times}))
    return faster
