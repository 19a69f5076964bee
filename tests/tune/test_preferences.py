"""Preferences follow from records, and are about the very messages that the model was asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgrag import prompts
from kgrag.errors import UsageError
from kgrag.factuality.experiment.conditions import Condition
from kgrag.factuality.records import RECORDS_FILE, RunRecord, record_line
from kgrag.tune.data.build import preferences_from_report
from kgrag.tune.data.example import Preference
from kgrag.tune.data.preferences import balance_pairs, build_preferences, rebuild_prompt
from tests.support.birthplace_world import (
    ABSTENTION,
    BIRTHPLACES,
    QUESTIONS,
    BirthplaceLLM,
    abstain,
    answer_correctly,
    answer_from_evidence,
    answer_wrongly,
    lie_about,
    make_experiment,
    run_experiment,
)

WHOLE = (Condition.ANSWERABLE,)


@pytest.mark.parametrize("says", [answer_correctly, answer_wrongly, answer_from_evidence])
def test_messages_are_rebuilt_as_they_were_asked(tmp_path: Path, says: Any) -> None:
    person = BirthplaceLLM(says)
    made = make_experiment(tmp_path, person).run(QUESTIONS)
    asked = {json.dumps([dict(m) for m in messages]) for messages in person.calls}
    rebuilt = {json.dumps(rebuild_prompt(record)) for record in made}
    assert len(made) > 60 and rebuilt == asked


def test_messages_have_the_lines_of_facts(tmp_path: Path) -> None:
    made = run_experiment(tmp_path, answer_correctly, conditions=WHOLE, arms=("grounded",))
    made[0]["facts"] = ["Ada Bell – place of birth: Paris [1]"]
    messages = rebuild_prompt(made[0])
    assert messages is not None and "\nAda Bell – place of birth: Paris [1]\nQuestion: " in messages[-1]["content"]


def test_messages_have_only_what_was_shown_in_the_order_of_its_numbers(tmp_path: Path) -> None:
    record = run_experiment(tmp_path, answer_correctly, conditions=WHOLE, arms=("grounded",))[0]
    one, two, three = record["evidence"][:3]
    record["evidence"] = [one | {"number": 2, "spans": one["spans"][:1]}, two | {"number": None, "spans": []}, three | {"number": 1}]  # fmt: skip
    messages = rebuild_prompt(record)
    assert messages is not None
    first, second, question = messages[-1]["content"].split("\n")[1:]
    assert first == f"[1] {three['title']}: {three['text']}" and question.startswith("Question: ")
    assert second == f"[2] {one['title']}: {one['text'].split('. ')[0]}."


def test_of_the_product_as_a_whole_no_messages_are_rebuilt(tmp_path: Path) -> None:
    record = run_experiment(tmp_path, answer_correctly, conditions=WHOLE, arms=("grounded",))[0]
    assert rebuild_prompt(record | {"arm": "system"}) is None
    assert rebuild_prompt(record | {"reader": "graph"}) is None


def test_the_known_answer_is_preferred_where_the_passages_say_it(tmp_path: Path) -> None:
    found = build_preferences(run_experiment(tmp_path, answer_wrongly, conditions=WHOLE, arms=("grounded", "gold")))
    assert found and {(p.rejected, p.why) for p in found} == {("Atlantis", "the passages say it, and not the other")}
    for pair in found:
        name = pair.id.split("/")[0]
        assert (
            pair.chosen == BIRTHPLACES[name]
            and f"{name} was born in {BIRTHPLACES[name]}" in pair.messages[-1]["content"]
        )


def test_silence_is_preferred_where_nothing_says_it(tmp_path: Path) -> None:
    made = run_experiment(tmp_path, answer_wrongly, conditions=(Condition.UNANSWERABLE,), arms=("grounded",))
    found = build_preferences(made)
    assert len(found) == len(QUESTIONS) and {(p.chosen, p.rejected) for p in found} == {(ABSTENTION, "Atlantis")}
    by_heart = build_preferences(
        run_experiment(tmp_path / "b", answer_wrongly, conditions=WHOLE, arms=("closed-book",))
    )
    assert {(p.chosen, p.rejected, p.why.split(",")[0]) for p in by_heart} == {
        (ABSTENTION, "Atlantis", "nothing was shown")
    }


def test_an_answer_is_preferred_to_silence_where_the_passages_say_it(tmp_path: Path) -> None:
    found = build_preferences(run_experiment(tmp_path, abstain, conditions=WHOLE, arms=("grounded",)))
    assert found and all(p.rejected == ABSTENTION and p.chosen in BIRTHPLACES.values() for p in found)


def test_of_an_answer_with_steps_both_are_what_was_said(tmp_path: Path) -> None:
    made = run_experiment(tmp_path, answer_wrongly, conditions=WHOLE, arms=("grounded",))
    plain = build_preferences(made)
    for record in made:
        record["steps"] = ["Atlantis – place: sea [1]"]
    stepwise = build_preferences(made)
    assert [p.rejected for p in stepwise] == ["Atlantis – place: sea [1]\nAnswer: Atlantis"] * len(plain)
    assert [p.chosen for p in stepwise] == [p.chosen for p in plain]


def test_what_is_right_has_nothing_preferred_to_it(tmp_path: Path) -> None:
    assert (
        build_preferences(
            run_experiment(tmp_path, answer_from_evidence, conditions=(Condition.ANSWERABLE, Condition.UNANSWERABLE))
        )
        == []
    )


def test_an_arm_that_was_right_is_preferred_to_one_that_was_wrong_at_the_same(tmp_path: Path) -> None:
    made = make_experiment(
        tmp_path, lie_about({*BIRTHPLACES}), conditions=WHOLE, arms=("grounded",), adapted=answer_correctly
    ).run(QUESTIONS)
    found = build_preferences(made)
    assert len(found) == len(QUESTIONS)
    assert {(p.chosen, p.rejected) for p in found} == {(place, "Atlantis") for place in BIRTHPLACES.values()}


def test_samples_are_answers_too(tmp_path: Path) -> None:
    made = run_experiment(tmp_path, answer_correctly, conditions=WHOLE, arms=("grounded",))
    made[3]["uncertainty"] = {"samples": [made[3]["answer"], "Atlantis"]}
    assert [(p.chosen, p.rejected) for p in build_preferences(made)] == [(made[3]["answer"], "Atlantis")]


@pytest.mark.parametrize("change", [{"answer": "Paris, France, Europe"}, {"edit": {"old": ["a"], "new": "b"}, "altered": False}])  # fmt: skip
def test_what_is_half_right_or_says_nothing_is_not_held_against_a_model(tmp_path: Path, change: RunRecord) -> None:
    made = run_experiment(tmp_path, answer_wrongly, conditions=WHOLE, arms=("grounded",))[:1]
    assert len(build_preferences(made)) == 1
    assert build_preferences([made[0] | change]) == []


def test_marks_are_not_what_is_preferred(tmp_path: Path) -> None:
    made = run_experiment(tmp_path, answer_wrongly, conditions=WHOLE, arms=("grounded",))[:1]
    assert build_preferences(made)[0].chosen == "Paris"
    assert build_preferences([made[0] | {"answer": "Atlantis [2]"}])[0].chosen == "Paris [1]"


def test_a_question_is_held_out_with_all_its_preferences(tmp_path: Path) -> None:
    made = run_experiment(tmp_path, answer_wrongly)
    sides: dict[str, set[bool]] = {}
    for pair in build_preferences(made):
        sides.setdefault(pair.id.split("/")[0], set()).add(pair.held)
    assert sides and all(len(side) == 1 for side in sides.values())


def test_a_report_without_any_is_refused_and_one_with_some_is_read(tmp_path: Path) -> None:
    for name, says in (("good", answer_from_evidence), ("bad", answer_wrongly)):
        made = run_experiment(tmp_path / name, says, conditions=WHOLE, arms=("grounded",))
        (tmp_path / name / RECORDS_FILE).write_text("".join(record_line(r) + "\n" for r in made), "utf-8")
    said: list[str] = []
    assert len(preferences_from_report(tmp_path / "bad", said.append)) == len(QUESTIONS)
    assert said == [f"{len(QUESTIONS)} pairs from {tmp_path / 'bad'}"]
    with pytest.raises(UsageError, match="found none in 10 records"):
        preferences_from_report(tmp_path / "good", said.append)
    with pytest.raises(UsageError, match="finished run"):
        preferences_from_report(tmp_path / "none", said.append)


@given(
    st.lists(st.tuples(st.booleans(), st.booleans()), max_size=40),
    st.integers(0, 3),
)
def test_no_more_pairs_prefer_silence_than_prefer_an_answer(kinds: list[tuple[bool, bool]], seed: int) -> None:
    asked = [{"role": "user", "content": "Where?"}]
    pairs = [
        Preference(str(number), asked, "I do not know." if silent else "Paris", "Atlantis", held=held)
        for number, (silent, held) in enumerate(kinds)
    ]
    kept = balance_pairs(pairs, seed)
    assert kept == balance_pairs(pairs, seed) and [p for p in pairs if p in kept] == kept, (
        "in their order, the same each time"
    )
    assert [p for p in pairs if p.chosen == "Paris"] == [p for p in kept if p.chosen == "Paris"], "no answer is lost"
    for held in (False, True):
        silent, answers = ([p for p in pairs if p.held is held and (p.chosen != "Paris") is s] for s in (True, False))
        stays = sum(p.held is held and p.chosen != "Paris" for p in kept)
        assert stays == (min(len(silent), len(answers)) if answers else len(silent))


def test_a_report_of_inventions_says_how_many_pairs_it_leaves_out(tmp_path: Path) -> None:
    made = run_experiment(tmp_path, answer_wrongly, arms=("grounded",), conditions=(*WHOLE, Condition.UNANSWERABLE))
    whole = [r for r in made if r["condition"] == Condition.ANSWERABLE]
    hidden = [r for r in made if r["condition"] == Condition.UNANSWERABLE]
    (tmp_path / RECORDS_FILE).write_text("".join(record_line(r) + "\n" for r in [*whole[:4], *hidden]), "utf-8")
    said: list[str] = []
    kept = preferences_from_report(tmp_path, said.append)
    silent = [p for p in kept if p.chosen == prompts.DONT_KNOW[p.lang]]
    assert 0 < len(silent) <= len(kept) - len(silent) == 4
    more = len(hidden) - len(silent)
    assert said == [
        f"{len(kept)} pairs from {tmp_path}; {more} more that prefer silence are left out, so that it is not all that is learned"
    ]
