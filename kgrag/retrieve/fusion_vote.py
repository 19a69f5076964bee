"""Let words and vectors vote on the ranker's order where a question names no document.

The ranker learns from questions that mostly name a title, and walks from it. A question that names none is asked in the
user's own words, as of a manual; there, two retrievers that agree know more than the trees.
"""

from __future__ import annotations

import numpy as np

from kgrag.retrieve.candidates import Candidates
from kgrag.retrieve.fusion import FUSION_CONSTANT
from kgrag.retrieve.passage_features import Column

VOTE_WEIGHT = 16.0
"""Log odds that a retriever's last place costs against its first; 8 to 32 differ by one question of the manuals."""


def fusion_vote(candidates: Candidates) -> Column:
    """Return (candidates,): log odds to add to the ranker's score, at most 0; zeros if the question names a title.

    Without vectors, the words vote twice.
    """
    titles = candidates.neighbourhood.titles
    linked = np.array(sorted(candidates.linked_names), np.int64)
    if candidates.neighbourhood.has_names(titles, linked).any():
        return np.zeros(len(candidates.rows), np.float32)
    words = _rank_loss(candidates.bm25)
    vectors = words if np.isnan(candidates.cosine).any() else _rank_loss(candidates.cosine)
    return (-VOTE_WEIGHT * (words + vectors)).astype(np.float32)


def _rank_loss(scores: Column) -> Column:
    """Return for each score what reciprocal rank fusion takes from its rank: 0 for the first, nearly 1 for the last."""
    places = np.searchsorted(np.sort(-scores), -scores, side="left")  # equal scores share the better place
    return np.asarray(places / (FUSION_CONSTANT + 1 + places), np.float32)
