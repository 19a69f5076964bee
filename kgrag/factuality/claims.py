"""What an answer claims: statements that can be checked alone, each with the question folded in where it is a phrase.

"Missolonghi" says nothing; "Lord Byron did die in Missolonghi" can be looked up. Chinese questions have their word for
what is asked where the answer would stand, so the answer takes its place. English ones are turned by their first words;
those that no rule turns keep their words, with the answer after them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from kgrag.cite import statements
from kgrag.dates import date
from kgrag.evaluate.metrics import answer_tokens, bare
from kgrag.silence import abstains
from kgrag.text import is_cjk

PHRASE = 8
"""Tokens of a phrase, at most; in Chinese, which has one for each character, five times as many if it has no verb."""
_BE = r"is|are|was|were"
_DO = r"did|does|do"
_VERB = re.compile(
    r"\b(?:is|are|was|were|has|have|had|did|does|do|can|could|will|would|became|died|born|won|wrote|made|said|founded"
    r"|met|married|designed|built|created|directed|played|worked|lived|moved|served|led|took|gave|went|came)\b"
)
_VERB_ZH = re.compile("是|为|有|在|于|由|被|了|没|生|位于|成立|创办|毕业|担任")
_PRONOUN = re.compile(
    r"(?:he|she|it|they|his|her|its|their|this|these|that|those|there)\b|[他她它们这那该其]", re.IGNORECASE
)
_ASK_ZH = re.compile(
    r"是?(?:哪(?:一|两|几|些|个|位|座|所|家|部|种|国|里|儿|年|天|月|本|首|支|条|名|款|类|届|座)?(?:个|位|年|天|家|种|国|部|所)?"
    r"|谁|什么(?:时候|地方|人|时间|名字)?|何(?:时|处|人|地|年|种|物)|多少|几|怎样|如何)"
)


@dataclass(frozen=True, slots=True)
class Claim:
    """A ``statement`` of an answer as it was said, and the same as ``text`` that can be understood without the question.

    ``phrase``: it is all of an answer that is a phrase, so that what answers are known tells whether it is right.
    """

    statement: str
    text: str
    phrase: bool = False


def claims(question: str, answer: str) -> list[Claim]:
    """The claims of an answer, each once; none where it says that it has none, or says nothing."""
    if abstains(answer):
        return []
    parts = [bare(part) for statement in statements(answer) for part in _parts(statement)]
    parts = [part for part in parts if answer_tokens(part)]
    # one of several statements is none of the phrases that a question is answered with
    if len(parts) == 1:
        return [Claim(parts[0], folded(question, parts[0]), _completes(question, parts[0]))]
    found = [Claim(said, _alone(question, said)) for said in parts]
    return list({claim.text: claim for claim in found}.values())


def _parts(statement: str) -> list[str]:
    """A statement cut at semicolons, where both sides could stand alone."""
    pieces = [piece.strip() for piece in re.split(r"[;；]", statement)]
    return pieces if all(not is_phrase(piece) for piece in pieces) else [statement]


def is_phrase(text: str) -> bool:
    """Whether a text is a name, a date, a number or a list of them, and no sentence."""
    words = answer_tokens(text)
    if is_cjk(text):
        return len(words) <= PHRASE or (len(words) <= 5 * PHRASE and not _VERB_ZH.search(text))
    return len(words) <= PHRASE and not (_VERB.search(text.lower()) and len(words) > 2)


def folded(question: str, answer: str) -> str:
    """The answer as a statement: as it is if it is one, else with the question around it."""
    if not _completes(question, answer):
        return _alone(question, answer)
    plain = question.strip().rstrip("?？ 。.").strip()
    polarity = " ".join(answer_tokens(answer))
    if polarity in {"yes", "no", "true", "false", "是", "不 是", "否", "对", "不 对", "有", "没 有"}:
        if not _POLAR.search(plain):
            return f"{question.strip()} {answer.strip(' .。')}."  # no answer to what was asked: nothing is made of it
        return _whether(plain, polarity in {"yes", "true", "是", "对", "有"})
    return _in_chinese(plain, answer) if is_cjk(plain) else _in_english(plain, answer)


def _completes(question: str, answer: str) -> bool:
    """Whether an answer is no statement of its own: a phrase, or as long as may be a part of the question (a title)."""
    said, asked = answer_tokens(answer), answer_tokens(question)
    inside = any(asked[n : n + len(said)] == said for n in range(len(asked) - len(said) + 1))
    if inside or not is_phrase(answer) or is_cjk(answer):
        return inside or is_phrase(answer)
    # half of the question and more to it says again what was asked: "Byron's daughter studied with De Morgan"
    again = sum(word in asked for word in said)
    return not (again >= 2 and again < len(said) and 2 * again >= len({*asked} - _ASKING))


def _alone(question: str, statement: str) -> str:
    """A statement, with the question before it where it begins with a pronoun."""
    return f"{question.strip()} {statement}" if _PRONOUN.match(statement) else statement


def _in_chinese(question: str, answer: str) -> str:
    places = list(_ASK_ZH.finditer(question))
    if not places:
        return f"{question}：{answer}。"
    last = places[-1]
    asked = last.group()
    # 是谁 keeps its verb, 哪一年 its unit goes with what is asked
    verb = "是" if asked.startswith("是") else ""
    left, right = question[: last.start()] + verb, question[last.end() :]
    right = re.sub(r"^(?:呢|吗|啊|人|名字)$", "", right)
    if right and answer.endswith(right[0]) and right[0] in "年月日个人位台所":
        right = right[1:]
    return f"{left}{answer}{right}。"


_WHEN = re.compile(
    rf"(?:when|(?:in )?(?:what|which) year|(?:on )?(?:what|which) date) (?P<aux>{_BE}|{_DO}) (?P<rest>.+)", re.I
)
_WHERE = re.compile(rf"(?:where|in (?:what|which) [\w ]+?) (?P<aux>{_BE}|{_DO}) (?P<rest>.+)", re.I)
_WHAT_IS = re.compile(rf"(?:what|who|which|where) (?P<aux>{_BE}) (?P<rest>.+)", re.I)
_WHAT_NOUN_IS = re.compile(rf"(?:what|which) (?P<noun>[\w-]+) (?P<aux>{_BE}) (?P<rest>(?:[A-Z]|the |his |her |its ).+)")
_SUBJECT = re.compile(rf"(?:who|what|which(?P<noun> [\w'-]+)?) (?P<rest>(?!(?:{_DO}) )\w+ .+)", re.I)
_PARTICIPLE = re.compile(
    r"(?P<subject>.+?) (?P<verb>born|buried|educated|located|founded|built|published|released|held|made|based|killed|married"
    r"|raised|established|created|formed|introduced|invented)(?P<after>.*)",
    re.IGNORECASE,
)
_POLAR = re.compile(
    rf"^(?:{_BE}|{_DO}|has|have|had|can|could|will|would|should|may|might)\b|(?:吗|么)$|是否|是不是|有没有|能否|会不会",
    re.IGNORECASE,
)
"""Questions that are answered by yes or no."""
_ASKING = frozenset(
    [
        "who",
        "what",
        "which",
        "where",
        "when",
        "how",
        "why",
        "whose",
        "whom",
        "did",
        "do",
        "does",
        "is",
        "are",
        "was",
        "were",
        "of",
        "in",
        "at",
        "by",
    ]
)
_CHOICE = re.compile(r"^(?P<rest>.+?), (?P<one>[^,]+) or (?P<two>[^,]+)$")
_PAST = {"die": "died", "live": "lived", "work": "worked", "end": "ended", "start": "started", "begin": "began",
         "open": "opened", "close": "closed", "study": "studied", "happen": "happened", "graduate": "graduated",
         "retire": "retired", "marry": "married", "reign": "reigned", "occur": "occurred", "teach": "taught"}  # fmt: skip


def _in_english(question: str, answer: str) -> str:
    question = question[:1].lower() + question[1:]
    for rule in (_WHEN, _WHERE):
        if match := rule.fullmatch(question):
            return _placed(match["rest"], match["aux"], answer)
    if match := _WHAT_NOUN_IS.fullmatch(question):
        if inner := _PARTICIPLE.fullmatch(match["rest"]):
            return f"{inner['subject']} {match['aux']} {inner['verb']}{inner['after']} {answer}."
        return f"The {match['noun']} of {match['rest']} {match['aux']} {answer}."
    if choice := re.fullmatch(r"(?:who|what) (?P<rest>[^,]+), (?P<one>[^,]+) or (?P<two>[^,]+)", question, re.I):
        return f"{answer} {choice['rest']} of {choice['one']} and {choice['two']}."
    if match := _WHAT_IS.fullmatch(question):
        if re.match(r"(?:the|a|an|his|her|its) |.*'s? ", match["rest"]):
            return f"{_capital(match['rest'])} {match['aux']} {answer}."
        return f"{answer} {match['aux']} {match['rest']}."
    if match := _SUBJECT.fullmatch(question):
        rest, noun = match["rest"], (match["noun"] or "").strip()
        if choice := _CHOICE.match(rest):
            rest = f"{choice['rest']} of {choice['one']} and {choice['two']}"
        return f"{answer}{f', the {noun},' if noun else ''} {rest}."
    return f"{_capital(question)}: {answer}."


def _placed(rest: str, aux: str, answer: str) -> str:
    """What was, or happened, at the time or the place that is the answer."""
    before = "" if re.match(r"(?:in|on|at|by|near|from|around|before|after) ", answer, re.I) else "in "
    said = ("on " if before and len(date(answer)) == 10 else before) + answer
    if aux.lower() in ("did", "does", "do"):
        subject, _, verb = rest.rpartition(" ")
        past = _PAST.get(verb) if aux.lower() == "did" else None
        return _capital(f"{subject} {past} {said}." if past else f"{rest}, {said}.")
    if inner := _PARTICIPLE.fullmatch(rest):
        return _capital(f"{inner['subject']} {aux} {inner['verb']}{inner['after']} {said}.")
    return _capital(f"{rest} {aux} {said}.")


def _whether(question: str, yes: bool) -> str:
    if is_cjk(question):
        plain = re.sub(r"(?:吗|么)$", "", question)
        plain = re.sub(r"是不是|是否", "是", plain)
        return f"{plain}。" if yes else f"并非{plain}。"
    return f"It is {'' if yes else 'not '}true: {question[:1].lower() + question[1:]}."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
