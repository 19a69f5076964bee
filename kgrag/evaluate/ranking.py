"""Training the ranker, and saying honestly what it is worth: cross-validated, and on sets it never saw."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kgrag.evaluate.examples import Example
from kgrag.evaluate.metrics import recall_at
from kgrag.evaluate.statistics import interval
from kgrag.evaluate.training import as_json, train
from kgrag.evaluate.trec import Ranking, documents
from kgrag.files import replaced

FOLDS = 5
Tick = Callable[[], None]


def compare(sets: dict[str, list[Example]], ks: Sequence[int] = (1, 2, 5)) -> dict[str, dict[str, Any]]:
    """For each set, recall at ``ks`` with intervals: cross-validated, left out, and each retriever by itself."""
    report: dict[str, dict[str, Any]] = {name: {} for name in sets}
    for label, rankings in (("cross-validated", cross_validated(sets)), ("left out", left_out(sets))):
        for name, group in sets.items():
            for k in ks:
                values = [recall_at(documents(r), e.gold, k) for r, e in zip(rankings[name], group, strict=True)]
                report[name][f"{label} recall@{k}"] = asdict(interval(values))
    for name, group in sets.items():
        for label in group[0].alone:
            for k in (2, 5):
                alone = [recall_at(documents(ranked(e, e.alone[label])), e.gold, k) for e in group]
                report[name][f"{label} alone recall@{k}"] = asdict(interval(alone))
        report[name]["candidates hold"] = asdict(
            interval([recall_at(e.documents, e.gold, len(e.documents)) for e in group])
        )
    return report


def write(path: Path, names: Sequence[str], sets: dict[str, list[Example]], trained_on: Sequence[str] = ()) -> None:
    """Train on everything and write the ranker, whole or not at all.

    Args:
        trained_on: the `kgrag.evaluate.questions.fingerprint` of each file of questions.
    """
    counts = ", ".join(f"{name} ({len(group)})" for name, group in sets.items())
    note = f"trained by `kgrag bench ranker` on the dev questions of {counts}"
    with replaced(path) as beside:
        beside.write_text(as_json(names, train(list(sets.values())), note, trained_on), "utf-8")


def ranked(example: Example, scores: NDArray[Any], *ties: NDArray[Any]) -> list[tuple[str, float]]:
    """Documents by their best passage, best first; what scored NaN was not found.

    Args:
        scores: (candidates,), higher is better.
        ties: each (candidates,), higher is better, in turn for equal scores; what is equal still goes in row order.
    """
    best: dict[str, float] = {}
    for row in np.lexsort([-values for values in (*reversed(ties), scores)]):
        if not np.isnan(scores[row]):
            best.setdefault(example.documents[row], float(scores[row]))
    return list(best.items())


def cross_validated(sets: dict[str, list[Example]], tick: Tick = lambda: None) -> dict[str, list[Ranking]]:
    """A ranking of each question of each set by rankers trained on four fifths of every set, that fifth left out.

    Args:
        sets: of `FOLDS` examples or more each.
        tick: called after each of `FOLDS` trainings.
    """
    out: dict[str, list[Ranking]] = {name: [()] * len(group) for name, group in sets.items()}
    for fold in range(FOLDS):
        model = train([[e for i, e in enumerate(g) if i % FOLDS != fold] for g in sets.values()])
        for name, group in sets.items():
            for number in range(fold, len(group), FOLDS):
                out[name][number] = _scored(model, group[number])
        tick()
    return out


def left_out(sets: dict[str, list[Example]], tick: Tick = lambda: None) -> dict[str, list[Ranking]]:
    """A ranking of each question by a ranker trained on the other sets only: what a user's own corpus will see.

    Args:
        sets: two or more.
        tick: called after each training, one a set.
    """
    out: dict[str, list[Ranking]] = {}
    for name, group in sets.items():
        model = train([g for other, g in sets.items() if other != name])
        out[name] = [_scored(model, example) for example in group]
        tick()
    return out


def _scored(model: Any, example: Example) -> list[tuple[str, float]]:
    if not len(example.rows):
        return []
    # raw scores: as probabilities those near 1 would fall together; equal ones go as in `HybridRetriever.retrieve`
    walked = [np.nan_to_num(values) for name, values in example.alone.items() if name.startswith("walk ")]
    ties = [np.sum(walked, axis=0)] if walked else []
    ties += [np.nan_to_num(example.alone["RRF"])] if "RRF" in example.alone else []
    return ranked(example, model.predict(example.rows, raw_score=True), *ties)
