"""What is known of each candidate, relative to the question's best, so that it means the same in any corpus."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from indices.bm25 import search_tokens
from kgrag.retrieve.candidates import WALKS, Candidates, Indices
from kgrag.retrieve.matches import Matches

Column = NDArray[np.float32]
OWNED = {
    "words": ("words covered", "rest covered", "free words covered"),
    "graph": ("neighbour of lead", "names lead"),
}
"""Features that a part gives although they rest on no score of its own: 0 without that part."""


def features(
    question: str, found: Candidates, matches: Matches, indices: Indices
) -> tuple[list[str], NDArray[np.float32]]:
    """Names of the features, and their values of shape (candidates, features); no value is NaN."""
    graph = indices.graph
    rows = found.rows
    columns: dict[str, Column] = {}

    def scored(name: str, values: Column) -> None:
        columns[f"{name}/best"] = relative(values)
        columns[f"{name}/rank"] = inverse_rank(values)

    for number, walk in enumerate(WALKS):
        scored(f"walk {walk}", found.walks[:, number])
    scored("bm25", found.bm25)
    scored("fused", found.fused)
    known = not np.isnan(found.cosine).any()
    cosine = found.cosine if known else np.zeros(len(rows), np.float32)
    columns["cosine/gap"] = cosine - (cosine.max() if known and len(rows) else 0)
    columns["cosine/rank"] = inverse_rank(cosine) if known else np.zeros(len(rows), np.float32)

    words = list(dict.fromkeys(search_tokens(question)))
    weight = np.array([indices.words.idf(word) for word in words], np.float32)
    present = indices.words.matches(words, rows) > 0
    columns["words covered"] = _share(present, weight)

    linked = np.array(sorted(found.linked), np.int64)
    idf = np.array([found.linked[int(name)] for name in linked], np.float32)
    near = found.near
    ties, titles = near.ties, near.titles
    in_title, in_text = near.having(titles, linked), near.having(ties, linked)
    columns["title asked"] = (in_title * idf).max(axis=1, initial=0) / (idf.max() if len(idf) else 1)
    columns["names covered"] = _share(in_text, idf)
    columns["names linked"] = np.full(len(rows), min(len(linked), 6), np.float32)

    asked = np.asarray(in_title.any(axis=1), bool)
    columns["titles asked"] = np.full(len(rows), min(int(asked.sum()), 6), np.float32)
    columns["neighbour of asked"] = _bridge(asked, ties, titles)
    columns["names asked"] = _bridge_back(asked, ties, titles)
    lead = _lead(found)
    columns["neighbour of lead"] = _bridge(lead, ties, titles)
    columns["names lead"] = _bridge_back(lead, ties, titles)

    # what is still unanswered once the passages that the question names have been read
    named = present[asked].any(axis=0) if asked.any() else np.zeros(len(words), bool)
    title_words = {w for name in linked for w in search_tokens(graph.names[int(name)])}
    rest = ~named & np.array([w not in title_words for w in words], bool) if words else named
    columns["rest covered"] = _share(present[:, rest], weight[rest])
    free = np.array([w not in title_words for w in words], bool) if words else np.zeros(0, bool)
    columns["free words covered"] = _share(present[:, free], weight[free])
    columns["like lead"] = _likeness(found, indices, lead)
    own = np.diff(titles.indptr)
    columns["asked share of title"] = in_title.sum(axis=1) / np.maximum(own, 1)
    columns |= _sentences(matches, weight, asked, lead)
    for part, owned in OWNED.items():
        if part not in found.parts:
            columns |= {name: np.zeros(len(rows), np.float32) for name in owned}
    names = list(columns)
    return names, np.stack([columns[n] for n in names], axis=1).astype(np.float32) if len(rows) else np.zeros(
        (0, len(names)), np.float32
    )


def _sentences(
    matches: Matches, weight: Column, asked: NDArray[np.bool_], lead: NDArray[np.bool_]
) -> dict[str, Column]:
    """What each candidate's best sentence has, and what the best sentences of ``asked`` and ``lead`` say of it."""
    said = matches.words.astype(np.float32)
    every = matches.best_sentence(said @ (weight / max(1e-9, float(weight.sum()))))
    free = matches.best_sentence(said @ matches.weight)
    bridges = matches.bridges()
    values = {"sentence covers": every, "sentence covers free": free}
    for name, who in (("asked", asked), ("lead", lead)):
        values[f"told by {name}"] = bridges[who].max(axis=0, initial=0)
        values[f"tells of {name}"] = bridges[:, who].max(axis=1, initial=0)
    return values | {f"{name}/best": relative(each) for name, each in values.items()}


def relative(values: Column) -> Column:
    """Values divided by their greatest; zeros where there is none above 0."""
    top = float(values.max(initial=0))
    return values / top if top > 0 else np.zeros_like(values)


def inverse_rank(values: Column) -> Column:
    """1 / rank, equal values sharing the better rank; 0 for values of 0 or less."""
    ordered = -np.sort(-values)
    ranks = np.searchsorted(-ordered, -values, side="left") + 1
    return np.where(values > 0, 1.0 / ranks, 0.0).astype(np.float32)


def _share(present: NDArray[np.bool_], weight: Column) -> Column:
    total = float(weight.sum())
    return (present @ weight) / total if total > 0 else np.zeros(len(present), np.float32)


def _lead(found: Candidates) -> NDArray[np.bool_]:
    """The three best of the widest walk: the passages most likely to hold the first hop."""
    lead = np.zeros(len(found.rows), bool)
    score = found.walks[:, 2] + 1e-3 * found.fused
    lead[np.argsort(-score, kind="stable")[:3]] = True
    return lead


def _bridge(who: NDArray[np.bool_], ties, titles) -> Column:  # type: ignore[no-untyped-def]
    """How strongly passages of ``who`` speak of each candidate's title, relative to the best."""
    if not who.any():
        return np.zeros(len(who), np.float32)
    spoken = np.asarray(ties[who].max(axis=0).todense()).ravel()
    scores = np.asarray(titles.multiply(spoken[None]).tocsr().max(axis=1).todense()).ravel().astype(np.float32)
    scores[who] = 0
    return relative(scores)


def _bridge_back(who: NDArray[np.bool_], ties, titles) -> Column:  # type: ignore[no-untyped-def]
    """How strongly each candidate speaks of the titles of ``who``, relative to the best."""
    if not who.any():
        return np.zeros(len(who), np.float32)
    goes_by = (np.asarray(titles[who].sum(axis=0)).ravel() > 0).astype(np.float32)
    scores = np.asarray(ties @ goes_by).ravel().astype(np.float32)
    scores[who] = 0
    return relative(scores)


def _likeness(found: Candidates, indices: Indices, lead: NDArray[np.bool_]) -> Column:
    if np.isnan(found.cosine).any() or not lead.any():
        return np.zeros(len(found.rows), np.float32)
    vectors = indices.vectors.vectors(found.rows)
    return np.asarray((vectors @ vectors[lead].T).mean(axis=1), np.float32)
