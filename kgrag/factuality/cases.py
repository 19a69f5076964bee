"""Each question of the report under each condition: what every arm made of it, and the evidence, marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kgrag.factuality.records import Record
from kgrag.factuality.words import NONE, hundred

Piece = tuple[str, str]
"""A run of text, and what it is: "" (not shown), ``shown`` or ``cited``."""


@dataclass
class Passage:
    """A passage that some arm retrieved. ``uses`` are (arm, what it did with it); ``pieces`` its text, empty where no arm was
    shown it and it is not gold: then its title is enough."""

    title: str
    source: str
    gold: bool
    uses: list[tuple[str, str]] = field(default_factory=list)
    pieces: list[Piece] = field(default_factory=list)


@dataclass(frozen=True)
class Step:
    """A step of a path: ``forward`` says which way the fact points; ``quote`` is its sentence, empty where it was not shown."""

    name: str
    predicate: str
    forward: bool
    quote: str


@dataclass(frozen=True)
class Way:
    """A path through the graph, from its first name by its steps."""

    start: str
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Told:
    """An arm's answer; ``record`` has all of it. ``ways`` lead to what is cited; ``graph`` are those that the graph judges by."""

    record: Record
    ways: tuple[Way, ...]
    graph: tuple[Way, ...]
    doubt: tuple[str, ...]


@dataclass(frozen=True)
class Case:
    """A question under a condition, with its place on the page."""

    anchor: str
    number: int
    head: Record
    arms: tuple[Told, ...]
    passages: tuple[Passage, ...]
    counts: bool


def cases(records: Sequence[Record]) -> list[Case]:
    """Every question and condition, in the order of the records; questions are numbered from 1."""
    groups: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        groups.setdefault((record["id"], record["condition"]), []).append(record)
    numbers = {name: n for n, name in enumerate(dict.fromkeys(name for name, _ in groups), 1)}
    return [
        Case(
            f"q{numbers[name]}-{condition}",
            numbers[name],
            rows[0],
            tuple(_told(row) for row in rows),
            tuple(passages(rows)),
            condition != "counterfactual" or any(row["altered"] for row in rows),
        )
        for (name, condition), rows in groups.items()
    ]


def passages(rows: Sequence[Record]) -> list[Passage]:
    """The passages of all arms, each once, with what every arm did with it; an edited one is another than the unedited."""
    found: dict[tuple[str, str], Passage] = {}
    marks: dict[tuple[str, str], tuple[int, list[Sequence[int]], list[Sequence[int]]]] = {}
    for row in rows:
        for e in row["evidence"]:
            key = e["passage_id"], e["text"]
            one = found.setdefault(key, Passage(e["title"], e["source"], e["gold"]))
            _, shown, cited = marks.setdefault(key, (e["start"], [], []))
            shown.extend(e["spans"])
            cited.extend([c["start"], c["end"]] for c in row["citations"] if c["passage_id"] == e["passage_id"])
            use = f"shown as [{e['number']}]" if e["number"] is not None else f"found at rank {e['rank']}, not shown"
            one.uses.append((row["arm"], use + (", cited" if e["cited"] else "")))
    for key, one in found.items():
        start, shown, cited = marks[key]
        if shown or cited or one.gold:
            one.pieces = pieces(key[1], start, shown, cited)
    return sorted(found.values(), key=lambda p: (not p.pieces, not p.gold))


def pieces(text: str, start: int, shown: Sequence[Sequence[int]], cited: Sequence[Sequence[int]]) -> list[Piece]:
    """A text cut where marks begin and end; what is cited wins over what is shown.

    Args:
        text: of a passage.
        start: where it begins in its document.
        shown: spans [start, end) in the document; what lies outside the text is left out.
        cited: the same.
    """
    kinds = [""] * len(text)
    for kind, spans in (("shown", shown), ("cited", cited)):
        for a, b in spans:
            for place in range(max(a - start, 0), min(b - start, len(text))):
                kinds[place] = kind
    found: list[Piece] = []
    begin = 0
    for place in range(1, len(text) + 1):
        if place == len(text) or kinds[place] != kinds[begin]:
            found.append((text[begin:place], kinds[begin]))
            begin = place
    return found


def _told(row: Record) -> Told:
    texts = {e["passage_id"]: (e["start"], e["text"]) for e in row["evidence"]}
    graph = row["graph"]["paths"] if row["graph"] else []
    return Told(row, _ways(row["paths"], texts), _ways(graph, texts), _doubt(row["uncertainty"]))


def _ways(paths: Sequence[Record], texts: Mapping[str, tuple[int, str]]) -> tuple[Way, ...]:
    return tuple(
        Way(
            path["names"][0],
            tuple(
                Step(
                    path["names"][n + 1],
                    triple["predicate"].replace("_", " "),
                    triple["subject"] == path["nodes"][n] or triple["object"] == path["nodes"][n + 1],
                    _quote(triple, texts),
                )
                for n, triple in enumerate(path["triples"])
            ),
        )
        for path in paths
        if path["names"]
    )


def _quote(triple: Record, texts: Mapping[str, tuple[int, str]]) -> str:
    """The sentence that states a fact, where its passage is among the evidence."""
    start, text = texts.get(triple["passage_id"], (0, ""))
    a, b = triple["start"] - start, triple["end"] - start
    return text[a:b] if 0 <= a < b <= len(text) else ""


def _doubt(found: Record | None) -> tuple[str, ...]:
    """What is known of the model's doubt, in words."""
    if not found:
        return ()
    said = []
    if (chance := hundred(found["chance"])) != NONE:
        said.append(f"The model gives its words a chance of {chance} of 100 a token.")
    if found["samples"]:
        texts = dict(zip(found["cluster_of"], found["samples"], strict=True))
        sizes = [(found["cluster_of"].count(c), text) for c, text in texts.items()]
        heard = "; ".join(f"{n} × {text}" for n, text in sorted(sizes, key=lambda s: -s[0]))
        said.append(f"Asked again {len(found['samples'])} times: {heard}")
    return tuple(said)
