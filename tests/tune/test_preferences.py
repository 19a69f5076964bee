"""Preferences are built from run records, for the exact prompts of the run."""

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


@pytest.mark.parametrize("behaviour", [answer_correctly, answer_wrongly, answer_from_evidence])
def test_rebuild_prompt_equals_sent_prompt(tmp_path: Path, behaviour: Any) -> None:
    llm = BirthplaceLLM(behaviour)
    records = make_experiment(tmp_path, llm).run(QUESTIONS)
    sent = {json.dumps([dict(m) for m in messages]) for messages in llm.calls}
    rebuilt = {json.dumps(rebuild_prompt(record)) for record in records}
    assert len(records) > 60 and rebuilt == sent


def test_rebuild_prompt_includes_fact_lines(tmp_path: Path) -> None:
    records = run_experiment(tmp_path, answer_correctly, conditions=WHOLE, arms=("grounded",))
    records[0]["facts"] = ["Ada Bell – place of birth: Paris [1]"]
    messages = rebuild_prompt(records[0])
    assert messages is not None and "\nAda Bell – place of birth: Paris [1]\nQuestion: " in messages[-1]["content"]


def test_rebuild_prompt_shows_numbered_spans_only(tmp_path: Path) -> None:
    record = run_experiment(tmp_path, answer_correctly, conditions=WHOLE, arms=("grounded",))[0]
    one, two, three = record["evidence"][:3]
    record["evidence"] = [one | {"number": 2, "spans": one["spans"][:1]}, two | {"number": None, "spans": []}, three | {"number": 1}]  # fmt: skip
    messages = rebuild_prompt(record)
    assert messages is not None
    first, second, question = messages[-1]["content"].split("\n")[1:]
    assert first == f"[1] {three['title']}: {three['text']}" and question.startswith("Question: ")
    assert second == f"[2] {one['title']}: {one['text'].split('. ')[0]}."


def test_rebuild_prompt_of_system_arm_is_none(tmp_path: Path) -> None:
    record = run_experiment(tmp_path, answer_correctly, conditions=WHOLE, arms=("grounded",))[0]
    assert rebuild_prompt(record | {"arm": "system"}) is None
    assert rebuild_prompt(record | {"reader": "graph"}) is None


def test_preferences_accepted_answer_over_wrong_one(tmp_path: Path) -> None:
    pairs = build_preferences(run_experiment(tmp_path, answer_wrongly, conditions=WHOLE, arms=("grounded", "gold")))
    assert pairs and {(p.rejected, p.why) for p in pairs} == {("Atlantis", "the passages say it, and not the other")}
    for pair in pairs:
        name = pair.id.split("/")[0]
        assert (
            pair.chosen == BIRTHPLACES[name]
            and f"{name} was born in {BIRTHPLACES[name]}" in pair.messages[-1]["content"]
        )


def test_preferences_abstention_over_made_up_answer(tmp_path: Path) -> None:
    records = run_experiment(tmp_path, answer_wrongly, conditions=(Condition.UNANSWERABLE,), arms=("grounded",))
    pairs = build_preferences(records)
    assert len(pairs) == len(QUESTIONS) and {(p.chosen, p.rejected) for p in pairs} == {(ABSTENTION, "Atlantis")}
    closed_book = build_preferences(
        run_experiment(tmp_path / "b", answer_wrongly, conditions=WHOLE, arms=("closed-book",))
    )
    assert {(p.chosen, p.rejected, p.why.split(",")[0]) for p in closed_book} == {
        (ABSTENTION, "Atlantis", "nothing was shown")
    }


def test_preferences_supported_answer_over_abstention(tmp_path: Path) -> None:
    pairs = build_preferences(run_experiment(tmp_path, abstain, conditions=WHOLE, arms=("grounded",)))
    assert pairs and all(p.rejected == ABSTENTION and p.chosen in BIRTHPLACES.values() for p in pairs)


def test_preferences_rejected_answer_includes_steps(tmp_path: Path) -> None:
    records = run_experiment(tmp_path, answer_wrongly, conditions=WHOLE, arms=("grounded",))
    plain = build_preferences(records)
    for record in records:
        record["steps"] = ["Atlantis – place: sea [1]"]
    stepwise = build_preferences(records)
    assert [p.rejected for p in stepwise] == ["Atlantis – place: sea [1]\nAnswer: Atlantis"] * len(plain)
    assert [p.chosen for p in stepwise] == [p.chosen for p in plain]


def test_preferences_of_right_answers_are_empty(tmp_path: Path) -> None:
    assert (
        build_preferences(
            run_experiment(tmp_path, answer_from_evidence, conditions=(Condition.ANSWERABLE, Condition.UNANSWERABLE))
        )
        == []
    )


