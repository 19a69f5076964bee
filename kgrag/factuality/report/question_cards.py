"""Each question of the report under each condition: what every arm made of it, and the evidence, marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kgrag.factuality.records import RunRecord
from kgrag.factuality.report.labels import UNDEFINED, as_percent_points

MarkedText = tuple[str, str]
"""A run of text, and what it is: "" (not shown), ``shown`` or ``cited``."""


@dataclass
class PassageView:
    """A passage that some arm retrieved. ``uses`` are (arm, what it did with it); ``pieces`` its text, empty where no arm was
    shown it and it is not gold: then its title is enough."""

    title: str
    source: str
    gold: bool
    uses: list[tuple[str, str]] = field(default_factory=list)
    pieces: list[MarkedText] = field(default_factory=list)


@dataclass(frozen=True)
class PathStepView:
    """A step of a path: ``forward`` says which way the fact points; ``quote`` is its sentence, empty where it was not shown."""

    name: str
    predicate: str
    forward: bool
    quote: str


@dataclass(frozen=True)
class PathView:
    """A path through the graph, from its first name by its steps."""

    start: str
    steps: tuple[PathStepView, ...]


@dataclass(frozen=True)
class ArmAnswerView:
    """An arm's answer; ``record`` has all of it. ``ways`` lead to what is cited; ``graph`` are those that the graph judges by."""

    record: RunRecord
    ways: tuple[PathView, ...]
    graph: tuple[PathView, ...]
    doubt: tuple[str, ...]


@dataclass(frozen=True)
class QuestionCard:
    """A question under a condition, with its place on the page."""

    anchor: str
    number: int
    head: RunRecord
    arms: tuple[ArmAnswerView, ...]
    passages: tuple[PassageView, ...]
    counts: bool


def question_cards(records: Sequence[RunRecord]) -> list[QuestionCard]:
    """Every question and condition, in the order of the records; questions are numbered from 1."""
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
    """The passages of all arms, each once, with what every arm did with it; an edited one is another than the unedited."""
    views: dict[tuple[str, str], PassageView] = {}
    marks: dict[tuple[str, str], tuple[int, list[Sequence[int]], list[Sequence[int]]]] = {}
    for row in rows:
        for e in row["evidence"]:
            key = e["passage_id"], e["text"]
            view = views.setdefault(key, PassageView(e["title"], e["source"], e["gold"]))
            _, shown, cited = marks.setdefault(key, (e["start"], [], []))
            shown.extend(e["spans"])
            cited.extend([c["start"], c["end"]] for c in row["citations"] if c["passage_id"] == e["passage_id"])
            use = f"shown as [{e['number']}]" if e["number"] is not None else f"found at rank {e['rank']}, not shown"
            view.uses.append((row["arm"], use + (", cited" if e["cited"] else "")))
    for key, view in views.items():
        start, shown, cited = marks[key]
        if shown or cited or view.gold:
            view.pieces = mark_pieces(key[1], start, shown, cited)
    return sorted(views.values(), key=lambda p: (not p.pieces, not p.gold))


def mark_pieces(
    text: str, start: int, shown: Sequence[Sequence[int]], cited: Sequence[Sequence[int]]
) -> list[MarkedText]:
    """A text cut where marks begin and end; what is cited wins over what is shown.

    Args:
        text: of a passage.
        start: where it begins in its document.
        shown: spans [start, end) in the document; what lies outside the text is left out.
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


def _path_views(paths: Sequence[RunRecord], texts: Mapping[str, tuple[int, str]]) -> tuple[PathView, ...]:
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


def _triple_quote(triple: RunRecord, texts: Mapping[str, tuple[int, str]]) -> str:
    """The sentence that states a fact, where its passage is among the evidence."""
    start, text = texts.get(triple["passage_id"], (0, ""))
    a, b = triple["start"] - start, triple["end"] - start
    return text[a:b] if 0 <= a < b <= len(text) else ""


def _uncertainty_sentences(uncertainty: RunRecord | None) -> tuple[str, ...]:
    """What is known of the model's doubt, in words."""
    if not uncertainty:
        return ()
    lines = []
    if (chance := as_percent_points(uncertainty["chance"])) != UNDEFINED:
        lines.append(f"The model gives its words a chance of {chance} of 100 a token.")
    if uncertainty["samples"]:
        texts = dict(zip(uncertainty["cluster_of"], uncertainty["samples"], strict=True))
        sizes = [(uncertainty["cluster_of"].count(c), text) for c, text in texts.items()]
        sample_counts = "; ".join(f"{n} × {text}" for n, text in sorted(sizes, key=lambda s: -s[0]))
        lines.append(f"Asked again {len(uncertainty['samples'])} times: {sample_counts}")
    return tuple(lines)
