"""Tests of the report: differences, uncertainty, human labels, gates, files, and the comparison of runs."""

from __future__ import annotations

import csv
import json
import math
from io import StringIO
from pathlib import Path
from typing import ClassVar

import pytest

from kgrag.errors import ReadError, UsageError
from kgrag.factuality.experiment import threshold_gate
from kgrag.factuality.experiment.conditions import Condition
from kgrag.factuality.records import RunRecord, load_records
from kgrag.factuality.report import summary
from kgrag.factuality.report.files import to_csv, to_json, write_run
from kgrag.factuality.report.paired_differences import arm_pairs
from kgrag.factuality.report.run_diff import compare_runs
from kgrag.factuality.scoring import human_labels
from kgrag.factuality.scoring.graph_check import ungrounded_tokens, verify_with_graph
from kgrag.factuality.scoring.uncertainty import (
    cluster_answers,
    discrete_entropy,
    entropy,
    same_meaning,
    weighted_entropy,
)
from kgrag.graphqa.traversal import GraphAnswer
from kgrag.protocols import GenerationOptions, Messages
from kgrag.types import Path as GraphPath
from kgrag.types import Triple, Verdict
from tests.support.birthplace_world import (
    QUESTIONS,
    BirthplaceLLM,
    abstain,
    answer_correctly,
    answer_from_evidence,
    answer_wrongly,
    lie_about,
    run_experiment,
)

ANSWERABLE_ONLY = [Condition.ANSWERABLE]
ARMS = ["closed-book", "grounded"]


def run_records(folder: Path, answer_fn: object = answer_from_evidence, **options: object) -> list[RunRecord]:
    return run_experiment(folder, answer_fn, arms=ARMS, conditions=ANSWERABLE_ONLY, **options)  # type: ignore[arg-type]


def test_compare_runs_equals_values_by_hand(tmp_path: Path) -> None:
    lies = run_records(tmp_path / "a", lie_about({"Ada Bell", "Ben Cole", "Cora Dean"}))
    truth = run_records(tmp_path / "b", lie_about({"Cora Dean"}))
    comparison = compare_runs(lies, truth)
    row = next(d for d in comparison["differences"] if (d["arm"], d["measure"]) == ("grounded", "hallucination"))
    assert row["value"] == pytest.approx(-0.2) and (row["only_ours"], row["only_theirs"]) == (0, 2)
    assert row["p"] == pytest.approx(0.5) and row["p_holm"] == 1 and row["questions"] == row["clusters"] == 10
    assert row["low"] <= row["value"] <= row["high"] <= 0
    assert math.isnan(row["smallest_effect"]), "two discordant questions of ten are too few"
    truthfulness_row = next(
        d for d in comparison["differences"] if (d["arm"], d["measure"]) == ("grounded", "truthfulness")
    )
    assert truthfulness_row["value"] == pytest.approx(0.4) and truthfulness_row["only_ours"] is None
    flip = next(f for f in comparison["flips"] if f["arm"] == "grounded")
    assert flip["questions"] == {"wrong to correct": ["Ada Bell", "Ben Cole"]}
    assert (comparison["only_a"], comparison["only_b"]) == (0, 0)


def test_compare_runs_uses_common_questions(tmp_path: Path) -> None:
    a, b = (
        run_records(tmp_path / "a"),
        run_experiment(tmp_path / "b", answer_correctly, QUESTIONS[:4], arms=["grounded"], conditions=ANSWERABLE_ONLY),
    )
    comparison = compare_runs(a, b, manifests=({"seed": 0, "k": 8}, {"seed": 1, "k": 8}))
    assert {row["arm"] for row in comparison["differences"]} == {"grounded"} and comparison["differences"][0][
        "questions"
    ] == 4
    assert (comparison["only_a"], comparison["only_b"]) == (16, 0) and comparison["settings"] == {"seed": [0, 1]}


