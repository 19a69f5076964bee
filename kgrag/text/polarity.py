"""Words that answer a yes/no question in English and Chinese, in the form of `kgrag.text.normalize_name`.

Gold answers are compared with all of them. Checks of a model's answers use the smaller sets below, since the published
figures were measured with those: `CANONICAL_ANSWERS` ⊂ `EXPLICIT_ANSWERS` ⊂ `CLAIM_ANSWERS` ⊂ `YES_NO_WORDS`.
"""

from __future__ import annotations

YES_WORDS = frozenset(["yes", "true", "是", "是 的", "对", "对 的", "有", "正 确"])
"""Words that affirm."""
NO_WORDS = frozenset(["no", "false", "否", "不", "不 是", "不 对", "没 有", "并 非", "错 误"])
"""Words that deny."""
YES_NO_WORDS = YES_WORDS | NO_WORDS
"""All words that affirm or deny."""
CANONICAL_ANSWERS = frozenset(["yes", "no", "是", "否"])
"""The answers that this program writes (`yes_no_answer`)."""
EXPLICIT_ANSWERS = CANONICAL_ANSWERS | {"true", "false", "不 是", "对", "不 对"}
"""Answers that only affirm or deny. To the citation and echo guards, such an answer claims the question itself.

有 and 没有 are not included: they are frequent words of Chinese statements, and the citation guard ignores the words
of this set in a statement.
"""
CLAIM_ANSWERS = EXPLICIT_ANSWERS | {"有", "没 有"}
"""Answers that are converted to a statement together with their question."""


def yes_no_answer(is_yes: bool, lang: str) -> str:
    """Return "yes" or "no" in English, or 是 or 否 if ``lang`` is ``"zh"``."""
    if lang == "zh":
        return "是" if is_yes else "否"
    return "yes" if is_yes else "no"
