"""Training the ranker, and saying honestly what it is worth: cross-validated, and on sets it never saw."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kgrag.evaluate.metrics import recall_at
from kgrag.evaluate.statistics import interval
from kgrag.files import replaced
from kgrag.retrieve.candidates import PARTS, WALKS, gather
from kgrag.retrieve.features import features
from kgrag.retrieve.hybrid import HybridRetriever
from kgrag.types import Question

ROUNDS = 150
PARAMETERS: dict[str, Any] = {
    "objective": "binary",
    "num_leaves": 15,
    "learning_rate": 0.08,
    "min_data_in_leaf": 40,
    "feature_fraction": 0.7,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 5,
    "seed": 0,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 2,
    "verbose": -1,
}
FOLDS = 5


@dataclass(frozen=True)
class Example:
    """One question's candidates: ``rows`` (candidates, features), their ``documents``, and the ``gold`` documents.

    ``alone`` are the scores that single retrievers gave: what the ranker must beat.
    """

    rows: NDArray[np.float32]
    documents: tuple[str, ...]
    gold: tuple[str, ...]
    alone: dict[str, NDArray[np.float32]]

    @property
    def labels(self) -> NDArray[np.int8]:
        """1 for a passage of a gold document."""
        return np.array([document in self.gold for document in self.documents], np.int8)


def examples(
    retriever: HybridRetriever, questions: Sequence[Question], parts: frozenset[str] = frozenset(PARTS)
) -> tuple[list[str], list[Example]]:
    """Feature names and an `Example` for each question that has gold documents, from some `PARTS` alone."""
    names: list[str] = []
    made = []
    for question in questions:
        if not question.gold:
            continue
        found = gather(question.text, retriever.vector(question.text), retriever.indices, parts)
        names, rows = features(question.text, found, retriever.indices)
        alone = {"BM25": found.bm25, "dense": found.cosine, "RRF": found.fused}
        alone |= {f"walk {walk}": found.walks[:, number] for number, walk in enumerate(WALKS)}
        documents = tuple(retriever.document_of(row) for row in found.rows)
        made.append(Example(rows, documents, question.gold, {n: np.nan_to_num(v, nan=-1.0) for n, v in alone.items()}))
    return names, made


def compare(sets: dict[str, list[Example]], ks: Sequence[int] = (1, 2, 5)) -> dict[str, dict[str, Any]]:
    """For each set, recall at ``ks`` with intervals: cross-validated, left out, and each retriever by itself."""
    report: dict[str, dict[str, Any]] = {name: {} for name in sets}
    for label, scored in (("cross-validated", cross_validated(sets, ks)), ("left out", left_out(sets, ks))):
        for name, values in scored.items():
            for column, k in enumerate(ks):
                report[name][f"{label} recall@{k}"] = asdict(interval(values[:, column].tolist()))
    for name, group in sets.items():
        for label in group[0].alone:
            for k in (2, 5):
                alone = [recall_at(_ranked(e, e.alone[label]), e.gold, k) for e in group]
                report[name][f"{label} alone recall@{k}"] = asdict(interval(alone))
        report[name]["candidates hold"] = asdict(interval([recall_at(e.documents, e.gold, 1000) for e in group]))
    return report


def write(path: Path, names: Sequence[str], sets: dict[str, list[Example]]) -> None:
    """Train on everything and write the ranker, whole or not at all."""
    counts = ", ".join(f"{name} ({len(group)})" for name, group in sets.items())
    note = f"trained by `kgrag bench ranker` on the dev questions of {counts}"
    with replaced(path) as beside:
        beside.write_text(as_json(names, train(list(sets.values())), note), "utf-8")


def train(sets: Sequence[Sequence[Example]]) -> Any:
    """A LightGBM booster; every set weighs the same, however many questions it has."""
    import lightgbm

    chosen = [(example, 1.0 / len(group)) for group in sets for example in group if len(example.rows)]
    rows = np.vstack([example.rows for example, _ in chosen])
    labels = np.concatenate([example.labels for example, _ in chosen])
    weights = np.concatenate([np.full(len(example.rows), weight) for example, weight in chosen])
    data = lightgbm.Dataset(rows, labels, weight=weights * len(weights) / weights.sum())
    return lightgbm.train(PARAMETERS, data, ROUNDS)


def recalls(booster: Any, group: Sequence[Example], ks: Sequence[int]) -> NDArray[np.float64]:
    """(questions, ks): recall of the gold documents among the first k."""
    out = []
    for example in group:
        ranked = _ranked(example, booster.predict(example.rows)) if len(example.rows) else []
        out.append([recall_at(ranked, example.gold, k) for k in ks])
    return np.array(out)


def _ranked(example: Example, scores: NDArray[Any]) -> list[str]:
    """Documents by their best passage."""
    return list(dict.fromkeys(example.documents[i] for i in np.argsort(-scores, kind="stable")))


def cross_validated(sets: dict[str, list[Example]], ks: Sequence[int]) -> dict[str, NDArray[np.float64]]:
    """Recalls of each set's questions by rankers trained on four fifths of every set, that fifth left out."""
    out: dict[str, list[NDArray[np.float64]]] = {name: [] for name in sets}
    for fold in range(FOLDS):
        booster = train([[e for i, e in enumerate(g) if i % FOLDS != fold] for g in sets.values()])
        for name, group in sets.items():
            out[name].append(recalls(booster, [e for i, e in enumerate(group) if i % FOLDS == fold], ks))
    return {name: np.vstack(parts) for name, parts in out.items()}


def left_out(sets: dict[str, list[Example]], ks: Sequence[int]) -> dict[str, NDArray[np.float64]]:
    """Recalls of each set by a ranker trained on the other sets only: what a user's own corpus will see."""
    return {
        name: recalls(train([g for other, g in sets.items() if other != name]), group, ks)
        for name, group in sets.items()
    }


def as_json(names: Sequence[str], booster: Any, note: str) -> str:
    """The ranker as `kgrag.retrieve.ranker.Ranker.load` reads it."""
    trees = [_flat(tree["tree_structure"]) for tree in booster.dump_model()["tree_info"]]
    return json.dumps({"note": note, "features": list(names), "trees": trees}, separators=(",", ":")) + "\n"


def _flat(root: dict[str, Any]) -> dict[str, list[float]]:
    flat: dict[str, list[float]] = {part: [] for part in ("feature", "threshold", "left", "right", "value")}

    def add(node: dict[str, Any]) -> int:
        place = len(flat["feature"])
        inner = "split_feature" in node
        flat["feature"].append(node["split_feature"] if inner else -1)
        flat["threshold"].append(round(node["threshold"], 7) if inner else 0)
        flat["value"].append(0 if inner else round(node["leaf_value"], 6))
        flat["left"].append(0)
        flat["right"].append(0)
        if inner:
            flat["left"][place] = add(node["left_child"])
            flat["right"][place] = add(node["right_child"])
        return place

    add(root)
    return flat
