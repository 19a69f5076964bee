"""Training of the ranker, and its evaluation by cross-validation and on sets left out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kgrag.dev.benchmarks.trec_runs import Ranking, ranked_documents
from kgrag.dev.training.boosted_trees import ranker_json, train_boosted_trees
from kgrag.dev.training.ranker.examples import RankingExample
from kgrag.metrics.intervals import IntervalJson, bootstrap_interval, interval_json
from kgrag.metrics.ranking import recall_at
from kgrag.storage.atomic import atomic_write

FOLDS = 5
KIND_SEPARATOR = "/"
"""Between the kind and the name of a set that is one of several of its kind."""
Tick = Callable[[], None]


def compare_rankers(
    sets: dict[str, list[RankingExample]], ks: Sequence[int] = (1, 2, 5, 20)
) -> dict[str, dict[str, IntervalJson]]:
    """Return recall at ``ks`` with intervals for each set: cross-validated, left out, and of each retriever alone."""
    report: dict[str, dict[str, IntervalJson]] = {name: {} for name in sets}
    rankings_by_label = {
        "cross-validated": cross_validate(sets),
        "left out": leave_one_set_out(sets),
    }
    if any(KIND_SEPARATOR in name for name in sets):
        rankings_by_label["kind left out"] = leave_one_set_out(sets, by_kind=True)
    for label, rankings in rankings_by_label.items():
        for name, group in sets.items():
            for k in ks:
                values = [recall_at(ranked_documents(r), e.gold, k) for r, e in zip(rankings[name], group, strict=True)]
                report[name][f"{label} recall@{k}"] = interval_json(bootstrap_interval(values))
    for name, group in sets.items():
        for label in group[0].retriever_scores:
            for k in (5, 20):
                single_recalls = [
                    recall_at(ranked_documents(rank_documents(e, e.retriever_scores[label])), e.gold, k) for e in group
                ]
                report[name][f"{label} alone recall@{k}"] = interval_json(bootstrap_interval(single_recalls))
        report[name]["candidates hold"] = interval_json(
            bootstrap_interval([recall_at(e.documents, e.gold, len(e.documents)) for e in group])
        )
    return report


def write_ranker(
    path: Path,
    names: Sequence[str],
    sets: dict[str, list[RankingExample]],
    trained_on: Sequence[str] = (),
) -> None:
    """Train on everything and write the ranker, whole or not at all.

    Args:
        path: of the JSON file.
        names: of the features.
        sets: examples by set.
        trained_on: the `kgrag.question_sets.fingerprint` of each question file.
    """
    counts = ", ".join(f"{name} ({len(group)})" for name, group in sets.items())
    note = f"trained by `kgrag bench ranker` on the dev questions of {counts}"
    booster = train_boosted_trees(_merge_kinds(sets))
    with atomic_write(path) as temporary:
        temporary.write_text(ranker_json(names, booster, note, trained_on), "utf-8")


def rank_documents(example: RankingExample, scores: NDArray[Any], *ties: NDArray[Any]) -> list[tuple[str, float]]:
    """Rank documents by their best passage, best first; a passage with a NaN score was not found.

    Args:
        example: the candidates of a question.
        scores: (candidates,), higher is better.
        ties: each (candidates,), higher is better, in turn for equal scores; the last tie is broken by row order.
    """
    score_by_document: dict[str, float] = {}
    for row in np.lexsort([-values for values in (*reversed(ties), scores)]):
        if not np.isnan(scores[row]):
            score_by_document.setdefault(example.documents[row], float(scores[row]))
    return list(score_by_document.items())


def cross_validate(sets: dict[str, list[RankingExample]], tick: Tick = lambda: None) -> dict[str, list[Ranking]]:
    """Rank the candidates of each question by a ranker trained on the other four fifths of every set.

    Args:
        sets: of `FOLDS` examples or more each.
        tick: called after each of `FOLDS` trainings.
    """
    rankings_by_set: dict[str, list[Ranking]] = {name: [()] * len(group) for name, group in sets.items()}
    for fold in range(FOLDS):
        training_sets = {name: [e for i, e in enumerate(g) if i % FOLDS != fold] for name, g in sets.items()}
        model = train_boosted_trees(_merge_kinds(training_sets))
        for name, group in sets.items():
            for number in range(fold, len(group), FOLDS):
                rankings_by_set[name][number] = _rank_by_model(model, group[number])
        tick()
    return rankings_by_set


def leave_one_set_out(
    sets: dict[str, list[RankingExample]],
    tick: Tick = lambda: None,
    *,
    by_kind: bool = False,
) -> dict[str, list[Ranking]]:
    """Rank the candidates of each question by a ranker trained on the other sets only, as for a user's own corpus.

    Args:
        sets: two or more.
        tick: called after each training, one a set or kind.
        by_kind: leave out all sets of a kind together: of ``manuals/git`` and ``manuals/sqlite``, the kind is ``manuals``.
    """
    rankings_by_set: dict[str, list[Ranking]] = {}
    kinds = {name: name.partition(KIND_SEPARATOR)[0] if by_kind else name for name in sets}
    for kind in dict.fromkeys(kinds.values()):
        training_sets = {other: group for other, group in sets.items() if kinds[other] != kind}
        model = train_boosted_trees(_merge_kinds(training_sets))
        for name, group in sets.items():
            if kinds[name] == kind:
                rankings_by_set[name] = [_rank_by_model(model, example) for example in group]
        tick()
    return rankings_by_set


def _merge_kinds(sets: dict[str, list[RankingExample]]) -> list[list[RankingExample]]:
    """Return the examples of each kind of sets, so that every kind weighs the same in a training."""
    kinds: dict[str, list[RankingExample]] = {}
    for name, group in sets.items():
        kinds.setdefault(name.partition(KIND_SEPARATOR)[0], []).extend(group)
    return list(kinds.values())


def _rank_by_model(model: Any, example: RankingExample) -> list[tuple[str, float]]:
    if not len(example.rows):
        return []
    # raw scores: probabilities near 1 would coincide; ties are broken as in `HybridRetriever.retrieve`
    walk_scores = [
        np.nan_to_num(values) for name, values in example.retriever_scores.items() if name.startswith("walk ")
    ]
    ties = [np.sum(walk_scores, axis=0)] if walk_scores else []
    ties += [np.nan_to_num(example.retriever_scores["RRF"])] if "RRF" in example.retriever_scores else []
    scores = model.predict(example.rows, raw_score=True)
    return rank_documents(example, scores + example.votes if len(example.votes) else scores, *ties)
