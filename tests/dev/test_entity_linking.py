"""Link classes of gold documents, on a worked example."""

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
def linker() -> EntityLinker:
    passages = [Passage(f"{id}#1", id, text, 0, len(text)) for id, (_, text) in TEXTS.items()]
    graph = build_adjacency(passages, [], {id: [title] for id, (title, _) in TEXTS.items()})
    return EntityLinker(graph, [p.document_id for p in passages])


def link_classes(linker: EntityLinker, text: str, *gold: str) -> list[str]:
    return [link.link_class for link in linker.link_gold(Question("1", text, gold=gold))]


def test_link_gold_each_class(linker: EntityLinker) -> None:
    question = "Where did the father of Ada Lovelace die?"
    assert link_classes(linker, question, "ada", "byron") == ["named", "reachable"]
    assert link_classes(linker, question, "byron", "ada") == ["reachable", "named"]
    # only a name that is neither's title links these two
    assert link_classes(linker, "Who died there?", "byron", "siege") == ["shares a name", "shares a name"]
    assert link_classes(linker, "What fell at Missolonghi?", "siege") == ["shares a name"]
    assert link_classes(linker, question, "moon", "byron", "nowhere") == ["unreached", "unreached", "absent"]
    assert link_classes(linker, "ada lovelace and the moon", "moon") == ["named"], "a question in lower case"


def test_link_gold_duplicate_gold_counts_once(linker: EntityLinker) -> None:
    assert link_classes(linker, "The Moon?", "moon", "moon") == ["named"]


def test_measure_linking_averages_over_questions(linker: EntityLinker) -> None:
    questions = [
        Question("1", "Who was Ada Lovelace?", gold=("ada", "moon")),
        Question("2", "Who was Lord Byron?", gold=("byron",)),
        Question("3", "Who?"),
    ]
    ticks: list[None] = []
    report, unreached = measure_linking(linker, questions, lambda: ticks.append(None))
    assert report["named"]["value"] == pytest.approx(0.75) and report["unreached"]["value"] == pytest.approx(0.25)
    assert sum(report[name]["value"] for name in LINK_CLASSES) == pytest.approx(1)
    assert (report["questions"], report["gold documents"], len(ticks)) == (2, 3, 3)
    assert [(link.question.id, link.document) for link in unreached] == [("1", "moon")]