def test_preferences_right_arm_over_wrong_arm(tmp_path: Path) -> None:
    records = make_experiment(
        tmp_path, lie_about({*BIRTHPLACES}), conditions=WHOLE, arms=("grounded",), adapted=answer_correctly
    ).run(QUESTIONS)
    pairs = build_preferences(records)
    assert len(pairs) == len(QUESTIONS)
    assert {(p.chosen, p.rejected) for p in pairs} == {(place, "Atlantis") for place in BIRTHPLACES.values()}


def test_preferences_use_samples(tmp_path: Path) -> None:
    records = run_experiment(tmp_path, answer_correctly, conditions=WHOLE, arms=("grounded",))
    records[3]["uncertainty"] = {"samples": [records[3]["answer"], "Atlantis"]}
    assert [(p.chosen, p.rejected) for p in build_preferences(records)] == [(records[3]["answer"], "Atlantis")]


@pytest.mark.parametrize("change", [{"answer": "Paris, France, Europe"}, {"edit": {"old": ["a"], "new": "b"}, "altered": False}])  # fmt: skip
def test_preferences_skip_half_right_and_unedited(tmp_path: Path, change: RunRecord) -> None:
    records = run_experiment(tmp_path, answer_wrongly, conditions=WHOLE, arms=("grounded",))[:1]
    assert len(build_preferences(records)) == 1
    assert build_preferences([records[0] | change]) == []


def test_preferences_match_citations_of_rejected(tmp_path: Path) -> None:
    records = run_experiment(tmp_path, answer_wrongly, conditions=WHOLE, arms=("grounded",))[:1]
    assert build_preferences(records)[0].chosen == "Paris"
    assert build_preferences([records[0] | {"answer": "Atlantis [2]"}])[0].chosen == "Paris [1]"


def test_preferences_hold_out_whole_questions(tmp_path: Path) -> None:
    records = run_experiment(tmp_path, answer_wrongly)
    sides: dict[str, set[bool]] = {}
    for pair in build_preferences(records):
        sides.setdefault(pair.id.split("/")[0], set()).add(pair.held)
    assert sides and all(len(side) == 1 for side in sides.values())


def test_preferences_from_report_without_pairs_raises(tmp_path: Path) -> None:
    for name, behaviour in (("good", answer_from_evidence), ("bad", answer_wrongly)):
        records = run_experiment(tmp_path / name, behaviour, conditions=WHOLE, arms=("grounded",))
        (tmp_path / name / RECORDS_FILE).write_text("".join(record_line(r) + "\n" for r in records), "utf-8")
    notices: list[str] = []
    assert len(preferences_from_report(tmp_path / "bad", notices.append)) == len(QUESTIONS)
    assert notices == [f"{len(QUESTIONS)} pairs from {tmp_path / 'bad'}"]
    with pytest.raises(UsageError, match="found no such pair in 10 records"):
        preferences_from_report(tmp_path / "good", notices.append)
    with pytest.raises(UsageError, match="finished run"):
        preferences_from_report(tmp_path / "none", notices.append)


@given(
    st.lists(st.tuples(st.booleans(), st.booleans()), max_size=40),
    st.integers(0, 3),
)
def test_balance_pairs_limits_abstentions(kinds: list[tuple[bool, bool]], seed: int) -> None:
    messages = [{"role": "user", "content": "Where?"}]
    pairs = [
        Preference(str(number), messages, "I do not know." if abstains else "Paris", "Atlantis", held=held)
        for number, (abstains, held) in enumerate(kinds)
    ]
    kept = balance_pairs(pairs, seed)
    assert kept == balance_pairs(pairs, seed) and [p for p in pairs if p in kept] == kept, "same pairs, same order"
    assert [p for p in pairs if p.chosen == "Paris"] == [p for p in kept if p.chosen == "Paris"], "no answer is lost"
    for held in (False, True):
        abstaining, answers = (
            [p for p in pairs if p.held is held and (p.chosen != "Paris") is s] for s in (True, False)
        )
        num_kept = sum(p.held is held and p.chosen != "Paris" for p in kept)
        assert num_kept == (min(len(abstaining), len(answers)) if answers else len(abstaining))


def test_preferences_from_report_reports_dropped_pairs(tmp_path: Path) -> None:
    records = run_experiment(tmp_path, answer_wrongly, arms=("grounded",), conditions=(*WHOLE, Condition.UNANSWERABLE))
    answerable = [r for r in records if r["condition"] == Condition.ANSWERABLE]
    hidden = [r for r in records if r["condition"] == Condition.UNANSWERABLE]
    (tmp_path / RECORDS_FILE).write_text("".join(record_line(r) + "\n" for r in [*answerable[:4], *hidden]), "utf-8")
    notices: list[str] = []
    kept = preferences_from_report(tmp_path, notices.append)
    abstaining = [p for p in kept if p.chosen == prompts.DONT_KNOW[p.lang]]
    assert 0 < len(abstaining) <= len(kept) - len(abstaining) == 4
    dropped = len(hidden) - len(abstaining)
    assert notices == [
        f"{len(kept)} pairs from {tmp_path}; {dropped} more that prefer an abstention are left out, so that abstaining does not dominate"
    ]
