"""The judge benchmark: measures, file formats, perturbed claims, training, and the commands."""

import gzip
import json
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from kgrag.dev.benchmarks.judge.datasets import JudgedClaim, load_claims
from kgrag.dev.benchmarks.judge.scorer import (
    balanced_accuracy,
    grouped_bootstrap_interval,
    judge_report,
    right_over_wrong,
)
from kgrag.dev.training.boosted_trees import flatten_tree
from kgrag.dev.training.judge import fitting, trainer
from kgrag.dev.training.judge.claim_perturbation import PERTURBATION_KINDS, build_sources, perturb_claims
from kgrag.errors import ReadError, UsageError
from kgrag.judge.model import JudgeModel, judge_to_json
from kgrag.metrics.calibration import auroc, brier_score, expected_calibration_error
from kgrag.types import ClaimVerdict, Verdict
from tests.support.cli_shell import Shell

LABELS = np.array([True, True, True, False, False])
SUPPORT = np.array([0.9, 0.8, 0.3, 0.6, 0.1])
GOOD = {"evidence": "Ada was born in London in 1815.", "claim": "Ada was born in 1815.", "supported": True}
BAD = {"evidence": "Ada was born in London in 1815.", "claim": "Ada was born in Paris.", "supported": False}
CHOICE = {"knowledge": "Ada was born in London.", "question": "Where was Ada born?", "right_answer": "London", "hallucinated_answer": "Paris"}  # fmt: skip


class TableJudge:
    """A judge with a fixed support for each claim."""

    def __init__(self, **support: float) -> None:
        self.support = support

    def judge(self, claim: str, evidence: Sequence[str]) -> ClaimVerdict:
        return ClaimVerdict(Verdict.SUPPORTED, self.support[claim])


def write_rows(path: Path, *rows: object) -> Path:
    lines = "".join((row if isinstance(row, str) else json.dumps(row, ensure_ascii=False)) + "\n" for row in rows)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(lines.encode("utf-8")))
    else:
        path.write_text(lines, "utf-8")
    return path


def test_judge_measures_worked_example() -> None:
    assert balanced_accuracy(SUPPORT, LABELS) == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert auroc(SUPPORT, LABELS) == pytest.approx(5 / 6)
    assert auroc(np.array([0.5, 0.5]), np.array([True, False])) == 0.5
    assert brier_score(SUPPORT, LABELS) == pytest.approx((0.01 + 0.04 + 0.49 + 0.36 + 0.01) / 5)
    # bins: 0.1, 0.3, 0.6, 0.8, 0.9 each alone
    assert expected_calibration_error(SUPPORT, LABELS) == pytest.approx((0.1 + 0.2 + 0.7 + 0.6 + 0.1) / 5)
    assert expected_calibration_error(np.array([0.25, 0.25, 1.0]), np.array([True, False, True])) == pytest.approx(
        2 / 3 * 0.25
    )
    assert right_over_wrong(np.array([0.9, 0.1, 0.4, 0.4, 0.2, 0.3]), np.array([True, False] * 3)) == 0.5


@pytest.mark.parametrize("labels", [[True, True], [False, False]])
def test_judge_measures_one_label_only_are_nan(labels: list[bool]) -> None:
    assert math.isnan(balanced_accuracy(np.array([0.1, 0.9]), np.array(labels)))
    assert math.isnan(auroc(np.array([0.1, 0.9]), np.array(labels)))


def test_grouped_bootstrap_draws_texts() -> None:
    rng = np.random.default_rng(1)
    support, labels = np.repeat(rng.random(40), 10), np.repeat(rng.random(40) < 0.5, 10)
    by_claim = grouped_bootstrap_interval(brier_score, support, labels, np.arange(400))
    by_text = grouped_bootstrap_interval(brier_score, support, labels, np.repeat(np.arange(40), 10))
    assert by_claim.low < by_claim.value < by_claim.high
    assert by_text.high - by_text.low > 2 * (by_claim.high - by_claim.low)


def test_judge_report_counts_unscored_claims(tmp_path: Path) -> None:
    rows = load_claims(
        write_rows(tmp_path / "a.jsonl", *({**GOOD, "claim": c, "supported": c in "ab"} for c in "abcd"))
    )
    figures = judge_report(TableJudge(a=0.9, b=math.nan, c=0.2, d=0.6), rows)
    assert (figures["claims"], figures["unscored"]) == (4, 1)
    assert figures["balanced_accuracy"] == pytest.approx(0.75) and figures["auroc"] == 1
    assert {"balanced_accuracy_low", "auroc_high", "brier", "ece", "overlap_auroc", "length_auroc"} <= figures.keys()


def test_load_claims_halueval_row_gives_a_pair(tmp_path: Path) -> None:
    rows = load_claims(write_rows(tmp_path / "h.jsonl.gz", CHOICE, {**CHOICE, "right_answer": "Rome"}))
    assert rows.is_paired and [r.claim for r in rows.claims][:2] == [
        "Where was Ada born? London",
        "Where was Ada born? Paris",
    ]
    support = {
        "Where was Ada born? London": 0.9,
        "Where was Ada born? Paris": 0.4,
        "Where was Ada born? Rome": math.nan,
    }
    figures = judge_report(TableJudge(**support), rows)
    assert figures["right_over_wrong"] == 1 and figures["unscored"] == 2
    assert figures["overlap_right_over_wrong"] == 1


