"""Cards of the report: one per question and condition, with every arm's answer and the marked evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kgrag.factuality.records import PathRecord, RunRecord, TripleRecord, UncertaintyRecord
from kgrag.factuality.report.labels import UNDEFINED, as_percent_points

MarkedText = tuple[str, str]
"""A piece of text with its mark: "" (not shown), ``shown`` or ``cited``."""


@dataclass
class PassageView:
    """A passage that some arm retrieved.

    ``uses`` are (arm, use of the passage). ``pieces`` are its marked text; empty if no arm was shown the passage and it is
    not gold, as then its title is enough.
    """

    title: str
    source: str
    gold: bool
    uses: list[tuple[str, str]] = field(default_factory=list)
    pieces: list[MarkedText] = field(default_factory=list)


@dataclass(frozen=True)
class PathStepView:
    """A step of a path.

    ``forward`` is whether the fact points along the path. ``quote`` is the sentence that states it, "" if its passage is
    not among the evidence.
    """

    name: str
    predicate: str
    forward: bool
    quote: str


@dataclass(frozen=True)
class PathView:
    """A path through the graph: its first name and its steps."""

    start: str
    steps: tuple[PathStepView, ...]


@dataclass(frozen=True)
class ArmAnswerView:
    """An arm's answer.

    ``cited_paths`` lead to the cited passages, ``graph_paths`` are the typed facts that judge the answer.
    """

    record: RunRecord
    cited_paths: tuple[PathView, ...]
    graph_paths: tuple[PathView, ...]
    uncertainty_sentences: tuple[str, ...]


@dataclass(frozen=True)
class QuestionCard:
    """A question under a condition, with its anchor and number on the page."""

    anchor: str
    number: int
    head: RunRecord
    arms: tuple[ArmAnswerView, ...]
    passages: tuple[PassageView, ...]
    counts: bool


def question_cards(records: Sequence[RunRecord]) -> list[QuestionCard]:
    """Return one card per question and condition, in the order of the records; questions are numbered from 1."""
    groups: dict[tuple[str, str], list[RunRecord]] = {}
    for record in records:
        groups.setdefault((record["id"], record["condition"]), []).append(record)
    numbers = {name: n for n, name in enumerate(dict.fromkeys(name for name, _ in groups), 1)}
    return [
        QuestionCard(
            f"q{numbers[name]}-{condition}",
            numbers[name],
            rows[0],
            tuple(_arm_answer(row) for row in rows),
            tuple(passage_views(rows)),
            condition != "counterfactual" or any(row["altered"] for row in rows),
        )
        for (name, condition), rows in groups.items()
    ]


def passage_views(rows: Sequence[RunRecord]) -> list[PassageView]:
    """Return the passages of all arms without duplicates; an edited passage is different from the unedited one."""
    views: dict[tuple[str, str], PassageView] = {}
    marks: dict[tuple[str, str], tuple[int, list[Sequence[int]], list[Sequence[int]]]] = {}
    for row in rows:
        for e in row["evidence"]:
            key = e["passage_id"], e["text"]
            view = views.setdefault(key, PassageView(e["title"], e["source"], e["gold"]))
            _, shown, cited = marks.setdefault(key, (e["start"], [], []))
            shown.extend(e["spans"])
            cited.extend([c["start"], c["end"]] for c in row["citations"] if c["passage_id"] == e["passage_id"])
            use = (
                f"shown as [{e['number']}]" if e["number"] is not None else f"retrieved at rank {e['rank']}, not shown"
            )
            view.uses.append((row["arm"], use + (", cited" if e["cited"] else "")))
    for key, view in views.items():
        start, shown, cited = marks[key]
        if shown or cited or view.gold:
            view.pieces = mark_pieces(key[1], start, shown, cited)
    return sorted(views.values(), key=lambda p: (not p.pieces, not p.gold))


def mark_pieces(
    text: str, start: int, shown: Sequence[Sequence[int]], cited: Sequence[Sequence[int]]
) -> list[MarkedText]:
    """Split a text where marks begin and end; ``cited`` overrides ``shown``.

    Args:
        text: text of a passage.
        start: its start in the document.
        shown: spans [start, end) in the document; parts outside the text are ignored.
        cited: the same.
    """
    marks = [""] * len(text)
    for kind, spans in (("shown", shown), ("cited", cited)):
        for a, b in spans:
            for position in range(max(a - start, 0), min(b - start, len(text))):
                marks[position] = kind
    marked: list[MarkedText] = []
    piece_start = 0
    for position in range(1, len(text) + 1):
        if position == len(text) or marks[position] != marks[piece_start]:
            marked.append((text[piece_start:position], marks[piece_start]))
            piece_start = position
    return marked


def _arm_answer(row: RunRecord) -> ArmAnswerView:
    texts = {e["passage_id"]: (e["start"], e["text"]) for e in row["evidence"]}
    graph = row["graph"]["paths"] if row["graph"] else []
    return ArmAnswerView(
        row, _path_views(row["paths"], texts), _path_views(graph, texts), _uncertainty_sentences(row["uncertainty"])
    )


def _path_views(paths: Sequence[PathRecord], texts: Mapping[str, tuple[int, str]]) -> tuple[PathView, ...]:
    return tuple(
        PathView(
            path["names"][0],
            tuple(
                PathStepView(
                    path["names"][n + 1],
                    triple["predicate"].replace("_", " "),
                    triple["subject"] == path["nodes"][n] or triple["object"] == path["nodes"][n + 1],
                    _triple_quote(triple, texts),
                )
                for n, triple in enumerate(path["triples"])
            ),
        )
        for path in paths
        if path["names"]
    )


def _triple_quote(triple: TripleRecord, texts: Mapping[str, tuple[int, str]]) -> str:
    """Return the sentence that states a fact; "" if its passage is not among the evidence."""
    start, text = texts.get(triple["passage_id"], (0, ""))
    a, b = triple["start"] - start, triple["end"] - start
    return text[a:b] if 0 <= a < b <= len(text) else ""


def _uncertainty_sentences(uncertainty: UncertaintyRecord | None) -> tuple[str, ...]:
    """Return the model's uncertainty as sentences."""
    if not uncertainty:
        return ()
    lines = []
    if (chance := as_percent_points(uncertainty["chance"])) != UNDEFINED:
        lines.append(f"Mean probability of the answer's tokens: {chance} of 100.")
    if uncertainty["samples"]:
        texts = dict(zip(uncertainty["cluster_of"], uncertainty["samples"], strict=True))
        sizes = [(uncertainty["cluster_of"].count(c), text) for c, text in texts.items()]
        sample_counts = "; ".join(f"{n} × {text}" for n, text in sorted(sizes, key=lambda s: -s[0]))
        lines.append(f"{len(uncertainty['samples'])} samples: {sample_counts}")
    return tuple(lines)