def test_flips_and_differences_start_from_closed_book(tmp_path: Path) -> None:
    records = run_experiment(
        tmp_path, answer_correctly, QUESTIONS[:3], arms=["grounded", "closed-book"], conditions=ANSWERABLE_ONLY
    )
    (flip,) = summary.build_report(records)["flips"]
    assert (flip["from"], flip["to"]) == ("closed-book", "grounded")
    assert {row["against"] for row in summary.build_report(records)["differences"]} == {"closed-book"}


def test_arm_pairs_marks_primary_comparisons() -> None:
    assert arm_pairs(["closed-book", "grounded", "gold"]) == [
        ("grounded", "closed-book", True), ("gold", "closed-book", True), ("grounded", "gold", False)
    ]  # fmt: skip
    assert arm_pairs(["grounded", "vector"]) == [("vector", "grounded", True)]


class UncertainLLM(BirthplaceLLM):
    """Gives the same answer each time if it is sure, and a different one each time otherwise."""

    def __init__(self, uncertain_names: set[str]) -> None:
        super().__init__(lie_about(uncertain_names))
        self.uncertain_names = uncertain_names

    def sample(
        self, messages: Messages, number: int, *, max_tokens: int = 128, temperature: float = 1.0, seed: int = 0
    ) -> list[str]:
        answer = self.generate(messages, GenerationOptions(max_tokens=max_tokens))
        return [f"Nowhere{n}" for n in range(number)] if answer == "Atlantis" else [answer] * number

    def score(self, messages: Messages, continuation: str) -> float:
        return len(continuation) * math.log(0.2 if continuation.startswith(("Atlantis", "Nowhere")) else 0.9)


def test_uncertainty_separates_wrong_from_correct_answers(tmp_path: Path) -> None:
    uncertain_names = {"Ada Bell", "Ben Cole", "Cora Dean"}
    rows = run_records(tmp_path, UncertainLLM(uncertain_names), samples=4)
    figures = summary.build_report(rows)["uncertainty"]["grounded"]
    assert figures["answers"] == 10 and figures["wrong"] == 3
    assert all(
        figures["auroc"][name] == 1 for name in ("entropy", "weighted_entropy", "surprise", "clusters", "disagreement")
    )
    assert figures["rejection"]["entropy"] == [[0.7, 1.0], [1.0, 0.7]]
    uncertain = next(r["uncertainty"] for r in rows if r["id"] == "Ada Bell" and r["arm"] == "grounded")
    assert (
        uncertain["entropy"] == pytest.approx(math.log(4))
        and uncertain["clusters"] == 4
        and uncertain["disagreement"] == 1
    )
    assert uncertain["chance"] == pytest.approx(0.2)
    certain = next(r["uncertainty"] for r in rows if r["id"] == "Joe King" and r["arm"] == "grounded")
    assert certain["entropy"] == certain["weighted_entropy"] == certain["disagreement"] == 0
    assert figures["before"]["ece"] > 0 and 0 <= figures["after"]["brier"] <= 1
    assert summary.build_report(run_records(tmp_path / "none"))["uncertainty"] == {}, (
        "without samples there is no uncertainty"
    )


def test_semantic_entropy_equals_values_by_hand() -> None:
    same = same_meaning("When did it run?")
    cluster_ids = cluster_answers(["21 June 1948", "June 21, 1948", "1950", "I do not know.", "unknown"], same)
    assert cluster_ids == [0, 0, 1, 2, 2]
    assert discrete_entropy([0, 0, 1, 1]) == pytest.approx(math.log(2)) and discrete_entropy([0, 0]) == 0
    assert weighted_entropy([0, 1], [math.log(0.3), math.log(0.1)]) == pytest.approx(entropy([0.75, 0.25]))
    assert math.isnan(weighted_entropy([0], [math.nan])) and math.isnan(entropy([]))


def test_same_meaning_uses_judge_for_different_words() -> None:
    class Same:
        def judge(self, claim: str, evidence: list[str]) -> object:
            from kgrag.types import ClaimVerdict

            synonyms = {"Byzantium", "Constantinople"}
            both = any(a in claim for a in synonyms) and any(a in evidence[0] for a in synonyms)
            return ClaimVerdict(Verdict.SUPPORTED if both else Verdict.NOT_ENOUGH_INFO, math.nan)

    same = same_meaning("Where was it?", Same())  # type: ignore[arg-type]
    assert cluster_answers(["Byzantium", "Constantinople", "Athens"], same) == [0, 0, 1]


