"""Choose the form of answer that a question asks for, from its words alone.

The rules are data (`kgrag/data/question_forms.toml`), in English and Chinese.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from importlib.resources import files

from kgrag.text.normalize import has_cjk, to_simplified
from kgrag.text.sentences import sentence_spans


class AnswerForm(StrEnum):
    """Form of an answer; a later member says more than an earlier one."""

    PHRASE = "phrase"
    YES_NO = "yes_no"
    SENTENCES = "sentences"
    """A definition, a reason or an explanation."""
    LIST = "list"
    COMPARISON = "comparison"
    CODE = "code"
    STEPS = "steps"


MAX_CLAUSE_CHARS = 400
"""Maximum number of characters at the end of a clause that rules search: bounds the time for a question of any length."""
MAX_CLAUSES = 6
"""Maximum number of clauses at the end of a question that rules search."""
_QUOTED = re.compile(r"《[^》]*》|“[^”]*”|「[^」]*」|\"[^\"]*\"|`[^`]+`|(?<!\w)'[^'\n]{2,}'(?!\w)")
_BRACKETED = re.compile(r"\s\([^()]*(?:\([^()]*\)[^()]*)*\)|（[^（）]*）|\s(?:\.{3}|…)(?=\s)")
_ASKS = re.compile(r"[?？][\s\"'”’」』）)]*$|[吗呢][。！!\s]*$")
_QUESTION_WORD = "how|why|what|which|when|where|who|is|are|does|do|did|can|should"
_NEXT_CLAUSE = re.compile(
    rf"(?:[,;:，；]\s*|\s)(?:and|but|so|if so|if not),?\s+(?={_QUESTION_WORD}\b)|[，；,]\s*(?:并且|而且|以及|还有|又)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class _FormRule:
    """Patterns of one form, by language."""

    form: AnswerForm
    patterns: dict[str, re.Pattern[str] | None]


def answer_form(question: str) -> AnswerForm:
    """Return the form of answer that a question asks for.

    Of several questions at once, the one whose form says most decides. A text that asks nothing gets sentences.
    """
    text = _BRACKETED.sub("", _QUOTED.sub("X", to_simplified(question)))
    sentences = [text[start:end] for start, end in sentence_spans(text)]
    asking = [sentence for sentence in sentences if _ASKS.search(sentence)] or sentences
    forms = _sentence_forms(asking) or _sentence_forms(sentences)
    return max(forms, key=list(AnswerForm).index, default=AnswerForm.SENTENCES)


def _sentence_forms(sentences: list[str]) -> list[AnswerForm]:
    """Return the forms of the clauses of the last sentences that match a rule."""
    shortened = [sentence[-MAX_CLAUSE_CHARS:] for sentence in sentences[-MAX_CLAUSES:]]
    clauses = [clause for sentence in shortened for clause in _NEXT_CLAUSE.split(sentence)]
    return [form for clause in clauses[-MAX_CLAUSES:] if (form := _clause_form(clause)) is not None]


def _clause_form(clause: str) -> AnswerForm | None:
    """Return the form of the first rule that matches a clause; None if none does."""
    clause = " ".join(clause.split())
    for lang in ("zh", "en") if has_cjk(clause) else ("en",):
        requests, rules = _load_rules()
        asked = _remove_requests(clause, requests[lang])
        for rule in rules:
            pattern = rule.patterns[lang]
            if pattern is not None and pattern.search(asked):
                return rule.form
    return None


def _remove_requests(clause: str, request: re.Pattern[str]) -> str:
    """Return a clause without the beginning that only asks for an answer."""
    rest = clause.lstrip(" \\¿([{-*>#\"'“")
    while match := request.match(rest):
        rest = rest[match.end() :].lstrip(" ,:，：")
        if "告诉" in match.group() or "能" in match.group() or "可" in match.group():
            rest = re.sub(r"吗([？?]?)$", r"\1", rest)
    return rest or clause


@lru_cache(maxsize=1)
def _load_rules() -> tuple[dict[str, re.Pattern[str]], tuple[_FormRule, ...]]:
    """Return the requests by language, and the rules in order."""
    data = tomllib.loads(files("kgrag.data").joinpath("question_forms.toml").read_text("utf-8"))

    def compile_any(patterns: list[str]) -> re.Pattern[str] | None:
        return re.compile("|".join(f"(?:{pattern})" for pattern in patterns), re.IGNORECASE) if patterns else None

    rules = tuple(
        _FormRule(AnswerForm(rule["form"]), {lang: compile_any(rule[lang]) for lang in ("en", "zh")})
        for rule in data["rule"]
    )
    requests = {lang: re.compile("|".join(data["request"][lang]), re.IGNORECASE) for lang in ("en", "zh")}
    return requests, rules
