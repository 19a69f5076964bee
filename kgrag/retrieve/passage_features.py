"""Compute the ranker's features of each candidate.

They are relative to the question's best candidate, so that they mean the same in any corpus.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from indices.bm25_index import index_tokens
from kgrag.retrieve.candidates import PAGERANK_VARIANTS, Candidates, IndexSet
from kgrag.retrieve.sentence_matches import SentenceMatches

Column = NDArray[np.float32]
COMPONENT_FEATURES = {
    "words": ("words covered", "rest covered", "free words covered"),
    "graph": ("neighbour of lead", "names lead"),
}
"""Features that depend on a component without being its scores: 0 if the component is disabled."""
FEATURE_NAMES = (
    "walk names/best",
    "walk names/rank",
    "walk names+1/best",
    "walk names+1/rank",
    "walk names+3/best",
    "walk names+3/rank",
    "walk far/best",
    "walk far/rank",
    "bm25/best",
    "bm25/rank",
    "fused/best",
    "fused/rank",
    "cosine/gap",
    "cosine/rank",
    "words covered",
    "title asked",
    "names covered",
    "names linked",
    "titles asked",
    "neighbour of asked",
    "names asked",
    "neighbour of lead",
    "names lead",
    "rest covered",
    "free words covered",
    "like lead",
    "asked share of title",
    "sentence covers",
    "sentence covers free",
    "told by asked",
    "tells of asked",
    "told by lead",
    "tells of lead",
    "sentence covers/best",
    "sentence covers free/best",
    "told by asked/best",
    "tells of asked/best",
    "told by lead/best",
    "tells of lead/best",
)
"""The features in the order of a row, as the trees of the ranker know them."""


def passage_features(
    question: str, candidates: Candidates, matches: SentenceMatches, indices: IndexSet
) -> tuple[list[str], NDArray[np.float32]]:
    """Return the names of the features, and their values of shape (candidates, features); no value is NaN.

    Args:
        question: the user's question.
        candidates: the rows to describe.
        matches: the candidates' sentences (`match_sentences`).
        indices: the indices of the store.
    """
    graph = indices.graph
    rows = candidates.rows
    columns: dict[str, Column] = {}

    def add_scores(name: str, values: Column) -> None:
        """Add the two columns of a score: relative to the best, and inverse rank."""
        columns[f"{name}/best"] = relative(values)
        columns[f"{name}/rank"] = inverse_rank(values)

    for number, walk in enumerate(PAGERANK_VARIANTS):
        add_scores(f"walk {walk}", candidates.walk_scores[:, number])
    add_scores("bm25", candidates.bm25)
    add_scores("fused", candidates.fused)
    has_cosine = not np.isnan(candidates.cosine).any()
    cosine = candidates.cosine if has_cosine else np.zeros(len(rows), np.float32)
    # in standard deviations: the cosines of one encoder lie in 0.1 to 0.7, those of another in 0.7 to 0.9
    spread = float(cosine.std()) if has_cosine and len(rows) else 0.0
    columns["cosine/gap"] = (cosine - cosine.max()) / spread if spread > 0 else np.zeros(len(rows), np.float32)
    columns["cosine/rank"] = inverse_rank(cosine) if has_cosine else np.zeros(len(rows), np.float32)

    words = indices.words.question_tokens(question)
    word_weights = np.array([indices.words.idf(word) for word in words], np.float32)
    present = indices.words.scores_by_word(words, rows) > 0
    columns["words covered"] = _weighted_share(present, word_weights)

    linked = np.array(sorted(candidates.linked_names), np.int64)
    idf = np.array([candidates.linked_names[int(name)] for name in linked], np.float32)
    neighbourhood = candidates.neighbourhood
    ties, titles = neighbourhood.edges, neighbourhood.titles
    in_title, in_text = neighbourhood.has_names(titles, linked), neighbourhood.has_names(ties, linked)
    columns["title asked"] = (in_title * idf).max(axis=1, initial=0) / (idf.max() if len(idf) else 1)
    columns["names covered"] = _weighted_share(in_text, idf)
    columns["names linked"] = np.full(len(rows), min(len(linked), 6), np.float32)

    is_named = np.asarray(in_title.any(axis=1), bool)
    columns["titles asked"] = np.full(len(rows), min(int(is_named.sum()), 6), np.float32)
    columns["neighbour of asked"] = _mentioned_by(is_named, ties, titles)
    columns["names asked"] = _mentions_of(is_named, ties, titles)
    is_lead = _top_walked(candidates)
    columns["neighbour of lead"] = _mentioned_by(is_lead, ties, titles)
    columns["names lead"] = _mentions_of(is_lead, ties, titles)

    # the question words that the passages named in the question do not cover
    answered_words = present[is_named].any(axis=0) if is_named.any() else np.zeros(len(words), bool)
    title_words = {w for name in linked for w in index_tokens(graph.names[int(name)])}
    is_open_word = ~answered_words & np.array([w not in title_words for w in words], bool) if words else answered_words
    columns["rest covered"] = _weighted_share(present[:, is_open_word], word_weights[is_open_word])
    is_free_word = np.array([w not in title_words for w in words], bool) if words else np.zeros(0, bool)
    columns["free words covered"] = _weighted_share(present[:, is_free_word], word_weights[is_free_word])
    columns["like lead"] = _mean_similarity(candidates, indices, is_lead)
    title_counts = np.diff(titles.indptr)
    columns["asked share of title"] = in_title.sum(axis=1) / np.maximum(title_counts, 1)
    columns |= _sentence_features(matches, word_weights, is_named, is_lead)
    for part, owned in COMPONENT_FEATURES.items():
        if part not in candidates.components:
            columns |= {name: np.zeros(len(rows), np.float32) for name in owned}
    if not len(rows):
        return list(FEATURE_NAMES), np.zeros((0, len(FEATURE_NAMES)), np.float32)
    return list(FEATURE_NAMES), np.stack([columns[name] for name in FEATURE_NAMES], axis=1).astype(np.float32)


def _sentence_features(
    matches: SentenceMatches, word_weights: Column, is_named: NDArray[np.bool_], is_lead: NDArray[np.bool_]
) -> dict[str, Column]:
    """Return features of each candidate's best sentence, and of its links to named and lead passages."""
    has_word = matches.has_word.astype(np.float32)
    coverage = matches.best_sentence(has_word @ (word_weights / max(1e-9, float(word_weights.sum()))))
    free_coverage = matches.best_sentence(has_word @ matches.word_weights)
    bridges = matches.bridge_scores()
    values = {"sentence covers": coverage, "sentence covers free": free_coverage}
    for name, mask in (("asked", is_named), ("lead", is_lead)):
        values[f"told by {name}"] = bridges[mask].max(axis=0, initial=0)
        values[f"tells of {name}"] = bridges[:, mask].max(axis=1, initial=0)
    return values | {f"{name}/best": relative(column) for name, column in values.items()}


