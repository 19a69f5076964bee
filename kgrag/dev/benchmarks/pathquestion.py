"""PathQuestion: questions of two and three steps over small graphs, answered by following relations.

A question file has lines ``question <tab> answer(answer/answer/…) <tab> name#relation#node#relation#node…``; a graph
file has lines ``subject <tab> relation <tab> object``. Nothing is learned from either.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from math import comb
from pathlib import Path

from graphs.predicates import load_predicate_schema
from kgrag.dev.benchmarks.extraction.datasets import read_text
from kgrag.dev.benchmarks.extraction.scorer import Figures
from kgrag.dev.benchmarks.relation_path_reader import MAX_ANSWERS, Embed, RelationPathAnswer, RelationPathReader
from kgrag.errors import ReadError, UsageError
from kgrag.metrics.intervals import bootstrap_interval

GRAPH_FILES = {"PQ-2H": "2H-kb", "PQ-3H": "3H-kb", "PQL-2H": "PQL2-KB", "PQL-3H": "PQL3-KB"}
"""Question files and their graphs, with .txt or .txt.gz after the name."""


@dataclass(frozen=True, slots=True)
class PathQuestion:
    """A question, its accepted answers, and one path to them: relations, and the node at its end."""

    text: str
    answers: frozenset[str]
    relations: tuple[str, ...]
    answer_node: str


def load_graph(path: Path) -> list[tuple[str, str, str]]:
    """Return the triples of a graph file.

    Raises:
        UsageError: there is no such file.
        ReadError: a line is no triple; the message contains its number.
    """
    triples = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        parts = [part.strip() for part in line.split("\t")]
        if not line.strip():
            continue
        if len(parts) != 3:
            raise ReadError(
                f"{path}, line {number}: expected subject, relation and object with tabs between, found {line[:60]!r}: "
                "fix that line."
            )
        triples.append((parts[0], parts[1], parts[2]))
    return triples


def load_path_questions(path: Path, limit: int | None = None) -> list[PathQuestion]:
    """Return the first ``limit`` questions of a file.

    Raises:
        UsageError: there is no such file.
        ReadError: a line is no question with answers and path; the message contains its number.
    """
    questions: list[PathQuestion] = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if limit is not None and len(questions) >= limit:
            break
        if line.strip():
            try:
                text, answers, path_text = line.split("\t")
                nodes = path_text.split("#<end>")[0].strip().split("#")
                if not text.strip() or len(nodes) < 3 or len(nodes) % 2 == 0:
                    raise ValueError("no path of nodes and relations")
            except ValueError as error:
                raise ReadError(
                    f"{path}, line {number}: expected question, answers and path with tabs between, found "
                    f"{line[:60]!r} ({error}): fix that line."
                ) from error
            # "answer(answer/another/)", where an answer may have brackets of its own
            other_answers = answers.strip().removeprefix(nodes[-1]).removeprefix("(").removesuffix("/)")
            accepted = frozenset([nodes[-1], *(a for a in other_answers.split("/") if a)])
            questions.append(PathQuestion(text.strip(), accepted, tuple(nodes[1::2]), nodes[-1]))
    return questions


def load_path_sets(
    folder: Path, limit: int | None = None
) -> dict[str, tuple[list[tuple[str, str, str]], list[PathQuestion]]]:
    """Return the sets of a folder by the names of their question files, those of `GRAPH_FILES` that exist.

    Raises:
        UsageError: there is none, or a set's graph is missing.
        ReadError: a file is of another format.
    """
    sets = {}
    for name, graph in GRAPH_FILES.items():
        if (questions := _find_file(folder, name)) is not None:
            triples = _find_file(folder, graph)
            if triples is None:
                raise UsageError(f"Expected the graph {graph}.txt beside {questions}, found none: copy it there.")
            sets[name] = load_graph(triples), load_path_questions(questions, limit)
    if not sets:
        raise UsageError(
            f"Expected a folder with PathQuestion's files ({', '.join(f'{n}.txt' for n in GRAPH_FILES)}, gzip or not) at "
            f"{folder}, found none of them: pass the folder that contains them."
        )
    return sets


def score_answer(question: PathQuestion, path_answers: Sequence[RelationPathAnswer]) -> tuple[bool, bool, bool]:
    """Whether the first answer is right, whether any is, and whether the set's own path leads to one of them."""
    is_right = [answer.node in question.answers for answer in path_answers]
    has_gold_path = any(
        answer.node == question.answer_node and question.relations in answer.chains for answer in path_answers
    )
    return is_right[:1] == [True], any(is_right), has_gold_path


def chance_accuracy(question: PathQuestion, nodes: Collection[str]) -> tuple[float, float]:
    """Return the accuracy that shuffled ``nodes`` give: of the first one, and of the first `MAX_ANSWERS`."""
    right_count = len(question.answers.intersection(nodes))
    if not right_count:
        return 0.0, 0.0
    wrong_count = len(nodes) - right_count
    miss_probability = (
        comb(wrong_count, MAX_ANSWERS) / comb(len(nodes), MAX_ANSWERS) if wrong_count >= MAX_ANSWERS else 0.0
    )
    return right_count / len(nodes), 1.0 - miss_probability


PATH_MEASURES = ("answer_hit1", "answer_recall", "path_recall", "chance_hit1", "chance_recall")


def measure_path_answers(
    sets: dict[str, tuple[list[tuple[str, str, str]], list[PathQuestion]]],
    embed: Embed | None,
    tick: Callable[[], None] = lambda: None,
) -> Figures:
    """Return `PATH_MEASURES` of all questions, by steps, and by set; every question weighs the same.

    Intervals are bootstrapped over questions. ``answer_recall`` counts at most 20 answers, so it means little if few
    nodes are within reach. ``chance_hit1`` and ``chance_recall`` are the averages of a random order of the nodes within
    reach. The reader does not know the number of steps.
    """
    rows: dict[str, list[tuple[float, ...]]] = {"": []}
    for name, (triples, questions) in sets.items():
        reader = RelationPathReader(triples, load_predicate_schema(), embed)
        reader.precompute_fits(question.text for question in questions)
        for question in questions:
            row = (
                *score_answer(question, reader.answer(question.text)),
                *chance_accuracy(question, reader.reachable_nodes(question.text)),
            )
            for part in ("", f"_{len(question.relations)}_hops", f"_{name.lower().replace('-', '_')}"):
                rows.setdefault(part, []).append(row)
            tick()
    return {
        measure + part: bootstrap_interval([float(row[place]) for row in rows[part]])
        for part in sorted(rows, key=lambda part: (part[1:2].isalpha(), part))
        for place, measure in enumerate(PATH_MEASURES)
    }


def _find_file(folder: Path, name: str) -> Path | None:
    return next((f for f in (folder / f"{name}.txt", folder / f"{name}.txt.gz") if f.is_file()), None)
