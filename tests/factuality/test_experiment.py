"""Tests of the experiment: fake models and judges with known behaviour give known figures; killed runs resume."""

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
from kgrag.factuality.records import ClaimRecord, EvidenceRecord, RunRecord, record_line, records_digest
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

ANSWERABLE, UNANSWERABLE, COUNTERFACTUAL = (c.value for c in ALL_CONDITIONS)


def rate(report: dict, condition: str, arm: str, measure: str) -> float:  # type: ignore[type-arg]
    figures = report["rates"][condition][arm]
    return float((figures.get(measure) or figures["measures"][measure])["value"])


def test_correct_model_is_right_if_answerable_and_wrong_otherwise(tmp_path: Path) -> None:
    report = summary.build_report(run_experiment(tmp_path, answer_correctly, [*QUESTIONS, UNANSWERABLE_QUESTION]))
    for arm in DEFAULT_ARMS:
        assert rate(report, ANSWERABLE, arm, "correct") == 1 and rate(report, ANSWERABLE, arm, "hallucination") == 0
        assert (
            rate(report, ANSWERABLE, arm, "truthfulness") == 1
            and rate(report, ANSWERABLE, arm, "factual_precision") == 1
        )
    hidden = report["rates"][UNANSWERABLE]["grounded"]
    assert hidden["counts"] == {"correct": 0, "wrong": 10, "abstained": 1, "empty": 0}
    assert hidden["from_memory"] == 10, "the model knows it, but no evidence states it"
    assert rate(report, COUNTERFACTUAL, "grounded", "hallucination") == 1, (
        "an answer from memory does not follow the edit"
    )


def test_wrong_model_is_wrong_in_every_arm(tmp_path: Path) -> None:
    report = summary.build_report(run_experiment(tmp_path, answer_wrongly))
    for arm in DEFAULT_ARMS:
        assert (
            rate(report, ANSWERABLE, arm, "hallucination")
            == rate(report, ANSWERABLE, arm, "hallucination_answered")
            == 1
        )
        assert (
            rate(report, ANSWERABLE, arm, "truthfulness") == -1
            and rate(report, ANSWERABLE, arm, "factual_precision") == 0
        )
        assert rate(report, ANSWERABLE, arm, "contradicted") == 1
    assert math.isnan(rate(report, ANSWERABLE, "closed-book", "faithfulness")), "faithfulness needs shown evidence"
    assert (
        rate(report, ANSWERABLE, "grounded", "faithfulness") == rate(report, ANSWERABLE, "grounded", "context_use") == 0
    )
    assert rate(report, UNANSWERABLE, "grounded", "correct_abstention") == 0


def test_abstaining_model_has_no_hallucinations_and_no_claims(tmp_path: Path) -> None:
    report = summary.build_report(run_experiment(tmp_path, abstain))
    for arm in DEFAULT_ARMS:
        assert (
            rate(report, ANSWERABLE, arm, "hallucination") == 0
            and rate(report, ANSWERABLE, arm, "false_abstention") == 1
        )
        precision = report["rates"][ANSWERABLE][arm]["measures"]["factual_precision"]
        assert math.isnan(precision["value"]) and (precision["scored"], precision["unscored"]) == (0, 10)
    assert rate(report, UNANSWERABLE, "grounded", "correct_abstention") == 1
    assert report["blame"][ANSWERABLE]["grounded"] == {
        "evidence missing": 0, "evidence ignored": 0, "noise": 0, "over-abstention": 10
    }  # fmt: skip


