"""PathQuestion: questions of two and three steps over small graphs, answered by following relations.

A question file has lines ``question <tab> answer(answer/answer/…) <tab> name#relation#node#relation#node…``; a graph
file has lines ``subject <tab> relation <tab> object``. Nothing is learned from either.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from math import comb
from pathlib import Path

from ingest.patterns import vocabulary
from kgrag.errors import ReadError, UsageError
from kgrag.evaluate.extraction import Figures
from kgrag.evaluate.extraction_sets import read_text
from kgrag.evaluate.statistics import interval
from kgrag.reader.relations import LIMIT, Embed, Reached, RelationReader

SETS = {"PQ-2H": "2H-kb", "PQ-3H": "3H-kb", "PQL-2H": "PQL2-KB", "PQL-3H": "PQL3-KB"}
"""Files of questions and the graphs that they are asked of, with .txt or .txt.gz after the name."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, the answers that count as right, and one path to them: relations, and where it ends."""

    text: str
    answers: frozenset[str]
    relations: tuple[str, ...]
    end: str


def load_graph(path: Path) -> list[tuple[str, str, str]]:
    """The triples of a graph file.

    Raises:
        UsageError: there is no such file.
        ReadError: a line is no triple; the message has its number.
    """
    triples = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        parts = [part.strip() for part in line.split("\t")]
        if not line.strip():
            continue
        if len(parts) != 3:
            raise ReadError(
                f"{path}, line {number}: expected subject, relation and object with tabs between, found {line[:60]!r}."
            )
        triples.append((parts[0], parts[1], parts[2]))
    return triples


def load_asked(path: Path, limit: int | None = None) -> list[Asked]:
    """The first ``limit`` questions of a file.

    Raises:
        UsageError: there is no such file.
        ReadError: a line is no question with answers and path; the message has its number.
    """
    found: list[Asked] = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if limit is not None and len(found) >= limit:
            break
        if line.strip():
            try:
                text, answers, walked = line.split("\t")
                nodes = walked.split("#<end>")[0].strip().split("#")
                if not text.strip() or len(nodes) < 3 or len(nodes) % 2 == 0:
                    raise ValueError("no path of nodes and relations")
            except ValueError as error:
                raise ReadError(
                    f"{path}, line {number}: expected question, answers and path with tabs between, found "
                    f"{line[:60]!r} ({error})."
                ) from error
            # "answer(answer/another/)", where an answer may have brackets of its own
            many = answers.strip().removeprefix(nodes[-1]).removeprefix("(").removesuffix("/)")
            right = frozenset([nodes[-1], *(a for a in many.split("/") if a)])
            found.append(Asked(text.strip(), right, tuple(nodes[1::2]), nodes[-1]))
    return found


def load_sets(folder: Path, limit: int | None = None) -> dict[str, tuple[list[tuple[str, str, str]], list[Asked]]]:
    """The sets of a folder by the names of their question files, those of `SETS` that are there.

    Raises:
        UsageError: there is none, or a set's graph is missing.
        ReadError: a file is of another format.
    """
    found = {}
    for name, graph in SETS.items():
        if (questions := _file(folder, name)) is not None:
            triples = _file(folder, graph)
            if triples is None:
                raise UsageError(f"Expected the graph {graph}.txt beside {questions}, found none: put it there.")
            found[name] = load_graph(triples), load_asked(questions, limit)
    if not found:
        raise UsageError(
            f"Expected a folder with PathQuestion's files ({', '.join(f'{n}.txt' for n in SETS)}, gzip or not) at "
            f"{folder}, found none of them: name the folder that they are in."
        )
    return found


def judged(asked: Asked, reached: Sequence[Reached]) -> tuple[bool, bool, bool]:
    """Whether the first answer is right, whether any is, and whether the set's own path leads to one of them."""
    right = [answer.node in asked.answers for answer in reached]
    path = any(answer.node == asked.end and asked.relations in answer.chains for answer in reached)
    return right[:1] == [True], any(right), path


def by_chance(asked: Asked, nodes: Collection[str]) -> tuple[float, float]:
    """How likely the first of ``nodes`` in any order is right, and how likely one of the first `LIMIT` is."""
    right = len(asked.answers.intersection(nodes))
    if not right:
        return 0.0, 0.0
    wrong = len(nodes) - right
    missed = comb(wrong, LIMIT) / comb(len(nodes), LIMIT) if wrong >= LIMIT else 0.0
    return right / len(nodes), 1.0 - missed


MEASURES = ("answer_hit1", "answer_recall", "path_recall", "chance_hit1", "chance_recall")


def paths(
    sets: dict[str, tuple[list[tuple[str, str, str]], list[Asked]]],
    embed: Embed | None,
    tick: Callable[[], None] = lambda: None,
) -> Figures:
    """`MEASURES` of all questions, by steps, and by set; every question weighs the same, intervals draw questions.

    ``answer_recall`` is among at most 20 answers, so it says little where few nodes are within reach at all:
    ``chance_hit1`` and ``chance_recall`` are what any order of the nodes within reach would give on average. The number
    of steps is not told to the reader.
    """
    rows: dict[str, list[tuple[float, ...]]] = {"": []}
    for name, (triples, questions) in sets.items():
        reader = RelationReader(triples, vocabulary(), embed)
        reader.prepare(question.text for question in questions)
        for question in questions:
            row = (*judged(question, reader.read(question.text)), *by_chance(question, reader.within(question.text)))
            for part in ("", f"_{len(question.relations)}_hops", f"_{name.lower().replace('-', '_')}"):
                rows.setdefault(part, []).append(row)
            tick()
    return {
        measure + part: interval([float(row[place]) for row in rows[part]])
        for part in sorted(rows, key=lambda part: (part[1:2].isalpha(), part))
        for place, measure in enumerate(MEASURES)
    }


def _file(folder: Path, name: str) -> Path | None:
    return next((f for f in (folder / f"{name}.txt", folder / f"{name}.txt.gz") if f.is_file()), None)