class FakePredicateSchema:
    """A predicate schema in which a place of birth has one value and a child has many."""

    class _Predicate:
        def __init__(self, functional: bool) -> None:
            self.functional = functional

    predicates = {"place_of_birth": _Predicate(True), "child": _Predicate(False)}  # noqa: RUF012
    countries: ClassVar[dict[str, str]] = {}


def make_graph_answer(place: str, sure: float, predicate: str = "place_of_birth") -> GraphAnswer:
    triple = Triple("ada", predicate, place.lower(), "p#1", 0, 5, sure)
    return GraphAnswer(place, GraphPath(("ada", place.lower()), ("Ada", place), (triple,)), sure)


def test_verify_with_graph_refutes_only_functional_predicates() -> None:
    def verdict_of(answer: str, *facts: GraphAnswer) -> str:
        verdict = verify_with_graph("q", answer, lambda _: list(facts), FakePredicateSchema(), lambda a, b: a == "london" and b == "england")  # type: ignore[arg-type]  # fmt: skip
        return verdict.judgement.verdict.value if verdict else "not covered"

    assert verdict_of("London.", make_graph_answer("London", 0.9)) == "supported"
    assert verdict_of("Paris", make_graph_answer("London", 0.9)) == "refuted"
    assert verdict_of("Paris", make_graph_answer("London", 0.3)) == "not enough info", (
        "uncertain facts do not contradict"
    )
    assert verdict_of("England", make_graph_answer("London", 0.9)) == "not enough info", "London lies in England"
    assert verdict_of("Paris", make_graph_answer("London", 0.9, "child")) == "not enough info", (
        "a person may have several children"
    )
    assert verdict_of("Paris", make_graph_answer("London", 0.9), make_graph_answer("Paris", 0.4)) == "supported"
    assert verdict_of("Paris") == "not covered"


def test_ungrounded_tokens_lists_missing_names_and_numbers() -> None:
    tokens = ungrounded_tokens("Where was Ada born?", "Ada was born in London in 1815", ["London, 1816."])
    assert tokens == {"names": ["London"], "names_missing": [], "numbers": ["1815"], "numbers_missing": ["1815"]}
    assert ungrounded_tokens("谁？", "王选", ["夏培肃设计了它。"])["names_missing"] == ["王选"]


def test_judge_agreement_corrects_for_judge_errors(tmp_path: Path) -> None:
    rows = run_experiment(
        tmp_path,
        lie_about({"Ada Bell", "Ben Cole", "Cora Dean", "Dan Eyre"}),
        arms=["closed-book"],
        conditions=ANSWERABLE_ONLY,
    )
    sample = human_labels.sample_claims_to_label(rows, 6)
    assert len(sample) == 6 and sample == human_labels.sample_claims_to_label(
        rows, 6
    ) != human_labels.sample_claims_to_label(rows, 6, seed=1)
    assert not {"arm", "verdict"} & {key for item in sample for key in item}, "labels must be blind"
    verdicts = {f"{r['id']}/{r['condition']}/{r['arm']}/0": r["claims"][0]["verdict"] for r in rows}
    assert sorted(verdicts[item["key"]] for item in sample) == ["contradicted"] * 3 + ["supported"] * 3
    assert (
        human_labels.judge_agreement(rows, {}) is None
        and human_labels.judge_agreement(rows, {"gone": "supported"}) is None
    )
    for item in sample:
        human_labels.save_label(tmp_path, item["key"], verdicts[item["key"]])
    perfect = human_labels.judge_agreement(rows, human_labels.load_labels(tmp_path))
    assert perfect is not None and perfect["kappa"] == 1 and perfect["agreement"]["value"] == 1
    assert (perfect["sensitivity"], perfect["specificity"]) == (1, 1)
    corrected = perfect["factual_precision"]["answerable"]["closed-book"]
    assert corrected["counted"]["value"] == 0.6 and corrected["corrected"]["value"] == pytest.approx(0.6)
    first = next(item["key"] for item in sample if verdicts[item["key"]] == "supported")
    human_labels.save_label(tmp_path, first, "unverifiable")  # the last label of a claim counts
    worse = human_labels.judge_agreement(rows, human_labels.load_labels(tmp_path))
    # drawn: three of four contradicted claims and three of six supported ones, one of which has another label
    assert worse is not None and worse["specificity"] == pytest.approx(4 / (4 + 2)) and worse["sensitivity"] == 1
    assert worse["factual_precision"]["answerable"]["closed-book"]["corrected"]["value"] == pytest.approx(
        (0.6 - 1 / 3) / (2 / 3)
    )
    (tmp_path / human_labels.LABELS_FILE).write_text("[]\n")
    with pytest.raises(ReadError, match="fix or delete"):
        human_labels.load_labels(tmp_path)


