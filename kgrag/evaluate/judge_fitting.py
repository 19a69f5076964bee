"""Fitting the judge: trees by LightGBM, scales by logistic regression on what the trees say of texts they never saw."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kgrag.evaluate.judge_training import FOLDS, SETS, Part
from kgrag.evaluate.judging import auroc, balanced_accuracy, brier, ece, right_over_wrong
from kgrag.evaluate.training import flat
from kgrag.files import replaced
from kgrag.judge.features import SIGNS
from kgrag.judge.model import TIERS, Scale, as_json

ROUNDS = 200
PARAMETERS: dict[str, Any] = {
    "objective": "binary",
    "num_leaves": 8,
    "learning_rate": 0.05,
    "min_data_in_leaf": 30,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 10,
    "monotone_constraints": list(SIGNS),
    "seed": 0,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbose": -1,
}
PENALTY = 1e-3
Floats = NDArray[np.float64]
Masks = Sequence[NDArray[np.bool_]]


def trees(parts: Sequence[Part], masks: Masks) -> Any:
    """A LightGBM booster of the claims that masks keep."""
    import lightgbm

    rows = np.vstack([p.rows[m] for p, m in zip(parts, masks, strict=True)])
    labels = np.concatenate([p.labels[m] for p, m in zip(parts, masks, strict=True)])
    weights = np.concatenate([p.weights[m] for p, m in zip(parts, masks, strict=True)])
    data = lightgbm.Dataset(rows, labels, weight=weights * len(weights) / weights.sum())
    return lightgbm.train(PARAMETERS, data, ROUNDS)


def logistic(scores: Floats, labels: NDArray[np.bool_], weights: Floats) -> Scale:
    """Log-odds as a weighted sum of scores (claims, scores), with a small penalty on the weights; no weight is negative, since
    no score speaks against support."""
    from scipy.optimize import minimize

    spread = scores.std(axis=0)
    spread[spread < 1e-9] = 1.0
    rows = np.column_stack([scores / spread, np.ones(len(scores))])
    signs, share = np.where(labels, 1.0, -1.0), weights / weights.sum()

    def loss(x: Floats) -> tuple[float, Floats]:
        margin = signs * (rows @ x)
        slope = -signs * share / (1 + np.exp(np.clip(margin, -50, 50)))
        shrunk = np.append(x[:-1], 0.0)
        return float(
            share @ np.logaddexp(0, -margin) + PENALTY * shrunk @ shrunk
        ), rows.T @ slope + 2 * PENALTY * shrunk

    bounds = [(0.0, None)] * (rows.shape[1] - 1) + [(None, None)]
    found = minimize(loss, np.zeros(rows.shape[1]), jac=True, method="L-BFGS-B", bounds=bounds).x
    return Scale(tuple((found[:-1] / spread).tolist()), float(found[-1]))


def fitted(parts: Sequence[Part], masks: Masks) -> tuple[Any, dict[str, Scale]]:
    """Trees of the claims that masks keep, and the scales of all tiers, from trees of the other folds of the same claims."""
    odds = [np.zeros(len(part.labels)) for part in parts]
    for fold in range(FOLDS):
        held = [m & (p.folds == fold) for p, m in zip(parts, masks, strict=True)]
        if any(h.any() for h in held):
            booster = trees(parts, [m & (p.folds != fold) for p, m in zip(parts, masks, strict=True)])
            for part, mine, out in zip(parts, held, odds, strict=True):
                if mine.any():
                    out[mine] = booster.predict(part.rows[mine], raw_score=True)
    # where errors of both kinds are alike is a matter of claims that people judged, where there are any
    judged = [m & (p.name in SETS or not any(q.name in SETS for q in parts)) for p, m in zip(parts, masks, strict=True)]
    scores = np.vstack([_columns(p, o)[m] for p, o, m in zip(parts, odds, judged, strict=True)])
    labels = np.concatenate([p.labels[m] for p, m in zip(parts, judged, strict=True)])
    weights = np.concatenate([p.weights[m] for p, m in zip(parts, judged, strict=True)])
    scales = {tier: logistic(scores[:, [n]], labels, weights) for n, tier in enumerate(TIERS)}
    return trees(parts, masks), {**scales, "combined": logistic(scores, labels, weights)}


def supports(part: Part, mask: NDArray[np.bool_], booster: Any, scales: Mapping[str, Scale]) -> dict[str, Floats]:
    """The support of each claim that a mask keeps, by each tier and by all combined."""
    scores = _columns(part, booster.predict(part.rows, raw_score=True))[mask]
    found = {t: np.array([scales[t].probability(s) for s in scores[:, n].tolist()]) for n, t in enumerate(TIERS)}
    return {**found, "combined": np.array([scales["combined"].probability(*row) for row in scores.tolist()])}


def _columns(part: Part, odds: Floats) -> Floats:
    return np.column_stack([part.scores, odds])


def cross_validated(parts: Sequence[Part]) -> dict[str, dict[str, Floats]]:
    """The support of every claim of each of `SETS` by each tier, fitted on the other folds of everything."""
    out: dict[str, dict[str, Floats]] = {}
    for fold in range(FOLDS):
        masks = [p.folds != fold for p in parts]
        made = fitted(parts, masks)
        for part, mask in zip(parts, masks, strict=True):
            if part.name in SETS:
                for tier, values in supports(part, ~mask, *made).items():
                    out.setdefault(part.name, {}).setdefault(tier, np.zeros(len(part.labels)))[~mask] = values
    return out


def left_out(parts: Sequence[Part]) -> dict[str, dict[str, Floats]]:
    """The support of every claim of each of `SETS` by each tier, fitted on the other sets only."""
    out = {}
    for part in parts:
        if part.name in SETS:
            others = [p for p in parts if p is not part]
            everything = np.ones(len(part.labels), bool)
            out[part.name] = supports(part, everything, *fitted(others, [np.ones(len(p.labels), bool) for p in others]))
    return out


def figures(part: Part, support: Floats) -> dict[str, float]:
    """Of one set by one judge: the keys of `kgrag.evaluate.judging.report` without intervals."""
    measures: dict[str, Any] = {"balanced_accuracy": balanced_accuracy, "auroc": auroc, "brier": brier, "ece": ece}
    if part.name == "halueval-qa":
        measures = {"right_over_wrong": right_over_wrong, **measures}
    return {name: measure(support, part.labels) for name, measure in measures.items()}


def write(path: Path, parts: Sequence[Part], trained_on: Sequence[str]) -> None:
    """Fit on everything, each language for itself, and write the judge, whole or not at all."""
    made, scales = {}, {}
    for lang in sorted({p.lang for p in parts}):
        mine = [p for p in parts if p.lang == lang]
        booster, scales[lang] = fitted(mine, [np.ones(len(p.labels), bool) for p in mine])
        made[lang] = [flat(tree["tree_structure"]) for tree in booster.dump_model()["tree_info"]]
    counts = ", ".join(f"{p.name} ({len(p.labels)})" for p in parts)
    note = f"trained by `kgrag bench judge-train` on claims of {counts}"
    with replaced(path) as beside:
        data = as_json(made, scales, note, trained_on)
        beside.write_text(json.dumps(data, separators=(",", ":")) + "\n", "utf-8")
