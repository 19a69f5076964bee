"""Bridge finder: two-step paths in gold passages, with surface forms and spans."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from graphs.predicates import load_predicate_schema
from kgrag.answering.reasoning_steps import parse_steps
from kgrag.tune.data.bridge_finder import BridgeFinder
from kgrag.tune.data.build import build_examples
from kgrag.tune.data.user_questions import UserQuestion
from kgrag.types import Hit, Passage

JOAN = ("Joan, Lady of Wales (born 1191)", "Joan ruled at Aber. She was a daughter of King John and of Clemence.")
JOHN = ("John, King of England", "John lost Normandy. King John died at Newark in 1216. Newark lies on the Trent.")


def hit(title: str, text: str, at: int = 100) -> Hit:
    """Return a passage in the middle of its document."""
    return Hit(Passage(f"{title}#0001", title, text, at, at + len(text)), title, "", 1.0, 1)


def make_question(text: str, answers: tuple[str, ...], *gold: tuple[str, str]) -> UserQuestion:
    hits = tuple(hit(*g) for g in gold)
    return UserQuestion("q", text, answers, hits, lambda: [*hits])


@pytest.fixture(scope="module")
def bridges() -> BridgeFinder:
    return BridgeFinder(load_predicate_schema())


@pytest.mark.parametrize("order", [1, -1])
def test_find_two_step_path(bridges: BridgeFinder, order: int) -> None:
    john = (JOHN[0], JOHN[1].replace("King John", "John"))
    joan = (JOAN[0], JOAN[1].replace("King John", "john, king of england"))
    question = make_question(
        "Where did joan, lady of wales's father die?", ("Runnymede", "newark"), *(joan, john)[::order]
    )
    walk = bridges.find(question)
    assert walk is not None and walk.text == "Newark", "the sentence's surface form"
    assert walk.path.names == ("Joan, Lady of Wales", "john, king of england", "Newark")
    assert [t.predicate for t in walk.path.triples] == ["father", "place_of_death"]
    for triple, (title, text), part in zip(walk.path.triples, (joan, john), ("daughter", "died at"), strict=True):
        assert triple.passage_id == f"{title}#0001"
        assert part in text[triple.start - 100 : triple.end - 100], "offsets are the document's"
    ends = [(t.subject, t.object) for t in walk.path.triples]
    assert ends[0][1] == ends[1][0] and walk.path.nodes == (ends[0][0], *(end for _, end in ends))


def test_find_matches_shortened_titles(bridges: BridgeFinder) -> None:
    for title, mention in (
        ("Ada (singer)", "Ada"),
        ("Ada of Kent, Countess of Holland", "Ada of Kent"),
        ("Ada, Countess of Holland", "Ada"),
        ("Ada of Holland", "Ada"),
    ):
        question = make_question(
            "Who is the mother of Bo's wife?",
            ("Eve",),
            ("Bo", f"Bo married {mention}."),
            (title, "Her mother was Eve."),
        )
        walk = bridges.find(question)
        assert walk is not None and walk.path.names == ("Bo", mention, "Eve"), title
        assert [t.predicate for t in walk.path.triples] == ["spouse", "mother"]
    kinship = make_question(
        "Who is the maternal grandfather of Bo?", ("Eve",), ("Bo", "Bo, son of Ada."), ("Ada", "Ada, daughter of Eve.")
    )
    walk = bridges.find(kinship)
    assert walk is not None and [t.predicate for t in walk.path.triples] == ["mother", "father"]


@pytest.mark.parametrize(
    ("text", "answers", "gold"),
    [
        ("Where did X's father die?", ("Rome",), [("X", "X, son of Y."), ("Y", "Y died in Oslo.")]),
        ("Where did X's father die?", ("Rome",), [("X", "X, son of another."), ("Y", "Y died in Rome.")]),
        ("Where did X die?", ("Rome",), [("X", "X, son of Y."), ("Y", "Y died in Rome.")]),
        ("Where did Q's father die?", ("Rome",), [("X", "X, son of Y."), ("Y", "Y died in Rome.")]),
        ("Where does X's father sing?", ("Rome",), [("X", "X, son of Y."), ("Y", "Y sang in Rome.")]),
        ("Where did X's father die?", ("Rome",), [("X", "X, son of Y, died in Rome.")]),
        ("Where did X's father die?", ("Rome",), [("X", "X, son of Y."), ("Y", "Y died in Rome."), ("Z", "Rome is old.")]),
        ("Who is the father of X's father?", ("Y",), [("X", "X, son of Y."), ("Y", "Y, son of Y.")]),
        ("Who is the father of X's wife?", ("X",), [("X", "X married Y."), ("Y", "Y knew X.")]),
    ],
    ids=["no answer", "no bridge", "one step", "not named", "unknown words", "one passage", "three", "in a ring", "itself"],
)  # fmt: skip
def test_find_without_two_step_path_is_none(
    bridges: BridgeFinder, text: str, answers: tuple[str, ...], gold: list[tuple[str, str]]
) -> None:
    assert bridges.find(make_question(text, answers, *gold)) is None


def test_find_with_three_passages_is_none(bridges: BridgeFinder) -> None:
    two = make_question("Where did X's father die?", ("Rome",), ("X", "X, son of Y."), ("Y", "Y died in Rome."))
    more = Hit(Passage("Y#0002", "Y", "Y was old.", 200, 210), "Y", "", 1.0, 3)
    assert bridges.find(two) is not None
    assert bridges.find(replace(two, gold=(*two.gold, more))) is None


def test_build_examples_writes_bridges_without_store(tmp_path: Path) -> None:
    rows = []
    for n in range(30):
        passages = [
            {"title": f"Film {n}", "text": f"Film {n} was made by Ann B{n}k in one summer.", "gold": True},
            {
                "title": f"Ann B{n}k",
                "text": f"Ann B{n}k paints. She was born in Port {n + 500} by the sea.",
                "gold": True,
            },
            {"title": f"Port {n}", "text": f"Port {n} is a town.", "gold": False},
        ]
        text = f"Where was the director of film Film {n} born?" if n % 3 else f"Why is Film {n} liked at sea?"
        rows.append({"_id": f"q{n}", "text": text, "answers": [f"Port {n + 500}"], "passages": passages})
    file = tmp_path / "q.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    written = build_examples(None, file, number=40, seed=0, count=lambda text: len(text) // 4 + 1, stepwise=True)
    assert written.skipped == Counter({"takes several passages, and nothing says in which steps": 10})
    for example in written.examples:
        number = example.id[1:]
        answer, steps = parse_steps(example.answer)
        if example.kind == "given":
            assert answer.startswith(f"Port {int(number) + 500} [")
            assert [step[:-4] for step in steps] == [
                f"Film {number} – director: Ann B{number}k",
                f"Ann B{number}k – place of birth: Port {int(number) + 500}",
            ]
    assert sum(e.kind == "given" for e in written.examples) >= 12