def test_load_claims_accepts_several_texts(tmp_path: Path) -> None:
    file = write_rows(tmp_path / "a.jsonl", {**GOOD, "evidence": ["one", "two"]}, "", {**BAD, "supported": 0})
    rows = load_claims(file).claims
    assert rows[0].evidence == ("one", "two") and rows[1].supported is False
    assert len(load_claims(file, 1).claims) == 1


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"claim": "x"}, 'line 2.*no text as "evidence"'),
        ({"evidence": "x", "supported": True}, 'line 2.*no text as "claim"'),
        ({"evidence": "x", "claim": "y"}, "line 2.*true or false.*found None"),
        ({"evidence": "x", "claim": "y", "supported": "maybe"}, "line 2.*true or false.*found 'maybe'"),
        ({"evidence": "x", "claim": " ", "supported": True}, 'line 2.*"claim", found an empty'),
        ({"evidence": " ", "claim": "y", "supported": True}, 'line 2.*"evidence", found an empty'),
        ({"evidence": [], "claim": "y", "supported": True}, "line 2.*as evidence, found an empty"),
        ({"evidence": ["x", ""], "claim": "y", "supported": True}, "line 2.*as evidence, found an empty"),
        ({"knowledge": "x", "question": "y", "right_answer": "z"}, 'line 2.*"hallucinated_answer"'),
        (CHOICE, "line 2.*rows of one format"),
        ("[1]", "line 2.*found list"),
        ("{", "line 2.*found other text"),
    ],
)
def test_load_claims_invalid_row_names_its_line(row: object, message: str, tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=message):
        load_claims(write_rows(tmp_path / "a.jsonl", GOOD, row))


def test_load_claims_unreadable_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="found none"):
        load_claims(tmp_path / "none.jsonl")
    with pytest.raises(ReadError, match="found none"):
        load_claims(write_rows(tmp_path / "empty.jsonl"))
    (tmp_path / "broken.jsonl.gz").write_bytes(gzip.compress(json.dumps(GOOD).encode())[:-9])
    with pytest.raises(ReadError, match="cannot be read"):
        load_claims(tmp_path / "broken.jsonl.gz")


PASSAGES = {
    "en": [
        f"{name} was born in {place} in 18{n}5. In 18{n}9 he was the first director of the museum of {place}, which had {n}20 "
        f"rooms. He met {friend} in Vienna before 1870, and they won a prize. His father was a teacher."
        for n, name, place, friend in [
            (1, "Karl Weber", "Dresden", "Anna Klein"), (2, "Emil Lang", "Leipzig", "Otto Graf"), (3, "Hans Moser", "Graz", "Ida Wolf"),
        ]
    ],
    "zh": [
        f"{name}19{n}5年出生于{place}。19{n}9年，他开始担任{place}大学校长，学校有{n}200名学生。他的父亲是一位老师，曾在北京工作。"
        for n, name, place in [(1, "王明", "上海"), (2, "李华", "南京"), (3, "张伟", "广州")]
    ],
}  # fmt: skip


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_perturb_claims_changes_unsupported_claims_only(lang: str) -> None:
    questions = [[("他是谁？" if lang == "zh" else "Who is he?", text[:2])] for text in PASSAGES[lang]]
    pool = build_sources(PASSAGES[lang], lang, questions)
    claims = [claim for seed in range(40) for claim in perturb_claims(pool, lang, seed, 3)]
    kinds = Counter(claim.kind for claim in claims if not claim.supported)
    assert set(kinds) == set(PERTURBATION_KINDS), kinds
    for claim in claims:
        if claim.supported and claim.kind == "sentence":
            assert claim.claim in claim.evidence
        if not claim.supported:
            assert claim.claim not in claim.evidence
    assert (
        list(perturb_claims(pool, lang, 5))
        == list(perturb_claims(pool, lang, 5))
        != list(perturb_claims(pool, lang, 6))
    )


def test_assign_folds_keeps_shared_texts_together() -> None:
    long = "This sentence is long enough to say which page it was taken from."
    rows = [
        JudgedClaim(f"claim {n}", (f"{long} Page {n // 4} says more than any other page of this book does.",), True)
        for n in range(4)
    ]
    rows += [
        JudgedClaim(f"other {n}", (f"A wholly different text, number {n}, that shares nothing with the rest.",), True)
        for n in range(20)
    ]
    rows.append(JudgedClaim("claim 1", ("Nothing.",), False))
    folds = trainer.assign_folds(rows)
    assert len(set(folds[:4])) == 1 and folds[-1] == folds[1]
    assert set(folds.tolist()) == set(range(trainer.FOLDS))


