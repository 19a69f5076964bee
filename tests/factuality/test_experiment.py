"""The run: answerers and judges of known behaviour give the figures that they must; it goes on after any kill."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kgrag.errors import ModelError, ReadError
from kgrag.factuality.experiment.arms import DEFAULT_ARMS, exclusion_reason, placebo_donors
from kgrag.factuality.experiment.conditions import Condition, make_cases
from kgrag.factuality.experiment.response_cache import CachedJudge, ResponseCache
from kgrag.factuality.records import CLAIM_KEYS, EVIDENCE_KEYS, RECORD_KEYS, record_line, records_digest
from kgrag.factuality.report import summary
from kgrag.factuality.scoring.graph_check import GraphVerdict
from kgrag.types import ClaimVerdict, Question, Verdict
from tests.support.birthplace_world import (
    ALL_CONDITIONS,
    BIRTHPLACES,
    QUESTIONS,
    UNANSWERABLE_QUESTION,
    BirthplaceLLM,
    TruthJudge,
    abstain,
    answer_correctly,
    answer_from_evidence,
    answer_wrongly,
    lie_about,
    make_experiment,
    repeat_first_passage,
    run_experiment,
)
from tests.support.paths import ROOT

THERE, NOT_THERE, EDITED = (c.value for c in ALL_CONDITIONS)


def rate(report: dict, condition: str, arm: str, measure: str) -> float:  # type: ignore[type-arg]
    figures = report["rates"][condition][arm]
    return float((figures.get(measure) or figures["measures"][measure])["value"])


def test_who_is_always_right_is_right_where_there_is_an_answer_and_wrong_where_there_is_none(tmp_path: Path) -> None:
    report = summary.build_report(run_experiment(tmp_path, answer_correctly, [*QUESTIONS, UNANSWERABLE_QUESTION]))
    for arm in DEFAULT_ARMS:
        assert rate(report, THERE, arm, "correct") == 1 and rate(report, THERE, arm, "hallucination") == 0
        assert rate(report, THERE, arm, "truthfulness") == 1 and rate(report, THERE, arm, "factual_precision") == 1
    hidden = report["rates"][NOT_THERE]["grounded"]
    assert hidden["counts"] == {"correct": 0, "wrong": 10, "abstained": 1, "empty": 0}
    assert hidden["from_memory"] == 10, "it knows, and no evidence says so"
    assert rate(report, EDITED, "grounded", "hallucination") == 1, "memory does not follow what was edited"


def test_who_is_always_wrong_is_wrong_everywhere(tmp_path: Path) -> None:
    report = summary.build_report(run_experiment(tmp_path, answer_wrongly))
    for arm in DEFAULT_ARMS:
        assert rate(report, THERE, arm, "hallucination") == rate(report, THERE, arm, "hallucination_answered") == 1
        assert rate(report, THERE, arm, "truthfulness") == -1 and rate(report, THERE, arm, "factual_precision") == 0
        assert rate(report, THERE, arm, "contradicted") == 1
    assert math.isnan(rate(report, THERE, "closed-book", "faithfulness")), "nothing was shown to be faithful to"
    assert rate(report, THERE, "grounded", "faithfulness") == rate(report, THERE, "grounded", "context_use") == 0
    assert rate(report, NOT_THERE, "grounded", "correct_abstention") == 0


def test_who_is_always_silent_never_lies_and_is_not_scored_on_claims(tmp_path: Path) -> None:
    report = summary.build_report(run_experiment(tmp_path, abstain))
    for arm in DEFAULT_ARMS:
        assert rate(report, THERE, arm, "hallucination") == 0 and rate(report, THERE, arm, "false_abstention") == 1
        precision = report["rates"][THERE][arm]["measures"]["factual_precision"]
        assert math.isnan(precision["value"]) and (precision["scored"], precision["unscored"]) == (0, 10)
    assert rate(report, NOT_THERE, "grounded", "correct_abstention") == 1
    assert report["blame"][THERE]["grounded"] == {
        "evidence missing": 0, "evidence ignored": 0, "noise": 0, "over-abstention": 10
    }  # fmt: skip


def test_who_says_only_what_is_shown_is_worth_its_evidence(tmp_path: Path) -> None:
    report = summary.build_report(run_experiment(tmp_path, answer_from_evidence))
    assert rate(report, THERE, "closed-book", "false_abstention") == 1
    assert rate(report, THERE, "grounded", "correct") == rate(report, THERE, "gold", "correct") == 1
    assert rate(report, THERE, "vector", "correct") == 0.8, "it does not find two of them"
    assert rate(report, THERE, "placebo", "false_abstention") == 1, "another's passages help nobody"
    assert rate(report, NOT_THERE, "grounded", "correct_abstention") == 1, "what is hidden is not shown"
    assert rate(report, EDITED, "grounded", "correct") == rate(report, EDITED, "gold", "correct") == 1
    assert report["unedited"] == {"vector": 2}, "an edit that it never saw counts in no rate"
    assert report["rates"][EDITED]["vector"]["questions"] == 8
    assert report["blame"][THERE]["vector"]["evidence missing"] == 2
    for name in ("faithfulness", "context_use", "citation_precision", "citation_recall"):
        assert rate(report, THERE, "grounded", name) == 1
    assert rate(report, THERE, "grounded", "noise_sensitivity") == 0
    flip = next(f for f in report["flips"] if (f["condition"], f["to"]) == (THERE, "grounded"))
    assert flip["table"]["abstained"]["correct"] == 10 and len(flip["questions"]["abstained to correct"]) == 10


def test_a_parrot_is_faithful_and_wrong_where_its_first_passage_is(tmp_path: Path) -> None:
    report = summary.build_report(run_experiment(tmp_path, repeat_first_passage))
    assert rate(report, THERE, "closed-book", "empty") == 1
    assert rate(report, THERE, "grounded", "correct") == 1
    assert rate(report, THERE, "placebo", "hallucination") == 1
    assert rate(report, THERE, "placebo", "faithfulness") == 1, "what it says, it was shown"
    assert rate(report, THERE, "placebo", "factual_precision") == 1, "and true, though nobody asked"


def test_a_liar_is_found_out_at_his_rate(tmp_path: Path) -> None:
    told = run_experiment(tmp_path, lie_about({"Ada Bell", "Eve Frost", "Joe King"}))
    report = summary.build_report(told)
    assert rate(report, THERE, "grounded", "hallucination") == pytest.approx(0.3)
    assert rate(report, THERE, "grounded", "truthfulness") == pytest.approx(0.4)
    assert report["rates"][THERE]["grounded"]["claims"] == {
        "supported": 7,
        "contradicted": 3,
        "unverifiable": 0,
        "all": 10,
    }
    assert report["blame"][THERE]["grounded"]["evidence ignored"] == 3
    assert report["slices"]["lang"] == {}, "they are all English"


def test_an_answer_from_a_passage_that_is_not_gold_is_noise(tmp_path: Path) -> None:
    told = run_experiment(
        tmp_path, lambda name, prompt: "Oslo", QUESTIONS[2:4], arms=["grounded"], conditions=[Condition.ANSWERABLE]
    )
    assert {r["blame"] for r in told} == {"noise"}, "Oslo stands in a passage beside the gold one"


def test_an_adapter_doubles_every_arm(tmp_path: Path) -> None:
    told = run_experiment(
        tmp_path,
        answer_wrongly,
        arms=["closed-book", "grounded"],
        conditions=[Condition.ANSWERABLE],
        adapted=answer_correctly,
    )
    report = summary.build_report(told)
    assert report["arms"] == ["closed-book", "closed-book+adapter", "grounded", "grounded+adapter"]
    assert (
        rate(report, THERE, "grounded", "hallucination") == 1
        and rate(report, THERE, "grounded+adapter", "correct") == 1
    )
    (row,) = [d for d in report["differences"] if (d["arm"], d["measure"]) == ("grounded+adapter", "hallucination")]
    assert row["against"] == "grounded" and row["value"] == -1 and row["primary"] and (row["only_ours"], row["only_theirs"]) == (0, 10)  # fmt: skip
    assert row["p"] == pytest.approx(2 / 1024) and row["p_holm"] == pytest.approx(3 * 2 / 1024), "one of three"


def test_the_graph_supports_and_contradicts(tmp_path: Path) -> None:
    def graph(question: str, answer: str) -> GraphVerdict:
        place = next(BIRTHPLACES[name] for name in BIRTHPLACES if name in question)
        verdict = Verdict.SUPPORTED if place in answer else Verdict.REFUTED
        return GraphVerdict(ClaimVerdict(verdict, 0.9), (), place)

    class Blind:
        def judge(self, claim: str, evidence: list[str]) -> ClaimVerdict:
            return ClaimVerdict(Verdict.NOT_ENOUGH_INFO, 0.5)

    lies = lie_about({"Ada Bell"})
    # a sentence, of which the known answers say nothing
    told = run_experiment(tmp_path, lambda name, prompt: f"{name} was born in {lies(name, prompt)}, as is well known.", arms=["closed-book"], conditions=[Condition.ANSWERABLE], judge=Blind(), graph=graph)  # type: ignore[arg-type]  # fmt: skip
    verdicts = [(claim["verdict"], claim["source"]) for r in told for claim in r["claims"]]
    assert verdicts == [("contradicted", "graph")] + [("supported", "graph")] * 9
    assert summary.build_report(told)["rates"][THERE]["closed-book"]["graph"] == {"contradicted": 1, "supported": 9}


def test_what_is_known_goes_before_a_judge_and_shows_what_it_is_worth(tmp_path: Path) -> None:
    class Credulous:
        """Bears out everything but Oslo."""

        def judge(self, claim: str, evidence: list[str]) -> ClaimVerdict:
            doubts = "Oslo" in claim
            return ClaimVerdict(Verdict.NOT_ENOUGH_INFO if doubts else Verdict.SUPPORTED, 0.1 if doubts else 0.9)

    lies = {"Ada Bell", "Cora Dean", "Dan Eyre"}
    told = run_experiment(tmp_path, lie_about(lies), arms=["closed-book"], conditions=[Condition.ANSWERABLE], judge=Credulous())  # type: ignore[arg-type]  # fmt: skip
    said = {r["id"]: claim for r in told for claim in r["claims"]}
    assert {name for name, claim in said.items() if claim["verdict"] == "contradicted"} == lies
    assert said["Ben Cole"]["verdict"] == "supported" and {claim["source"] for claim in said.values()} == {"known"}
    found = summary.build_report(told)["judge"]
    assert (found["claims"], found["right"]) == (10, 7)
    assert found["sensitivity"]["value"] == pytest.approx(6 / 7), "Oslo was doubted, and is right"
    assert found["specificity"]["value"] == 0, "it believed every lie"
    assert summary.judge_against_known([]) is None


def test_every_key_of_a_record_is_told_and_there(tmp_path: Path) -> None:
    told = run_experiment(tmp_path, answer_from_evidence, [*QUESTIONS, UNANSWERABLE_QUESTION])
    assert all({*r} == {*RECORD_KEYS} for r in told)
    assert all({*claim} == {*CLAIM_KEYS} for r in told for claim in r["claims"])
    assert all({*passage} == {*EVIDENCE_KEYS} for r in told for passage in r["evidence"])
    order = [(r["id"], r["condition"]) for r in told]
    assert order == sorted(
        order, key=lambda pair: ([*BIRTHPLACES, "nobody"].index(pair[0]), [THERE, NOT_THERE, EDITED].index(pair[1]))
    )
    assert json.loads(record_line(told[0])) == told[0]


def test_what_is_not_asked_is_counted_with_its_reason(tmp_path: Path) -> None:
    run = make_experiment(tmp_path, abstain)
    run.run([*QUESTIONS, UNANSWERABLE_QUESTION])
    assert run.skipped["closed-book", NOT_THERE, "it sees no documents, so that hiding some changes nothing"] == 10
    assert run.skipped["gold", NOT_THERE, "there are no gold passages"] == 1
    case = next(c for c in make_cases([UNANSWERABLE_QUESTION], ALL_CONDITIONS))
    assert not exclusion_reason("closed-book", case) and not exclusion_reason("placebo", case)


def test_a_donor_is_another_question_in_the_same_language() -> None:
    asked = [*QUESTIONS, Question("z1", "谁？", ("a",), ("d",), "zh"), Question("z2", "何时？", ("b",), ("e",), "zh")]
    found = placebo_donors(asked)
    assert all(found[q.id].id != q.id and found[q.id].lang == q.lang for q in asked)
    assert found == placebo_donors(list(reversed(asked))), "in whatever order they are asked"
    assert found != placebo_donors(asked, seed=1)
    assert placebo_donors(QUESTIONS[:1]) == {}
    assert placebo_donors([QUESTIONS[0], Question("2", "q", ("a",), ("Ada Bell",))]) == {}, (
        "who shares gold is no placebo"
    )


def test_the_same_seed_is_the_same_run_and_what_is_kept_is_not_asked_again(tmp_path: Path) -> None:
    person, judge = BirthplaceLLM(answer_from_evidence), TruthJudge()
    first = run_experiment(tmp_path / "a", person, judge=judge)
    asked, judged = len(person.calls), judge.call_count
    assert run_experiment(tmp_path / "a", person, judge=judge) == first
    assert (len(person.calls), judge.call_count) == (asked, judged), "all of it was kept"
    other = run_experiment(tmp_path / "b", answer_from_evidence)
    assert records_digest(other) == records_digest(first)
    assert json.dumps(summary.build_report(other)) == json.dumps(summary.build_report(first))
    assert records_digest(run_experiment(tmp_path / "c", answer_from_evidence, seed=1)) != records_digest(first), (
        "other placebos and edits"
    )
    assert records_digest([{**r, "seconds": 9.0} for r in first]) == records_digest(first), (
        "times are not what was said"
    )


def test_what_other_trees_chose_is_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = run_experiment(tmp_path, answer_from_evidence)
    monkeypatch.setattr("kgrag.factuality.experiment.arm_runner.selector_fingerprint", lambda: "others")
    monkeypatch.setattr("kgrag.factuality.experiment.arm_runner.select_evidence", lambda *_: ([], []))
    told = run_experiment(tmp_path, answer_from_evidence)
    assert any(r["outcome"] != one["outcome"] for r, one in zip(told, first, strict=True))
    assert all(not any(e["number"] for e in r["evidence"]) for r in told if r["arm"] == "grounded")


def test_a_model_that_fails_in_the_middle_loses_nothing(tmp_path: Path) -> None:
    failing = BirthplaceLLM(answer_from_evidence, fails_after=17)
    with pytest.raises(
        ModelError, match=r"question Cora Dean \(\w+, answerable\): the device is gone. What was answered"
    ) as caught:
        run_experiment(tmp_path, failing)
    assert "run the same command again" in str(caught.value)
    again = BirthplaceLLM(answer_from_evidence)
    told = run_experiment(tmp_path, again)
    assert len(again.calls) < len(told) - 10
    assert told == run_experiment(tmp_path / "whole", answer_from_evidence)


def test_a_line_that_was_cut_off_is_asked_again_and_damage_is_said(tmp_path: Path) -> None:
    first = run_experiment(tmp_path, answer_from_evidence)
    path = tmp_path / "kept.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    assert run_experiment(tmp_path, answer_from_evidence) == first and path.read_bytes() == whole
    path.write_bytes(b"{}\n" + whole)
    with pytest.raises(ReadError, match=r"kept.jsonl.* is damaged .*remove it"):
        ResponseCache(path)


SLOW_RUN_SCRIPT = """
import sys, time
from pathlib import Path
from tests.support.birthplace_world import answer_from_evidence, run_experiment
def slowly(name, prompt):
    time.sleep(0.02)
    return answer_from_evidence(name, prompt)
