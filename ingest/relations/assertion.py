"""Tell whether a sentence asserts a relation of two names, or denies, supposes or asks for it."""

from __future__ import annotations

import re
from collections.abc import Sequence

# in lower case only: "As It Never Was" is a title
_NEGATION = re.compile(
    r"\b(?:not(?! only| just| merely| simply| until| long| least)|never|no longer|neither|nor|cannot|(?:failed|refused|declined) to)\b|n['’]t\b"
    r"|并非|绝非|并不|并未|而非|不是|不再|没有|没(?=[与和在跟])|从不|从未|未曾|从来没|未能|不曾"
    r"|未(?!来|必|婚)|不(?=[在属会能愿肯])|拒绝"
)
_DENIED_NAME = re.compile(r"\b(?:not|no one \w+ that|nobody \w+ that)\s+$|(?:并非|不是|而非)$", re.IGNORECASE)
_DENIED_AFTER = re.compile(
    r"\b(?:is|are|was|were) (?:a myth|a hoax|false|untrue|not true|wrong)\b|是(?:误传|谣言|谣传|假的|错误的)",
    re.IGNORECASE,
)
_CORRECTION = re.compile(r"\bbut\b|\brather\b|\binstead\b|而是", re.IGNORECASE)
_CLAUSE_START = re.compile(r"[,;:，；：、()（）]\s*")
_SUPPOSITION = re.compile(
    r"\b(?:myth|misconception|hoax|no evidence|not true|falsely|wrongly|erroneously|mistakenly|incorrectly)\b"
    r"|\b(?:den(?:y|ies|ied)|refut\w+|disput\w+|debunk\w+|disprov\w+)\b[^,;]{0,30}\bthat\b|\bwhether\b[^,;]*$"
    r"|误传|谣传|讹传|误认为|误以为|错误地|是否[^，；]*$|否认|传言|据传|假想",
    re.IGNORECASE,
)
_CONDITION = re.compile(
    r"(?:^|[,;]\s*)(?:if|unless|suppose|supposing|imagine)\b|^had\b|(?:^|[，；])(?:如果|假如|假设|假若|要是|倘若|若(?![干望非]))",
    re.IGNORECASE,
)
_IRREAL = re.compile(r"\b(?:would|could|might|had|were)\b|会|就|便|将", re.IGNORECASE)
MAX_SPANS = 200
"""Names of a sentence that are paired: more are a list without punctuation."""
_QUESTION_ENDS = ("?", "？")


def is_asserted(sentence: str, spans: Sequence[tuple[int, int, str]], subject: str, object_id: str) -> bool:
    """Whether a sentence asserts that two of its names are related; True if it does not name both.

    A relation is denied by a negation in the clause of the second name ("was not born in", "never married"), unless that
    clause corrects it ("not by A but by B" affirms B). It is only supposed after "it is a myth that", "wrongly",
    "whether", in an unreal condition, and in a question.

    Args:
        sentence: the sentence.
        spans: its names: start, end, entity.
        subject: entity of the relation's subject.
        object_id: entity of its object.
    """
    # in an open or a closed quotation, the mark belongs to a title
    if sentence.rstrip().endswith(_QUESTION_ENDS) and not sentence.count('"') % 2 and "“" not in sentence:
        return False
    spans = spans[:MAX_SPANS]
    pairs = [
        (min(a, b), max(a, b)) for a in spans for b in spans if a[2] == subject and b[2] == object_id and a[0] != b[0]
    ]
    if not pairs:
        return True
    # the relation is that of the two spans that stand closest together
    first, second = min(pairs, key=lambda pair: pair[1][0] - pair[0][1])
    return not (_is_denied(sentence[first[1] : second[0]]) or _is_supposed(sentence, first[0], second[1]))


def _is_denied(between: str) -> bool:
    clause = _CLAUSE_START.split(between)[-1]
    negation = _NEGATION.search(clause)
    return negation is not None and not _CORRECTION.search(clause, negation.end())


def _is_supposed(sentence: str, start: int, end: int) -> bool:
    prefix = sentence[:start]
    if _SUPPOSITION.search(prefix) or _DENIED_NAME.search(prefix) or _DENIED_AFTER.search(sentence, end):
        return True
    return _CONDITION.search(sentence[:end]) is not None and _IRREAL.search(sentence) is not None