def synthetic_claim_set() -> trainer.ClaimSet:
    rng = np.random.default_rng(0)
    rows = []
    for n in range(300):
        words = [f"word{k}" for k in rng.integers(0, 500, 12)]
        claim = " ".join(words[:6]) if n % 2 else " ".join([*words[:3], "alpha", "beta", "gamma"])
        rows.append(JudgedClaim(claim, (" ".join(words) + ".",), bool(n % 2)))
    return trainer.prepare_claims("begin", rows)


def test_write_judge_predicts_as_trained(tmp_path: Path) -> None:
    pytest.importorskip("lightgbm")
    part = synthetic_claim_set()
    everything = [np.ones(len(part.labels), bool)]
    booster, scales = fitting.fit_judge([part], everything)
    trees = [flatten_tree(tree["tree_structure"]) for tree in booster.dump_model()["tree_info"]]
    model = JudgeModel.from_json(json.loads(json.dumps(judge_to_json({"en": trees}, {"en": scales}, "", []))))
    assert model.log_odds("en", part.feature_rows) == pytest.approx(
        booster.predict(part.feature_rows, raw_score=True), abs=1e-3
    )
    support = fitting.cross_validate([part])["begin"]
    assert balanced_accuracy(support["combined"], part.labels) > 0.95
    fitting.write_judge(tmp_path / "judge.json", [part], ["abc"])
    assert JudgeModel.from_json(json.loads((tmp_path / "judge.json").read_text())).trained_on == ("abc",)


def test_fit_logistic_recovers_known_weights() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(4000, 2))
    labels = rng.random(4000) < 1 / (1 + np.exp(-(2 * scores[:, 0] + 1 * scores[:, 1] + 0.5)))
    scale = fitting.fit_logistic(scores, labels, np.ones(4000))
    assert scale.weights == pytest.approx((2, 1), abs=0.2) and scale.bias == pytest.approx(0.5, abs=0.2)
    against = fitting.fit_logistic(np.column_stack([scores[:, 0], -scores[:, 1]]), labels, np.ones(4000))
    assert against.weights[1] == 0 < against.weights[0]  # a score against support gets no weight
    assert scale.probability(1.0, math.nan) == pytest.approx(1 / (1 + math.exp(-(scale.weights[0] + scale.bias))))


def test_bench_judge_prints_flat_json(shell: Shell, tmp_path: Path) -> None:
    file = write_rows(tmp_path / "a.jsonl", *([GOOD, BAD] * 3))
    code, out, _ = shell("bench", "judge", file, "--json")
    figures = json.loads(out)
    assert code == 0
    wanted = {
        f"{name}{end}" for name in ("balanced_accuracy", "auroc", "brier", "ece") for end in ("", "_low", "_high")
    }
    assert (
        wanted | {"claims", "unscored", "claims_per_second", "overlap_auroc", "length_best_balanced_accuracy"}
        <= figures.keys()
    )
    assert figures["claims"] == 6 and figures["trained on these claims"] is False
    code, out, _ = shell("bench", "judge", file, "--judge", "overlap", "--limit", "2")
    assert code == 0 and "balanced accuracy" in out


def test_bench_judge_pairs_have_pair_measures(shell: Shell, tmp_path: Path) -> None:
    code, out, _ = shell("bench", "judge", write_rows(tmp_path / "h.jsonl", CHOICE), "--json")
    assert code == 0 and {"right_over_wrong", "length_right_over_wrong"} <= json.loads(out).keys()


def test_bench_judge_invalid_input_is_one_sentence(shell: Shell, tmp_path: Path) -> None:
    file = write_rows(tmp_path / "a.jsonl", GOOD, BAD)
    assert "found 'unknown'" in shell.expect_error(1, "bench", "judge", file, "--judge", "unknown")
    assert "config.json" in shell.expect_error(1, "bench", "judge", file, "--judge", tmp_path)
    assert "line 1" in shell.expect_error(1, "bench", "judge", write_rows(tmp_path / "b.jsonl", {"claim": "x"}))
    assert "found none" in shell.expect_error(2, "bench", "judge", tmp_path / "none")
    assert "begin.dev" in shell.expect_error(2, "bench", "judge-train", "--data", tmp_path)
    assert "corpus.jsonl.gz" in shell.expect_error(2, "bench", "judge-set", tmp_path, "--out", tmp_path / "x.jsonl")


def test_bench_judge_set_writes_reproducible_claims(shell: Shell, tmp_path: Path) -> None:
    write_rows(
        tmp_path / "corpus.jsonl.gz", *({"_id": f"d{n}", "title": "", "text": t} for n, t in enumerate(PASSAGES["zh"]))
    )
    write_rows(
        tmp_path / "questions.dev.jsonl", {"_id": "q", "text": "王明出生于哪里？", "answers": ["上海"], "gold": ["d0"]}
    )
    for name in ("a.jsonl", "b.jsonl"):
        assert shell("bench", "judge-set", tmp_path, "--out", tmp_path / name)[0] == 0
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()
    rows = load_claims(tmp_path / "a.jsonl").claims
    assert {row.supported for row in rows} == {True, False}
