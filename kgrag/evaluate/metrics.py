"""Measures as pure functions. What is undefined is NaN, and is counted by whoever averages."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

from kgrag.text import has_cjk, tokenize

MAX_RANK = 10
"""Documents of a ranking that are looked at: what comes later counts in no measure of `ranking_measures`."""
_ENGLISH_ARTICLES = frozenset(("a", "an", "the"))


def recall_at(ranked: Sequence[str], gold: Sequence[str], k: int) -> float:
    """Share of ``gold`` among the first ``k`` of ``ranked``, in [0, 1]; NaN without gold."""
    wanted = set(gold)
    return len(wanted & set(ranked[:k])) / len(wanted) if wanted else math.nan


def full_recall_at(ranked: Sequence[str], gold: Sequence[str], k: int) -> float:
    """1 if every one of ``gold`` is among the first ``k``, else 0; NaN without gold."""
    return float(set(gold) <= set(ranked[:k])) if gold else math.nan


def reciprocal_rank(ranked: Sequence[str], gold: Sequence[str]) -> float:
    """1 / rank of the first gold document, 0 if there is none among ``ranked``; NaN without gold."""
    if not gold:
        return math.nan
    wanted = set(gold)
    return next((1 / rank for rank, document in enumerate(ranked, 1) if document in wanted), 0.0)


def ranking_measures(ranked: Sequence[str], gold: Sequence[str]) -> dict[str, float]:
    """Every measure of one ranking of documents, each in [0, 1], or NaN without gold; ``mrr`` within `DEPTH`."""
    recalls = {f"recall@{k}": recall_at(ranked, gold, k) for k in (1, 2, 5, MAX_RANK)}
    return recalls | {
        "mrr": reciprocal_rank(ranked[:MAX_RANK], gold),
        "all-gold@5": full_recall_at(ranked, gold, 5),
    }


def answer_tokens(text: str) -> list[str]:
    """Folded words without articles, and single Chinese characters: no answer in either language becomes empty
    because of its script."""
    return [t.text for t in tokenize(text) if t.text not in _ENGLISH_ARTICLES]


def token_f1(answer: str, accepted: Sequence[str]) -> float:
    """F1 of token multisets with the closest accepted answer (Rajpurkar et al. 2016), in [0, 1]; NaN without any."""
    return max((_f1(answer_tokens(answer), answer_tokens(a)) for a in accepted), default=math.nan)


def _f1(answer_tokens_list: list[str], wanted: list[str]) -> float:
    if not answer_tokens_list or not wanted:
        return float(answer_tokens_list == wanted)
    common = sum((Counter(answer_tokens_list) & Counter(wanted)).values())
    return 2 * common / (len(answer_tokens_list) + len(wanted))


def exact_match(answer: str, accepted: Sequence[str]) -> float:
    """1 if the tokens are those of an accepted answer, else 0; NaN without any."""
    return max((float(answer_tokens(answer) == answer_tokens(a)) for a in accepted), default=math.nan)


_CITATION_MARK = re.compile(r"\s*\[[\d,\s]+\]")


def normalize_answer(answer: str) -> str:
    """An answer without citation marks and without the full stop of a sentence: what is compared with a short answer."""
    text = _CITATION_MARK.sub("", answer).strip()
    return text.rstrip("。" if has_cjk(text) else ".").strip()