def test_model_that_repeats_evidence_depends_on_the_arm(tmp_path: Path) -> None:
    report = summary.build_report(run_experiment(tmp_path, answer_from_evidence))
    assert rate(report, ANSWERABLE, "closed-book", "false_abstention") == 1
    assert rate(report, ANSWERABLE, "grounded", "correct") == rate(report, ANSWERABLE, "gold", "correct") == 1
    assert rate(report, ANSWERABLE, "vector", "correct") == 0.8, "vectors miss two documents"
    assert rate(report, ANSWERABLE, "placebo", "false_abstention") == 1, "the placebo's passages do not hold the answer"
    assert rate(report, UNANSWERABLE, "grounded", "correct_abstention") == 1, "hidden passages are not shown"
    assert rate(report, COUNTERFACTUAL, "grounded", "correct") == rate(report, COUNTERFACTUAL, "gold", "correct") == 1
    assert report["unedited"] == {"vector": 2}, "an edit outside the retrieved passages counts in no rate"
    assert report["rates"][COUNTERFACTUAL]["vector"]["questions"] == 8
    assert report["blame"][ANSWERABLE]["vector"]["evidence missing"] == 2
    for name in ("faithfulness", "context_use", "citation_precision", "citation_recall"):
        assert rate(report, ANSWERABLE, "grounded", name) == 1
    assert rate(report, ANSWERABLE, "grounded", "noise_sensitivity") == 0
    flip = next(f for f in report["flips"] if (f["condition"], f["to"]) == (ANSWERABLE, "grounded"))
    assert flip["table"]["abstained"]["correct"] == 10 and len(flip["questions"]["abstained to correct"]) == 10


def test_model_that_repeats_first_passage_is_faithful_but_wrong(tmp_path: Path) -> None:
    report = summary.build_report(run_experiment(tmp_path, repeat_first_passage))
    assert rate(report, ANSWERABLE, "closed-book", "empty") == 1
    assert rate(report, ANSWERABLE, "grounded", "correct") == 1
    assert rate(report, ANSWERABLE, "placebo", "hallucination") == 1
    assert rate(report, ANSWERABLE, "placebo", "faithfulness") == 1, "the passage supports the claim"
    assert rate(report, ANSWERABLE, "placebo", "factual_precision") == 1, "the claim is true, but not an answer"


def test_hallucination_rate_equals_share_of_wrong_answers(tmp_path: Path) -> None:
    records = run_experiment(tmp_path, lie_about({"Ada Bell", "Eve Frost", "Joe King"}))
    report = summary.build_report(records)
    assert rate(report, ANSWERABLE, "grounded", "hallucination") == pytest.approx(0.3)
    assert rate(report, ANSWERABLE, "grounded", "truthfulness") == pytest.approx(0.4)
    assert report["rates"][ANSWERABLE]["grounded"]["claims"] == {
        "supported": 7,
        "contradicted": 3,
        "unverifiable": 0,
        "all": 10,
    }
    assert report["blame"][ANSWERABLE]["grounded"]["evidence ignored"] == 3
    assert report["slices"]["lang"] == {}, "all questions are English"


def test_answer_from_other_passage_is_attributed_to_noise(tmp_path: Path) -> None:
    records = run_experiment(
        tmp_path, lambda name, prompt: "Oslo", QUESTIONS[2:4], arms=["grounded"], conditions=[Condition.ANSWERABLE]
    )
    assert {r["blame"] for r in records} == {"noise"}, "a passage that is not gold states Oslo"


def test_adapter_adds_an_arm_for_every_arm(tmp_path: Path) -> None:
    records = run_experiment(
        tmp_path,
        answer_wrongly,
        arms=["closed-book", "grounded"],
        conditions=[Condition.ANSWERABLE],
        adapted=answer_correctly,
    )
    report = summary.build_report(records)
    assert report["arms"] == ["closed-book", "closed-book+adapter", "grounded", "grounded+adapter"]
    assert (
        rate(report, ANSWERABLE, "grounded", "hallucination") == 1
        and rate(report, ANSWERABLE, "grounded+adapter", "correct") == 1
    )
    (row,) = [d for d in report["differences"] if (d["arm"], d["measure"]) == ("grounded+adapter", "hallucination")]
    assert row["against"] == "grounded" and row["value"] == -1 and row["primary"] and (row["only_ours"], row["only_theirs"]) == (0, 10)  # fmt: skip
    assert row["p"] == pytest.approx(2 / 1024) and row["p_holm"] == pytest.approx(3 * 2 / 1024), (
        "one of three comparisons"
    )


