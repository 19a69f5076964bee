"""Fitting of the claim judge: trees by LightGBM, and logistic calibration on out-of-fold predictions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kgrag.dev.benchmarks.judge.scorer import Statistic, balanced_accuracy, right_over_wrong
from kgrag.dev.training.boosted_trees import flatten_tree
from kgrag.dev.training.judge.trainer import FOLDS, HUMAN_SETS, ClaimSet
from kgrag.judge.features import MONOTONE_SIGNS
from kgrag.judge.model import ENSEMBLE_MEMBERS, LogisticCalibration, judge_to_json
from kgrag.metrics.calibration import auroc, brier_score, expected_calibration_error
from kgrag.storage.atomic import atomic_write

BOOSTING_ROUNDS = 200
PARAMETERS: dict[str, str | float | list[int]] = {
    "objective": "binary",
    "num_leaves": 8,
    "learning_rate": 0.05,
    "min_data_in_leaf": 30,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 10,
    "monotone_constraints": list(MONOTONE_SIGNS),
    "seed": 0,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbose": -1,
}
L2_PENALTY = 1e-3
Floats = NDArray[np.float64]
ClaimMasks = Sequence[NDArray[np.bool_]]


def fit_trees(parts: Sequence[ClaimSet], masks: ClaimMasks) -> Any:
    """Train a LightGBM booster on the claims that the masks select."""
    import lightgbm

    rows = np.vstack([p.feature_rows[m] for p, m in zip(parts, masks, strict=True)])
    labels = np.concatenate([p.labels[m] for p, m in zip(parts, masks, strict=True)])
    weights = np.concatenate([p.weights[m] for p, m in zip(parts, masks, strict=True)])
    data = lightgbm.Dataset(rows, labels, weight=weights * len(weights) / weights.sum())
    return lightgbm.train(PARAMETERS, data, BOOSTING_ROUNDS)


def fit_logistic(scores: Floats, labels: NDArray[np.bool_], weights: Floats) -> LogisticCalibration:
    """Fit log-odds as a weighted sum of scores (claims, scores), with a small penalty on the weights.

    No weight is negative, since no score is evidence against support.
    """
    from scipy.optimize import minimize

    spread = scores.std(axis=0)
    spread[spread < 1e-9] = 1.0
    rows = np.column_stack([scores / spread, np.ones(len(scores))])
    signs, share = np.where(labels, 1.0, -1.0), weights / weights.sum()

    def loss(x: Floats) -> tuple[float, Floats]:
        margin = signs * (rows @ x)
        slope = -signs * share / (1 + np.exp(np.clip(margin, -50, 50)))
        penalized = np.append(x[:-1], 0.0)
        return float(
            share @ np.logaddexp(0, -margin) + L2_PENALTY * penalized @ penalized
        ), rows.T @ slope + 2 * L2_PENALTY * penalized

    bounds = [(0.0, None)] * (rows.shape[1] - 1) + [(None, None)]
    coefficients = minimize(loss, np.zeros(rows.shape[1]), jac=True, method="L-BFGS-B", bounds=bounds).x
    return LogisticCalibration(tuple((coefficients[:-1] / spread).tolist()), float(coefficients[-1]))


def fit_judge(parts: Sequence[ClaimSet], masks: ClaimMasks) -> tuple[Any, dict[str, LogisticCalibration]]:
    """Return trees of the claims that the masks select, and the calibration of all ensemble members.

    The calibration uses predictions of trees trained on the other folds of the same claims.
    """
    odds = [np.zeros(len(part.labels)) for part in parts]
    for fold in range(FOLDS):
        heldout_masks = [m & (p.folds == fold) for p, m in zip(parts, masks, strict=True)]
        if any(h.any() for h in heldout_masks):
            booster = fit_trees(parts, [m & (p.folds != fold) for p, m in zip(parts, masks, strict=True)])
            for part, heldout_mask, fold_odds in zip(parts, heldout_masks, odds, strict=True):
                if heldout_mask.any():
                    fold_odds[heldout_mask] = booster.predict(part.feature_rows[heldout_mask], raw_score=True)
    # the point of equal errors of both kinds is set by claims with human labels, if there are any
    human_masks = [
        m & (p.name in HUMAN_SETS or not any(q.name in HUMAN_SETS for q in parts))
        for p, m in zip(parts, masks, strict=True)
    ]
    scores = np.vstack([_score_matrix(p, o)[m] for p, o, m in zip(parts, odds, human_masks, strict=True)])
    labels = np.concatenate([p.labels[m] for p, m in zip(parts, human_masks, strict=True)])
    weights = np.concatenate([p.weights[m] for p, m in zip(parts, human_masks, strict=True)])
    scales = {tier: fit_logistic(scores[:, [n]], labels, weights) for n, tier in enumerate(ENSEMBLE_MEMBERS)}
    return fit_trees(parts, masks), {**scales, "combined": fit_logistic(scores, labels, weights)}


def predict_support(
    part: ClaimSet, mask: NDArray[np.bool_], booster: Any, scales: Mapping[str, LogisticCalibration]
) -> dict[str, Floats]:
    """Return the support of each claim that a mask selects, by each ensemble member and by all combined."""
    scores = _score_matrix(part, booster.predict(part.feature_rows, raw_score=True))[mask]
    support_by_tier = {
        t: np.array([scales[t].probability(s) for s in scores[:, n].tolist()]) for n, t in enumerate(ENSEMBLE_MEMBERS)
    }
    return {**support_by_tier, "combined": np.array([scales["combined"].probability(*row) for row in scores.tolist()])}


def _score_matrix(part: ClaimSet, odds: Floats) -> Floats:
    return np.column_stack([part.scores, odds])


def cross_validate(parts: Sequence[ClaimSet]) -> dict[str, dict[str, Floats]]:
    """Return the support of every claim of `HUMAN_SETS` by each member, fitted on the other folds of all sets."""
    support_by_set: dict[str, dict[str, Floats]] = {}
    for fold in range(FOLDS):
        masks = [p.folds != fold for p in parts]
        fitted_judge = fit_judge(parts, masks)
        for part, mask in zip(parts, masks, strict=True):
            if part.name in HUMAN_SETS:
                for tier, values in predict_support(part, ~mask, *fitted_judge).items():
                    support_by_set.setdefault(part.name, {}).setdefault(tier, np.zeros(len(part.labels)))[~mask] = (
                        values
                    )
    return support_by_set


def leave_one_set_out(parts: Sequence[ClaimSet]) -> dict[str, dict[str, Floats]]:
    """Return the support of every claim of `HUMAN_SETS` by each member, fitted on the other sets only."""
    support_by_set = {}
    for part in parts:
        if part.name in HUMAN_SETS:
            others = [p for p in parts if p is not part]
            full_mask = np.ones(len(part.labels), bool)
            support_by_set[part.name] = predict_support(
                part, full_mask, *fit_judge(others, [np.ones(len(p.labels), bool) for p in others])
            )
    return support_by_set


def judge_figures(part: ClaimSet, support: Floats) -> dict[str, float]:
    """Return the figures of a judge on a set: keys of `judge_report` without intervals."""
    measures: dict[str, Statistic] = {
        "balanced_accuracy": balanced_accuracy,
        "auroc": auroc,
        "brier": brier_score,
        "ece": expected_calibration_error,
    }
    if part.name == "halueval-qa":
        measures = {"right_over_wrong": right_over_wrong, **measures}
    return {name: measure(support, part.labels) for name, measure in measures.items()}


def write_judge(path: Path, parts: Sequence[ClaimSet], trained_on: Sequence[str]) -> None:
    """Fit on everything, each language separately, and write the judge, whole or not at all."""
    trees_by_lang, scales = {}, {}
    for lang in sorted({p.lang for p in parts}):
        language_parts = [p for p in parts if p.lang == lang]
        booster, scales[lang] = fit_judge(language_parts, [np.ones(len(p.labels), bool) for p in language_parts])
        trees_by_lang[lang] = [flatten_tree(tree["tree_structure"]) for tree in booster.dump_model()["tree_info"]]
    counts = ", ".join(f"{p.name} ({len(p.labels)})" for p in parts)
    note = f"trained by `kgrag bench judge-train` on claims of {counts}"
    with atomic_write(path) as temporary:
        data = judge_to_json(trees_by_lang, scales, note, trained_on)
        temporary.write_text(json.dumps(data, separators=(",", ":")) + "\n", "utf-8")