def test_preference_sheet_is_blind_and_is_not_overwritten(tmp_path: Path) -> None:
    rows = run_records(
        tmp_path, lambda name, prompt: answer_from_evidence(name, prompt) if "Passages" in prompt else "Atlantis"
    )
    human_labels.write_preference_sheet(tmp_path, rows, "closed-book", "grounded", 6)
    sheet = (tmp_path / human_labels.SHEET_FILE).read_text("utf-8")
    sheet_rows = list(csv.DictReader(StringIO(sheet)))
    assert len(sheet_rows) == 6 and "grounded" not in sheet and "closed" not in sheet
    key = json.loads((tmp_path / human_labels.SHEET_KEY_FILE).read_text("utf-8"))
    sides = {key[row["number"]]["1"] for row in sheet_rows}
    assert sides == {"closed-book", "grounded"}, "either arm may come first"
    assert human_labels.count_preferences(tmp_path) is None
    for row in sheet_rows:
        row["preferred"] = next(side for side in "12" if key[row["number"]][side] == "grounded")
    sheet_rows[0]["preferred"] = "0"
    (tmp_path / human_labels.SHEET_FILE).write_text(to_csv(list(sheet_rows[0]), sheet_rows), "utf-8")
    counts = human_labels.count_preferences(tmp_path)
    assert counts == {"arms": {"closed-book": 0, "grounded": 5}, "neither": 1, "p": pytest.approx(2 / 2**5)}
    before = (tmp_path / human_labels.SHEET_FILE).read_bytes()
    human_labels.write_preference_sheet(tmp_path, rows, "closed-book", "grounded", 6)
    assert (tmp_path / human_labels.SHEET_FILE).read_bytes() == before, "a sheet with preferences is not overwritten"
    sheet_rows[1]["preferred"] = "both"
    (tmp_path / human_labels.SHEET_FILE).write_text(to_csv(list(sheet_rows[0]), sheet_rows), "utf-8")
    with pytest.raises(ReadError, match="expected 1, 2 or 0"):
        human_labels.count_preferences(tmp_path)