def test_graph_judges_claims_that_the_judge_leaves_open(tmp_path: Path) -> None:
    def graph(question: str, answer: str) -> GraphVerdict:
        place = next(BIRTHPLACES[name] for name in BIRTHPLACES if name in question)
        verdict = Verdict.SUPPORTED if place in answer else Verdict.REFUTED
        return GraphVerdict(ClaimVerdict(verdict, 0.9), (), place)

    class Blind:
        def judge(self, claim: str, evidence: list[str]) -> ClaimVerdict:
            return ClaimVerdict(Verdict.NOT_ENOUGH_INFO, 0.5)

    lies = lie_about({"Ada Bell"})
    # the known answers do not decide a sentence
    records = run_experiment(tmp_path, lambda name, prompt: f"{name} was born in {lies(name, prompt)}, as is well known.", arms=["closed-book"], conditions=[Condition.ANSWERABLE], judge=Blind(), graph=graph)  # type: ignore[arg-type]  # fmt: skip
    verdicts = [(claim["verdict"], claim["source"]) for r in records for claim in r["claims"]]
    assert verdicts == [("contradicted", "graph")] + [("supported", "graph")] * 9
    assert summary.build_report(records)["rates"][ANSWERABLE]["closed-book"]["graph"] == {
        "contradicted": 1,
        "supported": 9,
    }


def test_known_answers_override_and_measure_the_judge(tmp_path: Path) -> None:
    class Credulous:
        """Supports every claim except those about Oslo."""

        def judge(self, claim: str, evidence: list[str]) -> ClaimVerdict:
            doubts = "Oslo" in claim
            return ClaimVerdict(Verdict.NOT_ENOUGH_INFO if doubts else Verdict.SUPPORTED, 0.1 if doubts else 0.9)

    lies = {"Ada Bell", "Cora Dean", "Dan Eyre"}
    records = run_experiment(tmp_path, lie_about(lies), arms=["closed-book"], conditions=[Condition.ANSWERABLE], judge=Credulous())  # type: ignore[arg-type]  # fmt: skip
    said = {r["id"]: claim for r in records for claim in r["claims"]}
    assert {name for name, claim in said.items() if claim["verdict"] == "contradicted"} == lies
    assert said["Ben Cole"]["verdict"] == "supported" and {claim["source"] for claim in said.values()} == {"known"}
    found = summary.build_report(records)["judge"]
    assert (found["claims"], found["right"]) == (10, 7)
    assert found["sensitivity"]["value"] == pytest.approx(6 / 7), "the judge does not support Oslo, which is correct"
    assert found["specificity"]["value"] == 0, "the judge supports every wrong claim"
    assert summary.judge_against_known([]) is None


def test_records_have_exactly_the_documented_keys(tmp_path: Path) -> None:
    records = run_experiment(tmp_path, answer_from_evidence, [*QUESTIONS, UNANSWERABLE_QUESTION])
    assert all([*r] == [*RunRecord.__annotations__] for r in records)
    assert all([*claim] == [*ClaimRecord.__annotations__] for r in records for claim in r["claims"])
    assert all([*passage] == [*EvidenceRecord.__annotations__] for r in records for passage in r["evidence"])
    order = [(r["id"], r["condition"]) for r in records]
    assert order == sorted(
        order,
        key=lambda pair: (
            [*BIRTHPLACES, "nobody"].index(pair[0]),
            [ANSWERABLE, UNANSWERABLE, COUNTERFACTUAL].index(pair[1]),
        ),
    )
    assert json.loads(record_line(records[0])) == records[0]


