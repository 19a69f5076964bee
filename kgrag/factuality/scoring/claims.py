"""Split an answer into claims: statements that can be verified without the question.

"Missolonghi" alone cannot be verified; "Lord Byron died in Missolonghi" can. A Chinese question has its question word in
the position of the answer, so the answer replaces it. An English question is reordered by rules on its first words. If
no rule applies, the claim is the question with the answer after it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from kgrag.answering.guards.statements import split_statements
from kgrag.metrics.answers import answer_tokens, normalize_answer
from kgrag.text import has_cjk
from kgrag.text.abstention import is_abstention
from kgrag.text.dates import normalize_date
from kgrag.text.polarity import CLAIM_ANSWERS, YES_WORDS

MAX_SHORT_ANSWER_TOKENS = 8
"""Maximum tokens of a phrase; five times as many for Chinese without a verb, which has one token per character."""
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
_QUESTION_WORD_ZH = re.compile(
    r"是?(?:哪(?:一|两|几|些|个|位|座|所|家|部|种|国|里|儿|年|天|月|本|首|支|条|名|款|类|届|座)?(?:个|位|年|天|家|种|国|部|所)?"
    r"|谁|什么(?:时候|地方|人|时间|名字)?|何(?:时|处|人|地|年|种|物)|多少|几|怎样|如何)"
)


@dataclass(frozen=True, slots=True)
class Claim:
    """A statement of an answer, in its own words and as a ``text`` that needs no question.

    ``is_short`` is whether the statement is the whole answer and a phrase, so that the known answers can decide it.
    """

    statement: str
    text: str
    is_short: bool = False


def extract_claims(question: str, answer: str) -> list[Claim]:
    """Return the claims of an answer without duplicates; none for an abstention or an empty answer."""
    if is_abstention(answer):
        return []
    parts = [
        normalize_answer(part) for statement in split_statements(answer) for part in _split_at_semicolons(statement)
    ]
    parts = [part for part in parts if answer_tokens(part)]
    # one of several statements is never the phrase that answers the question
    if len(parts) == 1:
        return [Claim(parts[0], to_declarative(question, parts[0]), _needs_question(question, parts[0]))]
    extracted = [Claim(part, _with_question_for_pronoun(question, part)) for part in parts]
    return list({claim.text: claim for claim in extracted}.values())


def _split_at_semicolons(statement: str) -> list[str]:
    """Split a statement at semicolons if every part is a sentence."""
    pieces = [piece.strip() for piece in re.split(r"[;；]", statement)]
    return pieces if all(not is_short_answer(piece) for piece in pieces) else [statement]


def is_short_answer(text: str) -> bool:
    """Whether a text is a name, a date, a number or a list of them, not a sentence."""
    words = answer_tokens(text)
    if has_cjk(text):
        return len(words) <= MAX_SHORT_ANSWER_TOKENS or (
            len(words) <= 5 * MAX_SHORT_ANSWER_TOKENS and not _VERB_ZH.search(text)
        )
    return len(words) <= MAX_SHORT_ANSWER_TOKENS and not (_VERB.search(text.lower()) and len(words) > 2)


def to_declarative(question: str, answer: str) -> str:
    """Turn an answer into a statement; an answer that is a statement stays as it is.

    The verification of claims and the training data use this conversion. The judge's own conversion,
    `kgrag.judge.tokenization.question_answer_to_claim`, is different on purpose: the judge was trained on it. It keeps an
    English question and its answer in their order and knows no grammar. With either in place of the other, the measured
    figures would change.
    """
    if not _needs_question(question, answer):
        return _with_question_for_pronoun(question, answer)
    bare_question = question.strip().rstrip("?？ 。.").strip()
    polarity = " ".join(answer_tokens(answer))
    if polarity in CLAIM_ANSWERS:
        if not _POLAR_QUESTION.search(bare_question):
            return f"{question.strip()} {answer.strip(' .。')}."  # yes or no does not answer the question: no statement is built
        return _declarative_polar(bare_question, polarity in YES_WORDS)
    return _declarative_zh(bare_question, answer) if has_cjk(bare_question) else _declarative_en(bare_question, answer)


def _needs_question(question: str, answer: str) -> bool:
    """Whether an answer is not a statement by itself: a phrase, or a part of the question such as a title."""
    answer_words, question_words = answer_tokens(answer), answer_tokens(question)
    is_in_question = any(
        question_words[n : n + len(answer_words)] == answer_words
        for n in range(len(question_words) - len(answer_words) + 1)
    )
    if is_in_question or not is_short_answer(answer) or has_cjk(answer):
        return is_in_question or is_short_answer(answer)
    # an answer with half of the question and more words repeats the question: "Byron's daughter studied with De Morgan"
    repeated = sum(word in question_words for word in answer_words)
    return not (
        repeated >= 2 and repeated < len(answer_words) and 2 * repeated >= len({*question_words} - _FUNCTION_WORDS)
    )


def _with_question_for_pronoun(question: str, statement: str) -> str:
    """Put the question before a statement that begins with a pronoun."""
    return f"{question.strip()} {statement}" if _PRONOUN.match(statement) else statement


def _declarative_zh(question: str, answer: str) -> str:
    question_matches = list(_QUESTION_WORD_ZH.finditer(question))
    if not question_matches:
        return f"{question}：{answer}。"
    last = question_matches[-1]
    question_word = last.group()
    # 是谁 keeps its verb; the unit of 哪一年 is part of the question word
    verb = "是" if question_word.startswith("是") else ""
    left, right = question[: last.start()] + verb, question[last.end() :]
    right = re.sub(r"^(?:呢|吗|啊|人|名字)$", "", right)
    if right and answer.endswith(right[0]) and right[0] in "年月日个人位台所":
        right = right[1:]
    return f"{left}{answer}{right}。"


_WHEN_QUESTION = re.compile(
    rf"(?:when|(?:in )?(?:what|which) year|(?:on )?(?:what|which) date) (?P<aux>{_BE}|{_DO}) (?P<rest>.+)", re.I
)
_WHERE_QUESTION = re.compile(rf"(?:where|in (?:what|which) [\w ]+?) (?P<aux>{_BE}|{_DO}) (?P<rest>.+)", re.I)
_WHAT_IS_QUESTION = re.compile(rf"(?:what|who|which|where) (?P<aux>{_BE}) (?P<rest>.+)", re.I)
_WHAT_NOUN_QUESTION = re.compile(
    rf"(?:what|which) (?P<noun>[\w-]+) (?P<aux>{_BE}) (?P<rest>(?:[A-Z]|the |his |her |its ).+)"
)
_SUBJECT_QUESTION = re.compile(rf"(?:who|what|which(?P<noun> [\w'-]+)?) (?P<rest>(?!(?:{_DO}) )\w+ .+)", re.I)
_PARTICIPLE = re.compile(
    r"(?P<subject>.+?) (?P<verb>born|buried|educated|located|founded|built|published|released|held|made|based|killed|married"
    r"|raised|established|created|formed|introduced|invented)(?P<after>.*)",
    re.IGNORECASE,
)
_POLAR_QUESTION = re.compile(
    rf"^(?:{_BE}|{_DO}|has|have|had|can|could|will|would|should|may|might)\b|(?:吗|么)$|是否|是不是|有没有|能否|会不会",
    re.IGNORECASE,
)
"""Questions whose answer is yes or no."""
_FUNCTION_WORDS = frozenset(
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
_CHOICE_QUESTION = re.compile(r"^(?P<rest>.+?), (?P<one>[^,]+) or (?P<two>[^,]+)$")
_PAST_TENSE = {"die": "died", "live": "lived", "work": "worked", "end": "ended", "start": "started", "begin": "began",
         "open": "opened", "close": "closed", "study": "studied", "happen": "happened", "graduate": "graduated",
         "retire": "retired", "marry": "married", "reign": "reigned", "occur": "occurred", "teach": "taught"}  # fmt: skip


def _declarative_en(question: str, answer: str) -> str:
    question = question[:1].lower() + question[1:]
    for rule in (_WHEN_QUESTION, _WHERE_QUESTION):
        if match := rule.fullmatch(question):
            return _declarative_when_where(match["rest"], match["aux"], answer)
    if match := _WHAT_NOUN_QUESTION.fullmatch(question):
        if participle := _PARTICIPLE.fullmatch(match["rest"]):
            return f"{participle['subject']} {match['aux']} {participle['verb']}{participle['after']} {answer}."
        return f"The {match['noun']} of {match['rest']} {match['aux']} {answer}."
    if choice := re.fullmatch(r"(?:who|what) (?P<rest>[^,]+), (?P<one>[^,]+) or (?P<two>[^,]+)", question, re.I):
        return f"{answer} {choice['rest']} of {choice['one']} and {choice['two']}."
    if match := _WHAT_IS_QUESTION.fullmatch(question):
        if re.match(r"(?:the|a|an|his|her|its) |.*'s? ", match["rest"]):
            return f"{_capitalized(match['rest'])} {match['aux']} {answer}."
        return f"{answer} {match['aux']} {match['rest']}."
    if match := _SUBJECT_QUESTION.fullmatch(question):
        rest, noun = match["rest"], (match["noun"] or "").strip()
        if choice := _CHOICE_QUESTION.match(rest):
            rest = f"{choice['rest']} of {choice['one']} and {choice['two']}"
        return f"{answer}{f', the {noun},' if noun else ''} {rest}."
    return f"{_capitalized(question)}: {answer}."


def _declarative_when_where(rest: str, aux: str, answer: str) -> str:
    """Build the statement of an event or a state at the time or the place of the answer."""
    preposition = "" if re.match(r"(?:in|on|at|by|near|from|around|before|after) ", answer, re.I) else "in "
    placed_answer = ("on " if preposition and len(normalize_date(answer)) == 10 else preposition) + answer
    if aux.lower() in ("did", "does", "do"):
        subject, _, verb = rest.rpartition(" ")
        past = _PAST_TENSE.get(verb) if aux.lower() == "did" else None
        return _capitalized(f"{subject} {past} {placed_answer}." if past else f"{rest}, {placed_answer}.")
    if participle := _PARTICIPLE.fullmatch(rest):
        return _capitalized(f"{participle['subject']} {aux} {participle['verb']}{participle['after']} {placed_answer}.")
    return _capitalized(f"{rest} {aux} {placed_answer}.")


def _declarative_polar(question: str, yes: bool) -> str:
    if has_cjk(question):
        statement = re.sub(r"(?:吗|么)$", "", question)
        statement = re.sub(r"是不是|是否", "是", statement)
        return f"{statement}。" if yes else f"并非{statement}。"
    return f"It is {'' if yes else 'not '}true: {question[:1].lower() + question[1:]}."


def _capitalized(text: str) -> str:
    return text[:1].upper() + text[1:]
