"""How gold documents hang together with a question, on a worked example."""

from __future__ import annotations

import pytest

from graphs.walk.adjacency import build_adjacency
from kgrag.dev.benchmarks.entity_linking import LINK_CLASSES, EntityLinker, measure_linking
from kgrag.types import Passage, Question

TEXTS = {
    "ada": ("Ada Lovelace", "Ada Lovelace was a daughter of Lord Byron."),
    "byron": ("Lord Byron", "Lord Byron died far away at Missolonghi."),
    "siege": ("Third Siege", "The town of Missolonghi fell."),
    "town": ("Missolonghi", "A town in Greece."),
    "moon": ("Moon", "It goes around."),
}


@pytest.fixture
def linked() -> EntityLinker:
    passages = [Passage(f"{id}#1", id, text, 0, len(text)) for id, (_, text) in TEXTS.items()]
    graph = build_adjacency(passages, [], {id: [title] for id, (title, _) in TEXTS.items()})
    return EntityLinker(graph, [p.document_id for p in passages])


def how(linked: EntityLinker, text: str, *gold: str) -> list[str]:
    return [link.link_class for link in linked.link_gold(Question("1", text, gold=gold))]


def test_each_way_of_being_linked(linked: EntityLinker) -> None:
    question = "Where did the father of Ada Lovelace die?"
    assert how(linked, question, "ada", "byron") == ["named", "reachable"]
    assert how(linked, question, "byron", "ada") == ["reachable", "named"]
    # nothing but a name that is neither's title joins these two
    assert how(linked, "Who died there?", "byron", "siege") == ["shares a name", "shares a name"]
    assert how(linked, "What fell at Missolonghi?", "siege") == ["shares a name"]
    assert how(linked, question, "moon", "byron", "nowhere") == ["unreached", "unreached", "absent"]
    assert how(linked, "ada lovelace and the moon", "moon") == ["named"], "a question all in lower case"


def test_a_gold_document_that_is_named_twice_counts_once(linked: EntityLinker) -> None:
    assert how(linked, "The Moon?", "moon", "moon") == ["named"]


def test_shares_are_of_each_question(linked: EntityLinker) -> None:
    questions = [
        Question("1", "Who was Ada Lovelace?", gold=("ada", "moon")),
        Question("2", "Who was Lord Byron?", gold=("byron",)),
        Question("3", "Who?"),
    ]
    ticks: list[None] = []
    report, unreached = measure_linking(linked, questions, lambda: ticks.append(None))
    assert report["named"]["value"] == pytest.approx(0.75) and report["unreached"]["value"] == pytest.approx(0.25)
    assert sum(report[name]["value"] for name in LINK_CLASSES) == pytest.approx(1)
    assert (report["questions"], report["gold documents"], len(ticks)) == (2, 3, 3)
    assert [(link.question.id, link.document) for link in unreached] == [("1", "moon")]