def test_skipped_cases_are_counted_by_reason(tmp_path: Path) -> None:
    run = make_experiment(tmp_path, abstain)
    run.run([*QUESTIONS, UNANSWERABLE_QUESTION])
    assert run.skipped["closed-book", UNANSWERABLE, "it sees no documents, so that hiding some changes nothing"] == 10
    assert run.skipped["gold", UNANSWERABLE, "there are no gold passages"] == 1
    case = next(c for c in make_cases([UNANSWERABLE_QUESTION], ALL_CONDITIONS))
    assert not exclusion_reason("closed-book", case) and not exclusion_reason("placebo", case)


def test_placebo_donor_is_another_question_in_same_language() -> None:
    asked = [*QUESTIONS, Question("z1", "谁？", ("a",), ("d",), "zh"), Question("z2", "何时？", ("b",), ("e",), "zh")]
    found = placebo_donors(asked)
    assert all(found[q.id].id != q.id and found[q.id].lang == q.lang for q in asked)
    assert found == placebo_donors(list(reversed(asked))), "donors do not depend on the order of the questions"
    assert found != placebo_donors(asked, seed=1)
    assert placebo_donors(QUESTIONS[:1]) == {}
    assert placebo_donors([QUESTIONS[0], Question("2", "q", ("a",), ("Ada Bell",))]) == {}, (
        "a question with the same gold document is no donor"
    )


def test_same_seed_gives_same_run_from_cache(tmp_path: Path) -> None:
    person, judge = BirthplaceLLM(answer_from_evidence), TruthJudge()
    first = run_experiment(tmp_path / "a", person, judge=judge)
    asked, judged = len(person.calls), judge.call_count
    assert run_experiment(tmp_path / "a", person, judge=judge) == first
    assert (len(person.calls), judge.call_count) == (asked, judged), "every response was cached"
    other = run_experiment(tmp_path / "b", answer_from_evidence)
    assert records_digest(other) == records_digest(first)
    assert json.dumps(summary.build_report(other)) == json.dumps(summary.build_report(first))
    assert records_digest(run_experiment(tmp_path / "c", answer_from_evidence, seed=1)) != records_digest(first), (
        "another seed gives other placebos and edits"
    )
    assert records_digest([{**r, "seconds": 9.0} for r in first]) == records_digest(first), "the digest ignores times"


def test_failed_run_resumes_without_losing_answers(tmp_path: Path) -> None:
    failing = BirthplaceLLM(answer_from_evidence, fails_after=17)
    with pytest.raises(
        ModelError, match=r"question Cora Dean \(\w+, answerable\): the device is gone. Earlier answers"
    ) as caught:
        run_experiment(tmp_path, failing)
    assert "run the same command again" in str(caught.value)
    again = BirthplaceLLM(answer_from_evidence)
    records = run_experiment(tmp_path, again)
    assert len(again.calls) < len(records) - 10
    assert records == run_experiment(tmp_path / "whole", answer_from_evidence)


def test_cache_truncates_incomplete_line_and_rejects_damage(tmp_path: Path) -> None:
    first = run_experiment(tmp_path, answer_from_evidence)
    path = tmp_path / "kept.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    assert run_experiment(tmp_path, answer_from_evidence) == first and path.read_bytes() == whole
    path.write_bytes(b"{}\n" + whole)
    with pytest.raises(ReadError, match=r"kept.jsonl.* is damaged .*delete it"):
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


def test_killed_run_resumes_to_the_same_bytes(tmp_path: Path) -> None:
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
        assert time.monotonic() < end, "timeout"
        time.sleep(0.005)


def test_cached_judge_without_evidence_does_not_call_judge(tmp_path: Path) -> None:
    with ResponseCache(tmp_path / "kept.jsonl") as kept:
        judge = CachedJudge(lambda: pytest.fail("asked"), "none", kept)
        found = judge.judge("Ada Bell was born in Lund.", [])
    assert found.verdict is Verdict.NOT_ENOUGH_INFO and math.isnan(found.support)