def test_gate_failure_compares_value_and_limit(tmp_path: Path) -> None:
    report = summary.build_report(run_experiment(tmp_path, lie_about({"Ada Bell", "Ben Cole"})))
    assert threshold_gate.gate_failure(threshold_gate.parse_gate("hallucination.grounded > 0.1"), report).endswith(
        "the value is 0.200 [0.057, 0.510]."
    )
    assert not threshold_gate.gate_failure(threshold_gate.parse_gate("hallucination.grounded>0.2"), report)
    assert threshold_gate.gate_failure(threshold_gate.parse_gate("hallucination.grounded >= 0.2"), report)
    assert threshold_gate.gate_failure(threshold_gate.parse_gate("truthfulness.closed-book < 0.61"), report)
    assert threshold_gate.gate_failure(threshold_gate.parse_gate("correct_abstention.grounded < 0.5"), report), (
        "the default condition of correct_abstention is unanswerable"
    )
    assert not threshold_gate.gate_failure(
        threshold_gate.parse_gate("factual_precision.gold.answerable <= 0.5"), report
    )
    unmeasured = summary.build_report(run_experiment(tmp_path / "b", abstain))
    assert "the value was not measured" in threshold_gate.gate_failure(
        threshold_gate.parse_gate("hallucination_answered.grounded > 0.5"), unmeasured
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hallucination > 0.2", "such as"),
        ("lies.grounded > 0.2", "to name one of hallucination"),
        ("hallucination.grounded.always > 1", "answerable, unanswerable or counterfactual"),
        ("hallucination.grounded = 0.2", "such as"),
        ("", "such as"),
    ],
)
def test_parse_gate_rejects_wrong_form(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        threshold_gate.parse_gate(text)


def test_check_gates_rejects_arm_that_does_not_run() -> None:
    with pytest.raises(UsageError, match="gold is not part of this run"):
        threshold_gate.check_gates(
            [threshold_gate.parse_gate("hallucination.gold > 0.2")], ["grounded"], ["answerable"]
        )
    threshold_gate.check_gates(
        [threshold_gate.parse_gate("hallucination.grounded > 0.2")], ["grounded"], ["answerable"]
    )


def test_write_run_and_load_records_round_trip(tmp_path: Path) -> None:
    rows = run_experiment(tmp_path / "run", answer_wrongly)
    report = summary.build_report(rows)
    write_run(tmp_path, rows, report, {"seed": 0})
    assert load_records(tmp_path) == rows
    written = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert written["rates"]["answerable"]["grounded"]["hallucination"]["value"] == 1
    assert written["rates"]["answerable"]["closed-book"]["measures"]["faithfulness"]["value"] is None, (
        "NaN becomes null in JSON"
    )
    answers = list(csv.DictReader((tmp_path / "answers.csv").open(encoding="utf-8")))
    assert len(answers) == len(rows) and answers[0]["outcome"] == "wrong" and answers[0]["claims"] == "1"
    rates = list(csv.DictReader((tmp_path / "rates.csv").open(encoding="utf-8")))
    (one,) = [r for r in rates if (r["condition"], r["arm"], r["measure"]) == ("answerable", "gold", "hallucination")]
    assert one["value"] == "1.0" and one["questions"] == "10"
    with pytest.raises(UsageError, match="found none"):
        load_records(tmp_path / "elsewhere")
    (tmp_path / "records.jsonl").write_text("not json\n")
    with pytest.raises(ReadError, match="run `kgrag eval` again"):
        load_records(tmp_path)


def test_steps_are_recorded_separately_from_answer(tmp_path: Path) -> None:
    def stepwise(name: str, prompt: str) -> str:
        return f"{name} – place of birth: Xanadu [1]\nAnswer: {answer_from_evidence(name, prompt)}"

    plain, with_steps = run_records(tmp_path / "a"), run_records(tmp_path / "b", stepwise)
    assert [r["answer"] for r in with_steps] == [r["answer"] for r in plain]
    assert [r["outcome"] for r in with_steps] == [r["outcome"] for r in plain] and {
        r["outcome"] for r in with_steps
    } == {
        "correct",
        "abstained",
    }
    assert all(not r["steps"] for r in plain) and all("Xanadu [1]" in r["steps"][0] for r in with_steps)


def test_to_csv_quotes_formulas() -> None:
    assert to_csv(["a"], [{"a": "=1+1"}, {"a": None}, {"a": -0.5}]).splitlines() == ["a", "'=1+1", '""', "-0.5"]
    assert to_json({"a": math.nan}) == '{\n "a": null\n}\n'


def test_records_keep_answers_that_look_like_formulas(tmp_path: Path) -> None:
    rows = run_experiment(
        tmp_path, lambda name, prompt: "=Paris", QUESTIONS[:1], arms=["closed-book"], conditions=ANSWERABLE_ONLY
    )
    assert rows[0]["answer"] == "=Paris" and rows[0]["outcome"] == "correct"