records = run_experiment(Path(sys.argv[1]), slowly)
from kgrag.factuality.records import record_line
Path(sys.argv[1], "records").write_text("".join(record_line(r) + "\\n" for r in records), "utf-8")
"""


def test_a_run_that_is_killed_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    code = SLOW_RUN_SCRIPT
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    def start(folder: Path) -> subprocess.Popen[bytes]:
        folder.mkdir(exist_ok=True)
        return subprocess.Popen([sys.executable, "-c", code, str(folder)], env=environment)

    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert start(whole).wait(120) == 0
    kills = 0
    for lines in (5, 40, 150):
        running = start(cut)
        wait_until(
            lambda n=lines: (cut / "kept.jsonl").is_file() and (cut / "kept.jsonl").read_bytes().count(b"\n") > n
        )  # type: ignore[misc]
        running.send_signal(signal.SIGKILL)
        kills += running.wait(30) == -signal.SIGKILL
    assert kills == 3 and not (cut / "records").exists()
    assert start(cut).wait(120) == 0
    assert (cut / "records").read_bytes() == (whole / "records").read_bytes()


def wait_until(true: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.005)


def test_of_no_evidence_nothing_is_asked_and_nothing_scored(tmp_path: Path) -> None:
    with ResponseCache(tmp_path / "kept.jsonl") as kept:
        judge = CachedJudge(lambda: pytest.fail("asked"), "none", kept)
        found = judge.judge("Ada Bell was born in Lund.", [])
    assert found.verdict is Verdict.NOT_ENOUGH_INFO and math.isnan(found.support)
