"""Measures as pure functions. What is undefined is NaN, and is counted by whoever averages."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

from kgrag.text import has_cjk, tokenize

_ENGLISH_ARTICLES = frozenset(("a", "an", "the"))


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