def relative(values: Column) -> Column:
    """Return values divided by their maximum; zeros if no value is positive."""
    top = float(values.max(initial=0))
    return values / top if top > 0 else np.zeros_like(values)


def inverse_rank(values: Column) -> Column:
    """Return 1 / rank, where equal values share the better rank; 0 for values of 0 or less."""
    ordered = -np.sort(-values)
    ranks = np.searchsorted(-ordered, -values, side="left") + 1
    return np.where(values > 0, 1.0 / ranks, 0.0).astype(np.float32)


def _weighted_share(present: NDArray[np.bool_], weight: Column) -> Column:
    """Return for each row the share of the weights that is present."""
    total = float(weight.sum())
    return (present @ weight) / total if total > 0 else np.zeros(len(present), np.float32)


def _top_walked(candidates: Candidates) -> NDArray[np.bool_]:
    """Return a mask of the three best rows of the widest walk: the passages most likely to hold the first hop."""
    lead = np.zeros(len(candidates.rows), bool)
    score = candidates.walk_scores[:, 2] + 1e-3 * candidates.fused
    lead[np.argsort(-score, kind="stable")[:3]] = True
    return lead


def _mentioned_by(sources: NDArray[np.bool_], ties, titles) -> Column:  # type: ignore[no-untyped-def]
    """Return how strongly the ``sources`` mention each candidate's title, relative to the best."""
    if not sources.any() or not titles.shape[1]:  # no passage has a name
        return np.zeros(len(sources), np.float32)
    name_strengths = np.asarray(ties[sources].max(axis=0).todense()).ravel()
    scores = np.asarray(titles.multiply(name_strengths[None]).tocsr().max(axis=1).todense()).ravel().astype(np.float32)
    scores[sources] = 0
    return relative(scores)


def _mentions_of(targets: NDArray[np.bool_], ties, titles) -> Column:  # type: ignore[no-untyped-def]
    """Return how strongly each candidate mentions the titles of the ``targets``, relative to the best."""
    if not targets.any() or not titles.shape[1]:
        return np.zeros(len(targets), np.float32)
    has_title_name = (np.asarray(titles[targets].sum(axis=0)).ravel() > 0).astype(np.float32)
    scores = np.asarray(ties @ has_title_name).ravel().astype(np.float32)
    scores[targets] = 0
    return relative(scores)


def _mean_similarity(candidates: Candidates, indices: IndexSet, is_lead: NDArray[np.bool_]) -> Column:
    """Return each candidate's mean cosine to the lead passages; zeros without vectors."""
    if np.isnan(candidates.cosine).any() or not is_lead.any():
        return np.zeros(len(candidates.rows), np.float32)
    vectors = indices.vectors.vectors(candidates.rows)
    return np.asarray((vectors @ vectors[is_lead].T).mean(axis=1), np.float32)
